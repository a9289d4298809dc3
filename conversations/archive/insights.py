"""Counts over what the reader may read: who asked when and about what, and how long the answers took.

Everything is counted by the time of the question, so that each number links to a list filtered by `asked:`. A
conversation is named by the key of the access through which it is read: each has one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from conversations.archive import answer_outcomes, insights_scope, insights_spans, questions_asked
from conversations.archive.answer_outcomes import NOBODY, Answers, Threads, Topic
from conversations.archive.insights_scope import InsightsScope, Period
from conversations.archive.insights_spans import Span, median_seconds, percentile_seconds
from conversations.archive.questions_asked import Asked, Whole
from conversations.models import Outcome, Owner, Reader
from conversations.search import date_words, syntax
from omniviewer.accounts.models import Credential, User

# Longer periods, in days, begin with the first question in them and end today, and are not compared.
_LONG = 400


@dataclass
class Share:
    """Questions and conversations of one person."""

    questions: int = 0
    conversations: int = 0


@dataclass(frozen=True)
class Totals:
    """Counts of a whole period. `people` are those whom Omni names.

    `known` and `failed` count conversations in which the outcome of an answer is known, and in which an answer failed;
    `answers` and `told` count answers that a job made, and those whose outcome is known. Of the conversations without a
    known outcome, `only_asked` end with a question.
    """

    questions: int
    conversations: int
    people: int
    unanswered: int
    failed: int
    known: int
    answers: int
    told: int
    only_asked: int
    took: Sequence[int]

    @property
    def failure_rate(self) -> float | None:
        return self.failed / self.known if self.known else None

    @property
    def coverage(self) -> float | None:
        return self.told / self.answers if self.answers else None

    @property
    def median(self) -> float | None:
        return median_seconds(self.took)

    @property
    def percentile(self) -> float | None:
        return percentile_seconds(self.took)


@dataclass(frozen=True)
class Insights:
    """Counts of the period from `first` to before `end`, as the scope's reader may see them.

    `before` are those of the period of equal length that ended when this one began; None if there is none. `topics` are
    keyed by the value that `topic:` takes, `hours` count questions by weekday (0: Monday) and hour. `known_in` and
    `unknown_in` are the conversations with answers whose outcome is known here, and with others.
    """

    scope: InsightsScope
    first: date
    end: date
    spans: list[Span]
    total: Totals
    before: Totals | None
    whose: Mapping[int, Owner]
    owners: dict[Owner, Share]
    topics: dict[str, Topic]
    hours: dict[tuple[int, int], int]
    states: dict[str, frozenset[int]]
    complete: frozenset[int]
    known_in: frozenset[int]
    unknown_in: frozenset[int]

    @property
    def unknown(self) -> frozenset[int]:
        """Return the conversations that are in no state that is known here, and not complete."""
        asked = frozenset[int]().union(*(span.conversations for span in self.spans))
        return asked.difference(self.complete, *self.states.values())

    @property
    def reader(self) -> Reader:
        return self.scope.reader

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)


def compute(
    user: User, credentials: Sequence[Credential], period: Period | None, asked: syntax.Asked, *, compared: bool = True
) -> Insights:
    """Count the questions of a period (first day, day after the last), or of all time. Raises `CannotShow`.

    `asked` narrows the conversations. `compared`: count the period before too.
    """
    scope = insights_scope.open(user, credentials, asked)
    with questions_asked.without_compiling():
        first, end, rows, earlier = _asked(scope, period, compared=compared)
        spans = list(insights_spans.spans(first, end))
        asked_in = insights_spans.fill(spans, rows)
        keys = asked_in.keys() | (earlier.accesses if earlier else ())
        threads = answer_outcomes.threads(keys, scope.reader)
        told = answer_outcomes.read(keys, scope.reader)
    answers = answer_outcomes.answers(told, None if len(keys) == len(asked_in) else asked_in)
    states = answers.states(threads.unanswered & asked_in.keys())
    now = Whole(sum(asked_in.values()), frozenset(asked_in), insights_spans.took_in(spans))
    before = None
    if earlier:
        before = _totals(earlier, threads, answer_outcomes.answers(told, earlier.accesses))
    return Insights(
        scope=scope,
        first=first,
        end=end,
        spans=spans,
        total=_totals(now, threads, answers),
        before=before,
        whose=threads.owners,
        owners=_shares(asked_in, threads.owners),
        topics=answers.topics(),
        hours=_by_hour(rows),
        states=states,
        complete=threads.complete,
        known_in=frozenset(answers.known),
        unknown_in=frozenset(answers.unknown),
    )


def _asked(
    scope: InsightsScope, period: Period | None, *, compared: bool
) -> tuple[date, date, list[Asked], Whole | None]:
    """Return the questions of the period, and those of the one before, which is None if there is none.

    A long one is limited to the time between the first of them and today.
    """
    today = timezone.localdate()
    first, end = period or (date(1970, 1, 1), today + timedelta(days=1))
    is_long = (end - first).days > _LONG
    if is_long:
        end = min(end, today + timedelta(days=1))
    earlier = _earlier(scope, *before(first, end)) if compared and not is_long else None
    rows = _rows(scope, first, end)
    if is_long:
        if rows:
            first = max(first, datetime.fromtimestamp(rows[0].quarter, timezone.get_current_timezone()).date())
        first = min(first, today)
        end = max(end, first + timedelta(days=1))
    return first, end, rows, earlier


def _rows(scope: InsightsScope, first: date, end: date) -> list[Asked]:
    rows = questions_asked.count(scope.readable, date_words.midnight(first), date_words.midnight(end))
    return [row for row in rows if scope.counts_at(row.quarter)] if scope.is_of_hours else rows


def _earlier(scope: InsightsScope, first: date, end: date) -> Whole:
    if scope.is_of_hours:
        return questions_asked.as_one(_rows(scope, first, end))
    return questions_asked.count_all(scope.readable, date_words.midnight(first), date_words.midnight(end))


def before(first: date, end: date) -> Period:
    """Return the period of equal length that ends when this one begins."""
    days = min((end - first).days, first.toordinal() - 1)
    return first - timedelta(days=days), first


def _by_hour(rows: Iterable[Asked]) -> dict[tuple[int, int], int]:
    zone = timezone.get_current_timezone()
    found: Counter[tuple[int, int]] = Counter()
    for row in rows:
        here = datetime.fromtimestamp(row.quarter, zone)
        found[here.weekday(), here.hour] += row.questions
    return found


def _shares(asked: Mapping[int, int], owners: Mapping[int, Owner]) -> dict[Owner, Share]:
    shares: dict[Owner, Share] = defaultdict(Share)
    for key, count in asked.items():
        share = shares[owners[key]]
        share.questions += count
        share.conversations += 1
    return dict(shares)


def _totals(asked: Whole, threads: Threads, answers: Answers) -> Totals:
    told, unknown = answers.known.total(), answers.unknown.total()
    return Totals(
        questions=asked.questions,
        conversations=len(asked.accesses),
        people=len({threads.owners[key] for key in asked.accesses} - {NOBODY}),
        unanswered=len(threads.unanswered & asked.accesses),
        failed=len(answers.states(frozenset())[Outcome.FAILED]),
        known=len(answers.known),
        answers=told + unknown,
        told=told,
        only_asked=len((threads.unanswered & asked.accesses) - answers.known.keys()),
        took=asked.took,
    )
