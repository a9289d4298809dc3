"""Elements within a line: code, links, addresses, line ends and entities, as patterns of Python-Markdown.

Bold and the like are made afterwards, by `emphasis`.
"""

import re
from html.entities import html5
from typing import ClassVar
from xml.etree.ElementTree import Element

from markdown import Markdown, inlinepatterns
from markdown.util import ETX, STX, AtomicString, Registry

from conversations.rendering import characters, links
from conversations.rendering.open_blocks import OpenBlocks, reference_name
from omniviewer.time_limit import Clock, TooCostly

# Most characters of one paragraph, list item or cell that has any markup. Bounds the work between two ticks.
LONGEST_PARAGRAPH = 20_000
PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

_TICKS = re.compile(r"`+")
_BRACKETS = re.compile(r"[\[\]]")
_PARENTHESES = re.compile(r"[()]")
# Possessive, so that no run of blanks is divided in every possible way.
_TARGET = re.compile(
    r"\(\s*+(?:<(?P<pointed>[^<>\n]*+)>|(?P<bare>[^\s()<]*+(?:\([^\s()]*+\)[^\s()]*+)*+))"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?\s*+\)"
)
_LABEL = re.compile(r"\[([^\[\]]{0,200})\]")

# An address ends before typographic or foreign punctuation and symbols, which no address is written with; except for
# the dots in Catalan and Japanese names.
_TYPOGRAPHIC = characters.ranges(
    {
        character
        for character in characters.of_category("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs")
        if not character.isascii() and character not in "\u00b7\u30fb"
    }
)
_IN_ADDRESS = rf"(?:(?!{_TYPOGRAPHIC})[^\s<>\"`|*\\^{{}}{STX}{ETX}])"
_BARE = rf"(?i)(?<![\w/@.-])(?:https?://|www\.(?=[^\s.])){_IN_ADDRESS}++(?:\{{[^\s{{}}<>`|*\\{STX}{ETX}]*\}}{_IN_ADDRESS}*+)*"
_BARE_MAIL = (
    r"(?i)(?<![\w.+%/@&=?:#'!$*^`{|}~-])[a-z0-9][a-z0-9._+-]{0,63}@[a-z0-9](?:[a-z0-9_-]{0,62})"
    r"(?:\.[a-z0-9_-]{1,63}){1,8}(?<![_-])(?![\w@/-])"
)
_TRAILING = "?!.,:;*_~'\"\u00b7\u30fb"


def patterns(md: Markdown, blocks: OpenBlocks, clock: Clock) -> "Registry[inlinepatterns.Pattern]":
    """Return the patterns in the order in which they are applied."""
    ordered: list[inlinepatterns.Pattern] = [
        _Code(r"(?<!\\)(?P<slashes>\\*+)(?P<ticks>`++)", md),
        inlinepatterns.EscapeInlineProcessor(inlinepatterns.ESCAPE_RE, md),
        _Bracket(r"(?<!!)\[", md, blocks),
        _Bracket(r"!\[", md, blocks),
        _Autolink(r"(?i)<(https?://[^\s<>]+|mailto:[^\s<>]+)>", md),
        _Mail(rf"<({links.MAIL})>", md),
        _Bare(_BARE, md),
        _BareMail(_BARE_MAIL, md),
        # A line end is one on the page too, as in the chats that answers are written for. Blanks around it are gone
        # already.
        inlinepatterns.SubstituteTagInlineProcessor(r"\\?\n", "br"),
        # The one piece of HTML that models write on purpose: there is no other way to break a line in a cell.
        inlinepatterns.SubstituteTagInlineProcessor(r"(?i)<br\s?/?>", "br"),
        _Entity(_Entity.PATTERN, md),
    ]
    registry: Registry[inlinepatterns.Pattern] = Registry()
    for priority, pattern in enumerate(reversed(ordered)):
        registry.register(_Ticking(pattern, clock), type(pattern).__name__ + str(priority), priority)
    return registry


def decoded(text: str) -> str:
    """Return `text` with entities as the characters they stand for; those of control characters as they are written."""
    return re.sub(_Entity.PATTERN, lambda found: _character(found[0]) or found[0], text)


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
    """A pattern that needs nothing but its match: `make` returns the element, and how many characters it takes."""

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


class _Code(inlinepatterns.InlineProcessor):
    """Code between equally long runs of backticks."""

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element | None, int, int]:
        # An escaped backtick is text, those after it begin code.
        start, end = m.start("ticks") + len(m["slashes"]) % 2, m.end()
        if start < end:
            for closing in _TICKS.finditer(data, end):
                if len(closing[0]) == end - start:
                    element = Element("code")
                    element.text = AtomicString(_trimmed(data[end : closing.start()].replace("\n", " ")))
                    return element, start, closing.end()
        return None, m.start(), end


class _Bracket(inlinepatterns.InlineProcessor):
    """A link, an image or a footnote's mark: `[text](address)`, `[text][name]`, `[name]`, `![text](address)`, `[^1]`.

    A link whose address may not be linked is an element all the same, with its `source`: `page` decides, and writes
    what stands in the text.
    """

    ANCESTOR_EXCLUDES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, pattern: str, md: Markdown, blocks: OpenBlocks) -> None:
        super().__init__(pattern, md)
        self._blocks = blocks

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element | None, int | None, int | None]:
        closing = _closing(_BRACKETS, "[", data, m.end() - 1)
        if closing is None:
            return None, None, None
        is_image, text = m[0] == "![", data[m.end() : closing]
        if not is_image and text[:1] == "^" and reference_name(text[1:]) in self._blocks.notes:
            return Element("note-mark", {"label": reference_name(text[1:])}), m.start(), closing + 1
        found = self._target(data, closing + 1) or self._reference(data, closing + 1, text)
        if found is None:
            return None, None, None
        href, end = found
        element = Element("img" if is_image else "a")
        element.set("src" if is_image else "href", href)
        element.set("source", self.unescape(data[closing + 1 : end]))
        if is_image:
            element.set("alt", self.unescape(text))
        else:
            element.text = text
        return element, m.start(), end

    def _target(self, data: str, at: int) -> tuple[str, int] | None:
        """Return the address in parentheses, and where they end. It may have blanks: models leave them there."""
        if data[at : at + 1] != "(":
            return None
        if found := _TARGET.match(data, at):
            return self.unescape(found["pointed"] if found["bare"] is None else found["bare"]), found.end()
        closing = _closing(_PARENTHESES, "(", data[: at + links.LONGEST], at)
        return (self.unescape(data[at + 1 : closing]).strip(), closing + 1) if closing else None

    def _reference(self, data: str, at: int, text: str) -> tuple[str, int] | None:
        references = self.md.references
        if not references:
            return None
        found = _LABEL.match(data, at)
        for label, end in ((found[1] if found else "", found.end() if found else at), (text, at)):
            name = reference_name(self.unescape(label or text))
            if name in references:
                return references[name][0], end
        return None


class _Autolink(_Inline):
    def make(self, found: re.Match[str]) -> tuple[Element, int]:
        url = self.unescape(found[1])
        return _link(url, url), len(found[0])


class _Mail(_Inline):
    def make(self, found: re.Match[str]) -> tuple[Element, int]:
        return _link(f"mailto:{found[1]}", found[1]), len(found[0])


class _BareMail(_Inline):
    def make(self, found: re.Match[str]) -> tuple[Element, int]:
        return _link(f"mailto:{found[0]}", found[0]), len(found[0])


class _Bare(_Inline):
    """An address in running text. `users.id` is none: it has neither http nor www."""

    def make(self, found: re.Match[str]) -> tuple[Element | None, int]:
        if len(found[0]) <= links.LONGEST:
            text = _without_sentence(found[0])
            url = f"http://{text}" if text[:4].lower() == "www." else text
            if links.destination(decoded(url)):
                return _link(url, text), len(text)
        return None, len(found[0])


class _Entity(_Inline):
    """An entity, such as `&lt;`, as the character it stands for; escaped like any other when it is written."""

    PATTERN = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    ANCESTOR_EXCLUDES = ()

    def make(self, found: re.Match[str]) -> tuple[str | None, int]:
        character = _character(found[0])
        # Marked as escaped: `&#42;` makes nothing bold.
        return f"{STX}{ord(character)}{ETX}" if character in PUNCTUATION else character or None, len(found[0])


def _trimmed(code: str) -> str:
    """Remove the blanks that keep backticks within code apart from those around it."""
    return code[1:-1] if code[:1] == code[-1:] == " " and code.strip(" ") else code


def _closing(brackets: re.Pattern[str], opening: str, data: str, at: int) -> int | None:
    """Return where the bracket at this place is closed."""
    depth = 0
    for found in brackets.finditer(data, at):
        depth += 1 if found[0] == opening else -1
        if depth == 0:
            return found.start()
    return None


def _without_sentence(url: str) -> str:
    """Return an address without punctuation at its end, or an unopened bracket: these belong to the sentence."""
    opens = {")": "(", "]": "["}
    surplus = {closing: url.count(closing) - url.count(opening) for closing, opening in opens.items()}
    end = len(url)
    while end and (url[end - 1] in _TRAILING or surplus.get(url[end - 1], 0) > 0):
        if url[end - 1] in surplus:
            surplus[url[end - 1]] -= 1
        end -= 1
    return url[:end]


def _link(href: str, text: str) -> Element:
    element = Element("a", {"href": href})
    element.text = AtomicString(text)
    return element


def _character(entity: str) -> str:
    """Return an entity's character; "" if there is none, or a control character, which Markdown uses for markers."""
    name = entity[1:]
    if not name.startswith("#"):
        return html5.get(name, "")
    point = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    is_text = 0x20 <= point <= 0x10FFFF and not 0x7F <= point < 0xA0 and not 0xD800 <= point <= 0xDFFF  # noqa: PLR2004
    return chr(point) if is_text else ""
