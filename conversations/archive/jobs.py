"""From a job to the message that it answered."""

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from conversations.archive import credentials, evidence, threads
from conversations.archive.outcomes import CannotShow
from conversations.models import Access, Job, Message, Reader
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import NotVisible, OmniError, TokenRejected, Unreadable


@dataclass(frozen=True)
class Location:
    """A message, or its conversation (`position` None) where the answer is not there yet, or no longer."""

    conversation_id: UUID
    position: int | None = None

    @property
    def address(self) -> str:
        if self.position is None:
            return reverse("conversations:conversation", args=[self.conversation_id])
        return reverse("conversations:message", args=[self.conversation_id, self.position])


def locate_id(user: User, omni_id: UUID) -> Location:
    """Return the place of an id, a conversation's or else a job's. Raises `CannotShow`, the same if it is neither."""
    if _stored_answer(Reader.for_user(user), omni_id) is None:
        try:
            threads.open(user, omni_id)
        except CannotShow as error:
            if error.why != CannotShow.NOT_SHOWN:
                raise
        else:
            return Location(omni_id)
    return locate(user, omni_id)


def _stored_answer(reader: Reader, job_id: UUID) -> Message | None:
    """Return the stored answer of this job, in a conversation that the reader may read.

    Where several instances have a job of this id, the reader's first token decides, as it does for conversations.
    """
    for token in reader.tokens:
        accesses = Access.objects.messages_of(reader).filter(api_token=token)
        of_instance = Message.objects.filter(conversation__instance=token.instance, job_id=job_id)
        found = of_instance.shown_through(accesses).select_related("conversation").order_by("pk").first()
        if found:
            return found
    return None


def locate(user: User, job_id: UUID) -> Location:
    """Return the place of the answer that this job made, if Omni shows it to one of the reader's credentials.

    Raises `CannotShow`.
    """
    reader = threads.require_reader(user)
    stored = _stored_answer(reader, job_id)
    if stored:
        return Location(stored.conversation.omni_id, stored.position)
    failures: list[OmniError] = []
    for token in reader.tokens:
        try:
            conversation_id = _ask_for(token, job_id)
        except OmniError as error:
            failures.append(credentials.record(token, error))
        else:
            return _place(user, conversation_id, job_id)
    failure = next((error for error in failures if not isinstance(error, NotVisible | TokenRejected)), None)
    if failure:
        raise CannotShow.because(failure)
    if all(isinstance(error, TokenRejected) for error in failures):
        raise CannotShow(CannotShow.REJECTED)
    raise CannotShow(CannotShow.NOT_SHOWN)


def _ask_for(token: ApiToken, job_id: UUID) -> UUID:
    """Ask Omni which conversation the job belongs to, and return its id. Raises `OmniError`."""
    evidence.fetch_unplaced_job(token, job_id, Urgency.WAITING)
    job = Job.objects.filter(instance=token.instance, omni_id=job_id).first()
    if job is None or job.conversation_id is None:
        raise Unreadable("Omni knows this job, but does not say which conversation it belongs to.", outcome="shape")
    return job.conversation_id


def _place(user: User, conversation_id: UUID, job_id: UUID) -> Location:
    """Return the answer's place, opening its conversation anew: a job gives no right to it. Raises `CannotShow`."""
    opened = threads.open(user, conversation_id)
    answer = opened.conversation.shown_messages.filter(job_id=job_id).first()
    return Location(conversation_id, answer.position if answer else None)
