"""The queue of evidence to capture, and the stars that readers set."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.conversation import Conversation
from conversations.models.hold import held
from conversations.models.job import OMNI_KEEPS, SOON, Job
from conversations.models.job_access import JobAccess
from conversations.models.message import Message
from conversations.models.ticket import TicketReference
from omniviewer.accounts.models import ApiToken, User
from omniviewer.prepared import Prepared, slot

# Longer than all requests of one capture take.
LEASE = timedelta(minutes=3)


class CaptureQuerySet(models.QuerySet["Capture"]):
    def queue(self, token: ApiToken, messages: models.QuerySet[Message]) -> int:
        """Queue the jobs of these messages, to be captured with this token; return how many there were to queue.

        Skips jobs that are queued, known to hold nothing, refused to the token, or stored and shown to it.
        """
        now = timezone.now()
        same = Job.objects.filter(instance=token.instance, omni_id=models.OuterRef("job_id"))
        told = JobAccess.objects.filter(api_token=token, job_id=models.OuterRef("job_id"))
        foreign = same.exclude(conversation_id=None).exclude(conversation_id=models.OuterRef("conversation__omni_id"))
        shown = models.Exists(told.exclude(shown_at=None)) & models.Exists(same.settled())
        queued = Capture.objects.filter(conversation=models.OuterRef("conversation"), job_id=models.OuterRef("job_id"))
        wanted = messages.exclude(job_id=None).exclude(created_at__lt=now - OMNI_KEEPS)
        wanted = wanted.exclude(models.Exists(foreign)).exclude(models.Exists(told.refused())).exclude(shown)
        wanted = wanted.exclude(models.Exists(queued.filter(api_token=token)))
        rows = [
            Capture(
                conversation_id=conversation,
                job_id=job,
                api_token=token,
                expires_at=(at or now) + OMNI_KEEPS,
                not_before=now,
                leased_until=now,
            )
            for conversation, job, at in wanted.order_by().values_list("conversation_id", "job_id", "created_at")
            if job
        ]
        self.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        if rows:
            Conversation.objects.filter(pk__in={row.conversation_id for row in rows}).jobs_changed()
        return len(rows)

    def due(self) -> Self:
        """Return the captures that are due and held by no worker."""
        now = timezone.now()
        return self.filter(not_before__lte=now, leased_until__lte=now)

    def claim(self) -> "Capture | None":
        """Claim the next capture for one lease: evidence that Omni drops soon, soonest first; then the newest."""
        while True:
            due = self.due().select_related("conversation", "api_token")
            soon = due.filter(expires_at__lte=timezone.now() + SOON).order_by("expires_at", "pk")
            row = soon.first() or due.order_by("-expires_at", "pk").first()
            if row is None:
                return None
            seen, row.tries = row.leased_until, row.tries + 1
            # A job that kills its worker each time is tried again later and later.
            row.leased_until = timezone.now() + LEASE * min(row.tries, 20)
            mine = self.filter(pk=row.pk, leased_until=seen)
            if mine.update(leased_until=row.leased_until, tries=row.tries):
                return row

    def next_at(self) -> datetime | None:
        """Return when the next capture is due; None if the queue is empty."""
        moment = models.functions.Greatest("not_before", "leased_until")
        moments: dict[str, datetime | None] = self.aggregate(at=models.Min(moment))
        return moments["at"]


class Capture(models.Model):
    """A job whose evidence is to be stored. The row is deleted once that is done, or has proved impossible."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="captures")
    job_id = models.UUIDField()
    # Token that Omni is asked with: that of the reader who wants the evidence.
    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="captures")
    # When Omni will drop the evidence, estimated from the answer's time.
    expires_at = models.DateTimeField(db_index=True)
    not_before = models.DateTimeField(db_index=True)
    leased_until = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    # Reason why the last try failed.
    failure = models.CharField(max_length=300, blank=True)

    objects = CaptureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("api_token", "job_id", name="one_capture_a_token_and_job")]

    def __str__(self) -> str:
        return f"capture of {self.job_id}"

    def end(self) -> None:
        """Delete the row: there is nothing more to do for it."""
        self.delete()
        Conversation.objects.filter(pk=self.conversation_id).jobs_changed()

    def again_in(self, seconds: float, failure: str = "") -> None:
        now = timezone.now()
        self.not_before, self.leased_until = now + timedelta(seconds=seconds), now
        self.failure = failure[:300]
        self.save(update_fields=["not_before", "leased_until", "failure"])


class StarQuerySet(models.QuerySet["Star"]):
    def has(self, user: User, conversation: int) -> bool:
        """Return whether the user has starred the conversation with this key."""
        return bool(_STAR.rows(user=user.pk, conversation=conversation))

    def set(self, user: User, conversation: int, *, starred: bool) -> None:
        """Star the conversation with this key, or unstar it."""
        if starred:
            self.get_or_create(user=user, conversation_id=conversation)
        else:
            self.filter(user=user, conversation=conversation).delete()


class Star(models.Model):
    """A reader's star on a conversation. Nobody else sees it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="stars")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="stars")
    starred_at = models.DateTimeField(auto_now_add=True)

    objects = StarQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("user", "conversation", name="one_star_a_reader")]

    def __str__(self) -> str:
        return f"star on {self.conversation_id}"


_STAR = Prepared(
    lambda _: Star.objects.filter(user=slot("user"), conversation=slot("conversation")).values_list("pk", flat=True)
)


def marked() -> models.QuerySet[Conversation]:
    """Return the conversations that somebody starred or linked from a ticket, and those that are held."""
    stars = Star.objects.filter(conversation=models.OuterRef("pk"))
    references = TicketReference.objects.filter(conversation=models.OuterRef("pk"))
    is_held = models.Q(pk__in=held().values("pk"))
    return Conversation.objects.filter(is_held | models.Exists(stars) | models.Exists(references))
