"""What `GET /v1/ai/jobs/{jobId}/result` returns: what the AI did. Every field of it may be absent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from conversations.omni.errors import Unreadable
from conversations.omni.fields import as_count, as_object, as_plain_object, as_text, as_time

# Actions of one job: what says more is read no further.
MOST_ACTIONS = 500


@dataclass(frozen=True)
class Query:
    """A query and its rows. `body` is the semantic query, Omni's own JSON; `csv` is formatted for people."""

    name: str
    status: str
    body: dict[str, Any]
    csv: str
    # Whether Omni cut the rows, and how many there were; None where it does not say.
    was_cut: bool
    row_count: int | None


@dataclass(frozen=True)
class Action:
    """A step: "generate_query", "summarize", or whatever else Omni calls it."""

    type: str
    message: str
    at: datetime | None
    query: Query | None


@dataclass(frozen=True)
class Result:
    topic: str
    actions: tuple[Action, ...] = field(default_factory=tuple)


def result(body: Any, job_id: UUID) -> Result:
    """Raises `Unreadable` if it is no object, or says that it is of another job."""
    reply = as_object(body, "a job's result")
    if str(reply.get("jobId") or job_id) != str(job_id):
        raise Unreadable("Omni answered with another job than the one that was asked for.", outcome="shape")
    actions = reply.get("actions")
    rows = [row for row in actions if isinstance(row, dict)] if isinstance(actions, list) else []
    return Result(topic=as_text(reply, "topic") or "", actions=tuple(_action(row) for row in rows[:MOST_ACTIONS]))


def _action(row: dict[str, Any]) -> Action:
    query = row.get("result")
    return Action(
        type=as_text(row, "type") or "",
        message=as_text(row, "message") or "",
        at=as_time(row, "timestamp"),
        query=_query(query) if isinstance(query, dict) else None,
    )


def _query(row: dict[str, Any]) -> Query:
    return Query(
        name=as_text(row, "queryName") or "",
        status=as_text(row, "status") or "",
        body=as_plain_object(row.get("query")),
        csv=as_text(row, "csvResult") or "",
        was_cut=row.get("csvResultWasTruncated") is True,
        row_count=as_count(row.get("totalRowCount")),
    )
