"""What Omni's API returns, as dataclasses, read from both dialects that its own sources use.

The reference (docs.omni.co/api) and the official Python SDK name some fields differently; a field is read under either
name. Fields that nobody documented are ignored. A reply of another shape raises `Unreadable`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from conversations.omni.errors import Unreadable

# Characters: it stands in addresses and in a unique index.
LONGEST_CURSOR = 2000
# Years in which every time zone can show a time.
_YEARS = range(1900, 9000)
# What an integer column of every database holds.
_MOST = 2**31 - 1
_NOTHING = "The reply was not in the form that Omni documents"


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
    """`GET /v1/ai/jobs/{id}`: the state of what answers a question. `progress` is Omni's sentence on it, or ""."""

    id: UUID
    state: str
    progress: str
    conversation_id: UUID | None


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
    reply = _object(body, "who this token speaks for")
    scope = _text(reply, "keyScope") or ""
    user = reply.get("user")
    user = user if isinstance(user, dict) else {}
    if scope not in ("organization", "user") and not user:
        raise Unreadable(f"{_NOTHING} (neither a scope nor a user).", outcome="shape")
    return Identity(
        scope=scope if scope in ("organization", "user") else "",
        role=_text(reply, "orgRole") or "",
        user_id=_text(user, "id") or "",
        membership_id=_text(user, "membershipId") or "",
    )


def conversation_page(body: Any) -> ConversationPage:
    reply = _object(body, "a list of conversations")
    info = reply.get("pageInfo")
    info = info if isinstance(info, dict) else {}
    total = info.get("totalRecords")
    cursor = _text(info, "nextCursor")
    if cursor and len(cursor) > LONGEST_CURSOR:
        raise Unreadable(f"{_NOTHING} (a cursor of {len(cursor)} characters).", outcome="shape")
    return ConversationPage(
        conversations=tuple(_listed(row) for row in _list(reply, "data", "records")),
        next_cursor=cursor if cursor and info.get("hasNextPage") is not False else None,
        total=total if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= _MOST else None,
    )


def _listed(row: Any) -> ListedConversation:
    row = _object(row, "a conversation in the list")
    return ListedConversation(
        id=_id(row),
        name=_text(row, "name"),
        last_prompt=_text(row, "lastUserPrompt", "lastPrompt"),
        created_at=_time(row, "createdAt"),
        updated_at=_time(row, "updatedAt"),
    )


def conversation(body: Any) -> Conversation:
    reply = _object(body, "a conversation")
    return Conversation(
        id=_id(reply),
        name=_text(reply, "name"),
        owner_id=_text(reply, "userId"),
        organization_id=_text(reply, "organizationId"),
        created_at=_time(reply, "createdAt"),
        updated_at=_time(reply, "updatedAt"),
        messages=tuple(_message(row) for row in _list(reply, "messages")),
    )


def _message(row: Any) -> Message:
    row = _object(row, "a message")
    return Message(
        role=_text(row, "role") or "",
        text=_text(row, "content", "text") or "",
        created_at=_time(row, "timestamp", "createdAt"),
        job_id=_uuid(row.get("jobId")),
        omni_chat_url=_text(row, "omniChatUrl"),
    )


def job(body: Any) -> Job:
    reply = _object(body, "a job")
    progress = reply.get("progress")
    return Job(
        id=_id(reply),
        state=(_text(reply, "state") or "").upper(),
        progress=_text(progress, "message") or "" if isinstance(progress, dict) else "",
        conversation_id=_uuid(reply.get("conversationId")),
    )


def member_page(body: Any) -> MemberPage:
    reply = _object(body, "a list of people")
    total = reply.get("totalResults")
    rows = tuple(_member(row) for row in _list(reply, "Resources"))
    return MemberPage(members=rows, total=total if isinstance(total, int) else len(rows))


def _member(row: Any) -> Member:
    row = _object(row, "a person")
    email = _text(row, "userName") or ""
    return Member(
        id=_text(row, "id") or "",
        name=_text(row, "displayName") or email,
        email=email,
        is_active=row.get("active") is not False,
    )


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{_NOTHING} ({what} was expected).", outcome="shape")
    return value


def _list(reply: dict[str, Any], *names: str) -> list[Any]:
    for name in names:
        if isinstance(reply.get(name), list):
            rows: list[Any] = reply[name]
            return rows
    raise Unreadable(f"{_NOTHING} (no list under {' or '.join(names)}).", outcome="shape")


def _text(reply: dict[str, Any], *names: str) -> str | None:
    """The first of the names that holds text; what no database holds, NUL and half characters, is made visible."""
    for name in names:
        if isinstance(reply.get(name), str):
            return _storable(reply[name])
    return None


def _storable(text: str) -> str:
    text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may escape half of a surrogate pair
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _time(reply: dict[str, Any], *names: str) -> datetime | None:
    """ISO 8601, with or without milliseconds; None where it is missing or no time. Without a zone it is UTC."""
    text = _text(reply, *names)
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment is None or moment.year not in _YEARS:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _id(reply: dict[str, Any]) -> UUID:
    found = _uuid(reply.get("id"))
    if found is None:
        raise Unreadable(f"{_NOTHING} (an id is missing or no UUID).", outcome="shape")
    return found
