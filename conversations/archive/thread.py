"""One conversation: kept, or asked for."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import Ask, CannotShow, Notice, Opened
from conversations.asking import Urgency
from conversations.models import Access, Conversation, Message
from conversations.omni import CannotAsk, NotVisible, OmniError, TokenRejected, replies
from omniviewer import metrics
from omniviewer.accounts.models import Credential, User

# Before all that Omni could tell.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def open_conversation(
    user: User, omni_id: UUID, *, ask: Ask = Ask.IF_NEEDED, urgency: Urgency = Urgency.REFRESHING
) -> Opened:
    """The kept thread, or what Omni returns for it. Raises `CannotShow`.

    A kept thread costs Omni nothing while its access is within `OMNIVIEWER_ACCESS_TTL`, but for what `ask` says.
    `urgency` is that of having it newer; who would have nothing to read is most urgent.
    """
    looked_at = timezone.now()
    credentials, shown = _credentials(user, omni_id)
    several = len(credentials) > 1
    # Who was never shown it makes no question of it: the time that takes would tell whether it is kept.
    readable = Conversation.objects.readable_by(user) if shown else Conversation.objects.none()
    kept = _preferred(readable.with_thread().filter(omni_id=omni_id), credentials)
    if kept and (ask is Ask.IF_NEEDED or (ask is Ask.IF_STALE and kept.is_fresh)):
        metrics.page_from("fresh" if kept.is_fresh else "stale")
        return Opened(kept, _reading(kept, credentials, shown), is_one_of_several=several)
    failures: dict[Credential, OmniError] = {}
    for credential in credentials:
        try:
            conversation = _ask_for(credential, omni_id, ask, urgency if kept else Urgency.WAITING, looked_at)
        except NotVisible as error:
            Access.objects.filter(credential=credential, conversation__omni_id=omni_id).end()
            failures[credential] = error
        except OmniError as error:
            failures[credential] = connection.note(credential, error)
        else:
            metrics.page_from("asked")
            return Opened(conversation, credential, is_one_of_several=several, was_asked=True)
    return _kept_or_nothing(user, omni_id, failures)


def read(credential: Credential, omni_id: UUID) -> None:
    """Fetch a thread in the background. Raises `OmniError`."""
    _ask_for(credential, omni_id, Ask.ALWAYS, Urgency.AHEAD, timezone.now())


def _ask_for(credential: Credential, omni_id: UUID, ask: Ask, urgency: Urgency, looked_at: datetime) -> Conversation:
    """The conversation as Omni shows it now: what somebody else with the same token is just told is shared."""
    token = asking.digest_of(credential)

    def work() -> None:
        asked_at = timezone.now()
        known = _last_activity(same)
        reply = asking.ask(credential, "conversation", lambda omni: omni.conversation(omni_id), urgency)
        store(credential, reply, asked_at, known, render=urgency is not Urgency.AHEAD)

    same = Conversation.objects.filter(instance=credential.instance, omni_id=omni_id)
    shown = Access.objects.by_token(token).filter(conversation__in=same.with_thread())
    if ask is not Ask.ALWAYS and (twin := shown.first()) and twin.conversation.is_fresh:
        _confirm(credential, twin.conversation, twin.confirmed_at or timezone.now())
        return twin.conversation
    question = token, credential.instance, "conversation", omni_id
    asked_here = asking.once(*question, since=looked_at, work=work)
    conversation = same.with_thread().first()
    if conversation is None:
        raise CannotAsk("The conversation was removed here while Omni was asked. Try again.", retry_after=1)
    if not asked_here:
        _confirm(credential, conversation, conversation.fetched_at or timezone.now())
    return conversation


def _last_activity(same: QuerySet[Conversation]) -> datetime | None:
    """As it is kept here.

    A row either way: one that is read takes longer than none, and whether it is kept is no business of who asks.
    """
    at: datetime = same.aggregate(at=Coalesce(Max("updated_at"), Value(_NEVER)))["at"]
    return at if at > _NEVER else None


def _kept_or_nothing(user: User, omni_id: UUID, failures: dict[Credential, OmniError]) -> Opened:
    """Omni gave nothing: what may still be read, with a notice why it is not fresh, or the reason why nothing may."""
    credentials, errors = list(failures), list(failures.values())
    failure = next((error for error in errors if not isinstance(error, NotVisible | TokenRejected)), None)
    if failure is None:
        is_rejected = all(isinstance(error, TokenRejected) for error in errors)
        raise CannotShow(CannotShow.REJECTED if is_rejected else CannotShow.NOT_SHOWN)
    unasked = [credential for credential, error in failures.items() if isinstance(error, CannotAsk)]
    kept = Conversation.objects.readable_by(user, unasked=unasked).with_thread().filter(omni_id=omni_id)
    conversation = _preferred(kept, credentials)
    if conversation is None or conversation.fetched_at is None:
        raise CannotShow.because(failure)
    metrics.page_from("stretched")
    shown = set(conversation.accesses.exclude(confirmed_at=None).values_list("credential_id", flat=True))
    credential, several = _reading(conversation, credentials, shown), len(credentials) > 1
    notice = Notice.of(failure, conversation.fetched_at)
    return Opened(conversation, credential, is_one_of_several=several, notice=notice)


def _reading(conversation: Conversation, credentials: list[Credential], shown: set[int]) -> Credential:
    """The foremost that was shown it; or, where it was shown this very moment, may have been."""
    there = [credential for credential in credentials if credential.instance == conversation.instance] or credentials
    return next((credential for credential in there if credential.pk in shown), there[0])


def _preferred(kept: Iterable[Conversation], credentials: list[Credential]) -> Conversation | None:
    """Of the same id on several instances, the one on the instance of the reader's foremost credential."""
    order = {credential.instance: place for place, credential in reversed(list(enumerate(credentials)))}
    return min(kept, key=lambda conversation: order.get(conversation.instance, len(order)), default=None)


def store(
    credential: Credential,
    reply: replies.Conversation,
    asked_at: datetime,
    known_activity: datetime | None = None,
    *,
    render: bool = True,
) -> Conversation:
    """Keep a thread as Omni showed it to `credential` when asked then: all of it or, if interrupted, nothing.

    What was asked for later stays: it is newer. `known_activity`: the last one, as the list had told it by then.
    `render=False`: its messages are rendered when somebody reads them. Raises `CannotAsk` if the credential has
    changed meanwhile.
    """
    known = Conversation.objects.filter(instance=credential.instance, omni_id=reply.id).first()
    # Rendered before the transaction: no other writer waits for Markdown.
    fresh = Message.rendered_from(reply, known, credential.instance, now=render)
    with transaction.atomic():
        conversation, _ = Conversation.objects.select_for_update().get_or_create(
            instance=credential.instance, omni_id=reply.id
        )
        if conversation.was_asked_for_before(asked_at):
            conversation.learn(reply, known=known_activity)
            conversation.fetched_at = asked_at
            if reply.has_messages:
                Message.replace_all(conversation, fresh)
            conversation.save()
        _confirm(credential, conversation, asked_at)
    return conversation


@transaction.atomic
def _confirm(credential: Credential, conversation: Conversation, at: datetime) -> None:
    if not connection.is_unchanged(credential):
        raise CannotAsk("The token was replaced while Omni was asked. Try again.", outcome="replaced", retry_after=1)
    Access.objects.confirm(credential, [conversation], asking.digest_of(credential), at)


def _credentials(user: User, omni_id: UUID) -> tuple[list[Credential], set[int]]:
    """Those to ask, foremost first: known access, then the default, then the others; and the ids of the first of these.

    Raises `CannotShow`.
    """
    mine = list(Credential.objects.of(user))
    if not mine:
        raise CannotShow(CannotShow.NO_CREDENTIAL)
    accepted = [credential for credential in mine if not credential.rejected_at]
    if not accepted:
        raise CannotShow(CannotShow.REJECTED)
    known = Access.objects.valid_for(user, unasked=accepted).filter(conversation__omni_id=omni_id)
    shown = set(known.values_list("credential_id", flat=True))
    return sorted(accepted, key=lambda credential: credential.pk not in shown), shown
