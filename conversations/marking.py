"""The words that were searched for, in a text: where they stand, and what is shown around them."""

from collections.abc import Iterable, Sequence
from html import escape, unescape
from html.parser import HTMLParser
from typing import NamedTuple

from conversations.terms import Text
from conversations.words import Word, words

# Characters that are shown around the first hit of a text, and hits that are marked in one.
_AROUND = 110
_MOST = 500


class Match(NamedTuple):
    """Of the text with that number, from `start` up to `end`."""

    number: int
    start: int
    end: int


class Piece(NamedTuple):
    text: str
    is_marked: bool = False


def matches(text: str, wanted: Sequence[Text]) -> list[Match]:
    """In turn; none overlap."""
    if text.isascii() and not _may_stand(text, wanted):
        return []
    stream = list(words(text))
    by_first: dict[str, list[tuple[int, Text]]] = {}
    begins: list[tuple[int, Text]] = []
    for number, one in enumerate(wanted):
        if one.is_prefix and len(one.words) == 1:
            begins.append((number, one))
        else:
            by_first.setdefault(one.words[0], []).append((number, one))
    found: list[Match] = []
    end = -1
    for place, word in enumerate(stream):
        if word.start < end:
            continue
        if not begins and word.text not in by_first:
            continue
        candidates = [*by_first.get(word.text, ()), *(row for row in begins if word.text.startswith(row[1].words[0]))]
        standing = [(number, one) for number, one in candidates if _stands(one, stream, place)]
        if standing:
            number, one = max(standing, key=lambda row: len(row[1].words))
            end = max(row.end for row in stream[place : place + len(one.words)])
            found.append(Match(number, word.start, end))
            if len(found) >= _MOST:
                break
    return found


def _may_stand(text: str, wanted: Sequence[Text]) -> bool:
    """Of a text in ASCII, whose words are parts of it in lower case: most hold nothing of what is wanted."""
    lower = text.lower()
    return any(one.words[0] in lower for one in wanted)


def _stands(wanted: Text, stream: Sequence[Word], place: int) -> bool:
    said = [word.text for word in stream[place : place + len(wanted.words)]]
    if not wanted.is_prefix:
        return said == list(wanted.words)
    return (
        len(said) == len(wanted.words)
        and said[:-1] == list(wanted.words[:-1])
        and said[-1].startswith(wanted.words[-1])
    )


def pieces(text: str, wanted: Sequence[Text]) -> list[Piece]:
    """The whole text."""
    return _cut_up(text, matches(text, wanted), 0, len(text)) if wanted else [Piece(text)]


def snippet(text: str, found: Sequence[Match]) -> list[Piece]:
    """What stands around the place where most different words stand together, on one line."""
    best = max(range(len(found)), key=lambda place: (_different(found, place), -place))
    start = max(found[best].start - _AROUND // 2, 0)
    end = min(found[best].start + 2 * _AROUND, len(text))
    # From one word to another.
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


def _different(found: Sequence[Match], place: int) -> int:
    near = found[place].start + 2 * _AROUND
    return len({match.number for match in found[place:] if match.end <= near})


def _cut_up(text: str, found: Iterable[Match], start: int, end: int) -> list[Piece]:
    cut: list[Piece] = []
    for match in found:
        if match.start > start:
            cut.append(Piece(text[start : match.start]))
        cut.append(Piece(text[match.start : match.end], is_marked=True))
        start = match.end
    return [*cut, Piece(text[start:end])] if start < end else cut


def marked(html: str, wanted: Sequence[Text]) -> str:
    """HTML that `rendering` made, with the words marked; nothing but `<mark>` is added to it."""
    parser = _Marker(wanted)
    parser.feed(html)
    parser.close()
    return parser.whole()


class _Marker(HTMLParser):
    """Passes tags on as they came; text is marked between two tags."""

    def __init__(self, wanted: Sequence[Text]) -> None:
        super().__init__(convert_charrefs=False)
        self._wanted = wanted
        self._parts: list[str] = []
        self._text: list[str] = []

    def whole(self) -> str:
        self._end_text()
        return "".join(self._parts)

    def _end_text(self) -> None:
        text = "".join(self._text)
        self._text = []
        for piece in pieces(text, self._wanted) if text else ():
            safe = escape(piece.text, quote=False)
            self._parts.append(f"<mark>{safe}</mark>" if piece.is_marked else safe)

    def handle_starttag(self, _tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._end_text()
        self._parts.append(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._end_text()
        self._parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_entityref(self, name: str) -> None:
        self._text.append(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._text.append(unescape(f"&#{name};"))

    def handle_comment(self, data: str) -> None:
        """The renderer makes none."""
