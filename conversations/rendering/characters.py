"""Characters that a reader cannot see: control, direction-flipping, zero-width. They are shown by their code point.

What Unicode calls format characters (category Cf) has honest uses in a few scripts and in emoji, which stay as they
are; everywhere else such a character can hide a part of the text or show it in another order than it has.
"""

import re
import unicodedata
from collections.abc import Iterator

# Letters of no width that are not in Cf: fillers, the blank of braille, separators of lines and paragraphs.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0"
_TAGS = range(0xE0000, 0xE1000)
_FORMAT = "".join(chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) == "Cf" or point in _TAGS)
_HIDDEN = re.compile(f"[{re.escape(_BLANK + _FORMAT)}]")
# An emoji of a region's flag is spelled in tag characters.
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f")
_JOINERS = "\u200c\u200d"
_CONTROL_PICTURES = {point: 0x2400 + point for point in range(0x20) if chr(point) not in "\t\n\r"} | {0x7F: 0x2421}
_C1 = dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}")
# Half of a pair of UTF-16: JSON can spell it, no database can hold it.
_SURROGATES = re.compile("[\ud800-\udfff]")


def show_controls(text: str) -> str:
    """Control characters become their pictures, except for tab and line ends, which become newlines."""
    text = re.sub("\r\n?|\x85", "\n", text).translate(_CONTROL_PICTURES).translate(_C1)
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """`text` in order, in runs that are shown as they are (False) and single hidden characters (True)."""
    start = 0
    flags = {place for flag in _FLAG.finditer(text) for place in range(*flag.span())}
    for found in _HIDDEN.finditer(text):
        place = found.start()
        if place in flags or (found.group() in _JOINERS and _joins(text, place)):
            continue
        if place > start:
            yield text[start:place], False
        yield found.group(), True
        start = found.end()
    if start < len(text):
        yield text[start:], False


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands between letters or emoji that are written with it: never beside ASCII."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    return all(side and ord(side) > 0x2FF and not _HIDDEN.match(side) for side in (before, after))  # noqa: PLR2004


def code_point(character: str) -> str:
    """ "U+202E"."""
    return f"U+{ord(character):04X}"


def name_of(character: str) -> str:
    """ "U+202E RIGHT-TO-LEFT OVERRIDE", for a title."""
    return f"{code_point(character)} {unicodedata.name(character, 'a character without a name')}"
