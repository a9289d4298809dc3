"""A chart of rows, where they suit one: drawn here as SVG, for answers of which Omni has no picture.

What suits: a first column that tells the rows apart, by time or by name, and one to five measures beside it. Bars start
at zero; what is missing stays a gap; measures that cannot share an axis get a chart each.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pygal
from pygal.style import Style

from conversations import periods, tables
from conversations.lettering import LETTERS, cut, extent, shortened
from conversations.tables import Column, Table

# pygal brings a finder for plugins of its own, by an interface that Python has given up: each import would warn of it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

MOST_MEASURES = 5
_MOST_TIMES = 400
_MOST_NAMES = 30
# Of a list of more, thirty are no picture.
_NAMES_AT_ALL = 60
# Measures further apart than this would flatten each other on one axis.
_MOST_APART = 50
# Beyond this, or as far below one, nobody compares by eye.
_LARGEST = Decimal(10) ** 15
_SVG = "{http://www.w3.org/2000/svg}"
# Of pictures, in pixels: on a desk, and on a telephone, where a wide one would be shown too small to be read.
_WIDE, _NARROW = 760, 380
# Of that, what the bars do not get.
_ASIDE = 160
_SIZES = ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "K"))

# By day and by night; a picture cannot read the page's variables. Told apart by those who do not see all colours, and
# by 3 to 1 from either background.
_COLOURS = (
    ("#0b7a75", "#4fc2b8"),
    ("#b3541e", "#f0955b"),
    ("#5b53b5", "#a9a2f2"),
    ("#8f6a00", "#d9b13b"),
    ("#a3346f", "#ec8dbd"),
)
_LIGHT = "svg { --ink: #1f2429; --soft: #565d66; --line: #e2dfd8; --paper: #ffffff; }"
_DARK = "svg { --ink: #e5e3de; --soft: #a3abb5; --line: #2d333b; --paper: #1b1f25; }"
_CSS = """
.background { fill: var(--paper); }
.plot > .background { fill: none; }
text { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; fill: var(--soft); }
.title { font-size: 12px; text-anchor: middle; }
.plot_title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.axis text, .legend text { font-size: 12px; }
.legend text { fill: var(--ink); }
.axis.x text { text-anchor: middle; }
.axis.x text[transform] { text-anchor: start; }
.axis.y text { text-anchor: end; }
.legend text { text-anchor: start; }
.guide.line { stroke: var(--line); stroke-width: 1; fill: none; }
.axis .line { stroke: var(--soft); stroke-width: 1; fill: none; }
.axis .guide.line { stroke: var(--line); }
.series .line { fill: none; stroke-width: 2; }
.series .dot { stroke: var(--paper); stroke-width: 1; }
"""


@dataclass(frozen=True)
class Plot:
    """One chart. `labels` belong to `times`, or stand for themselves; a value is None where there is none."""

    title: str
    key: Column
    labels: list[str]
    times: list[datetime] | None
    measures: list[tuple[Column, list[Decimal | None]]]
    unit: str
    # Of how many names, where not all are drawn.
    names_in_all: int = 0
    # Whether Omni cut the rows.
    is_cut: bool = False
    width: int = _WIDE

    @property
    def is_beside(self) -> bool:
        """Whether the names stand beside their bars, as they would not fit below."""
        return max(map(extent, self.labels)) > (self.width - _ASIDE) / len(self.labels)

    @property
    def is_narrow(self) -> bool:
        return self.width == _NARROW

    def narrow(self) -> "Plot":
        """The same for a telephone."""
        return replace(self, width=_NARROW)

    @property
    def height(self) -> int:
        if self.times or not self.is_beside:
            return 320 if self.is_narrow else 380
        return 150 + (12 + 10 * len(self.measures)) * len(self.labels)

    @property
    def alt(self) -> str:
        """What somebody hears who does not see it."""
        names = ", ".join(cut(column.name, 60) for column, _ in self.measures)
        kind = "Line chart" if self.times else "Bar chart"
        first, last = cut(self.labels[0], 60), cut(self.labels[-1], 60)
        said = [f"{kind} “{cut(self.title, 100)}”: {names} by {cut(self.key.name, 60)}, from {first} to {last}."]
        for column, values in self.measures:
            known = [(value, label) for value, label in zip(values, self.labels, strict=True) if value is not None]
            low, high = min(known), max(known)
            said.append(
                f"{cut(column.name, 60)}: highest {_short(high[0], self.unit)} ({cut(high[1], 60)}), "
                f"lowest {_short(low[0], self.unit)} ({cut(low[1], 60)})."
            )
        not_all = ["Omni cut the result: not all of it is drawn."] if self.is_cut else []
        return " ".join([*said, *not_all, "The numbers stand in the table."])


def of(table: Table, title: str, *, is_cut: bool = False) -> list[Plot]:
    """The charts that these rows make; none where they do not suit. `is_cut`: whether Omni has more rows."""
    return [replace(plot, is_cut=is_cut) for plot in _of(table, title)]


def _of(table: Table, title: str) -> list[Plot]:
    key, *measures = table.columns
    # In a ragged table nobody knows which cell belongs to which column.
    if table.is_ragged or not 1 <= len(measures) <= MOST_MEASURES or len(table.rows) > _MOST_TIMES:
        return []
    if not all(tables.measures(column, [row[column.number - 1] for row in table.rows]) for column in measures):
        return []
    labels = [row[0].strip() for row in table.rows]
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:  # noqa: PLR2004  (one is no comparison)
        return []
    times = periods.read(labels, may_be_years=not key.is_number or "year" in key.name.lower())
    if times and len(labels) <= _MOST_TIMES:
        return _by_time(table, title, times)
    if key.is_number or times or len(labels) > _NAMES_AT_ALL:
        return []
    names_in_all = len(labels) if len(labels) > _MOST_NAMES else 0
    shown = Table(table.columns, table.rows[:_MOST_NAMES])
    return [Plot(title, key, labels[:_MOST_NAMES], None, group, unit, names_in_all) for unit, group in _groups(shown)]


def draw(plot: Plot) -> bytes:
    """As SVG: without script, link or request. In a page it has the page's `color-scheme`, alone the system's."""
    return _clean(_lines(plot) if plot.times else _bars(plot), plot)


def _by_time(table: Table, title: str, times: "periods.Times") -> list[Plot]:
    """In the order of time, with an empty place where a regular row of periods leaves one out."""
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
    """Measures that may share an axis: of one unit, and of about one size."""
    groups: list[tuple[str, Decimal, list[tuple[Column, list[Decimal | None]]]]] = []
    for column in table.columns[1:]:
        cells = [row[column.number - 1] for row in table.rows]
        values = [tables.value(cell) for cell in cells]
        known = [abs(value) for value in values if value is not None]
        if not known or max(known) > _LARGEST or 0 < max(known) < 1 / _LARGEST:
            continue
        unit, size = _unit(cells), max(known)
        for number, (its_unit, its_size, members) in enumerate(groups):
            apart = max(size, its_size) / (min(size, its_size) or 1)
            if unit == its_unit and apart <= _MOST_APART:
                groups[number] = (unit, max(size, its_size), [*members, (column, values)])
                break
        else:
            groups.append((unit, size, [(column, values)]))
    return [(unit, members) for unit, _, members in groups]


def _unit(cells: Sequence[str]) -> str:
    """The currency or "%" that all numbers carry, or ""."""
    said = [cell for cell in cells if not tables.says_nothing(cell)]
    found = {tables.unit(cell) for cell in said}
    return found.pop() if len(found) == 1 else ""


def _short(value: Decimal | float, unit: str) -> str:
    """ "680K", "$1.2M", "12.5%"."""
    number = Decimal(str(value)) * (100 if unit == "%" else 1)
    sign, size, letter = "−" if number < 0 else "", abs(number), ""
    for least, its_letter in _SIZES:
        if size >= least:
            size, letter = size / least, its_letter
            break
    # Three figures, and none more than it takes.
    digits = f"{size:.{max(0, 2 - max(size.adjusted(), -6)) if size else 0}f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    before, behind = (unit, "") if len(unit) == 1 and unit != "%" else ("", unit if unit in ("", "%") else f" {unit}")
    return f"{sign}{before}{digits}{letter}{behind}"


def _settings(plot: Plot) -> dict[str, Any]:
    several = len(plot.measures) > 1
    more = f" (the first {len(plot.labels)} of {plot.names_in_all})" if plot.names_in_all else ""
    more = " (not all rows)" if plot.is_cut else more
    return {
        "js": [],
        "width": plot.width,
        "height": plot.height,
        "explicit_size": True,
        "title": cut(plot.title, (30 if plot.is_narrow else 60) - len(more)) + more,
        "show_legend": several,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": min(len(plot.measures), 1 if plot.is_narrow else 3),
        "legend_box_size": 12,
        "truncate_legend": 28,
        "truncate_label": 40,
        "margin": 16,
        "margin_right": 40,
        # How many steps the axis of the numbers has at most.
        "max_scale": 4 if plot.is_narrow and plot.is_beside and not plot.times else 10,
        "min_scale": 3,
        "spacing": 10,
        "value_formatter": lambda value: _short(value, plot.unit),
        "style": Style(
            label_font_size=12, major_label_font_size=12, legend_font_size=12, title_font_size=15, font_family="sans"
        ),
    }


def _bars(plot: Plot) -> Any:
    beside = plot.is_beside
    chart = (pygal.HorizontalBar if beside else pygal.Bar)(**_settings(plot))
    # Beside each other they go from left to right, above each other they would go from the bottom to the top.
    turn = -1 if beside else 1
    chart.x_labels = labels = [shortened(label, 18 if plot.is_narrow else 34) for label in plot.labels[::turn]]
    if beside:
        # pygal reckons with letters of one width.
        chart.margin_left = 16 + max(0, *(extent(label) - 0.6 * LETTERS * len(label) for label in labels))
    name = cut(", ".join(column.name for column, _ in plot.measures), 40)
    chart.x_title, chart.y_title = (cut(plot.key.name, 40), name) if not beside else (name, "")
    for column, values in plot.measures:
        chart.add(cut(column.name, 28), [None if value is None else float(value) for value in values[::turn]])
    return chart


def _lines(plot: Plot) -> Any:
    assert plot.times  # noqa: S101  (for the type checker)
    known = [value for _, values in plot.measures for value in values if value is not None]
    low, high = min(known), max(known)
    few = len(plot.times) <= 60 or any(value is None for _, values in plot.measures for value in values)  # noqa: PLR2004
    chart = pygal.DateTimeLine(**_settings(plot), show_dots=few, dots_size=3, allow_interruptions=True)
    if low > 0 and low < high * Decimal("0.7"):
        chart.range = (0, float(high))
    chart.x_title = cut(plot.key.name, 40)
    chart.y_title = cut(", ".join(column.name for column, _ in plot.measures), 40)
    places = [place for place, label in enumerate(plot.labels) if label]
    step = max(1, -(-len(places) // ((plot.width - _ASIDE) // 70)))
    ticks = {_naive(plot.times[place]): cut(plot.labels[place], 16) for place in places[::step]}
    chart.x_labels = list(ticks)
    chart.x_value_formatter = lambda moment: ticks.get(_naive(moment), "")
    for column, values in plot.measures:
        points = [
            (_naive(time), None if value is None else float(value))
            for time, value in zip(plot.times, values, strict=True)
        ]
        chart.add(cut(column.name, 28), points)
    return chart


def _naive(moment: datetime) -> datetime:
    """In UTC, and without saying so: as pygal counts."""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)


def _clean(chart: Any, plot: Plot) -> bytes:
    """pygal's drawing without what it brings along for pages of its own: scripts, styles, tooltips, comments."""
    root: ElementTree.Element = ElementTree.fromstring(chart.render(disable_xml_declaration=True))  # noqa: S314  (ours)
    for parent in list(root.iter()):
        for child in list(parent):
            # Comments are gone with parsing.
            if child.tag in {f"{_SVG}script", f"{_SVG}desc", f"{_SVG}style", f"{_SVG}defs"} or _is_tooltip(child):
                parent.remove(child)
    for element in root.iter():
        element.attrib.pop("id", None)
    for title in list(root.iter(f"{_SVG}title")):
        if title is not root.find(f"{_SVG}title"):
            title.text = ""
    root.set("role", "img")
    described = ElementTree.Element(f"{_SVG}desc")
    described.text = plot.alt
    style = ElementTree.Element(f"{_SVG}style")
    style.text = _styles(len(plot.measures))
    root.insert(1, described)
    root.insert(2, style)
    ElementTree.register_namespace("", _SVG[1:-1])
    drawn: bytes = ElementTree.tostring(root, encoding="utf-8")
    return drawn


def _is_tooltip(element: ElementTree.Element) -> bool:
    return any(word in element.get("class", "").split() for word in ("tooltip", "text-overlay", "tooltip-overlay"))


def _styles(count: int) -> str:
    light, dark = [_LIGHT], [_DARK]
    for number, (day, night) in enumerate(_COLOURS[:count]):
        for rules, colour in ((light, day), (dark, night)):
            rules.append(
                f".color-{number} {{ fill: {colour}; stroke: {colour}; }} .color-{number} .line {{ fill: none; }}"
            )
    return "\n".join([*light, "@media (prefers-color-scheme: dark) {", *dark, "}", _CSS])
