"""Single flight: of callers with the same request at the same time, in any process, one asks and all learn."""

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from conversations.models import Flight
from omniviewer.omni import OmniError, RateLimited
from omniviewer.operations import database_clock
from omniviewer.prepared import Prepared, slot

# Seconds between two looks at the result: short at first, since most answers are quick.
_FIRST_LOOK_SECONDS = 0.02
_LONGEST_LOOK_SECONDS = 0.25
_KEPT = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(minutes=1)
_FLIGHT = Prepared(lambda _: Flight.objects.filter(question=slot("key")))
_TABLE = Flight._meta.db_table
# Begin a flight unless another is under way, or has landed in the span of the last two times.
_TAKE_OFF = f"""
    INSERT INTO {_TABLE} (question, number, lands_by) VALUES (%s, 1, %s)
    ON CONFLICT (question) DO UPDATE
    SET number = {_TABLE}.number + 1, lands_by = excluded.lands_by, landed_at = NULL, outcome = NULL
    WHERE ({_TABLE}.lands_by < %s OR {_TABLE}.landed_at IS NOT NULL OR {_TABLE}.lands_by > %s)
    AND NOT ({_TABLE}.landed_at IS NOT NULL AND {_TABLE}.landed_at BETWEEN %s AND %s)
"""  # noqa: S608  (the name of a table)


def once(*question: object, since: datetime, work: Callable[[], None]) -> bool:
    """Do `work`, which asks `question` and stores the answer, unless it is under way: then wait for its end.

    `since` is when the caller found nothing that would do, by the database's clock: work that ended after that is good
    enough. Returns whether it was done here. Raises the `OmniError` that the work ended with, in any process.
    """
    key = hashlib.sha256("\0".join(map(str, question)).encode()).hexdigest()
    while True:
        number = _take_off(key, since)
        if number is not None:
            _fly(key, number, work)
            return True
        known = _known(key)
        landed = known if known and _has_landed_since(known, since) else _wait(key, known)
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


def _take_off(key: str, since: datetime) -> int | None:
    """Return the number of the flight that is now ours; None if one is under way, or has landed since.

    One statement does all of it, whoever else tries at the same time.
    """
    now = database_clock.now()
    # As long as a request may take, with its wait for the budget, and storing a long conversation.
    longest = timedelta(seconds=settings.OMNI_TIMEOUT + 10)
    # Free too if a clock was set back since; a start slightly ahead of our clock may be real.
    moments = (now + longest, now, now + longest + _CLOCKS_DIFFER, since, max(now, since))
    values = [key, *(connection.ops.adapt_datetimefield_value(moment) for moment in moments)]
    with connection.cursor() as cursor:
        if connection.features.can_return_columns_from_insert:
            cursor.execute(f"{_TAKE_OFF} RETURNING number", values)
            row = cursor.fetchone()
            return int(row[0]) if row else None
        cursor.execute(_TAKE_OFF, values)
        known = _known(key) if cursor.rowcount > 0 else None
        return known.number if known else None


def _known(key: str) -> Flight | None:
    return _FLIGHT.first(key=key)


def _wait(key: str, watched: Flight | None) -> Flight | None:
    """Return the flight that is under way, once it has landed; None if it never does."""
    pause = _FIRST_LOOK_SECONDS
    while watched and watched.landed_at is None:
        if watched.lands_by < database_clock.now():
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)
        number = watched.number
        watched = _known(key)
        if watched and watched.number != number:
            # Another run has begun: after this one landed, or because this one's process died. Only a look at the
            # other tells.
            return None
    return watched
