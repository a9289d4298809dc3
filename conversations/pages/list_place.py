"""The place of a thread within the list that its reader came from, and the words that they look for in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.safestring import SafeString

from conversations.archive import lists
from conversations.archive.outcomes import CannotShow
from conversations.models import Conversation, Message, ticket_names
from conversations.pages.list_forms import ListForm, ListQuery, list_address
from conversations.rendering import trusted
from conversations.search import highlight, syntax
from conversations.search.finder import Finder, Stretch
from conversations.search.shown_row import ShownRow
from conversations.search.syntax import Filter, Text
from omniviewer.accounts.models import Credential, User

# Parameters of the list's address: its query, and the page of it; `linked` is the ticket whose list it is.
_ASKED = ("q", "credential", "sort")
_OF_THE_LIST = (*_ASKED, "before", "after", "linked")


@dataclass(frozen=True)
class Marked:
    """Highlights in a thread: their number, and the HTML of the messages that have any, by position.

    `is_widened`: they are of words that begin as those that were searched for.
    """

    count: int = 0
    html: dict[int, SafeString] = field(default_factory=dict)
    is_widened: bool = False


class ListPlace:
    """The place that an address names. Parameters that make no sense are ignored."""

    def __init__(self, user: User, address: QueryDict) -> None:
        self._user = user
        self.find = address.get("find", "").strip()
        given = {name: str(value) for name, value in address.items() if name in _OF_THE_LIST}
        ticket = ticket_names.read(given.pop("linked", ""))
        self.given: dict[str, str] = {"linked": ticket} if ticket else given
        self._listed = {"q": str(Filter("ticket", ticket))} if ticket else given
        self._address = list_address({"ticket": ticket} if ticket else given)

    @cached_property
    def query(self) -> ListQuery | None:
        """Return the list's query; None if it makes no sense. Without a word of a list: that of the whole list."""
        try:
            return ListForm(Credential.objects.held_by(self._user), self._listed).query()
        except CannotShow:
            return None

    @property
    def _wanted(self) -> list[Text]:
        """Return the words of the list's query."""
        return list(self.query.asked.wanted) if self.given and self.query else []

    @property
    def marking(self) -> str:
        """Return a name of what is highlighted in the thread; "" if nothing is."""
        return repr(("find", self.find)) if self.find else repr(self._wanted) if self._wanted else ""

    def mark(self, conversation: Conversation) -> Marked:
        """Highlight the words of `find`, else of the list's query."""
        if self.find:
            return _find(conversation, self.find)
        return _mark(conversation.thread, self._wanted) if self._wanted else Marked()

    def context(self, conversation: Conversation) -> dict[str, Any]:
        """Return the context of _list_navigation.html and _find.html.

        Without a list in the address, the conversations beside this one are asked for after the page.
        """
        is_later = not self.given and not self.find
        found: dict[str, Any] = {"find": self.find, "neighbours_later": is_later}
        if is_later or self.query is None:
            return found
        return {
            **found,
            "asked": self.query.asked,
            "kept": list(self.given.items()),
            "within": urlencode(self.given),
            "list_address": self._address,
            **self.neighbours(conversation),
        }

    def neighbours(self, conversation: Conversation) -> dict[str, Any]:
        """Return the conversations next to this one, each with the list's parameters for its address."""
        if self.query is None:
            return {}
        asked, stretch = self.query.asked, self.query.stretch
        try:
            finder = lists.stored_finder(self._user, self.query.credentials, asked, stretch.order)
        except CannotShow:
            return {}
        return _neighbours(finder, stretch, conversation, self.given)


def _neighbours(
    finder: Finder, stretch: Stretch, conversation: Conversation, given: Mapping[str, str]
) -> dict[str, Any]:
    """Return the conversations next to this one, each with the list's parameters for its address."""
    page = finder.page(stretch)
    rows = page.rows
    place = next((number for number, row in enumerate(rows) if row.pk == conversation.pk), None)
    found: dict[str, Any] = {
        "previous": rows[place - 1] if place else None,
        "following": rows[place + 1] if place is not None and place + 1 < len(rows) else None,
    }
    sides = {"previous": "after", "following": "before"}
    ends = {"previous": page.newer is None, "following": page.older is None}
    beyond: dict[str, ShownRow | None] = {}
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


def _find(conversation: Conversation, find: str) -> Marked:
    """Highlight the words in messages that hold all of them; if none does, words that begin with them."""
    asked = syntax.read(find)
    for sought in (asked, asked.beginnings):
        if sought is None or not sought.wanted:
            continue
        those = [row for row in conversation.thread if highlight.has_all(row.text, sought.wanted)]
        marked = _mark(those, sought.wanted)
        if marked.count:
            return replace(marked, is_widened=sought is not asked)
    return Marked()


def _mark(messages: Iterable[Message], wanted: Sequence[Text]) -> Marked:
    """Highlight the words in these messages."""
    found = {message.position: highlight.marked(message.html, wanted) for message in messages}
    html = {position: trusted(row.html) for position, row in found.items() if row.count}
    return Marked(sum(row.count for row in found.values()), html)
