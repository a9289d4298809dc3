"""Text as the search sees it: words without accents and case, scripts that write no blanks in pairs of letters.

Stored text and search queries go through here alike, so no database's own idea of a word matters. Scripts without
blanks are cut as Lucene's CJK analyzer does (https://lucene.apache.org/core/9_0_0/analysis/common/ , CJKBigramFilter):
words of two letters, the most common there, are found, which trigrams would not.

A change to how text is cut needs a migration that has every conversation indexed again, as 0010 does.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

# Characters of one word that are told apart. At most 256 bytes of UTF-8: PostgreSQL refuses a word over 2,046 bytes.
MAX_WORD_CHARS = 64
# Characters that are folded to make a word, accents among them. Unicode puts marks in order in quadratic time.
_MAX_FOLDED_CHARS = 8 * MAX_WORD_CHARS

# Accents, points and vowel signs that readers leave out: Latin, Greek, Cyrillic; Hebrew; Arabic.
_ACCENTS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
# Letters that Unicode does not take apart, by what people without that keyboard type in their place.
_TYPED_AS = {
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ð": "d",
    "ŋ": "n",
    "ı": "i",
    "ȷ": "j",
    "ĸ": "q",
    "ə": "e",
    "ǝ": "e",
    "ɛ": "e",
    "ɔ": "o",
    "ɑ": "a",
    "ɡ": "g",
    "ʒ": "z",
    "ƹ": "z",
    "ʃ": "s",
    "ɩ": "i",
    "ɪ": "i",
    "ʊ": "u",
    "ʋ": "v",
    # Persian, Urdu and Kurdish forms of Arabic letters; Arabic ones that are written for each other.
    **dict.fromkeys("\u06cc\u0649\u06d2\u06cd\u063d", "\u064a"),  # yeh
    **dict.fromkeys("\u06a9\u06aa\u063b\u063c", "\u0643"),  # kaf
    **dict.fromkeys("\u06c1\u06be\u06d5\u0629\u06c3\u06ff", "\u0647"),  # heh
    "\u0671": "\u0627",
    "\u06c4": "\u0648",
    "\u06c6": "\u0648",
    "\u06c7": "\u0648",
    "\u06cb": "\u0648",
}
_WITH = re.compile(r"(LATIN|CYRILLIC) SMALL LETTER ([A-Z]+) WITH ")


def _ranges(codes: list[int]) -> str:
    """Return the inside of a character class."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


def _by_category() -> dict[str, list[int]]:
    """Return code points by category, except ideographs of the higher planes, which are all letters."""
    found: dict[str, list[int]] = defaultdict(list)
    for code in (*range(0x80, 0x20000), *range(0xE0000, 0xE1000)):
        found[unicodedata.category(chr(code))].append(code)
    return found


_CODES = _by_category()


def _table() -> dict[int, str]:
    """Return letters that are treated as equal: without stroke, hook or tail; digits of any script."""
    table = {code: str(unicodedata.decimal(chr(code))) for code in _CODES["Nd"]}
    for code in _CODES["Ll"]:
        found = _WITH.match(unicodedata.name(chr(code), ""))
        if found is None or unicodedata.decomposition(chr(code)):
            continue
        script, letter = found.groups()
        if script == "CYRILLIC" or len(letter) == 1:
            table[code] = unicodedata.lookup(f"{script} SMALL LETTER {letter}")
    return table | {ord(letter): typed for letter, typed in _TYPED_AS.items()}


_SAME = _table()
_MARKS = _ranges(sorted(_CODES["Mn"] + _CODES["Mc"] + _CODES["Me"]))
# Characters drawn as nothing: soft hyphens, joiners, direction marks.
_UNSEEN = _ranges(_CODES["Cf"])
_LEFT_OUT = re.compile(f"[{_ACCENTS}{_UNSEEN}]")
# Pictures that people type: each is a word. Not what only says how the one before it is to be drawn.
_PICTURES = (
    "\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
# Radicals, which some programs copy in the place of ideographs, are symbols to Unicode.
_LETTER = "(?:[^\\W_]|[\u2f00-\u2fd5])"
_RUN = re.compile(rf"{_LETTER}(?:{_LETTER}|[{_MARKS}{_UNSEEN}])*|[{_PICTURES}]")
_PLAIN = re.compile(r"[a-z0-9]+")
# Han, kana, Hangul; Thai, Lao, Burmese, Khmer; without their digits.
_BLOCKS = (
    *((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    *((0xFF66, 0xFF9F), (0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),
    *((0x2F00, 0x2FD5), (0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
)
_TOGETHER = "\U00020000-\U0003ffff" + _ranges(
    [code for first, last in _BLOCKS for code in range(first, last + 1) if unicodedata.category(chr(code)) != "Nd"]
)
_PIECE = re.compile(rf"([{_TOGETHER}][{_TOGETHER}{_MARKS}{_UNSEEN}]*)|[^{_TOGETHER}]+")
_IS_TOGETHER = re.compile(f"[{_TOGETHER}]")
# A letter with its marks; a syllable of Hangul in its parts; the marks of half-width kana are letters to Unicode.
_AFTER = f"{_MARKS}{_UNSEEN}\uff9e\uff9f"
_CLUSTER = re.compile(
    rf"[\u1100-\u115f\ua960-\ua97c][\u1160-\u11a7\ud7b0-\ud7c6]+[\u11a8-\u11ff\ud7cb-\ud7fb]*[{_AFTER}]*"
    rf"|[\uac00-\ud7a3][\u11a8-\u11ff]*[{_AFTER}]*|.[{_AFTER}]*",
    re.DOTALL,
)
_IS_MARK = re.compile(f"[{_MARKS}]")


class Word(NamedTuple):
    """A folded word, and its place in the text: from `start` up to `end`."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return `text` without case, accents, unseen characters and forms that only look different (NFKC)."""
    bare = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", bare).casefold().translate(_SAME)


def words(text: str, *, is_asked: bool = False) -> Iterator[Word]:
    """Yield the words in turn. `is_asked`: of a search query, without words that are only found by a part of them."""
    if text.isascii():
        for found in _PLAIN.finditer(text.lower()):
            yield Word(found[0][:MAX_WORD_CHARS], found.start(), found.end())
        return
    for run in _RUN.finditer(text):
        if run[0].isascii():
            yield Word(run[0].lower()[:MAX_WORD_CHARS], run.start(), run.end())
            continue
        for piece in _PIECE.finditer(run[0]):
            start = run.start() + piece.start()
            if piece[1]:
                yield from _pairs(piece[1], start, is_asked=is_asked)
            else:
                # A form such as ½ is split into several words.
                for part in _RUN.findall(fold(piece[0][:_MAX_FOLDED_CHARS])):
                    yield Word(part[:MAX_WORD_CHARS], start, start + len(piece[0]))


def _pairs(run: str, start: int, *, is_asked: bool) -> Iterator[Word]:
    units = _units(run, start)
    for first, second in pairwise(units):
        yield Word((first.text + second.text)[:MAX_WORD_CHARS], first.start, second.end)
    if units and (len(units) == 1 or not is_asked):
        # The last unit by itself too: otherwise a single letter at the end would never be found.
        yield units[-1]


def _units(run: str, start: int) -> list[Word]:
    """Split a run into letters with their marks; again after folding, as some (Thai am) become a mark and a letter."""
    units: list[Word] = []
    for cluster in _CLUSTER.finditer(run):
        begin, end = start + cluster.start(), start + cluster.end()
        for letter in _letters(cluster[0][:_MAX_FOLDED_CHARS]):
            if units and _IS_MARK.match(letter):
                before = units[-1]
                units[-1] = Word((before.text + letter)[:MAX_WORD_CHARS], before.start, end)
            else:
                units.append(Word(letter[:MAX_WORD_CHARS], begin, end))
    return units


@lru_cache(maxsize=20_000)
def _letters(cluster: str) -> tuple[str, ...]:
    return tuple(found[0] for found in re.finditer(rf".[{_MARKS}]*", fold(cluster), re.DOTALL))


def is_together(word: str) -> bool:
    """Return whether the word is in a script that writes no blanks."""
    return _IS_TOGETHER.match(word) is not None
