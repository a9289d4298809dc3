"""Signing in with a SAML 2.0 identity provider: python3-saml speaks it, held to signed assertions here."""

import base64
import re
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.views.decorators.csrf import csrf_exempt
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.constants import OneLogin_Saml2_Constants
from onelogin.saml2.errors import OneLogin_Saml2_Error
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from omniviewer.accounts.requests import canonical, site_path
from omniviewer.accounts.session_store import SessionStore
from omniviewer.accounts.sign_in import throttle
from omniviewer.accounts.sign_in.admission import Person
from omniviewer.accounts.sign_in.claims import groups
from omniviewer.accounts.sign_in.pending import STATE_TTL, PendingSignIns, ProviderError
from omniviewer.operations.front import client_network

BEGIN: Final = "/sign-in/saml/"
# Part of the addresses that the identity provider knows.
SLUG: Final = "company"
ACS: Final = f"{BEGIN}{SLUG}/acs/"
FINISH: Final = f"{ACS}finish/"
PERSISTENT: Final = OneLogin_Saml2_Constants.NAMEID_PERSISTENT
# Names the stored response, on the way from `acs` to `finish`.
_COOKIE: Final = "saml-acs-session"
# Bytes of a response: a longer one is refused, and never stored.
_LONGEST_RESPONSE: Final = 64 * 1024
# Responses stored for one client in ten minutes: many people may share an address.
_MAX_RESPONSES: Final = 200
_WITHIN: Final = timedelta(minutes=10)
# Matches a response's first tag only; its signature and everything else are checked later.
_ANSWERS: Final = re.compile(rb"""<(?:[\w.-]+:)?Response\s(?:[^>]*\s)?InResponseTo\s*=\s*["']([^"'<>]{1,200})["']""")
# Requests carry our signature in their id, so that it is known again without the browser's cookies, which are not sent
# along from another site. Dots and letters alone: an id is an XML name.
_REQUESTS: Final = TimestampSigner(sep=".", salt="omniviewer.accounts.sign_in.saml.requests")
# Bytes of an overlong response that are read and dropped.
_MOST_PASSED_OVER: Final = 4 * 1024 * 1024
# Seconds between the response's arrival and its check.
_ON_THE_WAY: Final = 300
# The attribute that Entra ID sends in place of the groups, if there are too many.
_GROUPS_ELSEWHERE: Final = "http://schemas.microsoft.com/claims/groups.link"
# Names of the common attributes: by their LDAP ids, by Microsoft, or plainly.
_NAMES: Final = {
    "email": (
        "urn:oid:0.9.2342.19200300.100.1.3",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "email",
        "mail",
    ),
    "first_name": (
        "urn:oid:2.5.4.42",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
        "firstName",
        "givenName",
    ),
    "last_name": (
        "urn:oid:2.5.4.4",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
        "lastName",
        "sn",
    ),
    "username": ("urn:oid:0.9.2342.19200300.100.1.1", "uid", "username"),
}


class _Request(OneLogin_Saml2_Authn_Request):
    def _generate_request_id(self) -> str:
        return str(_REQUESTS.sign(f"_{get_random_string(32)}"))


class Invalid(Exception):
    """Raised for a response that cannot be trusted."""


class SignedIn(NamedTuple):
    person: Person
    # Id of the request that was answered.
    answers: str


def _settings(request: HttpRequest) -> dict[str, Any]:
    """Return the identity provider that the settings name, and this site, as python3-saml wants them."""
    here = f"{BEGIN}{SLUG}"
    return {
        "strict": True,
        "security": {
            "requestedAuthnContext": False,
            # The whole message may be signed too, but only the assertion's signature counts.
            "wantAssertionsSigned": True,
            "wantAttributeStatement": False,
            "wantNameId": False,
            "allowRepeatAttributeName": True,
            "rejectDeprecatedAlgorithm": True,
            "signatureAlgorithm": OneLogin_Saml2_Constants.RSA_SHA256,
            "digestAlgorithm": OneLogin_Saml2_Constants.SHA256,
            # The demo and the tests run on loopback.
            "allowSingleLabelDomains": settings.DEMO,
        },
        "idp": {
            "entityId": settings.SAML_ENTITY_ID,
            "x509cert": settings.SAML_CERTIFICATE,
            "singleSignOnService": {"url": settings.SAML_SSO_URL},
        },
        "sp": {
            "entityId": canonical(request, site_path(f"{here}/metadata/")),
            "NameIDFormat": PERSISTENT,
            "assertionConsumerService": {
                "url": canonical(request, site_path(ACS)),
                "binding": OneLogin_Saml2_Constants.BINDING_HTTP_POST,
            },
            "singleLogoutService": {
                "url": canonical(request, site_path(f"{here}/sls/")),
                "binding": OneLogin_Saml2_Constants.BINDING_HTTP_REDIRECT,
            },
        },
    }


def _auth(request: HttpRequest, response: str = "") -> OneLogin_Saml2_Auth:
    came_to = urlsplit(canonical(request, site_path(ACS)))
    data = {
        "https": "on" if came_to.scheme == "https" else "off",
        "http_host": came_to.netloc,
        "script_name": came_to.path,
        "get_data": {},
        "post_data": {"SAMLResponse": response},
    }
    return OneLogin_Saml2_Auth(data, _settings(request))


@csrf_exempt
@login_not_required
def acs(request: HttpRequest, **_slug: str) -> HttpResponse:
    """Store the identity provider's response, which the browser posts without its cookies for this site.

    `finish` checks it, one redirect later. Anybody may post here: a response is stored only if it is short and the
    first to a request of ours, and only until it is checked.
    """
    is_short = int(request.headers.get("Content-Length") or 0) <= _LONGEST_RESPONSE
    if not is_short:
        request.read(_MOST_PASSED_OVER)  # or the browser sees a broken connection in place of the answer
    if request.method != "POST" or not is_short or not request.POST.get("SAMLResponse"):
        return redirect(site_path("/sign-in/"))
    response = redirect(site_path(FINISH))
    if _is_awaited(request):  # else `finish` says that nothing came
        kept = SessionStore()
        kept["response"] = request.POST["SAMLResponse"]
        kept.set_expiry(_ON_THE_WAY)
        kept.save()
        response.set_cookie(
            _COOKIE,
            kept.session_key or "",
            path=site_path(FINISH),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
    return response


def metadata(request: HttpRequest) -> HttpResponse:
    """Return the description of this site for the identity provider."""
    described = OneLogin_Saml2_Settings(_settings(request), sp_validation_only=True).get_sp_metadata()
    return HttpResponse(described, content_type="text/xml")


def _is_awaited(request: HttpRequest) -> bool:
    """Return whether the response is the first to a request of ours, and its client has not sent too many."""
    try:
        found = _ANSWERS.search(base64.b64decode(request.POST["SAMLResponse"]))
        request_id = found[1].decode("ascii") if found else ""
        _REQUESTS.unsign(request_id, max_age=STATE_TTL)
    except (ValueError, BadSignature):
        return False
    if throttle.is_over(f"saml from {client_network(request)}", _MAX_RESPONSES, _WITHIN):
        return False
    return not throttle.is_over(f"saml to {request_id}", 1, _WITHIN)


def start(request: HttpRequest, target: str, sign_ins: PendingSignIns, *, by_person: bool) -> HttpResponse:
    """Redirect to the identity provider, to come back to `target`."""
    auth = _auth(request)
    auth.authn_request_class = _Request
    address = auth.login(return_to="")
    sign_ins.begin(target, auth.get_last_request_id(), by_person=by_person)
    return HttpResponseRedirect(address)


def finish(request: HttpRequest) -> SignedIn | None:
    """Return the person whom the stored response names, and delete it; None if none is stored.

    Checks signature, times, audience and destination. Raises `Invalid`, or `ProviderError`.
    """
    kept = SessionStore(request.COOKIES.get(_COOKIE))
    response = kept.get("response")
    if response is None:
        return None
    kept.delete()
    auth = _auth(request, response)
    try:
        auth.process_response()
    except OneLogin_Saml2_Error as error:
        raise Invalid(str(error)) from error
    except (SyntaxError, KeyError, TypeError, ValueError, AttributeError) as error:  # lxml's are SyntaxErrors
        raise Invalid(type(error).__name__) from error
    if errors := auth.get_errors():
        reason = auth.get_last_error_reason() or ""
        raise ProviderError("no success") if "status code" in reason else Invalid(f"{errors}: {reason}")
    if not auth.is_authenticated():
        raise Invalid("not authenticated")
    return SignedIn(_person(auth), auth.get_last_response_in_response_to() or "")


def _person(auth: OneLogin_Saml2_Auth) -> Person:
    """Return the person whom the identity provider names.

    The subject is the attribute that the settings name, else a persistent NameID.
    """
    attributes: dict[str, list[str]] = auth.get_attributes()
    if settings.SAML_SUBJECT:
        subject = _first(attributes, (settings.SAML_SUBJECT,))
    else:
        subject = (auth.get_nameid() or "") if auth.get_nameid_format() == PERSISTENT else ""
    email = _first(attributes, _NAMES["email"])
    is_elsewhere = settings.SAML_GROUPS not in attributes and _GROUPS_ELSEWHERE in attributes
    return Person(
        # A prefix, because an OpenID issuer may have the same name, and mean somebody else by the same subject.
        issuer=f"saml:{settings.SAML_ENTITY_ID}",
        subject=subject,
        usernames=(_first(attributes, _NAMES["username"]), email.partition("@")[0]),
        email=email,
        # SAML has no attribute for this: the company's own directory vouches for its addresses.
        email_is_verified=bool(email),
        first_name=_first(attributes, _NAMES["first_name"]),
        last_name=_first(attributes, _NAMES["last_name"]),
        groups=None if is_elsewhere else groups(attributes.get(settings.SAML_GROUPS)),
    )


def _first(attributes: dict[str, list[str]], names: tuple[str, ...]) -> str:
    return next((str(values[0]) for name in names if (values := attributes.get(name))), "")
