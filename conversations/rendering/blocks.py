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
from collections.abc import Iterable
from xml.etree.ElementTree import Element, ElementTree, SubElement

from markdown import Markdown

from conversations.rendering import rows
from conversations.rendering.open_blocks import (
    TAB,
    Container,
    Fence,
    Kind,
    OpenBlocks,
    Paragraph,
    Table,
    reference_name,
)
from omniviewer.time_limit import Clock

# Deepest nesting of lists, items and quotes. Deeper marks are text: walking a tree copies the path to each element.
DEEPEST = 24
# Widest gap between a marker and its text, in columns.
_MAX_GAP = 4
# Characters that a block, other than a paragraph, can begin with.
_STARTS = frozenset("#>`~-*_+=|:[0123456789")
_FENCE = re.compile(r"(?P<mark>`{3,}(?=[^`]*$)|~{3,}) *(?P<language>[\w+#.-]*)")
_RULE = re.compile(r"([-*_])(?: *\1){2,} *")
_ITEM = re.compile(r"(?P<marker>[-+*]|(?P<number>\d{1,9})[.)])(?P<gap> +|$)(?P<text>.*)", re.ASCII | re.DOTALL)
_HEADING = re.compile(r"(?P<marks>#{1,6})(?: |$)")
_CLOSING_MARKS = re.compile(r"(?:^| )#+$")
_UNDERLINE = re.compile(r"(?:=+|-+) *")
_NOTE = re.compile(r"\[\^(?P<label>[^\s\[\]]{1,200})\]: *")


class Blocks(OpenBlocks):
    """Builder of a text's tree. Inline patterns are still to be applied to all text that is no `AtomicString`."""

    def __init__(self, md: Markdown, clock: Clock) -> None:
        super().__init__(md)
        self._clock = clock
        # The current line: as it came, with tabs as spaces, how many columns are read, and whether all of it is.
        self._raw = self._line = ""
        self._column = 0
        self._is_read = False

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:  # noqa: N802
        lines = list(lines)
        self._begin_tree(lines)
        for self._number, self._raw in enumerate(lines, start=1):
            self._clock.tick()
            self._read_line()
        self._end_tree()
        return ElementTree(self.root)

    # Lines

    def _read_line(self) -> None:
        self._line = self._raw.expandtabs(TAB) if "\t" in self._raw else self._raw
        self._column = 0
        self._matched = self._continued()
        if isinstance(self._leaf, Fence) and self._matched == len(self._open):
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
            if container.kind in (Kind.ROOT, Kind.LIST):
                continue
            indent = self._indent()
            at = self._column + indent
            if container.kind is Kind.QUOTE:
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

    def _read_code(self, fence: Fence) -> None:
        line = self._line[self._column :]
        if fence.is_closed_by(line):
            self._close_leaf()
            return
        indent = min(fence.indent, self._indent())
        fence.lines.append(_without_columns(self._raw, self._column + indent))

    def _read_text(self) -> None:
        """Read the rest of a line in which no block begins."""
        text = self._rest()
        if isinstance(self._leaf, Paragraph):
            # Also if the line lacks the marks of the quote or the indent of the item: a lazy continuation.
            self._leaf.lines.append(text)
            self._leaf.numbers.append(self._number)
            return
        if isinstance(self._leaf, Table) and self._matched == len(self._open) and "|" in text:
            self._clock.tick()
            self.texts.append([self._number])
            rows.add(self._leaf.body, "td", text, self._leaf.alignments)
            return
        self._begin_paragraph(text)

    def _read_blank(self) -> None:
        self._close_leaf()
        self._close_unmatched()
        # A quote's mark makes the line one of its text, so that lists around the quote stay tight.
        quotes = [place for place, container in enumerate(self._open) if container.kind is Kind.QUOTE]
        for container in self._open[: quotes[-1] + 1 if quotes else 0]:
            container.last_line = self._number

    def _indent(self) -> int:
        line = self._line[self._column :]
        return len(line) - len(line.lstrip(" "))

    def _rest(self) -> str:
        return self._line[self._column :].strip(" ")

    def _skip_quote_mark(self, at: int) -> None:
        self._column = at + (2 if self._line[at + 1 : at + 2] == " " else 1)

    # Starts of blocks

    def _begins_container(self) -> bool:
        """Begin the block that the rest of the line starts; return whether another may begin inside it."""
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
        if indent < TAB or not isinstance(self._leaf, Paragraph):
            return True
        innermost = self._open[self._matched - 1]
        return innermost.kind is Kind.LIST and innermost.indent >= TAB and indent < innermost.indent + TAB

    def _begins_quote(self, at: int) -> bool:
        if self._line[at] != ">" or len(self._open) >= DEEPEST:
            return False
        self._push(Container(Kind.QUOTE, Element("blockquote")))
        self._skip_quote_mark(at)
        return True

    def _begins_heading(self, text: str) -> bool:
        found = _HEADING.match(text)
        if not found:
            return False
        level = len(found["marks"])
        self._add(Element(f"h{level}")).text = _CLOSING_MARKS.sub("", text[level:].strip(" ")).rstrip(" ")
        self._note_heading([self._number], level)
        self._is_read = True
        return True

    def _begins_fence(self, text: str, indent: int) -> bool:
        found = _FENCE.match(text)
        if not found:
            return False
        element = self._add(Element("pre", {"language": found["language"]}))
        self._leaf = Fence(element, found["mark"], min(indent, TAB - 1) if indent < TAB else indent)
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
        level = 1 if text[0] == "=" else 2
        paragraph.element.tag = f"h{level}"
        self._close_leaf()
        self._note_heading([*paragraph.numbers, self._number], level)
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
        self._push(Container(Kind.NOTE, Element("note", {"label": label}), width=TAB))
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
        self._push(Container(Kind.ITEM, Element("li"), width=width))
        self._column = min(at + len(found["marker"]) + gap, len(self._line))
        return True

    def _begin_list(self, marker: str, number: str | None, indent: int) -> None:
        self._close_leaf()
        self._close_unmatched()
        innermost = self._open[-1]
        if innermost.kind is Kind.LIST and innermost.sign != marker[-1]:
            self._close_container()
            innermost = self._open[-1]
        if innermost.kind is not Kind.LIST:
            element = Element("ul" if number is None else "ol")
            if number is not None and int(number) != 1:
                element.set("start", str(int(number)))
            self._push(Container(Kind.LIST, element, sign=marker[-1]))
        self._open[-1].indent = indent

    def _begins_table(self, text: str) -> bool:
        """Make a table of a paragraph's last line, if this one is the row of dashes below it."""
        paragraph = self._paragraph_within()
        alignments = rows.alignments(text) if paragraph else None
        if not paragraph or not alignments or len(rows.cells(paragraph.lines[-1])) != len(alignments):
            return False
        head = paragraph.lines.pop()
        self.texts.append([paragraph.numbers.pop()])
        self._close_leaf()
        table = self._add(Element("table"))
        rows.add(SubElement(table, "thead"), "th", head, alignments)
        self._leaf = Table(SubElement(table, "tbody"), alignments)
        self._is_read = True
        return False

    def _paragraph_within(self) -> Paragraph | None:
        """Return the paragraph that is open, if this line continues all containers around it."""
        is_within = self._matched == len(self._open) and isinstance(self._leaf, Paragraph)
        return self._leaf if is_within else None  # type: ignore[return-value]


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
