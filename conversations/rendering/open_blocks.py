"""The tree of a text while its lines are read: which blocks are open, and how they are closed."""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.blockparser import BlockParser
from markdown.util import AtomicString

from conversations.rendering import links

# Columns of a tab stop, and the indent from which CommonMark reads code.
TAB = 4
_TASK = re.compile(r"\[(?P<state>[ xX])\] +(?=\S)")
_DEFINITION = re.compile(
    r"\[(?P<name>[^\[\]]{1,200})\]: *<?(?P<href>[^\s<>]+)>?(?: +(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))? *"
)
_REFERENCE = re.compile(r"\[([^\[\]]{1,200})\]")


def reference_name(label: str) -> str:
    """Return the form in which labels of references are compared."""
    return " ".join(label.casefold().split())


class Kind(Enum):
    ROOT = auto()
    QUOTE = auto()
    LIST = auto()
    ITEM = auto()
    NOTE = auto()


@dataclass
class Container:
    """A block that holds others, and is still open."""

    kind: Kind
    element: Element
    # Indents in columns: of lines that belong to an item, and of its marker.
    width: int = 0
    indent: int = 0
    # A list's bullet, or the sign after its numbers: another one begins another list.
    sign: str = ""
    # Number of the last line that belonged to it and was not blank.
    last_line: int = 0
    is_loose: bool = False
    paragraphs: list[Element] = field(default_factory=list)


@dataclass
class Paragraph:
    element: Element
    lines: list[str]
    numbers: list[int]


@dataclass
class Fence:
    element: Element
    mark: str
    indent: int
    lines: list[str] = field(default_factory=list)

    def is_closed_by(self, line: str) -> bool:
        bare = line.strip(" ")
        indent = len(line) - len(line.lstrip(" "))
        return indent < TAB and len(bare) >= len(self.mark) and not bare.strip(self.mark[0])


@dataclass
class Table:
    body: Element
    alignments: list[str]


class OpenBlocks(BlockParser):
    """Base of the block parser: it holds the open blocks, and adds to them.

    Code blocks are `pre` elements with a `language`; paragraphs of tight lists are `bare`; footnotes are `note`.
    """

    def __init__(self, md: Markdown) -> None:
        super().__init__(md)
        self.notes: set[str] = set()
        # Line numbers in the source, from 1: of each text of its own, and of headings outside lists and quotes, with
        # their levels. Then the mark that would close a fence that is open at the end of the text.
        self.texts: list[list[int]] = []
        self.headings: list[tuple[list[int], int]] = []
        self.open_fence = ""
        self._uses: Counter[str] = Counter()
        self._open: list[Container] = []
        self._leaf: Paragraph | Fence | Table | None = None
        # Number of the current line, and how many of the open containers it continues.
        self._number = self._matched = 0

    def _begin_tree(self, lines: list[str]) -> None:
        self.root = Element(self.md.doc_tag)
        self._uses = _uses_of_references(lines)
        self._open = [Container(Kind.ROOT, self.root)]

    def _end_tree(self) -> None:
        if isinstance(self._leaf, Fence) and len(self._open) == 1:
            self.open_fence = self._leaf.mark
        self._close_leaf()
        while self._open:
            self._close_container()

    def _note_heading(self, numbers: list[int], level: int) -> None:
        if len(numbers) == 1:
            self.texts.append(numbers)
        if len(self._open) == 1:
            self.headings.append((numbers, level))

    def _begin_paragraph(self, text: str) -> None:
        self._close_leaf()
        self._close_unmatched()
        parent = self._open[-1]
        if parent.kind is Kind.ITEM and not len(parent.element):
            text = _TASK.sub(lambda task: "☐ " if task["state"] == " " else "☑ ", text, count=1)
        self._leaf = Paragraph(self._add(Element("p")), [text], [self._number])

    def _add(self, element: Element) -> Element:
        """Add a block to the innermost container that this line continues."""
        self._close_leaf()
        self._close_unmatched()
        if self._open[-1].kind is Kind.LIST and element.tag != "li":
            self._close_container()
        parent = self._open[-1]
        if parent.kind in (Kind.LIST, Kind.ITEM):
            around = parent if parent.kind is Kind.LIST else self._open[-2]
            if len(parent.element) and parent.last_line < self._number - 1:
                around.is_loose = True
            if element.tag == "p":
                around.paragraphs.append(element)
        parent.element.append(element)
        return element

    def _push(self, container: Container) -> None:
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
        if container.kind is Kind.LIST and not container.is_loose:
            for paragraph in container.paragraphs:
                if paragraph.tag == "p":  # not underlined: that made it a heading
                    paragraph.tag = "bare"

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        if isinstance(leaf, Fence):
            leaf.element.text = AtomicString("\n".join(leaf.lines))
        elif isinstance(leaf, Paragraph):
            if leaf.element.tag == "p":
                self._take_definitions(leaf)
            leaf.element.text = "\n".join(leaf.lines)
            if leaf.numbers:
                self.texts.append(leaf.numbers)
            if not leaf.lines:
                leaf.element.tag = "bare"

    def _take_definitions(self, paragraph: Paragraph) -> None:
        """Remove `[1]: https://...` from a paragraph's beginning, if `[1]` is used and the address may be linked."""
        while paragraph.lines and (found := _DEFINITION.fullmatch(paragraph.lines[0])):
            name = reference_name(found["name"])
            if self._uses[name] < 2 or not links.destination(found["href"]):  # noqa: PLR2004
                return
            self.md.references.setdefault(name, (found["href"], ""))
            del paragraph.lines[0], paragraph.numbers[0]


def _uses_of_references(lines: list[str]) -> Counter[str]:
    """Count the labels in brackets, including those of definitions."""
    if not any("]:" in line for line in lines):
        return Counter()
    return Counter(reference_name(label) for line in lines for label in _REFERENCE.findall(line))
