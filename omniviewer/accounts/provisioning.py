"""People and groups as the company's directory tells of them, by SCIM."""

from typing import TYPE_CHECKING, Self
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

if TYPE_CHECKING:
    from omniviewer.accounts.models import User

MAX_USER_NAME_CHARS, MAX_EXTERNAL_ID_CHARS, MAX_GROUP_CHARS = 254, 255, 255


class ProvisionedUserQuerySet(models.QuerySet["ProvisionedUser"]):
    def standing(self) -> Self:
        """Return those that the directory has not deleted."""
        return self.filter(deleted_at=None)


class ProvisionedUser(models.Model):
    """A person here whom the directory has named. It sees and changes nobody else.

    `is_active` is the directory's last word, which staff may have overruled: only a new word changes the account.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="provisioned")
    scim_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    user_name = models.CharField(max_length=MAX_USER_NAME_CHARS)
    external_id = models.CharField(max_length=MAX_EXTERNAL_ID_CHARS, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    # The row stays, so that a person who comes back is the same.
    deleted_at = models.DateTimeField(null=True)

    objects = ProvisionedUserQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("user_name"), condition=models.Q(deleted_at=None), name="one_provisioned_user_a_name"
            ),
            models.UniqueConstraint(
                "external_id",
                condition=models.Q(deleted_at=None) & ~models.Q(external_id=""),
                name="one_provisioned_user_an_external_id",
            ),
        ]

    def __str__(self) -> str:
        return self.user_name


class ProvisionedGroup(models.Model):
    """A group of the directory. Its name or external id may be the one that a setting gives a role to."""

    scim_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    display_name = models.CharField(max_length=MAX_GROUP_CHARS)
    external_id = models.CharField(max_length=MAX_EXTERNAL_ID_CHARS, blank=True)
    members = models.ManyToManyField(ProvisionedUser, related_name="groups")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("display_name"), name="one_provisioned_group_a_name")]

    def __str__(self) -> str:
        return self.display_name

    @property
    def names(self) -> frozenset[str]:
        """Return the names by which settings may call it; an id in a setting is an external id and no group's name."""
        return frozenset({self.external_id, *([] if _is_id(self.display_name) else [self.display_name])} - {""})


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def groups_of(user: "User") -> frozenset[str]:
    """Return the names of the groups that the directory has put the person into."""
    groups = ProvisionedGroup.objects.filter(members__user=user, members__deleted_at=None)
    return frozenset[str]().union(*(group.names for group in groups))
