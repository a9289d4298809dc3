"""Finished HTML of a list, or around a thread's messages, for all readers to whom the page would say the same.

The key is everything that the template gets. Values of other types than those that `_told` knows keep a page from being
stored. The site's header and the tokens of forms belong to one request: they are put into the stored HTML.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

from django.contrib.messages import get_messages
from django.core.cache import caches
from django.db.models import Model
from django.template.loader import render_to_string
from django.utils import timezone

from conversations import rendering
from conversations.pages.finished_thread import FinishedThread, static_files_digest, templates_digest
from omniviewer.accounts.context import appearance
from omniviewer.accounts.requests import Request, form_token

# Places in the stored HTML for parts of one request: no escaped text can be the same.
_HEADER, _CSRF_TOKEN = b"<!-- header -->", b"<csrf-token>"
_STORED_SECONDS = 3600


class _Untold(Exception):
    """A value may change in a way that the key does not show."""


class Told:
    """A value in a page's context that says itself what it depends on."""

    @property
    def told(self) -> Any:
        """Return plain values whose `repr` differs for all that differs."""
        raise NotImplementedError

    @property
    def lasts(self) -> bool:
        """Return whether it stays the same as long as `told` does; asked after it was rendered."""
        return True


def render(request: Request, template: str, context: Mapping[str, Any], told: Sequence[Any] | None) -> bytes:
    """Return the page's HTML, from the cache where the same was rendered before.

    `told` is what the page shows besides the values in its context, such as ages; None for a page not to be stored.
    """
    stored = _stored(request, template, context, told).replace(_CSRF_TOKEN, form_token(request).encode())
    return stored.replace(_HEADER, str(appearance(request)["site_header"]).encode(), 1)


def _stored(request: Request, template: str, context: Mapping[str, Any], told: Sequence[Any] | None) -> bytes:
    name = "" if told is None else _name(request, template, context, told)
    page: bytes | None = caches["pages"].get(name) if name else None
    if page is None:
        page = _anew(request, template, context)
        if name and all(value.lasts for value in context.values() if isinstance(value, Told)):
            caches["pages"].set(name, page, _STORED_SECONDS)
    return page


def _anew(request: Request, template: str, context: Mapping[str, Any]) -> bytes:
    own = {"site_header": rendering.trusted(_HEADER.decode()), "csrf_token": rendering.trusted(_CSRF_TOKEN.decode())}
    return render_to_string(template, {**context, **own}, request).encode()


def _name(request: Request, template: str, context: Mapping[str, Any], told: Sequence[Any]) -> str:
    """Return the name in the cache; "" for a page that is not stored."""
    if len(get_messages(request)):
        return ""
    look = {name: value for name, value in appearance(request).items() if name != "site_header"}
    asked = request.method, request.scheme, request.get_host(), request.get_full_path(), bool(request.htmx)
    now = timezone.get_current_timezone_name(), timezone.localdate()
    try:
        whole = _told([template, context, told, look, asked, now, templates_digest(), static_files_digest()])
    except _Untold:
        return ""
    return f"finished-frame-{hashlib.sha256(repr(whole).encode()).hexdigest()}"


def _told(value: Any) -> Any:
    """Return the value in a form whose `repr` differs for all that differs. Raises `_Untold`."""
    told = value
    match value:
        case None | bool() | int() | float() | str() | UUID() | date():
            pass
        case Enum():
            told = value.name
        case Told():
            told = value.told
        case FinishedThread():
            told = value.digest, value.marks, value.is_widened
        case Model():
            # A row that was read in part shows that part alone, with the rows that were read along.
            told = (
                type(value).__name__,
                [
                    (value.__dict__.get(field.attname), _told(value._state.fields_cache.get(field.name)))
                    for field in value._meta.concrete_fields
                ],
            )
        case Mapping():
            told = [(name, _told(each)) for name, each in value.items()]
        case list() | tuple():
            told = [_told(each) for each in value]
        case frozenset():
            told = sorted(repr(_told(each)) for each in value)
        case _ if is_dataclass(value):
            told = type(value).__name__, [_told(getattr(value, field.name)) for field in fields(value)]
        case _:
            raise _Untold
    return told
