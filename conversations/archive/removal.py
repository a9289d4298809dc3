"""Removing what is stored, for good: by the conversation, or with the last credential of an API token.

All of it goes in batches, each a transaction of its own, so that nobody waits for long and a worker that is killed
loses nothing.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, QuerySet
from django.utils import timezone

from conversations.models import (
    OMNI_KEEPS,
    Access,
    Conversation,
    EarlierMessage,
    Hold,
    Job,
    Message,
    Removal,
    Star,
    TicketReference,
    held,
)
from conversations.models.keys import Ids
from conversations.search import documents
from omniviewer.accounts.models import ApiToken, Credential
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

# Conversations of one transaction.
BATCH_CONVERSATIONS = 100


@dataclass(frozen=True)
class Loss:
    """Data deleted with the last credential of an API token: conversations that are shown to no other token.

    `only_here` counts their answers whose evidence Omni has dropped; `tickets` and `stars` count links and marks.
    `held` counts conversations that stay because an administrator has put a hold on them.
    """

    conversations: int = 0
    only_here: int = 0
    tickets: int = 0
    stars: int = 0
    held: int = 0

    def __str__(self) -> str:
        told = [
            (self.conversations, "stored conversation", "stored conversations"),
            (self.only_here, "answer whose evidence Omni no longer has", "answers whose evidence Omni no longer has"),
            (self.tickets, "ticket link", "ticket links"),
            (self.stars, "star", "stars"),
        ]
        return ", ".join(f"{count:,} {name if count == 1 else names}" for count, name, names in told if count)

    def __bool__(self) -> bool:
        return self.conversations > 0

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(
            self.conversations + other.conversations,
            self.only_here + other.only_here,
            self.tickets + other.tickets,
            self.stars + other.stars,
            self.held + other.held,
        )


def count_loss(token: ApiToken, leaving: Collection[Credential]) -> Loss:
    """Count what is deleted when these credentials of a token are removed: nothing while others hold it."""
    if token.credentials.exclude(pk__in=[credential.pk for credential in leaving]).exists():
        return Loss()
    shown_to_it = Conversation.objects.only_through(token)
    on_hold = held().values("pk")
    kept = shown_to_it.filter(pk__in=on_hold).count()
    gone = shown_to_it.exclude(pk__in=on_hold)
    over = timezone.now() - OMNI_KEEPS
    stored = Job.objects.filter(instance=token.instance, conversation_id__in=gone.values("omni_id"))
    stored = stored.filter(kept_at__isnull=False, finished_at__lt=over)
    return Loss(
        gone.count(),
        stored.count(),
        TicketReference.objects.filter(conversation__in=gone).count(),
        Star.objects.filter(conversation__in=gone).count(),
        kept,
    )


def delete(conversations: QuerySet[Conversation] | Collection[Conversation]) -> list[Conversation]:
    """Delete these conversations with all that is stored of them, in the caller's transaction; but for held ones.

    Every path that deletes a conversation comes through here. Return those that were deleted.
    """
    found = list(conversations)
    # In the order in which lists lock them.
    keys = [row.pk for row in found]
    list(Conversation.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
    kept = set(held().filter(pk__in=keys).values_list("pk", flat=True))
    by_instance: dict[str, list[Conversation]] = {}
    for row in found:
        if row.pk not in kept:
            by_instance.setdefault(row.instance, []).append(row)
    for instance, rows in by_instance.items():
        keys, jobs = [row.pk for row in rows], Job.objects.filter(instance=instance)
        jobs.filter(conversation_id__in=[row.omni_id for row in rows]).delete()
        # Omni does not name the conversation of every job: find the others by the answers that they made.
        for model in (Message, EarlierMessage):
            made = model.objects.filter(conversation__in=keys).exclude(job_id=None).values_list("job_id", flat=True)
            jobs.filter(conversation_id=None, omni_id__in=Ids([job_id for job_id in made if job_id])).delete()
        documents.forget(rows)
        Conversation.objects.filter(pk__in=keys).delete()
    return [row for row in found if row.pk not in kept]


def forget(conversations: QuerySet[Conversation] | Collection[Conversation]) -> list[Conversation]:
    """Delete these conversations, as `delete` does, and have the audit log say so of each."""
    gone = delete(conversations)
    for row in gone:
        trail.record(None, Kind.FORGOTTEN, instance=row.instance, conversation_id=row.omni_id)
    return gone


def forget_all(conversations: QuerySet[Conversation]) -> bool:
    """Forget these conversations in batches; return whether all are gone, as none was held."""
    while rows := list(conversations[:BATCH_CONVERSATIONS]):
        with transaction.atomic():
            if not forget(rows):
                return False
    return True


@transaction.atomic
def forget_released() -> bool:
    """Delete a batch of conversations that only a hold has kept, and that no token was shown any more.

    Return whether there was one. While one is held after the last token that was shown it was removed, nobody can
    read it.
    """
    released = Hold.objects.lifted().conversations().exclude(pk__in=held().values("pk"))
    unshown = released.exclude(Exists(Access.objects.all().to_outer_conversation()))
    return bool(forget(list(unshown.order_by("pk")[:BATCH_CONVERSATIONS])))


def run(seconds: float, token: ApiToken | None = None) -> bool:
    """Delete or hand over what tokens that nobody holds (or this token) could read, for at most so many seconds.

    Return whether there is more to do.
    """
    unheld = ApiToken.objects.held_by_nobody()
    # Keep the data of tokens that somebody has connected again.
    Removal.objects.exclude(api_token__in=unheld).delete()
    # Leave a token that is to receive accesses until they have been handed over.
    unheld = unheld.exclude(pk__in=Removal.objects.filter(heir__isnull=False).values("heir"))
    until = time.monotonic() + seconds
    for key in [token.pk] if token else list(unheld.order_by("pk").values_list("pk", flat=True)):
        while _remove_some(key):
            if time.monotonic() > until:
                return True
    return False


@transaction.atomic
def _remove_some(key: int) -> bool:
    """Remove or hand over a batch of a token's accesses, then the token; False where nothing is left to do.

    A held conversation stays without the accesses, so that nobody can read it through them.
    """
    token = ApiToken.objects.select_for_update().held_by_nobody().filter(pk=key).first()
    if token is None:
        return False
    # In index order: sorting all rows for each batch would take quadratic time.
    mine = Access.objects.filter(api_token=token).order_by("recency")
    rows = dict(mine.values_list("pk", "conversation")[:BATCH_CONVERSATIONS])
    if not rows:
        token.delete()
        return False
    accesses = Access.objects.filter(pk__in=rows)
    heir = ApiToken.objects.filter(pk__in=Removal.objects.filter(api_token=token).values("heir")).first()
    if heir is not None:
        known = Access.objects.filter(api_token=heir, conversation__in=rows.values()).values("conversation")
        accesses.exclude(conversation__in=list(known.values_list("conversation", flat=True))).hand_over(heir)
    else:
        delete(Conversation.objects.only_through(token).filter(pk__in=rows.values()))
    Access.objects.filter(pk__in=rows, api_token=token).delete()
    return True
