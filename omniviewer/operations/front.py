"""The first middleware to see a request: headers to trust, and the path prefix of the site."""

import ipaddress
import re
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core import checks
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.template import Origin
from django.template.loaders import filesystem

GetResponse = Callable[[HttpRequest], HttpResponse]
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORT = re.compile(r"^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$")
_MAX_BACKSLASHES = 250
_PROBES = frozenset(("/healthz", "/readyz", "/metrics"))
# Matches an address of the site in a template.
_OWN_ADDRESS = re.compile(r'(?<=\s)((?:form)?action|href|src|hx-get|hx-post|data-complete)="/(?!/)')
# Match the white space that begins a line of a template; and a line that holds tags or comments of Django's alone.
_INDENTATION = re.compile(r"(?<=\n)[ \t]+")
_ALONE = re.compile(r"^((?:\{[%#](?:(?![%#]\})[^\n])*[%#]\}[ \t]*)+)\n", re.MULTILINE)
# An empty URLconf, for paths outside the prefix.
urlpatterns: list[object] = []


def forwarded_headers(get_response: GetResponse) -> GetResponse:
    """Drop `X-Forwarded-*` headers of peers that `OMNIVIEWER_FORWARDED_ALLOW_IPS` does not name."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not _may_forward(request):
            for name in _FORWARDED:
                request.META.pop(name, None)
        return get_response(request)

    return middleware


def below_prefix(get_response: GetResponse) -> GetResponse:
    """Serve the site below `OMNIVIEWER_URL_PREFIX`, and nothing but the probes outside of it.

    A proxy that cut the prefix off would let `/prefix/prefix/admin/` past a rule about `/prefix/admin/`, so the prefix
    has to arrive.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        path, prefix = request.path_info, settings.URL_PREFIX
        if prefix and path.startswith(f"{prefix}/"):
            request.path, request.path_info = path, path.removeprefix(prefix)
        elif prefix and path not in _PROBES:
            request.urlconf = "omniviewer.operations.front"
            request.path = path
        return get_response(request)

    return middleware


def bounded_cookies(get_response: GetResponse) -> GetResponse:
    """Refuse cookies of many backslashes: before CVE-2024-7592 was mended, Python read 8 KB of them for 240 ms."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_COOKIE", "").count("\\") > _MAX_BACKSLASHES:
            return HttpResponseBadRequest("The cookies of this request are not this site's.", content_type="text/plain")
        return get_response(request)

    return middleware


def no_neighbours(get_response: GetResponse) -> GetResponse:
    """Refuse what a page of another site fetches or embeds: it learns from the time that an answer takes, if no more.

    Following a link, or coming back from the company's sign-in, is a navigation of the whole window.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if is_from_elsewhere(request) and not is_navigation(request) and request.path_info not in _PROBES:
            return HttpResponseForbidden("This is for pages of this site alone.", content_type="text/plain")
        return get_response(request)

    return middleware


def is_from_elsewhere(request: HttpRequest) -> bool:
    """Return whether another site sent the request. Browsers say so since 2023; without the header, assume not."""
    return request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")


def is_navigation(request: HttpRequest) -> bool:
    """Return whether a whole window opens the page now: no frame, no script, no prefetch.

    Browsers that tell of another site tell the rest too; what tells nothing may be a navigation.
    """
    is_ahead = "prefetch" in f"{request.headers.get('Sec-Purpose', '')} {request.headers.get('Purpose', '')}"
    mode, destination = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest"))
    untold = () if is_from_elsewhere(request) else (None,)
    is_window = mode in ("navigate", *untold) and destination in ("document", *untold)
    return is_window and not is_ahead and request.headers.get("HX-Request") != "true"


def is_by_person(request: HttpRequest) -> bool:
    """Return whether a person began the navigation; from another site, only a click or a key counts, not a script."""
    return is_navigation(request) and (not is_from_elsewhere(request) or request.headers.get("Sec-Fetch-User") == "?1")


def check_python(app_configs: Any, **_kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Check, for `manage.py check --deploy`, that this Python has the fix for CVE-2024-7592."""
    mended_in = {(3, 11): 10, (3, 12): 6}.get(sys.version_info[:2], 0)
    if sys.version_info.micro >= mended_in:
        return []
    version = ".".join(map(str, sys.version_info[:3]))
    told = f"Python {version} has known faults, among them CVE-2024-7592 (cookies that take seconds to read)."
    hint = f"Use {sys.version_info.major}.{sys.version_info.minor}.{mended_in} or later."
    return [checks.Warning(told, hint=hint, id="omniviewer.W001")]


def peer_address(request: HttpRequest) -> Address | None:
    """Return the address of the connected peer; None for a socket of this machine."""
    return _address(request.META.get("REMOTE_ADDR", ""))


def client_address(request: HttpRequest) -> Address | None:
    """Return the client's address, as the proxy in front reports it if there is one; None if that is no address.

    The last one: those before it are what the client says.
    """
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.BEHIND_PROXY else ""
    return _address(forwarded.rpartition(",")[2]) if forwarded else peer_address(request)


def client_network(request: HttpRequest) -> str:
    """Return the network that counts as one client: an IPv4 address, or an IPv6 /64, which one home or machine has."""
    address = client_address(request)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address or "")


def _address(text: str) -> Address | None:
    """Parse an address without port, brackets and zone. An IPv4 address within IPv6 becomes plain IPv4."""
    try:
        address = ipaddress.ip_address(_PORT.sub(r"\1\2", text.strip()).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _may_forward(request: HttpRequest) -> bool:
    """Return whether the peer may set forwarding headers. Only the proxy can open a socket of this machine."""
    allowed = settings.FORWARDED_ALLOW_IPS
    if allowed == ["*"] or not request.META.get("REMOTE_ADDR"):
        return True
    address = peer_address(request)
    return address is not None and any(address in network for network in allowed)


class TemplateLoader(filesystem.Loader):
    """A loader that puts the prefix before each address of the site in a template, and leaves out its indentation.

    White space stays where there is any, as a single line end: a page is a third shorter so.
    """

    def get_contents(self, origin: Origin) -> str:
        contents = _ALONE.sub(r"\1", _INDENTATION.sub("", super().get_contents(origin)))
        return _OWN_ADDRESS.sub(rf'\1="{settings.URL_PREFIX}/', contents) if settings.URL_PREFIX else contents
