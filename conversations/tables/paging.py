"""A page of a query's rows, filtered and sorted as requested."""

from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from conversations.tables import parsing
from conversations.tables.parsing import Column, Table
from conversations.tables.sections import Section
from omniviewer.time_limit import TooCostly


class Queried(Protocol):
    """Anything that has rows: a query that ran."""

    @property
    def table(self) -> Table | None: ...


# Rows above which they can be filtered.
_AT_A_GLANCE = 10

Query = TypeVar("Query", bound=Queried)


@dataclass(frozen=True)
class TableRow:
    """A row of a page; `section` names the part of a cut result that it begins, or is ""."""

    cells: list[tuple[Column, str]]
    section: str = ""
    is_after_gap: bool = False


@dataclass(frozen=True)
class TablePage(Generic[Query]):
    """A query and as many of its rows as fit a page: for _query_rows.html. `table` is None where it has no rows."""

    action: Query
    table: Table | None = None
    columns: tuple[Column, ...] = ()
    rows: list[TableRow] = field(default_factory=list)
    # Number of the column by which the rows are sorted; 0 for Omni's order.
    sort: int = 0
    descending: bool = False
    # Rows asked for, and rows in all.
    most: int = parsing.ROWS_A_PAGE
    count: int = 0
    # Rows on the page that shows more of them; None if a page holds no more.
    more: int | None = None
    # True if sorting or filtering would have taken too long.
    is_not_sorted: bool = False
    # Words that each row holds, and the number of rows without them; `count` is with them.
    words: str = ""
    count_in_all: int = 0

    # Name of the column that tells the parts of a cut result in downloads.
    section_column: ClassVar[str] = parsing.SECTION_COLUMN

    @property
    def words_query(self) -> str:
        """Return the part of an address that keeps the words."""
        return f"&{urlencode({'filter': self.words})}" if self.words else ""

    @property
    def order_query(self) -> str:
        """Return the part of an address that keeps the order."""
        return f"&sort={self.sort}{'&down=1' if self.descending else ''}" if self.sort else ""

    @property
    def may_be_filtered(self) -> bool:
        """Return whether there are more rows than a person takes in at a glance."""
        return self.count_in_all > _AT_A_GLANCE

    @property
    def is_cut_here(self) -> bool:
        return self.count > self.most


def page_of(
    action: Query, sort: int = 0, *, descending: bool = False, most: int = parsing.ROWS_A_PAGE, words: str = ""
) -> TablePage[Query]:
    """Return a page of a query's rows that hold these words, sorted by that column (0: Omni's order)."""
    table = action.table
    if table is None:
        return TablePage(action)
    limit = max(min(parsing.MOST_ROWS, parsing.MOST_CELLS // min(len(table.columns), parsing.MOST_COLUMNS)), 1)
    most = min(most, limit)
    try:
        ordered, is_not_sorted = (table.filtered(words) if words else table), False
        ordered = ordered.sorted_by(sort, descending=descending) if sort else ordered
    except TooCostly:
        ordered, is_not_sorted, words = table, True, ""
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
        len(ordered.rows),
        min(most + parsing.ROWS_A_PAGE, len(ordered.rows)) if limit > most < len(ordered.rows) else None,
        is_not_sorted,
        words,
        len(table.rows),
    )


def _row(columns: tuple[Column, ...], row: list[str], section: Section | None) -> TableRow:
    cells = list(zip(columns, row, strict=False))
    return TableRow(cells, section.label, section.is_after_gap) if section else TableRow(cells)
