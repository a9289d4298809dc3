"""Database errors: what of them may be logged, as their words quote texts, and the trouble behind them."""

import logging
import re
import sqlite3
import traceback
from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError

_log = logging.getLogger("omniviewer.database")
_LEFT_OUT = "what the database said is left out, as it may quote what was to be stored"
_BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"
# Number of exceptions read from one chain.
_MOST = 20


class Trouble(StrEnum):
    """A state of the database, or of its machine, for which no code is to blame. The values are for log lines."""

    AWAY = "the database is away or busy"
    FULL = "the database's disk is full or fails"
    READ_ONLY = "the database is read-only"
    SCHEMA = "the database has other columns than this version needs"

    @property
    def hinders_writing_only(self) -> bool:
        return self in (Trouble.FULL, Trouble.READ_ONLY)


# By the beginning of PostgreSQL's SQLSTATE, or of SQLite's name of an error; the longest beginning counts.
# https://www.postgresql.org/docs/current/errcodes-appendix.html, https://www.sqlite.org/rescode.html
_TROUBLES = {
    "08": Trouble.AWAY,
    "25006": Trouble.READ_ONLY,
    "42703": Trouble.SCHEMA,
    "42P01": Trouble.SCHEMA,
    "53": Trouble.AWAY,
    "53100": Trouble.FULL,
    "55P03": Trouble.AWAY,
    "57P": Trouble.AWAY,
    "58030": Trouble.FULL,
    "SQLITE_BUSY": Trouble.AWAY,
    "SQLITE_CANTOPEN": Trouble.AWAY,
    "SQLITE_FULL": Trouble.FULL,
    "SQLITE_IOERR": Trouble.FULL,
    "SQLITE_LOCKED": Trouble.AWAY,
    "SQLITE_READONLY": Trouble.READ_ONLY,
}


def trouble(error: BaseException | None) -> Trouble | None:
    """Return the trouble behind an error of the database's; None for any other."""
    if error is None or not (isinstance(error, DatabaseError) or _is_databases(error)):
        return None
    own = _own(error)
    code = _code(own)
    if code is None:
        # No connection was made, or it is closed.
        return Trouble.AWAY if isinstance(error, OperationalError | InterfaceError) else None
    if code == "SQLITE_ERROR" and re.match(r"no such (column|table)|table \w+ has no column", str(own)):
        return Trouble.SCHEMA
    fitting = [beginning for beginning in _TROUBLES if code.startswith(beginning)]
    return _TROUBLES[max(fitting, key=len)] if fitting else None


def log(trouble: Trouble, error: BaseException | None) -> None:
    """Log the trouble in one line, without a traceback."""
    said = {"error": named(error), "because": words(error)} if error else {}
    _log.error(str(trouble), extra=said)


def named(error: BaseException) -> str:
    """Return the error's class, and the SQLSTATE where the database gives one: no word of its message."""
    own = _own(error)
    state = _code(own)
    return f"{type(own).__name__} ({state})" if state else type(own).__name__


def is_in(error: BaseException | None) -> bool:
    """Return whether it is one of a database, or came about by one."""
    return any(_is_databases(found) for found, _ in _chain(error))


def told(error: BaseException, trace: TracebackType | None) -> str:
    """Return the traceback as Python writes it, each exception by its name alone: one quotes the other."""
    parts: list[str] = []
    for found, link in reversed(list(_chain(error))):
        lines = traceback.format_tb(trace if found is error else found.__traceback__)
        said = f"{type(found).__module__}.{named(found)}: {words(found)}\n"
        parts += ["Traceback (most recent call last):\n", *lines, said, link]
    return "".join(parts).strip()


def _own(error: BaseException) -> BaseException:
    """Return the driver's error behind one of Django's."""
    return error.__cause__ if type(error).__module__.startswith("django.db") and error.__cause__ else error


def _code(own: BaseException) -> str | None:
    return getattr(own, "sqlstate", None) or getattr(own, "sqlite_errorname", None)


def _is_databases(error: BaseException) -> bool:
    """Return whether the database raised the error. Drivers are optional, so they are known by module name."""
    is_driver = any(kind.__module__.startswith("psycopg") for kind in type(error).__mro__)
    return is_driver or isinstance(error, DatabaseError | sqlite3.Error)


def words(error: BaseException) -> str:
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
