"""What Omni's API returns, as dataclasses, read from both dialects that its own sources use.

The reference (docs.omni.co/api) and the official Python SDK name some fields differently; a field is read under either
name. Fields that nobody documented are ignored. A reply of another shape raises `Unreadable`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from conversations.omni.errors import Unreadable
from conversations.omni.fields import NOTHING, as_count, as_id, as_list, as_object, as_text, as_time, as_uuid

# Characters: it stands in addresses and in a unique index.
LONGEST_CURSOR = 2000
# Of one reply: a hundred conversations or people are asked for at a time.
MOST_ROWS = 2_000
MOST_MESSAGES = 10_000


@dataclass(frozen=True)
class Identity:
    """`GET /v1/whoami`: who a token speaks for. `scope` is "organization", "user" or "" where Omni does not say."""

    scope: str
    role: str
    user_id: str
    membership_id: str


@dataclass(frozen=True)
class ListedConversation:
    """One row of `GET /v1/ai/conversations`. Times are aware, in UTC."""

    id: UUID
    name: str | None
    last_prompt: str | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class ConversationPage:
    conversations: tuple[ListedConversation, ...]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True)
class Message:
    role: str
    text: str
    created_at: datetime | None
    job_id: UUID | None
    omni_chat_url: str | None


@dataclass(frozen=True)
class Conversation:
    """`GET /v1/ai/conversations/{id}`. `name` is None in the reference's dialect, the two ids in the SDK's."""

    id: UUID
    name: str | None
    owner_id: str | None
    organization_id: str | None
    created_at: datetime | None
    updated_at: datetime | None
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Job:
    """`GET /v1/ai/jobs/{id}`: the state of what answers a question. `progress` is Omni's sentence on it, or "".

    `error` is Omni's reason why it failed; `finished_at` when it was complete, failed or cancelled.
    """

    id: UUID
    state: str
    progress: str
    conversation_id: UUID | None
    topic: str = ""
    error: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Member:
    """One SCIM user: `id` is what the list of conversations takes as `userId`."""

    id: str
    name: str
    email: str
    is_active: bool


@dataclass(frozen=True)
class MemberPage:
    members: tuple[Member, ...]
    total: int


def identity(body: Any) -> Identity:
    reply = as_object(body, "who this token speaks for")
    scope = as_text(reply, "keyScope") or ""
    user = reply.get("user")
    user = user if isinstance(user, dict) else {}
    if scope not in ("organization", "user") and not user:
        raise Unreadable(f"{NOTHING} (neither a scope nor a user).", outcome="shape")
    return Identity(
        scope=scope if scope in ("organization", "user") else "",
        role=as_text(reply, "orgRole") or "",
        user_id=as_text(user, "id") or "",
        membership_id=as_text(user, "membershipId") or "",
    )


def conversation_page(body: Any) -> ConversationPage:
    reply = as_object(body, "a list of conversations")
    info = reply.get("pageInfo")
    info = info if isinstance(info, dict) else {}
    total = info.get("totalRecords")
    cursor = as_text(info, "nextCursor")
    if cursor and len(cursor) > LONGEST_CURSOR:
        raise Unreadable(f"{NOTHING} (a cursor of {len(cursor)} characters).", outcome="shape")
    return ConversationPage(
        conversations=tuple(_listed(row) for row in as_list(reply, "data", "records", most=MOST_ROWS)),
        next_cursor=cursor if cursor and info.get("hasNextPage") is not False else None,
        total=as_count(total),
    )


def _listed(row: Any) -> ListedConversation:
    row = as_object(row, "a conversation in the list")
    return ListedConversation(
        id=as_id(row),
        name=as_text(row, "name"),
        last_prompt=as_text(row, "lastUserPrompt", "lastPrompt"),
        created_at=as_time(row, "createdAt"),
        updated_at=as_time(row, "updatedAt"),
    )


def conversation(body: Any) -> Conversation:
    reply = as_object(body, "a conversation")
    return Conversation(
        id=as_id(reply),
        name=as_text(reply, "name"),
        owner_id=as_text(reply, "userId"),
        organization_id=as_text(reply, "organizationId"),
        created_at=as_time(reply, "createdAt"),
        updated_at=as_time(reply, "updatedAt"),
        messages=tuple(_message(row) for row in as_list(reply, "messages", most=MOST_MESSAGES)),
    )


def _message(row: Any) -> Message:
    row = as_object(row, "a message")
    return Message(
        role=as_text(row, "role") or "",
        text=as_text(row, "content", "text") or "",
        created_at=as_time(row, "timestamp", "createdAt"),
        job_id=as_uuid(row.get("jobId")),
        omni_chat_url=as_text(row, "omniChatUrl"),
    )


def job(body: Any) -> Job:
    reply = as_object(body, "a job")
    progress, error = reply.get("progress"), reply.get("error")
    return Job(
        id=as_id(reply),
        state=(as_text(reply, "state") or "").upper(),
        progress=as_text(progress, "message") or "" if isinstance(progress, dict) else "",
        conversation_id=as_uuid(reply.get("conversationId")),
        topic=as_text(reply, "topicName") or "",
        error=as_text(error, "message", "detail") or "" if isinstance(error, dict) else "",
        finished_at=as_time(reply, "completedAt", "cancelledAt", "updatedAt"),
    )


def member_page(body: Any) -> MemberPage:
    reply = as_object(body, "a list of people")
    total = reply.get("totalResults")
    rows = tuple(_member(row) for row in as_list(reply, "Resources", most=MOST_ROWS))
    return MemberPage(members=rows, total=total if isinstance(total, int) else len(rows))


def _member(row: Any) -> Member:
    row = as_object(row, "a person")
    email = as_text(row, "userName") or ""
    return Member(
        id=as_text(row, "id") or "",
        name=as_text(row, "displayName") or email,
        email=email,
        is_active=row.get("active") is not False,
    )
