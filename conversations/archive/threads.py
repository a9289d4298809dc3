"""One conversation: stored, or asked for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from conversations import upstream
from conversations.archive import credentials, holds
from conversations.archive.outcomes import CannotShow, Fetch, Notice, Opened
from conversations.models import (
    MANY_TO_RENDER,
    Access,
    Conversation,
    Job,
    JobAccess,
    Message,
    Reader,
    ReaderSlots,
    Star,
    TicketReference,
    Visit,
    owner_told,
    sees_evidence,
    settle_evidence,
)
from conversations.models.keys import Ids
from conversations.search import documents
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.omni import CannotAsk, NotVisible, OmniError, TokenRejected, replies
from omniviewer.operations import metrics
from omniviewer.prepared import Prepared, slot

# Earlier than any time that Omni may tell.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _messages_of(reader: ReaderSlots) -> QuerySet[Access]:
    """Return the accesses to a conversation's messages, with what this reader and others have added to it."""
    of_it = Access.objects.messages_of(reader).filter(conversation__omni_id=slot("omni_id"))
    added = {"conversation": OuterRef("conversation")}
    return of_it.select_related("conversation").knowing_marks(
        Visit.objects.filter(**added, user=slot("user")).values("seen"),
        Star.objects.filter(**added, user=slot("user")),
        TicketReference.objects.filter(**added),
    )


def _held_access(_shape: object) -> QuerySet[Access]:
    """Return the access of a token that is held and accepted, locked, and whether any of these jobs is stored."""
    is_held = Exists(Credential.objects.filter(api_token=slot("token")))
    same = Access.objects.filter(is_held, api_token=slot("token"), api_token__rejected_at=None)
    same = same.filter(conversation__omni_id=slot("omni_id")).select_related("api_token", "conversation")
    # PostgreSQL locks them in this order.
    locked = same.select_for_update(of=("api_token", "conversation", "self"))
    return locked.knowing_jobs(Job.objects.filter(instance=slot("instance"), omni_id__in=Ids(slot("jobs"))))


_MESSAGES, _HELD_ACCESS = Prepared(_messages_of), Prepared(_held_access)


def open(  # noqa: A001  (callers say `threads.open`)
    user: User,
    omni_id: UUID,
    *,
    when: Fetch = Fetch.IF_MISSING,
    urgency: Urgency = Urgency.REFRESHING,
    instance: str = "",
) -> Opened:
    """Return the stored thread as one of the reader's tokens was shown it, or what Omni returns. Raises `CannotShow`.

    A token that the thread route has not answered yet asks Omni first. Then a stored thread costs Omni nothing while
    its access is within `OMNIVIEWER_ACCESS_TTL`, but for what `when` says. `urgency` is that of having it newer;
    a person who would have nothing to read is most urgent. `instance`: the one that it is of, where the caller knows.
    """
    looked_at = timezone.now()
    reader = require_reader(user).on(instance)
    stored = _readable(reader, omni_id)
    if stored and (when is Fetch.IF_MISSING or (when is Fetch.IF_STALE and stored[0].is_fresh)):
        metrics.page_from("fresh" if stored[0].is_fresh else "stale")
        return _opened(reader, stored)
    asks = urgency if stored or urgency.is_nobodys else Urgency.WAITING
    failures: dict[ApiToken, OmniError] = {}
    for token in _in_turn(reader, stored):
        try:
            fetch(token, omni_id, looked_at, when, asks)
        except NotVisible as error:
            failures[token] = error
        except OmniError as error:
            failures[token] = credentials.record(token, error)
        else:
            metrics.page_from("asked")
            fetched = _readable(reader, omni_id)
            # The token that was asked comes first, even if another instance has a conversation with the same id.
            fetched.sort(key=lambda access: access.api_token_id != token.pk)
            if fetched and fetched[0].api_token_id == token.pk:
                return _opened(reader, fetched, was_asked=True)
            failures[token] = CannotAsk("The token was replaced during the request. Try again.", retry_after=1)
    return _stored_or_nothing(reader, omni_id, failures)


def recheck(opened: Opened) -> Opened | None:
    """Return the thread with the rights that its reader has by now, without asking Omni; None where they ended.

    For work that lasts, such as a file that is made while it is sent.
    """
    tokens = {token.pk: token for token in opened.reader.tokens}
    reader = Reader.for_user(opened.reader.user).stretched(tokens[key] for key in opened.reader.unasked)
    accesses = _readable(reader, opened.conversation.omni_id)
    same = [access for access in accesses if access.conversation_id == opened.conversation.pk]
    return replace(opened, reader=reader, accesses=same) if same else None


def require_reader(user: User) -> Reader:
    """Return the reader with all their accepted tokens. Raises `CannotShow` where there is none."""
    reader = Reader.for_user(user)
    if not reader.tokens:
        has_one = Credential.objects.owned_by(user).exists()
        raise CannotShow(CannotShow.REJECTED if has_one else CannotShow.NO_CREDENTIAL)
    return reader


def _readable(reader: Reader, omni_id: UUID) -> list[Access]:
    """Return the accesses through which the reader may read the messages, on one instance, in the reader's order."""
    order = reader.token_keys
    found = _MESSAGES.rows(reader.slots, omni_id=omni_id, user=reader.user, **reader.slot_values)
    rows = sorted(found, key=lambda access: order.index(access.api_token_id))
    tokens = {token.pk: token for token in reader.tokens}
    for row in rows:
        row.api_token = tokens[row.api_token_id]
    return [row for row in rows if row.conversation_id == rows[0].conversation_id]


def _in_turn(reader: Reader, stored: list[Access]) -> list[ApiToken]:
    """Return the tokens to ask: those that were shown it first, then the others in the reader's order."""
    known = {access.api_token_id for access in stored}
    return sorted(reader.tokens, key=lambda token: token.pk not in known)


def _opened(reader: Reader, accesses: list[Access], *, notice: Notice | None = None, was_asked: bool = False) -> Opened:
    shown = accesses[0].conversation.shown_through(accesses[0])
    return Opened(shown, reader, accesses, notice, was_asked)


def fetch(token: ApiToken, omni_id: UUID, looked_at: datetime, when: Fetch, urgency: Urgency) -> None:
    """Ask the thread route with this token and store its answer, unless the same was just asked. Raises `OmniError`.

    A refusal ends the token's right to the messages.
    """
    if when is not Fetch.ALWAYS:
        shown = Access.objects.messages_of(Reader.through(token)).filter(conversation__omni_id=omni_id).first()
        if shown and shown.is_fresh:
            return

    same = Access.objects.filter(api_token=token, conversation__omni_id=omni_id)
    _ask(token, omni_id, looked_at, _last_activity(same), urgency)


def read_ahead(access: Access, looked_at: datetime) -> None:
    """Ask the thread route with the access's token, for the background, and store its answer. Raises `OmniError`.

    `looked_at`: when the access was found to be behind.
    """
    _ask(access.api_token, access.conversation.omni_id, looked_at, access.updated_at, Urgency.AHEAD)


def _ask(token: ApiToken, omni_id: UUID, looked_at: datetime, known: datetime | None, urgency: Urgency) -> None:
    def refuse(refusal: NotVisible) -> None:
        Access.objects.filter(api_token=token, conversation__omni_id=omni_id).refuse()
        raise refusal

    upstream.fetch(
        token,
        "conversation",
        omni_id,
        call=lambda omni: omni.conversation(omni_id),
        urgency=urgency,
        store=lambda reply, asked_at: store(token, reply, asked_at, known, render=urgency is not Urgency.AHEAD),
        refused=refuse,
        since=looked_at,
    )


def _last_activity(same: QuerySet[Access]) -> datetime | None:
    """Return the time of the last activity, as this token was told it.

    Always run the aggregate: query time must not reveal whether there is a row.
    """
    at: datetime = same.aggregate(at=Coalesce(Max("updated_at"), Value(_NEVER)))["at"]
    return at if at > _NEVER else None


def _stored_or_nothing(reader: Reader, omni_id: UUID, failures: dict[ApiToken, OmniError]) -> Opened:
    """Return the stored thread if it may still be read, with a notice why it is not fresh. Raises `CannotShow`."""
    errors = list(failures.values())
    failure = next((error for error in errors if not isinstance(error, NotVisible | TokenRejected)), None)
    if failure is None:
        is_rejected = all(isinstance(error, TokenRejected) for error in errors)
        raise CannotShow(CannotShow.REJECTED if is_rejected else CannotShow.NOT_SHOWN)
    unasked = [token for token, error in failures.items() if isinstance(error, CannotAsk)]
    # Without the tokens that were rejected just now.
    stretched = reader.renewed().stretched(unasked)
    stored = _readable(stretched, omni_id)
    if not stored:
        raise CannotShow.because(failure)
    metrics.page_from("stretched")
    return _opened(stretched, stored, notice=Notice.about(failure, stored[0].fetched_at))


def store(
    token: ApiToken,
    reply: replies.Conversation,
    asked_at: datetime,
    known_activity: datetime | None = None,
    *,
    render: bool = True,
) -> None:
    """Store a thread as Omni showed it to `token` when asked then: all of it or, if interrupted, nothing.

    `known_activity`: the last one, as the list had told this token by then. `render=False`, and where there are many:
    its messages are rendered when somebody reads them. Raises `CannotAsk` if the token was given up or rejected
    meanwhile.
    """
    # Render before the transaction, so that no other writer waits for Markdown.
    rendered = _rendered(token, reply) if render and len(reply.messages) < MANY_TO_RENDER else None
    with transaction.atomic():
        access = _locked(token, reply)
        if access.was_answered_later(asked_at):
            return
        conversation, kept = access.conversation, access.conversation.messages_by_position()
        fresh = rendered or Message.rendered_from(reply, kept, token.instance, now=False)
        # The background has asked about these jobs, or will: the token was shown them before.
        known_jobs = {row.job_id for row in kept.values()} if _was_shown(access, conversation.revision) else set()
        # A reply without a list of messages says nothing about those that the token was shown before.
        revision = _revision(access, kept, fresh) if reply.has_messages else access.revision
        conversation.learn(reply)
        # A thread may name its owner by another id than lists do.
        holds.follow_people(token.instance, [{conversation.owner_id, owner_told(reply)} - {""}])
        conversation.fetched_at = max(asked_at, conversation.fetched_at or asked_at)
        conversation.save(force_update=True)
        if reply.has_messages:
            access.is_answered = bool(fresh) and fresh[-1].is_answer and fresh[-1].has_text
        answers = {row.job_id: row.created_at for row in fresh if row.job_id}
        # These are all the answers, unless the token was shown an earlier revision.
        is_settled = reply.has_messages and revision == conversation.revision
        if is_settled:
            access.has_evidence = not access.knows_jobs or sees_evidence(access.api_token, answers)
        is_known = _was_shown(access, revision)
        access.shown(reply, asked_at, known_activity, revision)
        if not is_known:
            JobAccess.objects.ask_about(access, {key: at for key, at in answers.items() if key not in known_jobs})
        if not is_settled:
            settle_evidence([conversation.pk], token)


def _was_shown(access: Access, revision: int) -> bool:
    """Return whether the thread route has shown the token this revision of the messages, and none since."""
    return access.opened_at is not None and access.revision == revision


def _rendered(token: ApiToken, reply: replies.Conversation) -> list[Message]:
    known = Conversation.objects.filter(instance=token.instance, omni_id=reply.id).first()
    return Message.rendered_from(reply, known.messages_by_position() if known else {}, token.instance, now=True)


def _locked(token: ApiToken, reply: replies.Conversation) -> Access:
    """Return the token's access to the reply's conversation, created if there is none, locked. Raises `CannotAsk`.

    Lock the token before conversations, as all that stores does: in another order, two deadlock on PostgreSQL.
    """
    ids = {message.job_id for message in reply.messages if message.job_id}
    found = _HELD_ACCESS.first(token=token.pk, omni_id=reply.id, instance=token.instance, jobs=list(ids))
    if found:
        return found
    if not credentials.is_accepted(token):
        raise CannotAsk("The token was replaced during the request. Try again.", outcome="replaced", retry_after=1)
    conversation, _ = Conversation.objects.select_for_update().get_or_create(instance=token.instance, omni_id=reply.id)
    access, _ = Access.objects.get_or_create(api_token=token, conversation=conversation)
    access.api_token, access.conversation, access.knows_jobs = token, conversation, True
    return access


def _revision(access: Access, kept: Mapping[int, Message], fresh: list[Message]) -> int:
    """Return the revision that the token is shown now; make one if neither its own nor the latest fits."""
    conversation = access.conversation
    if access.revision and access.revision < conversation.revision:
        own = conversation.shown_through(access).thread
        if len(own) == len(fresh) and all(map(Message.is_told_as, own, fresh)):
            return access.revision
    if Message.replace_all(conversation, kept, fresh, access):
        # Words that were removed from the thread must no longer find it.
        documents.forget([conversation])
        conversation.indexed_as = None
    return conversation.revision
