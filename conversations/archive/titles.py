"""Titles of conversations for pages that know only Omni's ids: the audit log."""

from collections.abc import Collection
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.models import Access, Reader
from conversations.search import shown_row
from omniviewer.accounts.models import User


def by_id(user: AbstractBaseUser | AnonymousUser, omni_ids: Collection[UUID]) -> dict[UUID, SafeString]:
    """Return the titles of those of these that the reader may see in their list now, as their own token was told them.

    Of one that two instances have, it is the one that its address opens.
    """
    if not isinstance(user, User):
        return {}
    reader = Reader.for_user(user)
    rows = Access.objects.rows_of(reader).each_once(reader).filter(conversation__omni_id__in=omni_ids)
    instances = list(dict.fromkeys(token.instance for token in reader.tokens))
    found = sorted(shown_row.load(reader, rows).rows, key=lambda row: instances.index(row.instance), reverse=True)
    return {row.omni_id: rendering.visible(row.title) for row in found}
