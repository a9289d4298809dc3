"""The database's clock, by which machines agree on the time: a clock of their own may be wrong.

SQLite has the clock of the one machine that it is on.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

# Difference from which a machine's clock is wrong; and below which it is not worth a correction.
WRONG = timedelta(seconds=60)
_NEGLIGIBLE = timedelta(seconds=1)
# Seconds between two measurements in a process.
_MEASURED_EVERY_SECONDS = 60.0
# Answers of which the quickest is taken: one of a busy database says little.
_TRIES = 3


@dataclass(frozen=True)
class _Measured:
    """By how much the database is ahead; when that was measured, by both of this machine's clocks, in seconds."""

    ahead: timedelta
    monotonic: float
    wall: float

    def is_current(self) -> bool:
        """Return False after a minute, and once this machine's clock has been set."""
        since = time.monotonic() - self.monotonic
        was_set = abs(time.time() - self.wall - since) > _NEGLIGIBLE.total_seconds()
        return since < _MEASURED_EVERY_SECONDS and not was_set


_last: _Measured | None = None


def measure() -> timedelta:
    """Return by how much the database's clock is ahead of this machine's, by the quickest of some answers."""
    connection.ensure_connection()
    return min(_measure_once() for _ in range(_TRIES))[1]


def _measure_once() -> tuple[timedelta, timedelta]:
    """Return how long the answer took, and by how much the database is ahead, as far as that can be told."""
    began = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    took = datetime.now(UTC) - began
    by = told - (began + took / 2)
    # Half the time on the way is not known to be the database's or ours.
    return took, by if abs(by) > took / 2 else timedelta()


def ahead() -> timedelta:
    """Return it as measured within the last minute, or nothing where that is less than a second."""
    global _last  # noqa: PLW0603  (a measurement for the whole process)
    if connection.vendor != "postgresql":
        return timedelta()
    last = _last
    if last is None or not last.is_current():
        measured = measure()
        last = _last = _Measured(
            measured if abs(measured) >= _NEGLIGIBLE else timedelta(), time.monotonic(), time.time()
        )
    return last.ahead


def now() -> datetime:
    """Return the time by the database's clock: for what other machines compare with theirs."""
    return timezone.now() + ahead()


def health() -> str:
    """Check for `/readyz` that this machine's clock is right enough."""
    by = ahead()
    return "ok" if abs(by) < WRONG else f"{difference(by)}: set both by NTP; workers here wait until then"


def difference(by: timedelta) -> str:
    """Say by how much this machine's clock is wrong, where the database is ahead by so much."""
    return f"{round(abs(by.total_seconds()))} seconds {'behind' if by > timedelta() else 'ahead of'} the database"
