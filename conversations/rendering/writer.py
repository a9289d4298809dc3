"""The tree of an answer as HTML: the first filter. Only known elements are written, and all text is escaped."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from django.utils.html import escape

from conversations.rendering import characters, code, inline, links
from omniviewer.time_limit import Clock

_WRITTEN = {
    **{
        name: (f"<{name}>", f"</{name}>")
        for name in ("p", "em", "strong", "del", "blockquote", "ul", "li", "thead", "tbody", "tr", "code")
    },
    "br": ("<br>\n", ""),
    "hr": ("<hr>", ""),
    "table": (
        '<div class="table-scroll" role="group" tabindex="0" aria-label="Table"><table>',
        "</table></div>",
    ),
}
# The page's own headings: h1 is the conversation's, h2 a message's.
_LOWEST_OF_THE_PAGE, _LOWEST = 2, 6
_HEADINGS = frozenset(f"h{level}" for level in range(1, _LOWEST + 1))
_REL = "noopener noreferrer nofollow"


def write(root: Element, clock: Clock, harmless: frozenset[str]) -> str:
    """Return the HTML of a tree. `harmless`: direction marks of its right-to-left text, which code must not have."""
    return _Writer(root, clock, harmless).write()


class _Writer:
    """Writer with a stack of its own: how deep a text nests must not decide how deep Python recurses."""

    def __init__(self, root: Element, clock: Clock, harmless: frozenset[str]) -> None:
        self._harmless = harmless
        self._root, self._clock, self._colours = root, clock, code.Colours()
        self._used_headings = sorted({element.tag for element in root.iter() if element.tag in _HEADINGS})
        self._level = _LOWEST_OF_THE_PAGE
        marked = {mark.get("label", "") for mark in root.iter("note-mark")}
        self._notes = {
            note.get("label", ""): note for note in reversed(list(root.iter("note"))) if note.get("label") in marked
        }
        # Numbers of footnotes by label, in the order of their first marks.
        self._numbers: dict[str, int] = {}

    def write(self) -> str:
        out = list(self._written(self._root))
        written = 0
        # A footnote's text may have the first mark of another.
        while written < len(self._numbers):
            out.append("<li>" if written else "<hr><ol><li>")
            for child in self._notes[list(self._numbers)[written]]:
                out += self._written(child)
            out.append("</li>")
            written += 1
        return "".join(out) + ("</ol>" if written else "")

    def _written(self, root: Element) -> Iterator[str]:
        # Pieces that are still to be written, last first: HTML, or an element and whether it is inside a link.
        waiting: list[str | tuple[Element, bool]] = [(root, False)]
        while waiting:
            self._clock.tick()
            step = waiting.pop()
            if isinstance(step, str):
                yield step
                continue
            element, in_link = step
            if element.tag == "note" and element is self._notes.get(element.get("label", "")):
                continue
            if element.tag == "pre":
                yield self._colours.block(element.text or "", element.get("language", ""))
                continue
            before, after = self._around(element, in_link=in_link)
            waiting.append(after)
            for child in reversed(element):
                tail = characters.shown(child.tail or "", self._harmless)
                waiting += tail, (child, in_link or element.tag == "a")
            harmless = frozenset[str]() if element.tag == "code" else self._harmless
            waiting += characters.shown(element.text or "", harmless), before

    def _around(self, element: Element, *, in_link: bool) -> tuple[str, str]:
        """Return the HTML before and after an element's content: nothing for an unknown element."""
        tag = element.tag
        if tag == "a" and not in_link:
            return _link(element.get("href", ""), "".join(element.itertext()), element.get("source", ""))
        if tag == "img":
            return _image(element, in_link=in_link), ""
        if tag in ("th", "td", "ol"):
            return f"<{tag}{_attribute(element)}>", f"</{tag}>"
        if tag in ("note-mark", "note"):
            return self._note(tag, element.get("label", "")), ""
        if tag in _HEADINGS:
            # The answer's highest heading becomes h3, and no level is skipped: screen readers navigate by them.
            level = _LOWEST_OF_THE_PAGE + 1 + self._used_headings.index(tag)
            self._level = min(level, self._level + 1, _LOWEST)
            return f"<h{self._level}>", f"</h{self._level}>"
        return _WRITTEN.get(tag, ("", ""))

    def _note(self, tag: str, label: str) -> str:
        if tag == "note":  # that no mark refers to: it stays where it stands
            return f"<p>{characters.shown(f'[^{label}]:')}</p>"
        number = self._numbers.setdefault(label, len(self._numbers) + 1)
        return f'<span class="fn">[{number}]</span>'


def _attribute(element: Element) -> str:
    if element.tag != "ol":
        return f' class="{escape(element.get("class"))}"' if element.get("class") else ""
    start = element.get("start", "")
    return f' start="{int(start)}"' if start.isdecimal() else ""


def _link(href: str, text: str, source: str = "") -> tuple[str, str]:
    """Return the tags of a link; if it may not be one, its text and address as written: `[EMEA](Europe and Africa)`."""
    goes_to = links.destination(inline.decoded(href))
    if goes_to is None:
        return ("[", f"]{characters.shown(inline.decoded(source))}") if source else ("", "")
    told = "" if goes_to.is_told_by(text) else f'<span class="link-host"> ({escape(goes_to.name)})</span>'
    return f'<a href="{escape(goes_to.href)}" rel="{_REL}">', f"{told}</a>"


def _image(element: Element, *, in_link: bool) -> str:
    """Return an image as a link with its description: loading it would tell its host who reads what."""
    alt = inline.decoded(element.get("alt", "")).strip()
    label = f"image: {alt}" if alt else "image"
    href, source = element.get("src", ""), inline.decoded(element.get("source", ""))
    before, after = ("", "") if in_link else _link(href, label)
    lost = "" if before or in_link else f" {source}"
    return before + characters.shown(label + lost) + after
