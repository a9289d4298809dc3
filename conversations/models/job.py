"""Jobs, which answer questions: their state, and figures of the evidence that is stored."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from conversations.models.answer_status import Outcome
from conversations.models.conversation import Conversation
from conversations.models.keys import Ids
from omniviewer.omni import replies

# Omni keeps a result for 14 days from when the job was complete.
OMNI_KEEPS = timedelta(days=14)
# Longer than any job takes: one that was running before that has ended since.
LONGEST_JOB = timedelta(hours=1)
# Evidence that Omni drops within this time is captured first.
SOON = timedelta(days=3)


class JobQuerySet(models.QuerySet["Job"]):
    def running(self) -> Self:
        return self.filter(state__in=Outcome.RUNNING.job_states)

    def of_conversation(self, instance: str | models.OuterRef, omni_id: UUID | models.OuterRef) -> Self:
        """Return the jobs that may belong to this conversation: another conversation's job is not shown through it.

        Omni does not tell of each job to which conversation it belongs.
        """
        same = models.Q(conversation_id=None) | models.Q(conversation_id=omni_id)
        return self.filter(same, instance=instance)

    def with_ids(self, ids: Iterable[tuple[str, UUID]]) -> Self:
        """Return the jobs with these ids, each of its instance: another instance may use the same id."""
        by_instance: dict[str, set[UUID]] = {}
        for instance, job_id in ids:
            by_instance.setdefault(instance, set()).add(job_id)
        own = models.Q(pk__in=[])
        for instance, own_ids in by_instance.items():
            own |= models.Q(instance=instance, omni_id__in=Ids(own_ids))
        return self.filter(own)

    def settled(self) -> Self:
        """Return the jobs that need no further request: evidence stored or dropped, or nothing to store."""
        return self.filter(self._is_settled)

    def unsettled(self) -> Self:
        return self.exclude(self._is_settled)

    @property
    def _is_settled(self) -> models.Q:
        return (
            models.Q(kept_at__isnull=False, has_chart__isnull=False)
            | models.Q(dropped_at__isnull=False)
            | models.Q(no_result_at__isnull=False)
            | models.Q(state__in=(*Outcome.FAILED.job_states, *Outcome.CANCELLED.job_states))
        )


class Job(models.Model):
    """A job's state, as Omni last told it to somebody who may read the conversation."""

    # Omni's reference: poll a job every 2 to 5 seconds, never faster.
    POLL_EVERY = timedelta(seconds=5)

    instance = models.CharField(max_length=260)
    omni_id = models.UUIDField()
    # Omni's id of the conversation that it belongs to, if known.
    conversation_id = models.UUIDField(null=True)
    state = models.CharField(max_length=20)
    progress = models.TextField(blank=True)
    topic = models.CharField(max_length=300, blank=True)
    # Omni's ids of the model and the branch that the question went to.
    model_id = models.UUIDField(null=True)
    branch_id = models.UUIDField(null=True)
    # Omni's reason for a failure.
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)
    # Time from the job's creation to its end; None unless Omni tells both.
    took = models.DurationField(null=True)
    # When its result was stored; None if it was not.
    kept_at = models.DateTimeField(null=True)
    # Figures of the stored evidence: queries, rows (all that Omni found, if it says so), and bytes with the chart's.
    query_count = models.PositiveIntegerField(default=0)
    row_count = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    # Sentence that says what of its result could not be read, or was left out.
    shortfall = models.CharField(max_length=300, blank=True)
    # When Omni had no result although the job was finished.
    no_result_at = models.DateTimeField(null=True)
    # True if Omni drew a chart; None if it has not been asked.
    has_chart = models.BooleanField(null=True)
    # When stored evidence was removed again (`OMNIVIEWER_KEEP_DAYS`).
    dropped_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField()

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("instance", "omni_id", name="one_job_an_instance")]
        indexes = [models.Index("instance", "conversation_id", name="jobs_by_conversation")]

    def __str__(self) -> str:
        return f"{self.omni_id}: {self.state}"

    def may_belong_to(self, instance: str, conversation_id: UUID) -> bool:
        """Return whether it may be shown through this conversation, see `of_conversation`."""
        return self.instance == instance and self.conversation_id in (None, conversation_id)

    @property
    def outcome(self) -> Outcome | None:
        """Return the outcome that its state stands for; None for a state that nobody knows."""
        return Outcome.from_job(self.state)

    @property
    def is_running(self) -> bool:
        return self.outcome is Outcome.RUNNING

    @property
    def was_asked_just_now(self) -> bool:
        return abs(timezone.now() - self.asked_at) < self.POLL_EVERY * 0.8

    @classmethod
    def learn(cls, instance: str, reply: replies.Job) -> "Job":
        told = {
            "progress": reply.progress[:300],
            "conversation_id": reply.conversation_id,
            "topic": reply.topic[:300],
            "model_id": reply.model_id,
            "branch_id": reply.branch_id,
            "error": reply.error[:2000],
            "finished_at": reply.finished_at,
            "took": reply.took,
            "state": reply.state[:20],
            "asked_at": timezone.now(),
        }
        has_ended = Outcome.from_job(reply.state) not in (None, Outcome.RUNNING)
        was_running = has_ended and cls.objects.running().filter(instance=instance, omni_id=reply.id).exists()
        job, _ = cls.objects.update_or_create(instance=instance, omni_id=reply.id, defaults=told)
        job.touch()
        if has_ended:
            job.ended(timezone.now() if was_running else reply.finished_at)
        return job

    def ended(self, at: datetime | None) -> None:
        """Have the threads fetched anew that were fetched before the job ended: they hold an unfinished answer.

        Where that is long ago, or not known (None), a list has told of it since.
        """
        if at and timedelta(0) <= timezone.now() - at < LONGEST_JOB:
            Conversation.objects.with_job(self.instance, self.omni_id).outdate(at)

    def has_no_result(self) -> None:
        """Record that Omni gave no result, unless the job is still running: then there will be none."""
        if not self.is_running:
            self.no_result_at = timezone.now()
            self.save(update_fields=["no_result_at"])
            self.touch()

    @classmethod
    def ensure(cls, instance: str, omni_id: UUID, conversation_id: UUID) -> "Job":
        """Return the row of a job, created if there is none."""
        defaults = {"conversation_id": conversation_id, "asked_at": timezone.now()}
        return cls.objects.get_or_create(instance=instance, omni_id=omni_id, defaults=defaults)[0]

    def touch(self) -> None:
        """Mark the job's conversation to be indexed again, since evidence is searched too, and count the change."""
        if self.conversation_id:
            own = Conversation.objects.filter(instance=self.instance, omni_id=self.conversation_id)
            own.touch()
            own.jobs_changed()
        # Another conversation may name the job too, or Omni does not tell to which it belongs.
        naming = Conversation.objects.with_job(self.instance, self.omni_id)
        naming.exclude(omni_id=self.conversation_id or self.omni_id).jobs_changed()
