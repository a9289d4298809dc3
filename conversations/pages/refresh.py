"""Asking Omni again: by `?refresh=1`, and by a page itself after a while."""

import math
import random

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from conversations.archive.live_answer import Running
from conversations.archive.outcomes import CannotShow, Fetch, Notice
from omniviewer.accounts.requests import Request

# Seconds between two looks at an answer that is being written: first, factor of each further one, and longest.
_FIRST_LOOK_SECONDS = 5.0
_LATER_BY_FACTOR = 1.25
_LATEST_LOOK_SECONDS = 30.0
# Looks after which a page that was left open stops asking: after some seven minutes.
MAX_LOOKS = 20
# Seconds until a failed page tries again, unless Omni says when.
_RETRY_SECONDS = 20


def fetch_when(request: Request) -> Fetch:
    return Fetch.ALWAYS if "refresh" in request.GET else Fetch.IF_MISSING


def refreshed(request: Request) -> HttpResponse:
    """Redirect to the address without `refresh`, so that loading the page again does not ask Omni."""
    query = request.GET.copy()
    query.pop("refresh", None)
    messages.success(request, "Up to date.", extra_tags="flash-passing")
    return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)


def look_in(looks: int) -> float:
    """Return the seconds until the next look of a page that has looked `looks` times."""
    return min(_FIRST_LOOK_SECONDS * _LATER_BY_FACTOR**looks, _LATEST_LOOK_SECONDS)


def again_in(error: CannotShow) -> int | None:
    """Return the whole seconds until a page that shows nothing tries again; None where trying does not help."""
    if error.why not in (CannotShow.NOT_REACHED, CannotShow.LIMITED):
        return None
    seconds = _RETRY_SECONDS if error.retry_after is None else error.retry_after
    # Slightly later than told, and spread, so that not all pages ask at the same time.
    return math.ceil(seconds + random.uniform(0.5, 2.5))  # noqa: S311


def fresh_in(notice: Notice | None, running: Running | None, looks: int, *, is_stale: bool) -> float | None:
    """Return the seconds until the page asks for a newer one by itself; None: it does not."""
    if looks >= MAX_LOOKS:
        return None
    later = look_in(looks)
    if notice:
        return max(later, notice.retry_after or _RETRY_SECONDS)
    if running and not running.is_certain:
        return 1.0
    if is_stale and looks == 0:
        return 0
    return later if running else None
