"""Threads of a background worker: its work mostly waits for Omni, so it is done several times side by side.

They last as long as their process, each with its own database connection. Between two pieces of work they hold no
state: leases in the database say what each of them does.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from omniviewer.operations.database_errors import named

_log = logging.getLogger("omniviewer.worker")


def side_by_side(work: Callable[[], None], most: int, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Do `work` in up to `most` threads of this worker at once, and return when all have ended.

    An error in one of them ends none of the others. It is raised afterwards, the first of several, and each is logged.
    `meanwhile` is done in this thread, where it would only wait. With one thread, `work` is done in this one instead.
    """
    count = min(most, settings.WORKER_THREADS)
    if count <= 1:
        work()
        return
    running = [_threads(settings.WORKER_THREADS).submit(_in_thread, work) for _ in range(count)]
    try:
        meanwhile()
    finally:
        errors = [error for thread in running if (error := thread.exception())]
    if errors:
        raise errors[0]


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="worker")


def _in_thread(work: Callable[[], None]) -> None:
    close_old_connections()
    try:
        work()
    except Exception as error:
        is_away = isinstance(error, OperationalError | InterfaceError)
        _log.error("a thread of the worker failed", extra={"because": named(error)}, exc_info=not is_away)
        # A new connection for the next work, whatever this one did.
        connections.close_all()
        raise
    finally:
        close_old_connections()
