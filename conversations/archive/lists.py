"""The list of conversations: from the archive, in its own order, with its top as new as Omni's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from conversations.archive import credentials, list_walk
from conversations.archive.outcomes import Fetch, Notice
from conversations.archive.tops import CATCH_UP, accepted, check_tops, owners
from conversations.models import Owner, Walk
from conversations.search import documents
from conversations.search.finder import Finder, Page, Stretch, few_conversations
from conversations.search.narrowing import Scope
from conversations.search.syntax import Asked
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import Credential, User
from omniviewer.omni import OmniError
from omniviewer.operations import metrics

# Most pages of Omni's list that a reader waits for when going further back than was read.
_MOST_PAGES = 2


@dataclass(frozen=True)
class Listed:
    """A page of the list. `walks` are those of the reader's tokens; `odd` says what of the query was not understood.

    `asked` is the query that was run in the end. `owners` are the people behind each value of `owner:`.
    """

    page: Page
    walks: list[Walk]
    odd: list[str]
    finder: Finder
    asked: Asked
    owners: dict[str, list[Owner]]
    notice: Notice | None = None
    # True if Omni was asked by this call.
    was_asked: bool = False


def open(  # noqa: A001  (callers say `lists.open`)
    user: User,
    through: Sequence[Credential],
    asked: Asked,
    stretch: Stretch,
    *,
    when: Fetch = Fetch.IF_MISSING,
) -> Listed:
    """Return a page of what these credentials show and the query matches. Raises `CannotShow`."""
    top = check_tops(user, through, asked, when)
    found, was_asked = top.walks, top.was_asked
    asks_for = Finder(top.scope, stretch.order)
    top.check_readable(asks_for)
    page = asks_for.page(stretch)
    for _ in range(_MOST_PAGES):
        if page.older is not None or top.failures or stretch.order != "activity":
            break
        if not _go_further_back(found, asked):
            break
        asks_for, was_asked = Finder(top.scope, stretch.order), True
        page = asks_for.page(stretch)
    metrics.page_from("asked" if was_asked else top.state)
    odd = [*asked.odd, *top.odd]
    begun = None if page.conversations else asked.beginnings
    if begun and (stretch.is_top or not asks_for.count()):
        wider = Finder(replace(top.scope, asked=begun), stretch.order)
        wider_page = wider.page(stretch)
        if wider_page.conversations:
            asks_for, page, asked = wider, wider_page, begun
            odd.insert(0, f"No exact matches. Showing words that begin with {_named(asked)}.")
    return Listed(page, found, odd, asks_for, asked, top.scope.owners, top.notice, was_asked)


def _named(asked: Asked) -> str:
    begun = [f"“{' '.join(text.words)}”" for text in asked.wanted if text.is_prefix]
    return f"{', '.join(begun[:-1])} and {begun[-1]}" if len(begun) > 1 else "".join(begun)


def stored_finder(user: User, through: Sequence[Credential], asked: Asked, order: str) -> Finder:
    """Return a finder over what is stored, without asking Omni. Raises `CannotShow` where no token is accepted."""
    reader = accepted(user, through)
    if asked:
        # Index a reply that was fetched just now, such as a thread that was opened from the list.
        documents.refresh(seconds=CATCH_UP, among=few_conversations(reader))
    return Finder(Scope(reader, asked, owners(user, asked)), order)


def _go_further_back(found: list[Walk], asked: Asked) -> bool:
    """Fetch one more page of Omni's list for a reader at the end of what was read; False if there is none."""
    if asked and not any(walk.member for walk in found):
        return False
    for place, walk in enumerate(found):
        # Without background sync, accesses that were confirmed long ago have expired: walk the list again.
        if walk.began_at or walk.walk_is_due:
            try:
                found[place] = list_walk.go_on(walk, Urgency.WAITING)
            except OmniError as error:
                credentials.record(walk.api_token, error)
                return False
            return True
    return False
