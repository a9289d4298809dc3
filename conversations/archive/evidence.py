"""Evidence of an answer: from the archive, or else from Omni; and fetching it before Omni drops it.

Every token has to ask Omni itself whether it may see a job. Evidence is stored once; after that, another token costs
only a small request to the job route.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from conversations import upstream
from conversations.archive import credentials, evidence_status, threads
from conversations.archive.evidence_status import EvidenceSummary, Jobs, words_of
from conversations.archive.outcomes import CannotShow, Opened
from conversations.models import (
    Action,
    AnswerStatus,
    Chart,
    Conversation,
    EvidenceRight,
    Job,
    JobAccess,
    Message,
    Outcome,
    is_over,
)
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import NotVisible, OmniError, replies, results


class NoMessage(Exception):
    """The conversation has no message at this position."""


@dataclass(frozen=True)
class Evidence:
    """Evidence of one answer. `failure` says why Omni could not be asked, where the status is NOT_REACHED."""

    opened: Opened
    message: Message
    status: AnswerStatus
    job: Job | None = None
    actions: list[Action] = field(default_factory=list)
    failure: OmniError | None = None
    # True if the evidence was stored by this call.
    is_new: bool = False
    # The job of the message with the reader's rights to it, read last; None if it names none.
    jobs: Jobs | None = None

    @property
    def summary(self) -> EvidenceSummary | None:
        """Return the summary that stands under the answer in a thread; None for a message without a job."""
        if self.jobs is None:
            return None
        return evidence_status.by_position(self.opened, jobs=self.jobs)[self.message.position]

    @property
    def said(self) -> str:
        """Return Omni's own words for the status; "" if there are none."""
        return words_of(self.job, self.status)

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
        return Evidence(opened, message, AnswerStatus.NO_JOB)
    jobs, actions = _stored(opened, message, message.job_id, with_rows=with_rows)
    job, status = jobs.told(message.job_id), jobs.status(message.job_id)
    failure, was_kept = None, status is AnswerStatus.CAPTURED
    if not (jobs.is_foreign(message.job_id) or _is_final(job, status)):
        failure = _ask(opened, message, jobs)
        if failure:
            opened = _with_rights_left(opened)
        jobs, actions = _jobs(opened, message), []
        job, status = jobs.told(message.job_id), jobs.status(message.job_id)
    if failure and status is not AnswerStatus.CAPTURED:
        status = AnswerStatus.UNREACHED
    elif status is AnswerStatus.DUE:
        status = AnswerStatus.HIDDEN
    if job is None or status is not AnswerStatus.CAPTURED:
        actions = []
    elif not actions:
        actions = list(job.actions.in_turn(with_rows=with_rows))
    is_new = status is AnswerStatus.CAPTURED and not was_kept
    return Evidence(opened, message, status, job, actions, failure=failure, is_new=is_new, jobs=jobs)


def _with_rights_left(opened: Opened) -> Opened:
    """Return the conversation with the rights that are left: Omni may have rejected the token. Raises `CannotShow`."""
    left = threads.recheck(opened)
    if left is None:
        raise CannotShow(CannotShow.REJECTED)
    return left


def _stored(opened: Opened, message: Message, job_id: UUID, *, with_rows: bool) -> tuple[Jobs, list[Action]]:
    """Return the message's job, and its actions if a right to them is found at once: in one statement then.

    Without a right, reading them could be told from the time that it takes.
    """
    rights = opened.evidence_rights([job_id])
    actions: list[Action] = []
    if rights.right_to(job_id, message.created_at) is EvidenceRight.SHOWN:
        own = Action.objects.filter(job__instance=opened.conversation.instance, job__omni_id=job_id)
        actions = list(own.in_turn(with_rows=with_rows).select_related("job"))
    rows = [actions[0].job] if actions else None
    return Jobs.for_messages(opened, [message], rights, rows), actions


def _jobs(opened: Opened, message: Message) -> Jobs:
    return Jobs.for_messages(opened, [message])


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
                fetch_result(inquiry, Urgency.WAITING)
            if "job" in routes:
                fetch_job(inquiry, Urgency.WAITING)
        except NotVisible:
            continue  # Omni's one word for several things: which one, the clock tells
        except OmniError as error:
            failure = credentials.record(access.api_token, error)
            continue
        return None
    return failure


def _is_final(job: Job | None, status: AnswerStatus) -> bool:
    """Return whether asking Omni again cannot change the outcome."""
    if status.is_final:
        return True
    return status is AnswerStatus.EXPIRED and bool(job and job.no_result_at)


def must_ask_for_chart(found: Evidence) -> bool:
    """Return whether Omni has yet to be asked for a chart."""
    return found.status is AnswerStatus.CAPTURED and found.job is not None and found.job.has_chart is None


def has_chart(found: Evidence) -> bool:
    """Return whether Omni has a chart of the answer, asking Omni where that is not known. Raises `OmniError`."""
    if must_ask_for_chart(found):
        return open_chart(found) is not None
    return found.status is AnswerStatus.CAPTURED and found.job is not None and bool(found.job.has_chart)


def open_chart(found: Evidence) -> bytes | None:
    """Return Omni's chart of the answer; None if Omni has none. Raises `OmniError`."""
    job = found.job
    if job is None or found.status is not AnswerStatus.CAPTURED:
        return None
    kept = Chart.objects.filter(job=job).first()
    if kept is None:
        try:
            fetch_chart(found.opened.token, job, Urgency.WAITING)
        except OmniError as error:
            raise credentials.record(found.opened.token, error) from None
        kept = Chart.objects.filter(job=job).first()
    return bytes(kept.png) if kept and kept.png else None


@dataclass(frozen=True)
class Inquiry:
    """A job that is asked about, the token that asks, and the conversation whose answer it made at `written_at`."""

    token: ApiToken
    conversation: Conversation
    job_id: UUID
    written_at: datetime | None

    def shown(self, route: str) -> None:
        JobAccess.objects.show(self.token, self.conversation, self.job_id, route)

    def refused(self, route: str, refusal: NotVisible) -> None:
        """Store a refusal, except for the `404` of a job that Omni has dropped: that says nothing about rights."""
        job = Job.objects.filter(instance=self.token.instance, omni_id=self.job_id).first()
        done_at = (job.finished_at if job else None) or self.written_at
        if refusal.outcome != "404" or not is_over(done_at):
            JobAccess.objects.refuse(self.token, self.conversation, self.job_id, route)
        elif job is None or job.kept_at is None:
            (job or Job.ensure(self.token.instance, self.job_id, self.conversation.omni_id)).has_no_result()


def fetch_job(inquiry: Inquiry, urgency: Urgency) -> None:
    """Ask the job route, and store what it says of the job and of the token's right to it.

    Raises `OmniError`; `NotVisible` where Omni refuses.
    """
    _fetch_job(inquiry.token, inquiry.job_id, inquiry, urgency)


def fetch_unplaced_job(token: ApiToken, job_id: UUID, urgency: Urgency) -> None:
    """Ask the job route about a job whose conversation is yet to be learnt; else do as `fetch_job`."""
    row = JobAccess.objects.filter(api_token=token, job_id=job_id).select_related("conversation").first()
    _fetch_job(token, job_id, Inquiry(token, row.conversation, job_id, row.at) if row else None, urgency)


def _fetch_job(token: ApiToken, job_id: UUID, known: Inquiry | None, urgency: Urgency) -> None:
    def store(reply: replies.Job, _: datetime) -> None:
        Job.learn(token.instance, reply)
        conversation = known.conversation if known else None
        if conversation is None and reply.conversation_id:
            same = Conversation.objects.filter(instance=token.instance, omni_id=reply.conversation_id)
            conversation = same.first()
        if conversation:
            JobAccess.objects.show(token, conversation, job_id, "job")

    def refuse(refusal: NotVisible) -> None:
        # A token to which the job was unknown has no right that would end. To store anything then would take time, and
        # reveal that somebody else knows the job.
        if known:
            known.refused("job", refusal)
        raise refusal

    upstream.fetch(
        token, "job", job_id, call=lambda omni: omni.job(job_id), urgency=urgency, store=store, refused=refuse
    )


def fetch_result(inquiry: Inquiry, urgency: Urgency) -> None:
    """Store the job's result, or else why there is none. Raises `OmniError`; `NotVisible` if Omni shows neither."""

    def store(reply: results.Result, _: datetime) -> None:
        Action.keep(Job.ensure(inquiry.token.instance, inquiry.job_id, inquiry.conversation.omni_id), reply)
        inquiry.shown("result")

    upstream.fetch(
        inquiry.token,
        "result",
        inquiry.job_id,
        call=lambda omni: omni.job_result(inquiry.job_id),
        urgency=urgency,
        store=store,
        refused=lambda refusal: _learn_why_not(inquiry, refusal, urgency),
    )


def _learn_why_not(inquiry: Inquiry, refusal: NotVisible, urgency: Urgency) -> None:
    """Learn from the job route why there is no result. Raises `OmniError`."""
    try:
        fetch_job(inquiry, urgency)
    except NotVisible:
        # Both routes refuse: a later answer of the job route alone must not open the result.
        if not Job.objects.running().filter(instance=inquiry.token.instance, omni_id=inquiry.job_id).exists():
            inquiry.refused("result", refusal)
        raise
    except OmniError:
        # A 404 may be that of a job that is still running: without the job route, only another status is a refusal.
        if refusal.outcome != "404":
            inquiry.refused("result", refusal)
        raise
    job = Job.objects.get(instance=inquiry.token.instance, omni_id=inquiry.job_id)
    if job.outcome is Outcome.ANSWERED:
        # Omni has a result of every complete job: this one is refused, or there is none for anybody.
        inquiry.refused("result", refusal)
    if job.kept_at is None:
        job.has_no_result()


def fetch_missing(inquiry: Inquiry, urgency: Urgency) -> None:
    """Store whatever is missing of a job's result and chart. Raises `OmniError`.

    If everything is stored, ask the job route whether the token may see it.
    """
    job = stored_job(inquiry.conversation, inquiry.job_id)
    if job is None or not job.kept_at:
        fetch_result(inquiry, urgency)
        job = stored_job(inquiry.conversation, inquiry.job_id)
    elif not JobAccess.objects.filter(api_token=inquiry.token, job_id=inquiry.job_id, shown_at__isnull=False).exists():
        fetch_job(inquiry, urgency)
    if job and job.kept_at and job.has_chart is None:
        fetch_chart(inquiry.token, job, urgency)


def fetch_chart(token: ApiToken, job: Job, urgency: Urgency) -> None:
    """Store Omni's chart of a job, or that there is none. Raises `OmniError`."""
    upstream.fetch(
        token,
        "chart",
        job.omni_id,
        call=lambda omni: omni.chart(job.omni_id),
        urgency=urgency,
        store=lambda png, _: Chart.keep(job, png),
        refused=lambda _: Chart.keep(job, None),
    )


def stored_job(conversation: Conversation, job_id: UUID) -> Job | None:
    """Return the stored job; None if it is unknown, or belongs to another conversation, which alone opens it."""
    return Job.objects.of_conversation(conversation.instance, conversation.omni_id).filter(omni_id=job_id).first()
