"""A labelled bar chart as a PNG, drawn by hand: the stand-in draws what Omni would, and needs no library for it."""

import math
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from omniviewer.demo.stand_in import lettering

WIDTH, HEIGHT = 640, 360
# Pixels of a letter's dot: of the title, and of labels.
TITLE, LABEL = 2.0, 1.45
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 56, 36
_LINES = 5
_PAPER, _GRID, _AXIS = bytes((255, 255, 255)), bytes((230, 232, 235)), bytes((120, 126, 132))
INK, SOFT_INK, _BAR = bytes((32, 38, 44)), bytes((90, 97, 105)), bytes((38, 122, 150))


class Bar(NamedTuple):
    """A bar of the chart. `text` is the value, formatted for people."""

    label: str
    value: float
    text: str


def bar_chart(title: str, bars: Sequence[Bar]) -> bytes:
    """Draw bars from zero, in the order given, with labels and values; bars of negative values hang below the axis."""
    picture = _Picture()
    picture.write(title, 20, 16, WIDTH - 40, INK, scale=TITLE)
    lines = _lines(min(0.0, *(bar.value for bar in bars)), max(0.0, *(bar.value for bar in bars)))
    bottom, top = lines[0], lines[-1]
    inner = HEIGHT - _TOP - _BOTTOM

    def height_of(value: float) -> int:
        return _TOP + round(inner * (top - value) / (top - bottom))

    unit = "%" if all(bar.text.endswith("%") for bar in bars) else ""
    for value in lines:
        at = height_of(value)
        picture.fill(_LEFT, WIDTH - _RIGHT, at, at + 1, _GRID)
        picture.write(f"{_short(value)}{unit}", _LEFT - 8, at - 5, _LEFT - 10, SOFT_INK, align="right")
    step = (WIDTH - _LEFT - _RIGHT) / len(bars)
    labels = [_in_lines(bar.label, step - 8) for bar in bars]
    # With many bars, label only every second or third, so that the labels do not overlap.
    widest = max(lettering.width_of(line, LABEL) for label in labels for line in label) + 8
    every = max(math.ceil(min(widest, 120) / step), 1)
    zero = height_of(0)
    for number, bar in enumerate(bars):
        left, right = (_LEFT + round(step * (number + side)) for side in (0.14, 0.86))
        end = height_of(bar.value)
        picture.fill(left, right, min(zero, end), max(zero, end), _BAR)
        middle = (left + right) // 2
        if number % every == 0:
            for place, line in enumerate(labels[number]):
                picture.write(line, middle, HEIGHT - 28 + 14 * place, step * every - 4, SOFT_INK, align="middle")
        if lettering.width_of(bar.text, LABEL) < step:
            above = end - 14 if bar.value >= 0 else end + 5
            picture.write(bar.text, middle, above, step, INK, align="middle")
    picture.fill(_LEFT, WIDTH - _RIGHT, zero, zero + 1, _AXIS)
    return picture.as_png()


def _lines(least: float, most: float) -> list[float]:
    """Return round values from the least, or below, to the most, or above: some `_LINES`."""
    span = (most - least) or 1.0
    size = 10 ** math.floor(math.log10(span / _LINES))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= span / _LINES)
    first, last = math.floor(least / step), math.ceil(most / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _in_lines(label: str, room: float) -> list[str]:
    """Return the label in one line, or in two where these have room and one has not."""
    if lettering.width_of(label, LABEL) <= room:
        return [label]
    words = label.split()
    pairs = [[" ".join(words[:count]), " ".join(words[count:])] for count in range(1, len(words))]
    lengths = {max(lettering.width_of(line, LABEL) for line in pair): pair for pair in pairs}
    return lengths[min(lengths)] if lengths and min(lengths) <= room else [label]


def _short(value: float) -> str:
    """Return a value of the axis: 250, 1.5K, 3M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


class _Picture:
    """A picture as rows of pixels, three bytes each."""

    def __init__(self) -> None:
        self._rows = [bytearray(_PAPER * WIDTH) for _ in range(HEIGHT)]

    def fill(self, left: int, right: int, top: int, bottom: int, colour: bytes) -> None:
        left, right = max(left, 0), min(right, WIDTH)
        for row in self._rows[max(top, 0) : max(bottom, 0)]:
            row[left * 3 : right * 3] = colour * (right - left)

    def write(
        self, text: str, x: int, y: int, room: float, colour: bytes, *, align: str = "left", scale: float = LABEL
    ) -> None:
        """Write as much of a line as has room, from, around or up to x."""
        text = lettering.fitting(text, room, scale)
        width = lettering.width_of(text, scale)
        x -= {"left": 0, "middle": width // 2, "right": width}[align]
        for (across, down), covered in lettering.coverage(text, scale).items():
            left, top = x + across, y + down
            if 0 <= left < WIDTH and 0 <= top < HEIGHT:
                self._rows[top][left * 3 : left * 3 + 3] = mixed(
                    self._rows[top][left * 3 : left * 3 + 3], colour, covered
                )

    def as_png(self) -> bytes:
        """Return the picture as PNG (https://www.w3.org/TR/png/): 8 bits a channel, RGB, no filter."""
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + row for row in self._rows))
        chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def mixed(below: bytes | bytearray, colour: bytes, covered: int) -> bytes:
    """Return the colour of a pixel of which so much, of 255, is covered by another colour."""
    return bytes((old * (255 - covered) + new * covered) // 255 for old, new in zip(below, colour, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
