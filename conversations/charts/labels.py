"""Texts in a picture: how wide they are, and what is left of long ones."""

from unicodedata import east_asian_width

from conversations import rendering

# How large, in pixels.
LETTERS = 12


def extent(text: str) -> float:
    """About how many pixels wide."""
    wide = sum(1.0 if east_asian_width(letter) in "WF" or letter in "MWmw@%" else 0.0 for letter in text)
    capitals = sum(1 for letter in text if letter.isupper())
    return LETTERS * (0.56 * len(text) + 0.44 * wide + 0.16 * capitals) + 8


def _line(text: str) -> str:
    """On one line, with what nobody sees, or what turns the direction of others, spelled out."""
    return rendering.spelled(" ".join(text.split()))


def shortened(text: str, most: int) -> str:
    """With its end, which is what tells long names apart."""
    line = _line(text)
    return line if len(line) <= most else f"{line[: most - most // 3 - 1]}…{line[-(most // 3) :]}"


def cut(text: str, most: int) -> str:
    line = _line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
