"""A thread within the list that a reader came from: what was searched for in it, and what stands next to it there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from conversations import archive
from conversations.archive import CannotShow, Finder, Stretch
from conversations.models import Conversation, Message, ticket_names
from conversations.pages.list_forms import ListForm, list_address
from conversations.rendering import trusted
from conversations.search import highlight, syntax
from conversations.search.syntax import Filter, Text
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request

# Of the list's address: what is asked for, and the page of it; `linked`: the ticket whose list it is.
_ASKED = ("q", "credential", "sort")
_OF_THE_LIST = (*_ASKED, "before", "after", "linked")


def of(request: Request, conversation: Conversation) -> dict[str, Any]:
    """For _within.html and _find.html; marks the words in the messages: those of `find` before those of the list's `q`.

    What makes no sense in the address is left out.
    """
    find = request.GET.get("find", "").strip()
    given: dict[str, str] = {name: str(value) for name, value in request.GET.items() if name in _OF_THE_LIST}
    ticket = ticket_names.read(given.pop("linked", ""))
    if ticket:
        given = {"linked": ticket}
    wanted = {"q": str(Filter("ticket", ticket))} if ticket else given
    try:
        query = ListForm(Credential.objects.of(request.user), wanted).query()
        finder = archive.finder(request.user, query.credentials, query.asked, query.stretch.order)
    except CannotShow:
        return {"find": find}
    marks, is_widened = 0, False
    if find:
        marks, is_widened = _find(conversation, find)
    elif query.asked.wanted:
        marks = _mark(conversation.thread, query.asked.wanted)
    within = urlencode(given)
    return {
        "asked": query.asked,
        "find": find,
        "find_is_widened": is_widened,
        "kept": list(given.items()),
        "marks": marks,
        "within": within,
        "list_address": list_address({"ticket": ticket} if ticket else given),
        **_neighbours(finder, query.stretch, conversation, given),
    }


def _neighbours(
    finder: Finder, stretch: Stretch, conversation: Conversation, given: Mapping[str, str]
) -> dict[str, Any]:
    """The conversations next to this one, each with what its address says of the list: the page that it stands on."""
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
        # On the page that begins, or ends, next to this conversation; a ticket's list has one page alone.
        is_elsewhere = found[name] is None and "linked" not in given
        within = {**asked, side: finder.key(conversation)} if is_elsewhere else given
        found[name] = found[name] or beyond.get(name)
        found[f"{name}_within"] = urlencode(within)
    return found


def _find(conversation: Conversation, find: str) -> tuple[int, bool]:
    """Mark the words in messages that hold all of them; where none does, words that begin so.

    Return how many marks there are, and whether they are of words that begin so.
    """
    asked = syntax.read(find)
    for sought in (asked, asked.beginnings):
        if sought is None or not sought.wanted:
            continue
        marks = _mark([row for row in conversation.thread if highlight.has_all(row.text, sought.wanted)], sought.wanted)
        if marks:
            return marks, sought is not asked
    return 0, False


def _mark(messages: Iterable[Message], wanted: Sequence[Text]) -> int:
    """Return how many marks there are."""
    marks = 0
    for message in messages:
        found = highlight.marked(message.html, wanted)
        if found.count:
            marks += found.count
            message.html = trusted(found.html)
    return marks
