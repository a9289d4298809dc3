"""Rows by the thousand of what Omni showed a token long ago, as the background sync leaves them."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from conversations.models import Access, Conversation, JobAccess, Walk, recency
from omniviewer.accounts.models import ApiToken

_BATCH = 2000
_BEGIN = 10**9


def conversations(instance: str, count: int) -> list[Conversation]:
    """Store conversations of more than a month ago, without messages."""
    newest = timezone.now() - timedelta(days=40)
    rows = []
    for number in range(count):
        at = newest - timedelta(minutes=number)
        row = Conversation(instance=instance, omni_id=UUID(int=_BEGIN + number), name=f"Old {number}", revision=1)
        row.created_at = row.updated_at = at
        row.recency = row.started = recency(at, number)
        row.fetched_at = newest
        rows.append(row)
    return Conversation.objects.bulk_create(rows, batch_size=_BATCH)


def accesses(token: ApiToken, rows: list[Conversation], *, behind: int = 0, jobs: int = 1) -> None:
    """Store that the token was shown them, and all their jobs; except for the first `behind`, which are to be read."""
    Access.objects.bulk_create(_accesses(token, rows, behind), batch_size=_BATCH)
    now = timezone.now()
    shown = (
        JobAccess(
            api_token=token,
            conversation=row,
            job_id=UUID(int=row.pk * 100 + number),
            at=row.updated_at or now,
            shown_at=now,
        )
        for row in rows[behind:]
        for number in range(jobs)
    )
    JobAccess.objects.bulk_create(shown, batch_size=_BATCH)


def look_again(token: ApiToken) -> None:
    """Have the token's next turn look whether there is anything new, as it does every five minutes."""
    now = timezone.now()
    Walk.objects.filter(api_token=token).update(
        checked_at=now - timedelta(minutes=6), walked_at=now, turn_at=now - timedelta(hours=1), not_before=now
    )


def _accesses(token: ApiToken, rows: list[Conversation], behind: int) -> Iterator[Access]:
    now = timezone.now()
    for number, row in enumerate(rows):
        access = Access(api_token=token, conversation=row, name=row.name, updated_at=row.updated_at)
        access.recency, access.listed_at = row.recency, now
        if number >= behind:
            access.opened_at = access.confirmed_at = access.fetched_at = access.revision_since = now
            access.read_of, access.revision, access.is_behind = row.updated_at, 1, False
        yield access
