"""People, and the credentials with which they read from Omni."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from omniviewer.accounts import encryption
from omniviewer.accounts.announcements import Announcement, still_there
from omniviewer.accounts.provisioning import ProvisionedGroup, ProvisionedUser
from omniviewer.omni import Token, replies
from omniviewer.operations import database_clock
from omniviewer.prepared import Prepared, slot

# Models of other modules, so that Django finds them.
__all__ = ["Announcement", "ApiToken", "Credential", "FailedSignIn", "Identity", "ProvisionedGroup", "ProvisionedUser"]


class User(AbstractUser):
    """A person who signs in here. A custom model from the start, because Django cannot exchange it later."""

    # A new value ends every session of the person.
    sessions_key = models.UUIDField(default=uuid4, editable=False)

    class Meta:
        db_table = "accounts_user"

    # An auditor reads the audit log and the storage figures, and changes nothing.
    is_auditor = models.BooleanField("auditor", default=False, help_text="May read the audit log and what is stored.")

    # Keys of announcements; here, so that no page needs a statement more.
    dismissed = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)

    # Instances and ids in Omni of the personal tokens that they no longer hold: their erasure would miss these.
    omni_ids = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)

    @classmethod
    def known_as(cls, name: str) -> models.QuerySet["User"]:
        """Return those with this e-mail address, username or subject of single sign-on, whatever its case."""
        known = models.Q(email__iexact=name) | models.Q(username__iexact=name)
        known |= models.Q(identities__subject__iexact=name)
        return cls.objects.filter(known).distinct() if name else cls.objects.none()

    @property
    def may_audit(self) -> bool:
        """Return whether they may read the audit log and the figures of what is stored."""
        return self.is_active and (self.is_auditor or self.is_staff)

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save, and end all sessions of a deactivated person. Reactivation does not bring the sessions back."""
        if not self.is_active:
            self.sessions_key = uuid4()
            update_fields = None if update_fields is None else {*update_fields, "sessions_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def dismiss(self, announcement: Announcement) -> None:
        """Show this announcement to them no more."""
        self.dismissed = sorted({*self.dismissed, announcement.pk} & still_there())
        self.save(update_fields=["dismissed"])

    def end_sessions(self) -> None:
        self.sessions_key = uuid4()
        self.save(update_fields=["sessions_key"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return the hash that Django compares with each session's: it changes with the password or `sessions_key`."""
        whole = f"{self.sessions_key} {self.password}"
        return salted_hmac("omniviewer.accounts.sessions", whole, secret=secret, algorithm="sha256").hexdigest()


class Identity(models.Model):
    """A person as an issuer knows them. People are recognized by nothing else, and never by an e-mail address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    # An OpenID provider's issuer, a SAML provider's entity id, or "proxy".
    issuer = models.CharField(max_length=255)
    # An identifier that the issuer gives to nobody else: the claim `sub`, a persistent NameID, a proxy's header.
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint("issuer", "subject", name="one_person_an_identity")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class FailedSignIn(models.Model):
    """A failed attempt with a password or an API token. Stored as digests: people type passwords as names."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    name = models.CharField(max_length=64)
    address = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["name", "at"]), models.Index(fields=["address", "at"])]

    def __str__(self) -> str:
        return f"at {self.at}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def accepted(self) -> Self:
        """Return those that Omni has not rejected since they were last accepted."""
        return self.filter(rejected_at=None)

    def with_secret(self) -> Self:
        """Return those that still have their secret: a token that is being removed has none."""
        return self.exclude(ciphertext="")

    def held(self) -> Self:
        return self.filter(models.Exists(Credential.objects.filter(api_token=models.OuterRef("pk"))))

    def held_by_nobody(self) -> Self:
        return self.exclude(models.Exists(Credential.objects.filter(api_token=models.OuterRef("pk"))))

    def at_work(self) -> Self:
        """Return those that Omni accepts, of people who still come here: what background work may ask with."""
        holders = Credential.objects.filter(api_token=models.OuterRef("pk"), owner__is_active=True)
        return self.accepted().filter(models.Exists(holders))


class ApiToken(models.Model):
    """One secret for one Omni instance, no matter who holds it: Omni grants access to a token, not to a person.

    Accesses, walks, budgets and rejections belong to the token. A person reads through a credential of their own, and
    only while they hold it.
    """

    class Scope(models.TextChoices):
        ORGANIZATION = "organization", "Organization key"
        USER = "user", "Personal token"
        UNKNOWN = "", "Token"

    # The host, as omni.parse_address gives it.
    instance = models.CharField(max_length=260)
    # `encryption.digest` of the token.
    digest = models.CharField(max_length=64)
    ciphertext = models.TextField()
    scope = models.CharField(max_length=12, choices=Scope, blank=True, default=Scope.UNKNOWN)
    role = models.CharField(max_length=40, blank=True)
    # The token's owner by both of Omni's ids: no source settles which of them a thread's `userId` is.
    membership_id = models.CharField(max_length=64, blank=True)
    omni_user_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # The time when Omni last identified this token.
    checked_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True, blank=True)
    # Rights proven before this moment do not count: Omni has rejected the token since.
    rights_since = models.DateTimeField(null=True)
    # The time when an organization key last asked for the organization's people, whatever the answer.
    members_asked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = [models.UniqueConstraint("instance", "digest", name="one_row_a_token")]

    def __str__(self) -> str:
        return f"{self.digest[:8]} for {self.instance}"

    @classmethod
    def accept(cls, instance: str, token: Token, identity: replies.Identity) -> "ApiToken":
        """Store a token that Omni has just accepted, with what Omni said of it: one row, whoever holds it."""
        known = encryption.digests(token)
        said = {
            "digest": known[0],
            "ciphertext": encryption.encrypt(token),
            "scope": identity.scope,
            "role": identity.role[:40],
            "membership_id": identity.membership_id[:64],
            "omni_user_id": identity.user_id[:64],
            "checked_at": timezone.now(),
            "rejected_at": None,
            "members_asked_at": None,
        }
        # A row stored under an earlier signing key is the same token.
        stored = next(iter(cls.objects.filter(instance=instance, digest__in=known)), None)
        which = {"pk": stored.pk} if stored else {"digest": known[0]}
        found, _ = cls.objects.update_or_create(instance=instance, **which, defaults=said)
        return found

    @property
    def token(self) -> Token:
        """Raises `encryption.Undecryptable` where no key in use fits."""
        return encryption.decrypt(self.ciphertext)

    @property
    def owner_ids(self) -> set[str]:
        """Return Omni's ids of the person to whom the token belongs."""
        return {self.membership_id, self.omni_user_id} - {""}

    @property
    def sees_organization(self) -> bool:
        return self.scope == self.Scope.ORGANIZATION

    @property
    def role_name(self) -> str:
        return {"ORG_ADMIN": "organization admin", "MEMBER": "member"}.get(self.role, self.role)

    @property
    def what_it_sees(self) -> str:
        """Return which conversations Omni shows to such a token, to follow "sees"."""
        match self.scope:
            case self.Scope.ORGANIZATION:
                return "every conversation in the organization"
            case self.Scope.USER:
                return "only its owner’s conversations"
            case _:
                return "the conversations that Omni lists for it; Omni does not say what type of token it is"

    def reject(self) -> None:
        """Store that Omni no longer accepts it: every right that was proven with it ends at once."""
        # Rights were proven by the same clock.
        self.rejected_at = self.rights_since = database_clock.now()
        self.save(update_fields=["rejected_at", "rights_since"])

    def note_members_asked(self) -> None:
        self.members_asked_at = timezone.now()
        self.save(update_fields=["members_asked_at"])


class CredentialQuerySet(models.QuerySet["Credential"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(owner=user).select_related("api_token").order_by("order", "pk")

    def held_by(self, user: User) -> list["Credential"]:
        """Return a person's credentials in their own order, with their tokens."""
        return _HELD.rows(owner=user)

    def accepted(self) -> Self:
        """Filter to credentials that Omni has not rejected since their API token was last set."""
        return self.filter(api_token__rejected_at=None)

    @transaction.atomic
    def connect(self, owner: User, label: str, instance: str, token: Token, identity: replies.Identity) -> "Credential":
        """Store a person's new credential; their first one is the default.

        Raises `IntegrityError` if the label was taken meanwhile.
        """
        # A lock, so that the order of a person's credentials changes once at a time.
        User.objects.select_for_update().get(pk=owner.pk)
        api_token = ApiToken.accept(instance, token, identity)
        return self.create(owner=owner, label=label, api_token=api_token, order=self.filter(owner=owner).count())


class Credential(models.Model):
    """A person's use of an API token, with a label of their own."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="credentials")
    api_token = models.ForeignKey(ApiToken, models.PROTECT, related_name="credentials")
    label = models.CharField(max_length=60)
    # Position among the owner's credentials, from 0: the first is the default.
    order = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("owner", "label", name="credential_labels_differ")]

    def __str__(self) -> str:
        return self.label

    @property
    def instance(self) -> str:
        return self.api_token.instance

    @property
    def rejected_at(self) -> datetime | None:
        return self.api_token.rejected_at

    @property
    def sees_organization(self) -> bool:
        return self.api_token.sees_organization

    @property
    def is_default(self) -> bool:
        return self.order == 0

    @transaction.atomic
    def hold(self, token: Token, identity: replies.Identity) -> None:
        """Replace the API token by this one, which Omni has just accepted."""
        self.api_token = ApiToken.accept(self.instance, token, identity)
        self.save(update_fields=["api_token"])

    @transaction.atomic
    def make_default(self) -> None:
        """Put it first among its owner's."""
        User.objects.select_for_update().get(pk=self.owner_id)
        others = Credential.objects.owned_by(self.owner).exclude(pk=self.pk)
        for place, row in enumerate([self, *others]):
            row.order = place
            row.save(update_fields=["order"])


_HELD = Prepared(lambda _: Credential.objects.owned_by(slot("owner")))
