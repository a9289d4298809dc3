"""Times in Omni's replies, in whichever form they come."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

# Range of plausible years. A number column orders conversations by milliseconds and ends in 2248; Go and
# others write "never" as the year 1 or 9999.
YEARS = range(1970, 2200)
# Smaller numbers than the first are no times; from the others on, they are milli-, micro- and nanoseconds.
_FIRST_SECOND, _MILLISECONDS, _MICROSECONDS, _NANOSECONDS, _TOO_MUCH = 1e9, 1e11, 1e14, 1e17, 1e20
_LONGEST_TIME = 100
_UTC_WORDS = re.compile(r" ?(?:UTC|GMT|Z)(?: ?([+-])([0-9]{1,2}):?([0-9]{2})?)?(?: ?\([A-Za-z ]*\))?$", re.IGNORECASE)
_MAIL_TIME = re.compile(r"(?:[A-Z][a-z]{2}, ?)?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{5,8}(?: [A-Z0-9+-]{1,5})?")


def as_time(reply: dict[str, Any], *names: str) -> datetime | None:
    """Return the time, in UTC, under the first of the names that holds one that this site can keep; else None.

    ISO 8601 (without a zone it is UTC) also with "UTC" or "GMT" behind it, the form of mail headers and of JavaScript,
    and a number of seconds or milliseconds since 1970.
    """
    return next((moment for name in names if (moment := _moment(reply.get(name)))), None)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        text = " ".join(value[: _LONGEST_TIME + 1].split())
        if not text or len(value) > _LONGEST_TIME:
            return None
        value = _number(text)
        value = text if value is None else value
    try:
        moment = _from_text(value) if isinstance(value, str) else _from_number(value)
        if moment is None:
            return None
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in YEARS else None


def _number(text: str) -> float | None:
    """Return a number that may be a time; "20250601" is a date."""
    if not re.fullmatch(r"[0-9]{9,20}(?:\.[0-9]{1,9})?", text):
        return None
    return float(text)


def _from_number(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Convert to float only after the range check: whole numbers in JSON may be of any length.
    if not _FIRST_SECOND <= value < _TOO_MUCH or not math.isfinite(value):
        return None
    scale = 1 if value < _MILLISECONDS else 1e3 if value < _MICROSECONDS else 1e6 if value < _NANOSECONDS else 1e9
    return datetime.fromtimestamp(value / scale, UTC)


def _from_text(text: str) -> datetime | None:
    if _MAIL_TIME.fullmatch(text):
        return parsedate_to_datetime(text)
    text = re.sub(r"\[[^\[\]]*\]$", "", text)
    words = _UTC_WORDS.search(text)
    if words is None:
        return datetime.fromisoformat(re.sub(r" (?=[+-][0-9:]{2,6}$)", "", text))
    sign, hours, minutes = words.groups(default="0")
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-ahead if sign == "-" else ahead)
    text = text[: words.start()]
    if text[:1].isdigit():
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    return datetime.strptime(text, "%a %b %d %Y %H:%M:%S").replace(tzinfo=zone)
