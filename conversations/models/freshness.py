"""Freshness: how long stored data is shown without asking Omni again, and what a list's times say of a thread."""

from datetime import datetime, timedelta

from django.conf import settings

from conversations.models.conversation import CLOCKS_DIFFER
from omniviewer.operations import database_clock

# Longest time for which a thread is fresh, however long ago it last changed.
LONGEST_FRESH = timedelta(hours=1)
_SHARE = 0.1
# A thread that was fetched as close to its last activity may lack what followed in the same second.
_TOO_SOON = timedelta(seconds=2)


def is_fresh(
    checked_at: datetime | None, changed_at: datetime | None = None, *, longest: timedelta = LONGEST_FRESH
) -> bool:
    """Return whether data that Omni showed at `checked_at` is shown without asking again; it changed at `changed_at`.

    The limit is HTTP's heuristic (RFC 9111, 4.2.2): a tenth of the time for which nothing had changed by then, at least
    `OMNIVIEWER_FRESH_FOR` and at most `longest`. Without `changed_at` it is the least.
    """
    if checked_at is None:
        return False
    age = database_clock.now() - checked_at
    return -CLOCKS_DIFFER <= age < share_of_rest(checked_at, changed_at, shortest=settings.FRESH_FOR, longest=longest)


def share_of_rest(
    checked_at: datetime, changed_at: datetime | None, *, shortest: timedelta, longest: timedelta
) -> timedelta:
    """Return a tenth of the time for which nothing had changed at `checked_at`, within these limits."""
    share = (checked_at - changed_at) * _SHARE if changed_at else timedelta(0)
    return max(shortest, min(share, longest))


def was_too_soon(told_at: datetime | None, read_of: datetime | None, fetched_at: datetime | None) -> bool:
    """Return whether a thread was fetched within the second of the activity that a list tells: more may have followed.

    Only where the time is told without fractions of seconds: otherwise a list tells of that as of something later.
    """
    if told_at is None or fetched_at is None or told_at.microsecond or told_at != read_of:
        return False
    return abs(fetched_at - told_at) < _TOO_SOON


def is_same_activity(told_at: datetime | None, read_of: datetime | None, fetched_at: datetime | None) -> bool:
    """Return whether a list tells of the last activity that was fetched: of none later, nor earlier, as old replies do.

    One of the two routes may tell no fractions of seconds.
    """
    if told_at is None or read_of is None or fetched_at is None:
        return False
    if told_at.microsecond and read_of.microsecond:
        return told_at == read_of
    same = told_at.replace(microsecond=0) == read_of.replace(microsecond=0)
    return same and abs(fetched_at - told_at) >= _TOO_SOON
