"""A thread within the list that a reader came from: what was searched for in it, and what stands next to it there."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import QueryDict

from conversations import archive, marking, terms
from conversations.archive import CannotShow
from conversations.forms import ListForm
from conversations.models import Conversation, Message
from conversations.rendering import trusted
from conversations.terms import Text
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request

# Of the list's address: what is asked for, and the page of it.
_ASKED = ("q", "credential", "sort")
_OF_THE_LIST = (*_ASKED, "before", "after")


def of(request: Request, conversation: Conversation) -> dict[str, Any]:
    """For _within.html and _find.html; marks the words in the messages: those of `find` before those of the list's `q`.

    What makes no sense in the address is left out.
    """
    find = request.GET.get("find", "").strip()
    given: dict[str, str] = {name: str(value) for name, value in request.GET.items() if name in _OF_THE_LIST}
    try:
        query = ListForm(Credential.objects.of(request.user), given).query()
        finder = archive.finder(request.user, query.credentials, query.asked, query.stretch.order)
    except CannotShow:
        return {"find": find}
    marks, is_widened = 0, False
    if find:
        marks, is_widened = _find(conversation, find)
    elif query.asked.wanted:
        marks = _mark(conversation.thread, query.asked.wanted)
    previous, following = finder.neighbours(conversation)
    within = QueryDict(mutable=True)
    within.update(given)
    return {
        "asked": query.asked,
        "find": find,
        "find_is_widened": is_widened,
        "kept": list(given.items()),
        "marks": marks,
        "within": within.urlencode(),
        "previous": previous,
        "previous_within": _stepped(within, "after", finder.key(conversation)),
        "following": following,
        "following_within": _stepped(within, "before", finder.key(conversation)),
    }


def _stepped(within: QueryDict, side: str, key: int) -> str:
    """Return what a neighbour's address says of the list: a page that holds the neighbour."""
    stepped = within.copy()
    for name in ("before", "after"):
        stepped.pop(name, None)
    stepped[side] = str(key)
    return stepped.urlencode()


def _find(conversation: Conversation, find: str) -> tuple[int, bool]:
    """Mark the words in messages that hold all of them; where none does, words that begin so.

    Return how many marks there are, and whether they are of words that begin so.
    """
    asked = terms.read(find)
    for sought in (asked, asked.beginnings):
        if sought is None or not sought.wanted:
            continue
        marks = _mark([row for row in conversation.thread if marking.has_all(row.text, sought.wanted)], sought.wanted)
        if marks:
            return marks, sought is not asked
    return 0, False


def _mark(messages: Iterable[Message], wanted: Sequence[Text]) -> int:
    """Return how many marks there are."""
    marks = 0
    for message in messages:
        found = marking.marked(message.html, wanted)
        if found.count:
            marks += found.count
            message.html = trusted(found.html)
    return marks
