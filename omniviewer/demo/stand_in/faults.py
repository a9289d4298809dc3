"""Failing on purpose: what a test makes the stand-in do in place of answering."""

import gzip
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

_PATIENCE = 60.0  # seconds: no fault keeps a thread for longer


@dataclass(frozen=True)
class Fault:
    """One way of failing. Made by the constructors below, which read well in a test."""

    code: int = 200
    payload: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    # Announced in Content-Length, where it differs from what is sent.
    announced: int | None = None
    wait: float = 0.0
    # Seconds between single bytes.
    pace: float = 0.0
    change: Callable[[Any], Any] | None = None
    # Answer as usual after the wait.
    passes: bool = False

    @classmethod
    def status(
        cls,
        code: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Self:
        said = {"detail": "Failing on purpose", "status": code} if body is None else body
        return cls(code=code, payload=_bytes(said), headers=headers or {}, content_type=content_type)

    @classmethod
    def html(cls, code: int) -> Self:
        """What a proxy in between answers."""
        page = b"<!doctype html><title>Gateway</title><h1>Something is wrong here</h1>"
        return cls(code=code, payload=page, content_type="text/html; charset=utf-8")

    @classmethod
    def body(cls, body: Any) -> Self:
        return cls(payload=_bytes(body))

    @classmethod
    def empty(cls) -> Self:
        return cls()

    @classmethod
    def truncated_json(cls) -> Self:
        return cls(payload=b'{"id": "660e8400-e29b-41d4-a716-446655440001", "messages": [{"role": "us')

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Answer as usual, later."""
        return cls(wait=seconds, passes=True)

    @classmethod
    def drip(cls, seconds_per_byte: float) -> Self:
        return cls(payload=b'{"id": "' + b"x" * 10_000, pace=seconds_per_byte)

    @classmethod
    def cut(cls, after: int) -> Self:
        """Close the connection in the middle of the body."""
        return cls(payload=b"{" + b" " * (after - 1), announced=after + 10_000)

    @classmethod
    def redirect(cls, url: str) -> Self:
        return cls(code=302, headers={"Location": url})

    @classmethod
    def huge(cls, size: int) -> Self:
        return cls(payload=b'{"x": "' + b"x" * size + b'"}')

    @classmethod
    def gzip_bomb(cls, size: int) -> Self:
        return cls(payload=gzip.compress(b" " * size), headers={"Content-Encoding": "gzip"})

    @classmethod
    def edit(cls, change: Callable[[Any], Any]) -> Self:
        """Answer as usual, but for what `change` makes of the parsed reply."""
        return cls(change=change, passes=True)

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        """Write this in place of an answer. A reader who has gone away is no error."""
        handler.close_connection = True
        try:
            handler.send_response(self.code)
            handler.send_header("Content-Type", self.content_type)
            length = len(self.payload) if self.announced is None else self.announced
            handler.send_header("Content-Length", str(length))
            handler.send_header("Connection", "close")
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            self._send_payload(handler)
        except OSError:
            return

    def _send_payload(self, handler: BaseHTTPRequestHandler) -> None:
        if not self.pace:
            handler.wfile.write(self.payload)
            return
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        until = time.monotonic() + _PATIENCE
        for byte in self.payload:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(self.pace)
            if time.monotonic() > until:
                return


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
