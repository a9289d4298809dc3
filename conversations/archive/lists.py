"""The list of conversations: from the archive, in its own order, with its top as new as Omni's."""

from collections.abc import Sequence
from dataclasses import dataclass

from conversations import connection
from conversations.archive import walks
from conversations.archive.finding import Finder, Page, Stretch
from conversations.archive.narrowing import Scope
from conversations.archive.outcomes import Ask, Notice
from conversations.archive.tops import accepted, look, owners
from conversations.asking import Urgency
from conversations.models import Walk
from conversations.omni import OmniError
from conversations.terms import Asked
from omniviewer import metrics
from omniviewer.accounts.models import Credential, User

# Pages of Omni's that a reader is made to wait for, who goes further back than was read.
_MOST_PAGES = 2


@dataclass(frozen=True)
class Listed:
    """`walks`: of the tokens through which it is read. `odd`: what of the question was not understood."""

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
    tops = look(user, credentials, asked, ask)
    found, was_asked = tops.walks, tops.was_asked
    asks_for = Finder(tops.scope, stretch.order)
    tops.check_readable(asks_for)
    page = asks_for.page(stretch)
    for _ in range(_MOST_PAGES):
        if page.older is not None or tops.failures or stretch.order != "activity":
            break
        if not _go_further_back(found, asked):
            break
        asks_for, was_asked = Finder(tops.scope, stretch.order), True
        page = asks_for.page(stretch)
    metrics.page_from("asked" if was_asked else tops.state)
    return Listed(page, found, [*asked.odd, *tops.odd], asks_for, tops.notice, was_asked)


def finder(user: User, credentials: Sequence[Credential], asked: Asked, order: str) -> Finder:
    """What is kept of the same list, without asking Omni. Raises `CannotShow` where no credential is accepted."""
    return Finder(Scope(accepted(user, credentials), asked, owners(user, asked)), order)


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
                connection.note(walk.api_token, error)
                return False
            return True
    return False
