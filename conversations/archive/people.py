"""The people behind ids, as far as Omni told them to the reader's own credentials."""

from collections.abc import Collection, Iterable
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations import asking, connection
from conversations.asking import Urgency
from conversations.models import Member, Walk
from conversations.omni import PEOPLE_A_PAGE, CannotAsk, Client, OmniError, replies
from conversations.words import fold, words
from omniviewer.accounts.models import Credential, User

# People of an organization that are offered as a filter: more than this many, and the rest is told by their id.
MOST_MEMBERS = 500
# Requests for them, however few Omni gives at a time.
_MOST_PAGES = 2 * MOST_MEMBERS // PEOPLE_A_PAGE


def names(user: User, ids: Collection[str]) -> dict[str, str]:
    """By membership id, the names of these people; the reader's own is that under which they are signed in."""
    told = Member.objects.filter(credential__owner=user, credential__rejected_at=None, omni_id__in=set(ids))
    found = {row.omni_id: row.name for row in told}
    for credential in Credential.objects.of(user).accepted():
        if credential.membership_id and credential.membership_id in ids:
            found.setdefault(credential.membership_id, user.display_name)
    return found


def called(user: User, typed: str) -> list[str]:
    """The ids that `owner:` may mean: "me", an id, or the beginning of names or of an address that Omni told."""
    own = [row.membership_id for row in Credential.objects.of(user).accepted() if row.membership_id]
    if typed.lower() == "me":
        return own
    people = Member.objects.filter(credential__owner=user, credential__rejected_at=None)
    ids = {row.omni_id for row in people if _begins(row.name, typed) or _begins_address(row.email, typed)}
    if _begins(user.display_name, typed):
        ids.update(own)
    known = {row.omni_id.lower(): row.omni_id for row in people}
    return sorted(ids) or [known.get(typed.lower(), typed.lower())] * _is_id(typed)


def _begins(name: str, typed: str) -> bool:
    """Whether each word of `typed` begins a word of the name."""
    wanted = [word.text for word in words(typed, is_asked=True)]
    said = [word.text for word in words(name)]
    return bool(wanted) and all(any(word.startswith(one) for word in said) for one in wanted)


def _begins_address(email: str, typed: str) -> bool:
    """Whether it begins with it: in front of the @, or with what follows that as well."""
    wanted = fold(typed).strip()
    return wanted[:1].isalnum() and fold(email).startswith(wanted)


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
    start = 1
    for _ in range(_MOST_PAGES):
        page = asking.ask(credential, "members", partial(Client.members, start=start), urgency)
        yield from page.members
        start += len(page.members)
        if not page.members or start > min(page.total, MOST_MEMBERS):
            return
