"""Omni's text as safe HTML, at a bounded cost: the only place that marks text as safe.

An answer is Markdown from a language model that read other people's data, so it is hostile. It passes two filters:
`page` writes only the elements it knows from the parsed tree; `allowlist` (bleach) parses that HTML again and admits
only the same elements. Text that costs too much, or breaks the parser, is shown as plain text, with the reason.
"""

import logging
import re
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe

from conversations.rendering import allowlist, characters, links, parser, writer
from conversations.rendering.characters import with_newlines
from conversations.rendering.embedding import self_contained
from conversations.rendering.plain import is_in_code, plain
from omniviewer.time_limit import LONGEST, Clock, TooCostly

__all__ = [
    "RENDERER",
    "Allowance",
    "Rendered",
    "drawn",
    "is_in_code",
    "plain",
    "render_answer",
    "render_question",
    "self_contained",
    "spelled",
    "trusted",
    "visible",
    "with_breaks",
    "with_newlines",
]

# Stored beside the HTML. Raise it with every visible change: older HTML is rendered again when it is read.
RENDERER = 3
# Processor seconds for all answers of a conversation. A thousand long ones take as much.
OF_A_CONVERSATION = 20.0

TOO_LONG = "This answer is too long to format, so it is shown as plain text."
TOO_COSTLY = "This answer is too intricate to format, so it is shown as plain text."
TOO_MANY = "This conversation takes too long to format, so from here on its answers are shown as plain text."
BROKEN = "This answer could not be formatted, so it is shown as plain text."
_PLAIN = '<div class="plain">'

_logger = logging.getLogger(__name__)


class Rendered(NamedTuple):
    """HTML, and a sentence that tells the reader why it is plain text; "" if it is formatted."""

    html: SafeString
    plain_because: str


def render_answer(text: str, base: str = "") -> Rendered:
    """Render an answer's Markdown as HTML, in bounded time and without losing any of its letters.

    Paths in its links are resolved against `base`, the address of Omni's pages.
    """
    if len(text) > LONGEST:
        return Rendered(_plain(text), TOO_LONG)
    try:
        with links.relative_to(base):
            return Rendered(mark_safe(_formatted(text)), "")
    except TooCostly:
        return Rendered(_plain(text), TOO_COSTLY)
    except Exception as error:  # noqa: BLE001  (whatever a parser stumbles over, the reader gets the text)
        # Log neither the text nor the exception's own words, which may quote it: both are somebody's data.
        _logger.warning("An answer of %d characters broke the renderer: %s", len(text), type(error).__name__)
        return Rendered(_plain(text), BROKEN)


class Allowance:
    """Processor time that all answers of a conversation share: beyond it they are plain text.

    Equal answers are rendered once.
    """

    def __init__(self) -> None:
        self._clock = Clock(OF_A_CONVERSATION)
        self._made: dict[tuple[str, str], Rendered] = {}

    def render_answer(self, text: str, base: str = "") -> Rendered:
        made = self._made.get((text, base))
        if made is not None:
            return made
        try:
            self._clock.tick()
        except TooCostly:
            return Rendered(_plain(text), TOO_MANY)
        made = self._made[text, base] = render_answer(text, base)
        return made


def render_question(text: str) -> Rendered:
    """Render a question as it was typed: escaped, never as Markdown."""
    return Rendered(_plain(text), "")


def visible(text: str) -> SafeString:
    """Return a short text of Omni's, such as a name or a cell, as escaped HTML with its hidden characters shown."""
    return mark_safe(_shown(text))


def spelled(text: str) -> str:
    """Return the same for attributes and other places without elements: plain text, which the template escapes."""
    return characters.spelled(characters.with_newlines(text))


def trusted(html: str) -> SafeString:
    """Mark HTML as safe that this module made earlier and the database stored."""
    return mark_safe(html)


def drawn(svg: str) -> SafeString:
    """Mark a chart as safe that `charts.columns` wrote: it has only elements of its own, and all text is escaped."""
    return mark_safe(svg)


def with_breaks(html: str) -> SafeString:
    """Return this module's HTML for places without a stylesheet: plain text keeps its line ends and indents."""
    if html.startswith(_PLAIN):
        html = re.sub(r"(?m)^ +|  +", lambda blanks: "\u00a0" * len(blanks[0]), html.replace("\t", " " * 4))
        html = html.replace("\n", "<br>\n")
    return mark_safe(html)


def _formatted(text: str) -> str:
    clock = Clock()
    harmless = characters.harmless_directions(characters.with_newlines(text))
    return allowlist.clean(writer.write(parser.parse(text, clock), clock, harmless))


def _plain(text: str) -> SafeString:
    """Return text as HTML with its newlines, which the stylesheet shows (`white-space: pre-wrap`) without any tags."""
    return mark_safe(f"{_PLAIN}{_shown(text)}</div>")


def _shown(text: str) -> str:
    text = characters.with_newlines(text)
    return characters.shown(text, characters.harmless_directions(text))
