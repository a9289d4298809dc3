"""What is done in the background, by any number of `manage.py db_worker`.

What there is to do stands in rows of our own: a task is a nudge, and carries nothing. So a worker that is killed loses
nothing: the next nudge finds what it left.
"""

import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db.models import Max, Q
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult, get_date_max

from conversations import archive, search, upstream
from conversations.archive import Opened
from conversations.models import Access, Capture, Conversation, Walk
from omniviewer.accounts.models import ApiToken, User
from omniviewer.accounts.sign_in import throttle

log = logging.getLogger("omniviewer.tasks")

# Seconds of work at a time: other tasks want their turn.
_SHIFT = 20.0
# And where there is always more: whoever ends a worker waits until its shift is over.
_SHORT_SHIFT = 3.0
# While a reader waits.
_AT_ONCE_SECONDS = 1.0
# Between two shifts with nothing to do at once: a token's budget has room for some requests again.
_BREATH = timedelta(seconds=5)
# In the site's time zone.
_NIGHT = 2
# A worker looks every second: what has waited for this long waits for a worker.
_LATE = timedelta(minutes=5)
_HOUR = timedelta(hours=1)
_ASKED_EVERY_SECONDS = 60
_LONGEST_TASK = timedelta(minutes=30)
# Days for which the record of a finished task is kept.
_RECORDS_KEPT = 1


@task()
def capture() -> None:
    """Capture what is due, for a while."""
    if not Capture.objects.due().exists():
        return _again()
    # Taken up by another worker at once, or after this one, or in its place should it be killed.
    nudge(capture)
    if settings.SYNC != "off":
        archive.begin_walks()
    until = time.monotonic() + _SHIFT
    while time.monotonic() < until and archive.capture_next():
        # By turns: reading goes on within the same share of a token's requests.
        if settings.SYNC != "off":
            archive.sync_next(seconds=0)
    return _again()


@task()
def sync() -> None:
    """Read lists and threads, for a while."""
    if settings.SYNC == "off":
        return
    # What the night captures was read here, and perhaps opened by nobody.
    nudge_chores()
    archive.begin_walks()
    if Walk.objects.due().exists():
        # As above.
        nudge(sync)
    until = time.monotonic() + _SHORT_SHIFT
    while time.monotonic() < until and archive.sync_next():
        pass
    search.refresh(seconds=_SHORT_SHIFT)
    at = Walk.objects.next_at()
    if at:
        nudge(sync, max(at, timezone.now() + _BREATH))


@task()
def nightly() -> None:
    """Capture what Omni will soon drop, and forget what is to be forgotten."""
    nudge_chores()
    for command in ("capture", "prune_evidence", "prune_conversations", "prune_audit"):
        try:
            call_command(command, verbosity=0)
        except Exception:  # whatever is wrong with this one, the others are not to wait for it
            log.exception("nightly command failed", extra={"command": command})
    call_command("prune_db_task_results", min_age_days=_RECORDS_KEPT, failed_min_age_days=7, verbosity=0)
    # Left behind by workers that were killed.
    DBTaskResult.objects.running().filter(started_at__lt=timezone.now() - timedelta(days=1)).delete()


@task()
def hourly() -> None:
    """Forget sessions that are over, tries and requests that no longer count, and tokens that nobody holds."""
    nudge_chores()
    call_command("clearsessions", verbosity=0)
    throttle.forget()
    upstream.forget_unused()
    remove_unheld.call()


@task()
def remove_unheld() -> None:
    """Delete or hand over what only tokens that nobody holds any more could read, for a while."""
    if ApiToken.objects.held_by_nobody().exists():
        # As above.
        nudge(remove_unheld)
    archive.remove_next(seconds=_SHORT_SHIFT)


@task()
def sweep() -> None:
    """Delete what Omni has shown to no token for long; go on by turns where a token's budget is used up."""
    call_command("prune_conversations", verbosity=0)


def remove_at_once(token: ApiToken) -> None:
    """Delete or hand over what a token that nobody holds could read: as much as a reader may wait for, workers the
    rest.
    """
    if archive.remove_next(_AT_ONCE_SECONDS, token):
        nudge(remove_unheld)


def nudge_sweep(swept: archive.Swept) -> None:
    """Have a sweep go on once the tokens' budgets have room again; where Omni is away, the next night does."""
    if swept.left and swept.retry_after is not None:
        nudge(sweep, timezone.now() + timedelta(seconds=swept.retry_after))


def want(opened: Opened) -> int:
    """Have what the AI did in this conversation captured; how many answers there were to queue."""
    return _wanted(archive.want(opened))


def want_chosen(user: User, conversations: Collection[Conversation]) -> int:
    """Likewise for several."""
    return _wanted(archive.want_chosen(user, conversations))


def _wanted(count: int) -> int:
    if count:
        nudge(capture)
        nudge_chores()
    return count


def nudge(wanted: "Task[[], None]", at: datetime | None = None) -> None:
    """Have it run at that time (None: now), unless it is going to anyway."""
    ready = DBTaskResult.objects.filter(status=TaskResultStatus.READY, task_path=wanted.module_path)
    now = timezone.now()
    if not ready.filter(Q(run_after=get_date_max()) | Q(run_after__lte=at or now)).exists():
        wanted.using(run_after=at).enqueue()


def nudge_sync() -> None:
    """Should whoever was at it have been killed, or nothing have been there to read."""
    if settings.SYNC != "off":
        nudge(sync)


def nudge_chores() -> None:
    """Have the nightly and the hourly chores run in their time."""
    nudge(nightly, _next_night())
    nudge(hourly, timezone.now() + _HOUR)


def _again() -> None:
    at = Capture.objects.next_at()
    if at:
        nudge(capture, max(at, timezone.now()))


def _next_night() -> datetime:
    now = timezone.localtime()
    tonight = now.replace(hour=_NIGHT, minute=30, second=0, microsecond=0)
    return tonight if tonight > now else tonight + timedelta(days=1)


@dataclass(frozen=True)
class Workers:
    """When the last task ended, and how many wait although their time has come."""

    last_at: datetime | None
    waiting: int
    is_late: bool


def workers() -> Workers:
    last_at = DBTaskResult.objects.finished().aggregate(at=Max("finished_at"))["at"]
    waiting = DBTaskResult.objects.ready()
    since = timezone.now() - _LATE
    overdue = waiting.filter(Q(run_after__lte=since) | Q(run_after=get_date_max(), enqueued_at__lte=since))
    is_idle = last_at is None or last_at < since
    # One that lasts, as some of the night's do; one that was left behind by a worker's death counts for a while too.
    is_busy = DBTaskResult.objects.running().filter(started_at__gt=timezone.now() - _LONGEST_TASK).exists()
    return Workers(last_at, waiting.count(), is_late=is_idle and not is_busy and overdue.exists())


def stands_still() -> Workers | None:
    """Return how the workers are where the background does nothing though it should; asked for once a minute."""
    if settings.SYNC == "off":
        return None
    told: Workers | None = cache.get_or_set("workers", workers, _ASKED_EVERY_SECONDS)
    return told if told and told.is_late else None


def health_of_workers() -> str:
    """For `/readyz`."""
    told = workers()
    if not told.is_late:
        return "ok"
    since = f"no task has ended since {told.last_at:%Y-%m-%d %H:%M} UTC" if told.last_at else "no task has ever ended"
    return f"{since}, and {told.waiting} wait: start manage.py db_worker"


def _last_task_age() -> float:
    last_at = workers().last_at
    return (timezone.now() - last_at).total_seconds() if last_at else math.inf


def _sync_lag() -> float:
    due_at = Walk.objects.overdue_since()
    return max((timezone.now() - due_at).total_seconds(), 0.0) if due_at else 0.0


GAUGES: list[tuple[str, str, Callable[[], float]]] = [
    ("omniviewer_tasks_waiting", "Tasks that wait for a worker.", lambda: workers().waiting),
    ("omniviewer_last_task_age_seconds", "Seconds since a worker last finished a task.", _last_task_age),
    ("omniviewer_sync_lag_seconds", "Seconds for which the token that waits longest has been due.", _sync_lag),
    (
        "omniviewer_threads_behind",
        "Conversations whose messages the background sync has yet to fetch, by token.",
        lambda: Access.objects.filter(is_behind=True, api_token__rejected_at=None).count(),
    ),
    ("omniviewer_captures_waiting", "Answers whose evidence a reader wishes to be saved.", Capture.objects.count),
]
