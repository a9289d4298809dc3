"""For `check --live`: the running site tells what reached it through the proxy, to who can sign by the site's key."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse, JsonResponse

from omniviewer.operations.front import client_address, peer_address
from omniviewer.version import own_version

HEADER = "X-Omniviewer-Check"
_SIGNER = TimestampSigner(salt="omniviewer.operations.live_echo")
# The clocks of two machines may differ: the check says so itself.
_SECONDS = 2 * 3600


def question() -> str:
    """Return a value of `HEADER` that the site answers."""
    return _SIGNER.sign(secrets.token_urlsafe(9))


def echo(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer a request of `check --live` with what arrived of it, instead of a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        asked = request.headers.get(HEADER)
        return _told(request, asked) if asked and _is_own(asked) else get_response(request)

    return middleware


def _is_own(asked: str) -> bool:
    try:
        _SIGNER.unsign(asked, max_age=_SECONDS)
    except BadSignature:
        return False
    return True


def _told(request: HttpRequest, asked: str) -> HttpResponse:
    names = (settings.PROXY_HEADER, settings.PROXY_EMAIL_HEADER, settings.PROXY_NAME_HEADER)
    told = {
        "asked": asked,
        "version": own_version(),
        "is_secure": request.is_secure(),
        "host": request.headers.get("Host", ""),
        "peer": str(peer_address(request) or ""),
        "client": str(client_address(request) or ""),
        "is_forwarded": "X-Forwarded-For" in request.headers,
        "has_token": "Authorization" in request.headers,
        "named": {name: request.headers.get(name, "") for name in (*names, settings.PROXY_GROUPS_HEADER) if name},
    }
    answer = JsonResponse(told)
    answer["Cache-Control"] = "no-store"
    return answer
