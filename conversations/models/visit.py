"""Conversations that a reader has seen."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from conversations.models.conversation import Conversation
from omniviewer.accounts.models import User
from omniviewer.prepared import Prepared, slot


class VisitQuerySet(models.QuerySet["Visit"]):
    def record(self, user: User, conversation: Conversation) -> None:
        """Store a visit if it is news; otherwise write nothing, so that pages work while the database is read-only."""
        seen = conversation.updated_at
        is_known = _SEEN.rows(
            seen is None, user=user.pk, conversation=conversation.pk, **{"seen": seen} if seen else {}
        )
        if not is_known:
            self.update_or_create(user=user, conversation=conversation, defaults={"seen": seen})

    def read_until(self, user: User) -> datetime:
        """Return the time up to which all counts as read: the reader's first visit, or when they last said so."""
        return _READ_UNTIL.first(user=user) or ReadUntil.objects.get_or_create(user=user)[0].at


class Visit(models.Model):
    """A reader opened this conversation when its last activity was at `seen`. Nobody else sees it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="visits")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="visits")
    seen = models.DateTimeField(null=True)

    objects = VisitQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("user", "conversation", name="one_visit_a_reader")]

    def __str__(self) -> str:
        return f"visit of {self.conversation_id}"


def _seen(is_untold: bool) -> models.QuerySet[Visit, int]:  # noqa: FBT001  (a shape)
    rows = Visit.objects.filter(user=slot("user"), conversation=slot("conversation"))
    return (rows.filter(seen=None) if is_untold else rows.filter(seen=slot("seen"))).values_list("pk", flat=True)


_SEEN = Prepared(_seen)


class ReadUntil(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"read until {self.at}"

    @classmethod
    def set(cls, user: User, at: str = "") -> datetime:
        """Mark everything up to `at` (ISO 8601; else now) as read; return the earlier time, to undo it."""
        before = Visit.objects.read_until(user)
        moment = parse_datetime(at) if at else None
        now = timezone.now()
        cls.objects.filter(user=user).update(at=min(moment, now) if moment and is_aware(moment) else now)
        return before


_READ_UNTIL = Prepared(lambda _: ReadUntil.objects.filter(user=slot("user")).values_list("at", flat=True))
