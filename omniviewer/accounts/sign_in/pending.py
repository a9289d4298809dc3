"""Sign-ins that were begun at a provider and are not finished: the browser keeps them, in cookies for this site alone.

A session for each would be a row for everybody who asks for `/sign-in/oidc/`, robots that preview links among them.
Each sign-in has a cookie of its own, so that windows which set out at the same time do not disturb each other.
"""

import json
import time
import zlib
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string, salted_hmac

from omniviewer.accounts.requests import site_path

_SALT: Final = "omniviewer.accounts.sign_in.pending"
# Seconds for which the wanted address is remembered, however long people take at the provider.
_WANTED_FOR: Final = 3600
# Seconds within which a sign-in has to be finished.
STATE_TTL: Final = 600
# Sign-ins begun in one browser that are remembered.
_MAX_STATES: Final = 10
# Lengths in characters. Servers read 8 KB of cookies in all, and answer 400 to more.
_MAX_CHARS, _MAX_WANTED_CHARS, _MAX_NEXT_CHARS = 4200, 2800, 1000


class ProviderError(Exception):
    """Raised if the identity provider answers a sign-in with an error; `code` is its word for it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class PendingSignIns:
    """The sign-ins that were begun in the browser of this request, at addresses below `path`.

    Encrypted, since they hold the nonce and the code verifier; and good for `STATE_TTL` seconds. A cookie is deleted as
    soon as its sign-in comes back. Who puts it back into the browser and sends the same code again is refused by the
    provider, for which a code is good for once (RFC 6749, 4.1.2); a SAML response is taken once (`saml.acs`).
    """

    def __init__(self, request: HttpRequest, path: str) -> None:
        self._path = site_path(path)
        self._sent = {name: value for name, value in request.COOKIES.items() if name.startswith(_cookie_name())}
        opened = {name: _decrypted(value) for name, value in self._sent.items()}
        # Each cookie's content holds its own name, so that nobody can pass one off as another.
        self._kept = {name: content for name, content in opened.items() if content and content["name"] == name}
        self._wanted = request.COOKIES.get(_wanted_name(), "")
        self._new: dict[str, str] = {}

    def begin(self, target: str, state_id: str = "", **state: Any) -> str:
        """Have the response set a cookie for a new sign-in, and return the id that comes back with the answer."""
        self._wanted = _signed(target)
        if not state_id:
            # The state is unguessable, and holds the wanted address in case the cookie gets lost.
            state_id = f"{get_random_string(32)}.{_signed(target)}"
        elif len(target) <= _MAX_NEXT_CHARS:
            state["next"] = target
        name = _cookie_name(state_id)
        self._new[name] = _encrypted({"name": name, "at": int(time.time()), "state": state})
        return state_id

    def take(self, state_id: str) -> dict[str, Any] | None:
        """Return what was remembered of a sign-in, and have the response delete it; None if it was not begun here."""
        content = self._kept.pop(_cookie_name(state_id), None)
        return {"next": self.wanted(state_id), **content["state"]} if content else None

    def wanted(self, state_id: str) -> str:
        """Return the address that was wanted, as the id of a sign-in says; else the one that was wanted last."""
        target = _target_in(state_id.partition(".")[2])
        return (_target_in(self._wanted) or "") if target is None else target

    def forget_wanted(self) -> None:
        self._wanted = ""

    def settle(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Set and delete cookies: of those sign-ins that are not finished, the newest stay."""
        room = _MAX_CHARS - sum(len(name) + len(value) for name, value in self._new.items())
        newest_first = sorted(self._kept, key=lambda name: -self._kept[name]["at"])[: _MAX_STATES - len(self._new)]
        stay = set()
        for name in newest_first:
            room -= len(name) + len(self._sent[name])
            if room >= 0:
                stay.add(name)
        for name in self._sent.keys() - stay - self._new.keys():
            response.delete_cookie(name, path=self._path, samesite=settings.SESSION_COOKIE_SAMESITE)
        for name, value in self._new.items():
            self._set(response, name, value, STATE_TTL)
        if self._wanted != request.COOKIES.get(_wanted_name(), ""):
            if self._wanted and len(self._wanted) <= _MAX_WANTED_CHARS:
                self._set(response, _wanted_name(), self._wanted, _WANTED_FOR)
            else:
                response.delete_cookie(_wanted_name(), path=self._path, samesite=settings.SESSION_COOKIE_SAMESITE)
        return response

    def _set(self, response: HttpResponse, name: str, value: str, seconds: int) -> None:
        """Set a SameSite=Lax cookie, because the provider sends the browser back by a top-level navigation."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path=self._path,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )


def _signed(target: str) -> str:
    """Return an address as text that only this site can have made."""
    return signing.dumps(target, salt=_SALT, compress=True)


def _target_in(text: str) -> str | None:
    """Return the address in such a text; None where it is none, or an old one."""
    try:
        return str(signing.loads(text, salt=_SALT, max_age=_WANTED_FOR))
    except signing.BadSignature:
        return None


def _cookie_name(state_id: str = "") -> str:
    """Return the name of the cookie of a sign-in; without an id, the beginning of all of them."""
    digest = urlsafe_b64encode(sha256(state_id.encode()).digest()).decode()[:22] if state_id else ""
    return f"{_prefix()}sign-in-{digest}"


def _wanted_name() -> str:
    return f"{_prefix()}after-sign-in"


def _prefix() -> str:
    return "__Secure-" if settings.SESSION_COOKIE_SECURE else ""


def _encryption() -> MultiFernet:
    """Return an encryption with keys derived from the signing keys: the first encrypts, all decrypt."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    made = (salted_hmac(_SALT, "", secret=key, algorithm="sha256").digest() for key in keys)
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in made])


def _encrypted(content: dict[str, Any]) -> str:
    """Return the value of a cookie: as short as may be, and without the "=" that has to be quoted there."""
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode())
    return _encryption().encrypt(packed).decode().rstrip("=")


def _decrypted(value: str) -> dict[str, Any] | None:
    """Return the content of a cookie; None if it is not of this site's making, or too old."""
    try:
        packed = _encryption().decrypt(value.encode() + b"=" * (-len(value) % 4), ttl=STATE_TTL)
    except InvalidToken:
        return None
    content: dict[str, Any] = json.loads(zlib.decompress(packed))
    return content
