"""The replies of Omni's API as dataclasses, read from both dialects that its own sources use.

The reference (docs.omni.co/api) and the official Python SDK name some fields differently; a field is read under either
name. Fields that nobody documented are ignored. An entry that cannot be read is counted, and the others are read; a
reply that is no object, or names another thing than the one asked for, raises `Unreadable`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omniviewer.omni.contents import as_attachments, as_content
from omniviewer.omni.errors import Unreadable
from omniviewer.omni.fields import NOTHING, as_count, as_id, as_list, as_object, as_reason, as_text, as_uuid
from omniviewer.omni.times import as_time

# Characters, limited because a cursor stands in addresses and in a unique index.
LONGEST_CURSOR = 2000
LONGEST_JOB_ID = 200
# Limits for one reply: only the first ones are read. We ask for a hundred conversations or people at a time.
MOST_ROWS = 2_000
MOST_MESSAGES = 10_000
_NO_MESSAGES = "Omni sent this conversation without its messages. Messages that were stored before are still shown."


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
    """`unreadable` counts the entries that could not be read. `is_cut_off`: there is more, but no way to ask for it."""

    conversations: tuple[ListedConversation, ...]
    next_cursor: str | None
    total: int | None
    unreadable: int = 0
    is_cut_off: bool = False


@dataclass(frozen=True)
class Message:
    """A message; without role and text, it stands for an entry that could not be read.

    `other_job_id` is a job's id that is no UUID; `attachments` are names of files.
    """

    role: str = ""
    text: str = ""
    created_at: datetime | None = None
    job_id: UUID | None = None
    omni_chat_url: str | None = None
    other_job_id: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """`GET /v1/ai/conversations/{id}`. `name` is None in the reference's dialect, the two ids in the SDK's.

    `has_messages` is false where the reply holds no list of them. `shortfall` tells the reader, in a sentence, what
    could not be read or is left out.
    """

    id: UUID
    name: str | None
    owner_id: str | None
    organization_id: str | None
    created_at: datetime | None
    updated_at: datetime | None
    messages: tuple[Message, ...]
    shortfall: str = ""
    has_messages: bool = True

    @property
    def last_prompt(self) -> str:
        """Return the last question that has text; "" if none has."""
        asked = [message.text for message in self.messages if message.role == "user" and message.text.strip()]
        return asked[-1] if asked else ""


@dataclass(frozen=True)
class Job:
    """`GET /v1/ai/jobs/{id}`: the state of what answers a question. `progress` is Omni's sentence on it, or "".

    `error` is Omni's reason why it failed; `finished_at` when it was complete, failed or cancelled; `took` how long
    that was after the question was given to it, where Omni tells both times.
    """

    id: UUID
    state: str
    progress: str
    conversation_id: UUID | None
    topic: str = ""
    error: str = ""
    finished_at: datetime | None = None
    took: timedelta | None = None
    model_id: UUID | None = None
    branch_id: UUID | None = None


@dataclass(frozen=True)
class Member:
    """One SCIM user: `id` is what the list of conversations takes as `userId`."""

    id: str
    name: str
    email: str
    is_active: bool


@dataclass(frozen=True)
class MemberPage:
    """A page of people. `count`: entries on the page, readable or not. The next page begins after them."""

    members: tuple[Member, ...]
    total: int | None
    count: int


def identity(body: Any) -> Identity:
    reply = as_object(body, "who this token speaks for")
    scope = as_text(reply, "keyScope") or ""
    user = reply.get("user")
    user = user if isinstance(user, dict) else {}
    if scope not in ("organization", "user") and not (as_text(user, "id") or as_text(user, "membershipId")):
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
    rows = as_list(reply, "data", "records")
    found = [_listed(row) for row in rows[:MOST_ROWS]]
    listed = tuple(row for row in found if row)
    cursor = _cursor(info)
    has_more = info.get("hasNextPage")
    return ConversationPage(
        conversations=listed,
        next_cursor=cursor if has_more is not False else None,
        total=as_count(info.get("totalRecords")),
        unreadable=len(rows) - len(listed),
        is_cut_off=has_more is True and cursor is None,
    )


def _cursor(info: dict[str, Any]) -> str | None:
    cursor = info.get("nextCursor")
    if isinstance(cursor, int) and not isinstance(cursor, bool) and cursor.bit_length() < LONGEST_CURSOR:
        cursor = str(cursor)
    return cursor if isinstance(cursor, str) and 0 < len(cursor) <= LONGEST_CURSOR and cursor.isprintable() else None


def _listed(row: Any) -> ListedConversation | None:
    """Return None for an entry that names no conversation."""
    omni_id = as_uuid(row.get("id")) if isinstance(row, dict) else None
    if omni_id is None:
        return None
    return ListedConversation(
        id=omni_id,
        name=as_text(row, "name"),
        last_prompt=as_content(row, "lastUserPrompt", "lastPrompt") or None,
        created_at=as_time(row, "createdAt"),
        updated_at=as_time(row, "updatedAt"),
    )


def conversation(body: Any, wanted: UUID) -> Conversation:
    """Raises `Unreadable` if it is no object, names another conversation, or has neither an id nor messages."""
    reply = as_object(body, "a conversation")
    omni_id = as_id(reply, wanted, "conversation")
    told = reply.get("messages")
    has_messages = isinstance(told, list)
    rows: list[Any] = told if isinstance(told, list) else []
    if as_uuid(reply.get("id")) is None and not has_messages:
        raise Unreadable(f"{NOTHING} (neither an id nor messages).", outcome="shape")
    messages = tuple(_message(row) for row in rows[:MOST_MESSAGES])
    return Conversation(
        id=omni_id,
        name=as_text(reply, "name"),
        owner_id=as_text(reply, "userId"),
        organization_id=as_text(reply, "organizationId"),
        created_at=as_time(reply, "createdAt"),
        updated_at=as_time(reply, "updatedAt"),
        messages=messages,
        shortfall=_shortfall(messages, len(rows)) if has_messages else _NO_MESSAGES,
        has_messages=has_messages,
    )


def _shortfall(messages: tuple[Message, ...], count: int) -> str:
    sentences = []
    unreadable = sum(message == Message() for message in messages)
    if unreadable:
        sentences.append(f"{unreadable:,} of the {count:,} messages could not be read: Omni sent empty entries.")
    if count > len(messages):
        sentences.append(f"This conversation has {count:,} messages: the first {len(messages):,} are shown.")
    return " ".join(sentences)


def _message(row: Any) -> Message:
    """Return the message. An unreadable entry keeps its position, because addresses of later messages count it."""
    if not isinstance(row, dict):
        return Message(text=as_text({"text": row}, "text") or "")
    job_id = as_uuid(row.get("jobId"))
    role = as_text(row, "role") or ""
    return Message(
        role=role.strip().lower() if role.strip().lower() in ("user", "assistant") else role,
        text=as_content(row, "content", "text"),
        created_at=as_time(row, "timestamp", "createdAt"),
        job_id=job_id,
        omni_chat_url=as_text(row, "omniChatUrl"),
        other_job_id="" if job_id else (as_text(row, "jobId") or "").strip()[:LONGEST_JOB_ID],
        attachments=as_attachments(row, "content", "text"),
    )


def job(body: Any, wanted: UUID) -> Job:
    """Raises `Unreadable` if it is no object, names another job, or says nothing of one."""
    reply = as_object(body, "a job")
    progress = reply.get("progress")
    state = (as_text(reply, "state", "status") or "").strip().upper()
    if as_uuid(reply.get("id")) is None and not state:
        raise Unreadable(f"{NOTHING} (neither an id nor a state).", outcome="shape")
    return Job(
        id=as_id(reply, wanted, "job"),
        state=state,
        progress=as_text(progress, "message") or "" if isinstance(progress, dict) else "",
        conversation_id=as_uuid(reply.get("conversationId")),
        topic=as_text(reply, "topicName") or "",
        error=as_reason(reply.get("error")),
        finished_at=as_time(reply, "completedAt", "cancelledAt", "updatedAt"),
        took=_took(reply),
        model_id=as_uuid(reply.get("modelId")),
        branch_id=as_uuid(reply.get("branchId")),
    )


def _took(reply: dict[str, Any]) -> timedelta | None:
    begun, done = as_time(reply, "createdAt", "executionStartedAt"), as_time(reply, "completedAt", "cancelledAt")
    return done - begun if begun and done and done >= begun else None


def member_page(body: Any) -> MemberPage:
    reply = as_object(body, "a list of people")
    rows = as_list(reply, "Resources")[:MOST_ROWS]
    members = tuple(_member(row) for row in rows if isinstance(row, dict))
    total = as_count(reply.get("totalResults"))
    return MemberPage(members, total, len(rows))


def _member(row: dict[str, Any]) -> Member:
    """Return the member. Embed users have an e-mail field of their own; Omni makes up their `userName`."""
    apart = row.get("name")
    name = apart if isinstance(apart, dict) else {"formatted": apart}
    both = " ".join(part for key in ("givenName", "familyName") if (part := as_text(name, key)))
    user_name, external = as_text(row, "userName") or "", as_text(row, "embedExternalId") or ""
    email = as_text(row, "embedEmail") or (external if "@" in external else "") or user_name or _first_email(row)
    names = as_text(row, "displayName"), as_text(name, "formatted"), both, as_text(row, "nickName"), external
    return Member(
        id=as_text(row, "id") or "",
        name=next((text.strip() for text in names if text and text.strip()), email),
        email=email,
        is_active=row.get("active") is not False,
    )


def _first_email(row: dict[str, Any]) -> str:
    emails = row.get("emails")
    for entry in emails if isinstance(emails, list) else ():
        if isinstance(entry, dict) and (email := as_text(entry, "value")):
            return email
    return ""
