"""Context shared by the list's page and the fragment that refreshes it."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef
from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from conversations.archive import background_health, coverage, people, sync
from conversations.archive.lists import Listed
from conversations.archive.people import MAX_MEMBERS
from conversations.models import Access, Conversation, Reader, Star, TicketReference, Visit, Walk
from conversations.pages import list_columns, list_row
from conversations.pages.list_forms import Dates, ListQuery
from conversations.pages.list_row import ListRow, Look, Marks
from conversations.pages.refresh import fresh_in
from conversations.search import date_words, finder, hits, narrowing, syntax
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import Credential, User

# Most people that a filter's chip names.
_MAX_NAMES = 3
# Names of filters, where a chip does not take the filter's own.
_LABELS = {"owner": "asked by", "in": "words in"}
# Parameters that say where in the list the reader is, or what the page does by itself.
_PASSING = ("refresh", "looks", "shown", "cursor", "member")


def page(user: User, found: Listed, query: ListQuery, parameters: QueryDict, looks: int = 0) -> dict[str, Any]:
    """Return the context of list/list.html and its parts; `parameters` are those of the page's address."""
    until, look = Visit.objects.read_until(user), _look(found, query, parameters)
    asked, page = query.asked, found.page
    stale = any(not walk.is_fresh for walk in found.walks)
    checked = [walk.checked_at for walk in found.walks if walk.checked_at]
    address = parameters.copy()
    for name in ("refresh", "looks", "shown"):
        address.pop(name, None)
    page_address = address.copy()
    address["shown"], address["looks"] = digest(page.conversations, page.older), str(looks + 1)
    page_address["refresh"] = "1"
    shown = rows(user, page.conversations, found.asked, look, until)
    return {
        # Parts that a thread has too carry other ids here: both may stand on one page.
        "prefix": "list-",
        "query": query,
        "asked": asked,
        "chips": [(_in_words(row), _meaning(user, row, found), asked.without(row).typed) for row in asked.filters],
        "odd": found.odd,
        "page": page,
        "notice": found.notice,
        "as_of": min(checked, default=None),
        "is_first": query.stretch.is_top,
        "sum": _sum(found, query),
        "sees_organization": look.with_owners,
        "has_unread": any(row.is_unread for row in shown)
        or narrowing.has_unread(Reader.for_user(user, query.held), until),
        "read_until": until,
        "rows": shown,
        "by_day": look.by_day,
        **progress_and_coverage(user, query.credentials, found.walks),
        "shortfall": _shortfall(found.walks),
        "page_refresh_address": f"?{page_address.urlencode()}",
        "facets_address": f"{reverse('conversations:conversations')}facets/?{address.urlencode()}",
        "columns": list_columns.columns(query.stretch.order, has_words=found.asked.has_words),
        "fresh_address": f"{reverse('conversations:conversations')}fresh/?{address.urlencode()}",
        "fresh_in": fresh_in(found.notice, None, looks, is_stale=stale),
    }


def _in_words(row: Filter) -> str:
    """Return a filter as people read it: "Not state: failed"."""
    label = f"{'not ' if row.is_negated else ''}{_LABELS.get(row.name, row.name)}"
    return f"{label.capitalize()}: {row.value.removeprefix('=')}"


def _meaning(user: User, row: Filter, found: Listed) -> str:
    """Return the people or days that a filter was taken to mean, unless its text says so itself."""
    if row.name in syntax.SPANS:
        return date_words.written(row.value, row.name)
    if row.name != "owner":
        return ""
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


def rows(
    user: User, shown: list[Conversation], asked: Asked, look: Look, until: datetime | None = None
) -> list[ListRow]:
    """Return the rows with their owners, stars, unread marks, tickets and matches. `until`: see `narrowing.unread`."""
    found = hits.collect(shown, asked)
    # Ask all of the reader's tokens: another than the one that was shown a row may know more people.
    names = people.names(user, {row.owner for row in shown}) if look.with_owners else {}
    marks = _marks(user, shown, until)
    facts = [
        list_row.facts(
            row,
            found[row.pk],
            look,
            owner_name=names.get(row.owner, row.owner_id),
            marks=marks.get(row.pk, Marks()),
        )
        for row in shown
    ]
    html = list_row.finished(facts)
    return [ListRow(*row) for row in zip(shown, html, (told.is_unread for told in facts), strict=True)]


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


def _marks(user: User, shown: list[Conversation], until: datetime | None) -> dict[int, Marks]:
    """Return what readers have added to these conversations, by their keys."""
    own = Access.objects.filter(pk__in=[row.access.pk for row in shown if row.access])
    found = own.annotate(
        is_starred=Exists(Star.objects.filter(user=user, conversation=OuterRef("conversation"))),
        is_unread=ExpressionWrapper(narrowing.unread(user, until), output_field=BooleanField()),
        has_ticket=Exists(TicketReference.objects.filter(conversation=OuterRef("conversation"))),
    )
    facts = {pk: told for pk, *told in found.values_list("conversation_id", "is_starred", "is_unread", "has_ticket")}
    readable = [row.pk for row in shown if row.shows_messages and facts.get(row.pk, [False])[-1]]
    tickets: dict[int, list[str]] = {}
    if readable:
        linked = TicketReference.objects.filter(conversation__in=readable)
        for pk, ticket in linked.values_list("conversation_id", "ticket"):
            tickets.setdefault(pk, []).append(ticket)
    return {
        pk: Marks(is_starred, is_unread, tuple(tickets.get(pk, ()))) for pk, (is_starred, is_unread, _) in facts.items()
    }


def linked_rows(user: User, shown: list[Conversation], ticket: str) -> dict[str, Any]:
    """Return the rows of a ticket's list, without matches; their threads lead back to that list.

    The parameter is not `ticket`: in a thread's address, that names a ticket that links to the thread.
    """
    sees_organization = any(credential.sees_organization for credential in Credential.objects.owned_by(user))
    look = Look(within=urlencode({"linked": ticket}), with_owners=sees_organization)
    return {"rows": rows(user, shown, Asked(), look), "by_day": False, "sees_organization": sees_organization}


def progress_and_coverage(
    user: User, credentials: Collection[Credential], walks: Collection[Walk] = ()
) -> dict[str, Any]:
    """Return how much of Omni's list the result covers; counted only where the page says so."""
    reader = Reader.for_user(user, credentials)
    progress = sync.progress(credentials, walks)
    of_all = list({row.walk.pk: row.walk for row in progress}.values())
    return {
        "progress": progress,
        "stands_still": background_health.stands_still(),
        "coverage": SimpleLazyObject(lambda: coverage.measure(reader, of_all)),
        "outcomes": SimpleLazyObject(lambda: coverage.count_outcomes(reader)),
    }


def digest(shown: Iterable[Conversation], older: int | None) -> str:
    """Return a digest of a page of the list, which is the same as long as nothing on the page has changed."""
    lines = [f"{row.pk} {row.updated_at} {row.name} {row.last_prompt}" for row in shown]
    return hashlib.sha256("\n".join([*lines, str(older)]).encode()).hexdigest()[:16]


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
        "places": syntax.PLACES,
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
