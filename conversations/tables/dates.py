"""Times as people and databases write them in a column: days, weeks, months, quarters, years, moments."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final

from conversations.tables.numbers import FIRST_CELLS, MOST_OF, folded, share

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
# A leap year for dates that name none.
_ANY_YEAR: Final = 2000
# Two-digit years from here on belong to the last century.
_LAST_CENTURY: Final = 70
_MONTHS_BY_LANGUAGE = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _months() -> dict[str, int]:
    """Return months by name, and by the first three letters where these are unique in the language."""
    numbers = {"sept": 9, "juil": 7, "janv": 1, "févr": 2}
    for names in map(str.split, _MONTHS_BY_LANGUAGE):
        short = [name[:3] for name in names]
        for number, name in enumerate(names, start=1):
            numbers[name] = number
            if short.count(name[:3]) == 1:
                numbers.setdefault(name[:3], number)
    return numbers


_MONTHS = _months()
_DAYS_OF_WEEK = {
    short: number for number, name in enumerate(_WEEKDAYS, start=1) for short in (name, name[:3], name[:4], name[:5])
}


@dataclass(frozen=True)
class Times:
    """Times of a column. `longest` is the longest regular step between periods; None if none shows to be regular."""

    moments: list[datetime]
    longest: timedelta | None

    def gaps(self, moments: Sequence[datetime]) -> list[int]:
        """Return the places in these sorted moments before which a period is missing."""
        if self.longest is None:
            return []
        return [
            place for place, (before, after) in enumerate(pairwise(moments), start=1) if after - before > self.longest
        ]


@dataclass(frozen=True)
class Form:
    """One way to write times. `is_placed` is False if no year is named: such times can be sorted, but not drawn."""

    name: str
    pattern: re.Pattern[str]
    of: Callable[[re.Match[str]], datetime]
    longest: timedelta | None = None
    is_placed: bool = True

    def moment(self, cell: str) -> datetime | None:
        found = self.pattern.fullmatch(folded(cell))
        try:
            return self.of(found) if found else None
        except (ValueError, OverflowError):
            return None


def read(cells: Sequence[str], *, may_be_years: bool) -> Times | None:
    """Return the times of a chart's axis; None unless all cells are times, written in one way and beyond doubt."""
    for form in _FORMS:
        if not form.is_placed or (form is _YEARS and not may_be_years):
            continue
        moments = _all(form, cells)
        if moments is None:
            continue
        if form in _DAYS_IN_FIGURES and any(_all(other, cells) not in (None, moments) for other in _DAYS_IN_FIGURES):
            return None
        return Times(moments, form.longest or _usual(moments))
    return None


def form_of(cells: Sequence[str]) -> Form | None:
    """Return the form in which most of these non-empty cells are written."""
    first = cells[:FIRST_CELLS]
    likely = [form for form in _FORMS if form is not _YEARS and any(form.moment(cell) for cell in first)]
    shares = [(share(cells, form.moment), form) for form in likely]
    most, form = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return form if most >= MOST_OF else None


def _all(form: Form, cells: Sequence[str]) -> list[datetime] | None:
    moments = []
    for cell in cells:
        moment = form.moment(cell)
        if moment is None:
            return None
        moments.append(moment)
    return moments


def _usual(moments: list[datetime]) -> timedelta | None:
    """Return the longest regular step of days or moments, if nearly all of their steps are alike; else None."""
    steps = sorted(after - before for before, after in pairwise(sorted(moments)))
    if len(steps) < 3:  # noqa: PLR2004  (three of a kind before anything is called regular)
        return None
    usual = steps[len(steps) // 2]
    regular = [step for step in steps if usual * 0.85 <= step <= usual * 1.15]
    return usual * 1.2 if len(regular) >= 0.7 * len(steps) else None


def _at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _year(match: re.Match[str]) -> int:
    said = match.groupdict().get("year")
    if said is None:
        return _ANY_YEAR
    number = int(said)
    return number if len(said) > 2 else number + (1900 if number >= _LAST_CENTURY else 2000)  # noqa: PLR2004


def _named(names: dict[str, int], match: re.Match[str]) -> int:
    name = match["name"].lower()
    if name not in names:
        raise ValueError(name)
    return names[name]


def _month(match: re.Match[str]) -> datetime:
    return _at(_year(match), _named(_MONTHS, match))


def _numbered(match: re.Match[str]) -> datetime:
    """Return the moment of a date, its month by name or number, with the time of day behind it."""
    month = _named(_MONTHS, match) if "name" in match.re.groupindex else int(match["m"])
    return _with_time(_at(_year(match), month, int(match["d"])), match)


def _with_time(day: datetime, match: re.Match[str]) -> datetime:
    if not match["hour"]:
        return day
    hour, half, second = int(match["hour"]), (match["half"] or "").lower()[:1], float(match["second"] or 0)
    if half:
        if not 1 <= hour <= 12:  # noqa: PLR2004
            raise ValueError(hour)
        hour = hour % 12 + (12 if half == "p" else 0)
    if second >= 61:  # noqa: PLR2004  (a leap second is the 60th)
        raise ValueError(second)
    moment = day.replace(hour=hour, minute=int(match["minute"])) + timedelta(seconds=second)
    zone = match["zone"]
    if not zone or zone[0] not in "+-":
        return moment
    digits = zone[1:].replace(":", "").ljust(4, "0")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return moment.replace(tzinfo=timezone(-away if zone[0] == "-" else away))


def _form(
    name: str,
    pattern: str,
    of: Callable[[re.Match[str]], datetime],
    longest: timedelta | None = None,
    *,
    is_placed: bool = True,
) -> Form:
    return Form(name, re.compile(pattern, re.IGNORECASE), of, longest, is_placed)


_Y = r"(?P<year>(?:19|20)\d\d)"
_YEAR_OF_DATE = r"(?P<year>[12]\d{3})"
_NAME = r"(?P<name>[^\W\d_]{3,10})\.?"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d{1,9})?))?"
_HALF = r" ?(?P<half>[ap]\.?m\.?)"
_TIME = rf"{_CLOCK}(?:{_HALF})?(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?"
_THEN = rf"(?:(?:,? (?:at )?|T){_TIME})?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,? )?"
_FIGURES = r"{}(?P<sep>[/-]){}(?P=sep)(?P<year>[12]\d{{3}}|(?<=/)\d\d)"
_M, _D = r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_DAYS_IN_FIGURES = (
    _form("dates, month first", _FIGURES.format(_M, _D) + _THEN, _numbered),
    _form("dates, day first", _FIGURES.format(_D, _M) + _THEN, _numbered),
)
_YEARS = _form("years", _Y, lambda at: _at(_year(at)), _DAY * 367)
_FORMS: tuple[Form, ...] = (
    _form("dates", rf"{_YEAR_OF_DATE}(?P<sep>[-/.])(?P<m>\d\d?)(?P=sep)(?P<d>\d\d?){_THEN}", _numbered),
    *_DAYS_IN_FIGURES,
    _form("dates", rf"{_D}\.{_M}\.{_YEAR_OF_DATE}{_THEN}", _numbered),
    _form(
        "dates",
        rf"{_WEEKDAY}{_D}(?:st|nd|rd|th|\.)?[ -](?:of |de )?{_NAME},?[ -](?:de )?{_YEAR_OF_DATE}{_THEN}",
        _numbered,
    ),
    _form("dates", rf"{_D}-(?P<name>[^\W\d_]{{3,10}})-(?P<year>\d\d){_THEN}", _numbered),
    _form("dates", rf"{_WEEKDAY}{_NAME}[ -]{_D}(?:st|nd|rd|th)?,?[ -]{_YEAR_OF_DATE}{_THEN}", _numbered),
    _form("months", rf"{_Y}[-/](?P<m>\d\d)", lambda at: _at(_year(at), int(at["m"])), _DAY * 32),
    _form("months", rf"(?P<m>\d\d?)/{_Y}", lambda at: _at(_year(at), int(at["m"])), _DAY * 32),
    _form("months", rf"{_NAME},?[ -]{_Y}", _month, _DAY * 32),
    _form("months", rf"{_NAME}(?:-| ?')(?P<year>\d\d)", _month, _DAY * 32),
    _form("months", rf"{_Y}[ -]{_NAME}", _month, _DAY * 32),
    _form(
        "weeks",
        rf"{_Y}-?W(?P<w>\d\d)",
        lambda at: datetime.fromisocalendar(int(at["year"]), int(at["w"]), 1).replace(tzinfo=UTC),
        _WEEK * 1.5,
    ),
    _form("quarters", rf"Q(?P<q>[1-4])[ -]{_Y}", lambda at: _at(_year(at), 3 * int(at["q"]) - 2), _DAY * 100),
    _form("quarters", rf"{_Y}[ -]?Q(?P<q>[1-4])", lambda at: _at(_year(at), 3 * int(at["q"]) - 2), _DAY * 100),
    _form("quarters", r"Q(?P<q>[1-4]) ?'(?P<year>\d\d)", lambda at: _at(_year(at), 3 * int(at["q"]) - 2), _DAY * 100),
    _form("dates", rf"{_WEEKDAY}{_NAME} {_D}(?:st|nd|rd|th)?{_THEN}", _numbered, is_placed=False),
    _form("dates", rf"{_WEEKDAY}{_D}(?:st|nd|rd|th|\.)?[ -](?:of |de )?{_NAME}{_THEN}", _numbered, is_placed=False),
    _form("months", _NAME, _month, is_placed=False),
    _form(
        "days of the week",
        r"(?P<name>[a-z]{3,9})\.?",
        lambda at: _at(_ANY_YEAR, 1, _named(_DAYS_OF_WEEK, at)),
        is_placed=False,
    ),
    _form(
        "weeks",
        r"(?:W|Week )(?P<w>\d\d?)",
        lambda at: datetime.fromisocalendar(_ANY_YEAR, int(at["w"]), 1).replace(tzinfo=UTC),
        is_placed=False,
    ),
    _form(
        "times of day",
        rf"{_CLOCK}{_HALF}(?P<zone>)",
        lambda at: _with_time(_at(_ANY_YEAR), at),
        is_placed=False,
    ),
    _YEARS,
)
