"""Contexts for a thread: its messages, and its place within the list that a reader came from."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.archive import lists, live_answer, people
from conversations.archive.outcomes import CannotShow, Opened
from conversations.models import Conversation, EarlierMessage, Message, Star, TicketReference, ticket_names
from conversations.pages.evidence_context import answer_statuses
from conversations.pages.list_forms import ListForm, list_address
from conversations.pages.refresh import MAX_LOOKS, fresh_in
from conversations.rendering import trusted
from conversations.search import highlight, syntax
from conversations.search.finder import Finder, Stretch
from conversations.search.syntax import Filter, Text
from omniviewer.accounts.models import Credential, User
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

# Parameters of the list's address: its query, and the page of it; `linked` is the ticket whose list it is.
_ASKED = ("q", "credential", "sort")
_OF_THE_LIST = (*_ASKED, "before", "after", "linked")
# Number of messages from which a thread has an outline beside it, and a search of its own.
_LONG_MESSAGES = 8


@dataclass(frozen=True)
class Marked:
    """Highlights in a thread: their number, and the HTML of the messages that have any, by position."""

    count: int = 0
    html: dict[int, SafeString] = field(default_factory=dict)


def thread(user: User, opened: Opened, looks: int = 0) -> dict[str, Any]:
    """Return the context of thread/thread.html and its parts. `looks`: how often the page has refreshed by itself."""
    conversation = opened.conversation
    last = conversation.last_message
    # The first revision is the first fetch: it replaced nothing.
    earlier = _earlier(opened) if conversation.latest_revision > 1 else []
    running = live_answer.stored(opened)
    count = last.position if last else 0
    found = answer_statuses(opened)
    by_position: dict[int, list[EarlierMessage]] = defaultdict(list)
    for row in earlier:
        by_position[row.position].append(row)
    return {
        "conversation": conversation,
        # A stored thread is shown without asking Omni for anything.
        "owner_name": people.owner_name(user, conversation, opened.token, ask=opened.was_asked),
        "owner_filter": Filter("owner", conversation.owner.as_filter(opened.reader.tokens)),
        "credential": opened.credential if opened.is_one_of_several else None,
        "has_several_credentials": opened.is_one_of_several,
        "notice": opened.notice,
        "shortfall": conversation.shortfall,
        "count": count,
        "is_long": count >= _LONG_MESSAGES,
        **found,
        # Digest of the answers' statuses, for the key of cached HTML that shows them.
        "lines_shown": hashlib.sha256(repr(found["summaries"]).encode()).hexdigest(),
        "is_starred": Star.objects.has(user, conversation),
        "earlier": earlier,
        "earlier_versions": dict(by_position),
        # HTML of messages with highlights, by position.
        "marked_html": {},
        "no_longer": [message for message in earlier if message.position > count],
        "running": running,
        "awaits_answer": bool(last and last.is_question),
        "is_given_up": bool(running) and looks >= MAX_LOOKS,
        "renderer": rendering.RENDERER,
        "zone": timezone.get_current_timezone_name(),
        "as_of": conversation.fetched_at,
        "fresh_address": f"{conversation.get_absolute_url()}fresh/?"
        + urlencode({"revision": conversation.revision, "count": count, "looks": looks + 1}),
        "fresh_in": fresh_in(opened.notice, running, looks, is_stale=not conversation.is_fresh),
    }


def _earlier(opened: Opened) -> list[EarlierMessage]:
    """Return the earlier wordings that the reader was shown, without those that equal the current message."""
    shown = EarlierMessage.objects.shown_to(opened.reader, opened.conversation)
    shown.render_outdated()
    found = list(shown)
    if not found:
        return []
    now = {(row.position, row.role, row.text) for row in opened.conversation.thread}
    once = {(row.position, row.role, row.text): row for row in reversed(found)}
    return [row for key, row in once.items() if key not in now][::-1]


def within(request: Request, conversation: Conversation) -> dict[str, Any]:
    """Return the context of _list_navigation and _find.html; highlight the words of `find`, else of the list's `q`.

    Parameters that make no sense are ignored.
    """
    find = request.GET.get("find", "").strip()
    given: dict[str, str] = {name: str(value) for name, value in request.GET.items() if name in _OF_THE_LIST}
    ticket = ticket_names.read(given.pop("linked", ""))
    if ticket:
        given = {"linked": ticket}
    wanted = {"q": str(Filter("ticket", ticket))} if ticket else given
    try:
        query = ListForm(Credential.objects.owned_by(request.user), wanted).query()
        finder = lists.stored_finder(request.user, query.credentials, query.asked, query.stretch.order)
    except CannotShow:
        return {"find": find}
    marked, is_widened = Marked(), False
    if find:
        marked, is_widened = _find(conversation, find)
    elif query.asked.wanted:
        marked = _mark(conversation.thread, query.asked.wanted)
    return {
        "asked": query.asked,
        "find": find,
        "find_is_widened": is_widened,
        "kept": list(given.items()),
        "marks": marked.count,
        "marked_html": marked.html,
        "within": urlencode(given),
        "list_address": list_address({"ticket": ticket} if ticket else given),
        **_neighbours(finder, query.stretch, conversation, given),
    }


def _neighbours(
    finder: Finder, stretch: Stretch, conversation: Conversation, given: Mapping[str, str]
) -> dict[str, Any]:
    """Return the conversations next to this one, each with the list's parameters for its address."""
    page = finder.page(stretch)
    rows = page.conversations
    place = next((number for number, row in enumerate(rows) if row.pk == conversation.pk), None)
    found: dict[str, Any] = {
        "previous": rows[place - 1] if place else None,
        "following": rows[place + 1] if place is not None and place + 1 < len(rows) else None,
    }
    sides = {"previous": "after", "following": "before"}
    ends = {"previous": page.newer is None, "following": page.older is None}
    beyond: dict[str, Conversation | None] = {}
    if place is None or any(found[name] is None and not ends[name] for name in sides):
        beyond = dict(zip(sides, finder.neighbours(conversation), strict=True))
    asked = {name: value for name, value in given.items() if name in _ASKED}
    for name, side in sides.items():
        # A neighbour on another page: the page that begins or ends next to this conversation. A ticket's list has one
        # page.
        is_elsewhere = found[name] is None and "linked" not in given
        within = {**asked, side: finder.key(conversation)} if is_elsewhere else given
        found[name] = found[name] or beyond.get(name)
        found[f"{name}_within"] = urlencode(within)
    return found


def _find(conversation: Conversation, find: str) -> tuple[Marked, bool]:
    """Highlight the words in messages that hold all of them; if none does, words that begin with them.

    Return the highlights, and whether they are of words that begin so.
    """
    asked = syntax.read(find)
    for sought in (asked, asked.beginnings):
        if sought is None or not sought.wanted:
            continue
        those = [row for row in conversation.thread if highlight.has_all(row.text, sought.wanted)]
        marked = _mark(those, sought.wanted)
        if marked.count:
            return marked, sought is not asked
    return Marked(), False


def _mark(messages: Iterable[Message], wanted: Sequence[Text]) -> Marked:
    """Highlight the words in these messages."""
    found = {message.position: highlight.marked(message.html, wanted) for message in messages}
    html = {position: trusted(row.html) for position, row in found.items() if row.count}
    return Marked(sum(row.count for row in found.values()), html)


def render_thread(request: Request, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """Render thread/thread.html with this context and the conversation's tickets; write the audit row."""
    shown, came_from = context["conversation"], ticket_names.read(request.GET.get("ticket", ""))
    about: trail.About = {"conversation_id": shown.omni_id, "instance": shown.instance, "ticket": came_from}
    about["position"] = context.setdefault("focus", None)
    trail.record(request, Kind.OPENED, **about)
    references = TicketReference.objects.filter(conversation=shown)
    context["tickets"] = list(references.oldest_first())
    return render(request, "conversations/thread/thread.html", context, status=status)
