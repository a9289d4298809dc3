"""Omni's words in a template: nothing in them stays hidden, nothing turns the direction of what stands around them."""

from django import template
from django.utils.safestring import SafeString

from conversations import rendering

register = template.Library()


@register.filter
def visible(text: object) -> SafeString:
    """Escaped, with what nobody can see spelled out."""
    return rendering.visible(_text(text))


@register.filter
def spelled(text: object) -> str:
    """The same where no element may stand: in an attribute, a title, an option."""
    return rendering.spelled(_text(text))


def _text(said: object) -> str:
    return "" if said is None else str(said)


@register.filter
def with_breaks(html: str) -> SafeString:
    """HTML of a message as it may be pasted: lines stay lines without our stylesheet."""
    return rendering.with_breaks(html)
