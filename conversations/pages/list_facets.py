"""Facets beside the list: what the matches have in common, with counts; each is a link that filters."""

from dataclasses import dataclass
from typing import Any

from conversations.archive import people
from conversations.pages.list_forms import ListQuery, list_address
from conversations.search import facets
from conversations.search.facets import MAX_OWN, MAX_VALUES, Value
from conversations.search.finder import Finder
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import User

# Filters of which the search takes either, where there are several.
_ONE_OF = ("state", "owner")
# Filters whose values are capitalized for people.
_CAPITALIZED = ("has", "is", "state")


@dataclass(frozen=True)
class Choice:
    """A link that adds a filter to the query, or removes it where `is_chosen`.

    `count` is "" where nothing is counted.
    """

    text: str
    address: str
    count: str = ""
    is_chosen: bool = False


@dataclass(frozen=True)
class Group:
    """Choices of one kind. `rest` counts those that are left out; the control named `control` has all of them."""

    name: str
    choices: list[Choice]
    rest: int = 0
    control: str = ""


def groups(user: User, finder: Finder, query: ListQuery) -> list[Group]:
    """Return the groups of choices for a list of what this finder finds, without empty ones."""
    make = _Links(query)
    counted = facets.count(finder.matches(), finder.scope)
    # A click on another state, or another person, takes the place of the one that is chosen.
    states = facets.states(finder.without("state").matches(), finder.scope) if make.has("state") else counted.states
    if any(value.text == "complete" for value in states) and "answered" not in query.asked.values("state"):
        # Complete answers are answered too: two counts of nearly the same would puzzle.
        states = [value for value in states if value.text != "answered"]
    all_owners = facets.owners(finder.without("owner").matches(), None) if make.has("owner") else counted.owners
    tokens = finder.scope.reader.tokens
    typed = {meant[0]: value for value, meant in finder.scope.owners.items() if len(meant) == 1}
    asked_by = [row for place, row in enumerate(all_owners) if place < MAX_VALUES or row[0] in typed]
    names = people.names(user, {owner for owner, _ in asked_by}, tokens)
    filters = people.as_filters(finder.scope.reader, {owner for owner, _ in asked_by}) | typed
    owners = [Value(Filter("owner", filters[owner]), names.get(owner, owner.id), number) for owner, number in asked_by]
    is_of_several = any(token.sees_organization for token in tokens)
    make.is_nothing_found = not (counted.states or counted.owners)
    made = [
        make.group("State", "state", states),
        make.group("Topic", "topic", counted.topics),
        make.group("Asked by", "owner", owners, len(all_owners) - len(asked_by)) if is_of_several else None,
        make.group("Has", "has", counted.has),
        make.group("Yours", "is", counted.own),
        make.group("Ticket", "ticket", counted.tickets),
    ]
    return [group for group in made if group and group.choices]


class _Links:
    def __init__(self, query: ListQuery) -> None:
        self._asked = query.asked
        self._kept: dict[str, Any] = {"credential": query.credential.pk} if query.credential else {}
        if query.stretch.order != "activity":
            self._kept["sort"] = query.stretch.order
        self.is_nothing_found = False

    def has(self, name: str) -> bool:
        return bool(self._asked.value(name))

    def group(self, title: str, name: str, values: list[Value], left_out: int = 0) -> Group:
        """Return a choice for each of the most frequent values of the filter `name`, and for each that is chosen.

        `left_out` counts values that are not among these.
        """
        own = [row for row in self._asked.filters if row.name == name and not row.is_negated]
        shown = [
            value
            for place, value in enumerate(values)
            if place < MAX_VALUES or any(_is_same(row, value.filter) for row in own)
        ]
        choices = [self._choice(value) for value in shown]
        for row in own:
            if not any(_is_same(row, value.filter) for value in shown):
                text = row.value.removeprefix("=")
                count = "0" if self.is_nothing_found else ""
                address = self._address(self._asked.without(row))
                choices.append(Choice(_text(name, text), address, count, is_chosen=True))
        return Group(title, choices, left_out + len(values) - len(shown), f"control-{name}")

    def _choice(self, value: Value) -> Choice:
        text = _text(value.filter.name, value.text)
        chosen = next((row for row in self._asked.filters if _is_same(row, value.filter)), None)
        # More are not counted of what is looked up row by row.
        is_more = value.filter.name == "is" and value.count > MAX_OWN
        count = f"{MAX_OWN:,}+" if is_more else f"{value.count:,}"
        if chosen:
            return Choice(text, self._address(self._asked.without(chosen)), count, is_chosen=True)
        if value.filter.name in _ONE_OF:
            return Choice(text, self._address(self._asked.replaced(value.filter.name, value.filter.value)), count)
        return Choice(text, self._address(self._asked.also(value.filter)), count)

    def _address(self, asked: Asked) -> str:
        return list_address({"q": asked.typed, **self._kept} if asked.typed else self._kept)


def _is_same(row: Filter, other: Filter) -> bool:
    """Return whether a filter of the query stands for this choice; typed without "=", a topic does too."""
    same = row.name == other.name and _plain(row) == _plain(other)
    return same and not row.is_negated


def _plain(row: Filter) -> str:
    return row.value.removeprefix("=").casefold()


def _text(name: str, value: str) -> str:
    return value.capitalize() if name in _CAPITALIZED else value
