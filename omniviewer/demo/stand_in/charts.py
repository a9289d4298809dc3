"""A labelled bar chart as a PNG, drawn by hand: the stand-in draws what Omni would, and needs no library for it."""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from omniviewer.demo.stand_in import lettering

WIDTH, HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 48, 44
_TITLE_SCALE = 2
_PAPER, _AXIS, _INK = bytes((255, 255, 255)), bytes((120, 126, 132)), bytes((32, 38, 44))
_BARS = (bytes((15, 127, 122)), bytes((199, 154, 27)))


class Bar(NamedTuple):
    """A bar of the chart. `text` is the value, formatted for people."""

    label: str
    value: float
    text: str


def bar_chart(title: str, bars: Sequence[Bar]) -> bytes:
    """Draw bars from zero, in the order given, with labels and values; bars of negative values hang below the axis."""
    picture = _Picture()
    top, bottom = max(0.0, *(bar.value for bar in bars)), min(0.0, *(bar.value for bar in bars))
    inner = HEIGHT - _TOP - _BOTTOM
    span = (top - bottom) or 1.0
    zero = _TOP + round(inner * top / span)
    picture.fill(_LEFT, WIDTH - _RIGHT, zero, zero + 1, _AXIS)
    picture.write(title, _LEFT, 12, WIDTH - _LEFT - _RIGHT, scale=_TITLE_SCALE)
    step = (WIDTH - _LEFT - _RIGHT) / len(bars)
    for bar in {min(bars, key=lambda bar: bar.value), max(bars, key=lambda bar: bar.value)}:
        end = zero - round(inner * bar.value / span)
        picture.write(bar.text, _LEFT - 8, end - 3, _LEFT - 8, align="right")
    # With many bars, label only every second or third, so that the labels do not overlap.
    widest = max(lettering.width_of(bar.label) for bar in bars) + lettering.ADVANCE
    every = max(round(min(widest, 96) / step + 0.49), 1)
    for number, bar in enumerate(bars):
        left, right = (_LEFT + round(step * (number + side)) for side in (0.15, 0.85))
        end = zero - round(inner * bar.value / span)
        picture.fill(left, right, min(zero, end), max(zero, end), _BARS[number % 2])
        if number % every == 0:
            picture.write(bar.label, (left + right) // 2, HEIGHT - 20, round(step * every), align="middle")
        if lettering.width_of(bar.text) < step:
            above = end - 10 if bar.value >= 0 else end + 3
            picture.write(bar.text, (left + right) // 2, above, round(step), align="middle")
    return picture.as_png()


class _Picture:
    """A picture as rows of pixels, three bytes each."""

    def __init__(self) -> None:
        self._rows = [bytearray(_PAPER * WIDTH) for _ in range(HEIGHT)]

    def fill(self, left: int, right: int, top: int, bottom: int, colour: bytes) -> None:
        left, right = max(left, 0), min(right, WIDTH)
        for row in self._rows[max(top, 0) : max(bottom, 0)]:
            row[left * 3 : right * 3] = colour * (right - left)

    def write(self, text: str, x: int, y: int, room: int, *, align: str = "left", scale: int = 1) -> None:
        """Write as much of a line as has room, from, around or up to x."""
        text = text[: max(room // (lettering.ADVANCE * scale), 0)].strip()
        width = lettering.width_of(text, scale)
        x -= {"left": 0, "middle": width // 2, "right": width}[align]
        for across, down in lettering.dots(text):
            left, top = x + across * scale, y + down * scale
            self.fill(left, left + scale, top, top + scale, _INK)

    def as_png(self) -> bytes:
        """Return the picture as PNG (https://www.w3.org/TR/png/): 8 bits a channel, RGB, no filter."""
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + row for row in self._rows))
        chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
