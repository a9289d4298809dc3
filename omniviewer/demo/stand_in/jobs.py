"""The stand-in's replies about jobs: their state, their actions, and the chart."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from omniviewer.demo.stand_in.charts import Bar, bar_chart
from omniviewer.demo.stand_in.dialects import Dialect, moment
from omniviewer.demo.stand_in.organization import Action, Conversation, Job, Organization


def state(conversation: Conversation, job: Job, organization: Organization, dialect: Dialect) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "id": str(job.id),
        "state": job.state,
        "prompt": job.prompt,
        "conversationId": str(conversation.id),
        "modelId": str(uuid5(organization.id, "model")),
        "branchId": str(job.branch_id) if job.branch_id else None,
        "topicName": job.topic,
        "organizationId": str(organization.id),
        "userId": str(organization.owner_id(conversation.owner)),
        "omniChatUrl": f"https://{organization.name}.omni.co/chat/{conversation.id}",
        "createdAt": moment(job.created_at, dialect),
        "updatedAt": moment(job.completed_at or job.created_at, dialect),
        "progress": None,
    }
    if job.state != "QUEUED":
        reply["executionStartedAt"] = moment(job.created_at + timedelta(seconds=1), dialect)
    if job.state in ("EXECUTING", "DELIVERING"):
        reply["progress"] = {"iteration": 2, "message": job.progress, "updatedAt": reply["executionStartedAt"]}
    if job.completed_at:
        done = moment(job.completed_at, dialect)
        if job.state == "CANCELLED":
            reply |= {"cancelledAt": done, "cancelledBy": str(organization.owner_id(conversation.owner))}
        else:
            reply["completedAt"] = done
    if job.state == "COMPLETE":
        reply["resultSummary"] = _answer(conversation, job)
    if job.error:
        reply["error"] = {"message": job.error, "code": job.error_code, "detail": job.error_detail}
    return reply


def is_kept(job: Job, now: datetime, organization: Organization) -> bool:
    is_complete = job.state == "COMPLETE" and job.completed_at is not None
    return is_complete and now - (job.completed_at or now) < organization.results_kept


def result(conversation: Conversation, job: Job, organization: Organization, dialect: Dialect) -> dict[str, Any]:
    answer = _answer(conversation, job)
    actions = [_action(action, job, number, dialect) for number, action in enumerate(job.actions)]
    return {
        "actions": actions,
        "message": answer,
        "resultSummary": answer.split("\n\n")[-1],
        "topic": job.topic,
        "omniChatUrl": f"https://{organization.name}.omni.co/chat/{conversation.id}",
    }


def _action(action: Action, job: Job, number: int, dialect: Dialect) -> dict[str, Any]:
    at = moment(job.created_at + timedelta(seconds=4 + 6 * number), dialect)
    reply: dict[str, Any] = {"type": action.type, "message": action.message, "timestamp": at}
    own = {
        "toolName": action.tool,
        "status": action.outcome,
        "isError": action.is_error,
        "durationMs": action.milliseconds,
        "documentId": action.document_id,
        "error": action.error if action.query is None else None,
    }
    reply |= {name: value for name, value in own.items() if value}
    if action.query is None:
        return reply
    rows = action.rows or ()
    told: dict[str, Any] = {
        "queryName": action.query_name,
        "status": action.status,
        "query": action.query,
        "resultId": str(uuid5(job.id, f"result {number}")),
    }
    if action.status == "error":
        told["error"] = action.error or {"message": "The query failed."}
    else:
        total = action.total_row_count or max(len(rows) - 1, 0)
        told |= {
            "csvResult": _csv(rows, _marks(action.sections, total) if action.sections else {}),
            "csvResultWasTruncated": action.was_truncated,
            "hasResults": len(rows) > 1,
            "totalRowCount": total,
        }
    return {**reply, "result": told}


def chart(job: Job) -> bytes | None:
    """Return the PNG of the first query's last column, or None if there is nothing to draw."""
    drawn = next((action for action in job.actions if action.rows), None)
    rows = (drawn.rows if drawn else None) or ()
    if not drawn or not job.chart or len(rows) < 3:  # noqa: PLR2004  (a header and one bar are no chart)
        return None
    title = drawn.query_name or str(rows[0][-1])
    return bar_chart(title, [Bar(_label(row), _number(row[-1]), row[-1]) for row in rows[1:41]])


def _label(row: Sequence[str]) -> str:
    """Return the first cell that is a word, rather than a number of the row."""
    return next((cell for cell in row[:-1] if not cell.isdecimal()), row[0])


def _answer(conversation: Conversation, job: Job) -> str:
    return next((message.text for message in conversation.messages if message.job is job), "")


def _csv(rows: Sequence[Sequence[str]], marks: Mapping[int, str]) -> str:
    """Return the rows as CSV, with marks as lines of their own before the rows of these numbers, from 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows):
        if number in marks:
            text.write(f"{marks[number]}\n")
        writer.writerow(row)
    return text.getvalue()


def _marks(sections: tuple[int, int, int], total: int) -> dict[int, str]:
    """Return the lines that Omni puts into a cut result, by the number of the row that stands below each."""
    first, middle, last = sections
    start = total // 2
    marks = {1: f"# FIRST {first} ROWS:"}
    if middle:
        marks[1 + first] = f"# SAMPLED {middle} ROWS FROM MIDDLE (rows {start}-{start + middle - 1}):"
    if last:
        marks[1 + first + middle] = f"# LAST {last} ROWS:"
    return marks


def _number(cell: str) -> float:
    digits = re.sub(r"[^\d.-]", "", cell)
    try:
        return float(digits)
    except ValueError:
        return 0.0
