"""The first to see a request: which of a proxy's headers count, and the path below which the site is."""

import ipaddress
import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import Origin
from django.template.loaders import filesystem

GetResponse = Callable[[HttpRequest], HttpResponse]
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")
_PROBES = frozenset(("/healthz", "/readyz", "/metrics"))
# An address that a template of the site's own writes out.
_OWN_ADDRESS = re.compile(r'(?<=\s)((?:form)?action|href|src|hx-get|hx-post)="/(?!/)')
# Of a path outside the prefix: the URLconf that leads nowhere.
urlpatterns: list[object] = []


def forwarded_headers(get_response: GetResponse) -> GetResponse:
    """Drop `X-Forwarded-*` headers of peers that `OMNIVIEWER_FORWARDED_ALLOW_IPS` does not name."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not _may_forward(request.META.get("REMOTE_ADDR", "")):
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
            request.urlconf = "omniviewer.front"
            request.path = path
        return get_response(request)

    return middleware


def _may_forward(peer: str) -> bool:
    """A socket of this machine has no address, and is opened by the proxy alone."""
    allowed = settings.FORWARDED_ALLOW_IPS
    if not peer or allowed == ["*"]:
        return bool(allowed)
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in allowed)


class TemplateLoader(filesystem.Loader):
    """Templates with the prefix before every address of the site's own that they write out."""

    def get_contents(self, origin: Origin) -> str:
        contents = super().get_contents(origin)
        return _OWN_ADDRESS.sub(rf'\1="{settings.URL_PREFIX}/', contents) if settings.URL_PREFIX else contents
