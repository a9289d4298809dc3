"""A small font for the stand-in's charts: letters, digits and the signs that stand around numbers.

Each letter is a grid of dots. Strokes lead from each dot to its neighbours, and are drawn with soft edges.
"""

import unicodedata
from functools import cache

# Dots across and down, from the upper edge to the line that letters stand on.
_WIDTH, HEIGHT = 5, 7
# Between two letters, and half of a stroke's width, in dots.
_GAP, _RADIUS = 1.25, 0.48
_BLANK = 2.5
# Rows of a letter, five bits each, as hexadecimal numbers; from the eighth on, below the line.
_ROWS = {
    "0": "0E 11 13 15 19 11 0E",
    "1": "04 0C 04 04 04 04 0E",
    "2": "0E 11 01 02 04 08 1F",
    "3": "1F 02 04 02 01 11 0E",
    "4": "02 06 0A 12 1F 02 02",
    "5": "1F 10 1E 01 01 11 0E",
    "6": "06 08 10 1E 11 11 0E",
    "7": "1F 01 02 04 08 08 08",
    "8": "0E 11 11 0E 11 11 0E",
    "9": "0E 11 11 0F 01 02 0C",
    "A": "0E 11 11 1F 11 11 11",
    "B": "1E 11 11 1E 11 11 1E",
    "C": "0E 11 10 10 10 11 0E",
    "D": "1C 12 11 11 11 12 1C",
    "E": "1F 10 10 1E 10 10 1F",
    "F": "1F 10 10 1E 10 10 10",
    "G": "0E 11 10 17 11 11 0F",
    "H": "11 11 11 1F 11 11 11",
    "I": "0E 04 04 04 04 04 0E",
    "J": "07 02 02 02 02 12 0C",
    "K": "11 12 14 18 14 12 11",
    "L": "10 10 10 10 10 10 1F",
    "M": "11 1B 15 15 11 11 11",
    "N": "11 11 19 15 13 11 11",
    "O": "0E 11 11 11 11 11 0E",
    "P": "1E 11 11 1E 10 10 10",
    "Q": "0E 11 11 11 15 12 0D",
    "R": "1E 11 11 1E 14 12 11",
    "S": "0F 10 10 0E 01 01 1E",
    "T": "1F 04 04 04 04 04 04",
    "U": "11 11 11 11 11 11 0E",
    "V": "11 11 11 11 11 0A 04",
    "W": "11 11 11 15 15 15 0A",
    "X": "11 11 0A 04 0A 11 11",
    "Y": "11 11 11 0A 04 04 04",
    "Z": "1F 01 02 04 08 10 1F",
    "a": "00 00 0E 01 0F 11 0F",
    "b": "10 10 16 19 11 11 1E",
    "c": "00 00 0E 11 10 11 0E",
    "d": "01 01 0D 13 11 11 0F",
    "e": "00 00 0E 11 1F 10 0E",
    "f": "06 09 08 1C 08 08 08",
    "g": "00 00 0F 11 11 11 0F 01 0E",
    "h": "10 10 16 19 11 11 11",
    "i": "04 00 04 04 04 04 04",
    "j": "02 00 02 02 02 02 02 12 0C",
    "k": "10 10 12 14 18 14 12",
    "l": "04 04 04 04 04 04 04",
    "m": "00 00 1A 15 15 15 15",
    "n": "00 00 16 19 11 11 11",
    "o": "00 00 0E 11 11 11 0E",
    "p": "00 00 1E 11 11 11 1E 10 10",
    "q": "00 00 0F 11 11 11 0F 01 01",
    "r": "00 00 16 19 10 10 10",
    "s": "00 00 0F 10 0E 01 1E",
    "t": "08 08 1E 08 08 09 06",
    "u": "00 00 11 11 11 13 0D",
    "v": "00 00 11 11 11 0A 04",
    "w": "00 00 11 15 15 15 0A",
    "x": "00 00 11 0A 04 0A 11",
    "y": "00 00 11 11 11 11 0F 01 0E",
    "z": "00 00 1F 02 04 08 1F",
    " ": "00 00 00 00 00 00 00",
    ".": "00 00 00 00 00 0C 0C",
    ",": "00 00 00 00 0C 04 08",
    ":": "00 0C 0C 00 0C 0C 00",
    "-": "00 00 00 1F 00 00 00",
    "+": "00 04 04 1F 04 04 00",
    "/": "00 01 02 04 08 10 00",
    "(": "02 04 08 08 08 04 02",
    ")": "08 04 02 02 02 04 08",
    "%": "18 19 02 04 08 13 03",
    "$": "04 0F 14 0E 05 1E 04",
    "€": "06 09 1C 08 1C 09 06",
    "&": "0C 12 14 08 15 12 0D",
    "#": "0A 0A 1F 0A 1F 0A 0A",
    "'": "0C 04 08 00 00 00 00",
    "_": "00 00 00 00 00 00 1F",
}
# Stands for every letter that is not there.
_UNKNOWN = "1F 11 11 11 11 11 1F"


def width_of(text: str, scale: float) -> int:
    """Return the pixels across a line of text, with `scale` pixels for each dot."""
    return round(max(sum(_advance(letter) for letter in _plain(text)) - _GAP, 0) * scale)


def fitting(text: str, room: float, scale: float) -> str:
    """Return as much of a line of text as has room."""
    while text and width_of(text, scale) > room:
        text = text[:-1]
    return text.strip()


def coverage(text: str, scale: float) -> dict[tuple[int, int], int]:
    """Return how much of each pixel, of 255, the letters cover, from the upper left corner of the line."""
    found: dict[tuple[int, int], int] = {}
    left = 0.0
    for letter in _plain(text):
        for (across, down), covered in _drawn(letter, scale):
            place = across + round(left * scale), down
            found[place] = max(covered, found.get(place, 0))
        left += _advance(letter)
    return found


@cache
def _drawn(letter: str, scale: float) -> list[tuple[tuple[int, int], int]]:
    dots = _dots(letter)
    strokes = [(dot, other) for dot in dots for other in _joined(dot, dots)]
    found = []
    for down in range(-1, round((HEIGHT + 3) * scale)):
        for across in range(-1, round((_WIDTH + 1) * scale)):
            at = (across + 0.5) / scale - 0.5, (down + 0.5) / scale - 0.5
            away = min((_distance(at, *stroke) for stroke in strokes), default=scale)
            covered = round(255 * min(max((_RADIUS - away) * scale + 0.5, 0), 1))
            if covered:
                found.append(((across, down), covered))
    return found


def _dots(letter: str) -> set[tuple[int, int]]:
    """Return the dots of a letter, which begins at the left edge."""
    rows = [int(row, 16) for row in _ROWS.get(letter, _UNKNOWN).split()]
    found = {(x, y) for y, row in enumerate(rows) for x in range(_WIDTH) if row >> _WIDTH - 1 - x & 1}
    first = min((x for x, _ in found), default=0)
    return {(x - first, y) for x, y in found}


def _joined(dot: tuple[int, int], dots: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the dots to which a stroke leads: aslant only where there is no other way; itself where it is alone."""
    x, y = dot
    found = [other for other in ((x + 1, y), (x, y + 1)) if other in dots]
    for side in (-1, 1):
        if (x + side, y + 1) in dots and not {(x + side, y), (x, y + 1)} & dots:
            found.append((x + side, y + 1))
    return found or [dot]


def _distance(at: tuple[float, float], begin: tuple[int, int], end: tuple[int, int]) -> float:
    (x, y), (left, top) = at, begin
    across, down = end[0] - left, end[1] - top
    length = across * across + down * down
    along = min(max(((x - left) * across + (y - top) * down) / length, 0), 1) if length else 0.0
    return float(((x - left - along * across) ** 2 + (y - top - along * down) ** 2) ** 0.5)


@cache
def _advance(letter: str) -> float:
    dots = _dots(letter)
    return max((x for x, _ in dots), default=_BLANK - 1) + 1 + _GAP


def _plain(text: str) -> str:
    """Return the text without accents."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
