"""Columns over time as SVG for a page: as wide as their place is, and as large as a finger.

Positions along the axis are shares of the width, so that text keeps its size. `insights.css` has the colours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from conversations.charts.labels import cut

# Pixels: the height, of which the axis takes the last part, and the room above the highest column.
_HEIGHT, _AXIS, _TOP = 200, 22, 12
_MAX_TICKS: Final = 4
_COUNTS: Final = tuple(factor * 10**power for power in range(9) for factor in (1, 2, 5))
# Steps of an axis of seconds: up to days.
_SECONDS: Final = (1, 2, 5, 10, 15, 30, *(60 * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 7200)))
_LABEL_CHARS = 24
# A column this many times as high as nine tenths of the others is cut off, and says its height: else it alone would
# be seen. Fewer columns are compared as they are.
_FAR_ABOVE, _USUAL_SHARE, _FEWEST_TO_CUT = 3, 0.9, 6
# Pixels from the top of a cut column to the gap in it, and the gap's height.
_GAP_BELOW, _GAP = 8, 3


@dataclass(frozen=True)
class Column:
    """One column: its label, all of its values in words, the address that it opens, and the sizes of its parts.

    Parts are named for their colours. In stacked columns each stands on the one before; else each is drawn before it.
    """

    label: str
    said: str
    address: str
    parts: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Width:
    """Shares of a chart's width in percent: that of the numbers at the axis; and how many labels fit."""

    numbers: float
    labels: int


WIDE: Final = Width(4.5, 11)
NARROW: Final = Width(13, 4)


def draw(columns: Sequence[Column], name: str, width: Width, *, is_stacked: bool, of_seconds: bool = False) -> str:
    """Return SVG in which each column is a link. `name` tells screen readers which chart it is."""
    sizes = [sum(size for _, size in row.parts) if is_stacked else _highest(row) for row in columns]
    highest = max(sizes, default=0) if is_stacked else _without_outliers(sizes)
    top, ticks = _ticks(highest, _SECONDS if of_seconds else _COUNTS)

    def height(size: float) -> float:
        return (_HEIGHT - _AXIS - _TOP) * min(size / top, 1)

    root = Element("svg", {"class": "columns", "width": "100%", "height": str(_HEIGHT), "role": "group"})
    root.set("aria-label", name)
    _draw_axis(root, ticks, width, height, _short_seconds if of_seconds else _short_count)
    share = (100 - width.numbers) / max(len(columns), 1)
    every = -(-len(columns) // width.labels)
    for place, column in enumerate(columns):
        left = width.numbers + place * share
        group = SubElement(root, "a" if column.address else "g", {"class": "column"})
        if column.address:
            group.set("href", column.address)
        SubElement(group, "title").text = column.said
        _rect(group, "column-place", (left, share), (0, _HEIGHT))
        bar = min(share * 0.7, 6)
        for part, bottom, size in _stack(column, height) if is_stacked else _overlay(column, height):
            y = _HEIGHT - _AXIS - bottom - size
            _rect(group, f"part part-{part}", (left + (share - bar) / 2, bar), (y, size))
        if sizes[place] > top:
            _rect(group, "column-gap", (left, share), (_TOP + _GAP_BELOW, _GAP))
            at = {"class": "column-label", "x": _percent(left + share / 2), "y": str(_TOP - 2)}
            SubElement(group, "text", at).text = _about_seconds(sizes[place])
        if place % every == 0:
            at = {"class": "column-label", "x": _percent(left + share / 2), "y": str(_HEIGHT - 6)}
            SubElement(group, "text", at).text = cut(column.label, _LABEL_CHARS)
    return ElementTree.tostring(root, encoding="unicode")


def share_bar(parts: Sequence[tuple[str, float]]) -> str:
    """Return a bar of these shares of its whole width, for the eye alone."""
    root = Element("svg", {"class": "share", "width": "100%", "height": "6", "aria-hidden": "true"})
    left = 0.0
    for part, share in parts:
        if share:
            _rect(root, f"part part-{part}", (left * 100, share * 100), (0, 6))
        left += share
    return ElementTree.tostring(root, encoding="unicode")


def sparkline(values: Sequence[float | None]) -> str:
    """Return a line through these values, with gaps, for the eye alone; "" if there is no line to draw."""
    known = [value for value in values if value is not None]
    if len(known) < 2:  # noqa: PLR2004  (one is no line)
        return ""
    top, steps = max(known) or 1, max(len(values) - 1, 1)
    path, is_on = [], False
    for place, value in enumerate(values):
        if value is not None:
            path.append(f"{'L' if is_on else 'M'}{100 * place / steps:.1f} {22 - 20 * value / top:.1f}")
        is_on = value is not None
    about = {"class": "sparkline", "viewBox": "0 0 100 24", "preserveAspectRatio": "none", "aria-hidden": "true"}
    root = Element("svg", about)
    SubElement(root, "path", {"d": "".join(path)})
    return ElementTree.tostring(root, encoding="unicode")


def _highest(column: Column) -> float:
    return max((size for _, size in column.parts), default=0)


def _without_outliers(sizes: Sequence[float]) -> float:
    """Return the greatest of these sizes that a chart shows whole."""
    known = sorted(size for size in sizes if size)
    if len(known) < _FEWEST_TO_CUT:
        return max(known, default=0)
    usual = known[int(len(known) * _USUAL_SHARE) - 1]
    return max(size for size in known if size <= _FAR_ABOVE * usual)


def _stack(column: Column, height: Callable[[float], float]) -> Iterator[tuple[str, float, float]]:
    """Yield each part with its lower edge and its height, in pixels."""
    bottom = 0.0
    for part, size in column.parts:
        if size:
            yield part, bottom, height(size)
        bottom += height(size)


def _overlay(column: Column, height: Callable[[float], float]) -> Iterator[tuple[str, float, float]]:
    for part, size in column.parts:
        yield part, 0.0, height(size)


def _ticks(highest: float, steps: Sequence[int]) -> tuple[float, list[int]]:
    """Return the top of the axis and its numbers, whole steps of which there are few."""
    step = next((step for step in steps if highest <= step * _MAX_TICKS), steps[-1])
    count = max(1, -(-int(-(-highest // 1)) // step))
    return max(count * step, highest), list(range(0, count * step + 1, max(step, count * step // _MAX_TICKS)))


def _draw_axis(
    root: Element, ticks: list[int], width: Width, height: Callable[[float], float], written: Callable[[int], str]
) -> None:
    for tick in ticks:
        y = f"{_HEIGHT - _AXIS - height(tick):.1f}"
        line = {"class": "column-line", "x1": _percent(width.numbers), "x2": "100%", "y1": y, "y2": y}
        SubElement(root, "line", line)
        at = {"class": "column-number", "x": _percent(width.numbers), "dx": "-6", "y": y, "dy": "4"}
        SubElement(root, "text", at).text = written(tick)


def _short_count(count: int) -> str:
    return f"{count // 1000:,}K" if count >= 1000 and count % 1000 == 0 else f"{count:,}"  # noqa: PLR2004


def _short_seconds(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _about_seconds(seconds: float) -> str:
    """Return a duration in whole units of the largest kind that it reaches."""
    size = next((size for size in (86_400, 3600, 60) if seconds >= size), 1)
    return _short_seconds(round(seconds / size) * size)


def _rect(parent: Element, name: str, across: tuple[float, float], down: tuple[float, float]) -> None:
    """Add a rectangle: its left edge and width in percent, its upper edge and height in pixels."""
    (left, width), (top, height) = across, down
    about = {"x": _percent(left), "y": f"{top:.1f}", "width": _percent(width), "height": f"{height:.1f}"}
    SubElement(parent, "rect", {"class": name, **about})


def _percent(share: float) -> str:
    return f"{share:.2f}%"
