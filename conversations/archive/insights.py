"""Counts over what the reader may read: who asked when and about what, and how long the answers took.

Everything is counted by the time of the question, so that each number links to a list filtered by `asked:`. A
conversation is named by the key of the access through which it is read: each has one.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from conversations.archive import lists, questions_asked
from conversations.archive.outcomes import Notice
from conversations.archive.questions_asked import Asked, Written
from conversations.models import OMNI_KEEPS, Access, Job, JobAccess, Message, Outcome, Owner, Reader, Walk
from conversations.models.keys import Keys
from conversations.search import syntax
from conversations.search.finder import FEW_ROWS
from conversations.search.tokens import words
from omniviewer.accounts.models import Credential, User

# States of a conversation that are counted, as `state:` names them.
STATES = (Outcome.UNANSWERED, Outcome.FAILED, Outcome.CANCELLED, Outcome.RUNNING)
# Longest periods, in days, that are shown by day, by week and by month.
_BY_DAY, _BY_WEEK, _BY_MONTH = 62, 400, 3700
# Owner of the conversations whose owner neither a list nor a thread has named.
NOBODY = Owner("", "")
_PERCENTILE = 0.95
_MICROSECONDS = 10**6
# First character of what a job says: the outcome, another than is counted, and none that is known.
_MARKS = {"f": Outcome.FAILED, "c": Outcome.CANCELLED, "r": Outcome.RUNNING}
_OTHER_OUTCOME, _NO_OUTCOME = "o", "-"


@dataclass
class Span:
    """Questions asked from `first` to before `end`; `took`: the microseconds of each answer, the shortest first."""

    first: date
    end: date
    questions: int = 0
    conversations: frozenset[int] = frozenset()
    took: Sequence[int] = ()

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)

    @property
    def median(self) -> float | None:
        middle = self.took[(len(self.took) - 1) // 2 : len(self.took) // 2 + 1]
        return median(took / _MICROSECONDS for took in middle) if middle else None

    @property
    def percentile(self) -> float | None:
        """Return the 95th percentile of the answer times, in seconds, by nearest rank."""
        place = math.ceil(_PERCENTILE * len(self.took)) - 1
        return self.took[place] / _MICROSECONDS if self.took else None

    def within(self, some: Collection[int]) -> int:
        """Return how many of the span's conversations are among these."""
        return len(self.conversations.intersection(some))


@dataclass
class Share:
    """Questions and conversations of one person."""

    questions: int = 0
    conversations: int = 0


@dataclass(frozen=True)
class Insights:
    """Counts of the period from `first` to before `end`, as `reader` may see them.

    `topics` are keyed by the value that `topic:` takes, `hours` count questions by weekday (0: Monday) and hour.
    `answers` counts the answers that a job made, `known` those among them whose outcome is stored here; `known_in` and
    `unknown_in` are the conversations with answers of either kind.
    """

    first: date
    end: date
    spans: list[Span]
    reader: Reader
    owners: dict[Owner, Share]
    topics: dict[str, tuple[str, int]]
    hours: dict[tuple[int, int], int]
    states: dict[str, frozenset[int]]
    conversations: int
    answers: int
    known: int
    known_in: frozenset[int]
    unknown_in: frozenset[int]
    walks: list[Walk]
    notice: Notice | None
    odd: list[str]

    @property
    def questions(self) -> int:
        return sum(span.questions for span in self.spans)


def compute(user: User, credentials: Sequence[Credential], period: tuple[date, date] | None, owner: str) -> Insights:
    """Count the questions of a period (first day, day after the last), or of all time. Raises `CannotShow`.

    `owner` is a value of `owner:`, or "" for everybody.
    """
    query = syntax.read("").replaced("owner", owner)
    top = lists.check_tops(user, credentials, query)
    top.check_readable()
    reader = top.scope.reader
    readable = Access.objects.messages_of(reader).each_once(reader)
    few = list(readable.order_by().values_list("pk", flat=True)[: FEW_ROWS + 1])
    is_few = len(few) <= FEW_ROWS
    if is_few:
        readable = Access.objects.filter(pk__in=Keys(few))
    if owner:
        readable = readable.filter(reader.owned_by(top.scope.owners.get(query.value("owner"), [])))
    with questions_asked.without_compiling():
        first, end, rows = _asked(readable, period, is_few=is_few)
        spans = list(_spans(first, end))
        asked_through = _fill(spans, rows)
        owners, unanswered = _told_of_accesses(asked_through, reader)
        told = _told_of_jobs(asked_through, reader)
    return Insights(
        reader=reader,
        first=first,
        end=end,
        spans=spans,
        owners=owners,
        topics=told.topics(),
        hours=_by_hour(rows),
        states={"unanswered": unanswered, **told.states()},
        conversations=len(asked_through),
        answers=told.known.total() + told.unknown.total(),
        known=told.known.total(),
        known_in=frozenset(told.known),
        unknown_in=frozenset(told.unknown),
        walks=top.walks,
        notice=top.notice,
        odd=top.odd,
    )


def _asked(
    readable: QuerySet[Access], period: tuple[date, date] | None, *, is_few: bool
) -> tuple[date, date, list[Asked]]:
    """Return the questions of the period; a long one is limited to the time between the first of them and today."""
    today = timezone.localdate()
    first, end = period or (date(1970, 1, 1), today + timedelta(days=1))
    is_long = (end - first).days > _BY_WEEK
    if is_long:
        end = min(end, today + timedelta(days=1))
    rows = questions_asked.count(readable, syntax.midnight(first), syntax.midnight(end), is_few=is_few)
    if is_long:
        if rows:
            first = max(first, datetime.fromtimestamp(rows[0].quarter, timezone.get_current_timezone()).date())
        first = min(first, today)
        end = max(end, first + timedelta(days=1))
    return first, end, rows


def _fill(spans: Sequence[Span], rows: Sequence[Asked]) -> dict[int, int]:
    """Distribute these rows, the earliest first, among the spans; return how often was asked through each access."""
    quarters = [row.quarter for row in rows]
    asked: Counter[str] = Counter()
    begin = 0
    for span in spans:
        over = bisect_left(quarters, syntax.midnight(span.end).timestamp(), begin)
        own, begin = rows[begin:over], over
        keys = questions_asked.access_keys(own)
        asked.update(keys)
        span.questions = len(keys)
        span.conversations = frozenset(map(int, set(keys)))
        span.took = questions_asked.answer_times(own)
    return {int(key): count for key, count in asked.items()}


def _by_hour(rows: Iterable[Asked]) -> dict[tuple[int, int], int]:
    zone = timezone.get_current_timezone()
    found: Counter[tuple[int, int]] = Counter()
    for row in rows:
        here = datetime.fromtimestamp(row.quarter, zone)
        found[here.weekday(), here.hour] += row.questions
    return found


def _spans(first: date, end: date) -> Iterable[Span]:
    """Yield days, weeks (from Monday), months or years; the first and the last may be partial."""
    length = (end - first).days
    while first < end:
        if length <= _BY_DAY:
            following = first + timedelta(days=1)
        elif length <= _BY_WEEK:
            following = first + timedelta(days=7 - first.weekday())
        elif length <= _BY_MONTH:
            following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        else:
            following = date(first.year + 1, 1, 1)
        yield Span(first, min(following, end))
        first = following


def _told_of_accesses(asked: Mapping[int, int], reader: Reader) -> tuple[dict[Owner, Share], frozenset[int]]:
    """Return the share of each owner, by the questions asked through each access; and the unanswered conversations.

    These end with a question, as `state:unanswered` finds them.
    """
    instances = {token.pk: token.instance for token in reader.tokens}
    owners: dict[Owner, Share] = defaultdict(Share)
    is_lagging = Case(When(revision__lt=F("conversation__revision"), then=True), default=False)
    unanswered = set[int]()
    lagging: list[int] = []
    groups = (
        Access.objects.filter(pk__in=Keys(asked))
        .order_by()
        .values("api_token_id", "owner_id", "conversation__ends_with_question", lags=is_lagging)
        .annotate(keys=Written("pk"))
    )
    for token_key, owner_id, is_open, lags, written in groups.values_list(
        "api_token_id", "owner_id", "conversation__ends_with_question", "lags", "keys"
    ):
        keys = list(map(int, written.split(",")))
        share = owners[Owner(instances[token_key], owner_id) if owner_id else NOBODY]
        share.questions += sum(map(asked.__getitem__, keys))
        share.conversations += len(keys)
        if lags:
            lagging += keys
        elif is_open:
            unanswered.update(keys)
    return dict(owners), frozenset(unanswered | _unanswered(lagging))


def _unanswered(keys: Collection[int]) -> set[int]:
    """Return those of these accesses, to earlier revisions of a thread, that were shown a question at its end."""
    shown = Message.objects.shown_through_outer_access()
    rows = Access.objects.filter(pk__in=Keys(keys)) if keys else Access.objects.none()
    ending = rows.annotate(last_role=Subquery(shown.order_by("-position").values("role")[:1]))
    return set(ending.filter(last_role=Message.Role.USER).order_by().values_list("pk", flat=True))


class _Answers:
    """Answers that a job made, by conversation: those whose outcome is known, and the others; and what the jobs say."""

    def __init__(self) -> None:
        self.known: Counter[int] = Counter()
        self.unknown: Counter[int] = Counter()
        self._by_topic: dict[str, set[int]] = defaultdict(set)
        self._by_state: dict[Outcome, set[int]] = {state: set() for state in STATES[1:]}

    def add(self, told: str | None, keys: Iterable[int]) -> None:
        """Add answers by the keys of their conversations; `told`: what their jobs say, None if that is not seen."""
        mark, topic = (told[0], told[1:]) if told else (_NO_OUTCOME, "")
        (self.unknown if mark == _NO_OUTCOME else self.known).update(keys)
        if mark in _MARKS:
            self._by_state[_MARKS[mark]].update(keys)
        if topic:
            self._by_topic[topic].update(keys)

    def topics(self) -> dict[str, tuple[str, int]]:
        """Return by value of `topic:` the spelling of most conversations, and the number of all of them."""
        spellings: dict[str, dict[str, set[int]]] = defaultdict(dict)
        for topic, keys in self._by_topic.items():
            spellings[" ".join(word.text for word in words(topic))][topic] = keys
        spellings.pop("", None)
        return {
            key: (max(sorted(found), key=lambda topic: len(found[topic])), len(set[int]().union(*found.values())))
            for key, found in spellings.items()
        }

    def states(self) -> dict[str, frozenset[int]]:
        return {state: frozenset(keys) for state, keys in self._by_state.items()}


def _told_of_jobs(keys: Collection[int], reader: Reader) -> _Answers:
    """Return the answers of these accesses' conversations, in and out of the period."""
    accesses = Access.objects.filter(
        pk__in=Keys(keys),
        conversation__messages__revision__lte=F("revision"),
        conversation__messages__job_id__isnull=False,
    )
    told = accesses.annotate(told=Case(When(_may_see_job(reader), then=Subquery(_job_told()))))
    found = _Answers()
    for said, written in told.order_by().values("told").annotate(keys=Written("pk")).values_list("told", "keys"):
        found.add(said, list(map(int, written.split(","))))
    return found


def _may_see_job(reader: Reader) -> Q:
    """Return the condition, on an access joined with a message, that the reader may see the job of that answer."""
    told = JobAccess.objects.filter(
        api_token__in=reader.token_keys,
        conversation=OuterRef("conversation"),
        job_id=OuterRef("conversation__messages__job_id"),
    )
    is_old = Q(conversation__messages__created_at__lte=timezone.now() - OMNI_KEEPS)
    return is_old & ~Exists(told.refused()) | Q(Exists(told.visible_to(reader)))


def _job_told() -> QuerySet[Job, str]:
    """Return a mark for the outcome of an answer's job, and the topic, as one text.

    Without the jobs that belong to another conversation: this one gives no right to them.
    """
    own = Job.objects.of_conversation(OuterRef("conversation__instance"), OuterRef("conversation__omni_id"))
    mark = Case(
        *(When(state__in=outcome.job_states, then=Value(mark)) for mark, outcome in _MARKS.items()),
        When(state="", kept_at=None, then=Value(_NO_OUTCOME)),
        default=Value(_OTHER_OUTCOME),
    )
    told = own.filter(omni_id=OuterRef("conversation__messages__job_id")).annotate(told=Concat(mark, "topic"))
    return told.values_list("told", flat=True)[:1]
