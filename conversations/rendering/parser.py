"""Python-Markdown, put together without what an answer must not have: raw HTML, and blocks of unbounded cost."""

import re
from html.entities import html5
from typing import ClassVar, Self
from xml.etree.ElementTree import Element

import markdown
from markdown import blockparser, blockprocessors, inlinepatterns, treeprocessors
from markdown.extensions import sane_lists, tables
from markdown.util import Registry

from conversations.clock import Clock, TooCostly
from conversations.rendering import links
from conversations.rendering.layout import Laid

# Characters of one paragraph, list item or cell that has any markup. Bounds the work between two ticks.
LONGEST_PARAGRAPH = 20_000
_PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_BARE = r"(?i)(?<![\w/@.-])https?://[^\s<>\"`|*\\^{}\u0002\u0003]+"
_TRAILING = "?!.,:;*_~'\""


def parse(laid: Laid, clock: Clock) -> Element:
    """The tree of an answer: Markdown's elements, with nothing decided yet about links, images and headings."""
    parser = _Parser(clock)
    parser.references = {name: (href, "") for name, href in laid.references.items()}
    tree = parser.parser.parseDocument(laid.lines)
    root: Element = tree.getroot()  # type: ignore[assignment]
    for treeprocessor in parser.treeprocessors:
        treeprocessor.run(root)
    return root


def decoded(text: str) -> str:
    """`text` with entities as the characters they stand for; those of control characters stay as they are written."""
    return re.sub(_Entity.PATTERN, lambda found: _character(found[0]) or found[0], text)


class _Parser(markdown.Markdown):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__(tab_length=4)

    def build_parser(self) -> Self:
        """Documented as the place to put a parser together: only what is named here is in it."""
        self.ESCAPED_CHARS = _PUNCTUATION
        self.preprocessors, self.postprocessors = Registry(), Registry()
        self.inlinePatterns = self._inline_patterns()
        self.parser = self._block_parser()
        self.treeprocessors = Registry()
        self.treeprocessors.register(treeprocessors.InlineProcessor(self), "inline", 20)
        self.treeprocessors.register(treeprocessors.UnescapeTreeprocessor(self), "unescape", 0)
        return self

    def _block_parser(self) -> blockparser.BlockParser:
        parser = blockparser.BlockParser(self)
        for priority, (name, processor) in enumerate(
            {
                "paragraph": blockprocessors.ParagraphProcessor(parser),
                "quote": blockprocessors.BlockQuoteProcessor(parser),
                "ulist": sane_lists.SaneUListProcessor(parser),
                "olist": sane_lists.SaneOListProcessor(parser),
                "hr": blockprocessors.HRProcessor(parser),
                "setextheader": blockprocessors.SetextHeaderProcessor(parser),
                "hashheader": blockprocessors.HashHeaderProcessor(parser),
                "table": _Table(parser, self._clock),
                "indent": blockprocessors.ListIndentProcessor(parser),
                "empty": blockprocessors.EmptyBlockProcessor(parser),
                "guard": _Guard(parser, self._clock),
            }.items()
        ):
            parser.blockprocessors.register(processor, name, priority)
        return parser

    def _inline_patterns(self) -> "Registry[inlinepatterns.Pattern]":
        emphasis = inlinepatterns.DelimiterProcessor("*", "strong,em", self)
        emphasis.add("_", "strong,em", smart=True)
        emphasis.add("~", "del", double=True)
        patterns: Registry[inlinepatterns.Pattern] = Registry()
        ordered: list[inlinepatterns.Pattern] = [
            inlinepatterns.BacktickInlineProcessor(inlinepatterns.BACKTICK_RE),
            inlinepatterns.EscapeInlineProcessor(inlinepatterns.ESCAPE_RE, self),
            inlinepatterns.ReferenceInlineProcessor(inlinepatterns.REFERENCE_RE, self),
            inlinepatterns.LinkInlineProcessor(inlinepatterns.LINK_RE, self),
            inlinepatterns.ImageInlineProcessor(inlinepatterns.IMAGE_LINK_RE, self),
            inlinepatterns.ImageReferenceInlineProcessor(inlinepatterns.IMAGE_REFERENCE_RE, self),
            inlinepatterns.ShortReferenceInlineProcessor(inlinepatterns.REFERENCE_RE, self),
            inlinepatterns.ShortImageReferenceInlineProcessor(inlinepatterns.IMAGE_REFERENCE_RE, self),
            _Autolink(r"(?i)<(https?://[^\s<>]+|mailto:[^\s<>]+)>", self),
            _Mail(rf"<({links.MAIL})>", self),
            _Bare(_BARE, self),
            inlinepatterns.SubstituteTagInlineProcessor(inlinepatterns.LINE_BREAK_RE, "br"),
            # The one piece of HTML that models write on purpose: there is no other way to break a line in a cell.
            inlinepatterns.SubstituteTagInlineProcessor(r"(?i)<br\s?/?>", "br"),
            _Entity(_Entity.PATTERN, self),
            emphasis,
        ]
        for priority, pattern in enumerate(reversed(ordered)):
            patterns.register(_Ticking(pattern, self._clock), type(pattern).__name__ + str(priority), priority)
        self.delimiters = None
        return patterns


class _Guard(blockprocessors.BlockProcessor):
    """Claims no block; sees each before the others do."""

    def __init__(self, parser: blockparser.BlockParser, clock: Clock) -> None:
        super().__init__(parser)
        self._clock = clock

    def test(self, parent: Element, block: str) -> bool:  # noqa: ARG002
        self._clock.tick()
        return False


class _Table(tables.TableProcessor):
    """Alignment as a class, as the page allows no style; and cells beyond the last column are not dropped."""

    def __init__(self, parser: blockparser.BlockParser, clock: Clock) -> None:
        super().__init__(parser, {"use_align_attribute": True})
        self._clock = clock

    def _build_row(self, row: str, parent: Element, align: "list[str | None]") -> None:
        self._clock.tick()
        cells: list[str] = self._split_row(row)  # type: ignore[attr-defined]
        line = Element("tr")
        for place, side in enumerate(align):
            cell = Element("th" if parent.tag == "thead" else "td", {"class": f"align-{side}"} if side else {})
            is_last = place == len(align) - 1
            cell.text = ("|".join(cells[place:]) if is_last else "".join(cells[place : place + 1])).strip(" ")
            line.append(cell)
        parent.append(line)


class _Ticking(inlinepatterns.InlineProcessor):
    """Another pattern, with a tick of the clock before each of its matches."""

    def __init__(self, pattern: inlinepatterns.Pattern, clock: Clock) -> None:  # not super(): there is no expression
        self._pattern, self._clock = pattern, clock
        self.ANCESTOR_EXCLUDES = pattern.ANCESTOR_EXCLUDES  # type: ignore[misc]

    def getCompiledRegExp(self) -> re.Pattern[str]:  # noqa: N802
        self._clock.tick()
        return self._pattern.getCompiledRegExp()

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element | str | None, int | None, int | None]:
        self._clock.tick()
        if len(data) > LONGEST_PARAGRAPH:
            raise TooCostly
        return self._pattern.handleMatch(m, data)  # type: ignore[call-arg, return-value]


class _Inline(inlinepatterns.InlineProcessor):
    """A pattern that makes something of its match alone: `make` says what, and how many characters it takes."""

    ANCESTOR_EXCLUDES: ClassVar[tuple[str, ...]] = ("a",)

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self,
        m: re.Match[str],
        data: str,  # noqa: ARG002
    ) -> tuple[Element | str | None, int | None, int | None]:
        made, length = self.make(m)
        return made, m.start(), m.start() + length

    def make(self, found: re.Match[str]) -> tuple[Element | str | None, int]:
        raise NotImplementedError


class _Autolink(_Inline):
    def make(self, found: re.Match[str]) -> tuple[Element, int]:
        url = self.unescape(found[1])
        return _link(url, url), len(found[0])


class _Mail(_Inline):
    def make(self, found: re.Match[str]) -> tuple[Element, int]:
        return _link(f"mailto:{found[1]}", found[1]), len(found[0])


class _Bare(_Inline):
    """An address that stands in the text by itself. `users.id` is none: it says no http."""

    def make(self, found: re.Match[str]) -> tuple[Element | None, int]:
        if len(found[0]) <= links.LONGEST:
            url = _without_sentence(found[0])
            if links.destination(decoded(url)):
                return _link(url, url), len(url)
        return None, len(found[0])


class _Entity(_Inline):
    """`&lt;` as `<`: a character of the text from here on, escaped like any other when it is written."""

    PATTERN = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    ANCESTOR_EXCLUDES = ()

    def make(self, found: re.Match[str]) -> tuple[str | None, int]:
        return _character(found[0]) or None, len(found[0])


def _without_sentence(url: str) -> str:
    """Punctuation at the end belongs to the sentence around an address; so does a bracket that it does not open."""
    opens = {")": "(", "]": "["}
    while url and (url[-1] in _TRAILING or (url[-1] in opens and url.count(opens[url[-1]]) < url.count(url[-1]))):
        url = url[:-1]
    return url


def _link(href: str, text: str) -> Element:
    element = Element("a", {"href": href})
    element.text = markdown.util.AtomicString(text)
    return element


def _character(entity: str) -> str:
    """What an entity stands for; "" where that is nothing, or a control character, which Markdown marks places with."""
    name = entity[1:]
    if not name.startswith("#"):
        return html5.get(name, "")
    point = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    is_text = 0x20 <= point <= 0x10FFFF and not 0x7F <= point < 0xA0 and not 0xD800 <= point <= 0xDFFF  # noqa: PLR2004
    return chr(point) if is_text else ""
