"""Rows of the list as finished HTML: rendered from plain facts, which name the HTML in the cache."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from django.core.cache import cache
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from conversations.models import Conversation
from conversations.pages.finished_thread import templates_digest
from conversations.search import list_facts
from conversations.search.hits import Hits
from conversations.search.list_facts import ListFacts
from conversations.search.shown_row import ShownRow

_KEPT_SECONDS = 3600


@dataclass(frozen=True)
class Look:
    """Appearance of all rows: `within` are parameters for the threads' addresses; `by_start`: the time shown."""

    within: str = ""
    by_day: bool = False
    by_start: bool = False
    with_owners: bool = False


@dataclass(frozen=True)
class RowFacts:
    """Everything that list/_row.html gets: nothing else may reach it, or a stored row could be out of date.

    `path` names the conversation; `said` is its last prompt where that says more than the title; `at` is the time
    shown.
    """

    key: int
    path: str
    omni_id: str
    hits: Hits
    said: str
    at: datetime | None
    told: ListFacts
    owner_name: str
    is_starred: bool
    is_unread: bool
    tickets: tuple[str, ...]
    look: Look

    @property
    def address(self) -> str:
        """Return the address of the conversation, at its first match; with the parameters that lead back here."""
        position = self.hits.opens_at
        return self._at(f"messages/{position}/" if position else "")

    @property
    def evidence_address(self) -> str:
        """Return the same with its last evidence opened."""
        return f"{self._at()}#evidence"

    def _at(self, place: str = "") -> str:
        within = f"?{self.look.within}" if self.look.within else ""
        return f"{Conversation.address_of(self.omni_id)}{place}{within}"


@dataclass(frozen=True)
class ListRow:
    """A row of the list: its HTML, and the day of its last activity."""

    day: date | None
    html: SafeString


class Marks(NamedTuple):
    """Additions by readers to a conversation: the reader’s own star and unread mark, and the tickets."""

    is_starred: bool = False
    is_unread: bool = False
    tickets: tuple[str, ...] = ()


def facts(conversation: ShownRow, hits: Hits, look: Look, *, owner_name: str, marks: Marks) -> RowFacts:
    """Return what a row shows of a conversation."""
    at = conversation.created_at if look.by_start else conversation.updated_at
    says_more = conversation.name and conversation.last_prompt and conversation.name != conversation.last_prompt
    return RowFacts(
        key=conversation.pk,
        path=str(conversation),
        omni_id=str(conversation.omni_id),
        hits=hits,
        said=conversation.last_prompt if says_more else "",
        at=at,
        told=list_facts.shown(conversation),
        owner_name=owner_name if look.with_owners else "",
        is_starred=marks.is_starred,
        is_unread=marks.is_unread,
        tickets=marks.tickets,
        look=look,
    )


def finished(rows: Sequence[RowFacts]) -> list[SafeString]:
    """Return the rows' HTML, from the cache where the same was rendered before."""
    # A row writes the times of today in another way than those of other days.
    shared = repr((timezone.get_current_timezone_name(), timezone.localdate(), templates_digest()))
    names = [f"row-{hashlib.sha256(f'{shared}{row}'.encode()).hexdigest()}" for row in rows]
    stored = cache.get_many(names)
    made = {
        name: render_to_string("conversations/list/_row.html", {"row": row})
        for name, row in zip(names, rows, strict=True)
        if name not in stored
    }
    if made:
        cache.set_many(made, _KEPT_SECONDS)
    found = stored | made
    return [found[name] for name in names]
