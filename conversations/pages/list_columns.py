"""Columns of the list that sort it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column's head. `order` is the order that a click asks for ("" for the usual one), `place` its class.

    `arrow` shows the direction in which the list is sorted by it; "" if it is sorted by another.
    """

    name: str
    place: str
    order: str
    title: str
    arrow: str = ""


def columns(order: str, *, has_words: bool) -> list[Column]:
    """Return the heads of the columns that sort, for a list in this order. `has_words`: words are searched for."""
    title = Column("Conversation", "column-text", "", "")
    if has_words and order == "match":
        title = Column("Conversation, best match first", "column-text", "", "Sort by last activity", "↓")
    elif has_words:
        title = Column("Conversation", "column-text", "match", "Sort by best match")
    facts = _fact(order, "messages", "Messages", "row-count"), _fact(order, "slowest", "Took", "row-took")
    return [title, *facts, _time(order)]


def _fact(order: str, own: str, name: str, place: str) -> Column:
    if order == own:
        return Column(name, place, "", "Sort by last activity", "↓")
    return Column(name, place, own, "Sort highest first")


def _time(order: str) -> Column:
    match order:
        case "started":
            return Column("Started", "row-when", "first", "Sort oldest first", "↓")
        case "first":
            return Column("Started", "row-when", "started", "Sort newest first", "↑")
        case "oldest":
            return Column("Active", "row-when", "", "Sort newest first", "↑")
        case "activity":
            return Column("Active", "row-when", "oldest", "Sort oldest first", "↓")
    return Column("Active", "row-when", "", "Sort by last activity, newest first")
