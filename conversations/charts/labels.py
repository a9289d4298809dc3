"""Texts in a chart: their width, and how long ones are shortened."""

from unicodedata import east_asian_width

from conversations import rendering

# Font size in pixels.
LETTERS = 12


def extent(text: str) -> float:
    """Return the approximate width in pixels."""
    wide = sum(1.0 if east_asian_width(letter) in "WF" or letter in "MWmw@%" else 0.0 for letter in text)
    capitals = sum(1 for letter in text if letter.isupper())
    return LETTERS * (0.56 * len(text) + 0.44 * wide + 0.16 * capitals) + 8


def _line(text: str) -> str:
    """Return the text on one line, with invisible characters and those that turn its direction spelled out."""
    return rendering.spelled(" ".join(text.split()))


def shortened(text: str, most: int) -> str:
    """Shorten a text in its middle: the end is what tells long names apart."""
    line = _line(text)
    return line if len(line) <= most else f"{line[: most - most // 3 - 1]}…{line[-(most // 3) :]}"


def cut(text: str, most: int) -> str:
    line = _line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
