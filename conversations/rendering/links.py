"""Destination of a link, and whether it may be linked.

Browsers are more lenient than a URL parser: they drop tabs and newlines, read `\\` as `/`, decode hosts. Instead of
imitating that, only what is plainly an address is linked.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from conversations.rendering import characters

LONGEST = 2_000
# Characters that browsers encode in an address: filters in addresses are JSON. No host has them.
_ENCODED = {ord(character): f"%{ord(character):02X}" for character in '"`{|}^'}
_ENTITY_FREE = re.compile(r"[^\x00-\x20\x7f<>\"\\^`{|}]+")
_HOST = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]")
MAIL = r"[A-Za-z0-9.!#$&'*+/=?^_~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"
_MAIL = re.compile(rf"mailto:({MAIL})(\?.*)?", re.IGNORECASE)


class Destination(NamedTuple):
    """An address for `href`, and the name that the reader is shown: the host in ASCII, or the mail address."""

    href: str
    name: str
    says_itself: frozenset[str] = frozenset()

    def is_told_by(self, text: str) -> bool:
        """Return whether this text tells the reader where the link goes."""
        return text.strip().translate(_ENCODED).casefold().rstrip("/") in self.says_itself


# Base of links within Omni, whose pages write paths. Set while one answer is rendered, since only links use it.
_base: ContextVar[str] = ContextVar("base", default="")


@contextmanager
def relative_to(base: str) -> Iterator[None]:
    """Resolve paths against this address, which ends in a slash; "" leaves them no links."""
    token = _base.set(base)
    try:
        yield
    finally:
        _base.reset(token)


def destination(href: str) -> Destination | None:
    """Return where a link goes; None unless it is http, https, mailto or, where a base is set, a path."""
    if _base.get() and re.match(r"/(?!/)", href):
        href = _base.get() + href[1:]
    href = href.strip(" \n").replace(" ", "%20")
    if href[:4].lower() == "http":
        href = href.translate(_ENCODED)
    if len(href) > LONGEST or not _ENTITY_FREE.fullmatch(href) or characters.has_hidden(href):
        return None
    if mail := _MAIL.fullmatch(href):
        # Without `?bcc=` and `?body=`: a click is no consent to what somebody else wants written.
        address = mail[1]
        return Destination(
            f"mailto:{address}", address, frozenset({address.casefold(), f"mailto:{address.casefold()}"})
        )
    return _website(href) if re.match(r"https?://[^/?#]", href, re.IGNORECASE) else None


def _address(host: str) -> str:
    """Return a host as browsers show it; "" for an IP address that is written in another form: `0x7f.1`.

    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    if ":" not in host and not re.fullmatch(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?", host.lower()):
        return host
    try:
        found = ip_address(host)
    except ValueError:
        return ""
    if isinstance(found, IPv4Address):
        return str(found)
    # Python from 3.13 on writes the last part of such an address as IPv4 does; browsers never do.
    mapped = int(found.ipv4_mapped) if found.ipv4_mapped else None
    return f"[{found.compressed}]" if mapped is None else f"[::ffff:{mapped >> 16:x}:{mapped & 0xFFFF:x}]"


def _website(href: str) -> Destination | None:
    try:
        parts = urlsplit(href)
        port = parts.port
        host = parts.hostname or ""
        # Names in other scripts look like names they are not: the ASCII form is what is asked for, and what is shown.
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return None
    host = _address(host)
    if not _HOST.fullmatch(host.lower()):
        return None
    name = host.lower() + (f":{port}" if port else "")
    user = parts.netloc.rpartition("@")[0]
    plain = f"{parts.scheme}://{name}{href[href.index('://') + 3 + len(parts.netloc) :]}"
    if user:
        # https://good.com@evil.com/ is told by no text: what stands before the @ is there to be taken for the host.
        return Destination(plain.replace("://", f"://{user}@", 1), name)
    told = {name, plain.casefold().rstrip("/"), plain.casefold().rstrip("/").partition("://")[2]}
    return Destination(plain, name, frozenset(told))
