"""Find the conversations that match a query, of those that a reader may see, in order, a page at a time.

Everything starts at the reader's own accesses: each is a row of the list, in the order and the words that Omni told the
reader's token. The access decides which parts of a conversation are searched: the name by the row, questions and
answers by the right to the messages, queries by the right to all evidence that the search knows. A reader of few of the
conversations here, or of a part of many, is answered from those alone, so that not even the time reveals others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import BigIntegerField, Case, F, QuerySet, When
from django.utils.functional import cached_property

from conversations.models import Access, Conversation, Reader, ReaderSlots, recency
from conversations.models.access import AccessQuerySet
from conversations.models.keys import Keys
from conversations.search import index, shown_row, shown_rows
from conversations.search.index import NEARLY_ALL_SHARE, Bounds
from conversations.search.narrowing import Scope, narrowed, narrows
from conversations.search.question import Question
from conversations.search.rights import IS_CURRENT
from conversations.search.shown_row import NO_ROWS, Part, ShownRow, ShownRows
from conversations.search.shown_rows import Answers, answering, part_of
from conversations.search.syntax import Filter
from omniviewer.prepared import Prepared

ROWS_A_PAGE: Final = 50
# Most matches that are counted one by one: beyond, the page says "more than".
MAX_COUNTED: Final = 500
# Readers of up to so many conversations are answered from their own, not from the index of all; up to
# `_FEW_OF_MANY_ROWS` if others have more than a tenth of all.
FEW_ROWS = 2000
_FEW_OF_MANY_ROWS = 20_000
# Index answers that are fetched to learn whether they are all there are: as many as are counted.
_SHORT_ROWS = MAX_COUNTED + 1
# Index answers that are matched against a reader's accesses at a time, at first and at most: more each time.
_FIRST_CHUNK_ROWS, _LARGEST_CHUNK_ROWS = 200, 20_000
# Most rows of a list that are looked up in the index; beyond, all answers of the index are fetched.
_MAX_ROWS_LOOKED_UP = 1600
# Orders of the list by a time: the column, and whether the newest come first.
ORDERS = {
    "activity": ("recency", True),
    "oldest": ("recency", False),
    "started": ("conversation__started", True),
    "first": ("conversation__started", False),
}
# Orders by a fact, the highest first; then by the last activity. A page begins behind a number of rows.
FACT_ORDERS = {"messages": "conversation__message_count", "slowest": "conversation__last_answer_took"}
# The best match first; in a list without words to look for, the newest.
BEST_MATCH = "match"
# Most matches of a question to the index that are ordered by a fact, or counted by their facts: the newest.
MAX_MATCHES: Final = 5000


@dataclass(frozen=True)
class Stretch:
    """Part of a list in that order: behind the key `before`, or in front of `after`; without either, its top.

    In an order by a fact or by best match, both are the number of rows that come before this part.
    """

    order: str = "activity"
    before: int | None = None
    after: int | None = None

    @property
    def is_top(self) -> bool:
        return self.before is None and self.after is None


@dataclass(frozen=True)
class Page:
    """A page of the list. `older` and `newer` are keys for a `Stretch`, None at the ends of the list."""

    shown: ShownRows
    older: int | None
    newer: int | None

    @property
    def rows(self) -> list[ShownRow]:
        return self.shown.rows


def waiting_of_few(reader: Reader) -> list[int] | None:
    """Return which of the conversations that the reader's tokens were shown wait to be indexed; None if not few."""
    rows = _FEW.raw((reader.slots, FEW_ROWS), **reader.slot_values).values
    return [key for key, is_indexed in rows if not is_indexed] if len(rows) <= FEW_ROWS else None


def _few(shape: tuple[ReaderSlots, int]) -> QuerySet[Access, tuple[int, bool]]:
    slots, most = shape
    shown = Access.objects.filter(slots.holds_token).order_by()
    return shown.values_list("conversation", "conversation__is_indexed")[: most + 1]


_FEW = Prepared(_few)


class Finder:
    def __init__(self, scope: Scope, order: str = "activity", *, is_of_few: bool = False) -> None:
        """Prepare to find; `is_of_few`: the reader's tokens are known to have been shown few conversations."""
        self.scope = scope
        self._is_of_few = is_of_few
        self._fact = FACT_ORDERS.get(order)
        self._is_by_match = order == BEST_MATCH and scope.asked.has_words
        self._column, self._is_newest_first = ORDERS.get(order, ORDERS["activity"])
        self._question = Question.of(scope.asked, {name for name, people in scope.owners.items() if people})
        since, until = scope.asked.since, scope.asked.until
        self._bounds = Bounds(recency(since) - 1 if since else None, recency(until) if until else None)

    def page(self, stretch: Stretch) -> Page:
        """Return a page of up to 50 conversations."""
        before, after = stretch.before, stretch.after
        if self.is_by_number:
            return self._page_by_number(max(before or after or 0, 0))
        if after is not None:
            rows = self._some(after, ROWS_A_PAGE + 1, is_backwards=True)
            if len(rows) > ROWS_A_PAGE:
                shown = rows[:ROWS_A_PAGE][::-1]
                keys = shown.column(self._key)
                return Page(shown, keys[-1], keys[0])
            before = None  # The top is not shown as half a page.
        rows = self._some(before, ROWS_A_PAGE + 1)
        shown = rows[:ROWS_A_PAGE]
        keys = shown.column(self._key)
        return Page(
            shown,
            older=keys[-1] if len(rows) > ROWS_A_PAGE else None,
            newer=keys[0] if before is not None and keys else None,
        )

    @cached_property
    def is_empty(self) -> bool:
        """Return whether nothing matches."""
        return not self._some(None, 1)

    def count(self) -> int:
        """Count the matches; one more than `MAX_COUNTED` stands for any larger number."""
        most = MAX_COUNTED + 1
        if self._question.never:
            return 0
        if self._question and self._is_few:
            return min(len(self._own_answers), most)
        rows = self._readable.order_by()
        if not self._question:
            return rows[:most].count()
        count = 0
        for chunk in self._chunks(None, is_down=True):
            count += len(self._answering(rows, chunk))
            if count >= most:
                break
        return min(count, most)

    def without(self, name: str) -> "Finder":
        """Return a finder for the query without its filters of that name."""
        scope = replace(self.scope, asked=self.scope.asked.replaced(name, ""))
        return Finder(scope, is_of_few=self._is_of_few)

    @property
    def is_by_number(self) -> bool:
        """Return whether pages begin behind a number of rows: there is no key for a place in this order."""
        return self._fact is not None or self._is_by_match

    def matches(self, most: int = MAX_MATCHES) -> AccessQuerySet:
        """Return the accesses that match: all of them, or the newest `most` where the index has to be asked."""
        if self._question.never:
            return self._readable.none()
        if not self._question:
            return self._readable
        if self._is_few:
            return self._readable.filter(pk__in=Keys(list(self._own_answers)))
        found: list[int] = []
        for chunk in self._chunks(None, is_down=True):
            found += self._answering(self._readable.order_by(), chunk)
            if len(found) >= most:
                break
        if len(found) > most:
            newest = self._readable.filter(pk__in=Keys(found)).order_by("-recency")
            found = list(newest.values_list("pk", flat=True)[:most])
        return self._readable.filter(pk__in=Keys(found))

    def _page_by_number(self, skipped: int) -> Page:
        part = slice(skipped, skipped + ROWS_A_PAGE + 1)
        found = list(self._by_fact(self._fact)[part]) if self._fact else self._by_match()[part]
        of = Part(self._column, is_down=True, most=ROWS_A_PAGE)
        shown = shown_row.part(self.scope.reader, of, keys=found[:ROWS_A_PAGE]).in_turn(found)
        newer = max(skipped - ROWS_A_PAGE, 0) if skipped else None
        return Page(shown, skipped + ROWS_A_PAGE if len(found) > ROWS_A_PAGE else None, newer)

    def _by_match(self) -> list[int]:
        return shown_rows.ranked(self.scope.reader, self._question, self.matches())

    def _by_fact(self, column: str) -> QuerySet[Access, int]:
        is_known = Access.objects.may_read(self.scope.reader) & IS_CURRENT
        # A fact that the reader may not know must not decide the order either.
        value = Case(When(is_known, then=F(column)), output_field=BigIntegerField())
        rows = self.matches().annotate(value=value).order_by(F("value").desc(nulls_last=True), "-recency")
        return rows.values_list("pk", flat=True)

    def neighbours(self, conversation: Conversation) -> tuple[ShownRow | None, ShownRow | None]:
        """Return the rows in front of and behind this conversation in the list; none in an order without keys."""
        if self.is_by_number:
            return None, None
        key = self.key(conversation)
        found = (self._some(key, 1, is_backwards=backwards).rows for backwards in (True, False))
        previous, following = (rows[0] if rows else None for rows in found)
        return previous, following

    def key(self, conversation: Conversation) -> int:
        """Return the conversation's key in the list, for a `Stretch`."""
        return int(getattr(conversation, self._key))

    @property
    def _key(self) -> str:
        return self._column.removeprefix("conversation__")

    def all_rows(self) -> AccessQuerySet:
        """Return an access for each conversation whose row the reader may see, whatever the query is."""
        return Access.objects.rows_of(self.scope.reader).each_once(self.scope.reader)

    @property
    def _readable(self) -> AccessQuerySet:
        return self._narrowed[0]

    @property
    def _is_few(self) -> bool:
        return self._is_of_few or self._narrowed[1]

    @cached_property
    def _narrowed(self) -> tuple[AccessQuerySet, bool]:
        """Return the reader's accesses that all but the index lets match, and whether these are few."""
        rows = self.all_rows()
        has_few = self._is_of_few
        # The whole list in the order of its own index costs the same, however few others may see.
        if not has_few and (self.scope.asked or self._column != "recency"):
            few = self._few(rows)
            if few is not None:
                has_few, rows = True, Access.objects.filter(pk__in=few)
        is_few = has_few or (bool(self._question) and self._is_among_many())
        rows = narrowed(rows, self.scope, is_few=has_few)
        # One person's starred conversations are few.
        is_few |= Filter("is", "starred") in self.scope.asked.filters
        return rows, is_few

    @staticmethod
    def _few(rows: AccessQuerySet) -> list[int] | None:
        ids = list(rows.order_by().values_list("pk", flat=True)[: FEW_ROWS + 1])
        return ids if len(ids) <= FEW_ROWS else None

    def _is_among_many(self) -> bool:
        """Return whether the reader may see few enough, and others have more than a tenth of all besides."""
        count = self.all_rows().order_by()[: _FEW_OF_MANY_ROWS + 1].count()
        return count <= _FEW_OF_MANY_ROWS and count < NEARLY_ALL_SHARE * Conversation.objects.count()

    @cached_property
    def _foremost(self) -> list[int]:
        """Return the first index answers, as many as it takes to tell whether there are many."""
        return index.matching(self._question.broadest, self._bounds, most=_SHORT_ROWS)

    @cached_property
    def _own_answers(self) -> Answers:
        """Return the accesses that match the question, for a reader who may see few."""
        is_whole = self._is_of_few and not narrows(self.scope.asked)
        return self._answering(None if is_whole else self._readable)

    def _answering(self, rows: AccessQuerySet | None, keys: Sequence[int] | None = None) -> Answers:
        return answering(self.scope.reader, self._question, rows, keys)

    def _some(self, bound: int | None, most: int, *, is_backwards: bool = False) -> ShownRows:
        """Return so many rows from the bound on, in the list's order or, if `is_backwards`, against it."""
        if self._question.never:
            return NO_ROWS
        is_down = self._is_newest_first is not is_backwards
        part = Part(self._column, is_down, most)
        if not self.scope.asked and self._column == "recency":
            return shown_row.part(self.scope.reader, part, bound=bound)
        if self._question and self._is_few:
            return self._part_of(self._own_answers, part, bound)
        rows = self._readable.order_by(f"-{self._column}" if is_down else self._column)
        if bound is not None:
            rows = rows.filter(**{f"{self._column}__{'lt' if is_down else 'gt'}": bound})
        if not self._question:
            return shown_row.load(self.scope.reader, rows[:most])
        if self._column == "recency":
            return self._along_the_index(rows, bound, part)
        return self._along_the_list(rows, part)

    def _part_of(self, answers: Answers, part: Part, bound: int | None = None) -> ShownRows:
        return shown_row.part(self.scope.reader, part, keys=part_of(answers, part, bound))

    def _along_the_index(self, rows: AccessQuerySet, bound: int | None, part: Part) -> ShownRows:
        """Match the index's answers against the reader's accesses, first in the list first: for many matches."""
        picked = NO_ROWS
        for chunk in self._chunks(bound, is_down=part.is_down):
            picked += self._part_of(self._answering(rows, chunk), part)[: part.most - len(picked)]
            if len(picked) >= part.most:
                break
        return picked

    def _along_the_list(self, rows: AccessQuerySet, part: Part) -> ShownRows:
        """Look rows up in the index, first in the list first: for many matches in an order that the index lacks."""
        if len(self._foremost) < _SHORT_ROWS:
            return self._part_of(self._answering(rows, self._foremost), part)
        picked: Answers = {}
        everything: set[int] | None = None
        size, further = _FIRST_CHUNK_ROWS, rows
        while len(picked) < part.most:
            chunk = list(further.values_list(self._column, "conversation__indexed_as")[:size])
            keys = [key for _, key in chunk if key is not None]
            if size > _MAX_ROWS_LOOKED_UP and everything is None:
                everything = set(index.matching(self._question.broadest, self._bounds))
            found = everything
            if found is None:
                found = set(index.matching(self._question.broadest, self._bounds, within=keys))
            picked |= self._answering(rows, [key for key in keys if key in found])
            if len(chunk) < size:
                break
            further = rows.filter(**{f"{self._column}__{'lt' if part.is_down else 'gt'}": chunk[-1][0]})
            size = min(size * 2, _LARGEST_CHUNK_ROWS)
        return self._part_of(picked, part)

    def _chunks(self, bound: int | None, *, is_down: bool) -> Iterator[Sequence[int]]:
        if len(self._foremost) < _SHORT_ROWS:  # That is all of it.
            keys = self._foremost if is_down else self._foremost[::-1]
            if bound is not None and is_down:
                # A conversation with new activity stands higher in the list than in the index until it is indexed
                # again.
                keys = [key for key in keys if key < bound]
            yield keys[:_FIRST_CHUNK_ROWS]
            yield keys[_FIRST_CHUNK_ROWS:]
            return
        size, above, below = _FIRST_CHUNK_ROWS, self._bounds.above, self._bounds.below
        if bound is not None:
            above, below = (above, bound) if is_down else (bound, below)
        if bound is None and is_down:
            # These are known already.
            yield self._foremost[:size]
            yield self._foremost[size:]
            below = self._foremost[-1]
        while True:
            chunk = index.matching(self._question.broadest, Bounds(above, below), is_newest_first=is_down, most=size)
            yield chunk
            if len(chunk) < size:
                return
            above, below = (above, chunk[-1]) if is_down else (chunk[-1], below)
            size = min(size * 4, _LARGEST_CHUNK_ROWS)
