"""Titles of conversations on pages of the log: looked up for each reader when a page is shown, stored nowhere."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from omniviewer.audit.models import Event

Reader = AbstractBaseUser | AnonymousUser
Lookup = Callable[[Reader, Collection[UUID]], Mapping[UUID, str]]


class _Titles:
    """The lookup in use. Without one, pages show ids alone."""

    lookup: Lookup | None = None


_titles = _Titles()


def look_up_with(function: Lookup) -> None:
    """Set the function that returns titles by Omni's id, of the conversations that this person may see now.

    A title that holds HTML is marked as safe.
    """
    _titles.lookup = function


@dataclass(frozen=True)
class Row:
    """An event, and the title of its conversation; "" if there is none, or the reader may not see it."""

    event: Event
    title: str


def rows(reader: Reader, events: Collection[Event]) -> list[Row]:
    """Return the events with their titles, which are looked up all at once."""
    ids = {event.conversation_id for event in events if event.conversation_id}
    found = _titles.lookup(reader, ids) if _titles.lookup and ids else {}
    return [Row(event, found.get(event.conversation_id, "") if event.conversation_id else "") for event in events]
