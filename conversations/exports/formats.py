"""A thread as a file: for people (Markdown), for scripts (JSON in the shape of Omni's reference), for spreadsheets."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from conversations import rendering
from conversations.exports.outcomes import Told
from conversations.models import Conversation, Message
from conversations.tables import parsing

# Key of our own values in the JSON, apart from Omni's.
OURS = "omniviewer"
_ROLES = {"user": "Question", "assistant": "Answer"}


def file_name(conversation: Conversation, extension: str) -> str:
    """Return a name of title and date, in letters for every system: `top-products-by-revenue-2025-01-15.md`."""
    words = re.sub(r"[^a-z0-9]+", "-", conversation.title.lower()).strip("-")[:60].strip("-")
    day = conversation.updated_at or conversation.created_at or timezone.now()
    return f"{words or conversation.omni_id}-{day:%Y-%m-%d}.{extension}"


def as_markdown(conversation: Conversation, address: str, told: Told) -> str:
    """Return the thread as Markdown, with hidden characters spelled out. `address` is the thread's own."""
    parts = [
        f"# {line(conversation.title)}",
        "\n".join(
            [
                f"- Conversation: [{conversation.omni_id}]({address})",
                f"- Instance: {conversation.instance}",
                *([f"- Asked by: {line(told.asker)}"] if told.asker else []),
                f"- Started: {moment(conversation.created_at)}",
                f"- Last activity: {moment(conversation.updated_at)}",
                f"- As of: {moment(conversation.fetched_at)}",
                *([f"- Incomplete: {conversation.shortfall}"] if conversation.shortfall else []),
            ]
        ),
    ]
    for message in conversation.thread:
        parts.append(f"## {message.position}. {role(message)}, {moment(message.created_at)}")
        parts.append(body(message))
        if failed := told.failures.get(message.position):
            parts.append(f"**{failed.label}**: {line(failed.reason)}")
        parts.append(_sources(message, address))
    return rendering.spelled("\n\n".join(part for part in parts if part)) + "\n"


def as_json(conversation: Conversation, address: str, told: Told) -> str:
    """Return JSON in the shape of Omni's `GET /v1/ai/conversations/{id}`; our own values stand under `OURS`."""
    whole: dict[str, Any] = {
        "id": str(conversation.omni_id),
        "name": conversation.name or None,
        "userId": conversation.owner_id or None,
        "organizationId": conversation.organization_id or None,
        "createdAt": iso(conversation.created_at),
        "updatedAt": iso(conversation.updated_at),
        "messages": [_message(message, told) for message in conversation.thread],
        OURS: {
            "instance": conversation.instance,
            "address": address,
            **({"askedBy": told.asker} if told.asker else {}),
            "asOf": iso(conversation.fetched_at),
            **({"shortfall": conversation.shortfall} if conversation.shortfall else {}),
            "exportedAt": iso(timezone.now()),
        },
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def as_csv(conversation: Conversation, address: str, told: Told) -> Iterator[str]:
    """Yield CSV with one row for each message."""
    columns = ["position", "role", "time", "text", "job", "omni", "link", "asked by", "outcome", "reason"]
    return parsing.as_csv(columns, _csv_rows(conversation.thread, address, told))


def _csv_rows(thread: Iterable[Message], address: str, told: Told) -> Iterator[list[str]]:
    for message in thread:
        failed = told.failures.get(message.position)
        yield [
            str(message.position),
            message.role,
            iso(message.created_at) or "",
            message.text,
            str(message.job_id or message.other_job_id),
            message.omni_link,
            f"{address}messages/{message.position}/",
            told.asker,
            failed.status.word if failed else "",
            failed.reason if failed else "",
        ]


def _message(message: Message, told: Told) -> dict[str, Any]:
    said: dict[str, Any] = {
        "role": message.role,
        "content": message.text,
        "timestamp": iso(message.created_at),
    }
    if message.is_answer:
        job = str(message.job_id or message.other_job_id) or None
        said |= {"jobId": job, "omniChatUrl": message.omni_chat_url or None}
    if message.attachments:
        said["attachments"] = [{"name": name} for name in message.attachments]
    if failed := told.failures.get(message.position):
        said[OURS] = {"outcome": failed.status.value, "reason": failed.reason}
    return said


def role(message: Message) -> str:
    return _ROLES.get(message.role, f"Message by “{line(message.role)}”")


def _sources(message: Message, address: str) -> str:
    links = [f"[Link]({address}messages/{message.position}/)"]
    if message.job_id:
        links.append(f"Job `{message.job_id}`")
    elif message.other_job_id:
        links.append(f"Job {line(message.other_job_id)}")
    if message.attachments:
        links.append("Attached: " + ", ".join(line(name) for name in message.attachments))
    if message.omni_link:
        links.append(f"[In Omni]({_target(message.omni_link)})")
    return " · ".join(links)


def _target(url: str) -> str:
    """Return an address for use in `[...](...)`: characters that would end it are percent-encoded."""
    return re.sub(r"[\s()\[\]<>\\\"'`*|]", lambda found: quote(found[0], safe=""), url)


def body(message: Message, *, lowered_by: int | None = 2) -> str:
    """Return a message as Markdown: a question quoted, since it is plain text; an answer made self-contained.

    `lowered_by`: levels by which its headings are lowered; None makes each a line in bold.
    """
    if message.is_question:
        return quoted(message.text)
    if message.absence:
        return f"*{message.absence}*"
    return rendering.self_contained(message.text.strip(), lowered_by=lowered_by)


def line(text: str) -> str:
    """Return one line of plain text, with everything escaped that Markdown would interpret."""
    # An underscore between letters or digits means nothing in CommonMark.
    escaped = re.sub(
        r"([\\`*{}\[\]<>#|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;))",
        r"\\\1",
        re.sub(r"[ \t\r\n]+", " ", text).strip(" "),
    )
    return re.sub(r"^(\d{1,9})(?=[.)](?: |$))|^(?=[-+](?: |$)|-+$|=+$)", lambda found: f"{found[1] or ''}\\", escaped)


def quoted(text: str) -> str:
    """Return plain text as a quote that keeps its lines, by two blanks at the end of each."""
    rows = [line(row) for row in rendering.with_newlines(text).strip().split("\n")]
    ends = ["  " if row and following else "" for row, following in zip(rows, [*rows[1:], ""], strict=True)]
    return "\n".join(f"> {row}{end}" if row else ">" for row, end in zip(rows, ends, strict=True))


def moment(at: datetime | None) -> str:
    """Return the time in the reader's time zone, with its name."""
    return f"{timezone.localtime(at):%-d %B %Y, %H:%M:%S %Z}" if at else "not told"


def iso(moment: datetime | None) -> str | None:
    """Return the time as Omni writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
