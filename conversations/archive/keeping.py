"""Fetching evidence from Omni and storing it: for a reader who looks at it, and before Omni drops it.

Every token has to ask Omni itself whether it may see a job. Evidence is stored once; after that, another token costs
only a small request to the job route.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from conversations import upstream
from conversations.models import Action, Chart, Conversation, Job, JobAccess, is_over
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import NotVisible, OmniError, replies, results


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
    if job.state == Job.State.COMPLETE:
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
