"""Facts of conversations in lists, as far as a reader may know each: states, topics, evidence, length."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from conversations.models import Conversation
from conversations.search import syntax
from conversations.search.question import Fact
from conversations.search.rights import places_of
from conversations.search.shown_row import ShownRow

# Columns that `store` sets.
COLUMNS: Final = ("facts", "message_count", "last_answer_took")
COMPLETE: Final = Fact("state", syntax.COMPLETE)
# States of a row, the one that it shows first. "answered" alone leaves open how the job ended.
_STATES: Final = ("running", "failed", "unanswered", "cancelled", "complete")
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class ListFacts:
    """Facts of one conversation for one reader. `state` is "" where the reader may not read the messages."""

    state: str = ""
    topics: tuple[str, ...] = ()
    has_chart: bool = False
    has_rows: bool = False
    message_count: int | None = None
    took: timedelta | None = None


def store(conversation: Conversation, facts: Iterable[Fact], message_count: int, answer_took: int | None) -> None:
    """Set the columns of `ListColumns`, without saving."""
    conversation.facts = json.dumps(sorted([fact.kind, fact.value] for fact in facts), ensure_ascii=False)
    conversation.message_count = message_count or None
    conversation.last_answer_took = answer_took


def written(fact: Fact) -> str:
    """Return the fact as it stands in a conversation's `facts` column."""
    return json.dumps([fact.kind, fact.value], ensure_ascii=False)


def read(written: str) -> list[Fact]:
    """Return the facts that a conversation's `facts` column holds."""
    return [Fact(*pair) for pair in json.loads(written)] if written else []


def shown(row: ShownRow) -> ListFacts:
    """Return the facts of a conversation that the reader of its row may know."""
    is_current = row.revision >= row.indexed_revision
    if not row.shows_messages or not is_current or row.message_count is None:
        return ListFacts()
    places = places_of(may_read=True, is_current=True, has_evidence=row.has_evidence)
    known = {fact for fact in read(row.facts) if fact.is_known_from(places)}
    took = row.last_answer_took
    return ListFacts(
        state=_state({fact.value for fact in known if fact.kind == "state"}),
        topics=tuple(sorted(fact.value for fact in known if fact.kind == "topic")),
        has_chart=Fact("has", "chart") in known,
        has_rows=Fact("has", "rows") in known,
        message_count=row.message_count,
        took=None if took is None else timedelta(microseconds=took),
    )


def _state(known: Collection[str]) -> str:
    return next((state for state in _STATES if state in known), UNKNOWN)
