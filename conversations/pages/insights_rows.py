"""Figures of the insights by name: topics, people, the questions asked most, the slowest answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from conversations import rendering
from conversations.archive.insights import Insights
from conversations.archive.question_rankings import Rankings
from conversations.archive.questions_asked import MAX_COMPARED
from conversations.charts import columns
from conversations.charts.labels import cut
from conversations.models import Owner
from conversations.pages.insights_tables import Cell, Figure, Links, Row
from conversations.pages.insights_tiles import length, percent
from conversations.search.syntax import Filter
from conversations.search.tokens import words
from conversations.templatetags.moments import day, iso

# Most rows on the page; a file has all.
_MAX_ROWS: Final = 100
_MAX_TEXT_CHARS = 200
_NOBODY: Final = "Not provided by Omni"


def topics(found: Insights, links: Links) -> Figure:
    """Return topics by state. A conversation counts in each topic that one of its answers has."""
    order = sorted(
        found.topics, key=lambda key: (-len(found.topics[key].conversations), found.topics[key].name.casefold())
    )
    rows = []
    for key in order:
        name, conversations = found.topics[key]
        own = Filter("topic", f"={key}")
        cells = [Cell(f"{len(conversations):,}", links.list(own), name, str(len(conversations)))]
        numbers = {}
        for state in ("failed", "unanswered"):
            count = numbers[state] = len(conversations & found.states[state])
            address = links.list(own, Filter("state", state)) if count and links.can_show(state) else ""
            cells.append(Cell(f"{count:,}", address, f"{state}, {name}", str(count)))
        known = len(conversations & found.known_in)
        rate = numbers["failed"] / known if known else None
        failed = cells[1].address
        plain = "" if rate is None else f"{rate:.4f}"
        cells.append(Cell(percent(rate), failed, f"failure rate, {name}", plain))
        parts = [(state, count / len(conversations)) for state, count in numbers.items()]
        parts.append(("complete", max(0.0, 1 - sum(share for _, share in parts))))
        rows.append(Row(Cell(name), cells, rendering.drawn(columns.share_bar(parts))))
    return Figure(
        "topics",
        "Topics",
        "Failure rate among conversations whose state is known.",
        "Topic",
        ["Conversations", "Failed", "Unanswered", "Failure rate"],
        rows,
        file_address=links.file("topics"),
        most=_MAX_ROWS,
    )


def people(found: Insights, names: Mapping[Owner, str], links: Links) -> Figure:
    """Return the people who asked most."""

    def name_of(owner: Owner) -> str:
        return names.get(owner) or owner.id or _NOBODY

    order = sorted(found.owners, key=lambda owner: (-found.owners[owner].questions, name_of(owner).casefold()))
    most = max((share.questions for share in found.owners.values()), default=1)
    tokens = found.reader.tokens
    rows = []
    for owner in order:
        name, share = name_of(owner), found.owners[owner]
        address = links.list(Filter("owner", owner.as_filter(tokens))) if owner.id else ""
        numbers = share.conversations, share.questions
        bar = rendering.drawn(columns.share_bar([("complete", share.questions / most)]))
        cells = [Cell(f"{number:,}", address, name, str(number)) for number in numbers]
        rows.append(Row(Cell(name), cells, bar))
    return Figure(
        "people",
        "People",
        "",
        "Asked by",
        ["Conversations", "Questions"],
        rows,
        file_address=links.file("people"),
        most=_MAX_ROWS,
    )


def questions(found: Rankings, links: Links) -> Figure:
    """Return the questions asked most."""
    rows = []
    for row in found.repeated:
        said = cut(row.text, _MAX_TEXT_CHARS)
        address = links.phrase(row.text) if any(words(row.text)) else ""
        people = f"{row.people:,}" if row.people else "–"
        cells = [Cell(f"{row.count:,}", address, said, str(row.count)), Cell(people, address, said)]
        rows.append(Row(Cell(said, address, plain=row.text), cells))
    note = "First questions of conversations that were asked at least twice, in the same words."
    if found.is_part:
        note += f" Among the newest {MAX_COMPARED:,} questions."
    return Figure(
        "questions",
        "Questions asked most",
        note,
        "Question",
        ["Times", "People"],
        rows,
        file_address=links.file("questions"),
        is_of_texts=True,
    )


def slowest(found: Rankings, names: Mapping[Owner, str], links: Links) -> Figure:
    """Return the answers that took longest."""
    rows = []
    for row in found.slowest:
        said = cut(row.text, _MAX_TEXT_CHARS) or "A question without text"
        name = names.get(row.owner) or row.owner.id or _NOBODY
        took = Cell(_length(row.took), row.address, f"answer to {said}", f"{row.took.total_seconds():g}")
        details, in_file = (name, day(row.asked_at)), (name, iso(row.asked_at))
        rows.append(Row(Cell(said, row.address, plain=row.text), [took], None, details, in_file))
    return Figure(
        "slowest",
        "Slowest answers",
        "Click to open the answer.",
        "Question",
        ["Took"],
        rows,
        file_address=links.file("slowest"),
        columns_of_details=("Asked by", "Asked at"),
        is_of_texts=True,
    )


def _length(took: timedelta) -> str:
    return length(took.total_seconds())
