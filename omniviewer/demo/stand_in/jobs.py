"""What the stand-in tells of jobs: their state, what they did, and the chart."""

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from omniviewer.demo.stand_in.charts import bar_chart
from omniviewer.demo.stand_in.dialects import Dialect, moment
from omniviewer.demo.stand_in.organization import Action, Conversation, Job, Organization

# Omni keeps a job's result for this long.
RESULT_KEPT = timedelta(days=14)


def state(conversation: Conversation, job: Job, organization: Organization, dialect: Dialect) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "id": str(job.id),
        "state": job.state,
        "prompt": job.prompt,
        "conversationId": str(conversation.id),
        "modelId": str(uuid5(organization.id, "model")),
        "branchId": None,
        "topicName": job.topic,
        "organizationId": str(organization.id),
        "userId": str(conversation.owner.id),
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
            reply |= {"cancelledAt": done, "cancelledBy": str(conversation.owner.id)}
        else:
            reply["completedAt"] = done
    if job.state == "COMPLETE":
        reply["resultSummary"] = _answer(conversation, job)
    if job.error:
        reply["error"] = {"message": job.error, "code": "QUERY_FAILED", "detail": "The query was stopped."}
    return reply


def is_kept(job: Job, now: datetime) -> bool:
    return job.state == "COMPLETE" and job.completed_at is not None and now - job.completed_at < RESULT_KEPT


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
    if action.query is None:
        return reply
    rows = action.rows or ()
    reply["result"] = {
        "queryName": action.query_name,
        "status": action.status,
        "query": action.query,
        "csvResult": _csv(rows),
        "csvResultWasTruncated": action.was_truncated,
        "hasResults": len(rows) > 1,
        "totalRowCount": action.total_row_count or max(len(rows) - 1, 0),
        "resultId": str(uuid5(job.id, f"result {number}")),
    }
    return reply


def chart(job: Job) -> bytes | None:
    """The PNG of the first query's last column, or None where there is nothing to draw."""
    rows = next((action.rows for action in job.actions if action.rows), None)
    if not job.chart or not rows or len(rows) < 3:  # noqa: PLR2004  (a header and one bar are no chart)
        return None
    return bar_chart([_number(row[-1]) for row in rows[1:41]])


def _answer(conversation: Conversation, job: Job) -> str:
    return next((message.text for message in conversation.messages if message.job is job), "")


def _csv(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _number(cell: str) -> float:
    digits = re.sub(r"[^\d.-]", "", cell)
    try:
        return float(digits)
    except ValueError:
        return 0.0
