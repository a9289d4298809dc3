"""The reply of `GET /v1/ai/jobs/{jobId}/result`: what the AI did. Each of its fields may be absent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from omniviewer.omni.contents import as_content
from omniviewer.omni.errors import Unreadable
from omniviewer.omni.fields import as_count, as_json, as_object, as_plain_object, as_reason, as_text
from omniviewer.omni.times import as_time

# Actions read of one job: if there are more, the first and the last ones.
MOST_ACTIONS = 2_000
_LAST_ACTIONS = 500
# Characters of an action as Omni sent it, apart from its rows.
LONGEST_RAW = 200_000
# A `result` with one of these keys is a query's.
_OF_A_QUERY = ("queryName", "query", "csvResult", "csvResultWasTruncated", "hasResults", "totalRowCount")


@dataclass(frozen=True)
class Query:
    """A query and its rows. `body` is the semantic query, Omni's own JSON; `csv` is formatted for people."""

    name: str
    status: str
    body: dict[str, Any]
    csv: str
    # `was_cut`: Omni left out rows. `row_count`: how many there were; None if Omni does not say.
    was_cut: bool
    row_count: int | None


@dataclass(frozen=True)
class Action:
    """A step: "generate_query", "summarize", or whatever else Omni calls it.

    `status` is the action's own, `reason` why it or its query failed or was left out, `raw` the action as JSON, without
    the rows that `query` holds.
    """

    type: str
    message: str
    at: datetime | None
    query: Query | None
    tool: str = ""
    status: str = ""
    reason: str = ""
    milliseconds: int | None = None
    document_id: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a job. `shortfall` tells the reader, in a sentence, which parts are unreadable or left out."""

    topic: str
    actions: tuple[Action, ...] = field(default_factory=tuple)
    shortfall: str = ""


def result(body: Any, job_id: UUID) -> Result:
    """Raises `Unreadable` if it is no object, or says that it is of another job."""
    reply = as_object(body, "a job's result")
    if str(reply.get("jobId") or job_id) != str(job_id):
        raise Unreadable("Omni returned a different job than the one that was requested.", outcome="shape")
    actions = reply.get("actions")
    rows = actions if isinstance(actions, list) else []
    sentences = [] if actions is None or isinstance(actions, list) else ["Omni’s list of steps could not be read."]
    unreadable = sum(not isinstance(row, dict | str) for row in rows)
    if unreadable:
        sentences.append(f"{unreadable:,} of the {len(rows):,} steps could not be read.")
    if len(rows) > MOST_ACTIONS:
        first = MOST_ACTIONS - _LAST_ACTIONS
        sentences.append(
            f"Omni lists {len(rows):,} steps: the first {first:,} and the last {_LAST_ACTIONS:,} are shown."
        )
        rows = rows[:first] + rows[-_LAST_ACTIONS:]
    return Result(as_text(reply, "topic") or "", tuple(_action(row) for row in rows), " ".join(sentences))


def _action(row: Any) -> Action:
    if not isinstance(row, dict):
        message = as_text({"text": row}, "text") or ""
        return Action(type="", message=message, at=None, query=None, raw=as_json(row, LONGEST_RAW))
    told = row.get("result")
    is_error = row.get("isError") is True or (as_text(row, "type") or "").lower() in ("failure", "error")
    of_query = _query(told, is_error=is_error) if isinstance(told, dict) and _is_of_a_query(told) else None
    return Action(
        type=as_text(row, "type") or "",
        message=as_content(row, "message"),
        at=as_time(row, "timestamp", "createdAt"),
        query=of_query,
        tool=as_text(row, "toolName") or "",
        status=as_text(row, "status", "state") or ("failed" if is_error and not of_query else ""),
        reason=_why(row, told, is_error=is_error),
        milliseconds=as_count(row.get("durationMs")),
        document_id=as_text(row, "documentId") or "",
        raw=_raw(row),
    )


def _is_of_a_query(told: dict[str, Any]) -> bool:
    return any(name in told for name in _OF_A_QUERY)


def _why(row: dict[str, Any], told: Any, *, is_error: bool) -> str:
    given = [row.get("error"), row.get("reason"), row.get("detail")]
    if isinstance(told, dict):
        given += [told.get("error"), told.get("reason"), told.get("detail")]
        if is_error or not is_success(as_text(told, "status") or ""):
            given.append(told.get("message"))
    elif is_error:
        given.append(told)
    return as_reason([reason for reason in given if isinstance(reason, str | dict | list)])


def is_success(status: str) -> bool:
    """Return whether a status, of a query or an action, says that it was done, or says nothing."""
    return status.strip().lower() in ("", "success", "succeeded", "successful", "complete", "completed", "done", "ok")


def _raw(row: dict[str, Any]) -> str:
    told = row.get("result")
    if isinstance(told, dict) and isinstance(told.get("csvResult"), str):
        row = {**row, "result": {name: value for name, value in told.items() if name != "csvResult"}}
    return as_json(row, LONGEST_RAW)


def _query(row: dict[str, Any], *, is_error: bool) -> Query:
    has_failed = is_error or (bool(row.get("error")) and not row.get("csvResult"))
    return Query(
        name=as_text(row, "queryName") or "",
        status=as_text(row, "status") or ("error" if has_failed else ""),
        body=as_plain_object(row.get("query")),
        csv=as_text(row, "csvResult") or "",
        was_cut=row.get("csvResultWasTruncated") is True,
        row_count=as_count(row.get("totalRowCount")),
    )
