"""Times and durations as people read them."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()
_UNITS = ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


@register.filter
def ago(moment: datetime | None) -> str:
    """ "3 weeks ago"; "" without a time. A time ahead of this machine's clock is "just now" for up to a day."""
    if moment is None:
        return ""
    since = timezone.now() - moment
    if since < timedelta(days=-1):
        return "in the future"
    if since < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"


@register.filter
def duration(length: timedelta) -> str:
    """The two largest units: "1 min 30 s", "2 days 4 h"."""
    rest = max(int(length.total_seconds()), 0)
    parts = []
    for size, one, many in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}\N{NO-BREAK SPACE}{one if count == 1 else many}")
    return " ".join(parts[:2]) or "under 1\N{NO-BREAK SPACE}s"
