"""Log lines on standard error: a line for each request, and outside development each line in JSON.

Lines name addresses by their patterns only: what was read or searched for is the reader's business. For the same
reason a database error is logged by name only: its text may quote the row that was to be stored.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from types import TracebackType

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.functional import LazyObject
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from omniviewer.operations import database_errors, metrics, traces

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_FROM_PROXY = re.compile(r"[A-Za-z0-9._-]{8,64}")
_UNKNOWN = "unknown"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_page = logging.getLogger("omniviewer.page")


@dataclass(frozen=True)
class _Current:
    request_id: str
    request: HttpRequest

    @property
    def user_id(self) -> int | None:
        """Return the user's id, or None if the user was not looked up yet: a log line must not cause a query."""
        user = self.request.__dict__.get("user")
        if isinstance(user, LazyObject):
            user = self.request.__dict__.get("_cached_user")
        return getattr(user, "pk", None)


_current: ContextVar[_Current | None] = ContextVar("request", default=None)


def requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id, the proxy's or a new one, in all its log lines and in the `X-Request-ID` header."""

    def middleware(request: HttpRequest) -> HttpResponse:
        current = _Current(_id_of(request), request)
        outside = _current.set(current)
        began = time.monotonic()
        try:
            with traces.span(request) as span:
                response = get_response(request)
                response.headers["X-Request-ID"] = current.request_id
                route = _route_of(request)
                span.name(
                    f"{_method_of(request)} {route}",
                    http__request__method=_method_of(request),
                    http__route=route,
                    http__response__status_code=response.status_code,
                )
            if not request.path.startswith(settings.STATIC_URL):
                _tell(request, response, time.monotonic() - began)
        finally:
            _current.reset(outside)
        return response

    return middleware


def _id_of(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _FROM_PROXY.fullmatch(given) else secrets.token_hex(16)


def _tell(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    route, status = _route_of(request), response.status_code
    metrics.page_took(route, status, seconds)
    _page.info("page", extra={"route": route, "method": request.method, "status": status, "ms": round(seconds * 1000)})


def _method_of(request: HttpRequest) -> str:
    """Return the method; a client may send any word in its place."""
    return request.method if request.method in _METHODS else "_OTHER"


def _route_of(request: HttpRequest) -> str:
    """Return the pattern of the request's address, such as `conversations/<uuid:omni_id>/`."""
    try:
        # A request that failed before its address was resolved still has a route.
        match = request.resolver_match or resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return _UNKNOWN
    return match.route or "/"


def of_current() -> dict[str, str]:
    """Return the id and the route of the request that this thread answers; nothing if it answers none."""
    current = _current.get()
    return {"request_id": current.request_id, "route": _route_of(current.request)} if current else {}


class OfRequest(logging.Filter):
    """Adds to every line during a request its `request_id`, and its `user_id` where that is known."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = _current.get()
        if current:
            record.request_id = current.request_id
            if current.user_id is not None:
                record.user_id = current.user_id
        return True


class CacheAway(logging.Filter):
    """Leaves one line a minute, without a traceback, of the errors of a cache that is away: each page has several."""

    _EVERY_SECONDS = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._last_at = -self._EVERY_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        if time.monotonic() - self._last_at < self._EVERY_SECONDS:
            return False
        self._last_at = time.monotonic()
        error = record.exc_info[1] if record.exc_info else None
        record.msg, record.args = "the cache is away: pages do without", ()
        record.error = type(error.__cause__ or error).__name__ if error else ""
        record.exc_info = record.exc_text = None
        return True


class Scrubbed(logging.Formatter):
    """A formatter that leaves out the words of database errors: they quote the statement, and so somebody's text."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(record.args, tuple) and any(isinstance(said, BaseException) for said in record.args):
            record = copy(record)
            record.args = tuple(_scrubbed(said) for said in record.args or ())
        if database_errors.is_in(error):
            record = copy(record)
            # Another handler may have stored the full traceback.
            record.exc_text = None
        return super().format(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802  (logging's name)
        _, error, trace = ei
        if error is not None and database_errors.is_in(error):
            return database_errors.told(error, trace)
        return super().formatException(ei)


def _scrubbed(said: object) -> object:
    if isinstance(said, BaseException) and database_errors.is_in(said):
        return database_errors.named(said)
    return said


class Line(Scrubbed, JsonFormatter):
    """A formatter for JSON lines: time, level, logger, event, the record's extra values, and `exc_info`."""

    # ISO 8601, UTC
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
            # Django adds these to its own lines: the first would log the whole address.
            reserved_attrs=[*RESERVED_ATTRS, "request", "status_code"],
        )

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without the path in Django's own lines, and without path and query in gunicorn's."""
        request, said = getattr(record, "request", None), record.args
        of_a_request = request or (record.name == "gunicorn.error" and record.exc_info)
        if of_a_request and isinstance(said, tuple):
            route = _route_of(request) if isinstance(request, HttpRequest) else _UNKNOWN
            record = copy(record)
            record.args = tuple(route if isinstance(word, str) and word.startswith("/") else word for word in said)
        return super().format(record)
