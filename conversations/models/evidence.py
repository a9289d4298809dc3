"""Evidence of a job: its actions with their queries and rows, and the chart. Its conversation's access rule applies."""

import json
import zlib
from datetime import datetime, timedelta
from typing import Any, Self, cast

from django.db import models, transaction
from django.utils import timezone
from django.utils.functional import cached_property

from conversations.models.conversation import Conversation
from conversations.models.hold import held_jobs
from conversations.models.job import Job, JobQuerySet
from conversations.models.message import Message
from conversations.tables import parsing
from conversations.tables.parsing import NoTable, Table
from omniviewer.omni import results, semantic_query

# Fields of an action other than a query whose values the page shows already.
_SHOWN = frozenset({"type", "message", "timestamp", "toolName", "status", "isError", "durationMs", "documentId"})


def _pressed(text: str) -> bytes:
    return zlib.compress(text.encode(), level=6)


def _unpressed(pressed: bytes | memoryview) -> str:
    return zlib.decompress(bytes(pressed)).decode()


class ActionQuerySet(models.QuerySet["Action"]):
    def in_turn(self, *, with_rows: bool = False) -> Self:
        """Return the actions in order. Rows may be large: they are loaded along if all are shown, else on first use."""
        return self.order_by("number") if with_rows else self.order_by("number").defer("csv", "raw")


class Action(models.Model):
    """One step of a job, numbered from 1. Bodies are compressed, since rows of people's data repeat themselves."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="actions")
    number = models.PositiveIntegerField()
    type = models.CharField(max_length=60, blank=True)
    message = models.TextField(blank=True)
    at = models.DateTimeField(null=True)
    is_query = models.BooleanField(default=False)
    name = models.TextField(blank=True)
    status = models.CharField(max_length=60, blank=True)
    body = models.BinaryField(default=bytes)
    csv = models.BinaryField(default=bytes)
    was_cut = models.BooleanField(default=False)
    # By Omni's count.
    row_count = models.PositiveIntegerField(null=True)
    # The tool that ran, the step's own status ("partial", "skipped", "failed" and others), why it or its query failed
    # or was left out, how long it took, and the document that it made.
    tool = models.CharField(max_length=100, blank=True)
    outcome = models.CharField(max_length=60, blank=True)
    reason = models.TextField(blank=True)
    milliseconds = models.PositiveIntegerField(null=True)
    document_id = models.CharField(max_length=64, blank=True)
    # Omni's JSON, compressed and without rows, since data that is ignored today cannot be fetched later.
    raw = models.BinaryField(default=bytes)

    objects = ActionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("job", "number", name="one_action_a_number")]

    def __str__(self) -> str:
        return f"{self.type} {self.number} of {self.job_id}"

    @classmethod
    @transaction.atomic
    def keep(cls, job: Job, result: results.Result) -> None:
        """Store the result of a job, in place of any that was stored before."""
        # Another token may be shown the same result at the same time: one after the other.
        stored = Job.objects.select_for_update().filter(pk=job.pk).first()
        if stored is None:  # deleted meanwhile, with its conversation
            return
        job = stored
        Action.objects.filter(job=job).delete()
        actions = [Action._of(job, number, row) for number, row in enumerate(result.actions, start=1)]
        Action.objects.bulk_create(actions)
        found = [action for action in actions if action.is_query]
        job.topic = job.topic or result.topic[:300]
        ended_at = timezone.now() if job.is_running else max((row.at for row in actions if row.at), default=None)
        job.state, job.kept_at, job.dropped_at = "COMPLETE", timezone.now(), None
        job.query_count, job.row_count = len(found), sum(action.rows_found for action in found)
        job.size = sum(len(action.body) + len(action.csv) + len(action.raw) for action in actions)
        job.shortfall = result.shortfall[:300]
        job.save()
        job.touch()
        job.ended(ended_at)

    @classmethod
    def _of(cls, job: Job, number: int, row: results.Action) -> "Action":
        action = cls(
            job=job,
            number=number,
            type=row.type[:60],
            message=row.message,
            at=row.at,
            tool=row.tool[:100],
            outcome=row.status[:60],
            reason=row.reason,
            milliseconds=row.milliseconds,
            document_id=row.document_id[:64],
            raw=_pressed(row.raw),
        )
        if row.query:
            action.is_query = True
            action.name, action.status = row.query.name, row.query.status[:60]
            action.body = _pressed(json.dumps(row.query.body))
            action.csv = _pressed(row.query.csv)
            action.was_cut, action.row_count = row.query.was_cut, row.query.row_count
        return action

    @property
    def rows_found(self) -> int:
        """Return the number of rows, by Omni's count or else by ours."""
        if self.row_count is not None:
            return self.row_count
        return len(self.table.rows) if self.table else 0

    @property
    def title(self) -> str:
        return self.name.strip() or f"Query {self.number}"

    @property
    def is_success(self) -> bool:
        return results.is_success(self.status)

    @property
    def badge(self) -> str:
        """Return Omni's word for how the step, or its query, ended; "" if it was simply done."""
        return next((status for status in (self.outcome, self.status) if not results.is_success(status)), "")

    @property
    def is_wrong(self) -> bool:
        """Return whether the step failed, rather than being left out or done in part."""
        return self.badge.strip().lower() not in ("", "partial", "skipped", "pending")

    @property
    def is_unreadable(self) -> bool:
        """Return whether the action only holds the place of a step that could not be read."""
        return not (self.type or self.message or self.is_query or self.reason or self.tool or self.badge)

    @property
    def took(self) -> timedelta | None:
        return None if self.milliseconds is None else timedelta(milliseconds=self.milliseconds)

    @property
    def label(self) -> str:
        """Return the name of a step that is no query, from Omni's word for it."""
        return self.type.strip().capitalize() if self.type.strip() else "Step"

    @property
    def sent(self) -> str:
        """Return the step as Omni's JSON, without the rows."""
        return (_unpressed(self.raw) if self.raw else "") or "{}"

    @cached_property
    def as_sent(self) -> str:
        """Return the step as Omni's JSON, indented, if it says more than the page shows; else ""."""
        sent = json.loads(self.sent)
        if isinstance(sent, str) or (isinstance(sent, dict) and (self.is_query or sent.keys() <= _SHOWN)):
            return ""
        return json.dumps(sent, indent=2, ensure_ascii=False)

    @cached_property
    def query(self) -> dict[str, Any]:
        """Return the semantic query, as Omni wrote it."""
        return cast("dict[str, Any]", json.loads(_unpressed(self.body))) if self.body else {}

    @cached_property
    def query_fields(self) -> semantic_query.Fields:
        return semantic_query.read(self.query)

    @cached_property
    def sql(self) -> str:
        """Return the query as SQL, if Omni tells it: beside the semantic query, or in it; else ""."""
        sent = json.loads(self.sent)
        result = sent.get("result") if isinstance(sent, dict) else None
        places = [self.query, result if isinstance(result, dict) else {}]
        found = (place.get(name) for place in places for name in ("userEditedSQL", "sql"))
        return next((text.strip() for text in found if isinstance(text, str) and text.strip()), "")

    @cached_property
    def query_json(self) -> str:
        return json.dumps(self.query, indent=2, ensure_ascii=False)

    @cached_property
    def text(self) -> str:
        return _unpressed(self.csv) if self.csv else ""

    @cached_property
    def table(self) -> Table | None:
        """Return the rows as a table; None if there are none, or Omni sent no table: then see `text`."""
        try:
            return parsing.read(self.text)
        except NoTable:
            return None


def kept_before(moment: datetime) -> JobQuerySet:
    """Return the jobs whose evidence was stored before that moment, but for those of held conversations."""
    return Job.objects.filter(kept_at__lt=moment).exclude(pk__in=held_jobs().values("pk"))


def drop_kept_before(moment: datetime, *, most: int) -> int:
    """Remove the evidence of up to so many of those jobs; return the number of jobs."""
    rows = list(kept_before(moment).order_by("kept_at")[:most])
    with transaction.atomic():
        # A hold waits for locks of its conversations: one set since is seen below, and a later one waits.
        made = Message.objects.filter(job_id__in=[job.omni_id for job in rows])
        named = models.Q(pk__in=list(made.values_list("conversation", flat=True)))
        for job in rows:
            named |= models.Q(instance=job.instance, omni_id=job.conversation_id)
        list(Conversation.objects.filter(named).select_for_update().order_by("pk").values_list("pk"))
        jobs = list(kept_before(moment).filter(pk__in=[job.pk for job in rows]).values_list("pk", flat=True))
        Action.objects.filter(job__in=jobs).delete()
        Chart.objects.filter(job__in=jobs).delete()
        Job.objects.filter(pk__in=jobs).update(
            kept_at=None, has_chart=None, dropped_at=timezone.now(), query_count=0, row_count=0, size=0
        )
        for job in Job.objects.filter(pk__in=jobs):
            job.touch()
    return len(jobs)


class Chart(models.Model):
    """Omni's chart of a job; `png` is empty if Omni drew none."""

    job = models.OneToOneField(Job, models.CASCADE, related_name="chart")
    png = models.BinaryField(default=bytes)
    fetched_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"chart of {self.job_id}"

    @classmethod
    @transaction.atomic
    def keep(cls, job: Job, png: bytes | None) -> None:
        """Store Omni's chart of a job; None if Omni has none."""
        cls.objects.update_or_create(job=job, defaults={"png": png or b"", "fetched_at": timezone.now()})
        Job.objects.filter(pk=job.pk, has_chart=None).update(size=models.F("size") + len(png or b""))
        Job.objects.filter(pk=job.pk).update(has_chart=bool(png))
        job.touch()
