"""Times of questions and answers as numbers, which a database can count by the thousand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from conversations.models.conversation import Conversation
    from conversations.models.message import Message

_QUARTER_SECONDS = 900
# Since then, clocks in every time zone of the world are some quarters of an hour from UTC, and change at a quarter.
EVEN_ZONES_SINCE = datetime(2023, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = ("quarter", "answer_took", "answered_in")
INDEXES = [
    models.Index("created_at", "conversation", name="questions_by_time", condition=models.Q(role="user")),
    # All that the insights count of a question: its row, with all its text, is not read.
    models.Index(
        *("quarter", "conversation", "revision", "answered_in", "answer_took"),
        name="questions_counted",
        condition=models.Q(quarter__isnull=False),
    ),
    # Likewise, all that they need of an answer to look up its job.
    models.Index(
        *("conversation", "revision", "job_id", "created_at"),
        name="answers_by_job",
        condition=models.Q(job_id__isnull=False),
    ),
]


class TimedQuestion(models.Model):
    """A question's time, and that of its answer. All of it depends on these two messages alone."""

    # Start of the quarter of an hour in which it was asked, in seconds since 1970; before 2023 the second itself. All
    # questions with the same number were asked in the same hour, of the same day, in every time zone.
    quarter = models.BigIntegerField(null=True)
    # Microseconds until the answer that follows it, unless that has an earlier time; and the revision of that answer.
    answer_took = models.BigIntegerField(null=True)
    answered_in = models.PositiveIntegerField(null=True)

    class Meta:
        abstract = True


def quarter(moment: datetime) -> int:
    """Return the number that stands for this time in `TimedQuestion.quarter`."""
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds - seconds % _QUARTER_SECONDS if moment >= EVEN_ZONES_SINCE else seconds


def set_times(thread: Sequence["Message"]) -> "list[Message]":
    """Set the times of all questions of a thread, without saving; return the messages whose times have changed."""
    changed = []
    for message, following in zip(thread, [*thread[1:], None], strict=False):
        before = message.quarter, message.answer_took, message.answered_in
        message.quarter = message.answer_took = message.answered_in = None
        if message.is_question and message.created_at:
            message.quarter = quarter(message.created_at)
            if following and following.is_answer and following.created_at:
                took = following.created_at - message.created_at
                if took >= timedelta(0):
                    message.answer_took, message.answered_in = took // timedelta(microseconds=1), following.revision
        if (message.quarter, message.answer_took, message.answered_in) != before:
            changed.append(message)
    return changed


def retime(conversation: "Conversation", rows: "Mapping[int, Message]", length: int) -> "list[Message]":
    """Set the times of a thread of this length, whose `rows` are given by position, and how it ends, without saving.

    Return the messages that are stored with other times.
    """
    thread = [rows[position] for position in range(1, length + 1)]
    conversation.ends_with_question = thread[-1].is_question if thread else None
    return [message for message in set_times(thread) if message.pk]
