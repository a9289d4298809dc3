"""Template filters that pick one message of a thread."""

from collections.abc import Mapping
from typing import TypeVar

from django import template

register = template.Library()
Found = TypeVar("Found")


@register.filter
def at(found: Mapping[int, Found], position: int) -> Found | None:
    return found.get(position)


@register.filter(is_safe=True)
def focused(html: str, position: int | None) -> str:
    """Return a thread's HTML with one of its messages focused, so that every link into it shares the cached HTML."""
    whole = f'" id="message-{position}" tabindex="-1"'
    return html.replace(whole, f' is-focused{whole} autofocus aria-current="true"', 1) if position else html
