"""Questions that were asked most often, and those that took longest to answer, of what the reader may read."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.utils import timezone

from conversations.archive import questions_asked
from conversations.archive.insights_scope import InsightsScope, Period
from conversations.archive.questions_asked import MAX_COMPARED, MAX_COMPARED_CHARS
from conversations.models import Access, Message, Owner
from conversations.search import date_words

# Most questions of either kind.
MAX_RANKED: Final = 10


@dataclass(frozen=True)
class RepeatedQuestion:
    """A question in its most frequent spelling, how many conversations it began, and of how many people Omni names."""

    text: str
    count: int
    people: int


@dataclass(frozen=True)
class SlowAnswer:
    """A question whose answer took long; `address` is the answer's."""

    text: str
    address: str
    took: timedelta
    asked_at: datetime
    owner: Owner


@dataclass(frozen=True)
class Rankings:
    """Both kinds. `is_part`: only the newest questions were compared."""

    repeated: list[RepeatedQuestion]
    slowest: list[SlowAnswer]
    is_part: bool


def rank(scope: InsightsScope, period: Period | None) -> Rankings:
    """Rank the questions of a period (first day, day after the last), or of all time."""
    first, end = period or (date(1970, 1, 1), timezone.localdate() + timedelta(days=1))
    begin, over = date_words.midnight(first), date_words.midnight(end)
    with questions_asked.without_compiling():
        repeated, is_part = _repeated(scope, begin, over)
        return Rankings(repeated, _slowest(scope, begin, over), is_part)


def _repeated(scope: InsightsScope, begin: datetime, over: datetime) -> tuple[list[RepeatedQuestion], bool]:
    """Return questions that began at least two conversations: in the same words, whatever their case and last mark."""
    instances = {token.pk: token.instance for token in scope.reader.tokens}
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    people: dict[str, set[Owner]] = defaultdict(set)
    rows = questions_asked.wordings(scope.readable, begin, over)
    for row in rows:
        words = " ".join(row.text.split()).casefold().rstrip(" ?!.")
        if not words or len(row.text) > MAX_COMPARED_CHARS or (scope.is_of_hours and not scope.counts_at(row.quarter)):
            continue
        spellings[words][row.text.strip()] += 1
        if row.owner_id:
            people[words].add(Owner(instances[row.token], row.owner_id))
    often = [(found.total(), words) for words, found in spellings.items() if found.total() > 1]
    often.sort(key=lambda counted: (-counted[0], counted[1]))
    repeated = [
        RepeatedQuestion(spellings[words].most_common(1)[0][0], count, len(people[words]))
        for count, words in often[:MAX_RANKED]
    ]
    return repeated, len(rows) == MAX_COMPARED


def _slowest(scope: InsightsScope, begin: datetime, over: datetime) -> list[SlowAnswer]:
    # Hours and weekdays of the query are matched here: then more are read.
    rows = questions_asked.slowest(scope.readable, begin, over, MAX_COMPARED if scope.is_of_hours else MAX_RANKED)
    if scope.is_of_hours:
        rows = [row for row in rows if scope.counts_at(row.quarter)][:MAX_RANKED]
    questions = Message.objects.select_related("conversation").in_bulk([row.question for row in rows])
    told = Access.objects.filter(pk__in=[row.access for row in rows]).values_list(
        "pk", "api_token__instance", "owner_id"
    )
    owners = {pk: Owner(instance, owner_id) for pk, instance, owner_id in told}
    return [
        SlowAnswer(
            text=question.text,
            address=f"{question.conversation.get_absolute_url()}messages/{question.position + 1}/",
            took=timedelta(microseconds=row.took),
            asked_at=question.created_at,
            owner=owners[row.access],
        )
        for row in rows
        if (question := questions.get(row.question)) and question.created_at
    ]
