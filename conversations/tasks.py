"""Background tasks, run by any number of `manage.py db_worker`.

Pending work is stored in rows of our own: a task is a nudge, and carries no data. So a worker that is killed loses
nothing: the next nudge finds what it left.
"""

import logging
import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks.base import TASK_MAX_PRIORITY, Task
from django_tasks_db.models import DBTaskResult, get_date_max

from conversations import upstream
from conversations.archive import capture as archive_capture
from conversations.archive import removal
from conversations.archive import search_exports as archive_search_exports
from conversations.archive import sync as archive_sync
from conversations.archive.outcomes import Opened
from conversations.archive.retention import Swept
from conversations.models import CHECK_EVERY, Capture, Conversation, Walk
from conversations.models.search_export import SearchExport
from conversations.search import documents
from conversations.search.shown_row import ShownRow
from omniviewer.accounts.models import ApiToken, User
from omniviewer.accounts.sign_in import throttle
from omniviewer.operations.worker_threads import side_by_side

log = logging.getLogger("omniviewer.tasks")

# Seconds of work at a time, so that other tasks get their turn.
_SHIFT = 20.0
# Seconds of work where there is always more: whoever stops a worker waits for the end of its shift.
_SHORT_SHIFT = 3.0
# Seconds of work while a reader waits.
_AT_ONCE_SECONDS = 1.0
# Pause between two shifts with nothing to do at once, until a token's budget has room for some requests.
_BREATH = timedelta(seconds=5)
# Hour of the nightly task, in the site's time zone.
_NIGHT = 2
_HOUR = timedelta(hours=1)
# The sync looks at each list that often, with some time to come to it.
_SYNC_WORKS_EVERY = CHECK_EVERY + timedelta(minutes=1)
# Days for which records of finished tasks are stored.
_RECORDS_KEPT = 1


@task()
def capture() -> None:
    """Capture the jobs that are due, for one shift."""
    due = Capture.objects.due().count()
    if not due:
        return _again()
    # Queue another run first, for another worker, or to follow this one, or to replace it should it be killed.
    nudge(capture)
    if settings.SYNC != "off":
        archive_sync.begin_walks()
    until = time.monotonic() + _SHIFT

    def work() -> None:
        while time.monotonic() < until and archive_capture.run_next():
            # Alternate with the sync, within the same share of a token's requests.
            if settings.SYNC != "off":
                archive_sync.run_next(seconds=0)

    side_by_side(work, most=due)
    return _again()


@task()
def sync() -> None:
    """Read lists and threads, for one shift."""
    if settings.SYNC == "off":
        return
    # The nightly capture covers threads that were read here, and perhaps opened by nobody.
    nudge_chores()
    archive_sync.begin_walks()
    due = Walk.objects.due().count()
    if due:
        # Queue another run first, should this one be killed.
        nudge(sync)
    until = time.monotonic() + _SHORT_SHIFT

    def work() -> None:
        while time.monotonic() < until and archive_sync.run_next():
            pass

    try:
        # Each thread takes the turns of other tokens: a walk is held by one of them.
        side_by_side(work, most=due, meanwhile=_index)
    finally:
        _index()
        at = Walk.objects.next_at()
        if at:
            # Not much later than a look that nobody told it of.
            now = timezone.now()
            nudge(sync, max(min(at, now + CHECK_EVERY), now + _BREATH))


def _index() -> None:
    documents.refresh(seconds=_SHORT_SHIFT)


@task(priority=TASK_MAX_PRIORITY)
def answer() -> None:
    """Do nothing: `check --live` waits for a worker to take this task."""


@task()
def nightly() -> None:
    """Capture evidence that Omni will soon drop, and delete data that has expired here."""
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
    """Delete expired sessions, old sign-in tries and requests, what lifted holds kept, and data of unheld tokens."""
    nudge_chores()
    call_command("clearsessions", verbosity=0)
    throttle.forget()
    SearchExport.objects.expired().delete()
    while removal.forget_released():
        pass
    upstream.forget_unused()
    remove_unheld.call()
    # Should its worker have been killed, and nobody have been here since.
    nudge_sync()


@task()
def remove_unheld() -> None:
    """Delete or hand over what only tokens that nobody holds could read, for one shift."""
    if ApiToken.objects.held_by_nobody().exists():
        # Queue another run first, should this one be killed.
        nudge(remove_unheld)
    removal.run(seconds=_SHORT_SHIFT)


@task()
def search_exports() -> None:
    """Read ahead for exports of whole searches, for one shift."""
    at = SearchExport.objects.next_at()
    if at is None:
        return
    # Queue another run first, should this one be killed.
    nudge(search_exports, max(at, timezone.now() + _BREATH))
    archive_search_exports.run(_SHORT_SHIFT)
    at = SearchExport.objects.next_at()
    if at:
        nudge(search_exports, max(at, timezone.now()))


@task()
def sweep() -> None:
    """Delete conversations that Omni has long shown to no token; go on later where a token's budget is used up."""
    call_command("prune_conversations", verbosity=0)


def remove_at_once(token: ApiToken) -> None:
    """Delete or hand over an unheld token's data, for as long as a reader may wait; workers do the rest."""
    if removal.run(_AT_ONCE_SECONDS, token):
        nudge(remove_unheld)


def nudge_sweep(swept: Swept) -> None:
    """Queue the rest of a sweep for when the tokens' budgets have room; while Omni is away, the next night does it."""
    if swept.left and swept.retry_after is not None:
        nudge(sweep, timezone.now() + timedelta(seconds=swept.retry_after))


def queue_capture(opened: Opened) -> int:
    """Queue the evidence of this conversation for capture; return the number of answers queued."""
    return _nudged(archive_capture.queue(opened))


def queue_captures(user: User, chosen: Iterable[Conversation | ShownRow]) -> int:
    """Queue the evidence of several conversations for capture; return the number of answers queued."""
    return _nudged(archive_capture.queue_chosen(user, chosen))


def _nudged(count: int) -> int:
    if count:
        nudge(capture)
        nudge_chores()
    return count


def nudge(wanted: "Task[[], None]", at: datetime | None = None) -> None:
    """Queue the task for that time (None: now), unless it is queued already."""
    ready = DBTaskResult.objects.filter(status=TaskResultStatus.READY, task_path=wanted.module_path)
    now = timezone.now()
    if not ready.filter(Q(run_after=get_date_max()) | Q(run_after__lte=at or now)).exists():
        wanted.using(run_after=at).enqueue()


def nudge_sync(walks: Collection[Walk] = ()) -> None:
    """Queue the sync, should its worker have been killed, or have had nothing to read.

    `walks`: those of a reader who is here, whose lists are looked at soon. Where all of them rest, or the sync has done
    something for them a moment ago, it is at work.
    """
    if settings.SYNC == "off":
        return
    at = Walk.objects.look_soon(walks)
    if not walks or not all(_is_at_work(walk) for walk in walks):
        nudge(sync)
    elif at:
        nudge(sync, at)


def _is_at_work(walk: Walk) -> bool:
    now = timezone.now()
    since = max(now - _SYNC_WORKS_EVERY, walk.not_before)
    return walk.not_before > now or (walk.succeeded_at is not None and walk.succeeded_at >= since)


def nudge_chores() -> None:
    """Queue the nightly and the hourly chores."""
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
