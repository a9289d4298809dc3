"""An answer that is still being written: how far Omni is with it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import Ask, Opened
from conversations.archive.thread import open_conversation
from conversations.asking import Urgency
from conversations.models import Conversation, Job, Message
from conversations.omni import NotVisible, OmniError
from omniviewer.accounts.models import Credential, User

# A typical answer takes up to a minute. After this long nobody is waiting for it any more.
_RECENT = timedelta(minutes=15)
_LONGEST_JOB = timedelta(hours=1)


@dataclass(frozen=True)
class Running:
    """`progress` is Omni's own sentence, or "" where it says none. Not certain: its job has not been asked for yet."""

    progress: str = ""
    is_certain: bool = True


def running(conversation: Conversation) -> Running | None:
    """What is known, without asking, of an answer that is still being written; None if none is."""
    last = conversation.last_message
    if last is None or not _is_within(last, _LONGEST_JOB):
        return None
    if last.job_id is None:
        return Running() if last.is_question and _is_within(last, _RECENT) else None
    job = _job(conversation, last)
    if job is None:
        return Running(is_certain=not last.text.strip()) if _is_within(last, _RECENT) else None
    return Running(job.progress) if job.is_running else None


def renew(user: User, omni_id: UUID) -> Opened:
    """The thread, asked for if it is stale; while its last answer is being written, how far Omni is with that.

    Raises `CannotShow`.
    """
    opened = open_conversation(user, omni_id)
    conversation = opened.conversation
    last = conversation.last_message
    if opened.was_asked or opened.notice:
        return opened
    if last is None or running(conversation) is None:
        return open_conversation(user, omni_id, ask=Ask.IF_STALE)
    if last.job_id and _ask_for_job(opened.credential, conversation, last).is_running:
        return opened
    if not last.job_id and conversation.age is not None and conversation.age < Job.POLL_EVERY * 0.8:
        return opened
    return open_conversation(user, omni_id, ask=Ask.ALWAYS, urgency=Urgency.BACKGROUND)


def _ask_for_job(credential: Credential, conversation: Conversation, last: Message) -> Job:
    job_id = cast("UUID", last.job_id)
    known = _job(conversation, last)
    if known and (known.was_asked_just_now or not known.is_running):
        return known

    def work() -> None:
        reply = asking.ask(credential, "job", lambda omni: omni.job(job_id), Urgency.BACKGROUND)
        Job.learn(conversation.instance, reply)

    try:
        question = asking.digest_of(credential), credential.instance, "job", job_id
        asking.once(*question, since=timezone.now(), work=work)
    except NotVisible:
        return Job.not_told(conversation.instance, job_id, asking.digest_of(credential))
    except OmniError as error:
        connection.note(credential, error)
        return known or Job(instance=conversation.instance, omni_id=job_id, state=Job.State.RUNNING[0])
    return _job(conversation, last) or Job(instance=conversation.instance, omni_id=job_id)


def _job(conversation: Conversation, message: Message) -> Job | None:
    return Job.objects.filter(instance=conversation.instance, omni_id=cast("UUID", message.job_id)).first()


def _is_within(message: Message, span: timedelta) -> bool:
    return message.created_at is not None and abs(timezone.now() - message.created_at) < span
