"""The people of an organization."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from django.db import models

from omniviewer.accounts.models import ApiToken


class Owner(NamedTuple):
    """A person by Omni's id on one instance: another instance may know somebody else by the same id."""

    instance: str
    id: str

    def as_filter(self, tokens: Iterable[ApiToken]) -> str:
        """Return what `owner:` takes for them, among the people of these tokens' instances."""
        is_one_instance = all(token.instance == self.instance for token in tokens)
        return self.id if is_one_instance else f"{self.id}@{self.instance}"

    @classmethod
    def of_tokens(cls, tokens: Iterable[ApiToken]) -> "set[Self]":
        """Return the people whom these tokens speak for."""
        return {cls(token.instance, own_id) for token in tokens for own_id in token.owner_ids}

    @classmethod
    def known_as(cls, name: str) -> "set[Self]":
        """Return the people with this e-mail address or id in Omni, each by all ids that Omni has told of them.

        Omni's lists and threads name the same person by different ids; their own token was told both.
        """
        told = Member.objects.filter(models.Q(omni_id=name) | models.Q(email__iexact=name))
        found = {cls(*row) for row in told.values_list("api_token__instance", "omni_id")} if name else set()
        ids = {name, *(owner.id for owner in found)}
        tokens = ApiToken.objects.filter(models.Q(membership_id__in=ids) | models.Q(omni_user_id__in=ids))
        for token in tokens if name else ():
            own = cls.of_tokens([token])
            if own & found or name in token.owner_ids:
                found |= own
        return found


class Member(models.Model):
    """A person of an organization, as an organization key was told by SCIM."""

    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="members")
    omni_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True)
    is_active = models.BooleanField(default=True)
    # Start of the walk that last named them.
    told_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "omni_id"]
        constraints = [models.UniqueConstraint("api_token", "omni_id", name="one_member_a_token")]

    def __str__(self) -> str:
        return self.name

    @property
    def owner(self) -> Owner:
        return Owner(self.api_token.instance, self.omni_id)


class PeopleWalk(models.Model):
    """Progress of a token through Omni's lists of people, which may take many requests."""

    api_token = models.OneToOneField(ApiToken, models.CASCADE, related_name="people_walk")
    began_at = models.DateTimeField()
    # The list, as an index into `PEOPLE_PATHS`, and the number (from 1) of the next person.
    place = models.PositiveSmallIntegerField(default=0)
    start = models.PositiveIntegerField(default=1)
    # True if Omni has answered for any of the lists; and if each list that it answered for was read to its end so far.
    is_told = models.BooleanField(default=False)
    is_whole = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"people for token {self.api_token_id}"
