"""Text and HTML to paste into a ticket: of a message, or of a thread."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.utils.text import Truncator

from conversations import rendering
from conversations.archive.evidence_status import Jobs
from conversations.archive.outcomes import Opened
from conversations.exports import formats, outcomes
from conversations.models import Action, Job, Message
from conversations.tables import paging
from conversations.tables.paging import TablePage

# Most rows of each query, queries, and characters of a reason: a ticket is for reading, not for calculation.
MAX_ROWS = 10
_MAX_QUERIES = 3
_MAX_REASON_CHARS = 1000


def of_message(opened: Opened, message: Message, question: Message | None, address: str) -> dict[str, str]:
    """Return `text` and `html` of an answer: whose conversation, its question, job and queries, and a link back."""
    job, actions = _work(opened, message)
    found = [paging.page_of(action, most=MAX_ROWS) for action in actions if action.is_query][:_MAX_QUERIES]
    queries = [_without_repetition(shown, message) for shown in found]
    failures = [_Failure(row.label, _outcome(row)) for row in actions if row.is_wrong and not row.is_query][
        :_MAX_QUERIES
    ]
    if job and (failed := outcomes.of_job(job)):
        failures.insert(0, _Failure(failed.label, Truncator(failed.reason).chars(_MAX_REASON_CHARS)))
    context = {
        **_about(opened, (question or message).created_at),
        "question": question,
        "messages_shown": [message],
        "queries": [(shown, _outcome(shown.action), _not_all(shown)) for shown in queries],
        "failures": failures,
        "address": f"{address}messages/{message.position}/",
    }
    parts = [_head(context), formats.quoted(question.text) if question else "", formats.body(message, lowered_by=None)]
    parts += [f"**{formats.line(row.name)}**: {formats.line(row.outcome)}" for row in failures]
    parts += [_query(shown) for shown in queries]
    return _both(parts, context)


def of_thread(opened: Opened, address: str) -> dict[str, str]:
    """Return `text` and `html` of all messages of a thread, without queries."""
    conversation = opened.conversation
    context = {
        **_about(opened, conversation.created_at),
        "messages_shown": conversation.thread,
        "whole": True,
        "address": address,
    }
    parts = [
        f"**{message.position}. {formats.role(message)}**\n\n{formats.body(message, lowered_by=None)}"
        for message in conversation.thread
    ]
    return _both([_head(context), *parts], context)


def _about(opened: Opened, asked_at: datetime | None) -> dict[str, Any]:
    """Return the conversation, the name of its owner as far as Omni told the reader, and when it was asked."""
    return {"conversation": opened.conversation, "asker": outcomes.asker(opened), "asked_at": asked_at}


def _head(context: dict[str, Any]) -> str:
    asker, asked_at = context["asker"], context["asked_at"]
    asked = [f"by {formats.line(asker)}"] if asker else []
    asked += [f"on {formats.moment(asked_at)}"] if asked_at else []
    title = f"**{formats.line(context['conversation'].title)}**"
    return f"{title}, asked {' '.join(asked)}" if asked else title


def _both(parts: list[str], context: dict[str, Any]) -> dict[str, str]:
    source = f"{context['address']}, as of {formats.moment(context['conversation'].fetched_at)}"
    text = "\n\n".join(part for part in [*parts, source] if part) + "\n"
    return {"text": rendering.spelled(text), "html": render_to_string("conversations/export/clipboard.html", context)}


def _without_repetition(shown: TablePage[Action], message: Message) -> TablePage[Action]:
    """Return a query without its rows if all of them stand in a table of the answer."""
    if not shown.table or not shown.rows or shown.count > len(shown.rows) or shown.action.was_cut:
        return shown
    told = {_plain(re.split(r"(?<!\\)\|", row.strip().strip("|"))) for row in message.text.splitlines() if "|" in row}
    is_told = all(_plain([cell for _, cell in row.cells]) in told for row in shown.rows)
    return replace(shown, table=None, rows=[]) if is_told else shown


def _plain(cells: list[str]) -> tuple[str, ...]:
    """Return a row's cells without Markdown's marks, for comparison."""
    return tuple(re.sub(r"[\\*`\s]", "", cell) for cell in cells)


def _work(opened: Opened, message: Message) -> tuple[Job | None, list[Action]]:
    """Return the answer's job and its steps, each as far as the reader may see it and it is stored."""
    if message.job_id is None:
        return None, []
    jobs = Jobs(opened, {message.job_id: message.created_at})
    stored = jobs.get(message.job_id)
    actions = list(stored.actions.in_turn()) if stored and stored.kept_at else []
    return jobs.told(message.job_id), actions


class _Failure(NamedTuple):
    name: str
    outcome: str


def _outcome(action: Action) -> str:
    """Return how a step ended and why, in Omni's words; "" if it was simply done."""
    parts = (action.badge, Truncator(action.reason).chars(_MAX_REASON_CHARS))
    return ": ".join(part.strip() for part in parts if part.strip())


def _query(shown: TablePage[Action]) -> str:
    """Return the query as a table in GitHub's Markdown, which trackers read."""
    action = shown.action
    asked = action.query_fields
    source = f" from {formats.line(asked.table)}" if asked.table else ""
    outcome = formats.line(_outcome(action))
    head = f"**{formats.line(action.title)}**{source}{': ' if outcome else ''}{outcome}"
    if asked.on_a_line:
        head += f"\n\n{formats.line(asked.on_a_line)}"
    if not shown.table:
        return head
    columns = shown.columns
    lines = [
        _cells([column.name for column in columns]),
        _cells(["--:" if column.is_number else "---" for column in columns], escape=False),
        *[_cells([cell for _, cell in row.cells]) for row in shown.rows],
    ]
    not_all = _not_all(shown)
    return f"{head}\n\n" + "\n".join(lines) + (f"\n\n{not_all}" if not_all else "")


def _not_all(shown: TablePage[Action]) -> str:
    """Return a sentence on the rows that are left out, here and by Omni; "" if none are."""
    action = shown.action
    if not shown.table:
        return ""
    here, count = len(shown.rows), shown.count
    cut = "Omni truncated the result" + (f", which has {action.row_count:,} rows in all" if action.row_count else "")
    said = [f"{here} of {count:,} rows"] if count > here else []
    said += [cut] if action.was_cut else []
    said += [", ".join(section.label.lower() for section in shown.table.sections)] if shown.table.has_gaps else []
    return f"{'; '.join(said)}." if said else ""


def _cells(cells: list[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(formats.line(cell) if escape else cell for cell in cells)} |"
