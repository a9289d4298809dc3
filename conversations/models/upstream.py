"""State of Omni and recent requests to it, stored in the database since every process shares them."""

from django.db import models


class TokenBudget(models.Model):
    """Rate limit of one token, as Omni last reported it. `token` is a keyed digest, never the token itself."""

    token = models.CharField(max_length=64, unique=True)
    # Until when Omni refuses requests, by a `429`.
    blocked_until = models.DateTimeField(null=True)
    # Number of `429` in a row.
    refusals = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"budget {self.token[:8]}"


class SentRequest(models.Model):
    """One request with a token within the last minute. `sent_at` is in milliseconds since 1970."""

    token = models.CharField(max_length=64)
    sent_at = models.BigIntegerField()

    class Meta:
        indexes = [models.Index("token", "sent_at", name="sent_by_a_token")]

    def __str__(self) -> str:
        return f"{self.token[:8]} at {self.sent_at}"


class Instance(models.Model):
    """An Omni instance that failed lately: `failures` in a row since `failing_since`; not asked until `rests_until`."""

    host = models.CharField(max_length=260, unique=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    rests_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.host


class Flight(models.Model):
    """A request to Omni that is under way, or was: callers with the same request wait for its result.

    `number` counts its runs. If a process dies, another may take over after `lands_by`.
    """

    # A digest of the token, the instance and the question.
    question = models.CharField(max_length=64, unique=True)
    number = models.PositiveBigIntegerField(default=0)
    lands_by = models.DateTimeField(db_index=True)
    landed_at = models.DateTimeField(null=True)
    # How it ended: null for well, or an error as `OmniError.as_record` writes it.
    outcome = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.question[:8]} no. {self.number}"
