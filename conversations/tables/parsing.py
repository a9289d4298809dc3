"""A query's rows as a table, parsed from CSV that was formatted for people."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

from conversations.tables import dates, durations, numbers, sections
from conversations.tables.numbers import Notation, says_nothing
from conversations.tables.sections import Section
from omniviewer import spreadsheet
from omniviewer.time_limit import Clock, TooCostly

# Rows that a page shows at first, and adds at a time.
ROWS_A_PAGE: Final = 200
# Most rows and cells of one page: the browser has to draw them, and the site to write them.
MOST_ROWS: Final = 2_000
MOST_CELLS: Final = 60_000
# Rows by which a column is judged: looking at five million cells would take longer than reading them.
_JUDGED_BY: Final = 1_000
# Cells among these that decide on dates and durations, which only affect the order.
_TELLING: Final = 100
# Most columns of a page; downloads hold all. A table of so many columns is read elsewhere.
MOST_COLUMNS: Final = 200
# Most columns and cells of a table, since all rows are held in memory, as long as the longest of them.
WIDEST: Final = 10_000
LARGEST: Final = 6_000_000
# Cells by which all columns together are judged.
_JUDGED_CELLS: Final = 200_000
# Processor seconds for sorting by one column.
_SORTING_ALLOWANCE: Final = 5.0
# Columns from which on a first row of numbers that count up is a header.
_COUNTS_UP: Final = 3
_YEARS: Final = range(1900, 2101)
# Lines of a file that are sent at once.
_LINES_A_PIECE: Final = 500
SECTION_COLUMN: Final = "Part of the result"

Key = Callable[[str], Any | None]


# The module's own limit is 128 KiB a cell; a reply of Omni's is bounded already.
csv.field_size_limit(2**31 - 1)


class NoTable(ValueError):
    """The text is no table. What it says is in `text`, to be shown as it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__("no table")


@dataclass(frozen=True)
class Column:
    """`number` counts from 1. `is_number`: whether every cell that says something, of the first thousand, is one.

    `holds` names the order of its cells, and `key` returns what is compared: None for a cell of another kind.
    """

    number: int
    name: str
    is_number: bool
    notation: Notation = numbers.ENGLISH
    holds: str = "text"
    key: Key = str.casefold

    def value(self, cell: str) -> Decimal | None:
        return self.notation.value(cell)

    def unit(self, cell: str) -> str:
        """Return the currency or "%" with which a number is written; "" without one."""
        number = numbers.read(cell, self.notation.mark)
        return number.unit if number else ""


@dataclass(frozen=True)
class Table:
    """`rows` are as long as `columns`: what was missing is "". Ragged: whether anything was.

    `sections` are the pieces in which Omni sent a cut result, in their order; none for a whole or a sorted result.
    """

    columns: tuple[Column, ...]
    rows: list[list[str]]
    is_ragged: bool = False
    sections: tuple[Section, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Return whether rows between others are left out."""
        return any(section.is_after_gap for section in self.sections)

    def sorted_by(self, number: int, *, descending: bool = False) -> "Table":
        """Return the table sorted by the column of that number: cells of another kind follow, then empty ones."""
        if not 1 <= number <= len(self.columns):
            return self
        key = self.columns[number - 1].key
        clock = Clock(_SORTING_ALLOWANCE)
        known: list[tuple[Any, list[str]]] = []
        others: list[list[str]] = []
        nothing: list[list[str]] = []
        for row in self.rows:
            clock.tick()
            cell = row[number - 1]
            if says_nothing(cell):
                nothing.append(row)
            elif (found := key(cell)) is not None:
                known.append((found, row))
            else:
                others.append(row)
        known.sort(key=lambda pair: pair[0], reverse=descending)
        return replace(self, rows=[row for _, row in known] + others + nothing, sections=())

    def filtered(self, words: str) -> "Table":
        """Return the rows in which each of these words stands, in any cell and however capitalized."""
        wanted = words.casefold().split()
        clock = Clock(_SORTING_ALLOWANCE)
        rows = []
        for row in self.rows:
            clock.tick()
            text = "\n".join(row).casefold()
            if all(word in text for word in wanted):
                rows.append(row)
        return replace(self, rows=rows, sections=())

    def for_file(self) -> tuple[list[str], Iterable[list[str]]]:
        """Return the header and all rows; where Omni cut them, a last column names the part that a row belongs to."""
        header = [column.name for column in self.columns]
        if not self.sections:
            return header, self.rows
        return [*header, SECTION_COLUMN], self._rows_with_section()

    def _rows_with_section(self) -> Iterator[list[str]]:
        labels = {section.start: section.label for section in self.sections}
        label = ""
        for place, row in enumerate(self.rows):
            label = labels.get(place, label)
            yield [*row, label]


def read(text: str) -> Table:
    """Parse the table that `csvResult` holds, whose first row is the header. Raises `NoTable`.

    Python's csv module reads whatever is in it: quotes, line ends within cells, ragged rows. A byte order mark goes; a
    first row of numbers alone is no header unless they are years or count up, so the columns are numbered instead.
    """
    text = text.removeprefix("\ufeff")
    try:
        rows, parts, width = _bounded(text)
    except csv.Error:
        raise NoTable(text) from None
    if not rows:
        raise NoTable(text)
    header, body = rows[0], rows[1:]
    if not _is_header(header, body):
        header, body = [], rows
        parts = [replace(part, start=part.start + 1 if part.start else 0) for part in parts]
    is_ragged = any(len(row) != width for row in ([header] if header else []) + body)
    padded = [row + [""] * (width - len(row)) for row in body]
    names = [name.strip() for name in header] + [""] * (width - len(header))
    judges = padded[: min(_JUDGED_BY, _JUDGED_CELLS // width)]
    columns = tuple(_judged(names, judges))
    return Table(columns, padded, is_ragged, tuple(parts))


def _bounded(text: str) -> tuple[list[list[str]], list[Section], int]:
    """Return the rows that hold anything, the sections among those behind the first, and the largest width.

    Raises `NoTable` once they are too many.
    """
    rows: list[list[str]] = []
    found: list[Section] = []
    width, follows_mark = 0, False
    for row in csv.reader(io.StringIO(text, newline="")):
        if not row:
            continue
        place = max(len(rows) - 1, 0)
        label = sections.label_of(row) if found or place == 0 or len(row) < width else None
        if label:
            # Two marks without a row between them: the first of them has nothing to name.
            found = [section for section in found if section.start != place or not follows_mark]
            found.append(Section(place, label))
            follows_mark = True
            continue
        if follows_mark and rows and row == rows[0]:  # the header again
            continue
        follows_mark = False
        rows.append(row)
        width = max(width, len(row))
        if width > WIDEST or width * len(rows) > LARGEST:
            raise NoTable(text)
    return rows, [section for section in found if section.start < max(len(rows) - 1, 1)], width


def _is_header(header: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Tell whether a first row names columns: numbers do where they are years, or count up, and the next are not."""
    if any(value(cell) is None for cell in header):
        return True
    if not body or not all(cell.strip().isdecimal() for cell in header):
        return False
    row = [int(cell) for cell in header]
    first = [cell.strip() for cell in body[0]]
    if len(set(row)) == len(row) and all(number in _YEARS for number in row):
        return not all(cell.isdecimal() and int(cell[:9]) in _YEARS for cell in first)
    return len(row) >= _COUNTS_UP and row == list(range(row[0], row[0] + len(row))) and first != list(map(str, row))


def _judged(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Column]:
    """Yield each column with its kind; text, once judging the columns takes too long."""
    clock = Clock()
    for number, name in enumerate(names, start=1):
        said = []
        try:
            for row in rows:
                clock.tick()
                if not says_nothing(row[number - 1]):
                    said.append(row[number - 1])
            yield _column(number, name or f"Column {number}", said, clock)
        except TooCostly:
            yield Column(number, name or f"Column {number}", is_number=False)


def _column(number: int, name: str, said: Sequence[str], clock: Clock) -> Column:
    if found := numbers.notation(said):
        notation, is_number = found
        return Column(number, name, is_number, notation, "numbers", notation.value)
    clock.tick()
    some = said[:_TELLING]
    if form := dates.form_of(some):
        return Column(number, name, is_number=False, holds=form.name, key=form.moment)
    clock.tick()
    if key := durations.key_of(some):
        return Column(number, name, is_number=False, holds="durations", key=key)
    return Column(number, name, is_number=False)


def value(cell: str) -> Decimal | None:
    """Return the number in the cell: `678,994.41`, `$1,200`, `(12.5%)`, `-3`; None if it is none."""
    number = numbers.read(cell)
    return number.value if number else None


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a CSV file for spreadsheets, in pieces."""
    yield spreadsheet.BYTE_ORDER_MARK
    lines = spreadsheet.lines(chain([columns], rows))
    while piece := "".join(islice(lines, _LINES_A_PIECE)):
        yield piece
