"""Signing in with a SAML 2.0 identity provider: allauth and python3-saml speak it, held to signed assertions here."""

import base64
import hashlib
import re
from datetime import timedelta
from typing import Any, Final

from allauth.socialaccount.internal.statekit import STATE_TTL
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.saml import views
from allauth.socialaccount.providers.saml.provider import SAMLProvider
from allauth.socialaccount.providers.saml.utils import build_auth
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.backends.base import SessionBase
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request

from omniviewer.accounts.requests import site_path
from omniviewer.accounts.sign_in import throttle
from omniviewer.accounts.sign_in.admission import Person
from omniviewer.accounts.sign_in.claims import groups
from omniviewer.accounts.sign_in.pending import PendingSignIns, RemembersInCookies
from omniviewer.operations.front import client_network

# Errors raised by a malformed response, besides those that allauth handles; lxml's errors are SyntaxErrors.
FAILURES: Final = (SyntaxError, KeyError, TypeError, ValueError, AttributeError)
BEGIN: Final = "/sign-in/saml/"
# Part of the addresses that the identity provider knows.
SLUG: Final = "company"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
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


class Provider(RemembersInCookies, SAMLProvider):
    """The identity provider that the settings name."""

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Redirect as allauth does, with a request id of our own."""
        auth = build_auth(request, self)
        auth.authn_request_class = _Request
        address = auth.login(return_to="")
        self.stash_redirect_state(request, process, next_url, data, state_id=auth.get_last_request_id(), **kwargs)
        return HttpResponseRedirect(address)

    def extract_uid(self, data: Any) -> str:
        """Return an id for allauth's own account rows, which this site does not store: `person` identifies the user."""
        return hashlib.sha256(f"{data.get_nameid()}".encode()).hexdigest()

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        return {
            "attributes": data.get_attributes(),
            "name_id": data.get_nameid() or "",
            "name_id_format": data.get_nameid_format() or "",
        }


def provider(request: HttpRequest, sign_ins: PendingSignIns | None = None) -> Provider:
    app = SocialApp(
        provider=Provider.id,
        provider_id=settings.SAML_ENTITY_ID,
        client_id=SLUG,
        name=settings.SAML_NAME,
        settings={
            "idp": {
                "entity_id": settings.SAML_ENTITY_ID,
                "sso_url": settings.SAML_SSO_URL,
                "x509cert": settings.SAML_CERTIFICATE,
            },
            "advanced": {
                "strict": True,
                # The whole message may be signed too, but only the assertion's signature counts.
                "want_assertion_signed": True,
                "want_attribute_statement": False,
                "reject_deprecated_algorithm": True,
                "reject_idp_initiated_sso": True,
                "name_id_format": PERSISTENT,
                # The demo and the tests run on loopback.
                "allow_single_label_domains": settings.DEMO,
            },
        },
    )
    made = Provider(request, app=app)
    made.sign_ins = sign_ins or PendingSignIns(request, BEGIN)
    return made


class _Ours:
    """A mixin that answers allauth's views from our settings."""

    request: HttpRequest

    def get_app(self, _organization_slug: str) -> SocialApp:
        return provider(self.request).app

    def get_provider(self, _organization_slug: str) -> Provider:
        return provider(self.request)


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class Acs(_Ours, views.ACSView):
    """Receives the identity provider's response from the browser. `Finish` checks it, one redirect later."""

    def dispatch(self, request: HttpRequest, organization_slug: str) -> HttpResponse:
        # Anybody may post here: a response is stored only if it is short and the first to a request of ours, and
        # only until it is checked.
        is_short = int(request.headers.get("Content-Length") or 0) <= _LONGEST_RESPONSE
        if not is_short:
            request.read(_MOST_PASSED_OVER)  # or the browser sees a broken connection in place of the answer
        if request.method != "POST" or not is_short or not request.POST.get("SAMLResponse"):
            return redirect(site_path("/sign-in/"))
        if not _is_awaited(request):
            return redirect("saml_finish_acs", organization_slug)  # which says that nothing came
        response: HttpResponse = super().dispatch(request, organization_slug)
        kept: SessionBase = request.saml_acs_session  # type: ignore[attr-defined]
        kept.set_expiry(_ON_THE_WAY)
        kept.save()
        return response


class Finish(_Ours, views.FinishACSView):
    """Checks the response, now that the browser sends its cookies for this site."""

    sign_ins: PendingSignIns | None = None

    def get_provider(self, _organization_slug: str) -> Provider:
        return provider(self.request, self.sign_ins)


class Metadata(_Ours, views.MetadataView):
    """The description of this site for the identity provider."""


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
    response: HttpResponse = provider(request, sign_ins).redirect(
        request, "login", next_url=target, by="saml", by_person=by_person
    )
    return response


def finish(request: HttpRequest, sign_ins: PendingSignIns) -> HttpResponse:
    """Finish a sign-in: check signature, times, audience, destination and `InResponseTo` of the response.

    Raises `PermissionDenied` if no such sign-in was begun in this browser.
    """
    response: HttpResponse = Finish.as_view(sign_ins=sign_ins)(request, organization_slug=SLUG)
    return response


def person(login: SocialLogin) -> Person:
    """Return the person whom the identity provider names.

    The subject is the attribute that the settings name, else a persistent NameID.
    """
    said = login.account.extra_data
    attributes: dict[str, list[str]] = said["attributes"]
    if settings.SAML_SUBJECT:
        subject = _first(attributes, (settings.SAML_SUBJECT,))
    else:
        subject = said["name_id"] if said["name_id_format"] == PERSISTENT else ""
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
