"""Health of the background: whether workers do their tasks, for pages, probes and metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db.models import Max, Q
from django.utils import timezone
from django_tasks_db.models import DBTaskResult, get_date_max

# A worker looks every second: a task that has waited for this long waits for a worker.
_LATE = timedelta(minutes=5)
# Longer than any task takes.
_LONGEST_TASK = timedelta(minutes=30)
# Seconds between two looks of pages at the workers.
_ASKED_EVERY_SECONDS = 60


@dataclass(frozen=True)
class Workers:
    """State of the workers: when the last task ended, how many tasks wait, and whether they are late."""

    last_at: datetime | None
    waiting: int
    is_late: bool


def workers() -> Workers:
    last_at = DBTaskResult.objects.finished().aggregate(at=Max("finished_at"))["at"]
    waiting = DBTaskResult.objects.ready()
    since = timezone.now() - _LATE
    overdue = waiting.filter(Q(run_after__lte=since) | Q(run_after=get_date_max(), enqueued_at__lte=since))
    is_idle = last_at is None or last_at < since
    # A long task counts as busy, as some nightly ones are; so does one left by a killed worker, for a while.
    is_busy = DBTaskResult.objects.running().filter(started_at__gt=timezone.now() - _LONGEST_TASK).exists()
    return Workers(last_at, waiting.count(), is_late=is_idle and not is_busy and overdue.exists())


def stands_still() -> Workers | None:
    """Return the workers' state if the background stands still though it should not; looked up once a minute."""
    if settings.SYNC == "off":
        return None
    told: Workers | None = cache.get_or_set("workers", workers, _ASKED_EVERY_SECONDS)
    return told if told and told.is_late else None


def health_of_workers() -> str:
    """Return the workers' health for `/readyz`."""
    told = workers()
    if not told.is_late:
        return "ok"
    since = f"no task has ended since {told.last_at:%Y-%m-%d %H:%M} UTC" if told.last_at else "no task has ever ended"
    return f"{since}, and {told.waiting} wait: start omniviewer worker"
