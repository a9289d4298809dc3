"""Conversations that could not be indexed."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.utils import timezone

from conversations.models.conversation import Conversation

_FIRST_REST = timedelta(minutes=5)
_LONGEST_REST = timedelta(days=1)


class IndexFailureQuerySet(models.QuerySet["IndexFailure"]):
    def resting(self) -> Self:
        """Return failures that are not to be tried again yet; ignore rests that a clock set back has made too long."""
        now = timezone.now()
        return self.filter(not_before__gt=now, not_before__lte=now + _LONGEST_REST)

    def try_again(self) -> None:
        """Have them tried again at once."""
        self.update(not_before=timezone.now())

    def latest_first(self) -> Self:
        return self.select_related("conversation").order_by("-failed_at", "pk")

    def record(self, conversation_id: int, reason: str) -> None:
        """Store that the conversation could not be indexed; each failure doubles the rest."""
        now = timezone.now()
        failure, _ = self.get_or_create(conversation_id=conversation_id, defaults={"not_before": now})
        failure.tries += 1
        rest = min(_FIRST_REST * 2 ** min(failure.tries - 1, 10), _LONGEST_REST)
        failure.not_before, failure.failed_at, failure.reason = now + rest, now, reason[:200]
        failure.save()


class IndexFailure(models.Model):
    """A conversation whose search entry is out of date, and why. `reason` quotes no text of the conversation."""

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="index_failure")
    tries = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField()
    failed_at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=200, blank=True)

    objects = IndexFailureQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.conversation_id} not indexed: {self.reason}"
