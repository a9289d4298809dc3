"""Times and durations as people read them."""

import math
from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince

register = template.Library()
_UNITS = ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


@register.filter
def ago(moment: datetime | None) -> str:
    """Return, say, "3 weeks ago"; "" without a time. Up to a day ahead of this machine's clock is "just now"."""
    if moment is None:
        return ""
    since = timezone.now() - moment
    if since < timedelta(days=-1):
        return "in the future"
    if since < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"


@register.filter
def iso(moment: datetime | None) -> str:
    """Return the time in UTC as ISO 8601, for the attribute `datetime`; "" without a time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


# These write what `date` would with a format, in a fraction of the time: a page of messages holds thousands of times.


@register.filter
def exact(moment: datetime | None) -> str:
    """Return the whole time in the reader's zone: "Saturday 21 November 2026, 09:14:05 CET"; "" without a time."""
    if moment is None:
        return ""
    here = timezone.localtime(moment)
    return f"{here:%A} {here.day} {here:%B} {here.year}, {here:%H:%M:%S %Z}"


@register.filter
def minute(moment: datetime | None) -> str:
    """Return the time to the minute in the reader's zone: "21 Nov 2026, 09:14 CET"; "" without a time."""
    if moment is None:
        return ""
    here = timezone.localtime(moment)
    return f"{here.day} {here:%b} {here.year}, {here:%H:%M %Z}"


@register.filter
def clock(moment: datetime | None) -> str:
    """Return the time in the reader's time zone: "09:14" today, "21 Nov 2026, 09:14" on another day."""
    if moment is None:
        return ""
    here = timezone.localtime(moment)
    return date_format(here, "H:i" if here.date() == timezone.localdate() else "j M Y, H:i")


@register.filter
def clock_seconds(moment: datetime) -> str:
    """Return the time as `clock` does, with seconds."""
    return f"{clock(moment)}:{moment:%S}"


@register.filter
def brief(moment: datetime | None) -> str:
    """Return the time in a few letters, for a column: "09:14" today, "21 Nov" this year, "Nov 2025" before."""
    if moment is None:
        return ""
    here, today = timezone.localtime(moment), timezone.localdate()
    if here.date() == today:
        return f"{here:%H:%M}"
    return f"{here.day} {here:%b}" if here.year == today.year else f"{here:%b} {here.year}"


@register.filter
def day(moment: datetime) -> str:
    """Return the day in the reader's time zone: "3 Oct", or "3 Oct 2025" in another year."""
    here = timezone.localtime(moment)
    return date_format(here, "j M" if here.year == timezone.localdate().year else "j M Y")


@register.filter
def seconds(length: float) -> str:
    """Return a number of seconds in words: "12 s", "3 min"."""
    return duration(timedelta(seconds=math.ceil(length)))


@register.filter
def duration(length: timedelta) -> str:
    """Return a duration in its two largest units: "1 min 30 s", "2 days 4 h"."""
    rest = max(int(length.total_seconds()), 0)
    parts = []
    for size, one, many in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}\N{NO-BREAK SPACE}{one if count == 1 else many}")
    return " ".join(parts[:2]) or "under 1\N{NO-BREAK SPACE}s"
