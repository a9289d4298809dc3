"""Omni's text as safe HTML: the only place that marks text as safe.

Answers are Markdown from a language model that read other people's data: hostile. They pass Python-Markdown, without
raw HTML, and then bleach's allow-list. bleach gets no more releases: it stands behind `_sanitize` alone, and the tests
hold its output against nh3.
"""

import logging
import re
from typing import NamedTuple
from xml.etree.ElementTree import Element

import markdown
from bleach.sanitizer import Cleaner
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import Treeprocessor

from conversations.rendering import characters, cost, links, structure

__all__ = ["RENDERER", "Rendered", "render_answer", "render_question", "trusted"]

# Stored beside the HTML. Raise it with every change that shows: what was rendered before is rendered again when read.
RENDERER = 1

_logger = logging.getLogger(__name__)
_TAGS = frozenset(
    "p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td div span a img".split()  # noqa: SIM905
)
# Pygments' short names, and our own.
_CLASS = re.compile(r"highlight|align-(left|center|right)|[a-z][a-z0-9]{0,2}")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_ALIGNED = re.compile(r"text-align: (left|center|right);")


class Rendered(NamedTuple):
    """HTML, and why it is plain text: a sentence for the reader, or "" where it is formatted."""

    html: SafeString
    plain_because: str


def render_answer(text: str) -> Rendered:
    """Markdown from Omni as HTML. Costs a bounded time for any text; what would cost more is shown as plain text."""
    text = characters.show_controls(text)
    objection = cost.objection_to_length(text)
    if not objection:
        normalized = structure.normalize(text)
        objection = cost.objection_to_shape(normalized)
    if not objection:
        try:
            return Rendered(_finish(_sanitize(_markdown(normalized))), "")
        except Exception as error:  # noqa: BLE001  (whatever a parser stumbles over: the text is shown all the same)
            _logger.warning("An answer of %d characters could not be formatted: %s", len(text), type(error).__name__)
            objection = cost.TOO_INTRICATE
    return Rendered(mark_safe(f'<div class="plain">{_plain(text)}</div>'), objection)


def render_question(text: str) -> Rendered:
    """What a person typed, as they typed it: escaped, with its line breaks."""
    return Rendered(mark_safe(f'<p class="plain">{_plain(characters.show_controls(text))}</p>'), "")


def trusted(html: str) -> SafeString:
    """HTML that this module made earlier and the database kept."""
    return mark_safe(html)


def _plain(text: str) -> str:
    return "".join(_shown(piece) if is_hidden else escape(piece) for piece, is_hidden in characters.pieces(text))


def _shown(hidden: str) -> str:
    title = escape(characters.name_of(hidden))
    return f'<span class="hidden-character" title="{title}">{characters.code_point(hidden)}</span>'


class _Break(InlineProcessor):
    """`<br>`, the one piece of HTML that models write on purpose: there is no other way to break a line in a cell."""

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element, int, int]:  # noqa: ARG002, N802
        return Element("br"), m.start(0), m.end(0)


class _Shape(Treeprocessor):
    """Headings in order below the page's own (h1 the conversation, h2 the message), and alignment as classes."""

    def run(self, root: Element) -> None:
        used = sorted({element.tag for element in root.iter() if element.tag in _HEADINGS})
        level = 2
        for element in root.iter():
            if element.tag in used:
                # The answer's highest becomes h3, and none is skipped on the way down.
                level = min(3 + used.index(element.tag), level + 1, len(_HEADINGS))
                element.tag = f"h{level}"
            aligned = _ALIGNED.fullmatch(element.attrib.pop("style", ""))
            if aligned:
                element.set("class", f"align-{aligned[1]}")


class _WithoutHtml(Extension):
    """HTML in an answer is text, and is shown as the text it is."""

    def extendMarkdown(self, md: markdown.Markdown) -> None:  # noqa: N802
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")
        md.inlinePatterns.register(_Break(r"<br ?/?>", md), "break", 90)
        md.treeprocessors.register(_Shape(md), "shape", 5)


def _markdown(text: str) -> str:
    return markdown.Markdown(
        extensions=[
            "tables",
            "sane_lists",
            "pymdownx.superfences",
            "pymdownx.highlight",
            "pymdownx.tilde",
            _WithoutHtml(),
        ],
        extension_configs={
            "pymdownx.highlight": {"guess_lang": False, "use_pygments": True},
            "pymdownx.tilde": {"subscript": False},
        },
    ).convert(text)


def _sanitize(html: str) -> str:
    cleaner = Cleaner(
        tags=_TAGS,
        attributes=_allow,
        protocols={"http", "https", "mailto"},
        filters=[links.HonestLinks],
    )
    return cleaner.clean(html)


def _allow(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return tag in ("div", "span", "th", "td") and _CLASS.fullmatch(value) is not None
    if tag == "ol" and name == "start":
        return value.isdecimal()
    return (tag, name) in (("a", "href"), ("img", "src"), ("img", "alt"))


def _finish(html: str) -> SafeString:
    """What the keyboard needs to scroll wide tables and code. A `<` in the text is escaped: these are all tags."""
    html = html.replace("<pre>", '<pre tabindex="0">')
    opened = '<div class="table-scroll" role="group" tabindex="0" aria-label="Table"><table>'
    html = html.replace("<table>", opened).replace("</table>", "</table></div>")
    done = re.sub(r"<li>(<p>)?\[([ xX])\] ", _checkbox, html)
    return mark_safe(done)


def _checkbox(item: re.Match[str]) -> str:
    done = item[2] != " "
    return f'<li class="task">{item[1] or ""}<span class="task-state">{"☑" if done else "☐"}</span> '
