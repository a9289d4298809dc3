"""The two ways in which Omni's own sources write the same replies: its reference, and its Python SDK."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from omniviewer.demo.stand_in.organization import Conversation, Message, Organization

Dialect = Literal["reference", "sdk"]
# Return the text as the token that asks may see it.
Wording = Callable[[str], str]
DEFAULT_PAGE_SIZE: dict[Dialect, int] = {"reference": 50, "sdk": 20}


def moment(at: datetime, dialect: Dialect) -> str:
    """Format a time: with milliseconds in the reference's dialect, without in the SDK's."""
    at = at.astimezone(UTC)
    if dialect == "reference":
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def listed(row: Conversation, dialect: Dialect, word: Wording = str) -> dict[str, Any]:
    last = word(row.last_prompt)
    prompt = {"lastUserPrompt": last} if dialect == "reference" else {"lastPrompt": last or None}
    return {
        "id": str(row.id),
        "name": row.name and word(row.name),
        **prompt,
        "updatedAt": moment(row.updated_at, dialect),
        "createdAt": moment(row.created_at, dialect),
    }


def page(
    rows: list[Conversation],
    dialect: Dialect,
    *,
    next_cursor: str | None,
    page_size: int,
    total: int,
    word: Wording = str,
) -> dict[str, Any]:
    return {
        ("data" if dialect == "reference" else "records"): [listed(row, dialect, word) for row in rows],
        "pageInfo": {
            "hasNextPage": next_cursor is not None,
            "nextCursor": next_cursor,
            "pageSize": page_size,
            "totalRecords": total,
        },
    }


def thread(row: Conversation, organization: Organization, dialect: Dialect, word: Wording = str) -> dict[str, Any]:
    times = {"createdAt": moment(row.created_at, dialect), "updatedAt": moment(row.updated_at, dialect)}
    messages = [message(entry, dialect, word) for entry in row.messages]
    if dialect == "sdk":
        return {"id": str(row.id), "name": row.name and word(row.name), **times, "messages": messages}
    ids = {"id": str(row.id), "userId": str(organization.owner_id(row.owner)), "organizationId": str(organization.id)}
    return {**ids, **times, "messages": messages}


def message(entry: Message, dialect: Dialect, word: Wording = str) -> dict[str, Any]:
    job_id = str(entry.job.id) if entry.job else None
    if dialect == "sdk":
        return {
            "role": entry.role,
            "text": word(entry.text),
            "createdAt": moment(entry.created_at, dialect),
            "jobId": job_id,
            "omniChatUrl": entry.chat_url,
        }
    reply = {"role": entry.role, "content": word(entry.text), "timestamp": moment(entry.created_at, dialect)}
    if job_id:
        reply["jobId"] = job_id
    if entry.chat_url:
        reply["omniChatUrl"] = entry.chat_url
    return reply
