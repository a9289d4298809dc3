"""Announcements: what administrators want everybody to know, at the top of every page for a time."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import Error, models
from django.utils import timezone

# Most that are shown at once: the newest.
MAX_SHOWN = 3
# Longest time until another process shows a change: no page asks the database more often.
_REREAD_SECONDS = 15.0


class Announcement(models.Model):
    """A plain text for every page between two times. Readers may dismiss one that is only for information."""

    class Level(models.TextChoices):
        INFO = "info", "Information, which readers may dismiss"
        WARNING = "warning", "Warning, which stays until it ends"

    text = models.TextField(max_length=500)
    level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    starts_at = models.DateTimeField("from", default=timezone.now)
    ends_at = models.DateTimeField("until", null=True, blank=True, help_text="Nothing: until it is deleted.")
    link = models.CharField(
        blank=True, max_length=500, validators=[URLValidator(schemes=["https"])], help_text="Begins with https://."
    )
    is_public = models.BooleanField(
        "before signing in too", default=False, help_text="Show it to everybody who opens the page to sign in."
    )

    def __str__(self) -> str:
        return f"announcement {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        done = super().delete(*args, **kwargs)
        forget()
        return done

    def clean(self) -> None:
        if self.ends_at and self.starts_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "This must be later than “From”."})

    @property
    def may_be_dismissed(self) -> bool:
        return self.level == self.Level.INFO


@dataclass(frozen=True)
class Shown:
    """An announcement as the header shows it."""

    pk: int
    text: str
    is_warning: bool
    link: str


class _Stored:
    """The announcements that this process read last, and until when they are not read again."""

    rows: tuple[Announcement, ...] = ()
    until = 0.0


def forget() -> None:
    """Have this process read the announcements anew."""
    _Stored.until = 0.0


def shown_to(dismissed: list[int], *, is_reader: bool) -> tuple[Shown, ...]:
    """Return what to show now, warnings first, to a reader who has dismissed these; or to somebody not signed in."""
    now = timezone.now()
    rows = [
        row
        for row in _rows()
        if row.starts_at <= now
        and (row.ends_at is None or now < row.ends_at)
        and (is_reader or row.is_public)
        and not (row.may_be_dismissed and row.pk in dismissed)
    ]
    rows.sort(key=lambda row: (row.may_be_dismissed, -row.starts_at.timestamp(), -row.pk))
    return tuple(Shown(row.pk, row.text, not row.may_be_dismissed, row.link) for row in rows[:MAX_SHOWN])


def _rows() -> tuple[Announcement, ...]:
    """Return those that have not ended. While the database cannot be read, those that were read last."""
    if time.monotonic() >= _Stored.until:
        standing = models.Q(ends_at=None) | models.Q(ends_at__gt=timezone.now())
        with contextlib.suppress(Error):
            _Stored.rows = tuple(Announcement.objects.filter(standing).order_by("-starts_at", "-pk"))
        _Stored.until = time.monotonic() + _REREAD_SECONDS
    return _Stored.rows


def still_there() -> set[int]:
    """Return the keys of all announcements, so that what was dismissed long ago can be forgotten."""
    return set(Announcement.objects.values_list("pk", flat=True))
