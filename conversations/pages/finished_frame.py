"""Finished HTML around a thread's messages, for all readers to whom the page would say the same.

The key is everything that the template gets. Values of other types than those that `_told` knows keep a page from being
stored. The site's header and the tokens of forms belong to one request: they are put into the stored HTML.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

from django.contrib.messages import get_messages
from django.core.cache import caches
from django.db.models import Model
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils import timezone

from conversations import rendering
from conversations.pages.finished_thread import FinishedThread, static_files_digest, templates_digest
from conversations.templatetags.moments import ago
from omniviewer.accounts.context import appearance
from omniviewer.accounts.requests import Request

# Comment in the template in whose place the messages stand.
_MESSAGES = b"<!-- messages -->"
_HEADER, _CSRF_TOKEN = b"<!-- header -->", b"csrf-token-of-this-page"
_STORED_SECONDS = 3600


class _Untold(Exception):
    """A value may change in a way that the key does not show."""


def render(request: Request, context: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the HTML of the page before and after the messages."""
    around = _around(request, context).replace(_CSRF_TOKEN, get_token(request).encode())
    around = around.replace(_HEADER, str(appearance(request)["site_header"]).encode(), 1)
    before, _, after = around.partition(_MESSAGES)
    return before, after


def _around(request: Request, context: Mapping[str, Any]) -> bytes:
    name = _name(request, context)
    around: bytes | None = caches["threads"].get(name) if name else None
    if around is None:
        around = _anew(request, context)
        if name:
            caches["threads"].set(name, around, _STORED_SECONDS)
    return around


def _anew(request: Request, context: Mapping[str, Any]) -> bytes:
    own = {"site_header": rendering.trusted(_HEADER.decode()), "csrf_token": _CSRF_TOKEN.decode()}
    # The messages go beside the template: each of its blocks would copy them.
    return render_to_string("conversations/thread/thread.html", {**context, **own}, request).encode()


def _name(request: Request, context: Mapping[str, Any]) -> str:
    """Return the name in the cache; "" for a page that is not stored."""
    # Only what is said beside stored messages comes again; what was rendered with them is long to compare.
    if "summaries" in context or len(get_messages(request)):
        return ""
    look = {name: value for name, value in appearance(request).items() if name != "site_header"}
    asked = request.method, request.scheme, request.get_host(), request.get_full_path(), bool(request.htmx)
    conversation = context["conversation"]
    now = timezone.get_current_timezone_name(), timezone.localdate()
    ages = ago(conversation.created_at), ago(conversation.updated_at)
    addresses = [reference.address for reference in context["tickets"]]
    try:
        told = _told([context, look, asked, now, ages, addresses, templates_digest(), static_files_digest()])
    except _Untold:
        return ""
    return f"finished-frame-{hashlib.sha256(repr(told).encode()).hexdigest()}"


def _told(value: Any) -> Any:
    """Return the value in a form whose `repr` differs for all that differs. Raises `_Untold`."""
    told = value
    match value:
        case None | bool() | int() | float() | str() | UUID() | date():
            pass
        case Enum():
            told = value.name
        case FinishedThread():
            told = value.outline, value.marks, value.is_widened
        case Model():
            # A row that was read in part shows that part alone.
            told = type(value).__name__, [value.__dict__.get(field.attname) for field in value._meta.concrete_fields]
        case Mapping():
            told = [(name, _told(each)) for name, each in value.items()]
        case list() | tuple() | frozenset():
            told = [_told(each) for each in value]
        case _ if is_dataclass(value):
            told = type(value).__name__, [_told(getattr(value, field.name)) for field in fields(value)]
        case _:
            raise _Untold
    return told
