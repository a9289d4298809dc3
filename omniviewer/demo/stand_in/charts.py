"""A bar chart as a PNG, written by hand: the stand-in draws what Omni would, and needs no library for it."""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 640, 360, 24
_PAPER, _AXIS = bytes((255, 255, 255)), bytes((120, 126, 132))
_BARS = (bytes((15, 127, 122)), bytes((199, 154, 27)))


def bar_chart(values: Sequence[float]) -> bytes:
    """Bars from zero, in the order given; negative values hang below the axis."""
    top, bottom = max(0.0, *values), min(0.0, *values)
    span = (top - bottom) or 1.0
    inner = HEIGHT - 2 * MARGIN
    zero = MARGIN + round(inner * top / span)
    rows = [bytearray(_PAPER * WIDTH) for _ in range(HEIGHT)]
    _paint(rows[zero], MARGIN, WIDTH - MARGIN, _AXIS)
    step = (WIDTH - 2 * MARGIN) / len(values)
    for number, value in enumerate(values):
        left, right = (MARGIN + round(step * (number + side)) for side in (0.15, 0.85))
        end = zero - round(inner * value / span)
        for row in rows[min(zero, end) : max(zero, end)]:
            _paint(row, left, right, _BARS[number % 2])
    return _png(rows)


def _paint(row: bytearray, left: int, right: int, colour: bytes) -> None:
    row[left * 3 : right * 3] = colour * (right - left)


def _png(rows: Sequence[bytearray]) -> bytes:
    """https://www.w3.org/TR/png/: 8 bits a channel, RGB, no filter."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    picture = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = ((b"IHDR", header), (b"IDAT", picture), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
