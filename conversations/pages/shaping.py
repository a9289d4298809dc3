"""What a page and the fragments that renew it have in common: the same templates, filled the same way."""

import hashlib
import math
import random
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.utils import timezone

from conversations import archive, rendering
from conversations.archive import CannotShow, Evidence, Notice, Opened, Running, Standing
from conversations.charts import spec
from conversations.charts.spec import Plot
from conversations.models import Action, EarlierMessage, Star
from conversations.search.syntax import Filter
from conversations.tables import parsing
from conversations.tables.parsing import Column, Table
from conversations.tables.sections import Section
from omniviewer.accounts.models import User
from omniviewer.omni import OmniError
from omniviewer.time_limit import TooCostly

# Seconds between two looks at an answer that is being written; each look makes the next one later.
_FIRST_LOOK = 5.0
_LATER_BY = 1.25
_LATEST_LOOK = 30.0
# Then a page that was left open stops asking: after some seven minutes.
MOST_LOOKS = 20
# Messages from which on a thread has an outline beside it, and a search of its own.
_LONG = 8
# Of one answer.
MOST_DRAWINGS = 8
# Seconds until a page that could not be had is asked for again, where nobody knows better.
_TRY_AGAIN = 20


def thread(user: User, opened: Opened, looks: int = 0) -> dict[str, Any]:
    """For conversation.html and its parts. `looks`: how often the page has asked by itself."""
    conversation = opened.conversation
    last = conversation.last_message
    # The first revision is the first fetch: it replaced nothing.
    earlier = _earlier(opened) if conversation.latest_revision > 1 else []
    running = archive.running(opened)
    count = last.position if last else 0
    found = standings(opened)
    for message in conversation.thread if earlier else ():
        message.earlier = [row for row in earlier if row.position == message.position]
    return {
        "conversation": conversation,
        # A stored thread is shown without asking Omni for anything.
        "owner_name": archive.owner_name(user, conversation, opened.token, ask=opened.was_asked),
        "owner_filter": Filter("owner", conversation.owner.as_filter(opened.reader.tokens)),
        "credential": opened.credential if opened.is_one_of_several else None,
        "has_several_credentials": opened.is_one_of_several,
        "notice": opened.notice,
        "shortfall": conversation.shortfall,
        "count": count,
        "is_long": count >= _LONG,
        **found,
        # Which lines a kept piece of HTML shows.
        "lines_shown": hashlib.sha256(repr(found["lines"]).encode()).hexdigest(),
        "is_starred": Star.objects.has(user, conversation),
        "earlier": earlier,
        "no_longer": [message for message in earlier if message.position > count],
        "running": running,
        "awaits_answer": bool(last and last.is_question),
        "is_given_up": bool(running) and looks >= MOST_LOOKS,
        "renderer": rendering.RENDERER,
        "zone": timezone.get_current_timezone_name(),
        "as_of": conversation.fetched_at,
        "fresh_address": f"{conversation.get_absolute_url()}fresh/?"
        + urlencode({"revision": conversation.revision, "count": count, "looks": looks + 1}),
        "fresh_in": fresh_in(opened.notice, running, looks, is_stale=not conversation.is_fresh),
    }


def _earlier(opened: Opened) -> list[EarlierMessage]:
    """Return the earlier wordings that the reader was shown, but for those that say what stands there now."""
    shown = EarlierMessage.objects.shown_to(opened.reader, opened.conversation)
    shown.render_outdated()
    found = list(shown)
    if not found:
        return []
    now = {(row.position, row.role, row.text) for row in opened.conversation.thread}
    once = {(row.position, row.role, row.text): row for row in reversed(found)}
    return [row for key, row in once.items() if key not in now][::-1]


def standings(opened: Opened, looks: int = 0) -> dict[str, Any]:
    """For _line.html, a line an answer, and for _capturing.html."""
    lines = archive.standings(opened)
    unkept = len(archive.unkept(lines.values()))
    return {
        "lines": lines,
        "unkept": unkept,
        "minutes_left": archive.minutes_for(unkept, opened.token) if unkept else 0,
        "looks": looks,
        "most_looks": MOST_LOOKS,
        "look_in": round(min(_FIRST_LOOK * _LATER_BY**looks, _LATEST_LOOK), 1),
    }


def bundle(opened: Opened, looks: int) -> dict[str, Any]:
    """For bundle.html and its part."""
    found = standings(opened, looks)
    lines = list(found["lines"].values())
    kept = [line for line in lines if line.standing is Standing.KEPT]
    on_its_way = archive.unkept(lines)
    return {
        **found,
        "conversation": opened.conversation,
        "kept": len(kept),
        "settled": len(lines) - len(on_its_way),
        "left_out": [line for line in lines if line not in kept and line not in on_its_way],
    }


def again_in(error: CannotShow) -> int | None:
    """Whole seconds until a page that shows nothing tries again by itself; None where trying does not help."""
    if error.why not in (CannotShow.NOT_REACHED, CannotShow.LIMITED):
        return None
    seconds = _TRY_AGAIN if error.retry_after is None else error.retry_after
    # A little later than told, and not everybody at the same time.
    return math.ceil(seconds + random.uniform(0.5, 2.5))  # noqa: S311


def fresh_in(notice: Notice | None, running: Running | None, looks: int, *, is_stale: bool) -> float | None:
    """Seconds until the page asks for a newer one by itself; None: it does not."""
    if looks >= MOST_LOOKS:
        return None
    later = min(_FIRST_LOOK * _LATER_BY**looks, _LATEST_LOOK)
    if notice:
        return max(later, notice.retry_after or _TRY_AGAIN)
    if running:
        return later if running.is_certain else 1.0
    return 0 if is_stale and looks == 0 else None


@dataclass(frozen=True)
class Drawing:
    """Of a query's rows, by us; `place` from 1, where they make several."""

    number: int
    place: int
    plot: Plot

    @property
    def path(self) -> str:
        """Below the message."""
        return f"queries/{self.number}{f'-{self.place}' if self.place > 1 else ''}.svg"


def plots_of(action: Action) -> list[Plot]:
    return spec.of(action.table, action.title, is_cut=action.was_cut) if action.table else []


def drawings(action: Action) -> list[Drawing]:
    return [Drawing(action.number, place, plot) for place, plot in enumerate(plots_of(action), start=1)]


def charts(found: Evidence) -> dict[str, Any]:
    """For _charts.html: whether Omni has a picture; else what we draw, and why Omni could not be asked."""
    failure, omni = None, False
    try:
        omni = archive.chart(found) is not None
    except OmniError as error:
        failure = error
    drawn = [] if omni else [drawing for action in found.queries for drawing in drawings(action)][:MOST_DRAWINGS]
    named = found.queries[0].title if found.queries else ""
    alt = f"Chart of {named}; its numbers stand in the table below."
    return {"omni": omni, "alt": alt, "drawn": drawn, "failure": failure}


@dataclass(frozen=True)
class TableRow:
    """A row of a page; `section` names the part of a cut result that it begins, or is ""."""

    cells: list[tuple[Column, str]]
    section: str = ""
    is_after_gap: bool = False


@dataclass(frozen=True)
class TablePage:
    """A query and as many of its rows as a page may hold: for _rows.html. `table` is None where it has no rows."""

    action: Action
    table: Table | None = None
    columns: tuple[Column, ...] = ()
    rows: list[TableRow] = field(default_factory=list)
    # The number of the column by which they are sorted; 0: as Omni gave them.
    sort: int = 0
    descending: bool = False
    # How many were asked for, and how many there are.
    most: int = parsing.ROWS_A_PAGE
    count: int = 0
    # How many the page with more of them shows; None where a page holds no more.
    more: int | None = None
    # Whether putting them in order would have taken too long.
    is_not_sorted: bool = False

    # The name of the column that tells the parts of a cut result in what is taken along.
    section_column: ClassVar[str] = parsing.SECTION_COLUMN

    @property
    def is_cut_here(self) -> bool:
        return self.count > self.most


def rows(action: Action, sort: int = 0, *, descending: bool = False, most: int = parsing.ROWS_A_PAGE) -> TablePage:
    """Shape a query's rows for a page, by that column (0: as Omni gave them)."""
    table = action.table
    if table is None:
        return TablePage(action)
    limit = max(min(parsing.MOST_ROWS, parsing.MOST_CELLS // min(len(table.columns), parsing.MOST_COLUMNS)), 1)
    most = min(most, limit)
    try:
        ordered, is_not_sorted = (table.sorted_by(sort, descending=descending) if sort else table), False
    except TooCostly:
        ordered, is_not_sorted = table, True
    columns = ordered.columns[: parsing.MOST_COLUMNS]
    sections = {section.start: section for section in ordered.sections}
    return TablePage(
        action,
        ordered,
        columns,
        [_row(columns, row, sections.get(place)) for place, row in enumerate(ordered.rows[:most])],
        0 if is_not_sorted else sort,
        descending,
        most,
        len(table.rows),
        min(most + parsing.ROWS_A_PAGE, len(table.rows)) if limit > most < len(table.rows) else None,
        is_not_sorted,
    )


def _row(columns: tuple[Column, ...], row: list[str], section: Section | None) -> TableRow:
    cells = list(zip(columns, row, strict=False))
    return TableRow(cells, section.label, section.is_after_gap) if section else TableRow(cells)
