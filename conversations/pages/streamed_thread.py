"""A long thread that nobody has read yet: its page is sent while its answers are rendered.

The first messages are on the screen at once. Without this, a reader waits for a second before a thousand of them.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

from django.conf import settings
from django.db import Error
from django.template.loader import render_to_string
from django.utils import timezone

from conversations import rendering
from conversations.exports.document import in_batches
from conversations.models import MANY_TO_RENDER, Conversation, Message
from conversations.pages.finished_thread import FinishedThread, focused

# Messages that are rendered before the next piece of the page is sent.
_AT_A_TIME = 20

_logger = logging.getLogger(__name__)


def is_long_to_render(conversation: Conversation) -> bool:
    """Return whether too many of its messages are still to be rendered for a reader to wait for them."""
    if conversation.is_lagging:
        return False
    return sum(not message.is_rendered for message in conversation.stored_thread) >= MANY_TO_RENDER


def render_messages(context: Mapping[str, Any], messages: Sequence[Message], marked_html: Mapping[int, str]) -> bytes:
    """Return the HTML of these messages of a thread, in UTF-8; `marked_html`: with highlights, by position."""
    shown = {**context, "messages": messages, "marked_html": marked_html, "public_url": settings.PUBLIC_URL}
    return render_to_string("conversations/thread/_messages.html", shown).encode()


@dataclass(frozen=True)
class StreamedThread:
    """The messages of a thread's context, rendered while they are sent.

    `around`: the finished thread without its messages. `keep` stores the finished thread in the end.
    """

    context: Mapping[str, Any]
    around: FinishedThread
    keep: Callable[[FinishedThread], None]
    # The reader's zone: pieces are made when the view has returned.
    zone: tzinfo = field(default_factory=timezone.get_current_timezone)

    def pieces(self, before: bytes, after: bytes, focus: int | None) -> Iterator[bytes]:
        """Yield the page: what stands before the messages, these in batches, and what stands after them."""
        yield before
        conversation: Conversation = self.context["conversation"]
        allowance, outdated, made = rendering.Allowance(), [], []
        for batch in in_batches(conversation.stored_thread, _AT_A_TIME):
            outdated += Message.render_outdated(batch, allowance)
            with timezone.override(self.zone):
                made.append(render_messages(self.context, batch, {}))
            yield focused(made[-1], focus)
        yield after
        self.keep(replace(self.around, messages=b"".join(made)))
        try:
            Message.store_html(outdated)
        except Error as error:
            _logger.warning("The HTML of %d messages could not be stored: %s", len(outdated), type(error).__name__)
