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
from conversations.models import Conversation, Member, Owner
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
from conversations.words import fold, words
from omniviewer.accounts.models import ApiToken, User

# People of an organization that are offered as a filter: more than this many, and the rest is told by their id.
MOST_MEMBERS = 500
# Requests for them, however few Omni gives at a time.
_MOST_PAGES = 2 * MOST_MEMBERS // PEOPLE_A_PAGE
# How long an instance's spelling of a path is tried first.
_SPELLING_IS_KNOWN = timedelta(days=30)


def names(user: User, owners: Collection[Owner]) -> dict[Owner, str]:
    """Return the names of these people; the reader's own is that under which they are signed in."""
    wanted = set(owners)
    tokens = list(ApiToken.objects.held_by(user))
    told = Member.objects.filter(api_token__in=tokens, omni_id__in={owner.id for owner in wanted})
    found = {row.owner: row.name for row in told.select_related("api_token") if row.owner in wanted}
    for own in _own(tokens) & wanted - found.keys():
        found[own] = user.display_name
    return found


def _own(tokens: Iterable[ApiToken]) -> set[Owner]:
    """Return the people whom these tokens speak for."""
    return {Owner(token.instance, own_id) for token in tokens for own_id in token.owner_ids}


def owner_name(user: User, conversation: Conversation, token: ApiToken, *, ask: bool = True) -> str:
    """Return the name of the person whose conversation it is; "" where Omni does not tell.

    Omni is asked for the people of the organization where that is due, unless `ask=False`. `token` is the one that the
    conversation is read with.
    """
    if not conversation.owner_id:
        return ""
    if conversation.owner_id in token.owner_ids and not token.sees_organization:
        # A personal token is told of nobody: its owner goes by the name under which they are signed in.
        return user.display_name
    if ask and conversation.owner_id not in token.owner_ids:
        members(token)
    return names(user, [conversation.owner]).get(conversation.owner, "")


def called(user: User, typed: str) -> list[Owner]:
    """Return the people whom `owner:` may mean, each on their own instance.

    It takes "me", an id (with `@` and the host where several instances may know it), or the beginning of a name or of
    an address that Omni told.
    """
    tokens = list(ApiToken.objects.held_by(user))
    own = _own(tokens)
    if typed.lower() == "me":
        return sorted(own)
    people = list(Member.objects.filter(api_token__in=tokens).select_related("api_token"))
    found = {row.owner for row in people if _begins(row.name, typed) or _begins_address(row.email, typed)}
    if _begins(user.display_name, typed):
        found |= own
    return sorted(found or _with_id(typed.lower(), own.union(row.owner for row in people), tokens))


def _with_id(typed: str, known: set[Owner], tokens: Iterable[ApiToken]) -> set[Owner]:
    """Return those with this id, on the host behind its `@` or on every instance of these tokens."""
    instances = {token.instance for token in tokens}
    omni_id, _, instance = typed.rpartition("@")
    if instance in instances:
        typed, instances = omni_id, {instance}
    found = {owner for owner in known if owner.instance in instances and owner.id.lower() == typed}
    if _is_id(typed):
        found |= {Owner(instance, typed) for instance in instances - {owner.instance for owner in found}}
    return found


def _begins(name: str, typed: str) -> bool:
    """Return whether each word of `typed` begins a word of the name."""
    wanted = [word.text for word in words(typed, is_asked=True)]
    said = [word.text for word in words(name)]
    return bool(wanted) and all(any(word.startswith(one) for word in said) for one in wanted)


def _begins_address(email: str, typed: str) -> bool:
    """Return whether it begins with it: in front of the @, or with what follows that as well."""
    wanted = fold(typed).strip()
    return wanted[:1].isalnum() and fold(email).startswith(wanted)


def _is_id(typed: str) -> bool:
    """A membership id is a UUID; that of somebody of whom nothing was told may be typed all the same."""
    return len(typed) == 36 and typed.count("-") == 4  # noqa: PLR2004


def members(token: ApiToken, *, ask: bool = True) -> list[Member]:
    """The people of the organization, by name, for an organization key: asked once in `OMNIVIEWER_ACCESS_TTL`.

    Empty where Omni does not tell, and that too is asked once: the list works without. `ask=False`: what is kept.
    """
    if not token.sees_organization or token.rejected_at:
        return []
    if ask and are_due(token):
        try:
            learn(token, Urgency.REFRESHING)
        except OmniError as error:
            connection.note(token, error)
    return list(token.members.all())


def are_due(token: ApiToken) -> bool:
    """Whether Omni is to be asked who is in the organization."""
    asked_at = token.members_asked_at
    return token.sees_organization and not (asked_at and asked_at > timezone.now() - settings.ACCESS_TTL)


def learn(token: ApiToken, urgency: Urgency) -> None:
    """Ask for them, for as long as `are_due`. Raises `OmniError`."""
    try:
        asking.once(token.pk, "members", since=timezone.now(), work=lambda: _ask_for_members(token, urgency))
    except OmniError as error:
        if not isinstance(error, CannotAsk):
            token.note_members_asked()
        raise


def _ask_for_members(token: ApiToken, urgency: Urgency) -> None:
    people = [_kept(row) for row in _everyone(token, urgency) if row.id]
    for person in people:
        person.api_token = token
    with transaction.atomic():
        if not connection.is_accepted(token):
            return
        token.note_members_asked()
        token.members.all().delete()
        # Ids that are told twice, or differ only beyond what is kept of them.
        Member.objects.bulk_create(people, ignore_conflicts=True)


def _kept(person: replies.Member) -> Member:
    return Member(omni_id=person.id[:64], name=person.name[:200], email=person.email[:254], is_active=person.is_active)


def _everyone(token: ApiToken, urgency: Urgency) -> Iterable[replies.Member]:
    """Members of the organization, and then embed users. Raises `OmniError` where Omni tells of neither."""
    failures: list[OmniError] = []
    for paths in PEOPLE_PATHS:
        try:
            yield from _all_under(token, paths, urgency)
        except (CannotAsk, TokenRejected):
            raise
        except OmniError as error:
            failures.append(error)
    if len(failures) == len(PEOPLE_PATHS):
        raise failures[0]


def _all_under(token: ApiToken, paths: tuple[str, ...], urgency: Urgency) -> Iterable[replies.Member]:
    path, page = _first_page(token, paths, urgency)
    start = 1
    for number in range(_MOST_PAGES):
        if number:
            page = asking.ask(token, "members", partial(Client.members, path=path, start=start), urgency)
        yield from page.members
        start += page.count
        if not page.count or start > min(page.total, MOST_MEMBERS):
            return


def _first_page(token: ApiToken, paths: tuple[str, ...], urgency: Urgency) -> tuple[str, replies.MemberPage]:
    """Ask under the spelling that this instance knew last time, else under each. Raises `OmniError`."""
    key = f"people:{token.instance}:{paths[0]}"
    known = cache.get(key)
    spellings = sorted(paths, key=lambda path: path != known)
    for path in spellings:
        try:
            page = asking.ask(token, "members", partial(Client.members, path=path), urgency)
        except (NotVisible, BadRequest, Unreadable) as error:
            # A refusal is no matter of spelling.
            if error.outcome == str(HTTPStatus.FORBIDDEN.value) or path == spellings[-1]:
                raise
        else:
            cache.set(key, path, _SPELLING_IS_KNOWN.total_seconds())
            return path, page
    raise NotVisible
