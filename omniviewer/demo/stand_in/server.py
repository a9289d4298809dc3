"""The stand-in itself: HTTP on loopback, tokens, and a record of all that was asked."""

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl

from omniviewer.demo.stand_in.dialects import Dialect
from omniviewer.demo.stand_in.faults import Fault
from omniviewer.demo.stand_in.organization import Organization
from omniviewer.demo.stand_in.rate_limit import RateLimit
from omniviewer.demo.stand_in.routes import OCTETS, Answer, Question, answer, refusal

_LARGEST_BODY = 1 << 20


class Recorded(NamedTuple):
    """A request as it came. `token` is the bearer token, or ""; `path` includes /api; `status` what it was answered."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    status: int
    at: datetime


class StandIn:
    """An Omni instance on loopback. `dialect` is "reference" or "sdk".

    `whoami=False` is an older instance, which answers that route with 404; a number is another status. `scim` is the
    one spelling of people's paths that the instance knows, "users" or "Users"; "" for both.

    `retry_after`: seconds to name in a 429, or None as the reference promises none. `now`: a fixed time to live in.
    `clock`: the seconds by which the limit of requests counts its minute. `listening`: a socket that listens already,
    in place of a port.
    """

    def __init__(
        self,
        organization: Organization,
        dialect: str = "reference",
        *,
        rate_per_minute: int = 60,
        whoami: bool | int = True,
        scim: Literal["", "users", "Users"] = "",
        port: int = 0,
        listening: socket.socket | None = None,
        retry_after: int | None = None,
        now: datetime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if dialect not in ("reference", "sdk"):
            raise ValueError(f"There is no dialect {dialect!r}: it is reference or sdk.")
        self.organization = organization
        self.dialect: Dialect = "sdk" if dialect == "sdk" else "reference"
        self.requests: list[Recorded] = []
        self._rate_limit = RateLimit(rate_per_minute, clock)
        refused = HTTPStatus.NOT_FOUND if whoami is False else int(whoami)
        self._whoami: int = HTTPStatus.OK if whoami is True else refused
        self._scim = scim
        self._retry_after = retry_after
        self._now = now
        self._faults: list[tuple[str, Fault, int | None]] = []
        self._lock = threading.Lock()
        self._server: _Server | None = _Server(self, port, listening)
        self._port = self._server.server_address[1]
        self._thread: threading.Thread | None = None
        self._is_serving = False
        self._stopping = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        """Answer in a background thread."""
        self._is_serving = True
        self._thread = threading.Thread(target=self._alive().serve_forever, args=(0.005,), daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """Serve in the foreground, until interrupted or stopped by another thread."""
        server = self._alive()
        self._is_serving = True
        try:
            server.serve_forever(0.2)
        finally:
            self._is_serving = False

    def _alive(self) -> "_Server":
        if self._server is None:
            raise RuntimeError("This stand-in was stopped: make another.")
        return self._server

    def stop(self) -> None:
        """Stop answering, at once: connections that were kept open are closed too."""
        with self._lock:
            server, self._server = self._server, None
        if server is None:
            return
        self._stopping.set()
        if self._is_serving:
            server.shutdown()
        if self._thread:
            self._thread.join(timeout=5)
        server.server_close()
        server.close_connections()

    @property
    def is_stopped(self) -> bool:
        return self._stopping.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, for a request that should take its time, but no longer than the stand-in runs."""
        self._stopping.wait(seconds)

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
        """Return Omni's answer to a request for `path` (with /api)."""
        below = path.removeprefix("/api")
        if method != "GET":
            return refusal(below, 405, "Only GET is spoken here")
        organization = self.organization
        organization.advance(self._now or datetime.now(UTC))
        with organization.lock:
            if not organization.knows(token):
                return refusal(below, 401, "Invalid or missing API token")
            if not self._rate_limit.admits(token):
                return refusal(below, 429, "Rate limit exceeded")
            if below == "/v1/whoami" and self._whoami != HTTPStatus.OK:
                return refusal(below, self._whoami, "No such route")
            if below == path or (below.startswith("/scim/") and self._scim and self._scim not in below.split("/")):
                return refusal(below, 404, "No such route")
            return answer(Question(organization, self.dialect, self._now or datetime.now(UTC), token, below, query))

    def headers_for(self, status: int) -> dict[str, str]:
        match status:
            case HTTPStatus.METHOD_NOT_ALLOWED:
                return {"Allow": "GET"}
            case HTTPStatus.TOO_MANY_REQUESTS if self._retry_after is not None:
                return {"Retry-After": str(self._retry_after)}
        return {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, omni: StandIn, port: int, listening: socket.socket | None) -> None:
        self.omni = omni
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=listening is None)
        if listening:
            self.socket.close()
            self.socket = listening
            self.server_address = listening.getsockname()

    def server_bind(self) -> None:
        # HTTPServer's own method looks up this machine's name on the network, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Shut all connections down. Their threads wake up to an end of file, and close them."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error on standard error, unless the client went away or the stand-in is stopping."""
        if not self.omni.is_stopped and not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Omni"
    sys_version = ""
    timeout = 30
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # http.server looks for a do_METHOD: whichever it is, it is recorded, and answered (all but GET with 405).
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        omni = self.server.omni
        path, _, parameters = self.path.partition("?")
        query = dict(parse_qsl(parameters, keep_blank_values=True))
        token = self._token()
        self._skip_body()
        fault = omni.take_fault(path.removeprefix("/api")) or Fault()
        if fault.payload is not None:
            said = Answer(fault.code, fault.payload, fault.content_type)
        else:
            said = omni.answer(self.command, path, query, token)
        if fault.change and said.status == HTTPStatus.OK and said.content_type in ("application/json", OCTETS):
            said = Answer(said.status, fault.change(json.loads(said.payload())), said.content_type)
        headers = {**omni.headers_for(said.status), **fault.headers}
        omni.record(self.command, path, query, token, said.status)
        omni.pause(fault.wait)
        if omni.is_stopped:
            self.close_connection = True
        else:
            self._send(said, headers, fault)

    def _token(self) -> str:
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def _skip_body(self) -> None:
        """Read and drop the request's body, so that the sender gets as far as reading our answer."""
        length = self.headers.get("Content-Length") or "0"
        if length.isdecimal():
            self.rfile.read(min(int(length), _LARGEST_BODY))
        if length != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True

    def _send(self, said: Answer, headers: dict[str, str], fault: Fault) -> None:
        payload, announced = fault.spoil(said.payload())
        if announced != len(payload):
            self.close_connection = True
        self.send_response_only(said.status)
        self.send_header("Server", self.version_string())
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", said.content_type)
        if said.status != HTTPStatus.NO_CONTENT:  # which has none, says RFC 9110
            self.send_header("Content-Length", str(announced))
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if not fault.pace:
            self.wfile.write(payload)
            return
        for byte in payload:
            self.wfile.write(bytes([byte]))
            self.server.omni.pause(fault.pace)
            if self.server.omni.is_stopped:
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: `StandIn.requests` records all requests."""
