"""The list of conversations: from the archive, in its own order, with its top as new as Omni's."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from conversations import connection, searching
from conversations.archive import people, walks
from conversations.archive.finding import Finder, Page, Scope, Stretch
from conversations.archive.outcomes import Ask, CannotShow, Notice
from conversations.asking import Urgency
from conversations.models import Walk
from conversations.omni import CannotAsk, NotVisible, OmniError, TokenRejected
from conversations.terms import Asked
from omniviewer import metrics
from omniviewer.accounts.models import Credential, User

# Seconds for what the search has yet to take in, before a reader is answered.
_CATCH_UP = 0.25
# Pages of Omni's that a reader is made to wait for, who goes further back than was read.
_MOST_PAGES = 2


@dataclass(frozen=True)
class Listed:
    """`walks`: of the credentials through which it is read. `odd`: what of the question was not understood."""

    page: Page
    walks: list[Walk]
    odd: list[str]
    finder: Finder
    notice: Notice | None = None
    # Whether Omni was asked just now.
    was_asked: bool = False


def listed(
    user: User,
    credentials: Sequence[Credential],
    asked: Asked,
    stretch: Stretch,
    *,
    ask: Ask = Ask.IF_NEEDED,
) -> Listed:
    """A page of what these credentials of the reader are shown, and of that what is asked for. Raises `CannotShow`."""
    accepted = _accepted(credentials)
    owners = _owners(user, asked)
    failures: dict[Credential, OmniError] = {}
    found, was_asked = [], False
    for credential in accepted:
        walk = walks.walk_of(credential, _member(credential, asked, owners))
        try:
            renewed = _renew_top(walk, ask)
            was_asked |= renewed is not walk
            walk = renewed
        except OmniError as error:
            failures[credential] = connection.note(credential, error)
        found.append(walk)
    searching.refresh(seconds=_CATCH_UP)
    unasked = [credential for credential, error in failures.items() if isinstance(error, CannotAsk)]
    scope = Scope(user, asked, owners, accepted, unasked)
    asks_for = Finder(scope, stretch.order)
    _check_readable(asks_for, failures, found)
    page = asks_for.page(stretch)
    for _ in range(_MOST_PAGES):
        if page.older is not None or failures or stretch.order != "activity" or not _go_further_back(found, asked):
            break
        asks_for, was_asked = Finder(scope, stretch.order), True
        page = asks_for.page(stretch)
    metrics.page_from("asked" if was_asked else "stretched" if failures else _age(found))
    odd = [
        *asked.odd,
        *(f"Nobody whom Omni told you of is called “{name}”." for name, ids in owners.items() if not ids),
    ]
    return Listed(page, found, odd, asks_for, _notice(failures, found), was_asked)


def finder(user: User, credentials: Sequence[Credential], asked: Asked, order: str) -> Finder:
    """What is kept of the same list, without asking Omni. Raises `CannotShow` where no credential is accepted."""
    return Finder(Scope(user, asked, _owners(user, asked), _accepted(credentials)), order)


def _accepted(credentials: Sequence[Credential]) -> list[Credential]:
    """Raises `CannotShow` where Omni accepts none of them."""
    accepted = [credential for credential in credentials if not credential.rejected_at]
    if not accepted:
        raise CannotShow(CannotShow.REJECTED)
    return accepted


def _owners(user: User, asked: Asked) -> dict[str, list[str]]:
    """By what was typed, the ids that `owner:` may mean."""
    typed = dict.fromkeys(row.value for row in asked.filters if row.name == "owner")
    return {name: people.called(user, name) for name in typed}


def _member(credential: Credential, asked: Asked, owners: dict[str, list[str]]) -> str:
    """The one person whose list an organization key may ask for: whose a conversation is stands nowhere else there."""
    ids = [id_ for name in asked.values("owner") for id_ in owners[name]]
    return ids[0] if len(ids) == 1 and credential.sees_organization else ""


def _renew_top(walk: Walk, ask: Ask) -> Walk:
    """The walk itself where nothing was asked. Raises `OmniError`."""
    if walk.is_known and (ask is Ask.IF_NEEDED or (ask is Ask.IF_STALE and walk.is_fresh)):
        return walk
    urgency = Urgency.REFRESHING if walk.is_known else Urgency.WAITING
    return walks.check(walk, urgency, looked_at=timezone.now(), ask=ask)


def _check_readable(finder: Finder, failures: dict[Credential, OmniError], found: list[Walk]) -> None:
    """Raises `CannotShow` where nothing may be shown and Omni did not say that there is nothing."""
    if len(failures) < len(found):
        return
    errors = list(failures.values())
    if all(isinstance(error, TokenRejected) for error in errors):
        raise CannotShow(CannotShow.REJECTED)
    if all(isinstance(error, NotVisible) for error in errors):
        for walk in found:
            walk.delete()
        raise CannotShow(CannotShow.NOT_SHOWN)
    was_empty = all(walk.checked_at and not walk.total for walk in found)
    stretched = all(isinstance(error, CannotAsk) for error in errors) and was_empty
    if not finder.holds_anything() and not stretched:
        raise CannotShow.because(errors[0])


def _go_further_back(found: list[Walk], asked: Asked) -> bool:
    """One more page of Omni's, for a reader at the end of what was read of its list; False where there is none."""
    if asked and not any(walk.member for walk in found):
        return False
    for place, walk in enumerate(found):
        # Where nobody reads ahead, what was confirmed long ago has run out: then it is walked again.
        if walk.began_at or walk.walk_is_due:
            try:
                found[place] = walks.go_on(walk, Urgency.WAITING)
            except OmniError as error:
                connection.note(walk.credential, error)
                return False
            return True
    return False


def _notice(failures: dict[Credential, OmniError], found: list[Walk]) -> Notice | None:
    for walk in found:
        failure = failures.get(walk.credential)
        if failure:
            return Notice.of(failure, walk.checked_at)
    return None


def _age(found: list[Walk]) -> str:
    return "fresh" if all(walk.is_fresh for walk in found) else "stale"
