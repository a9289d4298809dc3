"""Signing in with an OpenID Connect provider: allauth speaks the protocol, and is held to the whole of it here.

OpenID Connect Core 1.0, sections 3.1.2 (the code flow) and 3.1.3.7 (what an ID token has to be); RFC 7636 (PKCE);
OpenID Connect RP-Initiated Logout 1.0.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from omniviewer.accounts.requests import canonical, site_path
from omniviewer.accounts.sign_in.admission import Person
from omniviewer.accounts.sign_in.claims import groups_in
from omniviewer.accounts.sign_in.pending import PendingSignIns, RemembersInCookies

BEGIN: Final = "/sign-in/oidc/"
CALLBACK: Final = "/sign-in/oidc/callback/"
# Session key of the ID token, which tells the provider whom to sign out.
SIGNED: Final = "oidc_id_token"
# The algorithms of RFC 7518 and RFC 8037 that need no secret shared with the provider, and never "none".
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
# Claims about the ID token itself or its subject, accepted from the signed token only.
_OF_THE_TOKEN = frozenset(("iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "jti"))
# Seconds by which the provider's clock may differ from ours.
_CLOCKS_DIFFER = 60
# Seconds for which the discovery document is cached.
_DISCOVERY_KEPT = 300


# Errors raised when the provider is down or its replies make no sense; requests' errors are OSErrors.
FAILURES: Final = (OAuth2Error, OSError, KeyError, TypeError, ValueError)


class Protocol(OpenIDConnectOAuth2Adapter):
    """The OpenID Connect exchange between the provider and this site."""

    def __init__(self, request: HttpRequest, sign_ins: PendingSignIns | None = None) -> None:
        super().__init__(request, settings.OIDC_ISSUER)
        self._sign_ins = sign_ins or PendingSignIns(request, BEGIN)

    def get_provider(self) -> "Provider":
        return provider(self.request, self._sign_ins)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002
        return canonical(request, site_path(CALLBACK))

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's discovery document. Raises `OAuth2Error` if it names the wrong issuer."""
        address = settings.OIDC_ISSUER.rstrip("/") + "/.well-known/openid-configuration"
        key = f"oidc:{address}"
        said: dict[str, Any] | None = cache.get(key)
        if said is None:
            said = _get_json(address)
            cache.set(key, said, _DISCOVERY_KEPT)
        if str(said.get("issuer", "")).rstrip("/") != settings.OIDC_ISSUER.rstrip("/"):
            raise OAuth2Error(f"The provider calls itself {said.get('issuer')!r}, not {settings.OIDC_ISSUER!r}")
        return said

    def complete_login(self, request: HttpRequest, _app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Return the claims of the ID token and the userinfo endpoint, both about one person. Raises `OAuth2Error`."""
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise OAuth2Error("The provider sent no ID token")
        claims = self._verified(id_token)
        if "userinfo_endpoint" in self.openid_config:
            userinfo = _get_json(self.profile_url, token=token.token)
            if userinfo.get("sub") != claims["sub"]:
                raise OAuth2Error("The userinfo is somebody else's")
            claims = _joined(claims, userinfo)
        login: SocialLogin = self.get_provider().sociallogin_from_response(
            request, {"userinfo": claims, "signed": id_token}
        )
        return login

    def _verified(self, id_token: str) -> dict[str, Any]:
        """Return the claims of an ID token that the provider signed for this site. `person` compares the `nonce`."""
        try:
            key = _signing_key(id_token, _get_json(self.openid_config["jwks_uri"]).get("keys"))
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=key,
                algorithms=_ALGORITHMS,
                audience=settings.OIDC_CLIENT_ID,
                issuer=self.openid_config["issuer"],
                leeway=_CLOCKS_DIFFER,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error(f"The ID token is not valid: {error}") from error
        # With several audiences, `azp` says which of them asked for the token.
        asked_by, audiences = claims.get("azp"), claims["aud"]
        is_only_ours = isinstance(audiences, str) or set(audiences) == {settings.OIDC_CLIENT_ID}
        if asked_by != settings.OIDC_CLIENT_ID and not (asked_by is None and is_only_ours):
            raise OAuth2Error("The ID token is meant for another client")
        return claims


def _signing_key(id_token: str, jwks: object) -> jwt.PyJWK:
    """Return the provider's key that signed the ID token. Raises `OAuth2Error`, or one of PyJWT's errors.

    RFC 7517: `kid` and `alg` are optional in a key, so keys without a name are tried one after the other.
    """
    header = jwt.get_unverified_header(id_token)
    name, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in _ALGORITHMS:
        raise OAuth2Error("The ID token is not signed, or not by a key of the provider's")
    keys = [key for key in jwks if isinstance(key, dict)] if isinstance(jwks, list) else []
    keys = [key for key in keys if key.get("use", "sig") == "sig"]
    if name is not None:
        keys = [key for key in keys if key.get("kid") == name] or [key for key in keys if key.get("kid") is None]
    for key in keys:
        try:
            made = jwt.PyJWK(key, key.get("alg") or algorithm)
            jwt.PyJWS().decode_complete(id_token, made, algorithms=_ALGORITHMS)
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):  # no key, or none that can check a signature
            continue
        return made
    raise OAuth2Error("No key of the provider's fits the ID token")


def _joined(claims: dict[str, Any], userinfo: dict[str, Any]) -> dict[str, Any]:
    """Add the userinfo to the ID token's claims, except for claims about the token itself: only those signed count.

    An e-mail address and whether it is verified come from the same source.
    """
    further = {name: said for name, said in userinfo.items() if name not in _OF_THE_TOKEN}
    if "email" in further:
        further.setdefault("email_verified", False)
    return {**claims, **further}


class Provider(RemembersInCookies, OpenIDConnectProvider):
    oauth2_adapter_class = Protocol

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return an id for allauth's own account rows, which this site does not store: `person` identifies the user."""
        return hashlib.sha256(f"{data['userinfo']['sub']}".encode()).hexdigest()

    def get_pkce_params(self) -> dict[str, str]:
        """Return a verifier as long as RFC 7636 recommends: allauth's is three times as long, too long for a cookie."""
        verifier = secrets.token_urlsafe(32)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        return {"code_verifier": verifier, "code_challenge_method": "S256", "code_challenge": challenge}

    def get_oauth2_adapter(self, request: HttpRequest) -> Protocol:
        return Protocol(request)


class _Callback(OAuth2CallbackView):
    def _get_state(
        self, request: HttpRequest, provider: Provider
    ) -> tuple[dict[str, Any], None] | tuple[None, HttpResponse]:
        """Return what the browser remembers; or the page that says that it does not. allauth asks the session here."""
        try:
            return provider.unstash_redirect_state(request, request.GET.get("state", "")), None
        except PermissionDenied:
            return None, render_authentication_error(request, provider)


def provider(request: HttpRequest, sign_ins: PendingSignIns) -> Provider:
    """Return the provider that the settings name."""
    app = SocialApp(
        provider=Provider.id,
        provider_id=settings.OIDC_ISSUER,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={
            "server_url": settings.OIDC_ISSUER,
            "scope": settings.OIDC_SCOPES,
        },
    )
    made = Provider(request, app=app)
    made.sign_ins = sign_ins
    return made


def start(
    request: HttpRequest, target: str, sign_ins: PendingSignIns, *, by_person: bool, ask_who: bool = False
) -> HttpResponse:
    """Redirect to the provider, to come back to `target`. Raises one of `FAILURES` if it cannot be reached."""
    nonce = secrets.token_urlsafe(24)
    parameters = {"nonce": nonce} | ({"prompt": "login"} if ask_who else {})
    response: HttpResponse = provider(request, sign_ins).redirect(
        request, "login", next_url=target, auth_params=parameters, nonce=nonce, by="oidc", by_person=by_person
    )
    return response


def finish(request: HttpRequest, sign_ins: PendingSignIns) -> HttpResponse:
    """Have allauth exchange the code of a sign-in begun here; `single_sign_on` takes over afterwards.

    Raises one of `FAILURES` for a reply that lacks what allauth takes for granted.
    """
    response: HttpResponse = _Callback.adapter_view(Protocol(request, sign_ins))(request)
    return response


def person(login: SocialLogin) -> Person:
    """Return the person whom the provider names. Raises `OAuth2Error` if the ID token belongs to another sign-in."""
    claims: dict[str, Any] = login.account.extra_data["userinfo"]
    nonce: str = login.state.get("nonce", "")
    if not nonce or not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise OAuth2Error("The ID token was not made for this sign-in")
    email = str(claims.get("email") or "")
    return Person(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        usernames=(str(claims.get("preferred_username") or ""), email.partition("@")[0]),
        email=email,
        email_is_verified=settings.OIDC_EMAILS_ARE_VERIFIED or claims.get("email_verified") in (True, "true"),
        first_name=str(claims.get("given_name") or claims.get("name") or ""),
        last_name=str(claims.get("family_name") or ""),
        groups=groups_in(claims, settings.OIDC_GROUPS_CLAIM),
    )


def sign_out_address(request: HttpRequest, afterwards: str) -> str:
    """Return the provider's sign-out address, which leads back to the path `afterwards`, or "" if it has none."""
    try:
        endpoint = Protocol(request).openid_config.get("end_session_endpoint")
    except FAILURES:
        endpoint = None
    if not isinstance(endpoint, str):
        return ""
    query = {"client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": canonical(request, afterwards)}
    if hint := request.session.get(SIGNED):
        query["id_token_hint"] = hint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def _get_json(address: str, *, token: str = "") -> dict[str, Any]:
    """Raises `OAuth2Error`, or an OSError of requests'."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with get_adapter().get_requests_session() as session:
        response = session.get(address, headers=headers, allow_redirects=False)
        response.raise_for_status()
        said = response.json()
    if not isinstance(said, dict):
        raise OAuth2Error("The provider answered with something else than an object")
    return said
