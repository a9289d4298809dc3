"""Omni's lists: of conversations, a page at a time, and of people."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import Ask, CannotShow, Listed, Notice
from conversations.asking import Urgency
from conversations.models import Access, Conversation, ListPage, Member
from conversations.omni import (
    PEOPLE_A_PAGE,
    BadRequest,
    CannotAsk,
    Client,
    NotVisible,
    OmniError,
    TokenRejected,
    replies,
)
from omniviewer import metrics
from omniviewer.accounts.models import Credential, User

# People of an organization that are offered as a filter: more than this many, and the rest is told by their id.
MOST_MEMBERS = 500
# Requests for them, however few Omni gives at a time.
_MOST_PAGES = 2 * MOST_MEMBERS // PEOPLE_A_PAGE


def list_page(
    user: User, credential: Credential, *, cursor: str = "", member: str = "", ask: Ask = Ask.IF_NEEDED
) -> Listed:
    """A page of Omni's list, newest activity first: the kept one, or what Omni returns. Raises `CannotShow`."""
    if credential.rejected_at:
        raise CannotShow(CannotShow.REJECTED)
    looked_at = timezone.now()
    kept = ListPage.objects.filter(credential=credential, cursor=cursor, member=member).first()
    shown = kept.conversations(user) if kept else []
    is_readable = kept is not None and (bool(shown) or not kept.omni_ids)
    if kept and is_readable and (ask is Ask.IF_NEEDED or (ask is Ask.IF_STALE and kept.is_fresh)):
        metrics.page_from("fresh" if kept.is_fresh else "stale")
        return Listed(kept, shown)
    try:
        urgency = Urgency.REFRESHING if is_readable else Urgency.WAITING
        page = _ask_for({"credential": credential, "member": member, "cursor": cursor}, ask, urgency, looked_at)
    except OmniError as error:
        return _kept_or_nothing(user, credential, kept, connection.note(credential, error))
    metrics.page_from("asked")
    return Listed(page, page.conversations(user), was_asked=True)


def _kept_or_nothing(user: User, credential: Credential, kept: ListPage | None, failure: OmniError) -> Listed:
    if isinstance(failure, TokenRejected):
        raise CannotShow(CannotShow.REJECTED)
    if isinstance(failure, NotVisible):
        # Or the page would be shown again, and renew itself into the same refusal.
        if kept:
            kept.delete()
        raise CannotShow(CannotShow.NOT_SHOWN)
    unasked = [credential] if isinstance(failure, CannotAsk) else []
    conversations = kept.conversations(user, unasked=unasked) if kept else []
    if kept and (conversations or not kept.omni_ids):
        metrics.page_from("stretched")
        return Listed(kept, conversations, Notice.of(failure, kept.fetched_at))
    if isinstance(failure, BadRequest):
        raise CannotShow(CannotShow.BAD_ADDRESS, "Omni does not know this place in the list, or no longer.")
    raise CannotShow.because(failure)


def _ask_for(same_list: dict[str, Any], ask: Ask, urgency: Urgency, looked_at: datetime) -> ListPage:
    """The page as Omni shows it now: what somebody else with the same token is just told is shared."""
    credential, member, cursor = same_list["credential"], same_list["member"], same_list["cursor"]
    token = asking.digest_of(credential)
    theirs = ListPage.objects.by_token(token, credential.instance).filter(member=member, cursor=cursor)
    newest = theirs.first()
    if ask is not Ask.ALWAYS and newest and newest.is_fresh:
        _adopt(same_list, newest)
        return _own(same_list)

    def work() -> None:
        asked_at = timezone.now()
        reply = asking.ask(
            credential, "conversations", lambda omni: omni.conversations(cursor=cursor, member=member), urgency
        )
        _store(same_list, token, reply, asked_at)

    question = token, credential.instance, "conversations", member, cursor
    if not asking.once(*question, since=looked_at, work=work):
        newest = theirs.first()
        if newest and newest.credential_id != credential.pk:
            _adopt(same_list, newest)
    return _own(same_list)


def _own(same_list: dict[str, Any]) -> ListPage:
    page = ListPage.objects.filter(**same_list).first()
    if page is None:
        raise CannotAsk("The token was replaced while Omni was asked. Try again.", outcome="replaced", retry_after=1)
    return page


@transaction.atomic
def _store(same_list: dict[str, Any], token: str, reply: replies.ConversationPage, asked_at: datetime) -> None:
    credential = same_list["credential"]
    if not connection.is_unchanged(credential):
        return
    rows = {row.id: row for row in reply.conversations}
    of_instance = Conversation.objects.filter(instance=credential.instance, omni_id__in=rows)
    Conversation.objects.bulk_create(
        [Conversation(instance=credential.instance, omni_id=omni_id) for omni_id in rows],
        ignore_conflicts=True,
    )
    # In one order everywhere: two pages that share rows, stored at once, do not wait for each other in a circle.
    conversations = list(of_instance.select_for_update().order_by("pk"))
    for conversation in conversations:
        conversation.learn(rows[conversation.omni_id])
    Conversation.objects.bulk_update(conversations, ["name", "last_prompt", "created_at", "updated_at"])
    Access.objects.confirm(credential, conversations, token, asked_at)
    page = ListPage(**same_list)
    previous = page.previous()
    following = reply.next_cursor or ""
    circles = bool(following) and page.has_passed(following)
    ListPage.objects.update_or_create(
        **same_list,
        defaults={
            "number": previous.number + 1 if previous else 1,
            "omni_ids": [str(omni_id) for omni_id in rows],
            "next_cursor": "" if circles else following,
            "circles": circles,
            "total": reply.total,
            "token": token,
            "fetched_at": asked_at,
        },
    )
    # Cursors change as conversations move: pages that nobody came back to within the grace will not be asked for again.
    ListPage.objects.filter(credential=credential, fetched_at__lt=timezone.now() - settings.ACCESS_GRACE).delete()


@transaction.atomic
def _adopt(same_list: dict[str, Any], theirs: ListPage) -> None:
    """What Omni has just shown to this very token, asked by another credential that holds it."""
    credential = same_list["credential"]
    if not connection.is_unchanged(credential):
        return
    shown = Conversation.objects.filter(instance=credential.instance, omni_id__in=theirs.omni_ids)
    Access.objects.confirm(credential, shown, theirs.token, theirs.fetched_at)
    fields = ("number", "omni_ids", "next_cursor", "circles", "total", "token", "fetched_at")
    ListPage.objects.update_or_create(**same_list, defaults={name: getattr(theirs, name) for name in fields})


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
        asking.once(credential.pk, "members", since=timezone.now(), work=lambda: _ask_for_members(credential))
    except OmniError as error:
        connection.note(credential, error)
        if not isinstance(error, CannotAsk):
            credential.note_members_asked()
    return list(credential.members.all())


def _ask_for_members(credential: Credential) -> None:
    others = _told_to_the_same_token(credential)
    people = others if others is not None else [_kept(person) for person in _everyone(credential) if person.id]
    for person in people:
        person.pk, person.credential = None, credential
    with transaction.atomic():
        if not connection.is_unchanged(credential):
            return
        credential.note_members_asked()
        credential.members.all().delete()
        # Ids that are told twice, or differ only beyond what is kept of them.
        Member.objects.bulk_create(people, ignore_conflicts=True)


def _kept(person: replies.Member) -> Member:
    return Member(omni_id=person.id[:64], name=person.name[:200], email=person.email[:254], is_active=person.is_active)


def _told_to_the_same_token(credential: Credential) -> list[Member] | None:
    """The people, where another credential with the very same token was told them within `OMNIVIEWER_ACCESS_TTL`."""
    pages = ListPage.objects.by_token(asking.digest_of(credential), credential.instance).exclude(credential=credential)
    recently = timezone.now() - settings.ACCESS_TTL
    other = pages.filter(credential__members_asked_at__gt=recently).select_related("credential").first()
    return list(other.credential.members.all()) if other else None


def _everyone(credential: Credential) -> Iterable[replies.Member]:
    start = 1
    for _ in range(_MOST_PAGES):
        page = asking.ask(credential, "members", partial(Client.members, start=start), Urgency.REFRESHING)
        yield from page.members
        start += len(page.members)
        if not page.members or start > min(page.total, MOST_MEMBERS):
            return
