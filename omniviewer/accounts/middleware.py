"""Middleware about the reader of every page: time zone, signing out, privacy."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRefresh

GetResponse = Callable[[HttpRequest], HttpResponse]
# A page of text needs no device; the clipboard is written to on a click only.
_NO_DEVICES = ", ".join(f"{name}=()" for name in ("camera", "geolocation", "microphone", "payment", "usb"))
_ZONES = frozenset(available_timezones())


def reader_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the zone that the browser reported (static/js/site.js), else in `OMNIVIEWER_TIME_ZONE`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = unquote(request.COOKIES.get("time_zone", ""))
        if name not in _ZONES:
            return get_response(request)
        with timezone.override(ZoneInfo(name)):
            return get_response(request)

    return middleware


def refresh_when_signed_out(get_response: GetResponse) -> GetResponse:
    """Have htmx load the sign-in page as a whole page when a reader is signed out, not as a part of the open page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        leads_away = response.status_code == HTTPStatus.FOUND and request.headers.get("HX-Request") == "true"
        if leads_away and response.headers["Location"].startswith(f"{settings.LOGIN_URL}?"):
            return HttpResponseClientRefresh()
        return response

    return middleware


def private_pages(get_response: GetResponse) -> GetResponse:
    """Forbid proxies, caches and search robots to store pages behind the sign-in, and other sites to embed them."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        add_never_cache_headers(response)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = _NO_DEVICES
        return response

    return middleware
