"""Values for the metrics that come from the database: tasks, sync, captures, tokens, budgets, what is stored.

The label `omni` is the host of an Omni instance; Prometheus itself calls the machine that it asks `instance`.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone
from django_tasks_db.models import DBTaskResult, get_date_max

from conversations.archive.background_health import workers
from conversations.models import Access, Capture, Stored, Walk, stored
from conversations.upstream import budget
from omniviewer.accounts.models import ApiToken
from omniviewer.operations.metrics import Gauge

Values = Mapping[tuple[str, ...], float]
# Seconds for which counts of everything that is stored are kept: they go through all messages.
_COUNTED_EVERY_SECONDS = 300


def _one(measure: Callable[[], float]) -> Callable[[], Values]:
    return lambda: {(): measure()}


def _age(moment: datetime | None) -> float:
    return max((timezone.now() - moment).total_seconds(), 0.0) if moment else 0.0


def _last_task_age() -> float:
    last_at = workers().last_at
    return _age(last_at) if last_at else math.inf


def _oldest_task_age() -> float:
    """Return how long the task that waits longest has been due. One without a time of its own is due at once."""
    is_at_once = Q(run_after=get_date_max())
    oldest = DBTaskResult.objects.ready().aggregate(
        timed=Min("run_after", filter=~is_at_once), at_once=Min("enqueued_at", filter=is_at_once)
    )
    return max(_age(oldest["timed"]), _age(oldest["at_once"]))


def _sync_lag() -> Values:
    due_at = Walk.objects.overdue_since_by_instance()
    return {(instance,): _age(due_at.get(instance)) for instance in _instances()}


def _behind() -> Values:
    rows = Access.objects.behind().filter(api_token__in=ApiToken.objects.at_work()).order_by()
    counts = dict(rows.values_list("api_token__instance").annotate(Count("pk")))
    return {(instance,): counts.get(instance, 0) for instance in _instances()}


def _instances() -> list[str]:
    return list(ApiToken.objects.order_by("instance").values_list("instance", flat=True).distinct())


def _tokens() -> Values:
    held = ApiToken.objects.held().values("instance").order_by("instance")
    counts = held.annotate(all=Count("pk"), rejected=Count("pk", filter=Q(rejected_at__isnull=False)))
    return {
        (row["instance"], state): count
        for row in counts
        for state, count in (("accepted", row["all"] - row["rejected"]), ("rejected", row["rejected"]))
    }


def _budget_left() -> Values:
    return {(token,): left for token, left in budget.left_by_token().items()}


def _captures_failing() -> float:
    return Capture.objects.exclude(failure="").count()


class _Counts:
    """Counts of everything that is stored, made once for a while by each process, whatever the cache does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Stored] = []
        self._until = -math.inf

    def __call__(self) -> list[Stored]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found, self._until = stored(), time.monotonic() + _COUNTED_EVERY_SECONDS
            return self._found

    def forget(self) -> None:
        self._until = -math.inf


_stored = _Counts()


def _conversations() -> Values:
    return {
        (row.instance, state): count
        for row in _stored()
        for state, count in (("listed", row.conversations), ("fetched", row.threads), ("not_indexed", row.not_indexed))
    }


def _answers() -> Values:
    return {
        (row.instance, evidence): count
        for row in _stored()
        for evidence, count in (("captured", row.captured), ("expiring", row.expiring), ("lost", row.lost))
    }


def _evidence_bytes() -> Values:
    return {(row.instance,): row.size for row in _stored()}


def _database_bytes() -> float:
    """Return the size of the database: of the files on SQLite, of all tables and indexes on PostgreSQL."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return float(cursor.fetchone()[0])
    name = str(connection.settings_dict["NAME"])
    files = (Path(f"{name}{suffix}") for suffix in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.is_file())


ALL = [
    Gauge("omniviewer_budget_left", "Requests that a token has left in this minute.", _budget_left, ("token",)),
    Gauge("omniviewer_budget_per_minute", "Requests that a token may make in a minute.", _one(budget.allowance)),
    Gauge("omniviewer_tokens", "API tokens that people hold.", _tokens, ("omni", "state")),
    Gauge("omniviewer_tasks_waiting", "Tasks that wait for a worker.", _one(lambda: workers().waiting)),
    Gauge(
        "omniviewer_oldest_task_age_seconds",
        "Seconds for which the task that waits longest has been due.",
        _one(_oldest_task_age),
    ),
    Gauge("omniviewer_last_task_age_seconds", "Seconds since a worker last finished a task.", _one(_last_task_age)),
    Gauge(
        "omniviewer_sync_lag_seconds",
        "Seconds for which the list of a token that waits longest has been due.",
        _sync_lag,
        ("omni",),
    ),
    Gauge(
        "omniviewer_threads_behind",
        "Conversations whose messages the background sync has yet to fetch, once for each token that may.",
        _behind,
        ("omni",),
    ),
    Gauge("omniviewer_conversations", "Conversations that are stored.", _conversations, ("omni", "state")),
    Gauge("omniviewer_answers", "Answers by what is known of their evidence.", _answers, ("omni", "evidence")),
    Gauge("omniviewer_evidence_bytes", "Size of the stored evidence, compressed.", _evidence_bytes, ("omni",)),
    Gauge("omniviewer_captures_waiting", "Answers whose evidence waits to be captured.", _one(Capture.objects.count)),
    Gauge("omniviewer_captures_failing", "Those of them whose last try failed.", _one(_captures_failing)),
    Gauge("omniviewer_database_bytes", "Size of the database.", _one(_database_bytes)),
]
