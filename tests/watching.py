"""No token of the tests' organizations is in anything that this process writes or sends, while the whole suite runs.

Every statement for the database, every answer of the site, every line of a log, everything that is cached: all of it is
searched, and the test in which one is found fails. What gunicorn writes is searched by `tests.serving`.
"""

import logging
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest

# Matches the tests' API tokens only: a page of the demo shows its own, to be tried.
TOKEN = re.compile(r"omni_(?:pat|org)_[a-z]+-org_\d+")

searched: Counter[str] = Counter()
found: list[str] = []


def look(what: str, said: object) -> None:
    """Search something for tokens; `what` names its kind."""
    searched[what] += 1
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if "omni_" in text and (token := TOKEN.search(text)):
        found.append(f"{what}: …{text[max(token.start() - 80, 0) : token.end()]}")


def begin() -> None:
    """Watch until the process ends."""
    connection_created.connect(_watch_database)
    for connection in connections.all():
        connection.execute_wrappers.append(_statement)
    logging.getLogger().addHandler(_Lines())
    BaseHandler.get_response = _answering(BaseHandler.get_response)  # type: ignore[method-assign, assignment]
    LocMemCache.set = _caching(LocMemCache.set)  # type: ignore[method-assign]
    LocMemCache.add = _caching(LocMemCache.add)  # type: ignore[method-assign]


def _watch_database(connection: BaseDatabaseWrapper, **_more: object) -> None:
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    look("statements", (sql, params))
    return execute(sql, params, many, context)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        look("lines", f"{record.getMessage()} {record.exc_text or record.exc_info or ''} {vars(record)}")


def _answering(get_response: Callable[[Any, HttpRequest], Any]) -> Callable[[Any, HttpRequest], Any]:
    def answer(self: BaseHandler, request: HttpRequest) -> Any:
        response = get_response(self, request)
        look("answers", f"{dict(response.headers)} {response.cookies.output()}")
        if response.streaming:
            response.streaming_content = _pieces(response.streaming_content)
        else:
            look("answers", response.content)
        return response

    return answer


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    for piece in content:
        look("answers", piece)
        yield piece


def _caching(keep: Callable[..., Any]) -> Callable[..., Any]:
    def kept(self: LocMemCache, key: str, value: object, *rest: Any, **more: Any) -> Any:
        look("cached values", (key, pickle.dumps(value)))
        return keep(self, key, value, *rest, **more)

    return kept
