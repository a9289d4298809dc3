"""Highlights of search words in a text, and the snippet around them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser
from typing import NamedTuple

from conversations.search.syntax import Text
from conversations.search.tokens import Word, words

# Characters of a snippet around the first match of a text, and most matches that are marked in one.
_CHARS_AROUND = 110
_MAX_MATCHES = 500
_Tags = list[tuple[str, str | None]]


class Match(NamedTuple):
    """A match of the wanted text `number`, from `start` up to `end`."""

    number: int
    start: int
    end: int


class Piece(NamedTuple):
    text: str
    is_marked: bool = False


@dataclass(frozen=True)
class Marked:
    """HTML with its marks, and the number of matches."""

    html: str
    count: int


def matches(text: str, wanted: Sequence[Text]) -> list[Match]:
    """Return the matches in order; none overlap."""
    if text.isascii() and not _may_stand(text, wanted):
        return []
    stream = list(words(text))
    by_first: dict[str, list[tuple[int, Text, tuple[str, ...]]]] = {}
    begins: list[tuple[int, Text, tuple[str, ...]]] = []
    for number, one in enumerate(wanted):
        for form in one.forms:
            if one.is_prefix and len(form) == 1:
                begins.append((number, one, form))
            else:
                by_first.setdefault(form[0], []).append((number, one, form))
    found: list[Match] = []
    end = -1
    for place, word in enumerate(stream):
        if word.start < end:
            continue
        if not begins and word.text not in by_first:
            continue
        candidates = [*by_first.get(word.text, ()), *(row for row in begins if word.text.startswith(row[2][0]))]
        standing = [row for row in candidates if _stands(row[2], stream, place, is_prefix=row[1].is_prefix)]
        if standing:
            number, _, form = max(standing, key=lambda row: len(row[2]))
            end = max(row.end for row in stream[place : place + len(form)])
            found.append(Match(number, word.start, end))
            if len(found) >= _MAX_MATCHES:
                break
    return found


def has_all(text: str, wanted: Sequence[Text]) -> bool:
    """Return whether the text holds each of these."""
    return all(matches(text, [one]) for one in wanted)


def _may_stand(text: str, wanted: Sequence[Text]) -> bool:
    """Return whether an ASCII text may match: its words are parts of its lower case, which rules most texts out."""
    lower = text.lower()
    return any(form[0] in lower for one in wanted for form in one.forms)


def _stands(form: tuple[str, ...], stream: Sequence[Word], place: int, *, is_prefix: bool) -> bool:
    said = tuple(word.text for word in stream[place : place + len(form)])
    if not is_prefix:
        return said == form
    return len(said) == len(form) and said[:-1] == form[:-1] and said[-1].startswith(form[-1])


def pieces(text: str, wanted: Sequence[Text]) -> list[Piece]:
    """Return the whole text, in pieces."""
    return _cut_up(text, matches(text, wanted), 0, len(text)) if wanted else [Piece(text)]


def snippet(text: str, found: Sequence[Match]) -> list[Piece]:
    """Return one line around the place where the most different words stand together."""
    text = re.sub(r"\s", " ", text)
    best = densest(found)
    start = max(found[best].start - _CHARS_AROUND // 2, 0)
    end = min(found[best].start + 2 * _CHARS_AROUND, len(text))
    # Begin and end between words.
    if start and not text[start - 1].isspace():
        space = text.find(" ", start, found[best].start)
        start = space + 1 if space >= 0 else start
    if end < len(text):
        space = text.rfind(" ", found[best].end, end)
        end = space if space >= 0 else end
    inside = [match for match in found if match.start >= start and match.end <= end]
    shown = _cut_up(text, inside, start, end)
    return [
        *([Piece("… ")] if start else []),
        *(Piece(" ".join(f".{row.text}.".split())[1:-1], row.is_marked) for row in shown),
        *([Piece(" …")] if end < len(text) else []),
    ]


def densest(found: Sequence[Match]) -> int:
    """Return the index of the first match from which on the most different words stand together."""
    return max(range(len(found)), key=lambda place: (_different(found, place), -place))


def _different(found: Sequence[Match], place: int) -> int:
    near = found[place].start + 2 * _CHARS_AROUND
    return len({match.number for match in found[place:] if match.end <= near})


def _cut_up(text: str, found: Iterable[Match], start: int, end: int) -> list[Piece]:
    cut: list[Piece] = []
    for match in found:
        if match.start > start:
            cut.append(Piece(text[start : match.start]))
        cut.append(Piece(text[match.start : match.end], is_marked=True))
        start = match.end
    return [*cut, Piece(text[start:end])] if start < end else cut


def marked(html: str, wanted: Sequence[Text]) -> Marked:
    """Mark the words in HTML that `rendering` or a template made, adding nothing but `<mark>`."""
    parser = _Marker(wanted)
    parser.feed(html)
    parser.close()
    return parser.whole()


class _Part(NamedTuple):
    """A tag or text of a block, as it is written; `said` is its part of the block's text."""

    written: str
    said: str
    is_text: bool = False


# Elements within a line: words on either side of their tags stand beside each other.
_INLINE = frozenset({"a", "bdi", "code", "del", "em", "mark", "q", "span", "strong", "sub", "sup"})
# Labels of this site, no text of Omni's.
_LABELS = frozenset({"dt", "summary"})
_HIDDEN = "hidden-character"
_CODE_POINT = re.compile("U[+]([0-9A-F]{4,6})")


class _Marker(HTMLParser):
    """Parser that passes tags on as they came, and matches the text of a block as a whole: matches may span tags."""

    def __init__(self, wanted: Sequence[Text]) -> None:
        super().__init__(convert_charrefs=False)
        self._wanted = wanted
        self._written: list[str] = []
        self._block: list[_Part] = []
        self._text: list[str] = []
        self._is_hidden = self._is_label = False
        self._count = 0

    def whole(self) -> Marked:
        self._end_block()
        return Marked("".join(self._written), self._count)

    def _end_text(self) -> None:
        text, self._text = "".join(self._text), []
        if not text:
            return
        if self._is_hidden:
            # A hidden character is shown by its code point, and is part of the word around it.
            found = _CODE_POINT.match(text)
            self._block.append(_Part(escape(text, quote=False), chr(int(found[1], 16)) if found else ""))
        else:
            self._block.append(_Part(text, text, is_text=True))

    def _end_block(self) -> None:
        self._end_text()
        block, self._block = self._block, []
        text = "".join(part.said for part in block)
        found = matches(text, self._wanted) if text.strip() and not self._is_label else []
        self._count += len(found)
        place = at = 0
        for part in block:
            end = place + len(part.said)
            while at < len(found) and found[at].end <= place:
                at += 1
            self._written.append("".join(_marks(text, found[at:], place, end)) if part.is_text else part.written)
            place = end

    def _tag(self, tag: str, written: str, *, stands_for: str) -> None:
        if tag not in _INLINE:
            self._end_block()
            self._is_label = tag in _LABELS and not written.startswith("</")
            self._written.append(written)
            return
        self._end_text()
        self._block.append(_Part(written, stands_for))

    def handle_starttag(self, tag: str, attrs: _Tags) -> None:
        is_hidden = ("class", _HIDDEN) in attrs
        self._tag(tag, self.get_starttag_text() or "", stands_for="" if tag == "span" else " ")
        self._is_hidden = is_hidden

    def handle_startendtag(self, tag: str, attrs: _Tags) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        # In Markdown a mark stands there, which parts two words; but not where tags only colour code.
        self._tag(tag, f"</{tag}>", stands_for="" if tag == "span" else " ")
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_entityref(self, name: str) -> None:
        self._text.append(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._text.append(unescape(f"&#{name};"))

    def handle_comment(self, data: str) -> None:
        """Drop the comment: the renderer makes none."""


def _marks(text: str, found: Sequence[Match], start: int, end: int) -> Iterator[str]:
    """Yield the text from `start` to `end` with its parts of the matches marked; each match begins once."""
    place = start
    for match in found:
        begin, stop = max(match.start, start), min(match.end, end)
        if begin >= stop:
            break
        yield escape(text[place:begin], quote=False)
        tag = "<mark>" if match.start >= start else '<mark class="goes-on">'
        yield f"{tag}{escape(text[begin:stop], quote=False)}</mark>"
        place = stop
    yield escape(text[place:end], quote=False)
