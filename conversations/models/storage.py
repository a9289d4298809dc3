"""Figures of what is stored, by instance, for the people who run the site."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum
from django.utils import timezone

from conversations.models.capture import Capture
from conversations.models.conversation import Conversation
from conversations.models.index_failure import IndexFailure
from conversations.models.job import OMNI_KEEPS, SOON, Job
from conversations.models.message import Message


@dataclass(frozen=True)
class Stored:
    """Figures of one instance. `answers` are those with a job; `size` is of evidence alone, compressed, in bytes."""

    instance: str
    conversations: int = 0
    threads: int = 0
    messages: int = 0
    answers: int = 0
    captured: int = 0
    rows: int = 0
    size: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    queued: int = 0
    failing: int = 0
    # Conversations that could not be indexed as they are.
    not_indexed: int = 0
    # Answers that are not captured, and whose evidence Omni drops within three days, or has dropped.
    expiring: int = 0
    lost: int = 0


def stored() -> list[Stored]:
    """Return the figures by instance, in a fixed number of queries."""
    now = timezone.now()
    by_instance: dict[str, dict[str, Any]] = {}

    def add(rows: Iterable[Any], name: str = "instance") -> None:
        for row in rows:
            by_instance.setdefault(row.pop(name), {}).update(row)

    add(
        Conversation.objects.values("instance").annotate(
            conversations=Count("pk"), threads=Count("pk", filter=Q(fetched_at__isnull=False))
        )
    )
    captured = Job.objects.exclude(kept_at=None)
    own = captured.filter(instance=OuterRef("conversation__instance"), omni_id=OuterRef("job_id"))
    soon = Q(job_id__isnull=False, created_at__gt=now - OMNI_KEEPS, created_at__lte=now - OMNI_KEEPS + SOON)
    dropped = Q(job_id__isnull=False, created_at__lte=now - OMNI_KEEPS)
    expiring, lost = soon & Q(~Exists(own)), dropped & Q(~Exists(own))
    add(
        Message.objects.order_by()
        .values("conversation__instance")
        .annotate(
            messages=Count("pk"),
            answers=Count("job_id"),
            expiring=Count("pk", filter=expiring),
            lost=Count("pk", filter=lost),
        ),
        "conversation__instance",
    )
    add(
        captured.values("instance").annotate(
            captured=Count("pk"),
            rows=Sum("row_count"),
            size=Sum("size"),
            first_at=Min("kept_at"),
            last_at=Max("kept_at"),
        )
    )
    add(
        Capture.objects.values("conversation__instance").annotate(
            queued=Count("pk"), failing=Count("pk", filter=~Q(failure=""))
        ),
        "conversation__instance",
    )
    add(
        IndexFailure.objects.values("conversation__instance").annotate(not_indexed=Count("pk")),
        "conversation__instance",
    )
    return [Stored(instance=instance, **figures) for instance, figures in sorted(by_instance.items())]
