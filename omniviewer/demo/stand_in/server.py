"""The stand-in itself: HTTP on loopback, tokens, the limit of requests a minute, and a record of all that was asked."""

import json
import socket
import sys
import threading
import time
from collections import defaultdict, deque
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from omniviewer.demo.stand_in.dialects import Dialect
from omniviewer.demo.stand_in.faults import Fault
from omniviewer.demo.stand_in.organization import Organization
from omniviewer.demo.stand_in.routes import Answer, Question, answer, newer_error

_MINUTE = 60.0


class Recorded(NamedTuple):
    """A request as it came. `token` is the bearer token, or ""; `path` includes /api; `status` what it was answered."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    status: int
    at: datetime


class StandIn:
    """An Omni instance on loopback. `dialect` is "reference" or "sdk"; `whoami=False` is an older instance.

    `retry_after`: seconds to name in a 429, or None as the reference promises none. `now`: a fixed time to live in.
    """

    def __init__(
        self,
        organization: Organization,
        dialect: str = "reference",
        *,
        rate_per_minute: int = 60,
        whoami: bool = True,
        port: int = 0,
        retry_after: int | None = None,
        now: datetime | None = None,
    ) -> None:
        if dialect not in ("reference", "sdk"):
            raise ValueError(f"There is no dialect {dialect!r}: it is reference or sdk.")
        self.organization = organization
        self.dialect: Dialect = "sdk" if dialect == "sdk" else "reference"
        self.requests: list[Recorded] = []
        self._rate = rate_per_minute
        self._whoami = whoami
        self._retry_after = retry_after
        self._now = now
        self._used: dict[str, deque[float]] = defaultdict(deque)
        self._faults: list[tuple[str, Fault, int | None]] = []
        self._lock = threading.Lock()
        self._server: _Server | None = _Server(self, port)
        self._port = self._server.server_address[1]
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        assert self._server, "it was stopped"  # noqa: S101
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), name="stand-in-omni", daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """In the foreground, until interrupted."""
        assert self._server, "it was stopped"  # noqa: S101
        self._server.serve_forever(0.2)

    def stop(self) -> None:
        """Stop answering, at once: connections that were kept open are closed too."""
        server, self._server = self._server, None
        if server is None:
            return
        if self._thread:
            server.shutdown()
            self._thread.join(timeout=5)
        server.server_close()
        server.close_connections()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def fail(self, fault: Fault, path: str = "", times: int | None = None) -> None:
        """Fail for paths (below /api) that begin so: `times` times, or until `recover()`. The latest word counts."""
        with self._lock:
            self._faults.insert(0, (path, fault, times))

    def recover(self) -> None:
        with self._lock:
            self._faults.clear()

    def take_fault(self, path: str) -> Fault | None:
        with self._lock:
            for place, (prefix, fault, times) in enumerate(self._faults):
                if path.startswith(prefix):
                    if times is not None:
                        left = [(prefix, fault, times - 1)] if times > 1 else []
                        self._faults[place : place + 1] = left
                    return fault
        return None

    def record(self, method: str, path: str, query: dict[str, str], token: str, status: int) -> None:
        self.requests.append(Recorded(method, path, query, token, status, datetime.now(UTC)))

    def answer(self, method: str, path: str, query: dict[str, str], token: str) -> Answer:
        """What Omni says to a request for `path` (with /api)."""
        if not token or not self.organization.knows(token):
            return newer_error(401, "Invalid or missing API token")
        if self._is_over_the_limit(token):
            return newer_error(429, "Rate limit exceeded")
        if method != "GET":
            return newer_error(405, "Only GET is spoken here")
        below = path.removeprefix("/api")
        if below == path or (below == "/v1/whoami" and not self._whoami):
            return newer_error(404, "No such route")
        with self.organization.lock:
            ask = Question(self.organization, self.dialect, self._now or datetime.now(UTC), token, query)
            return answer(ask, below)

    def headers_for(self, status: int) -> dict[str, str]:
        told = status == 429 and self._retry_after is not None  # noqa: PLR2004
        return {"Retry-After": str(self._retry_after)} if told else {}

    def _is_over_the_limit(self, token: str) -> bool:
        """A sliding minute; a refused request counts for nothing."""
        now = time.monotonic()
        with self._lock:
            used = self._used[token]
            while used and used[0] <= now - _MINUTE:
                used.popleft()
            if len(used) >= self._rate:
                return True
            used.append(now)
            return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, omni: StandIn, port: int) -> None:
        self.omni = omni
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none; anything else is told on standard error."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Omni"
    sys_version = ""
    timeout = 30
    server: _Server

    def _handle(self) -> None:
        omni = self.server.omni
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = omni.take_fault(parts.path.removeprefix("/api"))
        if fault and not fault.passes:
            omni.record(self.command, parts.path, query, token, fault.code)
            fault.send(self)
            return
        said = omni.answer(self.command, parts.path, query, token)
        if fault and fault.wait:
            time.sleep(fault.wait)
        if fault and fault.change and said.status == 200:  # noqa: PLR2004
            said = Answer(200, fault.change(json.loads(said.payload())))
        omni.record(self.command, parts.path, query, token, said.status)
        self._send(said, omni.headers_for(said.status))

    def _send(self, said: Answer, headers: dict[str, str]) -> None:
        payload = said.payload()
        self.send_response(said.status)
        self.send_header("Content-Type", said.content_type)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _handle  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: what was asked stands in `StandIn.requests`."""
