"""A day or a span of days as people write it, in the time zone that is active."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from django.utils import timezone

# Examples of what `days` reads.
TIMES = "2026-10-03, 2026-10, 2026-Q3, yesterday, last week, 7d or 2026-10-03..2026-10-09"
Span = tuple[date, date]
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november"),
    "december",
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = rf"(?P<month>{'|'.join(_FULL_MONTHS)}|sept|{'|'.join(_MONTHS)})\.?"
_UNIT = r"(?P<unit>day|week|month|quarter|year)s?"
_AGO: dict[str, Callable[[date, int], date]] = {
    "d": lambda today, count: today - timedelta(days=count - 1),
    "w": lambda today, count: today - timedelta(days=7 * count - 1),
    "m": lambda today, count: _months_before(today, count) + timedelta(days=1),
    "q": lambda today, count: _months_before(today, 3 * count) + timedelta(days=1),
    "y": lambda today, count: _months_before(today, 12 * count) + timedelta(days=1),
}
# Dates with blanks, at the start of a text: a filter takes them without quotation marks.
_UNITS = "(?:days?|weeks?|months?|quarters?|years?)"
_A_MONTH, _DAY = _MONTH.replace("?P<month>", "?:"), r"[0-9]{1,2}(?:st|nd|rd|th)?"
SEVERAL_WORDS = re.compile(
    rf"(?:last|past|previous|this)\s+(?:(?:[0-9]{{1,4}}\s+)?{_UNITS}|{'|'.join(_FULL_WEEKDAYS)})\b"
    rf"|[0-9]{{1,4}}\s+{_UNITS}(?:\s+ago)?\b"
    rf"|{_DAY}\.?\s+{_A_MONTH}(?:,?\s+[0-9]{{4}})?(?![\w:])"
    rf"|{_A_MONTH}\s+(?:{_DAY}(?:,?\s+[0-9]{{4}})?|[0-9]{{4}})(?![\w:.,-])"
    r"|q[1-4]\s+[0-9]{4}(?![\w:])",
    re.IGNORECASE | re.ASCII,
)


def days(value: str) -> Span | None:
    """Return the first day, and the day after the last, of a date filter; None if the text is no date.

    `7d` are the seven days that end with today; `2026-10..2026-12` all from the first to the last of the two.
    """
    if ".." in value:
        ends = [days(part) if ".." not in part else None for part in value.split("..", 1)]
        return (ends[0][0], ends[1][1]) if ends[0] and ends[1] and ends[0][0] < ends[1][1] else None
    text = " ".join(value.lower().split())
    try:
        for form in (_named_day, _rolling, _of_calendar, _by_numbers, _by_day_and_month, _by_name):
            found = form(text)
            if found:
                return found
    except (ValueError, OverflowError):
        pass
    return None


def moments(value: str) -> tuple[datetime, datetime] | None:
    """Return the same as moments in the active time zone: the start, and the end, which is not included."""
    found = days(value)
    return (midnight(found[0]), midnight(found[1])) if found else None


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def is_name(value: str) -> bool:
    """Return whether a span is named by words alone, such as "last week"."""
    return re.fullmatch(r"[a-z]+(?:[ _-]+[a-z]+)*", value.strip(), re.IGNORECASE) is not None


def written(value: str, name: str = "on") -> str:
    """Return in words the days that `value` means to the filter `name`; "" if it is no date."""
    found = days(value)
    if found is None:
        return ""
    first, last = found[0], found[1] - timedelta(days=1)
    if name == "from":
        return f"from {_day(first)}"
    if name == "to":
        return f"to {_day(last)}"
    return _span(first, last)


def _span(first: date, last: date) -> str:
    """Return "16–22 November 2026": what both days share is written once, a whole month or year by its name."""
    after = last + timedelta(days=1)
    if first == last:
        return _day(first)
    if first.day == after.day == 1 and (first.month, after.month) == (1, 1) and after.year == first.year + 1:
        return str(first.year)
    if first.day == after.day == 1 and last - first < timedelta(days=31):
        return f"{_month(first)} {first.year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{_day(last)}"
    start = f"{first.day} {_month(first)}" if first.year == last.year else _day(first)
    return f"{start} – {_day(last)}"


def doubt(value: str) -> str:
    """Return a sentence on how an ambiguous date was read; "" if there is no doubt."""
    for part in value.split(".."):
        found = days(part)
        if found and _is_ambiguous(part):
            order = "Between slashes the month comes first" if "/" in part else "Between dashes the day comes first"
            return f"“{part}” was read as {_day(found[0])}. {order}; {found[0]} is unambiguous."
    return ""


def _day(day: date) -> str:
    return f"{day.day} {_month(day)} {day.year}"


def _month(day: date) -> str:
    return _FULL_MONTHS[day.month - 1].capitalize()


def _named_day(text: str) -> Span | None:
    """Read today, yesterday, or a day of the week: the last one that has begun."""
    today = timezone.localdate()
    found = re.fullmatch(rf"(?:(last|previous|this)[ _-]?)?({'|'.join((*_FULL_WEEKDAYS, *WEEKDAYS))})", text)
    if found:
        back = (today.weekday() - WEEKDAYS.index(found[2][:3])) % 7
        first = today - timedelta(days=back or (7 if found[1] in ("last", "previous") else 0))
    elif text in ("today", "yesterday"):
        first = today if text == "today" else today - timedelta(days=1)
    else:
        return None
    return first, first + timedelta(days=1)


def _rolling(text: str) -> Span | None:
    """Read a number of days, weeks, months or years that end with today."""
    found = (
        re.fullmatch(r"(?P<count>[0-9]{1,4})(?P<unit>[dwmy])", text, re.ASCII)
        or re.fullmatch(rf"(?:(?:last|past|previous)[ _-]?)?(?P<count>[0-9]{{1,4}})[ _-]?{_UNIT}", text, re.ASCII)
        or re.fullmatch(rf"past[ _-]?(?P<count>){_UNIT}", text, re.ASCII)
    )
    if found is None:
        return None
    today = timezone.localdate()
    return _AGO[found["unit"][0]](today, max(int(found["count"] or 1), 1)), today + timedelta(days=1)


def _of_calendar(text: str) -> Span | None:
    """Read a period of the calendar: last week, this month, three quarters ago."""
    today = timezone.localdate()
    if found := re.fullmatch(rf"([0-9]{{1,4}})[ _-]?{_UNIT}[ _-]?ago", text, re.ASCII):
        return _whole(found["unit"], today, int(found[1]))
    if found := re.fullmatch(rf"(last|previous|this)[ _-]?{_UNIT}", text, re.ASCII):
        return _whole(found["unit"], today, 0 if found[1] == "this" else 1)
    return None


def _whole(unit: str, today: date, back: int) -> Span:
    """Return a day, week (from Monday), month, quarter or year of the calendar, so many before the current one."""
    if unit in ("day", "week"):
        length = timedelta(days=1 if unit == "day" else 7)
        begun = today if unit == "day" else today - timedelta(days=today.weekday())
        return begun - back * length, begun - back * length + length
    length_in_months = {"month": 1, "quarter": 3, "year": 12}[unit]
    months = today.year * 12 + (today.month - 1) // length_in_months * length_in_months - back * length_in_months
    return _from_month(months), _from_month(months + length_in_months)


def _from_month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def _by_numbers(text: str) -> Span | None:
    """Read a date in figures beyond doubt, mostly with the year first as in ISO 8601."""
    if found := re.fullmatch(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})", text, re.ASCII):
        return _calendar(int(found[1]), None, int(found[3]), int(found[4]))
    if found := re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text, re.ASCII):
        return _calendar(int(found[1]), None, int(found[2]), int(found[3]))
    if found := re.fullmatch(r"([0-9]{4})(?:-?q([1-4])|[-/.]([0-9]{1,2}))?", text, re.ASCII):
        year, quarter, month = (int(part) if part else None for part in found.groups())
        return _calendar(year, quarter, month, None)
    if found := re.fullmatch(r"q([1-4])[ /-]?([0-9]{4})|([0-9]{4}) q([1-4])", text, re.ASCII):
        return _calendar(int(found[2] or found[3]), int(found[1] or found[4]), None, None)
    if found := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{4})", text, re.ASCII):
        return _calendar(int(found[2]), None, int(found[1]), None)
    return None


_DAY_AND_MONTH = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})", re.ASCII)
_MAX_MONTHS = 12


def _by_day_and_month(text: str) -> Span | None:
    """Read a date in figures: with slashes the month comes first, as in the US, else the day; swapped if impossible."""
    found = _DAY_AND_MONTH.fullmatch(text)
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    month, day = (first, second) if found[2] == "/" else (second, first)
    if month > _MAX_MONTHS:
        month, day = day, month
    return _calendar(int(found[4]) if len(found[4]) == 4 else 2000 + int(found[4]), None, month, day)  # noqa: PLR2004


def _is_ambiguous(value: str) -> bool:
    found = _DAY_AND_MONTH.fullmatch(value.strip())
    return found is not None and found[1].lstrip("0") != found[3].lstrip("0") and _could_be_either(found)


def _could_be_either(found: re.Match[str]) -> bool:
    # With dots the day always comes first.
    return found[2] != "." and max(int(found[1]), int(found[3])) <= _MAX_MONTHS


_DAY_FIRST = re.compile(
    rf"(?:(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?\.? ?)?{_MONTH}(?:[ -]?(?P<year>[0-9]{{4}}))?", re.ASCII
)
_MONTH_FIRST = re.compile(rf"{_MONTH} (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>[0-9]{{4}}))?", re.ASCII)


def _by_name(text: str) -> Span | None:
    """Read a date with the month's English name; without a year, the last one that has begun."""
    found = _DAY_FIRST.fullmatch(text.replace(",", "")) or _MONTH_FIRST.fullmatch(text)
    if found is None:
        return None
    month, day = _MONTHS.index(found["month"][:3]) + 1, int(found["day"]) if found["day"] else None
    today = timezone.localdate()
    if found["year"]:
        return _calendar(int(found["year"]), None, month, day)
    span = _calendar(today.year, None, month, day)
    return span if span[0] <= today else _calendar(today.year - 1, None, month, day)


def _calendar(year: int | None, quarter: int | None, month: int | None, day: int | None) -> Span:
    first = date(year or 0, 3 * (quarter or 1) - 2 if month is None else month, 1 if day is None else day)
    if day is not None:
        return first, first + timedelta(days=1)
    length = 1 if month else 3 if quarter else 12
    return first, _from_month(first.year * 12 + first.month - 1 + length)


def _months_before(day: date, count: int) -> date:
    months = day.year * 12 + day.month - 1 - count
    first, following = _from_month(months), _from_month(months + 1)
    return first.replace(day=min(day.day, (following - first).days))
