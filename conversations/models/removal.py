"""API tokens that nobody holds any more, whose conversations workers remove; and offers to hand these over instead."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.access import Access
from omniviewer.accounts.models import ApiToken, Credential, User


class RemovalQuerySet(models.QuerySet["Removal"]):
    def begin(self, token: ApiToken, removed_by: User | None, heir: ApiToken | None = None) -> None:
        """Have what only this token could read removed, or put under `heir`; its secret and its plans go at once."""
        token.captures.all().delete()
        token.walks.all().delete()
        ApiToken.objects.filter(pk=token.pk).update(ciphertext="")
        said = {"removed_by": removed_by, "heir": heir, "total": Access.objects.filter(api_token=token).count()}
        self.update_or_create(api_token=token, defaults=said)

    def begun_by(self, user: User) -> Self:
        """Return those that this person began and that are not done, the latest first."""
        unheld = ApiToken.objects.held_by_nobody()
        return self.filter(removed_by=user, api_token__in=unheld).select_related("api_token").order_by("-began_at")


class Removal(models.Model):
    """A removal under way. `total` is the number of the token's accesses when it began.

    Connecting the token again before the end stops the removal, and keeps what is left.
    """

    api_token = models.OneToOneField(ApiToken, models.CASCADE, related_name="removal")
    removed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    # Token that takes the conversations over, without any right to them; None if they are deleted.
    heir = models.ForeignKey(ApiToken, models.SET_NULL, null=True, related_name="+")
    total = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField(default=timezone.now)

    objects = RemovalQuerySet.as_manager()

    def __str__(self) -> str:
        return f"removal of token {self.api_token_id}"

    @property
    def done(self) -> int:
        """Return how many of the conversations are dealt with."""
        return max(self.total - Access.objects.filter(api_token=self.api_token_id).count(), 0)


class HandOverQuerySet(models.QuerySet["HandOver"]):
    def offered_by(self, user: User) -> Self:
        return self.filter(credential__owner=user).select_related("credential")

    def offered_to(self, user: User) -> Self:
        """Return the offers that stand: by people who may still sign in, of keys that Omni has not rejected."""
        standing = self.filter(credential__owner__is_active=True, credential__api_token__rejected_at=None)
        related = standing.select_related("credential__owner", "credential__api_token")
        return related.filter(offered_to=user).order_by("offered_at")


class HandOver(models.Model):
    """An offer to move what only an organization key could read to somebody else's key, if they accept.

    Stored even for a name that nobody has: the page must not reveal who signs in here.
    """

    credential = models.OneToOneField(Credential, models.CASCADE, related_name="hand_over")
    # The name as it was typed.
    name = models.CharField(max_length=254)
    offered_to = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    offered_at = models.DateTimeField(default=timezone.now)

    objects = HandOverQuerySet.as_manager()

    def __str__(self) -> str:
        return f"offer of credential {self.credential_id}"
