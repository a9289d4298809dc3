"""Figures of the insights as tables, in which every number leads to its list; and the addresses of these lists."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from conversations.archive.insights_scope import typed_with
from conversations.archive.insights_spans import Span
from conversations.pages.insights_forms import InsightsQuery
from conversations.pages.list_forms import list_address
from conversations.search import syntax
from conversations.search.syntax import Asked, Filter

# Names of the states that come after all others, and that no search query tells apart by themselves.
COMPLETE: Final = syntax.COMPLETE
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Cell:
    """A number and `address`, the list that it counts; "" if it counts nothing.

    `said` says what the number counts, for screen readers. `plain` is the number in a file, where it differs.
    `shade` is its share of the largest, from 0 to 5.
    """

    text: str
    address: str = ""
    said: str = ""
    plain: str = ""
    shade: int = 0

    @property
    def in_file(self) -> str:
        value = self.plain or self.text
        return "" if value == "–" else value


@dataclass(frozen=True)
class Row:
    """A row of a table. `drawing` shows shares below its label, for the eye alone.

    `details` stand below the label too; a file has `in_file` instead, in columns of their own.
    """

    label: Cell
    cells: list[Cell]
    drawing: SafeString | None = None
    details: tuple[str, ...] = ()
    in_file: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A colour of a chart, and its name."""

    name: str
    text: str


@dataclass(frozen=True)
class Figure:
    """A block of the page: a table, and a chart of it for wide places and for narrow ones, if it has one.

    `key` names the table's first column; `rest` counts the rows that are left out of the page, but not of a file.
    """

    name: str
    title: str
    note: str
    key: str
    columns: list[str]
    all_rows: list[Row]
    legend: list[Part] = field(default_factory=list)
    drawings: tuple[SafeString, SafeString] | None = None
    file_address: str = ""
    columns_of_details: tuple[str, ...] = ()
    most: int = 500
    is_heat: bool = False
    is_of_texts: bool = False

    @property
    def rows(self) -> list[Row]:
        return self.all_rows[: self.most]

    @property
    def rest(self) -> int:
        return max(len(self.all_rows) - self.most, 0)

    def for_file(self) -> Iterator[Sequence[str]]:
        """Yield the rows of a file, with plain numbers."""
        for row in self.all_rows:
            yield [row.label.in_file, *(cell.in_file for cell in row.cells), *row.in_file]

    @property
    def columns_for_file(self) -> list[str]:
        return [self.key, *self.columns, *self.columns_of_details]


class Links:
    """Addresses of the lists of conversations in which something was asked in the period, and that match the query."""

    def __init__(self, query: InsightsQuery, asked: Asked, first: date, last: date) -> None:
        """`asked`: the query that was run in the end."""
        self._query, self._asked = query, asked
        self._first, self._last = first, last
        self._credential = {"credential": str(query.credential.pk)} if query.credential else {}

    def list(self, *filters: Filter, span: Span | None = None, sort: str = "") -> str:
        """Return the address of the list of those conversations that match the filters too."""
        first, last = (span.first, span.last) if span else (self._first, self._last)
        days = Filter("asked", f"{first}" if first == last else f"{first}..{last}")
        return self._address(typed_with(self._asked, days, *filters), sort)

    def state(self, state: str, states: Iterable[str], span: Span | None = None) -> str:
        """Return the list of the conversations that count in a state, and in none of these states before it.

        Return "" where no query tells them apart from others.
        """
        order = [*states, COMPLETE, UNKNOWN]
        without = [Filter("state", other, is_negated=True) for other in order[: order.index(state)]]
        # An answer of which nothing is known is there all the same.
        own = "answered" if state == UNKNOWN else state
        return self.list(Filter("state", own), *without, span=span) if self.can_show(own) else ""

    def phrase(self, words: str) -> str:
        """Return the address of the list of those conversations that hold these words beside each other."""
        phrase = " ".join(words.replace('"', " ").split())
        # Other words may stand elsewhere than in questions.
        place = [] if self._asked.has_words else [Filter("in", "question")]
        others = typed_with(self._asked, Filter("asked", f"{self._first}..{self._last}"), *place)
        return self._address(f'"{phrase}" {others}')

    def _address(self, typed: str, sort: str = "") -> str:
        return list_address({**self._credential, "q": typed} | ({"sort": sort} if sort else {}))

    def can_show(self, state: str) -> bool:
        """Return whether a list can tell this state within the query: it takes one of several states, not both."""
        states = self._asked.values("state")
        return not states or state in states

    def page(self, **changes: str) -> str:
        """Return the address of the insights with other parameters; "" leaves one out."""
        return self._own("insights", changes)

    def file(self, block: str) -> str:
        return self._own("insights-csv", {"block": block})

    @property
    def rankings(self) -> str:
        return self._own("insights-questions", {})

    def _own(self, name: str, changes: dict[str, str]) -> str:
        parameters = {name: value for name, value in (self._query.parameters | changes).items() if value}
        address = reverse(f"conversations:{name}")
        return f"{address}?{urlencode(parameters)}" if parameters else address


def named(span: Span, *, with_year: bool) -> str:
    """Return the days of a span as people write them."""
    pattern = "j M Y" if with_year else "j M"
    if span.first == span.last:
        return date_format(span.first, pattern)
    return f"{date_format(span.first, pattern)} – {date_format(span.last, pattern)}"
