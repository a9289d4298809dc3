"""People, and the credentials with which they read from Omni."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone

from conversations.omni import Token
from conversations.omni.replies import Identity
from omniviewer.accounts import encryption


class User(AbstractUser):
    """A person who signs in here. A model of our own from the first day: it cannot be exchanged later."""

    class Meta:
        db_table = "accounts_user"

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username


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

    def set_token(self, token: Token, identity: Identity) -> None:
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
