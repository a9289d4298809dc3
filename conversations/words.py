"""Text as the search sees it: words without accents and case, scripts that write no blanks in pairs of letters.

What is kept and what is asked for go through here alike, so no database's own idea of a word matters. Scripts without
blanks are cut as Lucene's CJK analyzer does (https://lucene.apache.org/core/9_0_0/analysis/common/ , CJKBigramFilter):
words of two letters, the most common there, are found, which trigrams would not.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

# Characters of one word that are told apart.
LONGEST = 64

# Accents, points and vowel signs that readers leave out: Latin, Greek, Cyrillic; Hebrew; Arabic.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)


def _ranges(codes: list[int]) -> str:
    """As the inside of a character class."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


_MARKS = _ranges([code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M"])
# Pictures that people type: each is a word. Not what only says how the one before it is to be drawn.
_PICTURES = (
    "\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
_RUN = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*|[{_PICTURES}]")
_PLAIN = re.compile(r"[a-z0-9]+")
# Han, kana, Hangul; Thai, Lao, Burmese, Khmer.
_TOGETHER = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff\u1100-\u11ff\uac00-\ud7a3\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_PIECE = re.compile(rf"([{_TOGETHER}][{_TOGETHER}{_MARKS}]*)|[^{_TOGETHER}]+")
_UNIT = re.compile(rf".[{_MARKS}]*", re.DOTALL)


class Word(NamedTuple):
    """Folded, and where it stands in the text: from `start` up to `end`."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Without case, accents and forms that only look different (NFKC)."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", bare).casefold()


def words(text: str, *, is_asked: bool = False) -> Iterator[Word]:
    """In turn. `is_asked`: of a question, without the words that are kept only to be found by a part of them."""
    if text.isascii():
        for found in _PLAIN.finditer(text.lower()):
            yield Word(found[0][:LONGEST], found.start(), found.end())
        return
    for run in _RUN.finditer(text):
        if run[0].isascii():
            yield Word(run[0].lower()[:LONGEST], run.start(), run.end())
            continue
        for piece in _PIECE.finditer(run[0]):
            start = run.start() + piece.start()
            if piece[1]:
                yield from _pairs(piece[1], start, is_asked=is_asked)
            else:
                # A form such as ½ falls apart into several.
                for part in _RUN.findall(fold(piece[0])):
                    yield Word(part[:LONGEST], start, start + len(piece[0]))


def _pairs(run: str, start: int, *, is_asked: bool) -> Iterator[Word]:
    units = [Word(fold(found[0]), start + found.start(), start + found.end()) for found in _UNIT.finditer(run)]
    for first, second in pairwise(units):
        yield Word(first.text + second.text, first.start, second.end)
    if len(units) == 1 or not is_asked:
        # By itself too, or a single letter at the end would never be found.
        yield units[-1]


def is_together(word: str) -> bool:
    """Whether it is of a script that writes no blanks."""
    return bool(_PIECE.match(word[:1]) and re.match(f"[{_TOGETHER}]", word))
