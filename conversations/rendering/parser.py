"""Python-Markdown, put together without what an answer must not have: raw HTML, and blocks of unbounded cost.

Its frame, tree, escapes and inline patterns are used; the block structure and emphasis are GitHub's (`blocks`,
`emphasis`), in the places that Python-Markdown has for a block parser and for tree processors.
"""

from typing import Self
from xml.etree.ElementTree import Element

import markdown
from markdown import treeprocessors
from markdown.util import ETX, STX, Registry

from conversations.rendering import characters, inline
from conversations.rendering.blocks import Blocks
from conversations.rendering.emphasis import Emphasis
from omniviewer.time_limit import Clock

# Markers that Python-Markdown uses internally; in a text they are replaced by their pictures.
_PICTURES = {ord(STX): "\u2402", ord(ETX): "\u2403"}


def parse(text: str, clock: Clock) -> Element:
    """Return the tree of an answer: Markdown's elements, with links, images and headings still to be decided on."""
    parser = _Parser(clock)
    root: Element = parser.parser.parseDocument(_lines(text)).getroot()  # type: ignore[assignment]
    for treeprocessor in parser.treeprocessors:
        treeprocessor.run(root)
    return root


def outline(text: str, clock: Clock) -> Blocks:
    """Return the block parser of an answer, which knows where in the text the blocks stand."""
    blocks = Blocks(_Parser(clock), clock)
    blocks.parseDocument(_lines(text))
    return blocks


def _lines(text: str) -> list[str]:
    return characters.with_newlines(text).translate(_PICTURES).split("\n")


class _Parser(markdown.Markdown):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__()

    def build_parser(self) -> Self:
        """Set up the parser with only what is named here, in the method that Python-Markdown documents for this."""
        self.ESCAPED_CHARS = sorted(inline.PUNCTUATION)
        self.references: dict[str, tuple[str, str]] = {}
        self.preprocessors, self.postprocessors = Registry(), Registry()
        blocks = Blocks(self, self._clock)
        self.parser = blocks
        self.inlinePatterns = inline.patterns(self, blocks, self._clock)
        self.treeprocessors = Registry()
        self.treeprocessors.register(treeprocessors.InlineProcessor(self), "inline", 20)
        self.treeprocessors.register(Emphasis(self, self._clock), "emphasis", 10)
        self.treeprocessors.register(treeprocessors.UnescapeTreeprocessor(self), "unescape", 0)
        return self
