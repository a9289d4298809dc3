"""The people behind ids, as far as Omni told them to the reader's own credentials."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from conversations import asking, connection
from conversations.asking import Urgency
from conversations.models import Conversation, Member, Walk
from conversations.omni import (
    PEOPLE_A_PAGE,
    PEOPLE_PATHS,
    BadRequest,
    CannotAsk,
    Client,
    NotVisible,
    OmniError,
    TokenRejected,
    Unreadable,
    replies,
)
from conversations.words import fold
from omniviewer.accounts.models import Credential, User

# People of an organization that are offered as a filter: more than this many, and the rest is told by their id.
MOST_MEMBERS = 500
# Requests for them, however few Omni gives at a time.
_MOST_PAGES = 2 * MOST_MEMBERS // PEOPLE_A_PAGE
# How long an instance's spelling of a path is tried first.
_SPELLING_IS_KNOWN = timedelta(days=30)


def names(user: User, ids: Collection[str], *, through: Credential | None = None) -> dict[str, str]:
    """Return the names of these people by id; the reader's own is that under which they are signed in.

    Omni told them to the reader's own credentials, or to `through`, which is one of these.
    """
    credentials = [through] if through else list(Credential.objects.of(user).accepted())
    told = Member.objects.filter(credential__in=credentials, omni_id__in=set(ids))
    found = {row.omni_id: row.name for row in told}
    for credential in credentials:
        for own in credential.own_ids & set(ids) - found.keys():
            found[own] = user.display_name
    return found


def owner_name(user: User, conversation: Conversation, credential: Credential) -> str:
    """Return the name of the person whose conversation it is; "" where Omni does not tell.

    Omni is asked for the people of the organization where that is due. `credential` is what it is read with.
    """
    if not conversation.owner_id:
        return ""
    if conversation.owner_id not in credential.own_ids:
        members(credential)
    return names(user, [conversation.owner_id]).get(conversation.owner_id, "")


def called(user: User, typed: str) -> list[str]:
    """The ids that `owner:` may mean: "me", an id, or (a part of) a name or an address that Omni told."""
    own = sorted({own for row in Credential.objects.of(user).accepted() for own in row.own_ids})
    if typed.lower() == "me":
        return own
    wanted = fold(typed)
    people = Member.objects.filter(credential__owner=user, credential__rejected_at=None)
    ids = {row.omni_id for row in people if wanted in fold(row.name) or wanted in fold(row.email)}
    if wanted in fold(user.display_name):
        ids.update(own)
    known = {row.omni_id.lower(): row.omni_id for row in people}
    return sorted(ids) or [known.get(typed.lower(), typed.lower())] * _is_id(typed)


def _is_id(typed: str) -> bool:
    """A membership id is a UUID; that of somebody of whom nothing was told may be typed all the same."""
    return len(typed) == 36 and typed.count("-") == 4  # noqa: PLR2004


def members(credential: Credential, *, ask: bool = True) -> list[Member]:
    """The people of the organization, by name, for an organization key: asked once in `OMNIVIEWER_ACCESS_TTL`.

    Empty where Omni does not tell, and that too is asked once: the list works without. `ask=False`: what is kept.
    """
    if not credential.sees_organization or credential.rejected_at:
        return []
    if ask and are_due(credential):
        try:
            learn(credential, Urgency.REFRESHING)
        except OmniError as error:
            connection.note(credential, error)
    return list(credential.members.all())


def are_due(credential: Credential) -> bool:
    """Whether Omni is to be asked who is in the organization."""
    asked_at = credential.members_asked_at
    return credential.sees_organization and not (asked_at and asked_at > timezone.now() - settings.ACCESS_TTL)


def learn(credential: Credential, urgency: Urgency) -> None:
    """Ask for them, for as long as `are_due`. Raises `OmniError`."""
    try:
        asking.once(credential.pk, "members", since=timezone.now(), work=lambda: _ask_for_members(credential, urgency))
    except OmniError as error:
        if not isinstance(error, CannotAsk):
            credential.note_members_asked()
        raise


def _ask_for_members(credential: Credential, urgency: Urgency) -> None:
    others = _told_to_the_same_token(credential)
    people = others if others is not None else [_kept(row) for row in _everyone(credential, urgency) if row.id]
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
    walks = Walk.objects.by_token(asking.digest_of(credential), credential.instance).exclude(credential=credential)
    recently = timezone.now() - settings.ACCESS_TTL
    other = walks.filter(credential__members_asked_at__gt=recently).select_related("credential").first()
    return list(other.credential.members.all()) if other else None


def _everyone(credential: Credential, urgency: Urgency) -> Iterable[replies.Member]:
    """Members of the organization, and then embed users. Raises `OmniError` where Omni tells of neither."""
    failures: list[OmniError] = []
    for paths in PEOPLE_PATHS:
        try:
            yield from _all_under(credential, paths, urgency)
        except (CannotAsk, TokenRejected):
            raise
        except OmniError as error:
            failures.append(error)
    if len(failures) == len(PEOPLE_PATHS):
        raise failures[0]


def _all_under(credential: Credential, paths: tuple[str, ...], urgency: Urgency) -> Iterable[replies.Member]:
    path, page = _first_page(credential, paths, urgency)
    start = 1
    for number in range(_MOST_PAGES):
        if number:
            page = asking.ask(credential, "members", partial(Client.members, path=path, start=start), urgency)
        yield from page.members
        start += page.count
        if not page.count or start > min(page.total, MOST_MEMBERS):
            return


def _first_page(credential: Credential, paths: tuple[str, ...], urgency: Urgency) -> tuple[str, replies.MemberPage]:
    """Ask under the spelling that this instance knew last time, else under each. Raises `OmniError`."""
    key = f"people:{credential.instance}:{paths[0]}"
    known = cache.get(key)
    spellings = sorted(paths, key=lambda path: path != known)
    for path in spellings:
        try:
            page = asking.ask(credential, "members", partial(Client.members, path=path), urgency)
        except (NotVisible, BadRequest, Unreadable) as error:
            # A refusal is no matter of spelling.
            if error.outcome == str(HTTPStatus.FORBIDDEN.value) or path == spellings[-1]:
                raise
        else:
            cache.set(key, path, _SPELLING_IS_KNOWN.total_seconds())
            return path, page
    raise NotVisible
