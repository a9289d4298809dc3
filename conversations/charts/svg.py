"""Plots as SVG: standalone pictures."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pygal
from django.contrib.staticfiles import finders
from pygal.style import Style

from conversations.charts.labels import LETTERS, cut, extent, shortened
from conversations.charts.spec import ASIDE, Plot, short

# pygal brings a finder for plugins of its own, by an interface that Python has given up: each import would warn of it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_SVG = "{http://www.w3.org/2000/svg}"

# Most points on a line that are drawn with dots.
_FEW = 60
# Radius of a dot, and what each line below adds to it, in pixels.
_DOT, _RING = 3, 1.5
# Light and dark, as in variables.css, which a standalone picture cannot read. Colour-blind readers can tell them apart,
# and each has a contrast of 3 to 1 to either background.
COLOURS = {
    "--ink": ("#1f2429", "#e5e3de"),
    "--ink-soft": ("#565d66", "#a3abb5"),
    "--line": ("#e2dfd8", "#2d333b"),
    "--surface": ("#ffffff", "#1b1f25"),
    "--series-0": ("#0b7a75", "#4fc2b8"),
    "--series-1": ("#b3541e", "#f0955b"),
    "--series-2": ("#5b53b5", "#a9a2f2"),
    "--series-3": ("#8f6a00", "#d9b13b"),
    "--series-4": ("#a3346f", "#ec8dbd"),
}


def draw(plot: Plot) -> bytes:
    """Return SVG without scripts, links or requests, in the `color-scheme` of its page or else of the system."""
    root = _drawn(plot)
    root.set("role", "img")
    described = ElementTree.Element(f"{_SVG}desc")
    described.text = plot.alt
    style = ElementTree.Element(f"{_SVG}style")
    style.text = _styles()
    root.insert(1, described)
    root.insert(2, style)
    drawn: bytes = ElementTree.tostring(root, encoding="utf-8")
    return drawn


def _settings(plot: Plot) -> dict[str, Any]:
    several = len(plot.measures) > 1
    more = f" (the first {len(plot.labels)} of {plot.names_in_all})" if plot.names_in_all else ""
    more = " (not all rows)" if plot.is_cut else more
    return {
        "js": [],
        "width": plot.width,
        "height": plot.height,
        "explicit_size": True,
        "title": (cut(plot.title, (30 if plot.is_narrow else 60) - len(more)) + more).strip(),
        "show_legend": several,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": min(len(plot.measures), 1 if plot.is_narrow else 3),
        "legend_box_size": 12,
        "truncate_legend": 28,
        "truncate_label": 40,
        "margin": 16,
        "margin_right": 40,
        # Most steps on the axis of numbers.
        "max_scale": 4 if plot.is_narrow and plot.is_beside and not plot.times else 10,
        "min_scale": 3,
        "spacing": 10,
        "value_formatter": lambda value: short(value, plot.unit),
        "style": Style(
            label_font_size=12, major_label_font_size=12, legend_font_size=12, title_font_size=15, font_family="sans"
        ),
    }


def _bars(plot: Plot) -> Any:
    beside = plot.is_beside
    chart = (pygal.HorizontalBar if beside else pygal.Bar)(**_settings(plot))
    # Vertical bars go from left to right; horizontal ones would go from bottom to top.
    turn = -1 if beside else 1
    chart.x_labels = labels = [shortened(label, 18 if plot.is_narrow else 34) for label in plot.labels[::turn]]
    if beside:
        # pygal assumes that all letters have the same width.
        chart.margin_left = 16 + max(0, *(extent(label) - 0.6 * LETTERS * len(label) for label in labels))
    name = cut(", ".join(column.name for column, _ in plot.measures), 40)
    chart.x_title, chart.y_title = (cut(plot.key.name, 40), name) if not beside else (name, "")
    for column, values in plot.measures:
        marks = [None if value is None else float(value) for value in values]
        chart.add(cut(column.name, 28), marks[::turn])
    return chart


class _TimeLine(pygal.DateTimeLine):
    """pygal's time line, without its use of `datetime.utcfromtimestamp`, which Python 3.12 deprecates."""

    @property
    def _x_format(self) -> Callable[[float], str]:
        return lambda seconds: str(self.x_value_formatter(datetime.fromtimestamp(seconds, UTC)))


def _lines(plot: Plot) -> Any:
    assert plot.times  # noqa: S101  (for the type checker)
    known = [value for _, values in plot.measures for value in values if value is not None]
    low, high = min(known), max(known)
    has_gaps = any(value is None for _, values in plot.measures for value in values)
    few = has_gaps or len(plot.times) <= _FEW
    chart = _TimeLine(**_settings(plot), show_dots=few, dots_size=_DOT, allow_interruptions=True)
    if 0 < low < high * Decimal("0.7"):
        chart.range = (0, float(high))
    chart.x_title = cut(plot.key.name, 40)
    chart.y_title = cut(", ".join(column.name for column, _ in plot.measures), 40)
    places = [place for place, label in enumerate(plot.labels) if label]
    step = max(1, -(-len(places) // ((plot.width - ASIDE) // 70)))
    ticks = {_naive(plot.times[place]): cut(plot.labels[place], 16) for place in places[::step]}
    chart.x_labels = list(ticks)
    chart.x_value_formatter = lambda moment: ticks.get(_naive(moment), "")
    for number, (column, values) in enumerate(plot.measures):
        points = [
            (_naive(time), None if value is None else float(value))
            for time, value in zip(plot.times, values, strict=True)
        ]
        # Grow the lower dots, so that a ring of each stays visible where dots lie on each other.
        above = len(plot.measures) - 1 - number
        chart.add(cut(column.name, 28), points, dots_size=_DOT + _RING * above)
    return chart


def _naive(moment: datetime) -> datetime:
    """Return the time in UTC and without a time zone, as pygal counts."""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)


def _drawn(plot: Plot) -> ElementTree.Element:
    """Return pygal's drawing without its scripts, styles, tooltips and comments, made for pages of its own."""
    chart = _lines(plot) if plot.times else _bars(plot)
    root: ElementTree.Element = ElementTree.fromstring(chart.render(disable_xml_declaration=True))  # noqa: S314  (ours)
    for title in list(root.iter(f"{_SVG}title")):
        if title is not root.find(f"{_SVG}title"):
            title.text = ""
    for parent in list(root.iter()):
        for child in list(parent):
            # Comments are gone with parsing.
            if child.tag in {f"{_SVG}script", f"{_SVG}desc", f"{_SVG}style", f"{_SVG}defs"} or _is_tooltip(child):
                parent.remove(child)
    for element in root.iter():
        element.attrib.pop("id", None)
    ElementTree.register_namespace("", _SVG[1:-1])
    return root


def _is_tooltip(element: ElementTree.Element) -> bool:
    return any(word in element.get("class", "").split() for word in ("tooltip", "text-overlay", "tooltip-overlay"))


@cache
def _styles() -> str:
    light, dark = (
        f"svg {{ {' '.join(f'{name}: {pair[place]};' for name, pair in COLOURS.items())} }}" for place in (0, 1)
    )
    rules = Path(str(finders.find("css/charts.css"))).read_text()
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n{rules}"
