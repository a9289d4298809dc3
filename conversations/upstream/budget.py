"""The requests a minute that Omni allows a token, counted over every process that uses the token.

A sliding window: each request is a row, good for a minute. They are counted in the site's own database, which all
processes share; `.docs/decisions/budget-in-the-database.md` says why.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from conversations.models import SentRequest, TokenBudget

# A minute and a little: requests take different times to arrive, and Omni counts them where they do.
WINDOW = timedelta(seconds=61)
# Of Omni's limit, what is left alone: other programs may use the same token.
_HEADROOM = 0.1
# The longest time that a `429` is believed: the limit is one a minute.
LONGEST_BLOCK = timedelta(minutes=5)
# Seconds after the first `429` without a word on when to come back; doubled by each further one.
_FIRST_BLOCK = 5.0
_WINDOW_MS = WINDOW // timedelta(milliseconds=1)
# Seconds to wait at least where there is no room: nobody asks again at once.
_SHORTEST_WAIT = 0.05


class Urgency(Enum):
    """Who waits for the answer: the value is the share of the budget that may be used up for it."""

    # A person, before an empty page.
    WAITING = 1.0
    # A person who already reads what is kept.
    REFRESHING = 0.8
    # Nobody: what will soon be gone.
    BACKGROUND = 0.5
    # Nobody: what can be had later as well.
    AHEAD = 0.4


@dataclass(frozen=True)
class Left:
    """Requests left of those that may be made a minute; `blocked_until` where Omni wants none until then."""

    requests: int
    of: int
    blocked_until: datetime | None = None

    @property
    def seconds_blocked(self) -> float:
        return (self.blocked_until - timezone.now()).total_seconds() if self.blocked_until else 0.0


def allowance() -> int:
    """Requests a minute that are made at most."""
    limit: int = settings.RATE_PER_MINUTE
    return max(1, limit - max(1, round(limit * _HEADROOM)))


def take(token: str, urgency: Urgency) -> float | None:
    """Take one request from the token's budget: None if there was one, else the seconds until there is."""
    with transaction.atomic():
        # One at a time for a token: what is counted here stays true until it is written.
        budget = _locked(token)
        blocked = _blocked_for(budget)
        if blocked:
            return blocked
        return _take_now(token, max(1, int(allowance() * urgency.value)))


def _take_now(token: str, limit: int) -> float | None:
    """Record a request if fewer than `limit` were sent within the window; else return the seconds until there is room.

    The caller holds the lock on the token's `TokenBudget`.
    """
    now, sent = _milliseconds(timezone.now()), SentRequest.objects.filter(token=token)
    # What was sent before the window; or, as a clock was set back since, will have been sent after it.
    sent.exclude(sent_at__range=(now - _WINDOW_MS, now + _WINDOW_MS)).delete()
    # There is room once this one has left the window.
    oldest = sent.order_by("-sent_at").values_list("sent_at", flat=True)[limit - 1 : limit].first()
    if oldest is None:
        SentRequest.objects.create(token=token, sent_at=now)
        return None
    return max((oldest + _WINDOW_MS - now) / 1000, _SHORTEST_WAIT)


def refused(token: str, retry_after: float | None) -> float:
    """Omni answered `429`: nothing is left until it says so, or for a growing while. Returns the seconds."""
    with transaction.atomic():
        budget = _locked(token)
        budget.refusals += 1
        seconds = retry_after
        if seconds is None:
            # Not all at the same time: each process draws its own.
            seconds = _FIRST_BLOCK * 2 ** min(budget.refusals - 1, 6) * random.uniform(0.8, 1.2)  # noqa: S311
        seconds = min(max(seconds, 1.0), LONGEST_BLOCK.total_seconds())
        budget.blocked_until = timezone.now() + timedelta(seconds=seconds)
        budget.save()
    return seconds


def accepted(token: str) -> None:
    """Omni answered something else than `429`."""
    TokenBudget.objects.filter(token=token, refusals__gt=0).update(refusals=0, blocked_until=None)


def left(token: str) -> Left:
    blocked = TokenBudget.objects.filter(token=token).first()
    until = blocked.blocked_until if blocked and _blocked_for(blocked) else None
    return Left(0 if until else max(0, allowance() - _count(token)), allowance(), until)


def left_by_token() -> dict[str, int]:
    """For every token that was used within the last minute, by the first signs of its digest."""
    since = _milliseconds(timezone.now() - WINDOW)
    used = SentRequest.objects.filter(sent_at__gte=since).values_list("token").annotate(Count("pk"))
    return {token[:8]: max(0, allowance() - count) for token, count in used}


def forget_unused() -> None:
    """Delete what was sent before the window, and budgets of tokens that nobody has used since."""
    SentRequest.objects.filter(sent_at__lt=_milliseconds(timezone.now() - WINDOW)).delete()
    # As far back as a block may count, so that what Omni said of a token is not forgotten while it matters.
    blocked = Q(blocked_until__gte=timezone.now() - LONGEST_BLOCK)
    unused = TokenBudget.objects.exclude(blocked).exclude(token__in=SentRequest.objects.values("token"))
    unused.delete()


def _locked(token: str) -> TokenBudget:
    """Return the token's budget, for this transaction alone; made anew if it was forgotten this very moment."""
    while True:
        TokenBudget.objects.get_or_create(token=token)
        budget = TokenBudget.objects.select_for_update().filter(token=token).first()
        if budget:
            return budget


def _blocked_for(budget: TokenBudget) -> float:
    """Seconds. A clock that was set back since does not make it longer than any block is."""
    until, now = budget.blocked_until, timezone.now()
    if until is None or not now < until <= now + LONGEST_BLOCK:
        return 0.0
    return (until - now).total_seconds()


def _count(token: str) -> int:
    now = _milliseconds(timezone.now())
    return SentRequest.objects.filter(token=token, sent_at__range=(now - _WINDOW_MS, now + _WINDOW_MS)).count()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
