"""Views of single sign-on: to the identity provider, and back with a person or a failure."""

import functools
import logging
import re
from http import HTTPStatus
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from omniviewer.accounts import sessions
from omniviewer.accounts.requests import afterwards, is_at_public_url, next_path, site_path
from omniviewer.accounts.sign_in import oidc
from omniviewer.accounts.sign_in.admission import Person, Refused, admit, known
from omniviewer.accounts.sign_in.pending import PendingSignIns, ProviderError
from omniviewer.accounts.sign_in.refusal_page import refusal
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.operations.front import is_by_person

if settings.SAML_ENTITY_ID:
    from omniviewer.accounts.sign_in import saml

# A parameter that marks a request redirected to the public address already.
_LED_THERE = "led-there"
_log = logging.getLogger("omniviewer.accounts")

UNREACHABLE = Refused("unreachable", "Your company’s sign-in is not responding right now.")
_CANCELLED = Refused("cancelled", "You did not complete your company’s sign-in.")
_PROVIDER_ERROR = Refused("provider-error", "Your company’s sign-in returned an error instead of your name.")
_LOST = Refused(
    "lost", "This sign-in took too long, was already finished, or was started in another browser. Start again."
)
_INVALID = Refused("invalid", "What your company’s sign-in sent could not be verified, so nobody was signed in.")


class _Start(Protocol):
    def __call__(
        self, request: HttpRequest, target: str, sign_ins: PendingSignIns, *, by_person: bool
    ) -> HttpResponse: ...


@login_not_required
@require_safe
def to_provider(request: HttpRequest) -> HttpResponse:
    """Redirect to the OpenID provider; with `again`, have it ask for a sign-in even if it knows somebody."""
    ask_who = "again" in request.GET
    return _set_out(request, oidc.BEGIN, functools.partial(oidc.start, ask_who=ask_who))


@login_not_required
@require_safe
def from_provider(request: HttpRequest) -> HttpResponse:
    """Finish a sign-in at the OpenID provider: redirect to the wanted address, or show why it failed."""
    sign_ins = PendingSignIns(request, oidc.BEGIN)
    begun = sign_ins.take(request.GET.get("state", ""))
    if begun is None:
        response = _lost(request, sign_ins)
    else:
        try:
            person, id_token = oidc.finish(request, begun)
        except oidc.FAILURES as error:
            response = _failed(request, begun["next"], error, by="oidc")
        else:
            response = _welcome(request, person, begun, by="oidc", id_token=id_token)
    return _settled(request, response, sign_ins)


@login_not_required
@require_safe
def to_saml(request: HttpRequest) -> HttpResponse:
    """Redirect to the SAML identity provider."""
    return _set_out(request, saml.BEGIN, saml.start)


@login_not_required
@require_safe
def from_saml(request: HttpRequest, **_slug: str) -> HttpResponse:
    """Finish a sign-in at the SAML identity provider."""
    sign_ins = PendingSignIns(request, saml.BEGIN)
    try:
        found = saml.finish(request)
    except (saml.Invalid, ProviderError) as error:
        response = _failed(request, sign_ins.wanted(""), error, by="saml")
    else:
        begun = sign_ins.take(found.answers) if found else None
        response = _welcome(request, found.person, begun, by="saml") if found and begun else _lost(request, sign_ins)
    return _settled(request, response, sign_ins)


@login_not_required
@require_safe
def metadata(request: HttpRequest, **_slug: str) -> HttpResponse:
    """Return the description of this site for the SAML identity provider, at the site's public address."""
    if elsewhere := _elsewhere(request):
        return elsewhere
    return saml.metadata(request)


def _elsewhere(request: HttpRequest) -> HttpResponse | None:
    """Return the way to the public address, or why it leads nowhere; None where the request came there."""
    if is_at_public_url(request):
        return None
    if _LED_THERE not in request.GET:
        address = settings.PUBLIC_URL + request.get_full_path()
        return redirect(f"{address}{'&' if '?' in address else '?'}{_LED_THERE}=1")
    host = request.get_host()
    refused = Refused(
        "wrong-host",
        f"This site’s address is set to {settings.PUBLIC_URL}, but your request arrived for {host}, even after a "
        "redirect. Tell the people who run this site: the proxy must pass the browser’s Host header on unchanged, or "
        "OMNIVIEWER_PUBLIC_URL must name the host that the proxy sends.",
    )
    return refusal(request, refused, next_path(request), status=HTTPStatus.BAD_GATEWAY)


def _set_out(request: HttpRequest, begin: str, start: _Start) -> HttpResponse:
    if elsewhere := _elsewhere(request):
        return elsewhere  # or the cookie that is set here is not there on the way back
    target = next_path(request)
    if request.user.is_authenticated and "again" not in request.GET:
        return redirect(target or site_path("/conversations/"))
    # Robots that preview links come this far and no further, so nothing is stored here.
    sign_ins = PendingSignIns(request, begin)
    try:
        response = start(request, target, sign_ins, by_person=is_by_person(request))
    except oidc.FAILURES as error:
        return unreachable(request, error, target)
    return sign_ins.settle(request, response)


def _settled(request: HttpRequest, response: HttpResponse, sign_ins: PendingSignIns) -> HttpResponse:
    if request.user.is_authenticated:
        sign_ins.forget_wanted()
    return sign_ins.settle(request, response)


def _welcome(
    request: HttpRequest, person: Person, begun: dict[str, Any], *, by: str, id_token: str = ""
) -> HttpResponse:
    target = afterwards(begun["next"])
    try:
        user = admit(person)
    except Refused as refused:
        trail.record(request, Kind.REFUSED, result=refused.why, user=known(person), by=by)
        return refusal(request, refused, target, can_use_another=bool(settings.OIDC_ISSUER))
    sessions.begin(request, user, by=by)
    if id_token:
        request.session[oidc.SIGNED] = id_token
    if begun["by_person"]:
        sessions.note_arrival(request, target)
    return redirect(target or site_path("/conversations/"))


def _lost(request: HttpRequest, sign_ins: PendingSignIns) -> HttpResponse:
    """Show that no such sign-in was begun here: unless another window was faster, or the wanted address got lost."""
    target = afterwards(sign_ins.wanted(request.GET.get("state", "")))
    if request.user.is_authenticated:
        return redirect(target or site_path("/conversations/"))
    return refusal(request, _LOST, target)


def _failed(request: HttpRequest, wanted: str, error: Exception, *, by: str) -> HttpResponse:
    """Show why a sign-in failed. The log gets the provider's error code or the fault: no secrets, no claims."""
    target = afterwards(wanted)
    if isinstance(error, OSError):  # requests' errors are
        return unreachable(request, error, target)
    if isinstance(error, ProviderError):
        if error.code == "access_denied":
            return refusal(request, _CANCELLED, target)
        code = error.code if re.fullmatch(r"[a-z_]{1,60}", error.code) else "no error code"
        _log.warning("sign-in failed", extra={"reason": f"the provider says {code}"})
        return refusal(request, _PROVIDER_ERROR, target)
    _log.warning("sign-in failed", extra={"reason": str(error)[:200]})
    trail.record(request, Kind.REFUSED, result=_INVALID.why, by=by)
    return refusal(request, _INVALID, target)


def unreachable(request: HttpRequest, error: Exception, target: str) -> HttpResponse:
    reason = type(error).__name__
    hint = {"hint": "its certificate is not trusted: REQUESTS_CA_BUNDLE names a company's own authority"}
    _log.warning("identity provider away", extra={"reason": reason} | (hint if "SSL" in reason else {}))
    return refusal(request, UNREACHABLE, target, status=HTTPStatus.SERVICE_UNAVAILABLE)
