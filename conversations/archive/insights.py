"""Counts over what the reader may read: who asked when and about what, and how long the answers took.

Everything is counted by the time of the question, so that each number links to a list filtered by `asked:`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median

from django.db.models import DateTimeField, Exists, F, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from conversations.archive import lists
from conversations.archive.outcomes import Notice
from conversations.models import OMNI_KEEPS, Access, Job, JobAccess, Message, Outcome, Owner, Reader
from conversations.search import syntax
from conversations.search.finder import FEW_ROWS, Finder
from conversations.search.tokens import words
from omniviewer.accounts.models import Credential, User

# States of a conversation that are counted, as `state:` names them.
STATES = (Outcome.UNANSWERED, Outcome.FAILED, Outcome.CANCELLED, Outcome.RUNNING)
# Longest periods, in days, that are shown by day, by week and by month.
_BY_DAY, _BY_WEEK, _BY_MONTH = 62, 400, 3700
_CHUNK_ROWS = 5_000
# Owner of the conversations whose owner neither a list nor a thread has named.
NOBODY = Owner("", "")
_PERCENTILE = 0.95


@dataclass
class Span:
    """Questions asked from `first` to before `end`; `took` holds the seconds that each answer took."""

    first: date
    end: date
    questions: int = 0
    conversations: set[int] = field(default_factory=set)
    took: list[float] = field(default_factory=list)

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)

    @property
    def median(self) -> float | None:
        return median(self.took) if self.took else None

    @property
    def percentile(self) -> float | None:
        """Return the 95th percentile of the answer times, in seconds, by nearest rank."""
        return sorted(self.took)[math.ceil(_PERCENTILE * len(self.took)) - 1] if self.took else None

    def within(self, some: Collection[int]) -> int:
        """Return how many of the span's conversations are among these."""
        return len(self.conversations & set(some))


@dataclass
class Share:
    """Questions and conversations of one person, topic or hour."""

    questions: int = 0
    conversations: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Insights:
    """Counts of the period from `first` to before `end`, as `reader` may see them.

    `topics` are keyed by the value that `topic:` takes, `hours` by weekday (0: Monday) and hour. `answers` counts the
    answers that a job made, `known` those among them whose outcome is stored here; `known_in` and `unknown_in` are the
    conversations with answers of either kind.
    """

    first: date
    end: date
    spans: list[Span]
    reader: Reader
    owners: dict[Owner, Share]
    topics: dict[str, tuple[str, int]]
    hours: dict[tuple[int, int], Share]
    states: dict[str, frozenset[int]]
    answers: int
    known: int
    known_in: frozenset[int]
    unknown_in: frozenset[int]
    notice: Notice | None
    odd: list[str]

    @property
    def questions(self) -> int:
        return sum(span.questions for span in self.spans)

    @property
    def conversations(self) -> int:
        return len(set[int]().union(*(span.conversations for span in self.spans)))


def compute(user: User, credentials: Sequence[Credential], period: tuple[date, date] | None, owner: str) -> Insights:
    """Count the questions of a period (first day, day after the last), or of all time. Raises `CannotShow`.

    `owner` is a value of `owner:`, or "" for everybody.
    """
    asked = syntax.read("").replaced("owner", owner)
    top = lists.check_tops(user, credentials, asked)
    finder, reader = Finder(top.scope), top.scope.reader
    top.check_readable(finder)
    readable = finder.all_readable()
    if owner:
        readable = readable.filter(reader.owned_by(top.scope.owners.get(asked.value("owner"), [])))
    first, end = _bounded(period, readable)
    begin, over = syntax.midnight(first), syntax.midnight(end)
    asked_then = _questions(readable, begin, over)
    counted = _Counted(first, end)
    instances = {token.pk: token.instance for token in reader.tokens}
    for pk, at, token_key, owner_id, answered_at in _rows(asked_then):
        whose = Owner(instances[token_key], owner_id) if owner_id else NOBODY
        counted.add(pk, at, whose, answered_at)
    of_period = _of_these(asked_then)
    topics, states = _told_of_jobs(of_period, reader)
    known, unknown = _captured(of_period, reader)
    return Insights(
        reader=reader,
        first=first,
        end=end,
        spans=counted.spans,
        owners=dict(counted.owners),
        topics=topics,
        hours=dict(counted.hours),
        states={"unanswered": _unanswered(of_period), **states},
        answers=known.total() + unknown.total(),
        known=known.total(),
        known_in=frozenset(known),
        unknown_in=frozenset(unknown),
        notice=top.notice,
        odd=top.odd,
    )


def _bounded(period: tuple[date, date] | None, readable: QuerySet[Access]) -> tuple[date, date]:
    """Limit a long period to the time between the first question and today."""
    today = timezone.localdate()
    first, end = period or (date(1970, 1, 1), today + timedelta(days=1))
    if (end - first).days <= _BY_WEEK:
        return first, end
    questions = _questions(readable, syntax.midnight(first))
    earliest = questions.aggregate(at=Min("conversation__messages__created_at"))["at"]
    if earliest:
        first = max(first, timezone.localdate(earliest))
    return min(first, today), max(min(end, today + timedelta(days=1)), min(first, today) + timedelta(days=1))


def _of_these(asked_then: QuerySet[Access]) -> QuerySet[Access]:
    """Return the accesses of these questions, each once.

    Few are named by their keys, since the result is queried several times.
    """
    keys = asked_then.order_by().values_list("pk", flat=True).distinct()
    few = list(keys[: FEW_ROWS + 1])
    return Access.objects.filter(pk__in=few if len(few) <= FEW_ROWS else keys)


_Row = tuple[int, datetime, int, str, datetime | None]


def _questions(readable: QuerySet[Access], begin: datetime, over: datetime | None = None) -> QuerySet[Access]:
    """Return a row for each question of that time that its token was shown: accesses joined with messages."""
    conditions = {"gte": begin} | ({"lt": over} if over else {})
    return readable.filter(
        conversation__messages__role=Message.Role.USER,
        conversation__messages__revision__lte=F("revision"),
        **{f"conversation__messages__created_at__{name}": moment for name, moment in conditions.items()},
    )


def _rows(questions: QuerySet[Access]) -> Iterable[_Row]:
    """Return for each question its conversation, its time, the token, the owner, and the time of its answer."""
    following = Message.objects.shown_through_outer_access().filter(
        position=OuterRef("conversation__messages__position") + 1, role=Message.Role.ASSISTANT
    )
    found = questions.annotate(answered_at=Subquery(following.values("created_at")[:1], output_field=DateTimeField()))
    values = ("conversation_id", "conversation__messages__created_at", "api_token_id", "owner_id", "answered_at")
    return found.order_by().values_list(*values).iterator(chunk_size=_CHUNK_ROWS)


class _Counted:
    def __init__(self, first: date, end: date) -> None:
        self.spans = list(_spans(first, end))
        self._by_day = {
            span.first + timedelta(days=number): span
            for span in self.spans
            for number in range((span.end - span.first).days)
        }
        self.owners: dict[Owner, Share] = defaultdict(Share)
        self.hours: dict[tuple[int, int], Share] = defaultdict(Share)

    def add(self, pk: int, at: datetime, whose: Owner, answered_at: datetime | None) -> None:
        here = timezone.localtime(at)
        span = self._by_day[here.date()]
        for counted in (span, self.owners[whose], self.hours[here.weekday(), here.hour]):
            counted.questions += 1
            counted.conversations.add(pk)
        if answered_at is not None and answered_at >= at:
            span.took.append((answered_at - at).total_seconds())


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


def _unanswered(of_period: QuerySet[Access]) -> frozenset[int]:
    """Return the conversations that end with a question, as `state:unanswered` finds them."""
    shown = Message.objects.shown_through_outer_access()
    ending = of_period.annotate(last_role=Subquery(shown.order_by("-position").values("role")[:1]))
    return frozenset(ending.filter(last_role=Message.Role.USER).order_by().values_list("conversation_id", flat=True))


def _answers(of_period: QuerySet[Access]) -> QuerySet[Message]:
    # Compare an expression, not the key itself: a database would scan all keys for each message instead of looking the
    # conversation up.
    keys = Access.objects.alias(key=F("pk") + 0).filter(key__in=of_period.order_by().values("pk"))
    # Filter by conversation first: the query time must not depend on how many messages other readers have.
    own = Message.objects.filter(conversation__in=of_period.order_by().values("conversation"))
    return own.shown_through(keys).exclude(job_id=None)


def _jobs() -> QuerySet[Job]:
    """Select the job of an answer, unless it belongs to another conversation: this one gives no right to it."""
    own = Job.objects.of_conversation(OuterRef("conversation__instance"), OuterRef("conversation__omni_id"))
    return own.filter(omni_id=OuterRef("job_id"))


def _seen(answers: QuerySet[Message], reader: Reader) -> QuerySet[Message]:
    """Return the answers whose jobs the reader may see."""
    told = JobAccess.objects.filter(
        api_token__in=reader.token_keys, conversation=OuterRef("conversation"), job_id=OuterRef("job_id")
    )
    is_shown = Exists(told.visible_to(reader))
    is_over = Q(created_at__lte=timezone.now() - OMNI_KEEPS) & ~Exists(told.refused())
    return answers.filter(is_shown | is_over)


def _told_of_jobs(
    of_period: QuerySet[Access], reader: Reader
) -> tuple[dict[str, tuple[str, int]], dict[str, frozenset[int]]]:
    """Return topics (by value of `topic:`: Omni's spelling, conversation count) and conversations by state."""
    told = _seen(_answers(of_period), reader).annotate(
        topic=Subquery(_jobs().values("topic")[:1]), state=Subquery(_jobs().values("state")[:1])
    )
    rows = told.exclude(topic=None).order_by().values_list("topic", "state", "conversation_id").distinct()
    written: dict[str, Counter[str]] = defaultdict(Counter)
    conversations: dict[str, set[int]] = defaultdict(set)
    states: dict[str, set[int]] = {state: set() for state in STATES[1:]}
    for topic, state, pk in rows.iterator(chunk_size=_CHUNK_ROWS):
        outcome = Outcome.from_job(state)
        if outcome and outcome in states:
            states[outcome].add(pk)
        key = " ".join(word.text for word in words(topic))
        if key:
            written[key][topic] += 1
            conversations[key].add(pk)
    topics = {key: (written[key].most_common(1)[0][0], len(rows)) for key, rows in conversations.items()}
    return topics, {state: frozenset(rows) for state, rows in states.items()}


def _captured(of_period: QuerySet[Access], reader: Reader) -> tuple[Counter[int], Counter[int]]:
    """Count by conversation the answers whose outcome is known, and the other answers that a job made."""
    answers = _answers(of_period).order_by()
    known = _seen(answers, reader).filter(Exists(_jobs().exclude(state="", kept_at=None)))
    of_known = Counter(known.values_list("conversation_id", flat=True).iterator(chunk_size=_CHUNK_ROWS))
    of_all = Counter(answers.values_list("conversation_id", flat=True).iterator(chunk_size=_CHUNK_ROWS))
    return of_known, of_all - of_known
