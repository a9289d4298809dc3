"""Filters that the database answers from a reader's own accesses: people, tickets, times, marks of their own."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils import timezone

from conversations.models import Access, Message, Owner, Reader, ReaderSlots, Star, TicketReference, Visit, recency
from conversations.models.access import AccessQuerySet
from conversations.search.date_words import WEEKDAYS, moments
from conversations.search.syntax import Asked
from omniviewer.accounts.models import User
from omniviewer.prepared import Prepared, Slot, slot

# Most questions of a time whose conversations are named one by one: the list is then made of these alone.
_MAX_QUESTIONS = 1000
# Filters that the index answers.
_OF_THE_INDEX = frozenset({"in", "state", "has", "topic"})
# Limits of times, since some time zone would put others out of the database's range.
_EARLIEST, _LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scope:
    """A query, its reader and their tokens. `owners`: the people behind each value of `owner:`."""

    reader: Reader
    asked: Asked
    owners: dict[str, list[Owner]]


def narrows(asked: Asked) -> bool:
    """Return whether anything is asked that the index does not answer."""
    return bool(asked.since or asked.until) or any(row.name not in _OF_THE_INDEX for row in asked.filters)


def narrowed(rows: AccessQuerySet, scope: Scope, *, is_few: bool) -> AccessQuerySet:
    """Filter by all that the index does not answer. `is_few`: these accesses are few."""
    asked = scope.asked
    if asked.since:
        rows = rows.filter(recency__gte=recency(asked.since))
    if asked.until:
        rows = rows.filter(recency__lt=recency(asked.until), recency__gte=0)
    rows = _by_questions(_by_tickets(_by_owners(rows, scope), scope), scope, is_few=is_few)
    for row in asked.filters:
        condition = own_condition(row.name, row.value, scope.reader.user)
        if condition is not None:
            rows = rows.filter(~condition if row.is_negated else condition)
    return rows


def _by_owners(rows: AccessQuerySet, scope: Scope) -> AccessQuerySet:
    """Filter by owner, as far as Omni told the reader's token who that is."""
    wanted: list[Owner] = []
    is_asked = False
    for row in scope.asked.filters:
        if row.name != "owner":
            continue
        meant = scope.owners.get(row.value, [])
        if row.is_negated:
            rows = rows.exclude(scope.reader.owned_by(meant)) if meant else rows
        else:
            is_asked, wanted = True, [*wanted, *meant]
    return rows.filter(scope.reader.owned_by(wanted)) if is_asked else rows


def _by_tickets(rows: AccessQuerySet, scope: Scope) -> AccessQuerySet:
    """Filter by tickets that link to them now, if the reader may read the messages: the index lags behind."""
    may_read = Access.objects.may_read(scope.reader)
    for is_negated in (False, True):
        values = [
            row.value.upper() for row in scope.asked.filters if (row.name, row.is_negated) == ("ticket", is_negated)
        ]
        if values:
            linked = TicketReference.objects.filter(conversation=OuterRef("conversation"), ticket__in=values)
            is_linked = Exists(linked) & may_read
            rows = rows.filter(~is_linked if is_negated else is_linked)
    return rows


def own_condition(name: str, value: str, user: User) -> Q | None:
    """Return the condition for a filter that depends on the reader, and is unknown to the index."""
    match name, value:
        case "is", "starred":
            return Q(conversation__in=Star.objects.filter(user=user).values("conversation"))
        case "is", "unread":
            return unread(user, recency(Visit.objects.read_until(user)))
    return None


def _by_questions(rows: AccessQuerySet, scope: Scope, *, is_few: bool) -> AccessQuerySet:
    """Filter by a question that matches all of `asked:`, `hour:` and `weekday:`, in the reader's time zone."""
    zone = timezone.get_current_timezone()
    asked = scope.asked
    questions = Message.objects.questions().alias(
        of_day=ExtractHour("created_at", tzinfo=zone), of_week=ExtractIsoWeekDay("created_at", tzinfo=zone)
    )
    own = questions.shown_through_outer_access()
    wanted: dict[str, Q] = {}
    for row in asked.filters:
        moment = _moment(row.name, row.value)
        if moment is None:
            continue
        if row.is_negated:
            rows = rows.exclude(Exists(own.filter(moment)))
        else:
            wanted[row.name] = wanted.get(row.name, Q()) | moment
    if not wanted:
        return rows
    if "asked" in wanted and not is_few:
        # Use the index of times, limited to what the reader may read: the time must not reveal how much others asked.
        shown = questions.shown_through(Access.objects.messages_of(scope.reader))
        found = shown.filter(*wanted.values()).order_by()
        ids = list(found.values_list("conversation", flat=True)[: _MAX_QUESTIONS + 1])
        if len(ids) <= _MAX_QUESTIONS:
            rows = rows.filter(conversation__in=set(ids))
    # The access itself has to let the reader read messages.
    return rows.filter(Access.objects.may_read(scope.reader), Exists(own.filter(*wanted.values())))


def _moment(name: str, value: str) -> Q | None:
    match name:
        case "asked" if found := moments(value):
            first, end = (min(max(moment, _EARLIEST), _LATEST) for moment in found)
            return Q(created_at__gte=first, created_at__lt=end)
        case "hour":
            return Q(of_day=int(value))
        case "weekday":
            return Q(of_week=WEEKDAYS.index(value) + 1)
    return None


def unread(user: User | Slot, until: int | Slot) -> Q:
    """Return the condition for activity since the reader opened the conversation, or last marked all as read.

    `until`: the recency up to which all counts as read.
    """
    seen = Visit.objects.filter(user=user, conversation=OuterRef("conversation"), seen__gte=OuterRef("updated_at"))
    return Q(~Exists(seen), recency__gt=until)


def has_unread(reader: Reader, until: datetime) -> bool:
    """Return whether the reader's list holds anything unread; up to that time all counts as read."""
    return bool(_UNREAD.rows(reader.slots, user=reader.user, until=recency(until), **reader.slot_values))


def _unread(slots: ReaderSlots) -> QuerySet[Access, int]:
    rows = Access.objects.rows_of(slots).filter(unread(slot("user"), slot("until")))
    return rows.values_list("pk", flat=True)[:1]


_UNREAD = Prepared(_unread)
