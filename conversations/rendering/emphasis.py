"""Bold, italic and struck-out text, as in CommonMark, made after everything else in a line is known.

https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis; an opening mark is looked for no further down than
where an equal one was looked for in vain, so the time is linear.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.treeprocessors import Treeprocessor
from markdown.util import ETX, STX, AtomicString

from omniviewer.time_limit import Clock

# Deepest nesting of elements: beyond it, browsers rearrange the tree.
_DEEPEST = 60
_RUNS = re.compile(r"(\*+|_+|~+)")
# Between these, Python-Markdown keeps characters that were escaped: punctuation.
_ESCAPED = frozenset(STX + ETX)
_TAGS = {"*": ("em", "strong"), "_": ("em", "strong"), "~": ("del", "del")}


@dataclass
class _Run:
    """Equal marks side by side, such as `**`. `left` counts those that are not used for an element yet."""

    mark: str
    length: int
    left: int
    can_open: bool
    can_close: bool
    serial: int = 0


_Piece: TypeAlias = str | Element | _Run


@dataclass
class _Line:
    """The pieces of a text that were read, and the runs among them that may still open an element."""

    pieces: list[_Piece] = field(default_factory=list)
    # Runs that may open an element, each with its index in `pieces`.
    openers: list[tuple[int, _Run]] = field(default_factory=list)
    # Serial number of the last opener below which none for this kind of closing run was found.
    bottoms: dict[tuple[str, bool, int], int] = field(default_factory=dict)


class Emphasis(Treeprocessor):
    """Tree processor that replaces the marks in all texts, once their other inline elements are made."""

    def __init__(self, md: Markdown, clock: Clock) -> None:
        super().__init__(md)
        self._clock = clock

    def run(self, root: Element) -> None:
        for element in list(root.iter()):
            self._clock.tick()
            if element.tag not in ("code", "pre") and _has_marks(element):
                _rebuild(element, self._emphasized(list(_pieces(element))))

    def _emphasized(self, pieces: list[_Piece]) -> list[_Piece]:
        line, serials = _Line(), count(1)
        for piece in pieces:
            self._clock.tick()
            if isinstance(piece, _Run):
                piece.serial = next(serials)
                if piece.can_close:
                    _close(line, piece)
                if piece.left and piece.can_open:
                    line.openers.append((len(line.pieces), piece))
                if not piece.left:
                    continue
            line.pieces.append(piece)
        return line.pieces


def _has_marks(element: Element) -> bool:
    texts = [] if isinstance(element.text, AtomicString) else [element.text]
    texts += (child.tail for child in element)
    return any(text and ("*" in text or "_" in text or "~" in text) for text in texts)


def _pieces(element: Element) -> Iterator[_Piece]:
    """Split what an element holds into texts, elements and runs of marks."""
    flat: list[str | Element] = [element.text] if element.text else []
    for child in element:
        flat += [child, child.tail] if child.tail else [child]
        child.tail = None
    edges = [_edges(piece) for piece in flat]
    for place, piece in enumerate(flat):
        if isinstance(piece, Element | AtomicString):
            yield piece
            continue
        before = edges[place - 1][1] if place else " "
        after = edges[place + 1][0] if place + 1 < len(flat) else " "
        yield from _split(piece, before, after)


def _edges(piece: str | Element) -> tuple[str, str]:
    """Return the first and the last character, as far as they matter to the marks beside them."""
    if isinstance(piece, str):
        return piece[0], piece[-1]
    if piece.tag == "br":
        return " ", " "
    if piece.tag == "a" and isinstance(piece.text, AtomicString) and piece.text:
        return piece.text[0], piece.text[-1]
    return "`", "`"  # code or a link: a sign of Markdown's own


def _split(text: str, before: str, after: str) -> Iterator[_Piece]:
    place = 0
    for found in _RUNS.finditer(text):
        if found.start() > place:
            yield text[place : found.start()]
        place = found.end()
        last = text[found.start() - 1] if found.start() else before
        following = text[place] if place < len(text) else after
        yield _run(found[0], last, following)
    if place < len(text):
        yield text[place:]


def _run(marks: str, before: str, after: str) -> _Run:
    mark, length = marks[0], len(marks)
    is_space_before, is_space_after = before.isspace(), after.isspace()
    is_sign_before, is_sign_after = _is_punctuation(before), _is_punctuation(after)
    # Languages that write no blanks between words: there, the letter outside says as little as a blank.
    opens = not is_space_after and (
        not is_sign_after or is_space_before or is_sign_before or _is_without_blanks(before)
    )
    closes = not is_space_before and (
        not is_sign_before or is_space_after or is_sign_after or _is_without_blanks(after)
    )
    can_open, can_close = opens, closes
    if mark == "_":
        can_open = opens and (not closes or is_sign_before)
        can_close = closes and (not opens or is_sign_after)
    elif mark == "~":
        # "~5 to ~$10" means "about".
        is_about = length == 1 and (after.isdecimal() or unicodedata.category(after) == "Sc")
        can_open, can_close = opens and length <= 2, closes and length <= 2 and not is_about  # noqa: PLR2004
    return _Run(mark, length, length, can_open=can_open, can_close=can_close)


def _close(line: _Line, closer: _Run) -> None:
    while closer.left:
        found = _opener(line, closer)
        if found is None:
            return
        place, opener = line.openers[found]
        size = opener.left if closer.mark == "~" else min(2, opener.left, closer.left)
        element = Element(_TAGS[closer.mark][size - 1])
        inside = line.pieces[place + 1 :]
        element_depth = 1 + max((_depth(piece) for piece in inside), default=0)
        if element_depth > _DEEPEST:
            line.bottoms[_kind(closer)] = opener.serial
            return
        _rebuild(element, inside)
        element.set("depth", str(element_depth))
        opener.left -= size
        closer.left -= size
        # Openers in between found no closing run: they are text from here on.
        del line.openers[found + 1 :]
        del line.pieces[place + 1 :]
        if not opener.left:
            line.openers.pop()
            line.pieces.pop()
        line.pieces.append(element)


def _opener(line: _Line, closer: _Run) -> int | None:
    key = _kind(closer)
    for place in range(len(line.openers) - 1, -1, -1):
        opener = line.openers[place][1]
        if opener.serial <= line.bottoms.get(key, 0):
            break
        if opener.mark == closer.mark and _is_pair(opener, closer):
            return place
    line.bottoms[key] = line.openers[-1][1].serial if line.openers else 0
    return None


def _kind(closer: _Run) -> tuple[str, bool, int]:
    """Return what decides which opening runs a closing one may be paired with."""
    return closer.mark, closer.can_open, closer.length if closer.mark == "~" else closer.length % 3


def _is_pair(opener: _Run, closer: _Run) -> bool:
    if closer.mark == "~":
        return opener.length == closer.length
    is_ambiguous = closer.can_open or opener.can_close
    return not is_ambiguous or closer.length % 3 == 0 or (opener.length + closer.length) % 3 != 0


def _depth(piece: _Piece) -> int:
    return int(piece.get("depth", 0)) if isinstance(piece, Element) else 0


def _rebuild(element: Element, pieces: list[_Piece]) -> None:
    """Replace an element's content by these pieces."""
    element[:] = []
    texts: list[str] = []
    last: Element | None = None
    for piece in [*pieces, None]:
        if isinstance(piece, str):
            texts.append(piece)
        elif isinstance(piece, _Run):
            texts.append(piece.mark * piece.left)
        else:
            text = "".join(texts) if len(texts) != 1 else texts[0]
            if last is None:
                element.text = text
            else:
                last.tail = text
            texts = []
            if piece is not None:
                element.append(piece)
                last = piece


def _is_punctuation(character: str) -> bool:
    is_sign = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return is_sign or character in _ESCAPED or unicodedata.category(character)[0] == "P"


def _is_without_blanks(character: str) -> bool:
    """Tell whether this is a letter of Chinese, Japanese, Korean, Thai, Lao, Burmese or Khmer."""
    point = ord(character)
    return point >= 0x2E80 or 0xE00 <= point < 0xF00 or 0x1000 <= point < 0x10A0 or 0x1780 <= point < 0x1800  # noqa: PLR2004
