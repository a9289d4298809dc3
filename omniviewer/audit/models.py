"""The audit log: one row for each act of a person, unchanged until its retention ends."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from omniviewer.prepared import PreparedInsert

OK = "ok"


class AppendOnly(Exception):
    """Raised by attempts to change an event: the audit log only grows."""


class Kind(models.TextChoices):
    SIGNED_IN = "signed-in", "Signed in"
    SIGNED_OUT = "signed-out", "Signed out"
    REFUSED = "refused", "Sign-in refused"
    OPENED = "opened", "Opened a conversation"
    EXPORTED = "exported", "Exported a conversation"
    CAPTURED = "captured", "Captured evidence"
    SEARCHED = "searched", "Searched"
    CREDENTIAL_ADDED = "credential-added", "Added a credential"
    CREDENTIAL_CHANGED = "credential-changed", "Changed a credential"
    CREDENTIAL_REMOVED = "credential-removed", "Removed a credential"
    HANDED_OVER = "handed-over", "Handed a credential over"
    FORGOTTEN = "forgotten", "Deleted a conversation"
    TICKET_REMOVED = "ticket-removed", "Removed a ticket"
    HOLD_SET = "hold-set", "Set a hold"
    HOLD_LIFTED = "hold-lifted", "Lifted a hold"
    ANNOUNCED = "announced", "Changed an announcement"
    PERSON_ADDED = "person-added", "Added a person"
    PERSON_CHANGED = "person-changed", "Changed a person"
    PERSON_OFFBOARDED = "person-offboarded", "Offboarded a person"
    PERSON_TOLD = "person-told", "Wrote a person’s data to a file"
    PERSON_REMOVED = "person-removed", "Removed a person"
    PASSWORD_SET = "password-set", "Set a password"
    SESSIONS_ENDED = "sessions-ended", "Signed a person out everywhere"


class By(models.TextChoices):
    PASSWORD = "password", "Password"
    OIDC = "oidc", "OpenID Connect"
    SAML = "saml", "SAML"
    PROXY = "proxy", "Proxy"
    DEMO = "demo", "Demo"
    SCIM = "scim", "Provisioning (SCIM)"
    COMMAND = "command", "By an administrator"


class EventQuerySet(models.QuerySet["Event"]):
    def of(self, user_id: int | None) -> Self:
        return self.filter(user_id=user_id)

    def of_reading(self, kind: Kind, conversation_id: UUID | None, since: datetime) -> Self:
        """Filter to successful events of a kind since then, about this conversation (`None`: about no certain one)."""
        return self.filter(kind=kind, result=OK, conversation_id=conversation_id, at__gte=since)

    def newest_first(self, before: int | None = None) -> Self:
        """Order by newest first; with `before`, only events written before that one."""
        rows = self.order_by("-pk")
        return rows.filter(pk__lt=before) if before else rows

    def older_than(self, moment: datetime) -> Self:
        return self.filter(at__lt=moment)

    def forget(self, at_most: int) -> int:
        """Delete up to `at_most` of these events, and return how many. The only way out of the log, for old events."""
        oldest = list(self.order_by("pk").values_list("pk", flat=True)[:at_most])
        deleted, _ = super(EventQuerySet, self.model.objects.filter(pk__in=oldest)).delete()
        return deleted

    def pseudonymise(self, user_id: int, names: Iterable[str], pseudonym: str) -> int:
        """Put a pseudonym in place of a person's names, as the subject of events and as their object; return how many.

        The one change that the database lets through: see `.docs/decisions/erasure.md`.
        """
        own = super(EventQuerySet, self.model.objects.of(user_id)).update(who=pseudonym, address=None)
        about = Q(pk__in=[])
        for name in names:
            about |= Q(whom__iexact=name)
        return own + super(EventQuerySet, self.model.objects.filter(about)).update(whom=pseudonym)

    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class Event(models.Model):
    """One act of a person. Only trail.record writes it; it holds no title, no text, no token, no credential's label.

    The database refuses changes too (migrations 0002 and 0005).
    """

    at = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=20, choices=Kind)
    # OK, or a word for the failure.
    result = models.CharField(max_length=40, default=OK)
    # None once the person is removed; `who` stays.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="events")
    who = models.CharField(max_length=150, blank=True)
    # Omni's id, not a foreign key: the conversation may be deleted long before the event.
    conversation_id = models.UUIDField(null=True, blank=True, db_index=True)
    position = models.PositiveIntegerField(null=True, blank=True)
    ticket = models.CharField(max_length=100, blank=True, db_index=True)
    by = models.CharField(max_length=20, choices=By, blank=True)
    # The Omni host of a credential, and the credential's number.
    instance = models.CharField(max_length=260, blank=True)
    credential_id = models.BigIntegerField(null=True, blank=True)
    # The username of the person whom staff added, changed or removed, and the fields that were changed.
    whom = models.CharField(max_length=150, blank=True)
    fields = models.CharField(max_length=300, blank=True)
    # Only stored if OMNIVIEWER_AUDIT_IP is set.
    address = models.GenericIPAddressField(null=True, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        # The newest of a kind that is rare among millions.
        indexes = [models.Index("kind", "id", name="events_by_kind")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who} {self.kind} {self.result}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event. Raises `AppendOnly` for one that is stored."""
        if not self._state.adding:
            raise AppendOnly
        if self.pk is None:
            _INSERT.run(self)
        else:
            super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly

    @property
    def is_ok(self) -> bool:
        return self.result == OK

    @property
    def result_in_words(self) -> str:
        return "OK" if self.is_ok else self.result.replace("-", " ").capitalize()


_INSERT = PreparedInsert(Event)
