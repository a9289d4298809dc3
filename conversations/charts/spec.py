"""Charts of rows that suit one, for answers of which Omni has no chart; `svg` draws them.

Suitable rows have a first column that tells them apart, by time or by name, and one to five measures beside it. Bars
start at zero; missing values stay gaps; measures that cannot share an axis get a chart each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from conversations.charts.labels import cut, extent
from conversations.tables import dates, measures, numbers
from conversations.tables.parsing import Column, Table

# Most charts of ours for one answer.
MOST_DRAWINGS = 8
MOST_MEASURES = 5
_MOST_TIMES = 400
_MOST_NAMES = 30
# Above so many names no chart is drawn: the first thirty would not represent them.
_NAMES_AT_ALL = 60
# Measures further apart than this would flatten each other on one axis.
_MOST_APART = 50
# Largest value drawn; its inverse is the smallest. Beyond, nobody compares by eye.
_LARGEST = Decimal(10) ** 15
# Widths in pixels: on a desktop, and on a phone, where a wide chart would be too small to read.
_WIDE, _NARROW = 760, 380
# Pixels of the width that are not available to the bars.
ASIDE = 160
_SIZES = ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "K"))


@dataclass(frozen=True)
class Plot:
    """One chart. `labels` name the `times`, or the bars by themselves; a missing value is None."""

    title: str
    key: Column
    labels: list[str]
    times: list[datetime] | None
    measures: list[tuple[Column, list[Decimal | None]]]
    unit: str
    # Number of all names, if not all are drawn; else 0.
    names_in_all: int = 0
    # True if Omni cut the rows.
    is_cut: bool = False
    width: int = _WIDE

    @property
    def is_beside(self) -> bool:
        """Return whether names are drawn beside horizontal bars, as they would not fit below vertical ones."""
        return max(map(extent, self.labels)) > (self.width - ASIDE) / len(self.labels)

    @property
    def is_narrow(self) -> bool:
        return self.width == _NARROW

    def narrow(self) -> "Plot":
        """Return the same chart in the width of a phone."""
        return replace(self, width=_NARROW)

    @property
    def height(self) -> int:
        if self.times or not self.is_beside:
            return 320 if self.is_narrow else 380
        return 150 + (12 + 10 * len(self.measures)) * len(self.labels)

    @property
    def alt(self) -> str:
        """Return the text alternative for screen readers."""
        names = ", ".join(cut(column.name, 60) for column, _ in self.measures)
        kind = "Line chart" if self.times else "Bar chart"
        first, last = cut(self.labels[0], 60), cut(self.labels[-1], 60)
        said = [f"{kind} “{cut(self.title, 100)}”: {names} by {cut(self.key.name, 60)}, from {first} to {last}."]
        for column, values in self.measures:
            known = [(value, label) for value, label in zip(values, self.labels, strict=True) if value is not None]
            low, high = min(known), max(known)
            said.append(
                f"{cut(column.name, 60)}: highest {short(high[0], self.unit)} ({cut(high[1], 60)}), "
                f"lowest {short(low[0], self.unit)} ({cut(low[1], 60)})."
            )
        not_all = ["Omni truncated the result: not all of it is drawn."] if self.is_cut else []
        return " ".join([*said, *not_all, "The numbers are in the table."])


def table_plots(table: Table, title: str, *, is_cut: bool = False) -> list[Plot]:
    """Return the charts that these rows suit, if any. `is_cut`: whether Omni has more rows."""
    return [replace(plot, is_cut=is_cut) for plot in _plots(table, title)]


def _plots(table: Table, title: str) -> list[Plot]:
    key, *rest = table.columns
    # A ragged table does not tell which column a cell belongs to; a chart would hide that rows are left out.
    if table.is_ragged or table.has_gaps or not 1 <= len(rest) <= MOST_MEASURES or len(table.rows) > _MOST_TIMES:
        return []
    if not all(measures.is_measure(column, [row[column.number - 1] for row in table.rows]) for column in rest):
        return []
    labels = [row[0].strip() for row in table.rows]
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:  # noqa: PLR2004  (one is no comparison)
        return []
    times = dates.read(labels, may_be_years=not key.is_number or "year" in key.name.lower())
    if times and len(labels) <= _MOST_TIMES:
        return _by_time(table, title, times)
    if key.is_number or times or len(labels) > _NAMES_AT_ALL:
        return []
    names_in_all = len(labels) if len(labels) > _MOST_NAMES else 0
    shown = Table(table.columns, table.rows[:_MOST_NAMES])
    return [Plot(title, key, labels[:_MOST_NAMES], None, group, unit, names_in_all) for unit, group in _groups(shown)]


def _by_time(table: Table, title: str, times: "dates.Times") -> list[Plot]:
    """Return the charts in order of time, with a gap where a regular series leaves out a period."""
    order = sorted(range(len(times.moments)), key=lambda place: times.moments[place])
    rows = [table.rows[place] for place in order]
    moments = [times.moments[place] for place in order]
    if len(set(moments)) < len(moments):
        return []
    groups = _groups(Table(table.columns, rows))
    labels = [row[0].strip() for row in rows]
    gaps = times.gaps(moments)
    for place in reversed(gaps):
        between = moments[place - 1] + (moments[place] - moments[place - 1]) / 2
        moments.insert(place, between)
        labels.insert(place, "")
        for _, group in groups:
            for _, values in group:
                values.insert(place, None)
    return [Plot(title, table.columns[0], labels, moments, group, unit) for unit, group in groups]


def _groups(table: Table) -> list[tuple[str, list[tuple[Column, list[Decimal | None]]]]]:
    """Group the measures that may share an axis: of the same unit, and of similar size."""
    groups: list[tuple[str, Decimal, list[tuple[Column, list[Decimal | None]]]]] = []
    for column in table.columns[1:]:
        cells = [row[column.number - 1] for row in table.rows]
        values = [column.value(cell) for cell in cells]
        known = [abs(value) for value in values if value is not None]
        if not known or max(known) > _LARGEST or 0 < max(known) < 1 / _LARGEST:
            continue
        unit, size = _unit(column, cells), max(known)
        for number, (its_unit, its_size, members) in enumerate(groups):
            apart = max(size, its_size) / (min(size, its_size) or 1)
            if unit == its_unit and apart <= _MOST_APART:
                groups[number] = (unit, max(size, its_size), [*members, (column, values)])
                break
        else:
            groups.append((unit, size, [(column, values)]))
    return [(unit, members) for unit, _, members in groups]


def _unit(column: Column, cells: Sequence[str]) -> str:
    """Return the currency or "%" that all numbers but zeros carry; else ""."""
    found = {column.unit(cell) for cell in cells if not numbers.says_nothing(cell)}
    found = found if len(found) == 1 else found - {""}
    return found.pop() if len(found) == 1 else ""


def short(value: Decimal | float, unit: str) -> str:
    """Format a number with three figures, such as "680K", "$1.2M" or "12.5%"."""
    number = Decimal(str(value)) * (100 if unit == "%" else 1)
    sign, size, letter = "−" if number < 0 else "", abs(number), ""
    for least, its_letter in _SIZES:
        if size >= least:
            size, letter = size / least, its_letter
            break
    # Three significant figures, without trailing zeros.
    digits = f"{size:.{max(0, 2 - max(size.adjusted(), -6)) if size else 0}f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    before, behind = (unit, "") if len(unit) == 1 and unit != "%" else ("", unit if unit in ("", "%") else f" {unit}")
    return f"{sign}{before}{digits}{letter}{behind}"


class Queried(Protocol):
    """A query that ran: its number among the job's actions, and its rows."""

    @property
    def number(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def was_cut(self) -> bool: ...
    @property
    def table(self) -> Table | None: ...


@dataclass(frozen=True)
class Drawing:
    """A chart of a query's rows; `place` counts from 1 among the charts of one query."""

    number: int
    place: int
    plot: Plot

    @property
    def path(self) -> str:
        """Return the address below the message's."""
        return f"queries/{self.number}{f'-{self.place}' if self.place > 1 else ''}.svg"


def plots_of(query: Queried) -> list[Plot]:
    """Return the charts that a query's rows suit."""
    return table_plots(query.table, query.title, is_cut=query.was_cut) if query.table else []


def drawings(query: Queried) -> list[Drawing]:
    """Return the charts of a query's rows, each with its address."""
    return [Drawing(query.number, place, plot) for place, plot in enumerate(plots_of(query), start=1)]
