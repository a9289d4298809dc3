"""The header of every page, with its menu, the shortcut keys and the palette: rendered once for equal facts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import get_script_prefix
from django.utils.html import format_html
from django.utils.safestring import SafeString

from omniviewer.accounts.announcements import Shown, shown_to
from omniviewer.accounts.models import User
from omniviewer.accounts.requests import form_token

# Parts of each page's own, put in afterwards: the token of its forms, and its address.
# No escaped text can be the same.
_TOKEN, _ADDRESS = format_html("<{}>", "csrf-token"), format_html("<{}>", "address")
_SECTIONS = ("/conversations/", "/insights/", "/credentials/")


@dataclass(frozen=True)
class Header:
    """Everything that _site_header.html gets: nothing else may reach it, or a stored header could be another's.

    `reader` is the person's key, None before they sign in. `section` is the beginning of the page's address, where the
    header names it; the page of `has_search` has a search box of its own.
    """

    prefix: str
    section: str
    has_search: bool
    theme: str
    keys: str
    reader: int | None = None
    name: str = ""
    may_audit: bool = False
    announcements: tuple[Shown, ...] = ()
    is_staff: bool = False


def render(request: HttpRequest, theme: str, keys: str) -> SafeString:
    """Return the header's HTML for the reader of this request, in this appearance."""
    section = next((section for section in _SECTIONS if section in request.path), "")
    # The list has a search box of its own, the list of a ticket has none.
    # By its bytes, as a page of an error may be that of too many parameters.
    is_of_ticket = "ticket=" in request.META.get("QUERY_STRING", "")
    is_list = request.path == f"{get_script_prefix()}conversations/" and not is_of_ticket
    header = Header(get_script_prefix(), section, is_list, theme, keys, **_facts(request))
    return format_html(_rendered(header), token=form_token(request), address=request.get_full_path())


def announcements(request: HttpRequest) -> SafeString:
    """Return the HTML of what the header announces: for the administration, which has a header of its own."""
    facts = {"header": _facts(request), "address": request.get_full_path(), "csrf_token": form_token(request)}
    return render_to_string("_announcements.html", facts)


def _facts(request: HttpRequest) -> dict[str, Any]:
    # A request for another host has no session and no reader.
    reader = getattr(request, "user", None)
    if not isinstance(reader, User) or not reader.is_authenticated:
        return {"announcements": shown_to([], is_reader=False)}
    return {
        "announcements": shown_to(reader.dismissed, is_reader=True),
        "reader": reader.pk,
        "name": reader.display_name,
        "may_audit": reader.may_audit,
        "is_staff": reader.is_staff,
    }


@lru_cache(maxsize=1000)
def _rendered(header: Header) -> str:
    """Return the HTML as a format for `format_html`, with `token` and `address`."""
    context = {"header": header, "csrf_token": _TOKEN, "address": _ADDRESS}
    html = render_to_string("_site_header.html", context).replace("{", "{{").replace("}", "}}")
    return html.replace(_TOKEN, "{token}").replace(_ADDRESS, "{address}")
