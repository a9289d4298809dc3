"""Evidence of an answer: from the archive, or else from Omni."""

from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from conversations.archive import credentials, keeping, threads
from conversations.archive.evidence_status import Jobs, Standing
from conversations.archive.keeping import Inquiry
from conversations.archive.outcomes import CannotShow, Opened
from conversations.models import Action, Chart, Job, Message
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import User
from omniviewer.omni import NotVisible, OmniError


class NoMessage(Exception):
    """The conversation has no message at this position."""


@dataclass(frozen=True)
class Evidence:
    """Evidence of one answer. `failure` says why Omni could not be asked, where the standing is NOT_REACHED."""

    opened: Opened
    message: Message
    standing: Standing
    job: Job | None = None
    actions: list[Action] = field(default_factory=list)
    failure: OmniError | None = None
    # True if the evidence was stored by this call.
    is_new: bool = False

    @property
    def queries(self) -> list[Action]:
        return [action for action in self.actions if action.is_query]


def open(user: User, omni_id: UUID, position: int, *, with_rows: bool = False) -> Evidence:  # noqa: A001  (callers say `evidence.open`)
    """Return the evidence of the message at this position; `with_rows` loads the rows of all its queries at once.

    Raises `CannotShow` or `NoMessage`.
    """
    opened = threads.open(user, omni_id)
    message = opened.conversation.message_at(position)
    if message is None:
        raise NoMessage
    if message.job_id is None:
        return Evidence(opened, message, Standing.NO_JOB)
    jobs = _jobs(opened, message)
    job, standing = jobs.told(message.job_id), jobs.standing(message.job_id)
    failure, was_kept = None, standing is Standing.KEPT
    if not (jobs.is_foreign(message.job_id) or _is_final(job, standing)):
        failure = _ask(opened, message, jobs)
        if failure:
            opened = _with_rights_left(opened)
        jobs = _jobs(opened, message)
        job, standing = jobs.told(message.job_id), jobs.standing(message.job_id)
    if failure and standing is not Standing.KEPT:
        standing = Standing.NOT_REACHED
    elif standing is Standing.AT_OMNI:
        standing = Standing.NOT_SHOWN
    actions = list(job.actions.in_turn(with_rows=with_rows)) if job and standing is Standing.KEPT else []
    is_new = standing is Standing.KEPT and not was_kept
    return Evidence(opened, message, standing, job, actions, failure=failure, is_new=is_new)


def _with_rights_left(opened: Opened) -> Opened:
    """Return the conversation with the rights that are left: Omni may have rejected the token. Raises `CannotShow`."""
    left = threads.recheck(opened)
    if left is None:
        raise CannotShow(CannotShow.REJECTED)
    return left


def _jobs(opened: Opened, message: Message) -> Jobs:
    return Jobs(opened, {cast("UUID", message.job_id): message.created_at})


def _ask(opened: Opened, message: Message, jobs: Jobs) -> OmniError | None:
    """Ask Omni with each token through which the messages may be read, until one is shown the job.

    Returns why Omni could not be asked, if so.
    """
    job_id = cast("UUID", message.job_id)
    failure = None
    for access in opened.accesses:
        inquiry = Inquiry(access.api_token, opened.conversation, job_id, message.created_at)
        routes = jobs.routes_to_ask(job_id, access.api_token_id)
        try:
            if "result" in routes:
                keeping.fetch_result(inquiry, Urgency.WAITING)
            if "job" in routes:
                keeping.fetch_job(inquiry, Urgency.WAITING)
        except NotVisible:
            continue  # Omni's one word for several things: which one, the clock tells
        except OmniError as error:
            failure = credentials.record(access.api_token, error)
            continue
        return None
    return failure


def _is_final(job: Job | None, standing: Standing) -> bool:
    """Return whether asking Omni again cannot change the outcome."""
    if standing in (Standing.KEPT, Standing.DROPPED, Standing.FAILED, Standing.CANCELLED):
        return True
    return standing is Standing.EXPIRED and bool(job and job.no_result_at)


def must_ask_for_chart(found: Evidence) -> bool:
    """Return whether Omni has yet to be asked for a chart."""
    return found.standing is Standing.KEPT and found.job is not None and found.job.has_chart is None


def open_chart(found: Evidence) -> bytes | None:
    """Return Omni's chart of the answer; None if Omni has none. Raises `OmniError`."""
    job = found.job
    if job is None or found.standing is not Standing.KEPT:
        return None
    kept = Chart.objects.filter(job=job).first()
    if kept is None:
        try:
            keeping.fetch_chart(found.opened.token, job, Urgency.WAITING)
        except OmniError as error:
            raise credentials.record(found.opened.token, error) from None
        kept = Chart.objects.filter(job=job).first()
    return bytes(kept.png) if kept and kept.png else None
