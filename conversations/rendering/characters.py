"""Characters that a reader cannot see, or that turn the text's direction: each is shown by its code point.

They hide text from the reader, or show it in another order than it has. They stay where a script or an emoji is written
with them: joiners, variation selectors; and where right-to-left text is: direction marks, and isolates that are closed
on their line. Embeddings and overrides are shown everywhere. So are marks that are heaped on one letter, which paint
over the lines around it.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import escape

# Invisible, though Unicode files them under letters, marks, symbols and separators.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2028\u2029\u2800\u3164\uffa0\U00016fe4\U0001d159"
# Reserved, but to be drawn as nothing (Default_Ignorable_Code_Point); and code points that will never be characters.
_RESERVED = {chr(point) for point in (0x2065, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000), *range(0xFDD0, 0xFDF0))}
_RESERVED |= {chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)}
_SELECTORS = {chr(point) for point in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
_JOINERS = "\u200c\u200d"
# Without width: they only set the direction of the punctuation beside them.
_DIRECTION_MARKS = "\u200e\u200f\u061c"
_ISOLATES, _END_OF_ISOLATE = "\u2066\u2067\u2068", "\u2069"
# Code points to go through when a process starts. The other planes hold ideographs (2, 3), private use (15, 16) and
# nothing (4 to 13): going through all 17 took 0.4 s of CPU at each start.
_PLANES = tuple(map(chr, (*range(0x20000), *range(0xE0000, 0xE1000))))
# Most spans in one text: more would cost more than they tell.
_MOST_SPANS = 500
# Most marks on one letter: no language writes more.
_MOST_MARKS = 8


def _all_hidden() -> set[str]:
    """Return all control, format and surrogate characters but tab and newline, blanks, tags and variation selectors."""
    return (of_category("Cc", "Cf", "Cs") | set(_BLANK) | _SELECTORS | _RESERVED) - {"\t", "\n"}


def of_category(*categories: str) -> set[str]:
    """Return the characters of these general categories, without those of the planes named at `_PLANES`."""
    return {character for character in _PLANES if unicodedata.category(character) in categories}


def ranges(members: set[str]) -> str:
    """Return a regular expression's class of these characters; in ranges, since all text is searched for it."""
    spans: list[list[int]] = []
    for point in sorted(map(ord, members)):
        if spans and spans[-1][1] == point - 1:
            spans[-1][1] = point
        else:
            spans.append([point, point])
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans) + "]"


_HIDDEN = _all_hidden()
_MARKS = ranges(of_category("Mn", "Me") - _HIDDEN)
# A run of one hidden character is shown once, with a count; of a run of marks, only those beyond the limit.
_RUN = re.compile(rf"({ranges(_HIDDEN)})\1*|({_MARKS})(?<={_MARKS}{{{_MOST_MARKS + 1}}}){_MARKS}*")
_DIRECTIONS = re.compile(f"[{_DIRECTION_MARKS}{_ISOLATES}{_END_OF_ISOLATE}]")
_RIGHT_TO_LEFT = re.compile(
    ranges({character for character in _PLANES if unicodedata.bidirectional(character) in ("R", "AL")} - _HIDDEN)
)
_BRACKETED = {ord(character): f"[U+{ord(character):04X}]" for character in _HIDDEN}


def with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def harmless_directions(text: str) -> frozenset[str]:
    """Return the direction marks and isolates that belong to right-to-left text wherever they stand in this text.

    A mark belongs to it on a line that has some, if it is alone and not within a word of another script. Isolates do on
    such a line, if each is closed on it: an open one takes along what stands behind it.
    """
    if not _DIRECTIONS.search(text):
        return frozenset()
    threats: set[str] = set()
    for line in text.split("\n"):
        found = set(_DIRECTIONS.findall(line))
        if found and not _RIGHT_TO_LEFT.search(line):
            threats |= found
        elif found:
            threats |= {line[place] for place in _misplaced_marks(line)}
            if not _isolates_are_closed(line):
                threats |= found - set(_DIRECTION_MARKS)
    return frozenset({*_DIRECTION_MARKS, *_ISOLATES, _END_OF_ISOLATE} - threats)


def _misplaced_marks(line: str) -> Iterator[int]:
    for found in re.finditer(f"[{_DIRECTION_MARKS}]", line):
        place = found.start()
        before, after = line[max(place - 1, 0) : place], line[place + 1 : place + 2]
        is_in_word = all(side.isalnum() and not _RIGHT_TO_LEFT.match(side) for side in (before, after))
        if is_in_word or (before and before in _DIRECTION_MARKS):
            yield place


def _isolates_are_closed(line: str) -> bool:
    depth = 0
    for character in _DIRECTIONS.findall(line):
        depth += (character in _ISOLATES) - (character == _END_OF_ISOLATE)
        if depth < 0:
            return False
    return depth == 0


def shown(text: str, harmless: frozenset[str] = frozenset()) -> str:
    """Return `text` as escaped HTML, its hidden characters spelled out except for those that are `harmless` in it."""
    if text.isascii() and text.isprintable():  # as most cells of a table are
        return escape(text, quote=False)
    parts: list[str] = []
    place = spans = 0
    for run in _RUN.finditer(text):
        if _belongs(text, run.start(), run.end()) or (run[0] in harmless):
            continue
        parts += escape(text[place : run.start()], quote=False), _span(run)
        place = run.end()
        spans += 1
        if spans == _MOST_SPANS:
            return "".join(parts) + escape(_RUN.sub(_told, text[place:].translate(_BRACKETED)), quote=False)
    return "".join(parts) + escape(text[place:], quote=False)


def spelled(text: str) -> str:
    """Return the same as plain text, not escaped: `[U+202E]`. For attributes, titles and pictures, without elements."""
    harmless = harmless_directions(text)
    return _RUN.sub(
        lambda run: run[0] if run[0] in harmless or _belongs(text, run.start(), run.end()) else _told(run), text
    )


def has_hidden(text: str) -> bool:
    return _RUN.search(text) is not None


def _told(run: re.Match[str]) -> str:
    times = f" ×{len(run[0])}" if len(run[0]) > 1 else ""
    return f"[U+{ord(run[0][0]):04X}{times}]"


def _span(run: re.Match[str]) -> str:
    name = unicodedata.name(run[0][0], "CONTROL CHARACTER") if run[1] else "AND OTHER MARKS"
    point = f"U+{ord(run[0][0]):04X}"
    return f'<span class="hidden-character" title="{point} {name}">{_told(run)[1:-1]}</span>'


def _belongs(text: str, start: int, end: int) -> bool:
    """Return whether this hidden character is part of a letter or an emoji, as the writing system has it."""
    if start == 0 or end - start > 1 or text[start] not in _HIDDEN:
        return False
    character, before, after = text[start], text[start - 1], text[end : end + 1]
    if character in _SELECTORS:
        # One selector, on a visible character. The 240 further ones are for ideographs alone; elsewhere they smuggle
        # data.
        is_ideograph = unicodedata.category(before) == "Lo" and before > "\u2e80"
        return is_ideograph or (character <= "\ufe0f" and (_is_pictorial(before) or before in "0123456789#*"))
    return character in _JOINERS and _joins(before) and bool(after) and _joins(after)


def _joins(character: str) -> bool:
    """Return whether this is a letter or mark from Hebrew's block to the scripts of India and beyond, or an emoji."""
    point, category = ord(character), unicodedata.category(character)
    is_script = 0x590 <= point <= 0x1CFF or 0xA800 <= point <= 0xABFF or 0x11000 <= point <= 0x11FFF  # noqa: PLR2004
    return (is_script and category[0] in "LM" and character not in _HIDDEN) or _is_pictorial(character)


def _is_pictorial(character: str) -> bool:
    return character == "\ufe0f" or (unicodedata.category(character) in ("So", "Sk", "Sm") and character > "\u00a8")
