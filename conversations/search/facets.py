"""Counts of the facts that the matches of a query share, each over what its reader may know."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from conversations.models import Owner, TicketReference
from conversations.models.access import AccessQuerySet
from conversations.search import list_facts
from conversations.search.narrowing import Scope, own_condition
from conversations.search.question import Fact
from conversations.search.rights import IS_CURRENT, places_of
from conversations.search.syntax import HAS, IS, Filter

# Most tickets: the most frequent ones. A page shows as many values of the other kinds.
MAX_VALUES = 8
# Beyond, "more than" is said of what has to be looked up row by row.
MAX_OWN = 1000
# States in the order of the page.
_STATES = ("failed", "running", "unanswered", "cancelled", "complete", "answered")


@dataclass(frozen=True)
class Value:
    """One value of a facet: the filter that asks for it, the text that people read, and its number of conversations."""

    filter: Filter
    text: str
    count: int


@dataclass(frozen=True)
class Facets:
    """Values by kind; `owners` and their counts have no text yet: names are the archive's."""

    states: list[Value]
    topics: list[Value]
    has: list[Value]
    tickets: list[Value]
    own: list[Value]
    owners: list[tuple[Owner, int]]


def count(rows: AccessQuerySet, scope: Scope) -> Facets:
    """Count the facets of these accesses, which are all of conversations whose rows the reader may see."""
    rows = rows.order_by()
    counted = facts(rows, scope)
    linked = _linked(rows, scope).values("conversation").distinct().count()
    has = {name: counted[Fact("has", name)] for name in HAS} | {"ticket": linked}
    return Facets(
        states=_states(counted),
        topics=topics(counted),
        has=_values("has", has.items()),
        tickets=tickets(rows, scope),
        own=_values("is", ((name, _own(rows, name, scope)) for name in IS)),
        owners=owners(rows, most=None),
    )


def facts(rows: AccessQuerySet, scope: Scope) -> Counter[Fact]:
    """Count each fact that the reader may know; the database counts conversations with equal facts as one group."""
    readable = rows.order_by().messages_of(scope.reader)
    current = readable.filter(IS_CURRENT).exclude(conversation__facts="")
    groups = current.values_list("conversation__facts", "has_evidence").annotate(count=Count("pk"))
    found: Counter[Fact] = Counter()
    for written, has_evidence, number in groups:
        places = places_of(may_read=True, is_current=True, has_evidence=has_evidence)
        for fact in list_facts.read(written):
            if fact.is_known_from(places):
                found[fact] += number
    return found


def states(rows: AccessQuerySet, scope: Scope) -> list[Value]:
    """Count the states alone, see `count`."""
    return _states(facts(rows, scope))


def topics(counted: Counter[Fact]) -> list[Value]:
    """Return the topics among counted facts, the most frequent first."""
    named = {fact.value: number for fact, number in counted.items() if fact.kind == "topic"}
    ordered = sorted(named.items(), key=lambda row: (-row[1], row[0].casefold()))
    return [Value(Filter("topic", f"={name}"), name, number) for name, number in ordered]


def tickets(rows: AccessQuerySet, scope: Scope, beginning: str = "") -> list[Value]:
    """Return the tickets that link to most of these conversations; those that begin so."""
    found = _linked(rows, scope).filter(ticket__istartswith=beginning)
    counted = found.values_list("ticket").annotate(count=Count("conversation", distinct=True))
    return _values("ticket", counted.order_by("-count", "ticket")[:MAX_VALUES])


def owners(rows: AccessQuerySet, most: int | None = MAX_VALUES) -> list[tuple[Owner, int]]:
    """Return the people who asked most, with their counts."""
    named = rows.order_by().exclude(owner_id="").values_list("api_token__instance", "owner_id")
    counted = named.annotate(count=Count("pk")).order_by("-count", "owner_id")[:most]
    return [(Owner(instance, owner_id), number) for instance, owner_id, number in counted]


def _linked(rows: AccessQuerySet, scope: Scope) -> QuerySet[TicketReference]:
    readable = rows.order_by().messages_of(scope.reader)
    return TicketReference.objects.filter(conversation__in=readable.values("conversation")).order_by()


def _states(counted: Counter[Fact]) -> list[Value]:
    return _values("state", ((name, counted[Fact("state", name)]) for name in _STATES))


def _values(name: str, counted: Iterable[tuple[str, int]]) -> list[Value]:
    return [Value(Filter(name, value), value, number) for value, number in counted if number]


def _own(rows: AccessQuerySet, name: str, scope: Scope) -> int:
    condition = own_condition("is", name, scope.reader.user)
    return rows.filter(condition)[: MAX_OWN + 1].count() if condition is not None else 0
