"""What the AI did for an answer: kept, or asked for."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import cast
from uuid import UUID

from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import Opened
from conversations.archive.thread import open_conversation
from conversations.asking import Urgency
from conversations.models import Action, Chart, Job, Message
from conversations.omni import NotVisible, OmniError
from omniviewer.accounts.models import User

# Omni keeps a result for 14 days from when the job was complete.
OMNI_KEEPS = timedelta(days=14)


class Standing(Enum):
    """Where the evidence of an answer stands: told apart here, since Omni has one `404` for all."""

    KEPT = "kept"
    NO_JOB = "no-job"
    RUNNING = "running"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NOTHING = "nothing"
    NOT_SHOWN = "not-shown"
    NOT_REACHED = "not-reached"


# What Omni will say again however often it is asked.
_FINAL = (Standing.FAILED, Standing.CANCELLED, Standing.EXPIRED)


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
    message = opened.conversation.messages.filter(position=position).first()
    if message is None:
        raise NoMessage
    message.conversation = opened.conversation
    if message.job_id is None:
        return Evidence(opened, message, Standing.NO_JOB)
    job = _job(opened, message)
    if job and job.conversation_id not in (None, omni_id):
        # It is of another conversation, to which this one is no key.
        return Evidence(opened, message, Standing.NOT_SHOWN)
    failure, was_kept = None, bool(job and job.kept_at)
    if job is None or not (job.kept_at or _standing(job) in _FINAL):
        try:
            _ask_for(opened, message)
        except NotVisible:
            return Evidence(opened, message, Standing.NOT_SHOWN, job)
        except OmniError as error:
            failure = connection.note(opened.credential, error)
        job = _job(opened, message)
    if job and job.kept_at:
        return Evidence(
            opened, message, Standing.KEPT, job, list(job.actions.in_turn(with_rows=with_rows)), is_new=not was_kept
        )
    return Evidence(opened, message, Standing.NOT_REACHED if failure else _standing(job), job, failure=failure)


def chart(found: Evidence) -> bytes | None:
    """Omni's picture of it; None where it has none. Raises `OmniError`."""
    job = found.job
    if job is None or found.standing is not Standing.KEPT:
        return None
    kept = Chart.objects.filter(job=job).first()
    if kept is None:
        credential = found.opened.credential

        def work() -> None:
            try:
                png = asking.ask(credential, "chart", lambda omni: omni.chart(job.omni_id), Urgency.WAITING)
            except NotVisible:
                png = None
            Chart.objects.get_or_create(job=job, defaults={"png": png or b""})

        question = asking.digest_of(credential), credential.instance, "chart", job.omni_id
        try:
            asking.once(*question, since=timezone.now(), work=work)
        except OmniError as error:
            raise connection.note(credential, error) from None
        kept = Chart.objects.filter(job=job).first()
    return bytes(kept.png) if kept and kept.png else None


def _ask_for(opened: Opened, message: Message) -> None:
    """Keep the result of its job, or else what became of the job. Raises `OmniError`."""
    credential, job_id = opened.credential, cast("UUID", message.job_id)
    instance = opened.conversation.instance

    def work() -> None:
        try:
            result = asking.ask(credential, "result", lambda omni: omni.job_result(job_id), Urgency.WAITING)
        except NotVisible:
            reply = asking.ask(credential, "job", lambda omni: omni.job(job_id), Urgency.WAITING)
            Job.learn(instance, reply)
        else:
            Action.keep(Job.of(instance, job_id, opened.conversation.omni_id), result)

    question = asking.digest_of(credential), credential.instance, "result", job_id
    asking.once(*question, since=timezone.now(), work=work)


def _job(opened: Opened, message: Message) -> Job | None:
    job_id = cast("UUID", message.job_id)
    return Job.objects.filter(instance=opened.conversation.instance, omni_id=job_id).first()


def _standing(job: Job | None) -> Standing:
    """Of a job without a result."""
    if job is None:
        return Standing.NOT_SHOWN
    if job.is_running:
        return Standing.RUNNING
    if job.state in ("FAILED", "CANCELLED"):
        return Standing(job.state.lower())
    is_old = job.finished_at is not None and timezone.now() - job.finished_at >= OMNI_KEEPS
    return Standing.EXPIRED if is_old else Standing.NOTHING
