"""One request to Omni or an identity provider, retries included, with a deadline that nothing outlives.

The timeouts of sockets bound a silence, not a whole: a server that sends a byte of a header a second never trips them.
So at the deadline the socket is shut down, whatever is being waited for.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ResponseError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError
from urllib3.util.retry import Retry

_current: ContextVar["Attempt | None"] = ContextVar("attempt", default=None)


class ElsewhereError(Exception):
    """A name led to an address where no Omni may be. Not an `OSError`, because urllib3 would retry."""


class Attempt:
    """One request with all its retries, limited to `seconds`.

    `may_retry` is asked before anything is sent again, `may_reach` before anything is sent to an address: if that is
    false, the attempt raises `ElsewhereError`.
    """

    def __init__(
        self, seconds: float, may_retry: Callable[[], bool], may_reach: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._may_reach = may_reach
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self._may_retry = may_retry
        self._sockets: list[socket.socket] = []
        self._own: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_open = True
        # True once Omni has begun to answer.
        self.is_answered = False
        self._timer: threading.Timer | None = None
        self._token: Token[Attempt | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._timer = threading.Timer(self._seconds, self._end)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_open = False
        if self._timer:
            self._timer.cancel()
        for own in self._own:
            own.close()
        if self._token:
            _current.reset(self._token)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends

    def may_retry(self) -> bool:
        return not self.is_over and self._may_retry()

    def check(self, connected: socket.socket) -> None:
        """Refuse a connection to a forbidden address: the name may have changed its meaning since it was checked."""
        address = connected.getpeername()[0]
        if not self._may_reach(address):
            connected.close()
            raise ElsewhereError

    def watch(self, connected: socket.socket | None) -> None:
        if connected is not None:
            self._sockets.append(connected)

    def watch_until_connected(self, connected: socket.socket) -> None:
        """Watch the socket under a duplicate descriptor, because TLS detaches the original one."""
        with contextlib.suppress(OSError):
            own = connected.dup()
            self._own.append(own)
            self._sockets.append(own)

    def _end(self) -> None:
        with self._lock:
            # Once the attempt is over, its connection belongs to another one.
            if self._is_open:
                for watched in self._sockets:
                    with contextlib.suppress(OSError):
                        # Not SSLSocket's own method, which drops the TLS state while another thread reads.
                        socket.socket.shutdown(watched, socket.SHUT_RDWR)


class _Watched:
    """A connection whose socket ends with the attempt that uses it."""

    sock: Any
    proxy: Any

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        attempt = _current.get()
        # A company's proxy looks names up itself, and may have any address.
        if attempt and self.proxy is None:
            attempt.check(connected)
        if attempt:
            # Watch from here on: a proxy's reply and the TLS handshake may take long.
            attempt.watch_until_connected(connected)
        return connected

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _watch(self.sock)

    def getresponse(self) -> Any:
        _watch(self.sock)  # one that was kept open from an earlier request
        return super().getresponse()  # type: ignore[misc]


def _watch(connected: socket.socket | None) -> None:
    attempt = _current.get()
    if attempt:
        attempt.watch(connected)


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


_POOLS: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}


class _Retries(Retry):
    """Retries that are safe (only `GET` is sent) and useful: a connection refused or broken, or `502` to `504`.

    Not after a time-out: the reader has waited enough.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> "_Retries":
        left = super().increment(method, url, response, error, _pool, _stacktrace)
        attempt = _current.get()
        timed_out = isinstance(error, UrllibTimeoutError) and not isinstance(error, NewConnectionError)
        if timed_out or not (attempt and attempt.may_retry()):
            raise MaxRetryError(_pool, url or "", error or ResponseError("not retried"))
        return left


class Adapter(HTTPAdapter):
    """An adapter of pooled connections that obey the current attempt's deadline."""

    def __init__(self) -> None:
        retries = _Retries(
            total=1,
            status_forcelist=(502, 503, 504),
            allowed_methods=("GET",),
            backoff_factor=0.3,
            backoff_jitter=0.3,
            raise_on_status=False,
            respect_retry_after_header=False,  # an absurd one would hold the reader up
        )
        super().__init__(max_retries=retries, pool_maxsize=32)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Return the connections through a proxy of the company's, which keep to the attempt like any."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
