"""Announcements for pages that do not have the site's header."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from omniviewer.accounts import site_header

register = template.Library()


@register.simple_tag(takes_context=True)
def announcements(context: dict[str, Any]) -> SafeString:
    """Return the HTML of the announcements for the reader of this page."""
    return site_header.announcements(context["request"])
