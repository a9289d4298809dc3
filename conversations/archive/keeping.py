"""Asking for what a job did and keeping it: for a reader who looks, and ahead of Omni's forgetting it."""

from uuid import UUID

from django.utils import timezone

from conversations import asking
from conversations.asking import Urgency
from conversations.models import Action, Chart, Conversation, Job
from conversations.omni import NotVisible
from omniviewer.accounts.models import Credential


def keep_result(credential: Credential, conversation: Conversation, job_id: UUID, urgency: Urgency) -> None:
    """Keep what the job did, or else what became of it. Raises `OmniError`; `NotVisible` where Omni shows neither."""
    instance = conversation.instance

    def work() -> None:
        try:
            result = asking.ask(credential, "result", lambda omni: omni.job_result(job_id), urgency)
        except NotVisible:
            try:
                reply = asking.ask(credential, "job", lambda omni: omni.job(job_id), urgency)
            except NotVisible:
                Job.not_told(instance, job_id, asking.digest_of(credential))
                raise
            Job.learn(instance, reply).has_no_result()
        else:
            Action.keep(Job.of(instance, job_id, conversation.omni_id), result)

    question = asking.digest_of(credential), credential.instance, "result", job_id
    asking.once(*question, since=timezone.now(), work=work)


def keep_chart(credential: Credential, job: Job, urgency: Urgency) -> None:
    """Keep Omni's picture of a job, or that there is none. Raises `OmniError`."""

    def work() -> None:
        try:
            png = asking.ask(credential, "chart", lambda omni: omni.chart(job.omni_id), urgency)
        except NotVisible:
            png = None
        Chart.keep(job, png)

    question = asking.digest_of(credential), credential.instance, "chart", job.omni_id
    asking.once(*question, since=timezone.now(), work=work)


def kept_job(conversation: Conversation, job_id: UUID) -> Job | None:
    """What is known of it; None too where it belongs to another conversation, to which this one is no key."""
    job = Job.objects.filter(instance=conversation.instance, omni_id=job_id).first()
    return job if job is None or job.conversation_id in (None, conversation.omni_id) else None
