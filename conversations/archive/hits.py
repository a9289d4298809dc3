"""Where in a conversation the words stand that were searched for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from conversations import marking
from conversations.marking import Piece
from conversations.models import Action, Conversation, EvidenceRight, EvidenceRights, Job, Message
from conversations.terms import Asked, Text

# Messages that are shown of one conversation; and of how many of its messages the words are looked for at all.
MOST_HITS = 3
_MOST_READ = 400
_ROLES = {"user": "question", "assistant": "answer"}


@dataclass(frozen=True)
class Hit:
    """A message in which words stand; `pieces`: what stands around them."""

    position: int
    role: str
    pieces: list[Piece]


@dataclass
class Hits:
    """`title`: the conversation's, in pieces. `queries`: names and fields of queries in which words stand."""

    title: list[Piece]
    shown: list[Hit] = field(default_factory=list)
    more: int = 0
    queries: list[list[Piece]] = field(default_factory=list)


def hits(conversations: Sequence[Conversation], asked: Asked) -> dict[int, Hits]:
    """By the conversation's key: of those on a page, which the reader may read."""
    wanted = [text for text in asked.texts if not text.is_negated]
    found = {row.pk: Hits(marking.pieces(row.title, wanted if _in(asked, "name") else [])) for row in conversations}
    if not wanted:
        return found
    of_these = Message.objects.filter(conversation__in=conversations, position__lte=_MOST_READ)
    revisions = {row.pk: row.revision for row in conversations}
    rows = of_these.order_by("conversation", "position").values_list(
        "conversation_id", "position", "role", "text", "revision"
    )
    left: dict[int, list[tuple[int, Hit]]] = defaultdict(list)
    for pk, position, role, text, revision in rows.iterator(chunk_size=500):
        # What took its form later, the reader's token has not been shown.
        if revision > revisions[pk] or not _in(asked, _ROLES.get(role, "answer")):
            continue
        matched = marking.matches(text, wanted)
        if matched:
            different = len({match.number for match in matched})
            left[pk].append((different, Hit(position, role, marking.snippet(text, matched))))
    for pk, told in left.items():
        # Those first that hold most of what was searched for; shown in turn.
        best = sorted(told, key=lambda row: (-row[0], row[1].position))[:MOST_HITS]
        found[pk].shown = sorted((hit for _, hit in best), key=lambda hit: hit.position)
        found[pk].more = len(told) - len(best)
    if _in(asked, "query"):
        _add_queries(conversations, found, wanted)
    return found


def _in(asked: Asked, place: str) -> bool:
    return not asked.places or place in asked.places


def _add_queries(conversations: Sequence[Conversation], found: dict[int, Hits], wanted: list[Text]) -> None:
    """Of conversations in whose messages nothing was found: there it is all that can be shown."""
    bare = [row for row in conversations if not found[row.pk].shown and row.access and row.revision]
    by_id = {(row.instance, row.omni_id): row for row in bare}
    jobs = Job.objects.filter(conversation_id__in=[row.omni_id for row in bare])
    own = {job.pk: job for job in jobs if (job.instance, job.conversation_id) in by_id}
    rights = EvidenceRights([row.access for row in bare if row.access], [job.omni_id for job in own.values()])
    seen = []
    for pk, job in own.items():
        access = by_id[job.instance, cast("UUID", job.conversation_id)].access
        through = access.api_token_id if access else 0
        if rights.of(job.omni_id, job.finished_at, through) is EvidenceRight.SHOWN:
            seen.append(pk)
    for action in Action.objects.filter(job__in=seen, is_query=True).in_turn():
        job = own[action.job_id]
        conversation = by_id[job.instance, cast("UUID", job.conversation_id)]
        if len(found[conversation.pk].queries) >= MOST_HITS:
            continue
        for text in (f"{action.title} · {job.topic}" if job.topic else action.title, action.query_json):
            matched = marking.matches(text, wanted)
            if matched:
                found[conversation.pk].queries.append(marking.snippet(text, matched))
                break
