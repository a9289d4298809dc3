"""One question in flight: of all who ask the same at the same time, in whatever process, one asks and all learn."""

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from conversations.models import Flight
from omniviewer.omni import OmniError, RateLimited

# Seconds between two looks at whether it has landed: short at first, most answers are quick.
_FIRST_LOOK = 0.02
_LONGEST_LOOK = 0.25
_KEPT = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(minutes=1)


def once(*question: object, since: datetime, work: Callable[[], None]) -> bool:
    """Do `work`, which asks `question` and stores the answer, unless somebody is at it: then wait until they are done.

    `since` is when the caller looked, and found nothing that would do: what was done after that is what they want.
    True if it was done here. Raises the `OmniError` that the work ended with, whoever did it.
    """
    key = hashlib.sha256("\0".join(map(str, question)).encode()).hexdigest()
    while True:
        landed = _landed_since(key, since)
        if landed is None:
            number = _take_off(key)
            if number is not None:
                _fly(key, number, work)
                return True
            landed = _wait(key)
        if landed is not None:
            if landed.outcome:
                raise OmniError.from_record(landed.outcome)
            return False


def _landed_since(key: str, since: datetime) -> Flight | None:
    now = timezone.now()
    return Flight.objects.filter(question=key, landed_at__range=(since, max(now, since))).first()


def _fly(key: str, number: int, work: Callable[[], None]) -> None:
    mine = Flight.objects.filter(question=key, number=number)
    try:
        work()
    except RateLimited as error:
        # Of our own budget: whoever waits may be more urgent than this was.
        landed_at = None if error.outcome == "budget" else timezone.now()
        mine.update(landed_at=landed_at, outcome=error.as_record(), lands_by=timezone.now())
        raise
    except OmniError as error:
        mine.update(landed_at=timezone.now(), outcome=error.as_record())
        raise
    except BaseException:
        # Our own fault, not an answer: whoever waits shall ask for themselves.
        mine.update(lands_by=timezone.now())
        raise
    mine.update(landed_at=timezone.now(), outcome=None)
    Flight.objects.filter(lands_by__lt=timezone.now() - _KEPT).delete()


def _take_off(key: str) -> int | None:
    """The number of the flight that is now ours, or None while another is in the air."""
    now = timezone.now()
    # As long as a request may take, its wait for the budget, and storing a long conversation.
    longest = timedelta(seconds=settings.OMNI_TIMEOUT + 10)
    # Or its clock was set back since; a little later than ours it may well have begun.
    free = Q(lands_by__lt=now) | Q(landed_at__isnull=False) | Q(lands_by__gt=now + longest + _CLOCKS_DIFFER)
    known = Flight.objects.filter(question=key).first()
    if known is None:
        try:
            with transaction.atomic():
                Flight.objects.create(question=key, number=1, lands_by=now + longest)
        except IntegrityError:  # somebody else, this very moment
            return None
        return 1
    taken = Flight.objects.filter(free, pk=known.pk, number=known.number).update(
        number=known.number + 1, lands_by=now + longest, landed_at=None, outcome=None
    )
    return known.number + 1 if taken else None


def _wait(key: str) -> Flight | None:
    """The flight that was in the air, once it has landed; None if it never did."""
    watched = Flight.objects.filter(question=key).first()
    pause = _FIRST_LOOK
    while watched and watched.landed_at is None:
        if watched.lands_by < timezone.now():
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK)
        number = watched.number
        watched = Flight.objects.filter(question=key).first()
        if watched and watched.number != number:
            # It landed, and the next one is off already: what it brought is stored.
            watched.outcome = None
            return watched
    return watched
