"""The tree of an answer as HTML: the first wall. What is not named here is not written; all text is escaped."""

import re
from xml.etree.ElementTree import Element

from django.utils.html import escape

from conversations.clock import Clock
from conversations.rendering import characters, code, links, parser
from conversations.rendering.layout import ETX, STX, Code

_WRITTEN = {
    **{
        name: (f"<{name}>", f"</{name}>")
        for name in ("p", "em", "strong", "del", "blockquote", "ul", "li", "thead", "tbody", "tr", "code")
    },
    "br": ("<br>", ""),
    "hr": ("<hr>", ""),
    "table": (
        '<div class="table-scroll" role="group" tabindex="0" aria-label="Table"><table>',
        "</table></div>",
    ),
}
# The page's own headings: h1 is the conversation's, h2 a message's.
_LOWEST_OF_THE_PAGE, _LOWEST = 2, 6
_HEADINGS = frozenset(f"h{level}" for level in range(1, _LOWEST + 1))
_CODE = re.compile(f"{STX}code:([0-9]+){ETX}")
_REL = "noopener noreferrer nofollow"


def write(root: Element, blocks: list[Code], clock: Clock) -> str:
    return _Writer(blocks, clock).write(root)


class _Writer:
    """Walks the tree with a stack of its own: how deep a text nests must not decide how deep Python recurses."""

    def __init__(self, blocks: list[Code], clock: Clock) -> None:
        self._blocks, self._clock, self._colours = blocks, clock, code.Colours()
        self._used_headings: list[str] = []
        self._level = _LOWEST_OF_THE_PAGE

    def write(self, root: Element) -> str:
        out: list[str] = []
        self._used_headings = sorted({element.tag for element in root.iter() if element.tag in _HEADINGS})
        # What is still to be written, last first: HTML, or an element and whether it is inside a link.
        waiting: list[str | tuple[Element, bool]] = [(root, False)]
        while waiting:
            self._clock.tick()
            step = waiting.pop()
            if isinstance(step, str):
                out.append(step)
                continue
            element, in_link = step
            before, after = self._around(element, in_link=in_link)
            waiting.append(after)
            for child in reversed(element):
                waiting += self._text(child.tail or ""), (child, in_link or element.tag == "a")
            waiting += self._text(element.text or "", is_code=element.tag == "code"), before
        return "".join(out)

    def _around(self, element: Element, *, in_link: bool) -> tuple[str, str]:
        """What stands before and after an element's content: nothing, for an element that is not known."""
        tag = element.tag
        if tag == "a" and not in_link:
            return _link(element.get("href", ""), "".join(element.itertext()))
        if tag == "img":
            return _image(element, in_link=in_link), ""
        if tag == "p" and _CODE.fullmatch((element.text or "").strip()):
            return "", ""
        if tag in ("th", "td", "ol"):
            return f"<{tag}{_attribute(element)}>", f"</{tag}>"
        if tag in _HEADINGS:
            # The answer's highest becomes h3, and none is skipped on the way down: readers go by them.
            level = _LOWEST_OF_THE_PAGE + 1 + self._used_headings.index(tag)
            self._level = min(level, self._level + 1, _LOWEST)
            return f"<h{self._level}>", f"</h{self._level}>"
        return _WRITTEN.get(tag, ("", ""))

    def _text(self, text: str, *, is_code: bool = False) -> str:
        if is_code:
            # Python-Markdown has escaped it, as it does with code alone.
            text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        if STX not in text:
            return characters.shown(text) if text else ""
        parts = _CODE.split(text)
        return "".join(
            self._block(int(part)) if place % 2 else characters.shown(part) for place, part in enumerate(parts)
        )

    def _block(self, number: int) -> str:
        block = self._blocks[number]
        return self._colours.block(block.source, block.language)


def _attribute(element: Element) -> str:
    if element.tag != "ol":
        return f' class="{escape(element.get("class"))}"' if element.get("class") else ""
    start = element.get("start", "")
    return f' start="{int(start)}"' if start.isdecimal() else ""


def _link(href: str, text: str) -> tuple[str, str]:
    goes_to = links.destination(parser.decoded(href))
    if goes_to is None:
        return "", ""
    told = "" if goes_to.is_told_by(text) else f'<span class="link-host"> ({escape(goes_to.name)})</span>'
    return f'<a href="{escape(goes_to.href)}" rel="{_REL}">', f"{told}</a>"


def _image(element: Element, *, in_link: bool) -> str:
    """Never loaded: that would tell any host who reads what."""
    alt = parser.decoded(element.get("alt", "")).strip()
    label = f"image: {alt}" if alt else "image"
    before, after = ("", "") if in_link else _link(element.get("src", ""), label)
    return before + characters.shown(label) + after
