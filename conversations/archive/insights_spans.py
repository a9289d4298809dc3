"""Days, weeks, months or years of a period, each with what was asked in it."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from statistics import median

from conversations.archive import questions_asked
from conversations.archive.questions_asked import Asked
from conversations.search import date_words

# Longest periods, in days, that are shown by day, by week and by month: no more than 33 spans, each of which takes 24
# pixels of a chart.
_BY_DAY, _BY_WEEK, _BY_MONTH = 31, 31 * 7, 950
_PERCENTILE = 0.95
_MICROSECONDS = 10**6


def median_seconds(took: Sequence[int]) -> float | None:
    """Return the median of these microseconds, the shortest first, in seconds."""
    middle = took[(len(took) - 1) // 2 : len(took) // 2 + 1]
    return median(length / _MICROSECONDS for length in middle) if middle else None


def percentile_seconds(took: Sequence[int]) -> float | None:
    """Return the 95th percentile of these microseconds, the shortest first, in seconds, by nearest rank."""
    return took[math.ceil(_PERCENTILE * len(took)) - 1] / _MICROSECONDS if took else None


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
        return median_seconds(self.took)

    @property
    def percentile(self) -> float | None:
        return percentile_seconds(self.took)

    def within(self, some: Collection[int]) -> int:
        """Return how many of the span's conversations are among these."""
        return len(self.conversations.intersection(some))


def spans(first: date, end: date) -> Iterator[Span]:
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


def fill(found: Sequence[Span], rows: Sequence[Asked]) -> dict[int, int]:
    """Distribute these rows, the earliest first, among the spans; return how often was asked through each access."""
    quarters = [row.quarter for row in rows]
    asked: Counter[str] = Counter()
    begin = 0
    for span in found:
        over = bisect_left(quarters, date_words.midnight(span.end).timestamp(), begin)
        own, begin = rows[begin:over], over
        keys = questions_asked.access_keys(own)
        asked.update(keys)
        span.questions = len(keys)
        span.conversations = frozenset(map(int, set(keys)))
        span.took = questions_asked.answer_times(own)
    return {int(key): count for key, count in asked.items()}


def took_in(found: Iterable[Span]) -> list[int]:
    """Return the times of all these spans, the shortest first."""
    # Each is sorted already: joined as they are, they are merged.
    return sorted(chain.from_iterable(span.took for span in found))


def joined(found: Sequence[Span], most: int) -> list[Span]:
    """Return the spans, neighbours in one so that no more than that many are left."""
    size = -(-len(found) // most)
    groups = (found[place : place + size] for place in range(0, len(found), size))
    return (
        [
            Span(
                group[0].first,
                group[-1].end,
                sum(span.questions for span in group),
                frozenset[int]().union(*(span.conversations for span in group)),
                took_in(group),
            )
            for group in groups
        ]
        if size > 1
        else list(found)
    )
