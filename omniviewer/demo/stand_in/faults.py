"""Failing on purpose: what a test makes the stand-in do in place of answering, or to its answer."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_BLOCK = 1 << 16
_AS_GZIP = 31  # zlib's number for it


@dataclass(frozen=True)
class Fault:
    """One way of failing. Made by the constructors below, which read well in a test."""

    code: int = 200
    # None: the stand-in's normal answer.
    payload: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    # Seconds between single bytes.
    pace: float = 0.0
    # Bytes sent out of a larger number announced.
    cut_after: int | None = None
    # Send only the first half, and announce its length.
    is_halved: bool = False
    change: Callable[[Any], Any] | None = None

    @classmethod
    def status(
        cls,
        code: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Self:
        """Return this status. `body`: bytes as they are, anything else as JSON; None for an error in Omni's words."""
        said = {"detail": "Failing on purpose", "status": code} if body is None else body
        return cls(code=code, payload=_bytes(said), headers=headers or {}, content_type=content_type)

    @classmethod
    def html(cls, code: int = 200) -> Self:
        """Return an HTML page, as a proxy in between would answer."""
        page = b"<!doctype html><title>Gateway</title><h1>Something is wrong here</h1>"
        return cls(code=code, payload=page, content_type="text/html; charset=utf-8")

    @classmethod
    def body(cls, body: Any) -> Self:
        """Return `200` with these bytes, or with this value as JSON."""
        return cls(payload=_bytes(body))

    @classmethod
    def empty(cls) -> Self:
        return cls(payload=b"")

    @classmethod
    def truncated_json(cls) -> Self:
        """Send the first half of the reply, with a matching length."""
        return cls(is_halved=True)

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Answer as usual, later."""
        return cls(wait=seconds)

    @classmethod
    def drip(cls, seconds_per_byte: float) -> Self:
        """Answer as usual, byte by byte."""
        return cls(pace=seconds_per_byte)

    @classmethod
    def cut(cls, after: int) -> Self:
        """Close the connection in the middle of the body, after so many bytes."""
        return cls(cut_after=after)

    @classmethod
    def redirect(cls, url: str) -> Self:
        return cls(code=302, payload=b"", headers={"Location": url})

    @classmethod
    def huge(cls, size: int) -> Self:
        """Return valid JSON of `size` bytes."""
        return cls(payload=b'{"x": "' + b"x" * (size - 9) + b'"}')

    @classmethod
    def gzip_bomb(cls, size: int) -> Self:
        """Return a body that is short when compressed and `size` bytes long when unpacked."""
        squeeze = zlib.compressobj(wbits=_AS_GZIP)
        blocks = (b" " * min(_BLOCK, size - start) for start in range(0, size, _BLOCK))
        packed = b"".join(squeeze.compress(block) for block in blocks) + squeeze.flush()
        return cls(payload=packed, headers={"Content-Encoding": "gzip"})

    @classmethod
    def edit(cls, change: Callable[[Any], Any]) -> Self:
        """Answer as usual, but for what `change` makes of the parsed reply. Refusals are not changed."""
        return cls(change=change)

    def spoil(self, payload: bytes) -> tuple[bytes, int]:
        """Return the part of a payload to send, and the length to announce."""
        if self.is_halved:
            payload = payload[: len(payload) // 2]
        if self.cut_after is None:
            return payload, len(payload)
        return payload.ljust(self.cut_after)[: self.cut_after], max(len(payload), self.cut_after + 1)


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
