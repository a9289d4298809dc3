"""Check that Omni's pictures are PNGs, before anybody's browser interprets them."""

import struct
from typing import Final

from omniviewer.omni.errors import Unreadable

# Limits in bytes and pixels: a chart, not a decompression bomb.
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_PIXELS: Final = 40_000_000
_LONGEST_SIDE: Final = 20_000
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = struct.Struct(">I4sII")
_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def checked_png(body: bytes) -> bytes:
    """Return the body if it is a PNG (https://www.w3.org/TR/png-3/) within the limits. Raises `Unreadable`."""
    if len(body) > MOST_BYTES:
        raise Unreadable("Omni's chart is too large to be shown here.", outcome="too-large")
    if not body.startswith(_SIGNATURE) or len(body) < len(_SIGNATURE) + _HEADER.size or not body.endswith(_END):
        raise Unreadable("Omni's chart is not a PNG, or is incomplete.", outcome="no-png")
    length, kind, width, height = _HEADER.unpack_from(body, len(_SIGNATURE))
    if (length, kind) != (13, b"IHDR") or not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise Unreadable("Omni's chart is not a PNG that can be shown.", outcome="no-png")
    if width * height > MOST_PIXELS:
        raise Unreadable("Omni's chart is too large to be shown here.", outcome="too-large")
    return body
