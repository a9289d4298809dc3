"""The list of conversations: from the archive, in its own order, with its top as new as Omni's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

from conversations.archive import credentials, list_walk, people
from conversations.archive.outcomes import CannotShow, Fetch, Notice
from conversations.models import Access, Owner, Reader, Walk
from conversations.search import documents, query_words
from conversations.search.finder import Finder, Page, Stretch, waiting_of_few
from conversations.search.narrowing import Scope
from conversations.search.syntax import Asked
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.omni import CannotAsk, NotVisible, OmniError, TokenRejected
from omniviewer.operations import metrics

# Seconds spent on indexing new replies before a reader is answered; on the reader's own conversations where these are
# few, so that the time reveals nothing about others.
_CATCH_UP_SECONDS = 0.25
# Most pages of Omni's list that a reader waits for when going further back than was read.
_MAX_PAGES = 2


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
    top.check_readable()
    asks_for = top.finder(stretch.order)
    page = asks_for.page(stretch)
    for _ in range(_MAX_PAGES):
        if page.older is not None or top.failures or stretch.order != "activity":
            break
        if not _go_further_back(found, asked):
            break
        asks_for, was_asked = replace(top, is_of_few=False).finder(stretch.order), True
        page = asks_for.page(stretch)
    if documents.index_shown(page.shown):
        page = asks_for.page(stretch)
    metrics.page_from("asked" if was_asked else top.state)
    odd = [*asked.odd, *top.odd]
    begun = None if page.shown else asked.beginnings
    if begun and (stretch.is_top or not asks_for.count()):
        wider = top.finder(stretch.order, begun)
        wider_page = wider.page(stretch)
        if wider_page.shown:
            asks_for, page, asked = wider, wider_page, begun
            odd.insert(0, said_of_beginnings(asked))
    return Listed(page, found, odd, asks_for, asked, top.scope.owners, top.notice, was_asked)


def finder(user: User, through: Sequence[Credential], asked: Asked, order: str) -> Finder:
    """Return a finder for what the list shows of these credentials and the query. Raises `CannotShow`."""
    top = check_tops(user, through, asked)
    top.check_readable()
    if not asked:
        # The counts are of all, so all has to be indexed.
        top = replace(top, is_of_few=catch_up(top.scope.reader))
    asks_for = top.finder(order)
    begun = asked.beginnings if asks_for.is_empty else None
    wider = top.finder(order, begun) if begun else asks_for
    return asks_for if wider.is_empty else wider


def said_of_beginnings(asked: Asked) -> str:
    """Return the sentence that says that words were taken as prefixes, as nothing matched them exactly."""
    return f"No exact matches. Showing words that begin with {query_words.beginnings(asked)}."


def stored_finder(user: User, through: Sequence[Credential], asked: Asked, order: str) -> Finder:
    """Return a finder over what is stored, without asking Omni. Raises `CannotShow` where no token is accepted."""
    reader = accepted(user, through)
    # Index a reply that was fetched just now, such as a thread that was opened from the list.
    is_of_few = catch_up(reader) if asked else False
    return Finder(Scope(reader, asked, owners(user, asked)), order, is_of_few=is_of_few)


def catch_up(reader: Reader) -> bool:
    """Index what waits, for a short time; return whether the reader's tokens were shown few conversations."""
    waiting = waiting_of_few(reader)
    if waiting is None or waiting:
        documents.refresh(seconds=_CATCH_UP_SECONDS, among=waiting)
    return waiting is not None


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


@dataclass(frozen=True)
class Tops:
    """Readable scope and walks of each token after the check. `failures`: errors by the token that met them."""

    scope: Scope
    walks: list[Walk]
    failures: dict[ApiToken, OmniError]
    was_asked: bool
    # True if the reader's tokens are known to have been shown few conversations.
    is_of_few: bool

    def finder(self, order: str = "activity", asked: Asked | None = None) -> Finder:
        """Return a finder for the query, or for another one over the same."""
        scope = replace(self.scope, asked=asked) if asked else self.scope
        return Finder(scope, order, is_of_few=self.is_of_few)

    @property
    def state(self) -> str:
        """Return the list's state for the metrics, where Omni was not asked."""
        return "stretched" if self.failures else "fresh" if all(walk.is_fresh for walk in self.walks) else "stale"

    @property
    def notice(self) -> Notice | None:
        for walk in self.walks:
            failure = self.failures.get(walk.api_token)
            if failure:
                return Notice.about(failure, walk.checked_at)
        return None

    @property
    def odd(self) -> list[str]:
        """Return a sentence for each name in the query that matches nobody."""
        return [f"Nobody you can see is called “{name}”." for name, ids in self.scope.owners.items() if not ids]

    def check_readable(self) -> None:
        """Raise `CannotShow` where nothing is readable and Omni did not say that there is nothing."""
        if len(self.failures) < len(self.walks):
            return
        errors = list(self.failures.values())
        if all(isinstance(error, TokenRejected) for error in errors):
            raise CannotShow(CannotShow.REJECTED)
        if all(isinstance(error, NotVisible) for error in errors):
            for walk in self.walks:
                walk.delete()
            raise CannotShow(CannotShow.NOT_SHOWN)
        was_empty = all(walk.checked_at and not walk.total for walk in self.walks)
        stretched = all(isinstance(error, CannotAsk) for error in errors) and was_empty
        if not Access.objects.rows_of(self.scope.reader).exists() and not stretched:
            raise CannotShow.because(errors[0])


def check_tops(user: User, through: Sequence[Credential], asked: Asked, when: Fetch = Fetch.IF_MISSING) -> Tops:
    """Check the tops, collecting errors in `failures`. Raises `CannotShow` where no credential is accepted."""
    reader = accepted(user, through)
    meant = owners(user, asked)
    failures: dict[ApiToken, OmniError] = {}
    found, was_asked = [], False
    for token in reader.tokens:
        walk = list_walk.walk_of(token, _member(token, asked, meant))
        try:
            renewed = _renew_top(walk, when)
            was_asked |= renewed is not walk
            walk = renewed
        except OmniError as error:
            failures[token] = credentials.record(token, error)
        found.append(walk)
    unasked = [token for token, error in failures.items() if isinstance(error, CannotAsk)]
    # Without the tokens that were rejected just now.
    reader = Reader.for_user(user, through).stretched(unasked)
    is_of_few = catch_up(reader) if asked else False
    return Tops(Scope(reader, asked, meant), found, failures, was_asked, is_of_few)


def accepted(user: User, through: Sequence[Credential]) -> Reader:
    """Return the reader through these credentials. Raises `CannotShow` where Omni accepts none of them."""
    reader = Reader.for_user(user, through)
    if not reader.tokens:
        raise CannotShow(CannotShow.REJECTED)
    return reader


def owners(user: User, asked: Asked) -> dict[str, list[Owner]]:
    """Return the people whom each value of `owner:` may mean."""
    typed = dict.fromkeys(row.value for row in asked.filters if row.name == "owner")
    return {name: people.find(user, name) for name in typed}


def _member(token: ApiToken, asked: Asked, owners: dict[str, list[Owner]]) -> str:
    """Return the one person whose list to ask for with an organization key, as no other list names owners; else ""."""
    meant = [owner for name in asked.values("owner") for owner in owners[name]]
    ids = [owner.id for owner in meant if owner.instance == token.instance]
    return ids[0] if len(ids) == 1 and token.sees_organization else ""


def _renew_top(walk: Walk, when: Fetch) -> Walk:
    """Check the top unless the stored one will do; return the same walk if Omni was not asked. Raises `OmniError`."""
    if walk.is_known and (when is Fetch.IF_MISSING or (when is Fetch.IF_STALE and walk.is_fresh)):
        return walk
    urgency = Urgency.REFRESHING if walk.is_known else Urgency.WAITING
    return list_walk.check(walk, urgency, looked_at=timezone.now())
