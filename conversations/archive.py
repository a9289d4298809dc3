"""The only place that decides between what is kept and asking Omni.

Whatever it returns, Omni has shown to one of the reader's own credentials; whatever it raises says what to do next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations import connection
from conversations.models import Access, Conversation, ListPage, Member, Message
from conversations.omni import BadRequest, CannotAsk, Client, NotVisible, OmniError, TokenRejected, replies
from omniviewer.accounts.models import Credential, User

# People of an organization that are offered as a filter: more than this many, and the rest is told by their id.
MOST_MEMBERS = 500


@dataclass(frozen=True)
class Notice:
    """A line that tells the reader why a page is not fresh."""

    sentence: str
    as_of: datetime


@dataclass(frozen=True)
class Opened:
    conversation: Conversation
    credential: Credential
    notice: Notice | None = None


@dataclass(frozen=True)
class Listed:
    page: ListPage
    conversations: list[Conversation]
    notice: Notice | None = None


class CannotShow(Exception):
    """There is nothing to show. `why` is one of the class's constants, `sentence` tells the reader what happened."""

    NO_CREDENTIAL = "no-credential"
    REJECTED = "rejected"
    NOT_SHOWN = "not-shown"
    NOT_REACHED = "not-reached"
    BAD_ADDRESS = "bad-address"

    def __init__(self, why: str, sentence: str = "") -> None:
        self.why = why
        self.sentence = sentence
        super().__init__(why)


def open_conversation(user: User, omni_id: UUID, *, refresh: bool = False) -> Opened:
    """The kept thread, or what Omni returns for it. Raises `CannotShow`.

    A kept thread costs Omni nothing while its access is within `OMNIVIEWER_ACCESS_TTL`. `refresh` asks all the same.
    """
    credentials = _credentials(user, omni_id)
    kept = Conversation.objects.readable_by(user).with_thread().filter(omni_id=omni_id)
    if not refresh and (conversation := _preferred(kept, credentials)):
        return _opened(conversation, credentials)
    failures: dict[Credential, OmniError] = {}
    for credential in credentials:
        try:
            reply = connection.client_for(credential).conversation(omni_id)
        except NotVisible as error:
            Access.objects.filter(credential=credential, conversation__omni_id=omni_id).end()
            failures[credential] = error
        except OmniError as error:
            failures[credential] = connection.note(credential, error)
        else:
            return Opened(store(credential, reply), credential)
    return _kept_or_nothing(user, omni_id, failures)


def _kept_or_nothing(user: User, omni_id: UUID, failures: dict[Credential, OmniError]) -> Opened:
    """Omni gave nothing: what may still be read, with a notice why it is not fresh, or the reason why nothing may."""
    credentials, errors = list(failures), list(failures.values())
    unasked = [credential for credential, error in failures.items() if isinstance(error, CannotAsk)]
    kept = Conversation.objects.readable_by(user, unasked=unasked).with_thread().filter(omni_id=omni_id)
    failure = next((error for error in errors if not isinstance(error, NotVisible | TokenRejected)), None)
    if failure and (conversation := _preferred(kept, credentials)):
        return _opened(conversation, credentials, failure)
    if failure:
        raise CannotShow(CannotShow.NOT_REACHED, failure.sentence)
    if all(isinstance(error, TokenRejected) for error in errors):
        raise CannotShow(CannotShow.REJECTED)
    raise CannotShow(CannotShow.NOT_SHOWN)


def _preferred(kept: Iterable[Conversation], credentials: list[Credential]) -> Conversation | None:
    """Of the same id on several instances, the one on the instance of the reader's foremost credential."""
    order = {credential.instance: place for place, credential in reversed(list(enumerate(credentials)))}
    return min(kept, key=lambda conversation: order.get(conversation.instance, len(order)), default=None)


def _opened(conversation: Conversation, credentials: list[Credential], failure: OmniError | None = None) -> Opened:
    conversation.render_outdated()
    shown = set(conversation.accesses.exclude(confirmed_at=None).values_list("credential_id", flat=True))
    credential = next(credential for credential in credentials if credential.pk in shown)
    fetched_at = conversation.fetched_at
    notice = Notice(failure.sentence, fetched_at) if failure and fetched_at else None
    return Opened(conversation, credential, notice)


def store(credential: Credential, reply: replies.Conversation) -> Conversation:
    """Keep a thread as Omni has just shown it to `credential`: all of it or, if interrupted, nothing."""
    known = Conversation.objects.filter(instance=credential.instance, omni_id=reply.id).first()
    # Rendered before the transaction: no other writer waits for Markdown.
    fresh = Message.rendered_from(reply, known)
    with transaction.atomic():
        conversation, _ = Conversation.objects.select_for_update().get_or_create(
            instance=credential.instance, omni_id=reply.id
        )
        conversation.learn(reply)
        conversation.fetched_at = timezone.now()
        conversation.save()
        conversation.replace_messages(fresh)
        Access.objects.confirm(credential, [conversation])
    return conversation


def list_page(
    user: User, credential: Credential, *, cursor: str = "", member: str = "", refresh: bool = False
) -> Listed:
    """A page of Omni's list, newest activity first; under `OMNIVIEWER_FRESH_FOR` the kept one. Raises `CannotShow`."""
    if credential.rejected_at:
        raise CannotShow(CannotShow.REJECTED)
    kept = ListPage.objects.filter(credential=credential, cursor=cursor, member=member).first()
    if kept and not refresh and kept.fetched_at > timezone.now() - settings.FRESH_FOR:
        return Listed(kept, kept.conversations(user))
    try:
        reply = connection.client_for(credential).conversations(cursor=cursor, member=member)
    except OmniError as error:
        failure = connection.note(credential, error)
    else:
        page = _store_list(credential, cursor, member, reply)
        return Listed(page, page.conversations(user))
    if isinstance(failure, TokenRejected):
        raise CannotShow(CannotShow.REJECTED)
    if isinstance(failure, NotVisible):
        raise CannotShow(CannotShow.NOT_SHOWN)
    unasked = [credential] if isinstance(failure, CannotAsk) else []
    conversations = kept.conversations(user, unasked=unasked) if kept else []
    if kept and (conversations or not kept.omni_ids):
        return Listed(kept, conversations, Notice(failure.sentence, kept.fetched_at))
    if cursor and isinstance(failure, BadRequest):
        raise CannotShow(CannotShow.BAD_ADDRESS, "Omni does not know this place in the list, or no longer.")
    raise CannotShow(CannotShow.NOT_REACHED, failure.sentence)


@transaction.atomic
def _store_list(credential: Credential, cursor: str, member: str, reply: replies.ConversationPage) -> ListPage:
    rows = {row.id: row for row in reply.conversations}
    of_instance = Conversation.objects.filter(instance=credential.instance, omni_id__in=rows)
    Conversation.objects.bulk_create(
        [Conversation(instance=credential.instance, omni_id=omni_id) for omni_id in rows],
        ignore_conflicts=True,
    )
    conversations = list(of_instance)
    for conversation in conversations:
        conversation.learn(rows[conversation.omni_id])
    Conversation.objects.bulk_update(conversations, ["name", "last_prompt", "created_at", "updated_at"])
    Access.objects.confirm(credential, conversations)
    page = ListPage(credential=credential, member=member, cursor=cursor)
    previous = page.previous()
    page, _ = ListPage.objects.update_or_create(
        credential=credential,
        member=member,
        cursor=cursor,
        defaults={
            "number": previous.number + 1 if previous else 1,
            "omni_ids": [str(omni_id) for omni_id in rows],
            "next_cursor": reply.next_cursor or "",
            "total": reply.total,
            "fetched_at": timezone.now(),
        },
    )
    # Cursors change as conversations move: pages that nobody came back to within the grace will not be asked for again.
    ListPage.objects.filter(credential=credential, fetched_at__lt=timezone.now() - settings.ACCESS_GRACE).delete()
    return page


def members(credential: Credential, *, ask: bool = True) -> list[Member]:
    """The people of the organization, by name, for an organization key: asked once in `OMNIVIEWER_ACCESS_TTL`.

    Empty where Omni does not tell, and that too is asked once: the list works without. `ask=False`: what is kept.
    """
    if not credential.sees_organization or credential.rejected_at:
        return []
    asked_at = credential.members_asked_at
    if not ask or (asked_at and asked_at > timezone.now() - settings.ACCESS_TTL):
        return list(credential.members.all())
    try:
        told = list(_everyone(connection.client_for(credential)))
    except OmniError as error:
        connection.note(credential, error)
        if not isinstance(error, CannotAsk):
            credential.note_members_asked()
        return list(credential.members.all())
    with transaction.atomic():
        credential.note_members_asked()
        credential.members.all().delete()
        Member.objects.bulk_create(
            [
                Member(
                    credential=credential,
                    omni_id=person.id[:64],
                    name=person.name[:200],
                    email=person.email[:254],
                    is_active=person.is_active,
                )
                for person in {person.id: person for person in told if person.id}.values()
            ]
        )
    return list(credential.members.all())


def _everyone(client: Client) -> Iterable[replies.Member]:
    start = 1
    while start <= MOST_MEMBERS:
        page = client.members(start=start)
        yield from page.members
        start += len(page.members)
        if not page.members or start > page.total:
            return


def _credentials(user: User, omni_id: UUID) -> list[Credential]:
    """Those to ask, foremost first: known access, then the default, then the others. Raises `CannotShow`."""
    mine = list(Credential.objects.of(user))
    if not mine:
        raise CannotShow(CannotShow.NO_CREDENTIAL)
    accepted = [credential for credential in mine if not credential.rejected_at]
    if not accepted:
        raise CannotShow(CannotShow.REJECTED)
    known = Access.objects.valid_for(user, unasked=accepted).filter(conversation__omni_id=omni_id)
    shown = set(known.values_list("credential_id", flat=True))
    return sorted(accepted, key=lambda credential: credential.pk not in shown)
