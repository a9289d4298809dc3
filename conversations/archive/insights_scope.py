"""Conversations that the insights count: those that a reader may read, and that match a search query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.utils import timezone

from conversations.archive import lists
from conversations.archive.lists import Tops
from conversations.archive.outcomes import Notice
from conversations.archive.questions_asked import Readable
from conversations.models import Access, Reader, Walk
from conversations.models.keys import Keys
from conversations.search import date_words, syntax
from conversations.search.finder import FEW_ROWS
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import Credential, User

# Filters by the time of a question: only questions that match all of them are counted.
_TIMES: Final = ("asked", "hour", "weekday")
# Most matches of words, states and topics that are counted: the newest.
MAX_MATCHES: Final = 20_000

Period = tuple[date, date]


@dataclass(frozen=True)
class InsightsScope:
    """A reader's matching conversations. `asked` is the query that was run in the end, for the links into lists."""

    reader: Reader
    readable: Readable
    asked: Asked
    walks: list[Walk]
    notice: Notice | None
    odd: list[str]

    @property
    def is_of_hours(self) -> bool:
        """Return whether the query names hours or weekdays of questions."""
        return bool(self.asked.values("hour") or self.asked.values("weekday"))

    def counts_at(self, quarter: int) -> bool:
        """Return whether questions of that quarter of an hour match the query's own hours and weekdays."""
        hours, days = self.asked.values("hour"), self.asked.values("weekday")
        here = datetime.fromtimestamp(quarter, timezone.get_current_timezone())
        is_hour = not hours or here.hour in map(int, hours)
        return is_hour and (not days or date_words.WEEKDAYS[here.weekday()] in days)


def open(user: User, credentials: Sequence[Credential], asked: Asked) -> InsightsScope:  # noqa: A001
    """Return the scope of a query, whose `asked:` the caller has made the period. Raises `CannotShow`."""
    top = lists.check_tops(user, credentials, asked)
    top.check_readable()
    plain = _of_conversations(asked)
    odd = [*asked.odd, *top.odd]
    if _is_of_owners(plain):
        readable = _of_owners(top, plain)
    else:
        readable, found = _matching(top, plain)
        begun = asked.beginnings
        if not found and begun:
            wider, found = _matching(top, _of_conversations(begun))
            if found:
                odd.insert(0, lists.said_of_beginnings(begun))
                asked, readable = syntax.read(begun.typed), wider
        if found > MAX_MATCHES:
            odd.append(f"More than {MAX_MATCHES:,} conversations match: the newest {MAX_MATCHES:,} are counted.")
    return InsightsScope(top.scope.reader, readable, asked, top.walks, top.notice, odd)


def typed_with(asked: Asked, *added: Filter) -> str:
    """Return the query, as it is typed, with these filters in place of others of the same name, which would widen it.

    Negated ones stay; several topics have to match together, so others stay beside the one that is added.
    """
    names = {row.name for row in added if row.name != "topic"}
    kept = [row for row in asked.filters if row.is_negated or row.name not in names]
    return asked.typed_with(dict.fromkeys([*kept, *added]))


def _of_conversations(asked: Asked) -> Asked:
    """Return the query without the filters by a question's time, which the count itself applies."""
    kept = [row for row in asked.filters if row.is_negated or row.name not in _TIMES]
    if len(kept) == len(asked.filters):
        return asked
    return asked.with_filters(kept)


def _is_of_owners(asked: Asked) -> bool:
    return not asked.typed.strip() or (
        not asked.plain.strip()
        and bool(asked.filters)
        and all(row.name == "owner" and not row.is_negated for row in asked.filters)
    )


def _of_owners(top: Tops, asked: Asked) -> Readable:
    reader = top.scope.reader
    rows = Access.objects.messages_of(reader).each_once(reader)
    few = list(rows.order_by().values_list("pk", flat=True)[: FEW_ROWS + 1])
    is_few = len(few) <= FEW_ROWS
    if is_few:
        rows = Access.objects.filter(pk__in=Keys(few))
    names = asked.values("owner")
    if names:
        rows = rows.filter(reader.owned_by([owner for name in names for owner in top.scope.owners.get(name, [])]))
    return Readable(rows, is_few)


def _matching(top: Tops, asked: Asked) -> tuple[Readable, int]:
    """Return the matches, and how many there are: one more than `MAX_MATCHES` stands for any larger number."""
    rows = top.finder(asked=asked).matches(MAX_MATCHES + 1).messages_of(top.scope.reader)
    keys = list(rows.newest_first().values_list("pk", flat=True))
    is_cut = len(keys) == MAX_MATCHES + 1
    accesses = Access.objects.filter(pk__in=Keys(keys[:MAX_MATCHES] if is_cut else keys))
    return Readable(accesses, len(keys) <= FEW_ROWS), len(keys) if is_cut else min(len(keys), MAX_MATCHES)
