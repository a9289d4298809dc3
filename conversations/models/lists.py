"""The people of an organization."""

from django.db import models

from omniviewer.accounts.models import ApiToken


class Member(models.Model):
    """A person of an organization, as an organization key was told by SCIM."""

    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="members")
    omni_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name", "omni_id"]
        constraints = [models.UniqueConstraint("api_token", "omni_id", name="one_member_a_token")]

    def __str__(self) -> str:
        return self.name
