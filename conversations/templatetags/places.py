"""Template filters that pick one message of a thread."""

from collections.abc import Mapping
from typing import TypeVar

from django import template

register = template.Library()
Found = TypeVar("Found")


@register.filter
def at(found: Mapping[int, Found], position: int) -> Found | None:
    return found.get(position)
