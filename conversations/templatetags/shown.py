"""Omni's text in templates: hidden characters are shown, and none turns the direction of the text around it."""

from collections.abc import Iterable

from django import template
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.search import query_words, syntax
from conversations.search.highlight import Piece

register = template.Library()


@register.filter
def visible(text: object) -> SafeString:
    """Return escaped HTML, with hidden characters spelled out."""
    return rendering.visible(_text(text))


@register.filter
def spelled(text: object) -> str:
    """Return the same as plain text, for attributes, titles and options."""
    return rendering.spelled(_text(text))


def _text(said: object) -> str:
    return "" if said is None else str(said)


@register.filter
def query_in_words(typed: str) -> str:
    """Return a search query as a sentence says it, without its syntax."""
    return query_words.sentence(syntax.read(typed)) or f"“{typed}”"


@register.filter
def beginnings(typed: str) -> str:
    """Return the beginnings of words for which matches are shown where no word fits exactly."""
    begun = syntax.read(typed).beginnings
    return query_words.beginnings(begun) if begun else ""


@register.filter
def highlighted(pieces: Iterable[Piece]) -> SafeString:
    """Return the pieces of a text as HTML, those that match a search query in `<mark>`."""
    shown = ((piece.is_marked, rendering.visible(piece.text)) for piece in pieces)
    return rendering.trusted("".join(f"<mark>{text}</mark>" if is_marked else text for is_marked, text in shown))


@register.filter
def with_breaks(html: str) -> SafeString:
    """Return a message's HTML for pasting, with lines that stay lines without our stylesheet."""
    return rendering.with_breaks(html)
