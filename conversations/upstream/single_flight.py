"""Single flight: of callers with the same request at the same time, in any process, one asks and all learn."""

import hashlib
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from conversations.models import Flight
from omniviewer.omni import OmniError, RateLimited
from omniviewer.operations import database_clock

# Seconds between two looks at the result: short at first, since most answers are quick.
_FIRST_LOOK_SECONDS = 0.02
_LONGEST_LOOK_SECONDS = 0.25
_KEPT = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(minutes=1)


def once(*question: object, since: datetime, work: Callable[[], None]) -> bool:
    """Do `work`, which asks `question` and stores the answer, unless it is under way: then wait for its end.

    `since` is when the caller found nothing that would do, by the database's clock: work that ended after that is good
    enough. Returns whether it was done here. Raises the `OmniError` that the work ended with, in any process.
    """
    key = hashlib.sha256("\0".join(map(str, question)).encode()).hexdigest()
    while True:
        known = Flight.objects.filter(question=key).first()
        landed = known if known and _has_landed_since(known, since) else None
        if landed is None:
            number = _take_off(key, known)
            if number is not None:
                _fly(key, number, work)
                return True
            landed = _wait(key)
        if landed is not None:
            if landed.outcome:
                raise OmniError.from_record(landed.outcome)
            return False


def forget_old() -> None:
    """Delete flights that nobody waits for any more."""
    Flight.objects.filter(lands_by__lt=database_clock.now() - _KEPT).delete()


def _has_landed_since(flight: Flight, since: datetime) -> bool:
    return flight.landed_at is not None and since <= flight.landed_at <= max(database_clock.now(), since)


def _fly(key: str, number: int, work: Callable[[], None]) -> None:
    mine = Flight.objects.filter(question=key, number=number)
    try:
        work()
    except RateLimited as error:
        # A limit of our own budget: callers who wait may be more urgent than this one.
        landed_at = None if error.outcome == "budget" else database_clock.now()
        mine.update(landed_at=landed_at, outcome=error.as_record(), lands_by=database_clock.now())
        raise
    except OmniError as error:
        mine.update(landed_at=database_clock.now(), outcome=error.as_record())
        raise
    except BaseException:
        # Our own fault, not an answer: callers who wait shall ask for themselves.
        mine.update(lands_by=database_clock.now())
        raise
    mine.update(landed_at=database_clock.now(), outcome=None)


def _take_off(key: str, known: Flight | None) -> int | None:
    """Return the number of the flight that is now ours; None while another one is under way. `known`: the last one."""
    now = database_clock.now()
    # As long as a request may take, with its wait for the budget, and storing a long conversation.
    longest = timedelta(seconds=settings.OMNI_TIMEOUT + 10)
    if known is None:
        # A statement that fails alone needs no savepoint.
        savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
        try:
            with savepoint:
                Flight.objects.create(question=key, number=1, lands_by=now + longest)
        except IntegrityError:  # somebody else, this very moment
            return None
        return 1
    # Nobody's any more; or too far ahead to be real, unless only slightly, because a clock was set back since.
    is_over = Q(lands_by__lt=now) | Q(lands_by__gt=now + longest + _CLOCKS_DIFFER)
    # One that has landed since we looked has a result for us.
    free = Q(landed_at=known.landed_at) if known.landed_at else Q(is_over, landed_at=None)
    taken = Flight.objects.filter(free, pk=known.pk, number=known.number).update(
        number=known.number + 1, lands_by=now + longest, landed_at=None, outcome=None
    )
    return known.number + 1 if taken else None


def _wait(key: str) -> Flight | None:
    """Return the flight that was under way, once it has landed; None if it did not, or another has begun since."""
    watched = Flight.objects.filter(question=key).first()
    pause = _FIRST_LOOK_SECONDS
    while watched and watched.landed_at is None:
        if watched.lands_by < database_clock.now():
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)
        number = watched.number
        watched = Flight.objects.filter(question=key).first()
        if watched and watched.number != number:
            # Another run has begun: after this one landed, or because this one's process died. Only a look at the
            # other tells.
            return None
    return watched
