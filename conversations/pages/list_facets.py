"""Facets beside the list: what the matches have in common, with counts; each is a link that filters."""

from dataclasses import dataclass
from typing import Any

from conversations.archive import people
from conversations.pages.list_forms import ListQuery, list_address
from conversations.search import facets
from conversations.search.facets import MAX_OWN, Value
from conversations.search.finder import Finder
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import User

# Spans of the last activity that a click asks for, as `from:` takes them.
_SPANS = {"today": "Today", "7d": "Last 7 days", "30d": "Last 30 days", "3m": "Last 3 months", "1y": "Last 12 months"}
_HAS = {"chart": "A chart", "rows": "Rows", "ticket": "A ticket"}
# Filters of which the search takes either, where there are several.
_ONE_OF = ("state", "owner")
_OWN = {"starred": "Starred", "unread": "Unread"}


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
    name: str
    choices: list[Choice]


def groups(user: User, finder: Finder, query: ListQuery) -> list[Group]:
    """Return the groups of choices for a list of what this finder finds, without empty ones."""
    make = _Links(query)
    counted = facets.count(finder.matches(), finder.scope)
    # A click on another state, or another person, takes the place of the one that is chosen.
    states = facets.states(finder.without("state").matches(), finder.scope) if make.has("state") else counted.states
    asked_by = facets.owners(finder.without("owner").matches()) if make.has("owner") else counted.owners
    tokens = finder.scope.reader.tokens
    names = people.names(user, {owner for owner, _ in asked_by}, tokens)
    typed = {meant[0]: value for value, meant in finder.scope.owners.items() if len(meant) == 1}
    filters = people.as_filters(finder.scope.reader, {owner for owner, _ in asked_by}) | typed
    owners = [Value(Filter("owner", filters[owner]), names.get(owner, owner.id), number) for owner, number in asked_by]
    made = [
        Group("State", make.choices(states)),
        Group("Asked by", make.choices(owners) if any(token.sees_organization for token in tokens) else []),
        Group("Topic", make.choices(counted.topics)),
        Group("With", make.choices(counted.has, _HAS)),
        Group("Yours", make.choices(counted.own, _OWN, most=MAX_OWN)),
        Group("Ticket", make.choices(counted.tickets)),
        Group("Last active", [make.span(value, text) for value, text in _SPANS.items()]),
    ]
    return [group for group in made if group.choices]


class _Links:
    def __init__(self, query: ListQuery) -> None:
        self._asked = query.asked
        self._kept: dict[str, Any] = {"credential": query.credential.pk} if query.credential else {}
        if query.stretch.order != "activity":
            self._kept["sort"] = query.stretch.order

    def has(self, name: str) -> bool:
        return bool(self._asked.value(name))

    def choices(
        self, values: list[Value], texts: dict[str, str] | None = None, most: int | None = None
    ) -> list[Choice]:
        """Return a choice for each value. `texts`: what people read, by value; `most`: larger counts are said so."""
        return [self._choice(value, (texts or {}).get(value.text, value.text), most) for value in values]

    def _choice(self, value: Value, text: str, most: int | None) -> Choice:
        chosen = next((row for row in self._asked.filters if _is_same(row, value.filter)), None)
        count = f"{most:,}+" if most is not None and value.count > most else f"{value.count:,}"
        if chosen:
            return Choice(text, self._address(self._asked.without(chosen)), count, is_chosen=True)
        if value.filter.name in _ONE_OF:
            return Choice(text, self._address(self._asked.replaced(value.filter.name, value.filter.value)), count)
        return Choice(text, self._address(self._asked.also(value.filter)), count)

    def span(self, value: str, text: str) -> Choice:
        """Return the choice of a span; another one is replaced, as are single days."""
        if self._asked.value("from") == value:
            return Choice(text, self._address(self._asked.replaced("from", "")), is_chosen=True)
        cleared = self._asked.replaced("to", "").replaced("on", "")
        return Choice(text, self._address(cleared.replaced("from", value)))

    def _address(self, asked: Asked) -> str:
        return list_address({"q": asked.typed, **self._kept} if asked.typed else self._kept)


def _is_same(row: Filter, other: Filter) -> bool:
    same = row.name == other.name and row.value.casefold() == other.value.casefold()
    return same and not row.is_negated
