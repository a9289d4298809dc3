"""What answers a question: only as much of it as tells whether an answer is still being written."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from conversations.models.conversation import Conversation
from conversations.omni import replies


class JobQuerySet(models.QuerySet["Job"]):
    def running(self) -> Self:
        return self.filter(state__in=Job.State.RUNNING)


class Job(models.Model):
    """A job as Omni last told its state to somebody who may read the conversation."""

    class State:
        RUNNING = ("QUEUED", "EXECUTING", "DELIVERING")

    # Omni's reference: poll a job every 2 to 5 seconds, never faster.
    POLL_EVERY = timedelta(seconds=5)

    instance = models.CharField(max_length=260)
    omni_id = models.UUIDField()
    state = models.CharField(max_length=20)
    progress = models.TextField(blank=True)
    asked_at = models.DateTimeField()

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("instance", "omni_id", name="one_job_an_instance")]

    def __str__(self) -> str:
        return f"{self.omni_id}: {self.state}"

    @property
    def is_running(self) -> bool:
        return self.state in self.State.RUNNING

    @property
    def was_asked_just_now(self) -> bool:
        return abs(timezone.now() - self.asked_at) < self.POLL_EVERY * 0.8

    @classmethod
    def learn(cls, conversation: Conversation, reply: replies.Job) -> Self:
        return cls._keep(conversation, reply.id, reply.state, reply.progress)

    @classmethod
    def not_told(cls, conversation: Conversation, omni_id: UUID) -> Self:
        """Omni does not show this job, or no longer: nothing is written by it, as far as anybody can tell."""
        return cls._keep(conversation, omni_id, "", "")

    @classmethod
    def _keep(cls, conversation: Conversation, omni_id: UUID, state: str, progress: str) -> Self:
        job, _ = cls.objects.update_or_create(
            instance=conversation.instance,
            omni_id=omni_id,
            defaults={"state": state[:20], "progress": progress[:300], "asked_at": timezone.now()},
        )
        return job
