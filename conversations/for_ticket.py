"""What is pasted into a ticket: a message or a thread, as Markdown and as HTML at once."""

from typing import Any

from django.template.loader import render_to_string

from conversations import archive, export, rendering, shaping
from conversations.archive import Opened
from conversations.models import Action, Conversation, Message
from conversations.shaping import TablePage

# Rows of each query, and queries: a ticket is read, not calculated with.
ROWS = 10
_QUERIES = 3


def of_message(opened: Opened, message: Message, question: Message | None, address: str) -> dict[str, str]:
    """`text` and `html` of an answer with what was asked, its queries as far as they are kept, and the way back."""
    queries = [shaping.rows(action, most=ROWS) for action in _kept_queries(opened, message)[:_QUERIES]]
    conversation = message.conversation
    context = {
        "conversation": conversation,
        "question": question,
        "messages_shown": [message],
        "queries": [(shown, _not_all(shown)) for shown in queries],
        "address": f"{address}messages/{message.position}/",
    }
    parts = [export.quoted(question.text) if question else "", export.body(message)]
    parts += [_query(shown) for shown in queries]
    return _both(parts, context)


def of_thread(conversation: Conversation, address: str) -> dict[str, str]:
    """Likewise of all messages, without queries."""
    context = {"conversation": conversation, "messages_shown": conversation.thread, "whole": True, "address": address}
    parts = [
        f"**{message.position}. {export.role(message)}**\n\n{export.body(message)}" for message in conversation.thread
    ]
    return _both(parts, context)


def _both(parts: list[str], context: dict[str, Any]) -> dict[str, str]:
    source = f"{context['address']}, as of {export.moment(context['conversation'].fetched_at)}"
    text = "\n\n".join(part for part in [*parts, source] if part) + "\n"
    return {"text": rendering.spelled(text), "html": render_to_string("conversations/_for_ticket.html", context)}


def _kept_queries(opened: Opened, message: Message) -> list[Action]:
    if message.job_id is None:
        return []
    job = archive.Jobs(opened, {message.job_id: message.created_at}).get(message.job_id)
    return [action for action in job.actions.in_turn() if action.is_query] if job and job.kept_at else []


def _query(shown: TablePage) -> str:
    """As a table of GitHub's Markdown, which the trackers read."""
    action = shown.action
    asked = action.query_fields
    source = f" from {export.line(asked.table)}" if asked.table else ""
    failed = "" if action.is_success else f": {export.line(action.status)}"
    head = f"**{export.line(action.title)}**{source}{failed}"
    if asked.on_a_line:
        head += f"\n\n{export.line(asked.on_a_line)}"
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


def _not_all(shown: TablePage) -> str:
    """Which rows are left out, here and by Omni; "" if none are."""
    action = shown.action
    if not shown.table:
        return ""
    here, count = len(shown.rows), shown.count
    cut = "Omni cut the result" + (f", which has {action.row_count:,}" if action.row_count else "")
    said = [f"{here} of {count:,} rows"] if count > here else []
    said += [cut] if action.was_cut else []
    said += [", ".join(section.label.lower() for section in shown.table.sections)] if shown.table.has_gaps else []
    return f"{'; '.join(said)}." if said else ""


def _cells(cells: list[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(export.line(cell) if escape else cell for cell in cells)} |"
