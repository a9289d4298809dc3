"""Omni's lists as a credential was shown them: pages of conversations, and people."""

from collections.abc import Collection
from typing import Any, Self, cast
from uuid import UUID

from django.db import models

from conversations.models.conversation import Conversation, is_fresh
from conversations.omni import CONVERSATIONS_A_PAGE
from omniviewer.accounts.models import Credential, User


class ListPageQuerySet(models.QuerySet["ListPage"]):
    def by_token(self, token: str, instance: str) -> Self:
        """Those that Omni showed to this very token, whoever asked with it: the newest first."""
        accepted = self.filter(token=token, credential__instance=instance, credential__rejected_at=None)
        return accepted.order_by("-fetched_at")


class ListPage(models.Model):
    """One page of Omni's list as a credential was last shown it: which conversations, in what order.

    `cursor` is Omni's own, "" for the first page; `member` the membership id that the list was filtered by, or "".
    """

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="list_pages")
    member = models.CharField(max_length=64, blank=True)
    cursor = models.TextField(blank=True)
    number = models.PositiveIntegerField(default=1)
    omni_ids = models.JSONField(default=list)
    next_cursor = models.TextField(blank=True)
    total = models.PositiveIntegerField(null=True)
    # Omni's next cursor led back to a page before: the list ends here, or it never would.
    circles = models.BooleanField(default=False)
    # The keyed digest of the token that Omni showed it to.
    token = models.CharField(max_length=64, blank=True)
    fetched_at = models.DateTimeField()

    objects = ListPageQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("credential", "member", "cursor", name="one_list_page_a_cursor")]

    def __str__(self) -> str:
        return f"page {self.number} for {self.credential_id}"

    def conversations(self, user: User, *, unasked: Collection[Credential] = ()) -> list[Conversation]:
        """Its conversations in Omni's order, less those that `user` may no longer read."""
        ids = [UUID(text) for text in cast("list[Any]", self.omni_ids)]
        readable = Conversation.objects.readable_by(user, unasked=unasked)
        found = {row.omni_id: row for row in readable.filter(instance=self.credential.instance, omni_id__in=ids)}
        return [found[omni_id] for omni_id in ids if omni_id in found]

    @property
    def is_fresh(self) -> bool:
        return is_fresh(self.fetched_at)

    @property
    def page_count(self) -> int | None:
        return None if self.total is None else max(1, -(-self.total // CONVERSATIONS_A_PAGE))

    def previous(self) -> "ListPage | None":
        """The page that leads to this one, if it was seen."""
        if not self.cursor:
            return None
        same_list = ListPage.objects.filter(credential=self.credential_id, member=self.member)
        return same_list.filter(next_cursor=self.cursor).order_by("-fetched_at").first()

    def has_passed(self, cursor: str) -> bool:
        """Whether the way from the first page to this one led past that cursor."""
        page: ListPage | None = self
        passed: set[str] = set()
        while page and page.cursor not in passed:
            passed.add(page.cursor)
            page = page.previous()
        return cursor in passed


class Member(models.Model):
    """A person of an organization, as an organization key was told by SCIM."""

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="members")
    omni_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name", "omni_id"]
        constraints = [models.UniqueConstraint("credential", "omni_id", name="one_member_a_credential")]

    def __str__(self) -> str:
        return self.name
