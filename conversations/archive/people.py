"""The people behind ids, as far as Omni told them to the reader's own credentials."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from conversations.archive import credentials
from conversations.models import Conversation, Member, Owner, PeopleWalk, Reader
from conversations.search.syntax import NOT_IN_VALUES
from conversations.search.tokens import fold, words
from conversations.upstream import request, single_flight
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import (
    OF_THE_TOKEN,
    PEOPLE_PATHS,
    BadRequest,
    CannotAsk,
    Client,
    NotSent,
    NotVisible,
    OmniError,
    Unreadable,
    replies,
)

# Most people of an organization that are offered as a choice; if there are more, names are typed.
MAX_MEMBERS = 500
# Fewest letters of a word that may name somebody.
_MIN_NAME_CHARS = 2
# Most people of one of Omni's lists that are stored; the others are shown by their ids.
_MAX_PEOPLE = 100_000
# Most pages of these lists that a reader waits for.
_MAX_PAGES_AT_ONCE = 10
# Time for which the spelling of a path that an instance accepted is tried first.
_SPELLING_IS_KNOWN = timedelta(days=30)


def names(user: User, owners: Collection[Owner], tokens: Collection[ApiToken] | None = None) -> dict[Owner, str]:
    """Return the names of these people; the reader's own is that under which they are signed in.

    `tokens`: the reader's, where the caller has them.
    """
    wanted = set(owners)
    if tokens is None:
        tokens = Reader.for_user(user).tokens
    # Omni tells a personal token of nobody.
    keys = [token for token in tokens if token.sees_organization]
    told = Member.objects.filter(api_token__in=keys, omni_id__in={owner.id for owner in wanted}) if keys else []
    instances = {token.pk: token.instance for token in keys}
    said = {Owner(instances[row.api_token_id], row.omni_id): row.name for row in told}
    found = {owner: name for owner, name in said.items() if owner in wanted}
    for own in Owner.of_tokens(tokens) & wanted - found.keys():
        found[own] = user.display_name
    return found


def owner_name(reader: Reader, conversation: Conversation, token: ApiToken, *, ask: bool = True) -> str:
    """Return the name of the person whose conversation it is; "" where Omni does not tell.

    Omni is asked for the people of the organization where that is due, unless `ask=False`. `token` is the one that the
    conversation is read with.
    """
    if not conversation.owner_id:
        return ""
    if conversation.owner_id in token.owner_ids and not token.sees_organization:
        # Omni tells a personal token of nobody: its owner has the name under which they are signed in.
        return reader.user.display_name
    if ask and conversation.owner_id not in token.owner_ids:
        members(token)
    return names(reader.user, [conversation.owner], reader.tokens).get(conversation.owner, "")


def find(user: User, typed: str) -> list[Owner]:
    """Return the people whom `owner:` may mean, each on their own instance.

    It takes "me", an id (with `@` and the host where several instances may know it), or the beginning of a name or of
    an address that Omni told.
    """
    tokens = Reader.for_user(user).tokens
    own = Owner.of_tokens(tokens)
    if typed.lower() == "me":
        return sorted(own)
    people = _told(tokens)
    found = _called(user, own, people, typed)
    return sorted(found or _with_id(typed.lower(), own.union(owner for owner, *_ in people), tokens))


def _told(tokens: Collection[ApiToken]) -> list[tuple[Owner, str, str]]:
    """Return the people whom Omni told these tokens of, with their names and addresses."""
    told = Member.objects.filter(api_token__in=tokens).order_by()
    return [
        (Owner(instance, omni_id), name, email)
        for instance, omni_id, name, email in told.values_list("api_token__instance", "omni_id", "name", "email")
    ]


def _called(user: User, own: set[Owner], people: Sequence[tuple[Owner, str, str]], typed: str) -> set[Owner]:
    """Return the people whose names or addresses begin as it is typed."""
    wanted = [word.text for word in words(typed, is_asked=True)]
    found = {owner for owner, name, email in people if _begins(name, wanted) or _begins_address(email, typed)}
    return found | own if _begins(user.display_name, wanted) else found


def as_filters(reader: Reader, owners: Collection[Owner]) -> dict[Owner, str]:
    """Return what `owner:` takes for each of these people: the name where it means nobody else, else the id."""
    found = {owner: owner.as_filter(reader.tokens) for owner in owners}
    people, own = _told(reader.tokens) if owners else [], Owner.of_tokens(reader.tokens)
    if len(people) > MAX_MEMBERS:
        return found
    for owner, name, _ in people:
        # Omni knows the reader by several ids.
        same = {owner} | {row for row in own if owner in own and row.instance == owner.instance}
        if owner in found and not NOT_IN_VALUES.intersection(name) and _called(reader.user, own, people, name) <= same:
            found[owner] = name
    return found


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


def _begins(name: str, wanted: Sequence[str]) -> bool:
    """Return whether each of these words begins a word of the name."""
    said = [word.text for word in words(name)]
    return bool(wanted) and all(any(word.startswith(one) for word in said) for one in wanted)


def is_word_of(name: str, typed: str) -> bool:
    """Return whether a typed word begins a word of the name."""
    return len(typed) >= _MIN_NAME_CHARS and _begins(name, [word.text for word in words(typed)])


def _begins_address(email: str, typed: str) -> bool:
    """Return whether it begins with it: in front of the @, or with what follows that as well."""
    wanted = fold(typed).strip()
    return wanted[:1].isalnum() and fold(email).startswith(wanted)


def _is_id(typed: str) -> bool:
    """Return whether the text looks like a membership id (a UUID), which may be typed without a known name."""
    return len(typed) == 36 and typed.count("-") == 4  # noqa: PLR2004


def members(token: ApiToken, *, ask: bool = True) -> list[Member]:
    """Return people of the organization, by name, for an organization key: one more than `MAX_MEMBERS` at most.

    Omni is asked once in `OMNIVIEWER_ACCESS_TTL`; where it does not tell, which is asked once too, the list works
    without. `ask=False`: what is stored.
    """
    if not token.sees_organization or token.rejected_at:
        return []
    if ask:
        ask_if_due(token)
    return list(token.members.all()[: MAX_MEMBERS + 1])


def ask_if_due(token: ApiToken) -> None:
    """Ask Omni for the people of the organization where that is due; whatever it answers, pages work."""
    if not token.rejected_at and are_due(token):
        try:
            fetch(token, Urgency.REFRESHING)
        except OmniError as error:
            credentials.record(token, error)


def are_due(token: ApiToken) -> bool:
    """Return whether Omni is to be asked who is in the organization, or who else is."""
    asked_at = token.members_asked_at
    return token.sees_organization and not (asked_at and asked_at > timezone.now() - settings.ACCESS_TTL)


def fetch(token: ApiToken, urgency: Urgency, *, most: int = _MAX_PAGES_AT_ONCE) -> None:
    """Ask for so many pages of them; `are_due` says whether there are more. Raises `OmniError`."""
    try:
        single_flight.once(
            token.digest,
            token.instance,
            "members",
            since=timezone.now(),
            work=lambda: _ask_for_members(token, urgency, most),
        )
    except OmniError as error:
        if not isinstance(error, CannotAsk | NotSent):
            token.note_members_asked()
        raise


def _ask_for_members(token: ApiToken, urgency: Urgency, most: int) -> None:
    """Fetch members of the organization, then embed users. Raises `OmniError` if Omni tells of neither."""
    now = timezone.now()
    recent = PeopleWalk.objects.filter(api_token=token, began_at__gt=now - settings.ACCESS_TTL)
    walk = recent.first() or PeopleWalk(api_token=token, began_at=now)
    failures: list[OmniError] = []
    for _ in range(most):
        page = None
        try:
            page = _page(token, PEOPLE_PATHS[walk.place], walk.start, urgency)
        except OF_THE_TOKEN:
            raise
        except OmniError as error:
            failures.append(error)
        if not _store(walk, token, page):
            return
        if walk.place == len(PEOPLE_PATHS):
            if not walk.is_told:
                raise failures[0]
            return


def _store(walk: PeopleWalk, token: ApiToken, page: replies.MemberPage | None) -> bool:
    """Store a page of people (None: Omni refused it), and where the walk goes on. Return whether it does."""
    with transaction.atomic():
        if not credentials.is_accepted(token):
            return False
        if page is None:
            walk.is_whole &= walk.start == 1
        if page is None or _store_people(walk, token, page):
            walk.place, walk.start = walk.place + 1, 1
        PeopleWalk.objects.filter(api_token=token).delete()
        if walk.place < len(PEOPLE_PATHS):
            walk.pk = None
            walk.save(force_insert=True)
        elif walk.is_told:
            if walk.is_whole:
                token.members.exclude(told_at=walk.began_at).delete()
            token.note_members_asked()
    return True


def _store_people(walk: PeopleWalk, token: ApiToken, page: replies.MemberPage) -> bool:
    """Return whether the page is the last of its list, as far as it may be trusted: some instances only repeat one."""
    people = {person.id[:64]: person for person in page.members if person.id}
    known = token.members.filter(omni_id__in=people, told_at=walk.began_at).count()
    rows = [
        Member(
            api_token=token,
            omni_id=omni_id,
            name=person.name[:200],
            email=person.email[:254],
            is_active=person.is_active,
            told_at=walk.began_at,
        )
        for omni_id, person in people.items()
    ]
    Member.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["api_token", "omni_id"],
        update_fields=["name", "email", "is_active", "told_at"],
    )
    walk.is_told = True
    walk.start += page.count
    is_past_all = page.total is not None and walk.start > page.total
    return is_past_all or known == len(people) or walk.start > _MAX_PEOPLE


def _page(token: ApiToken, paths: tuple[str, ...], start: int, urgency: Urgency) -> replies.MemberPage:
    """Ask under the spelling that this instance knew last time, else under each. Raises `OmniError`."""
    key = f"people:{token.instance}:{paths[0]}"
    known = cache.get(key)
    spellings = sorted(paths, key=lambda path: path != known)
    for path in spellings:
        try:
            page = request.send(token, "members", partial(Client.members, path=path, start=start), urgency)
        except (NotVisible, BadRequest, Unreadable) as error:
            # A refusal does not depend on the spelling.
            if error.outcome == str(HTTPStatus.FORBIDDEN.value) or path == spellings[-1]:
                raise
        else:
            cache.set(key, path, _SPELLING_IS_KNOWN.total_seconds())
            return page
    raise NotVisible
