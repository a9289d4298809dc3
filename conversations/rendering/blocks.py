"""GitHub's block structure for Python-Markdown: which lines are lists, quotes, tables, fences, headings, paragraphs.

Python-Markdown keeps to the first Markdown: a list or a table needs a blank line before it, a nested list four spaces,
and a second paragraph takes the next item along. Models write what GitHub and CommonMark take. So its block parser is
replaced by the line-by-line strategy of the specification (https://github.github.com/gfm/#appendix-a-parsing-strategy):
each line first continues the open containers, then begins new ones, and what is left belongs to a leaf. A line costs
its length times the few containers that may be open.

Differences that are meant: raw HTML is text; four spaces are no code, as in an answer they are mostly a list or a
paragraph that was indented too far; a table ends where a line has no pipe; and a definition whose address is not used,
or may not be linked, is shown.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from xml.etree.ElementTree import Element, ElementTree, SubElement

from markdown import Markdown
from markdown.blockparser import BlockParser
from markdown.util import AtomicString

from conversations.rendering import links, rows
from conversations.rendering.clock import Clock

# Lists, items and quotes within each other. Deeper marks are text: trees are walked by copying the way to each element.
DEEPEST = 24
# Columns of a tab stop; the indent from which CommonMark has code; the widest gap between a marker and its text.
TAB = 4
_MAX_GAP = 4
# All that a block, other than a paragraph, can begin with.
_STARTS = frozenset("#>`~-*_+=|:[0123456789")
_FENCE = re.compile(r"(?P<mark>`{3,}(?=[^`]*$)|~{3,}) *(?P<language>[\w+#.-]*)")
_RULE = re.compile(r"([-*_])(?: *\1){2,} *")
_ITEM = re.compile(r"(?P<marker>[-+*]|(?P<number>\d{1,9})[.)])(?P<gap> +|$)(?P<text>.*)", re.ASCII | re.DOTALL)
_TASK = re.compile(r"\[(?P<state>[ xX])\] +(?=\S)")
_HEADING = re.compile(r"(?P<marks>#{1,6})(?: |$)")
_CLOSING_MARKS = re.compile(r"(?:^| )#+$")
_UNDERLINE = re.compile(r"(?:=+|-+) *")
_NOTE = re.compile(r"\[\^(?P<label>[^\s\[\]]{1,200})\]: *")
_DEFINITION = re.compile(
    r"\[(?P<name>[^\[\]]{1,200})\]: *<?(?P<href>[^\s<>]+)>?(?: +(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))? *"
)
_REFERENCE = re.compile(r"\[([^\[\]]{1,200})\]")


def reference_name(label: str) -> str:
    """Return the form in which labels of references are compared."""
    return " ".join(label.casefold().split())


class _Kind(Enum):
    ROOT = auto()
    QUOTE = auto()
    LIST = auto()
    ITEM = auto()
    NOTE = auto()


@dataclass
class _Container:
    """A block that holds others, and is still open."""

    kind: _Kind
    element: Element
    # Columns: how far a line is indented that belongs to an item, and how far its marker was.
    width: int = 0
    indent: int = 0
    # A list's bullet, or the sign after its numbers: another one begins another list.
    sign: str = ""
    # Number of the last line that belonged to it and was not blank.
    last_line: int = 0
    is_loose: bool = False
    paragraphs: list[Element] = field(default_factory=list)


@dataclass
class _Paragraph:
    element: Element
    lines: list[str]


@dataclass
class _Fence:
    element: Element
    mark: str
    indent: int
    lines: list[str] = field(default_factory=list)

    def is_closed_by(self, line: str) -> bool:
        bare = line.strip(" ")
        indent = len(line) - len(line.lstrip(" "))
        return indent < TAB and len(bare) >= len(self.mark) and not bare.strip(self.mark[0])


@dataclass
class _Table:
    body: Element
    alignments: list[str]


class Blocks(BlockParser):
    """Builds the tree of a text, in which inline patterns still have to be applied to all that is no `AtomicString`.

    Code blocks are `pre` elements with a `language`; paragraphs of tight lists are `bare`; footnotes are `note`.
    """

    def __init__(self, md: Markdown, clock: Clock) -> None:
        super().__init__(md)
        self._clock = clock
        self.notes: set[str] = set()
        self._uses: Counter[str] = Counter()
        self._open: list[_Container] = []
        self._leaf: _Paragraph | _Fence | _Table | None = None
        # Of the line that is read: its number, its text as it came and with tabs as spaces, how far it is read and
        # whether to its end, and how many of the open containers it continues.
        self._number = 0
        self._raw = self._line = ""
        self._column = self._matched = 0
        self._is_read = False

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:  # noqa: N802
        lines = list(lines)
        self.root = Element(self.md.doc_tag)
        self._uses = _uses_of_references(lines)
        self._open = [_Container(_Kind.ROOT, self.root)]
        for self._number, self._raw in enumerate(lines, start=1):
            self._clock.tick()
            self._read_line()
        self._close_leaf()
        while self._open:
            self._close_container()
        return ElementTree(self.root)

    # Lines

    def _read_line(self) -> None:
        self._line = self._raw.expandtabs(TAB) if "\t" in self._raw else self._raw
        self._column = 0
        self._matched = self._continued()
        if isinstance(self._leaf, _Fence) and self._matched == len(self._open):
            self._read_code(self._leaf)
        else:
            before = self._column
            self._is_read = False
            while self._begins_container():
                pass
            if self._rest() and not self._is_read:
                self._read_text()
            elif self._column == before and not self._is_read:
                self._read_blank()
                return
        for container in self._open:
            container.last_line = self._number

    def _continued(self) -> int:
        """Count the open containers that this line continues, and move behind their marks and indents."""
        for place, container in enumerate(self._open):
            if container.kind in (_Kind.ROOT, _Kind.LIST):
                continue
            indent = self._indent()
            at = self._column + indent
            if container.kind is _Kind.QUOTE:
                if indent >= TAB or self._line[at : at + 1] != ">":
                    return place
                self._skip_quote_mark(at)
            elif at == len(self._line):
                if not len(container.element):
                    return place
                self._column = at
            elif indent >= container.width:
                self._column += container.width
            else:
                return place
        return len(self._open)

    def _read_code(self, fence: _Fence) -> None:
        line = self._line[self._column :]
        if fence.is_closed_by(line):
            self._close_leaf()
            return
        indent = min(fence.indent, self._indent())
        fence.lines.append(_without_columns(self._raw, self._column + indent))

    def _read_text(self) -> None:
        """Read what is left of a line in which no block begins."""
        text = self._rest()
        if isinstance(self._leaf, _Paragraph):
            # Also where the line lacks the marks of the quote or the indent of the item: a lazy continuation.
            self._leaf.lines.append(text)
            return
        if isinstance(self._leaf, _Table) and self._matched == len(self._open) and "|" in text:
            self._clock.tick()
            rows.add(self._leaf.body, "td", text, self._leaf.alignments)
            return
        self._begin_paragraph(text)

    def _read_blank(self) -> None:
        self._close_leaf()
        self._close_unmatched()
        # A quote's mark makes the line one of its text, so that lists around the quote stay tight.
        quotes = [place for place, container in enumerate(self._open) if container.kind is _Kind.QUOTE]
        for container in self._open[: quotes[-1] + 1 if quotes else 0]:
            container.last_line = self._number

    def _indent(self) -> int:
        line = self._line[self._column :]
        return len(line) - len(line.lstrip(" "))

    def _rest(self) -> str:
        return self._line[self._column :].strip(" ")

    def _skip_quote_mark(self, at: int) -> None:
        self._column = at + (2 if self._line[at + 1 : at + 2] == " " else 1)

    # What begins on a line

    def _begins_container(self) -> bool:
        """Begin what the rest of the line begins; tell whether more may begin behind it, as in a container."""
        indent = self._indent()
        at = self._column + indent
        if self._line[at : at + 1] not in _STARTS or at == len(self._line) or not self._may_begin(indent):
            return False
        text = self._line[at:].rstrip(" ")
        return self._begins_quote(at) or (
            not (self._begins_heading(text) or self._begins_fence(text, indent))
            and not (self._begins_underline(text) or self._begins_rule(text))
            and (self._begins_note(text, at) or self._begins_item(at, indent) or self._begins_table(text))
        )

    def _may_begin(self, indent: int) -> bool:
        """Tell whether a block may begin at this indent.

        CommonMark takes four columns for code, and within a paragraph for its text. Here they are never code; so where
        they follow no paragraph a block begins at them as at any other, and a list that stands so far in goes on.
        """
        if indent < TAB or not isinstance(self._leaf, _Paragraph):
            return True
        innermost = self._open[self._matched - 1]
        return innermost.kind is _Kind.LIST and innermost.indent >= TAB and indent < innermost.indent + TAB

    def _begins_quote(self, at: int) -> bool:
        if self._line[at] != ">" or len(self._open) >= DEEPEST:
            return False
        self._push(_Container(_Kind.QUOTE, Element("blockquote")))
        self._skip_quote_mark(at)
        return True

    def _begins_heading(self, text: str) -> bool:
        found = _HEADING.match(text)
        if not found:
            return False
        level = len(found["marks"])
        self._add(Element(f"h{level}")).text = _CLOSING_MARKS.sub("", text[level:].strip(" ")).rstrip(" ")
        self._is_read = True
        return True

    def _begins_fence(self, text: str, indent: int) -> bool:
        found = _FENCE.match(text)
        if not found:
            return False
        element = self._add(Element("pre", {"language": found["language"]}))
        self._leaf = _Fence(element, found["mark"], min(indent, TAB - 1) if indent < TAB else indent)
        self._is_read = True
        return True

    def _begins_underline(self, text: str) -> bool:
        """Make a heading of the paragraph that this line underlines."""
        paragraph = self._paragraph_within()
        if not paragraph or not _UNDERLINE.fullmatch(text):
            return False
        self._take_definitions(paragraph)
        if not paragraph.lines:
            return False
        paragraph.element.tag = "h1" if text[0] == "=" else "h2"
        self._close_leaf()
        self._is_read = True
        return True

    def _begins_rule(self, text: str) -> bool:
        if not _RULE.fullmatch(text):
            return False
        self._add(Element("hr"))
        self._is_read = True
        return True

    def _begins_note(self, text: str, at: int) -> bool:
        found = _NOTE.match(text)
        if not found or len(self._open) >= DEEPEST or self._uses["^" + reference_name(found["label"])] < 2:  # noqa: PLR2004
            return False
        label = reference_name(found["label"])
        self.notes.add(label)
        self._push(_Container(_Kind.NOTE, Element("note", {"label": label}), width=TAB))
        self._column = at + found.end()
        return True

    def _begins_item(self, at: int, indent: int) -> bool:
        found = _ITEM.match(self._line, at)
        if not found or len(self._open) >= DEEPEST - 1:
            return False
        number, text = found["number"], found["text"].strip(" ")
        if self._paragraph_within() and not (text and (number is None or int(number) == 1)):
            return False  # "... in\n2024. Then": the sentence goes on
        self._begin_list(found["marker"], number, indent)
        gap = len(found["gap"]) if text and len(found["gap"]) <= _MAX_GAP else 1
        width = indent + len(found["marker"]) + gap
        self._push(_Container(_Kind.ITEM, Element("li"), width=width))
        self._column = min(at + len(found["marker"]) + gap, len(self._line))
        return True

    def _begin_list(self, marker: str, number: str | None, indent: int) -> None:
        self._close_leaf()
        self._close_unmatched()
        innermost = self._open[-1]
        if innermost.kind is _Kind.LIST and innermost.sign != marker[-1]:
            self._close_container()
            innermost = self._open[-1]
        if innermost.kind is not _Kind.LIST:
            element = Element("ul" if number is None else "ol")
            if number is not None and int(number) != 1:
                element.set("start", str(int(number)))
            self._push(_Container(_Kind.LIST, element, sign=marker[-1]))
        self._open[-1].indent = indent

    def _begins_table(self, text: str) -> bool:
        """Make a table of a paragraph's last line, if this one is the row of dashes below it."""
        paragraph = self._paragraph_within()
        alignments = rows.alignments(text) if paragraph else None
        if not paragraph or not alignments or len(rows.cells(paragraph.lines[-1])) != len(alignments):
            return False
        head = paragraph.lines.pop()
        self._close_leaf()
        table = self._add(Element("table"))
        rows.add(SubElement(table, "thead"), "th", head, alignments)
        self._leaf = _Table(SubElement(table, "tbody"), alignments)
        self._is_read = True
        return False

    def _paragraph_within(self) -> _Paragraph | None:
        """Return the paragraph that is open, if this line continues all containers around it."""
        is_within = self._matched == len(self._open) and isinstance(self._leaf, _Paragraph)
        return self._leaf if is_within else None  # type: ignore[return-value]

    # The tree

    def _begin_paragraph(self, text: str) -> None:
        self._close_leaf()
        self._close_unmatched()
        parent = self._open[-1]
        if parent.kind is _Kind.ITEM and not len(parent.element):
            text = _TASK.sub(lambda task: "☐ " if task["state"] == " " else "☑ ", text, count=1)
        self._leaf = _Paragraph(self._add(Element("p")), [text])

    def _add(self, element: Element) -> Element:
        """Add a block to the innermost container that this line continues."""
        self._close_leaf()
        self._close_unmatched()
        if self._open[-1].kind is _Kind.LIST and element.tag != "li":
            self._close_container()
        parent = self._open[-1]
        if parent.kind in (_Kind.LIST, _Kind.ITEM):
            around = parent if parent.kind is _Kind.LIST else self._open[-2]
            if len(parent.element) and parent.last_line < self._number - 1:
                around.is_loose = True
            if element.tag == "p":
                around.paragraphs.append(element)
        parent.element.append(element)
        return element

    def _push(self, container: _Container) -> None:
        self._add(container.element)
        container.last_line = self._number
        self._open.append(container)
        self._matched = len(self._open)

    def _close_unmatched(self) -> None:
        while len(self._open) > self._matched:
            self._close_container()

    def _close_container(self) -> None:
        container = self._open.pop()
        self._matched = min(self._matched, len(self._open))
        if container.kind is _Kind.LIST and not container.is_loose:
            for paragraph in container.paragraphs:
                if paragraph.tag == "p":  # not underlined: that made it a heading
                    paragraph.tag = "bare"

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        if isinstance(leaf, _Fence):
            leaf.element.text = AtomicString("\n".join(leaf.lines))
        elif isinstance(leaf, _Paragraph):
            if leaf.element.tag == "p":
                self._take_definitions(leaf)
            leaf.element.text = "\n".join(leaf.lines)
            if not leaf.lines:
                leaf.element.tag = "bare"

    def _take_definitions(self, paragraph: _Paragraph) -> None:
        """Take `[1]: https://...` from a paragraph's beginning, where `[1]` is used and the address may be linked."""
        while paragraph.lines and (found := _DEFINITION.fullmatch(paragraph.lines[0])):
            name = reference_name(found["name"])
            if self._uses[name] < 2 or not links.destination(found["href"]):  # noqa: PLR2004
                return
            self.md.references.setdefault(name, (found["href"], ""))
            del paragraph.lines[0]


def _uses_of_references(lines: list[str]) -> Counter[str]:
    """Count the labels in brackets; those of definitions are among them."""
    if not any("]:" in line for line in lines):
        return Counter()
    return Counter(reference_name(label) for line in lines for label in _REFERENCE.findall(line))


def _without_columns(line: str, columns: int) -> str:
    """Cut columns from the beginning of a line; a tab that is cut in half becomes spaces."""
    if "\t" not in line[:columns]:
        return line[columns:]
    column = 0
    for place, character in enumerate(line):
        if column >= columns:
            return " " * (column - columns) + line[place:]
        column += TAB - column % TAB if character == "\t" else 1
    return " " * (column - columns)
