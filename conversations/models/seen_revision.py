"""Earlier revisions of threads that tokens were shown."""

from django.db import models


class SeenRevision(models.Model):
    """An earlier revision of a thread that Omni showed this token: when it was first and last fetched so."""

    access = models.ForeignKey("conversations.Access", models.CASCADE, related_name="seen")
    revision = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("access", "revision", name="one_seen_revision_an_access")]

    def __str__(self) -> str:
        return f"revision {self.revision} for access {self.access_id}"
