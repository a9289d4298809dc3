"""Which of the conversations that a reader may read are asked for, in order, a page at a time.

What the reader may not read is left out by the database, in the question itself: nothing is found first and taken away
afterwards. Whoever may read few of the conversations here, or a part of many, is answered from those alone, so that not
even the time it takes tells of others.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils import timezone
from django.utils.functional import cached_property

from conversations import searching
from conversations.models import Access, Conversation, Message, Star, Visit, recency
from conversations.searching import Bounds, Fact, Question
from conversations.terms import WEEKDAYS, Asked, moments
from omniviewer.accounts.models import Credential, User

A_PAGE: Final = 50
# What is counted one by one: beyond that there are "more than".
MOST_COUNTED: Final = 500
# Up to so many conversations, a reader's own are looked at and not the index of all; up to so many where others have
# more than a tenth of what is here.
FEW = 2000
_FEW_OF_MANY = 20_000
_NEARLY_ALL = 0.9
# Answers of the index that are fetched to learn whether that is all of them: as many as are counted.
_SHORT = MOST_COUNTED + 1
# Answers of the index that are held against a reader's accesses at a time: more each time.
_FIRST, _LARGEST = 200, 20_000
# Questions of a time that are fetched to learn whether that is all of them: then the list is made of theirs alone.
_MOST_ASKED = 1000
# No database is asked for times that some zone puts out of its range.
_EARLIEST, _LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
# Of a list, so many at a time are looked up in the index; then all answers of the index are fetched.
_LOOKED_UP = 1600
# By what the list may be ordered: the column, and whether the newest come first.
ORDERS = {"activity": ("recency", True), "oldest": ("recency", False), "started": ("started", True)}


@dataclass(frozen=True)
class Stretch:
    """Of a list in that order: what stands behind the key `before`, or in front of `after`; its top without either."""

    order: str = "activity"
    before: int | None = None
    after: int | None = None

    @property
    def is_top(self) -> bool:
        return self.before is None and self.after is None


@dataclass(frozen=True)
class Scope:
    """What is asked for, by whom and through which credentials. `owners`: ids behind `owner:`, by what was typed."""

    user: User
    asked: Asked
    owners: dict[str, list[str]]
    through: Collection[Credential]
    unasked: Collection[Credential] = ()


@dataclass(frozen=True)
class Page:
    """`older` and `newer` are keys for a `Stretch`, None at the ends of the list."""

    conversations: list[Conversation]
    older: int | None
    newer: int | None


class Finder:
    def __init__(self, scope: Scope, order: str = "activity") -> None:
        self._scope = scope
        self._column, self._is_newest_first = ORDERS[order]
        self._question = _question(scope)
        since, until = scope.asked.since, scope.asked.until
        self._bounds = Bounds(recency(since) - 1 if since else None, recency(until) if until else None)
        self._readable = self._narrowed()

    def page(self, stretch: Stretch) -> Page:
        """Up to 50 of them."""
        before, after = stretch.before, stretch.after
        if after is not None:
            rows = self._some(after, A_PAGE + 1, is_backwards=True)
            if len(rows) > A_PAGE:
                rows = rows[:A_PAGE][::-1]
                return Page(rows, self._key(rows[-1]), self._key(rows[0]))
            before = None  # The top is not shown as half a page.
        rows = self._some(before, A_PAGE + 1)
        shown = rows[:A_PAGE]
        older = self._key(shown[-1]) if len(rows) > A_PAGE else None
        return Page(shown, older, self._key(shown[0]) if before is not None and shown else None)

    def count(self) -> int:
        """How many there are: one more than `MOST_COUNTED` stands for any number beyond."""
        most = MOST_COUNTED + 1
        rows = self._readable.order_by()
        if self._question.never:
            return 0
        if not self._question:
            return rows[:most].count()
        if self._is_few:
            return rows.filter(indexed_as__in=self._foremost)[:most].count()
        count = 0
        for chunk in self._chunks(None, is_down=True):
            count += rows.filter(indexed_as__in=chunk).count()
            if count >= most:
                break
        return min(count, most)

    def neighbours(self, conversation: Conversation) -> tuple[Conversation | None, Conversation | None]:
        """The one in front of it in the list, and the one behind it."""
        key = self._key(conversation)
        found = (self._some(key, 1, is_backwards=backwards) for backwards in (True, False))
        previous, following = (rows[0] if rows else None for rows in found)
        return previous, following

    def holds_anything(self) -> bool:
        """Whether the reader may read anything at all."""
        return self.all_readable().exists()

    def _key(self, conversation: Conversation) -> int:
        return int(getattr(conversation, self._column))

    def all_readable(self) -> QuerySet[Conversation]:
        """Whatever is asked for."""
        scope = self._scope
        return Conversation.objects.readable_by(scope.user, unasked=scope.unasked, through=scope.through)

    def _narrowed(self) -> QuerySet[Conversation]:
        rows = self.all_readable()
        self._is_few = False
        few = self._few()
        if few is not None:
            self._is_few, rows = True, rows.filter(pk__in=few)
        elif self._question:
            self._is_few = self._is_among_many()
        asked, user = self._scope.asked, self._scope.user
        if asked.since:
            rows = rows.filter(recency__gte=recency(asked.since))
        if asked.until:
            rows = rows.filter(recency__lt=recency(asked.until), recency__gte=0)
        rows = _by_questions(rows, asked)
        for row in asked.filters:
            condition = _own_condition(row.name, row.value, user)
            if condition is not None:
                rows = rows.filter(~condition if row.is_negated else condition)
        # Those that one person has starred are few.
        self._is_few |= any((row.name, row.value, row.is_negated) == ("is", "starred", False) for row in asked.filters)
        return rows

    def _few(self) -> list[int] | None:
        scope = self._scope
        valid = Access.objects.valid_for(scope.user, unasked=scope.unasked, through=scope.through)
        ids = list(valid.order_by().values_list("conversation_id", flat=True)[: FEW + 1])
        return ids if len(ids) <= FEW else None

    def _is_among_many(self) -> bool:
        """Whether the reader may read few enough, and others more than a tenth of what is here besides."""
        scope = self._scope
        own = Access.objects.valid_for(scope.user, unasked=scope.unasked, through=scope.through).order_by()
        ids = own.values("conversation_id")
        # One credential is shown each once.
        count = (ids.distinct() if len(scope.through) > 1 else ids)[: _FEW_OF_MANY + 1].count()
        return count <= _FEW_OF_MANY and count < _NEARLY_ALL * Conversation.objects.count()

    @cached_property
    def _foremost(self) -> list[int]:
        """What answers the question: all of it for whoever may read few; else no more than tells that it is much."""
        if not self._is_few:
            return searching.matching(self._question, self._bounds, most=_SHORT)
        own = self._readable.order_by().values_list("indexed_as", flat=True)
        return searching.matching(self._question, within=[key for key in own if key is not None])

    def _some(self, bound: int | None, most: int, *, is_backwards: bool = False) -> list[Conversation]:
        """So many from the bound on, in the order of the list, or away from its end where `is_backwards`."""
        if self._question.never:
            return []
        is_down = self._is_newest_first is not is_backwards
        rows = self._readable.order_by(f"-{self._column}" if is_down else self._column)
        if bound is not None:
            rows = rows.filter(**{f"{self._column}__{'lt' if is_down else 'gt'}": bound})
        if not self._question:
            return list(rows[:most])
        if not self._is_few and self._column == "recency":
            return self._along_the_index(rows, bound, most, is_down=is_down)
        if self._is_few or len(self._foremost) < _SHORT:
            return list(rows.filter(indexed_as__in=self._foremost)[:most])
        return self._along_the_list(rows, most, is_down=is_down)

    def _along_the_index(
        self, rows: QuerySet[Conversation], bound: int | None, most: int, *, is_down: bool
    ) -> list[Conversation]:
        """Many answer the question: those foremost in the list are held against the reader's accesses first."""
        picked: list[Conversation] = []
        for chunk in self._chunks(bound, is_down=is_down):
            picked += rows.filter(indexed_as__in=chunk)[: most - len(picked)]
            if len(picked) >= most:
                break
        return picked

    def _along_the_list(self, rows: QuerySet[Conversation], most: int, *, is_down: bool) -> list[Conversation]:
        """Likewise in an order that the index does not know: those foremost in the list are looked up in it."""
        picked: list[int] = []
        everything: set[int] | None = None
        size, further = _FIRST, rows
        while len(picked) < most:
            chunk = list(further.values_list(self._column, "indexed_as")[:size])
            keys = [key for _, key in chunk if key is not None]
            if size > _LOOKED_UP and everything is None:
                everything = set(searching.matching(self._question, self._bounds))
            found = everything
            if found is None:
                found = set(searching.matching(self._question, self._bounds, within=keys))
            picked += [key for key in keys if key in found]
            if len(chunk) < size:
                break
            further = rows.filter(**{f"{self._column}__{'lt' if is_down else 'gt'}": chunk[-1][0]})
            size = min(size * 2, _LARGEST)
        return list(rows.filter(indexed_as__in=picked[:most]))

    def _chunks(self, bound: int | None, *, is_down: bool) -> Iterator[Sequence[int]]:
        if len(self._foremost) < _SHORT:  # That is all of it.
            keys = self._foremost if is_down else self._foremost[::-1]
            if bound is not None and is_down:
                # What became active again stands higher in the list than in the index until that is made anew.
                keys = [key for key in keys if key < bound]
            yield keys[:_FIRST]
            yield keys[_FIRST:]
            return
        size, above, below = _FIRST, self._bounds.above, self._bounds.below
        if bound is not None:
            above, below = (above, bound) if is_down else (bound, below)
        if bound is None and is_down:
            # These are known already.
            yield self._foremost[:size]
            yield self._foremost[size:]
            below = self._foremost[-1]
        while True:
            chunk = searching.matching(self._question, Bounds(above, below), is_newest_first=is_down, most=size)
            yield chunk
            if len(chunk) < size:
                return
            above, below = (above, chunk[-1]) if is_down else (chunk[-1], below)
            size = min(size * 4, _LARGEST)


def _own_condition(name: str, value: str, user: User) -> Q | None:
    """What the index does not know: what is the reader's alone."""
    match name, value:
        case "is", "starred":
            return Q(pk__in=Star.objects.filter(user=user).values("conversation"))
        case "is", "unread":
            return unread(user)
    return None


def _by_questions(rows: QuerySet[Conversation], asked: Asked) -> QuerySet[Conversation]:
    """With a question of that time: one that fits all of `asked:`, `hour:` and `weekday:`, in the reader's zone."""
    zone = timezone.get_current_timezone()
    questions = Message.objects.questions().alias(
        of_day=ExtractHour("created_at", tzinfo=zone), of_week=ExtractIsoWeekDay("created_at", tzinfo=zone)
    )
    wanted: dict[str, Q] = {}
    for row in asked.filters:
        moment = _moment(row.name, row.value)
        if moment is None:
            continue
        if row.is_negated:
            rows = rows.exclude(pk__in=questions.filter(moment).values("conversation"))
        else:
            wanted[row.name] = wanted.get(row.name, Q()) | moment
    if not wanted:
        return rows
    found = questions.filter(*wanted.values())
    if "asked" in wanted:
        # By the index of times. Of what the reader may read: how much others asked then shows not even in the time.
        own = found.filter(Exists(rows.order_by().filter(pk=OuterRef("conversation")))).order_by()
        ids = list(own.values_list("conversation", flat=True)[: _MOST_ASKED + 1])
        if len(ids) <= _MOST_ASKED:
            return rows.filter(pk__in=set(ids))
    return rows.filter(pk__in=found.values("conversation"))


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


def unread(user: User) -> Q:
    """With activity since the reader last opened it, or else since everything counted as read."""
    seen = Visit.objects.filter(user=user, conversation=OuterRef("pk"), seen__gte=OuterRef("updated_at"))
    return Q(~Exists(seen), recency__gt=recency(Visit.objects.read_until(user)))


def _question(scope: Scope) -> Question:
    asked = scope.asked
    wanted: dict[str, list[Fact]] = {}
    topics: list[tuple[Fact, ...]] = []
    unwanted: list[Fact] = []
    never = asked.is_nonsense
    for row in asked.filters:
        if row.name == "topic":
            facts = Fact.asked_of_topic(row.value)
            never |= not facts and not row.is_negated
            if row.is_negated:
                unwanted += facts
            else:
                topics += [(fact,) for fact in facts]
            continue
        if row.name not in ("owner", "state", "has", "ticket"):
            continue
        values = scope.owners.get(row.value, []) if row.name == "owner" else [_as_kept(row.name, row.value)]
        facts = [Fact(row.name, value) for value in values]
        never |= not facts and not row.is_negated
        if row.is_negated:
            unwanted += facts
        elif row.name == "has":  # all of them; of the others, either
            topics += [(fact,) for fact in facts]
        else:
            wanted.setdefault(row.name, []).extend(facts)
    groups = (*(tuple(facts) for facts in wanted.values()), *topics)
    return Question(asked.texts, asked.places, tuple(groups), tuple(unwanted), never)


def _as_kept(name: str, value: str) -> str:
    return value.upper() if name == "ticket" else value
