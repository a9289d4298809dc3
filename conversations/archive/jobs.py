"""From a job to the message that it answered."""

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import CannotShow
from conversations.archive.thread import open_conversation
from conversations.asking import Urgency
from conversations.models import Conversation, Job, Message
from conversations.omni import NotVisible, OmniError, TokenRejected, Unreadable
from omniviewer.accounts.models import Credential, User


@dataclass(frozen=True)
class Place:
    """A message of a conversation, or (`position` None) the conversation: its answer is not there yet, or no longer."""

    conversation_id: UUID
    position: int | None = None

    @property
    def address(self) -> str:
        if self.position is None:
            return reverse("conversations:conversation", args=[self.conversation_id])
        return reverse("conversations:message", args=[self.conversation_id, self.position])


def find(user: User, omni_id: UUID) -> Place:
    """What an id alone is of: a conversation, else a job. Raises `CannotShow`, the same where it is neither."""
    if not Message.objects.filter(job_id=omni_id, conversation__in=Conversation.objects.readable_by(user)).exists():
        try:
            open_conversation(user, omni_id)
        except CannotShow as error:
            if error.why != CannotShow.NOT_SHOWN:
                raise
        else:
            return Place(omni_id)
    return find_job(user, omni_id)


def find_job(user: User, job_id: UUID) -> Place:
    """Where the answer of this job stands, as far as Omni shows it to one of the reader's credentials.

    Raises `CannotShow`.
    """
    credentials = list(Credential.objects.of(user))
    if not credentials:
        raise CannotShow(CannotShow.NO_CREDENTIAL)
    readable = Conversation.objects.readable_by(user)
    kept = Message.objects.filter(job_id=job_id, conversation__in=readable).select_related("conversation").first()
    if kept:
        return Place(kept.conversation.omni_id, kept.position)
    failures: list[OmniError] = [TokenRejected() for credential in credentials if credential.rejected_at]
    for credential in credentials:
        if credential.rejected_at:
            continue
        try:
            conversation_id = _ask_for(credential, job_id)
        except OmniError as error:
            failures.append(connection.note(credential, error))
        else:
            return _place(user, conversation_id, job_id)
    failure = next((error for error in failures if not isinstance(error, NotVisible | TokenRejected)), None)
    if failure:
        raise CannotShow.because(failure)
    if all(isinstance(error, TokenRejected) for error in failures):
        raise CannotShow(CannotShow.REJECTED)
    raise CannotShow(CannotShow.NOT_SHOWN)


def _ask_for(credential: Credential, job_id: UUID) -> UUID:
    """The conversation that it belongs to, by Omni's word. Raises `OmniError`."""

    def work() -> None:
        reply = asking.ask(credential, "job", lambda omni: omni.job(job_id), Urgency.WAITING)
        Job.learn(credential.instance, reply)

    question = asking.digest_of(credential), credential.instance, "job", job_id
    asking.once(*question, since=timezone.now(), work=work)
    job = Job.objects.filter(instance=credential.instance, omni_id=job_id).first()
    if job is None or job.conversation_id is None:
        raise Unreadable("Omni knows this job, but does not say which conversation it belongs to.", outcome="shape")
    return job.conversation_id


def _place(user: User, conversation_id: UUID, job_id: UUID) -> Place:
    """A job that Omni shows is no word on its conversation: that is opened like any other. Raises `CannotShow`."""
    opened = open_conversation(user, conversation_id)
    answer = opened.conversation.messages.filter(job_id=job_id).first()
    return Place(conversation_id, answer.position if answer else None)
