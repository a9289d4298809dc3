"""The requests a minute that Omni allows a token, counted across all processes that use the token.

A sliding window: each request is a row, good for a minute. They are counted in the site's own database, which all
processes share; `.docs/decisions/budget-in-the-database.md` says why. Times are the database's: to a machine whose
clock is an hour off, the requests of the others would be outside the window.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from conversations.models import SentRequest, TokenBudget
from omniviewer.operations import database_clock
from omniviewer.prepared import Prepared, PreparedInsert, slot

# A minute and a little: requests take different times to arrive, and Omni counts them where they do.
WINDOW = timedelta(seconds=61)
# Share of Omni's limit that is left free: other programs may use the same token.
_HEADROOM_SHARE = 0.1
# Longest time that a `429` is believed, since the limit is one a minute.
LONGEST_BLOCK = timedelta(minutes=5)
# Seconds to wait after a first `429` that does not say how long; doubled by each further one.
_FIRST_BLOCK_SECONDS = 5.0
_WINDOW_MS = WINDOW // timedelta(milliseconds=1)
# Shortest wait in seconds where there is no room, so that nobody asks again at once.
_MIN_WAIT_SECONDS = 0.05


_BUDGET = Prepared(lambda _: TokenBudget.objects.select_for_update().filter(token=slot("token")))
_SEND = PreparedInsert(SentRequest)


def _nth_last(place: int) -> QuerySet[SentRequest, int]:
    up_to_then = SentRequest.objects.filter(token=slot("token"), sent_at__lte=slot("latest")).order_by("-sent_at")
    return up_to_then.values_list("sent_at", flat=True)[place - 1 : place]


_SENT_AT = Prepared(_nth_last)


class Urgency(Enum):
    """Urgency of a request: its value is the share of the budget that may be used up for it."""

    # A person waits before an empty page.
    WAITING = 1.0
    # A person waits who already reads what is stored.
    REFRESHING = 0.8
    # Nobody waits, but the data will soon be gone.
    BACKGROUND = 0.5
    # Nobody waits, and the data can be had later as well.
    AHEAD = 0.4

    @property
    def is_nobodys(self) -> bool:
        """Return whether no person waits for the answer."""
        return self in (Urgency.BACKGROUND, Urgency.AHEAD)


@dataclass(frozen=True)
class Left:
    """Requests left of those that may be made in a minute; none before `blocked_until`, if Omni said so."""

    requests: int
    of: int
    blocked_until: datetime | None = None

    @property
    def seconds_blocked(self) -> float:
        return (self.blocked_until - database_clock.now()).total_seconds() if self.blocked_until else 0.0


def allowance() -> int:
    """Return the most requests that are made in a minute."""
    limit: int = settings.RATE_PER_MINUTE
    return max(1, limit - max(1, round(limit * _HEADROOM_SHARE)))


def spend(token: str, urgency: Urgency) -> float | None:
    """Take one request from the token's budget; return None, or the seconds until there is room."""
    return take(token, urgency).wait


@dataclass(frozen=True)
class Taken:
    """A request that was taken from the budget, or the seconds to `wait`; and whether Omni last answered `429`."""

    wait: float | None
    was_refused: bool


def take(token: str, urgency: Urgency) -> Taken:
    """Take one request from the token's budget, if there is room."""
    with transaction.atomic():
        # One caller at a time for a token: the count must stay true until the request is stored.
        budget = _locked(token)
        wait = _blocked_for(budget) or _take_now(token, max(1, int(allowance() * urgency.value)))
    return Taken(wait, was_refused=budget.refusals > 0)


def _take_now(token: str, limit: int) -> float | None:
    """Record a request if fewer than `limit` were sent within the window; else return the seconds until there is room.

    The caller holds the lock on the token's `TokenBudget`.
    """
    now = _milliseconds(database_clock.now())
    # There is room once this one has left the window. Without those after it, because a clock was set back since.
    oldest = _SENT_AT.first(limit, token=token, latest=now + _WINDOW_MS)
    if oldest is not None and oldest >= now - _WINDOW_MS:
        return max((oldest + _WINDOW_MS - now) / 1000, _MIN_WAIT_SECONDS)
    if oldest is not None:
        # As many are stored as the window holds: delete those outside, not one by one with each request.
        in_window = (now - _WINDOW_MS, now + _WINDOW_MS)
        SentRequest.objects.filter(token=token).exclude(sent_at__range=in_window).delete()
    _SEND.run(SentRequest(token=token, sent_at=now))
    return None


def refused(token: str, retry_after: float | None) -> float:
    """Block the token after a `429`, until Omni's time or for a growing while; return the seconds."""
    with transaction.atomic():
        budget = _locked(token)
        budget.refusals += 1
        seconds = retry_after
        if seconds is None:
            # Random, so that processes do not all come back at the same time.
            seconds = _FIRST_BLOCK_SECONDS * 2 ** min(budget.refusals - 1, 6) * random.uniform(0.8, 1.2)  # noqa: S311
        seconds = min(max(seconds, 1.0), LONGEST_BLOCK.total_seconds())
        budget.blocked_until = database_clock.now() + timedelta(seconds=seconds)
        budget.save()
    return seconds


def accepted(token: str) -> None:
    """Unblock the token: Omni answered something else than `429`."""
    TokenBudget.objects.filter(token=token, refusals__gt=0).update(refusals=0, blocked_until=None)


def left(token: str) -> Left:
    blocked = TokenBudget.objects.filter(token=token).first()
    until = blocked.blocked_until if blocked and _blocked_for(blocked) else None
    return Left(0 if until else max(0, allowance() - _count(token)), allowance(), until)


def left_by_token() -> dict[str, int]:
    """Return the requests left of every token used within the last minute, by the first characters of its digest."""
    since = _milliseconds(database_clock.now() - WINDOW)
    used = SentRequest.objects.filter(sent_at__gte=since).values_list("token").annotate(Count("pk"))
    return {token[:8]: max(0, allowance() - count) for token, count in used}


def forget_unused() -> None:
    """Delete requests outside the window, and budgets of tokens that nobody has used since."""
    now = _milliseconds(database_clock.now())
    SentRequest.objects.exclude(sent_at__range=(now - _WINDOW_MS, now + _WINDOW_MS)).delete()
    # Keep a block for as long as it may count.
    blocked = Q(blocked_until__gte=database_clock.now() - LONGEST_BLOCK)
    unused = TokenBudget.objects.exclude(blocked).exclude(token__in=SentRequest.objects.values("token"))
    unused.delete()


def _locked(token: str) -> TokenBudget:
    """Return the token's budget, locked for this transaction; created anew if it was deleted at this very moment."""
    while True:
        stored = _BUDGET.first(token=token)
        if stored:
            return stored
        TokenBudget.objects.get_or_create(token=token)


def _blocked_for(budget: TokenBudget) -> float:
    """Return the seconds until the block ends; 0 if a clock set back since makes it longer than any block."""
    until, now = budget.blocked_until, database_clock.now()
    if until is None or not now < until <= now + LONGEST_BLOCK:
        return 0.0
    return (until - now).total_seconds()


def _count(token: str) -> int:
    now = _milliseconds(database_clock.now())
    return SentRequest.objects.filter(token=token, sent_at__range=(now - _WINDOW_MS, now + _WINDOW_MS)).count()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
