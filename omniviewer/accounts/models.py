"""People, and the credentials with which they read from Omni."""

from collections.abc import Iterable
from typing import Any, Self
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from conversations.omni import Token, replies
from omniviewer.accounts import encryption


class User(AbstractUser):
    """A person who signs in here. A model of our own from the first day: it cannot be exchanged later."""

    # Another one ends every session of theirs, wherever it is.
    sessions_key = models.UUIDField(default=uuid4, editable=False)

    class Meta:
        db_table = "accounts_user"

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Who is deactivated is signed out everywhere, and stays so if activated again."""
        if not self.is_active:
            self.sessions_key = uuid4()
            update_fields = None if update_fields is None else {*update_fields, "sessions_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def end_sessions(self) -> None:
        self.sessions_key = uuid4()
        self.save(update_fields=["sessions_key"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What each session carries and Django compares: the same until the password or `sessions_key` changes."""
        whole = f"{self.sessions_key} {self.password}"
        return salted_hmac("omniviewer.accounts.sessions", whole, secret=secret, algorithm="sha256").hexdigest()


class Identity(models.Model):
    """Who somebody is to whoever vouches for them: the only thing by which a person is recognized, never an e-mail."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    # An OpenID provider's issuer, a SAML provider's entity id, or "proxy".
    issuer = models.CharField(max_length=255)
    # What the issuer promises to give to nobody else: the claim `sub`, a persistent NameID, a proxy's header.
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint("issuer", "subject", name="one_person_an_identity")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class FailedSignIn(models.Model):
    """A password, or a token of Omni's, that somebody tried. Digests: what is typed for a name may be a password."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    name = models.CharField(max_length=64)
    address = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["name", "at"]), models.Index(fields=["address", "at"])]

    def __str__(self) -> str:
        return f"at {self.at}"


class CredentialQuerySet(models.QuerySet["Credential"]):
    def of(self, user: User) -> Self:
        return self.filter(owner=user).order_by("-is_default", "created_at")

    def accepted(self) -> Self:
        """Those that Omni has not rejected since their token was last set."""
        return self.filter(rejected_at=None)


class Credential(models.Model):
    """A person's token for one Omni instance, and what Omni said of it."""

    class Scope(models.TextChoices):
        ORGANIZATION = "organization", "Organization key"
        USER = "user", "Personal token"
        UNKNOWN = "", "Token"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=60)
    # The host, as omni.parse_address gives it.
    instance = models.CharField(max_length=260)
    ciphertext = models.TextField()
    scope = models.CharField(max_length=12, choices=Scope, blank=True, default=Scope.UNKNOWN)
    role = models.CharField(max_length=40, blank=True)
    membership_id = models.CharField(max_length=64, blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # When Omni last said what this token is.
    checked_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True, blank=True)
    # When an organization key last asked for the people of the organization, whatever the answer.
    members_asked_at = models.DateTimeField(null=True, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "owner", condition=models.Q(is_default=True), name="one_default_credential_a_person"
            ),
            models.UniqueConstraint("owner", "label", name="credential_labels_differ"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def token(self) -> Token:
        """Raises `encryption.Undecryptable` where no key in use fits."""
        return encryption.decrypt(self.ciphertext)

    def set_token(self, token: Token, identity: replies.Identity) -> None:
        """Take a token that Omni has just accepted, with what Omni said of it. Does not save."""
        self.ciphertext = encryption.encrypt(token)
        self.scope = identity.scope
        self.role = identity.role[:40]
        self.membership_id = identity.membership_id[:64]
        self.checked_at = timezone.now()
        self.rejected_at = self.members_asked_at = None

    @transaction.atomic
    def add(self) -> None:
        """Save a new one; a person's first is the default. Raises `IntegrityError` if the label was taken meanwhile."""
        self._wait_for_other_changes()
        self.is_default = not Credential.objects.of(self.owner).exists()
        self.save()

    def _wait_for_other_changes(self) -> None:
        """One change at a time to which of a person's credentials is the default."""
        User.objects.select_for_update().get(pk=self.owner_id)

    @transaction.atomic
    def make_default(self) -> None:
        self._wait_for_other_changes()
        Credential.objects.filter(owner=self.owner_id, is_default=True).exclude(pk=self.pk).update(is_default=False)
        self.is_default = True
        self.save(update_fields=["is_default"])

    def note_members_asked(self) -> None:
        self.members_asked_at = timezone.now()
        self.save(update_fields=["members_asked_at"])

    @property
    def sees_organization(self) -> bool:
        return self.scope == self.Scope.ORGANIZATION

    @property
    def role_name(self) -> str:
        return {"ORG_ADMIN": "organization admin", "MEMBER": "member"}.get(self.role, self.role)

    @property
    def what_it_sees(self) -> str:
        """In words for its owner, what Omni shows to such a token."""
        match self.scope:
            case self.Scope.ORGANIZATION:
                return "It sees every conversation of the organization."
            case self.Scope.USER:
                return "It sees its owner's conversations alone."
            case _:
                return "This instance does not say what the token may see; the list shows what it does."
