"""What the AI did for an answer: kept, or asked for."""

from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from conversations import connection
from conversations.archive.keeping import keep_chart, keep_result
from conversations.archive.outcomes import Opened
from conversations.archive.standings import Standing, standing_of, token_of
from conversations.archive.thread import open_conversation
from conversations.asking import Urgency
from conversations.models import Action, Chart, Job, Message
from conversations.omni import NotVisible, OmniError
from omniviewer.accounts.models import User


class NoMessage(Exception):
    """The conversation has no message at this position."""


@dataclass(frozen=True)
class Evidence:
    """`failure`: why Omni could not be asked, where the standing is NOT_REACHED."""

    opened: Opened
    message: Message
    standing: Standing
    job: Job | None = None
    actions: list[Action] = field(default_factory=list)
    failure: OmniError | None = None
    # Whether it was kept just now.
    is_new: bool = False

    @property
    def queries(self) -> list[Action]:
        return [action for action in self.actions if action.is_query]


def evidence(user: User, omni_id: UUID, position: int, *, with_rows: bool = False) -> Evidence:
    """Of the message at this position; `with_rows` where those of all queries are shown.

    Raises `CannotShow` or `NoMessage`.
    """
    opened = open_conversation(user, omni_id)
    message = _message(opened, position)
    if message.job_id is None:
        return Evidence(opened, message, Standing.NO_JOB)
    token = token_of(opened)
    job = _job(opened, message)
    if job and job.conversation_id not in (None, omni_id):
        # It is of another conversation, to which this one is no key.
        return Evidence(opened, message, Standing.NOT_SHOWN)
    failure, was_kept = None, bool(job and job.kept_at)
    if not (job and _is_final(job, standing_of(job, message.created_at, token))):
        try:
            keep_result(opened.credential, opened.conversation, message.job_id, Urgency.WAITING)
        except NotVisible:
            pass  # Omni's one word for several things: which one, the clock tells
        except OmniError as error:
            failure = connection.note(opened.credential, error)
        job = _job(opened, message)
    standing = standing_of(job, message.created_at, token)
    if failure and standing is not Standing.KEPT:
        standing = Standing.NOT_REACHED
    elif standing is Standing.AT_OMNI:
        standing = Standing.NOT_SHOWN
    actions = list(job.actions.in_turn(with_rows=with_rows)) if job and standing is Standing.KEPT else []
    is_new = standing is Standing.KEPT and not was_kept
    return Evidence(opened, message, standing, job, actions, failure=failure, is_new=is_new)


def _message(opened: Opened, position: int) -> Message:
    near = opened.conversation.messages.filter(position__in=[position - 1, position])
    found = {message.position: message for message in near}
    if position not in found:
        raise NoMessage
    message, before = found[position], found.get(position - 1)
    message.conversation = opened.conversation
    message.previous_at, message.previous_role = (before.created_at, before.role) if before else (None, None)
    return message


def _is_final(job: Job, standing: Standing) -> bool:
    """Whether Omni would say the same again, however often it is asked."""
    if standing in (Standing.KEPT, Standing.DROPPED, Standing.FAILED, Standing.CANCELLED):
        return True
    return standing is Standing.EXPIRED and bool(job.no_result_at)


def must_ask_for_chart(found: Evidence) -> bool:
    """Whether Omni has not said yet if it has a picture."""
    return found.standing is Standing.KEPT and found.job is not None and found.job.has_chart is None


def chart(found: Evidence) -> bytes | None:
    """Omni's picture of it; None where it has none. Raises `OmniError`."""
    job = found.job
    if job is None or found.standing is not Standing.KEPT:
        return None
    kept = Chart.objects.filter(job=job).first()
    if kept is None:
        try:
            keep_chart(found.opened.credential, job, Urgency.WAITING)
        except OmniError as error:
            raise connection.note(found.opened.credential, error) from None
        kept = Chart.objects.filter(job=job).first()
    return bytes(kept.png) if kept and kept.png else None


def _job(opened: Opened, message: Message) -> Job | None:
    job_id = cast("UUID", message.job_id)
    return Job.objects.filter(instance=opened.conversation.instance, omni_id=job_id).first()
