"""Times as people and databases write them in a column: days, weeks, months, quarters, years, moments."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_NAMES = {
    "january": 1,
    "february": 2,
    "march": 3,
    "april": 4,
    "may": 5,
    "june": 6,
    "july": 7,
    "august": 8,
    "september": 9,
    "october": 10,
    "november": 11,
    "december": 12,
}
# Or their first three letters; and September as some write it.
_MONTHS = _NAMES | {name[:3]: number for name, number in _NAMES.items()} | {"sept": 9}
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class Times:
    """`longest` is the longest time from one period to the next; None where nothing says how regular they are."""

    moments: list[datetime]
    longest: timedelta | None

    def gaps(self, moments: Sequence[datetime]) -> list[int]:
        """Places in these, sorted, before which a period is left out."""
        if self.longest is None:
            return []
        return [
            place for place, (before, after) in enumerate(pairwise(moments), start=1) if after - before > self.longest
        ]


def read(cells: Sequence[str], *, may_be_years: bool) -> Times | None:
    """None unless all of them are times, written in one way."""
    for pattern, moment, longest in _FORMS:
        if pattern is _YEAR and not may_be_years:
            continue
        found = [pattern.fullmatch(cell.strip()) for cell in cells]
        if not all(found):
            continue
        try:
            moments = [moment(match) for match in found if match]
        except (ValueError, OverflowError):
            return None
        return Times(moments, longest or _usual(moments))
    return None


def _usual(moments: list[datetime]) -> timedelta | None:
    """Of days and moments: the step that nearly all of them have, if there is one."""
    steps = sorted(after - before for before, after in pairwise(sorted(moments)))
    if len(steps) < 3:  # noqa: PLR2004  (three of a kind before anything is called regular)
        return None
    usual = steps[len(steps) // 2]
    regular = [step for step in steps if usual * 0.85 <= step <= usual * 1.15]
    return usual * 1.2 if len(regular) >= 0.7 * len(steps) else None


def _at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _month(match: re.Match[str]) -> datetime:
    name = match["name"].lower().rstrip(".")
    if name not in _MONTHS:
        raise ValueError(name)
    return _at(int(match["year"]), _MONTHS[name])


def _moment(match: re.Match[str]) -> datetime:
    found = datetime.fromisoformat(match[0].replace("Z", "+00:00").replace("z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_YEAR = re.compile(r"(?P<year>(19|20)\d\d)")
_Y = r"(?P<year>(?:19|20)\d\d)"
_FORMS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], datetime], timedelta | None]] = [
    (re.compile(rf"{_Y}-(?P<m>\d\d)-(?P<d>\d\d)"), lambda at: _at(int(at["year"]), int(at["m"]), int(at["d"])), None),
    (re.compile(rf"{_Y}[-/](?P<m>\d\d)"), lambda at: _at(int(at["year"]), int(at["m"])), _DAY * 32),
    (
        re.compile(rf"{_Y}-?W(?P<w>\d\d)", re.I),
        lambda at: datetime.fromisocalendar(int(at["year"]), int(at["w"]), 1).replace(tzinfo=UTC),
        _WEEK * 1.5,
    ),
    (re.compile(rf"Q(?P<q>[1-4])[ -]{_Y}", re.I), lambda at: _at(int(at["year"]), 3 * int(at["q"]) - 2), _DAY * 100),
    (re.compile(rf"{_Y}[ -]?Q(?P<q>[1-4])", re.I), lambda at: _at(int(at["year"]), 3 * int(at["q"]) - 2), _DAY * 100),
    (re.compile(rf"(?P<name>[A-Za-z]{{3,9}}\.?),?[ -]{_Y}"), _month, _DAY * 32),
    (re.compile(rf"{_Y}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?(Z|[+-]\d\d:?\d\d)?", re.I), _moment, None),
    (_YEAR, lambda at: _at(int(at["year"])), _DAY * 367),
]
