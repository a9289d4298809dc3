"""A bar chart as a PNG, written by hand: the stand-in draws what Omni would, and needs no library for it."""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 640, 360, 24
_PAPER, _AXIS = (255, 255, 255), (120, 126, 132)
_BARS = ((15, 127, 122), (199, 154, 27))


def bar_chart(values: Sequence[float]) -> bytes:
    """Bars from zero, in the order given; negative values hang below the axis."""
    top, bottom = max(0.0, *values), min(0.0, *values)
    span = (top - bottom) or 1.0
    inner = HEIGHT - 2 * MARGIN
    zero = MARGIN + round(inner * top / span)
    rows = [[_PAPER] * WIDTH for _ in range(HEIGHT)]
    rows[zero] = [_PAPER] * MARGIN + [_AXIS] * (WIDTH - 2 * MARGIN) + [_PAPER] * MARGIN
    step = (WIDTH - 2 * MARGIN) / len(values)
    for number, value in enumerate(values):
        left = MARGIN + round(step * (number + 0.15))
        right = MARGIN + round(step * (number + 0.85))
        end = zero - round(inner * value / span)
        for y in range(min(zero, end), max(zero, end)):
            rows[y][left:right] = [_BARS[number % 2]] * (right - left)
    return _png(rows)


def _png(rows: list[list[tuple[int, int, int]]]) -> bytes:
    """https://www.w3.org/TR/png/: 8 bits a channel, RGB, no filter."""
    raw = b"".join(b"\0" + bytes(channel for pixel in row for channel in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
