"""The audit record of a conversation that leaves in a file."""

from typing import Any

from conversations.models import Conversation
from conversations.search.shown_row import ShownRow
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


def record_export(request: Request, conversation: Conversation | ShownRow, result: str) -> None:
    """Record that a conversation was exported, or why it was not."""
    about: Any = {"conversation_id": conversation.omni_id, "instance": conversation.instance}
    trail.record(request, Kind.EXPORTED, result=result, **about)
