"""Lengths of time as people and databases write them: `1h 5m`, `2 days`, `00:12:30`, `PT1H5M`, `2 days 03:04:05`."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from conversations.tables.numbers import MOST_OF, folded, share

_SECONDS: Final = {
    ("ms", "msec", "msecs", "millisecond", "milliseconds"): 0.001,
    ("s", "sec", "secs", "second", "seconds"): 1.0,
    ("m", "min", "mins", "minute", "minutes"): 60.0,
    ("h", "hr", "hrs", "hour", "hours"): 3600.0,
    ("d", "day", "days"): 86_400.0,
    ("w", "wk", "wks", "week", "weeks"): 7 * 86_400.0,
    ("mo", "mos", "mon", "mons", "month", "months"): 30 * 86_400.0,
    ("y", "yr", "yrs", "year", "years"): 365 * 86_400.0,
}
_BY_UNIT: Final = {unit: seconds for units, seconds in _SECONDS.items() for unit in units}
_UNIT = rf"(?:{'|'.join(sorted(_BY_UNIT, key=len, reverse=True))})(?![a-z])\.?"
_AMOUNT = r"\d{1,12}(?:[.,]\d{1,9})?"
_PART = re.compile(rf"(?P<amount>{_AMOUNT}) ?(?P<unit>[a-z]+)", re.IGNORECASE)
_WRITTEN = re.compile(
    rf"(?P<sign>[-+\u2212])? ?"
    rf"(?P<parts>{_AMOUNT} ?{_UNIT}(?:,? ?(?:and )?{_AMOUNT} ?{_UNIT})*+)?(?:,? )?"
    r"(?P<clock>(?P<first>\d{1,6}):(?P<second>\d\d)(?::(?P<third>\d\d))?(?P<fraction>\.\d{1,9})?)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    rf"(?P<sign>[-+])?P(?P<days>(?:{_AMOUNT}[YMWD])*+)(?:T(?P<times>(?:{_AMOUNT}[HMS])++))?", re.IGNORECASE
)
_ISO_DAYS = {"Y": "y", "M": "mo", "W": "w", "D": "d"}


def key_of(cells: Sequence[str]) -> Callable[[str], float | None] | None:
    """Return what gives the seconds of such cells, none of which is empty; None where most of them are none."""
    if share(cells, of_hours) < MOST_OF:
        return None
    # Beside "1:02:03" the minutes come first in "45:10".
    return of_minutes if any(cell.count(":") == 2 for cell in cells) else of_hours  # noqa: PLR2004


def of_hours(cell: str) -> float | None:
    """Return the seconds, a clock of two numbers being hours and minutes; None where the cell is no duration."""
    return _seconds(cell, 3600)


def of_minutes(cell: str) -> float | None:
    """Return the seconds, a clock of two numbers being minutes and seconds."""
    return _seconds(cell, 60)


def _seconds(cell: str, first_of_two: int) -> float | None:
    text = folded(cell)
    if found := _ISO.fullmatch(text):
        if not found["days"] and not found["times"]:
            return None
        days = sum(_amount(part) * _BY_UNIT[_ISO_DAYS[part["unit"].upper()]] for part in _PART.finditer(found["days"]))
        times = sum(_amount(part) * _BY_UNIT[part["unit"].lower()] for part in _PART.finditer(found["times"] or ""))
        return _signed(found, days + times)
    found = _WRITTEN.fullmatch(text)
    if not found or not (found["parts"] or found["clock"]):
        return None
    parts = sum(_amount(part) * _BY_UNIT[part["unit"].lower()] for part in _PART.finditer(found["parts"] or ""))
    return _signed(found, parts + _clock(found, first_of_two))


def _amount(part: re.Match[str]) -> float:
    return float(part["amount"].replace(",", "."))


def _clock(found: re.Match[str], first_of_two: int) -> float:
    if not found["clock"]:
        return 0.0
    first, second, rest = int(found["first"]), int(found["second"]), float(found["fraction"] or 0)
    if found["third"]:
        return first * 3600 + second * 60 + int(found["third"]) + rest
    return first * first_of_two + second * first_of_two / 60 + rest


def _signed(found: re.Match[str], seconds: float) -> float:
    return -seconds if (found["sign"] or "+") != "+" else seconds
