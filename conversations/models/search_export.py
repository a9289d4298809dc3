"""Exports of all conversations that a search finds, read ahead by a worker."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from omniviewer.accounts.models import User

# Most conversations of one export: the newest that match.
MAX_CONVERSATIONS = 5000
# Most exports of one person that are read at a time.
MAX_UNFINISHED = 3
KEPT = timedelta(days=7)
# Longest time for which a worker that was killed holds one up.
_CLAIMED = timedelta(minutes=2)


class SearchExportQuerySet(models.QuerySet["SearchExport"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(owner=user).order_by("-made_at")

    def unfinished(self) -> Self:
        return self.filter(finished_at=None)

    def due(self) -> Self:
        now = timezone.now()
        free = models.Q(claimed_until=None) | models.Q(claimed_until__lte=now)
        return self.unfinished().filter(free, not_before__lte=now).order_by("made_at")

    def next_at(self) -> datetime | None:
        """Return when the next of them can go on; None where all are finished."""
        at = Greatest("not_before", Coalesce("claimed_until", "not_before"))
        return self.unfinished().annotate(at=at).order_by("at").values_list("at", flat=True).first()

    def claim(self) -> "SearchExport | None":
        """Return one that is due, for this worker alone; None if there is none."""
        for row in self.due()[:5]:
            until = timezone.now() + _CLAIMED
            if self.due().filter(pk=row.pk).update(claimed_until=until):
                row.claimed_until = until
                return row
        return None

    def expired(self) -> Self:
        return self.filter(made_at__lt=timezone.now() - KEPT)


class SearchExport(models.Model):
    """An export that a person asked for. No text of a conversation is stored in it: the file is made when it is sent.

    `wanted` holds the instance and Omni's id of each conversation, `missing` the reason for each that Omni did not
    show, by `instance/id`.
    """

    owner = models.ForeignKey(User, models.CASCADE, related_name="search_exports")
    query = models.CharField(max_length=1000, blank=True)
    wanted = models.JSONField(default=list)
    missing = models.JSONField(default=dict)
    # True if more matched than one export takes.
    is_cut = models.BooleanField(default=False)
    # Number of `wanted` that were read, in their order.
    done = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    # Why reading waits, and until when; until when a worker has it in hand.
    waits_because = models.CharField(max_length=300, blank=True)
    not_before = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True)

    objects = SearchExportQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("not_before", name="exports_to_read", condition=models.Q(finished_at=None))]

    def __str__(self) -> str:
        return f"export {self.pk} of {len(self.wanted)} conversations"

    def keep(self, *columns: str) -> bool:
        """Store these columns; return False if the export was removed meanwhile."""
        return bool(SearchExport.objects.filter(pk=self.pk).update(**{name: getattr(self, name) for name in columns}))

    @property
    def total(self) -> int:
        return len(self.wanted)

    @property
    def is_ready(self) -> bool:
        return self.finished_at is not None
