"""A query's rows as a table, out of CSV that was formatted for people."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Final

from conversations import periods

# Rows that a page shows at first, and more at a time.
ROWS_A_PAGE: Final = 200
# Rows and cells of one page: a browser has to draw them, and we to write them.
MOST_ROWS: Final = 2_000
MOST_CELLS: Final = 60_000
# Rows by which a column is judged: looking at five million cells would take longer than reading them.
_JUDGED_BY: Final = 1_000
# Cells beyond this are left out of pages, never of downloads: a table of so many columns is read elsewhere.
MOST_COLUMNS: Final = 200
# What is wider or larger is not read as a table: its rows are as long as the longest of them, and all are in memory.
WIDEST: Final = 10_000
LARGEST: Final = 6_000_000
# Cells by which all columns together are judged.
_JUDGED_CELLS: Final = 200_000
# What people write in front of and behind a number, and around a negative one: "US$5", "5 EUR", "$ (1,200)", "12.5%".
_MONEY = "[$€£¥₹₩₪₽₺₫₴₱₦฿]"
_NUMBER = re.compile(
    rf"(?P<outer>[A-Z]{{0,2}}{_MONEY}\s*(?=\())?(?P<open>\()?\s*(?P<sign>[-+\u2212])?\s*"
    rf"(?P<currency>[A-Z]{{0,2}}{_MONEY}|[A-Z]{{3}}\s)?\s*(?P<inner>[-\u2212])?"
    r"(?P<digits>\d{1,3}(?:[,\u2009\u00a0\u202f'’]\d{3})+|\d+)?(?P<fraction>\.\d+)?(?P<power>[eE][-+]?\d{1,3})?"
    rf"\s*(?P<unit>%|{_MONEY}|[kKMBT]|(?<=\s)[A-Z]{{3}})?\s*(?(open)\))"
)
# Of these, what a spreadsheet might read as the name of a cell: "-A$5", "-ABC 5".
_NAMED = re.compile(r"[A-Za-z]\s*[$\d]|[A-Za-z]{2}")
_NOTHING = frozenset({"", "-", "–", "—", "n/a", "N/A", "null", "NULL", "∅"})
_UNITS = {
    sign: Decimal(size) for sign, size in zip("%kKMBT", ("0.01", "1e3", "1e3", "1e6", "1e9", "1e12"), strict=True)
}
# What numbers are called that name something and measure nothing; and what they look like then.
_NAMES = re.compile(
    r"(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?<!per )(?<!by )(?i:id|year|zip([ _]?code)?|post(al)?[ _]?code|phone|sku)$"
)
_DIGITS = re.compile(r"\d+")
_CODE = re.compile(r"0\d+")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # these wide, in East Asia


# The module's own limit is 128 KiB a cell; a reply of Omni's is bounded already.
csv.field_size_limit(2**31 - 1)


class NoTable(ValueError):
    """The text is no table. What it says is in `text`, to be shown as it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__("no table")


@dataclass(frozen=True)
class Column:
    """`number` counts from 1. `is_number`: whether every cell that says something, of the first thousand, is one."""

    number: int
    name: str
    is_number: bool


@dataclass(frozen=True)
class Table:
    """`rows` are as long as `columns`: what was missing is "". Ragged: whether anything was."""

    columns: tuple[Column, ...]
    rows: list[list[str]]
    is_ragged: bool = False

    def sorted_by(self, number: int, *, descending: bool = False) -> "Table":
        """By the column of that number: numbers by value, times by time, text without regard to case, nothing last."""
        if not 1 <= number <= len(self.columns):
            return self
        column = self.columns[number - 1]
        said = [row for row in self.rows if not says_nothing(row[number - 1])]
        nothing = [row for row in self.rows if says_nothing(row[number - 1])]
        if column.is_number:
            known = [(found, row) for row in said if (found := value(row[number - 1])) is not None]
            known.sort(key=lambda pair: pair[0], reverse=descending)
            unknown = [row for row in said if value(row[number - 1]) is None]
            said = [row for _, row in known] + unknown
        elif times := periods.read([row[number - 1] for row in said], may_be_years=False):
            order = sorted(range(len(said)), key=times.moments.__getitem__, reverse=descending)
            said = [said[place] for place in order]
        else:
            said.sort(key=lambda row: row[number - 1].casefold(), reverse=descending)
        return Table(self.columns, said + nothing, self.is_ragged)


def read(text: str) -> Table:
    """The table that `csvResult` holds, its first row being the header. Raises `NoTable`.

    Python's csv module reads whatever is in it: quotes, line ends within cells, ragged rows. A byte order mark goes; a
    first row of numbers alone is no header, so the columns are numbered instead.
    """
    text = text.removeprefix("\ufeff")
    try:
        rows, width = _bounded(text)
    except csv.Error:
        raise NoTable(text) from None
    if not rows:
        raise NoTable(text)
    header, body = rows[0], rows[1:]
    if all(value(cell) is not None for cell in header):
        header, body = [], rows
    is_ragged = any(len(row) != width for row in ([header] if header else []) + body)
    padded = [row + [""] * (width - len(row)) for row in body]
    names = [name.strip() for name in header] + [""] * (width - len(header))
    judges = padded[: min(_JUDGED_BY, _JUDGED_CELLS // width)]
    columns = tuple(
        Column(number, name or f"Column {number}", _is_number(row[number - 1] for row in judges))
        for number, name in enumerate(names, start=1)
    )
    return Table(columns, padded, is_ragged)


def _bounded(text: str) -> tuple[list[list[str]], int]:
    """The rows that hold anything, and how wide the widest is. Raises `NoTable` once they are too many."""
    rows: list[list[str]] = []
    width = 0
    for row in _rows(text):
        if row:
            rows.append(row)
            width = max(width, len(row))
            if width > WIDEST or width * len(rows) > LARGEST:
                raise NoTable(text)
    return rows, width


def _rows(text: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""))


def _is_number(cells: Iterable[str]) -> bool:
    said = [cell for cell in cells if not says_nothing(cell)]
    return bool(said) and all(value(cell) is not None for cell in said)


def says_nothing(cell: str) -> bool:
    return cell.strip() in _NOTHING


def value(cell: str) -> Decimal | None:
    """The number that a person reads in it: `678,994.41`, `$1,200`, `(12.5%)`, `-3`; None if it is none."""
    text = cell.strip()
    found = _NUMBER.fullmatch(text) if len(text) <= 60 else None  # noqa: PLR2004  (no number is as long)
    if not found or not (found["digits"] or found["fraction"]):
        return None
    if (found["open"] and (found["sign"] or found["inner"])) or (found["sign"] and found["inner"]):
        return None
    if found["outer"] and found["currency"]:
        return None
    digits = re.sub(r"\D", "", found["digits"] or "0")
    try:
        number = Decimal(f"{digits}{found['fraction'] or ''}{found['power'] or ''}")
    except InvalidOperation:
        return None
    negative = found["open"] or (found["sign"] or "+") != "+" or found["inner"]
    return (-number if negative else number) * _UNITS.get(found["unit"] or "", Decimal(1))


def unit(cell: str) -> str:
    """The currency's sign or name, or "%", with which a number is written; "" without one."""
    found = _NUMBER.fullmatch(cell.strip())
    if not found:
        return ""
    behind = found["unit"] or ""
    return (found["outer"] or found["currency"] or "").strip() or ("" if behind in "kKMBT" else behind)


def measures(column: Column, cells: Sequence[str]) -> bool:
    """Whether its numbers are of a size: ids, years and postal codes are not, nor is what begins with a zero."""
    if not column.is_number or any(_CODE.fullmatch(cell.strip()) for cell in cells):
        return False
    return not (_NAMES.search(column.name) and all(_DIGITS.fullmatch(cell.strip()) for cell in cells if cell.strip()))


def defused(cell: str) -> str:
    """As a cell of a file for spreadsheets: what they would take for a formula has an apostrophe before it."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _is_harmless(cell) else cell


def _is_harmless(cell: str) -> bool:
    is_number = value(cell) is not None and not _NAMED.search(re.sub(r"(?<=\d)[eE](?=[-+]?\d)", "", cell))
    return is_number or cell in _NOTHING


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A file for spreadsheets, in pieces (RFC 4180). Without its byte order mark Excel would not know UTF-8."""
    yield "\ufeff"
    whole = iter([columns, *rows])
    while piece := list(islice(whole, 500)):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([defused(cell) for cell in row] for row in piece)
        yield text.getvalue()
