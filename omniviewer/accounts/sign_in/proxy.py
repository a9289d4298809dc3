"""Signing in through a proxy that has done it already (oauth2-proxy, mod_auth_openidc, ...) and names the user.

Django's RemoteUserMiddleware believes the header whoever sends it, takes its value for a username of ours, and leaves
a session alone where the header is missing: here the proxy has to be known, the value is a subject of its own, and the
proxy vouches for every single request.
"""

import csv
import hashlib
import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from omniviewer.accounts import sessions
from omniviewer.accounts.requests import afterwards
from omniviewer.accounts.sign_in.admission import Person, Refused, admit, known
from omniviewer.accounts.sign_in.refusal_page import refusal
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.operations.front import peer_address

SECRET_HEADER = "X-Omniviewer-Proxy-Secret"  # noqa: S105  (its name)
_LONGEST_NAME = 150
# Session key of the values that the proxy sent when the session began.
_SAID = "said_by_proxy"
_log = logging.getLogger("omniviewer.accounts")


def proxy_user(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Sign in the person whom a trusted proxy names, for as long as the proxy names them."""

    def middleware(request: HttpRequest) -> HttpResponse:
        is_trusted = _comes_from_a_trusted_proxy(request)
        said = _take_headers(request)
        if request.path_info.startswith("/scim/"):
            return get_response(request)  # the directory acts there, by its token, and nobody signs in
        by_proxy = sessions.signed_in_by(request) == "proxy"
        if not is_trusted:
            if any(said.values()):
                _log.warning("proxy header from elsewhere")
            if by_proxy:  # the session is the proxy's to vouch for
                request.user = AnonymousUser()
            return get_response(request)
        person = _person(said)
        if by_proxy and (person is None or request.session.get(_SAID) != _digest(said)):
            sessions.end(request, why="not-named")
        if person is None or request.user.is_authenticated:
            return get_response(request)
        try:
            user = admit(person)
        except Refused as refused:
            trail.record(request, Kind.REFUSED, result=refused.why, user=known(person), by="proxy")
            return refusal(request, refused, afterwards(request.get_full_path()))
        sessions.begin(request, user, by="proxy")
        request.session[_SAID] = _digest(said)
        return get_response(request)

    return middleware


def _comes_from_a_trusted_proxy(request: HttpRequest) -> bool:
    """Return whether the peer is a trusted proxy: by the shared secret or its address, never by a forwarding header."""
    given = request.headers.get(SECRET_HEADER, "")
    if settings.PROXY_SECRET and constant_time_compare(given, settings.PROXY_SECRET):
        return True
    if not request.META.get("REMOTE_ADDR"):
        return "unix" in settings.TRUSTED_PROXIES
    address = peer_address(request)
    if address is None:
        return False
    return any(address in network for network in settings.TRUSTED_PROXIES if network != "unix")


def _take_headers(request: HttpRequest) -> dict[str, str]:
    """Remove the proxy's headers from the request and return their values, decoded as UTF-8.

    Nothing downstream sees these headers: each is trusted here or not at all.
    """
    request.META.pop(_key(SECRET_HEADER), None)
    names = {
        "name": settings.PROXY_HEADER,
        "email": settings.PROXY_EMAIL_HEADER,
        "full_name": settings.PROXY_NAME_HEADER,
        "groups": settings.PROXY_GROUPS_HEADER,
    }
    taken = {what: request.META.pop(_key(header), "").strip() for what, header in names.items() if header}
    request.__dict__.pop("headers", None)  # a copy of them, made by who came before
    return {what: _decoded(value) for what, value in taken.items()}


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _decoded(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _person(said: dict[str, str]) -> Person | None:
    """Return the person, or None if the proxy names nobody, or uses a name that no proxy should."""
    name = said.get("name", "")
    if not name:
        return None
    # A comma means two headers in one: nobody knows which of them the proxy sent.
    if len(name) > _LONGEST_NAME or not name.isprintable() or "," in name:
        _log.warning("proxy header makes no sense")
        return None
    email = said.get("email") or (name if "@" in name else "")
    first, _, last = said.get("full_name", "").partition(" ")
    return Person(
        issuer="proxy",
        subject=name,
        usernames=(name.partition("@")[0], name),
        email=email,
        # A proxy that is trusted to name people is trusted with their addresses too.
        email_is_verified=bool(email),
        first_name=first,
        last_name=last,
        groups=_groups(said.get("groups", "")),
        ignores_case=True,
    )


def _groups(text: str) -> frozenset[str]:
    """Return groups separated by commas (oauth2-proxy), quoted or not (vouch), or by `|` (authentik allows commas)."""
    [names] = csv.reader([text], delimiter="|" if "|" in text else ",", skipinitialspace=True)
    return frozenset(name.strip() for name in names if name.strip())


def _digest(said: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()
