"""The parts of a database error that may be logged: its own words quote the row, and so somebody's text."""

import sqlite3
import traceback
from collections.abc import Iterator
from types import TracebackType

from django.db import Error as DatabaseError
from django.db import OperationalError

_LEFT_OUT = "what the database said is left out, as it may quote what was to be stored"
_BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"
# Number of exceptions read from one chain.
_MOST = 20


def named(error: BaseException) -> str:
    """Return the error's class, and the SQLSTATE where the database gives one: no word of its message."""
    own = error.__cause__ if type(error).__module__.startswith("django.db") and error.__cause__ else error
    state = getattr(own, "sqlstate", None) or getattr(own, "sqlite_errorname", None)
    return f"{type(own).__name__} ({state})" if state else type(own).__name__


def is_in(error: BaseException | None) -> bool:
    """Return whether it is one of a database, or came about by one."""
    return any(_is_databases(found) for found, _ in _chain(error))


def told(error: BaseException, trace: TracebackType | None) -> str:
    """Return the traceback as Python writes it, each exception by its name alone: one quotes the other."""
    parts: list[str] = []
    for found, link in reversed(list(_chain(error))):
        lines = traceback.format_tb(trace if found is error else found.__traceback__)
        said = f"{type(found).__module__}.{named(found)}: {_words(found)}\n"
        parts += ["Traceback (most recent call last):\n", *lines, said, link]
    return "".join(parts).strip()


def _is_databases(error: BaseException) -> bool:
    """Return whether the database raised the error. Drivers are optional, so they are known by module name."""
    is_driver = any(kind.__module__.startswith("psycopg") for kind in type(error).__mro__)
    return is_driver or isinstance(error, DatabaseError | sqlite3.Error)


def _words(error: BaseException) -> str:
    """Return the error's own words only if no connection was made: a server's words may quote a row."""
    own = error.__cause__ or error
    is_of_connection = isinstance(error, OperationalError) and getattr(own, "sqlstate", "") is None
    return str(error).strip() if is_of_connection else _LEFT_OUT


def _chain(error: BaseException | None) -> Iterator[tuple[BaseException, str]]:
    """Yield the error and its causes, each with the words that link it to the next; of groups, every member."""
    waiting: list[tuple[BaseException | None, str]] = [(error, "")]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        found, link = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found, link
        if isinstance(found, BaseExceptionGroup):
            waiting += [(one, "\n") for one in found.exceptions]
        if found.__cause__ is not None:
            waiting.append((found.__cause__, _BECAUSE))
        elif not found.__suppress_context__:
            waiting.append((found.__context__, _DURING))
