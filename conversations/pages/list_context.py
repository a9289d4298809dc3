"""Context shared by the list's page and the fragment that refreshes it."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from conversations.archive import background_health, coverage, people, people_asked, sync
from conversations.archive.coverage import Coverage, Outcomes
from conversations.archive.lists import Listed
from conversations.archive.people import MAX_MEMBERS
from conversations.archive.sync import Progress
from conversations.models import Access, Owner, Reader, Star, TicketReference, Visit, Walk, recency
from conversations.models.keys import Keys
from conversations.pages import list_columns, list_row
from conversations.pages.finished_frame import Told
from conversations.pages.list_forms import Dates, ListQuery
from conversations.pages.list_row import ListRow, Look, Marks
from conversations.pages.refresh import fresh_in
from conversations.search import finder, hits, narrowing, query_words, syntax
from conversations.search.finder import Page
from conversations.search.hits import Hits
from conversations.search.shown_row import ShownRows
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import Credential, User
from omniviewer.prepared import Prepared, slot

# Most people that a filter's chip names.
_MAX_NAMES = 3
# Parameters that say where in the list the reader is, or what the page does by itself.
_PASSING = ("refresh", "looks", "shown", "cursor", "member")


def page(user: User, found: Listed, query: ListQuery, parameters: QueryDict, looks: int = 0) -> dict[str, Any]:
    """Return the context of list/list.html and its parts; `parameters` are those of the page's address."""
    until, look = Visit.objects.read_until(user), _look(found, query, parameters)
    asked, page = query.asked, found.page
    of_whole = covered(user, query.credentials, found.walks)
    listed = rows(found.finder.scope.reader, page.shown, found.asked, look, until)
    stale = any(not walk.is_fresh for walk in found.walks)
    checked = [walk.checked_at for walk in found.walks if walk.checked_at]
    address = parameters.copy()
    for name in ("refresh", "looks", "shown"):
        address.pop(name, None)
    page_address = address.copy()
    address["shown"], address["looks"] = digest(page), str(looks + 1)
    page_address["refresh"] = "1"
    has_ends = page.newer is not None or page.older is not None or not query.stretch.is_top
    return {
        # Parts that a thread has too carry other ids here: both may stand on one page.
        "prefix": "list-",
        "query": query,
        "asked": asked,
        "chips": [(*_chip(user, row, found), asked.without(row).typed) for row in asked.filters],
        "odd": found.odd,
        "page": {"older": page.older, "newer": page.newer},
        "notice": found.notice,
        "as_of": min(checked, default=None),
        "is_first": query.stretch.is_top,
        "sum": _sum(found, query),
        "sees_organization": look.with_owners,
        "has_unread": listed.has_unread or narrowing.has_unread(Reader.for_user(user, query.held), until),
        "rows": listed,
        "by_day": look.by_day,
        **_progress(of_whole),
        "coverage": of_whole.coverage if asked or (has_ends and page.older is None) else None,
        "outcomes": of_whole.outcomes if asked.depends_on_outcome else None,
        "shortfall": _shortfall(found.walks),
        "people_asked": people_asked.named(found.finder.scope.reader, asked)
        if not len(page.shown) and asked.has_words
        else [],
        "page_refresh_address": f"?{page_address.urlencode()}",
        "facets_address": f"{reverse('conversations:conversations')}facets/?{address.urlencode()}",
        "columns": list_columns.columns(query.stretch.order, has_words=found.asked.has_words),
        "fresh_address": f"{reverse('conversations:conversations')}fresh/?{address.urlencode()}",
        "fresh_in": fresh_in(found.notice, None, looks, is_stale=stale),
    }


def _chip(user: User, row: Filter, found: Listed) -> tuple[str, str]:
    """Return the text of a filter's chip, and the people or days that the filter was taken to mean."""
    text, span = query_words.chip(row)
    return text, _people(user, row, found) if row.name == "owner" else span


def _people(user: User, row: Filter, found: Listed) -> str:
    """Return the people that a filter was taken to mean, unless its text says so itself."""
    meant = found.owners.get(row.value, [])
    names = sorted(set(people.names(user, meant).values()), key=str.casefold)
    if len(names) == 1 and names[0].casefold() == row.value.casefold():
        return ""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more if meant else "no such person"


def _within(parameters: QueryDict, asked: Asked, sought: Asked) -> QueryDict:
    """Return the parameters with the query that was run in the end, so that opened threads highlight its words."""
    if sought is asked:
        return parameters
    within = parameters.copy()
    within["q"] = sought.typed
    return within


def _shortfall(walks: list[Walk]) -> str:
    unreadable = sum(walk.unreadable for walk in walks)
    if not unreadable:
        return ""
    entries = "1 entry" if unreadable == 1 else f"{unreadable:,} entries"
    return f"{entries} of Omni’s list could not be read. The others are shown."


@dataclass
class Rows(Told):
    """Rows of a page with their owners, stars, unread marks, tickets and matches, rendered when the page needs them."""

    reader: Reader
    shown: ShownRows
    asked: Asked
    look: Look
    marks: dict[int, Marks]
    names: dict[Owner, str]

    @property
    def told(self) -> Any:
        marks = [(pk, *marks) for pk, marks in self.marks.items()]
        sought = self.asked.texts, sorted(self.asked.places)
        return self.shown.values, marks, sorted(self.names.items()), self.look, sought

    @cached_property
    def _hits(self) -> dict[int, Hits]:
        return hits.collect(self.reader, self.shown.rows, self.asked)

    @property
    def lasts(self) -> bool:
        """Return False where matches in queries may stand: a right to these may begin by time alone."""
        return not hits.may_have_queries(self.shown.rows, self._hits, self.asked)

    @property
    def has_unread(self) -> bool:
        return any(marks.is_unread for marks in self.marks.values())

    def __len__(self) -> int:
        return len(self.shown)

    def __iter__(self) -> Iterator[ListRow]:
        rows, none = self.shown.rows, Marks()
        facts = [
            list_row.facts(
                row,
                self._hits[row.pk],
                self.look,
                owner_name=self.names.get(row.owner, row.owner_id),
                marks=self.marks.get(row.pk, none),
            )
            for row in rows
        ]
        return map(ListRow, (row.day for row in rows), list_row.finished(facts))


def rows(reader: Reader, shown: ShownRows, asked: Asked, look: Look, until: datetime | None = None) -> Rows:
    """Return the rows of a page. `until`: the time up to which all counts as read, where the caller knows it."""
    user = reader.user
    until = until or Visit.objects.read_until(user)
    names: dict[Owner, str] = {}
    if look.with_owners:
        # Ask all of the reader's tokens: another than the one that was shown a row may know more people.
        owners = set(map(Owner, shown.column("instance"), shown.column("owner_id")))
        names = people.names(user, owners)
    return Rows(reader, shown, asked, look, _marks(user, shown, until), names)


def _look(found: Listed, query: ListQuery, parameters: QueryDict) -> Look:
    within = _within(parameters, query.asked, found.asked).copy()
    for name in _PASSING:
        within.pop(name, None)
    is_by_start = query.stretch.order in ("started", "first")
    return Look(
        # Carried into the threads, so that their neighbours in this list, and the way back to this very page of it, can
        # be found.
        within=within.urlencode(),
        # Few matches of a query are of the same day.
        by_day=query.stretch.order in ("activity", "oldest") and not found.asked,
        by_start=is_by_start,
        with_owners=any(credential.sees_organization for credential in query.credentials),
    )


def _marks(user: User, shown: ShownRows, until: datetime) -> dict[int, Marks]:
    """Return what readers have added to these conversations, by their keys."""
    keys = shown.column("access_key")
    told = _MARKS.rows(user=user, until=recency(until), keys=keys) if keys else []
    facts = {pk: marks for pk, *marks in told}
    may_read = dict(zip(shown.column("pk"), shown.column("shows_messages"), strict=True))
    linked = [pk for pk, (_, _, has_ticket) in facts.items() if has_ticket and may_read[pk]]
    tickets: dict[int, list[str]] = {}
    for pk, ticket in _TICKETS.rows(keys=linked) if linked else []:
        tickets.setdefault(pk, []).append(ticket)
    return {
        pk: Marks(bool(is_starred), bool(is_unread), tuple(tickets.get(pk, ())))
        for pk, (is_starred, is_unread, _) in facts.items()
    }


def _marked(_: None) -> QuerySet[Access, tuple[Any, ...]]:
    added = {"user": slot("user"), "conversation": OuterRef("conversation")}
    rows = Access.objects.filter(pk__in=Keys(slot("keys"))).annotate(
        is_starred=Exists(Star.objects.filter(**added)),
        is_unread=ExpressionWrapper(narrowing.unread(slot("user"), slot("until")), output_field=BooleanField()),
        has_ticket=Exists(TicketReference.objects.filter(conversation=OuterRef("conversation"))),
    )
    return rows.values_list("conversation_id", "is_starred", "is_unread", "has_ticket")


_MARKS = Prepared(_marked)
_TICKETS = Prepared(
    lambda _: (
        TicketReference.objects.filter(conversation__in=Keys(slot("keys")))
        .oldest_first()
        .values_list("conversation_id", "ticket")
    )
)


def linked_rows(user: User, shown: ShownRows, ticket: str) -> dict[str, Any]:
    """Return the rows of a ticket's list, without matches; their threads lead back to that list.

    The parameter is not `ticket`: in a thread's address, that names a ticket that links to the thread.
    """
    sees_organization = any(credential.sees_organization for credential in Credential.objects.held_by(user))
    look = Look(within=urlencode({"linked": ticket}), with_owners=sees_organization)
    found = rows(Reader.for_user(user), shown, Asked(), look)
    return {"rows": found, "by_day": False, "sees_organization": sees_organization}


@dataclass
class Covered:
    """Share of Omni's list that the result covers; counted only where a page says so."""

    reader: Reader
    progress: list[Progress]

    @cached_property
    def coverage(self) -> Coverage:
        return coverage.measure(self.reader, list({row.walk.pk: row.walk for row in self.progress}.values()))

    @cached_property
    def outcomes(self) -> Outcomes:
        return coverage.count_outcomes(self.reader)


def covered(user: User, credentials: Collection[Credential], walks: Collection[Walk] = ()) -> Covered:
    return Covered(Reader.for_user(user, credentials), sync.progress(credentials, walks))


def progress_and_coverage(
    user: User, credentials: Collection[Credential], walks: Collection[Walk] = ()
) -> dict[str, Any]:
    """Return how much of Omni's list the result covers, counted when the page says so."""
    found = covered(user, credentials, walks)
    return {
        **_progress(found),
        "coverage": SimpleLazyObject(lambda: found.coverage),
        "outcomes": SimpleLazyObject(lambda: found.outcomes),
    }


def _progress(found: Covered) -> dict[str, Any]:
    is_worth_telling = any(row.is_worth_telling for row in found.progress)
    return {
        "progress": found.progress if is_worth_telling else [],
        "stands_still": background_health.stands_still(),
    }


def digest(page: Page) -> str:
    """Return a digest of a page of the list, which is the same as long as nothing on the page has changed."""
    told = [page.shown.column(name) for name in ("pk", "updated_at", "name", "last_prompt")]
    return hashlib.sha256(repr((told, page.older)).encode()).hexdigest()[:16]


def _sum(found: Listed, query: ListQuery) -> dict[str, Any]:
    """Return the number of conversations: counted up to `MAX_COUNTED` for a query, else as Omni counts."""
    if not query.asked:
        totals = [walk.total for walk in found.walks]
        return {"count": sum(total or 0 for total in totals) if None not in totals else None, "is_more": False}
    count = found.finder.count()
    return {"count": min(count, finder.MAX_COUNTED), "is_more": count > finder.MAX_COUNTED}


def controls(credentials: Iterable[Credential], asked: Asked) -> dict[str, Any]:
    """Return the context of list/_filters.html and list/_dates.html: the choices, and the current values."""
    return {
        "dates": Dates.of_query(asked),
        **owners(credentials, asked.value("owner")),
        "chosen": {
            "state": asked.value("state"),
            "topic": asked.value("topic"),
            "since": asked.value("from"),
            "until": asked.value("to"),
            "day": asked.value("on"),
            "linked": asked.value("ticket"),
            "has": asked.value("has"),
            "only": asked.value("is"),
            "place": asked.value("in"),
        },
        "states": syntax.STATES,
        "places": query_words.PLACE_NAMES,
    }


def owners(credentials: Iterable[Credential], chosen: str) -> dict[str, Any]:
    """Return the context of shared/_owner_filter.html: people to choose from, unless too many, and the one chosen."""
    tokens = dict.fromkeys(credential.api_token for credential in credentials)
    members = {
        member.owner.as_filter(tokens): member for token in tokens for member in people.members(token, ask=False)
    }
    if len(members) > MAX_MEMBERS:
        members = {}
    return {
        "people": sorted(members.items(), key=lambda choice: choice[1].name.lower()),
        "owner": chosen,
        "is_known_owner": not chosen or chosen in members or chosen == "me",
    }
