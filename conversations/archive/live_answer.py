"""An answer that is still being written: how far Omni is with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.utils import timezone

from conversations.archive import credentials, evidence, threads
from conversations.archive.evidence import Inquiry
from conversations.archive.evidence_status import Jobs
from conversations.archive.outcomes import Fetch, Opened
from conversations.models import LONGEST_JOB, EvidenceRight, Job, Message
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import User
from omniviewer.omni import NotVisible, OmniError, TokenRejected

# A typical answer takes up to a minute. After this long nobody is waiting for it any more.
_RECENT = timedelta(minutes=15)


@dataclass(frozen=True)
class Running:
    """An answer being written. `progress` is Omni's sentence or ""; not certain until its job has been asked for.

    `asked_at`: when its question was asked. `checked_at`: when Omni last told of its job, None without one.
    """

    progress: str = ""
    is_certain: bool = True
    asked_at: datetime | None = None
    checked_at: datetime | None = None


def stored(opened: Opened) -> Running | None:
    """Return what is stored of an answer that is still being written, without asking Omni; None if there is none."""
    last = opened.conversation.last_message
    if last is None or not _is_within(last, LONGEST_JOB):
        return None
    if last.job_id is None:
        return Running(asked_at=last.created_at) if last.is_question and _is_within(last, _RECENT) else None
    job = _job(opened, last)
    if job is None:
        right = opened.evidence_rights([last.job_id]).right_to(last.job_id, last.created_at)
        is_new = _is_within(last, _RECENT) and right is not EvidenceRight.REFUSED
        asked_at = opened.conversation.last_asked_at if is_new else None
        return Running(is_certain=not last.has_text, asked_at=asked_at) if is_new else None
    if not job.is_running:
        return None
    return Running(job.progress, asked_at=opened.conversation.last_asked_at, checked_at=job.asked_at)


def renew(user: User, omni_id: UUID) -> Opened:
    """Return the thread, fetched again if stale; while its last answer is being written, with its job's progress.

    Raises `CannotShow`.
    """
    opened = threads.open(user, omni_id)
    conversation = opened.conversation
    last = conversation.last_message
    if opened.was_asked or opened.notice:
        return opened
    if last is None or stored(opened) is None:
        return threads.open(user, omni_id, when=Fetch.IF_STALE)
    if last.job_id and _is_still_running(opened, last):
        # Its job is asked each time; the thread, whose time the page shows, as often as any other.
        return threads.open(user, omni_id, when=Fetch.IF_STALE, urgency=Urgency.BACKGROUND)
    if not last.job_id and conversation.age is not None and conversation.age < Job.POLL_EVERY * 0.8:
        return opened
    return threads.open(user, omni_id, when=Fetch.ALWAYS, urgency=Urgency.BACKGROUND)


def _is_still_running(opened: Opened, last: Message) -> bool:
    """Return whether the last answer's job is still running, from a very recent reply or from a new one."""
    job = _job(opened, last)
    if job and (job.was_asked_just_now or not job.is_running):
        return job.is_running
    inquiry = Inquiry(opened.token, opened.conversation, cast("UUID", last.job_id), last.created_at)
    try:
        evidence.fetch_job(inquiry, Urgency.BACKGROUND)
    except NotVisible:
        return False
    except OmniError as error:
        # A rejected token shows nothing any more: the thread is opened again, through the remaining tokens.
        return not isinstance(credentials.record(opened.token, error), TokenRejected)
    job = _job(opened, last)
    return job is not None and job.is_running


def _job(opened: Opened, last: Message) -> Job | None:
    job_id = cast("UUID", last.job_id)
    return Jobs(opened, {job_id: last.created_at}).told(job_id)


def _is_within(message: Message, span: timedelta) -> bool:
    return message.created_at is not None and abs(timezone.now() - message.created_at) < span
