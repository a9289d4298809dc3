"""Signing in with an OpenID Connect provider: Authlib speaks the protocol.

OpenID Connect Core 1.0, sections 3.1.2 (the code flow) and 3.1.3.7 (what an ID token has to be); RFC 7636 (PKCE);
OpenID Connect RP-Initiated Logout 1.0.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oidc.core import CodeIDToken
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from omniviewer.accounts.requests import canonical, site_path
from omniviewer.accounts.sign_in.admission import Person
from omniviewer.accounts.sign_in.claims import groups_in
from omniviewer.accounts.sign_in.pending import PendingSignIns, ProviderError
from omniviewer.omni.transport import Adapter, Attempt

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
# Seconds for one silence of the provider's, and for all that it is asked during one of our requests.
_SILENCE_SECONDS, _EXCHANGE_SECONDS = 5, 20

# Errors raised when the provider is down or its replies make no sense; requests' errors are OSErrors.
FAILURES: Final = (ProviderError, JoseError, OSError, KeyError, TypeError, ValueError)


def discovery_address() -> str:
    return str(settings.OIDC_ISSUER.rstrip("/") + "/.well-known/openid-configuration")


def wrong_issuer(discovered: dict[str, Any]) -> str:
    """Return the sentence for a discovery document that names another issuer than the settings; "" if it does not."""
    if str(discovered.get("issuer", "")).rstrip("/") == settings.OIDC_ISSUER.rstrip("/"):
        return ""
    return f"The provider calls itself {discovered.get('issuer')!r}, not {settings.OIDC_ISSUER!r}"


class _Signatures(JWSRegistry):
    # Providers add parameters of their own, and certificate chains, to the header of an ID token.
    max_header_length = 16 * 1024


class _Provider:
    """The provider that the settings name: its discovery document, and what it says of one sign-in."""

    def __init__(self, client: OAuth2Session) -> None:
        self._client = client
        self.endpoints = self._discovery()

    def address(self, **parameters: str) -> str:
        """Return the provider's address to send the browser to."""
        made: str = self._client.create_authorization_url(self.endpoints["authorization_endpoint"], **parameters)[0]
        return made

    def claims(self, code: str, verifier: str, nonce: str) -> tuple[dict[str, Any], str]:
        """Return the claims of the ID token and the userinfo endpoint, both about one person; and the ID token."""
        methods = self.endpoints.get("token_endpoint_auth_methods_supported", [])
        in_header = "client_secret_post" not in methods and "client_secret_basic" in methods
        self._client.token_endpoint_auth_method = "client_secret_basic" if in_header else "client_secret_post"
        try:
            reply = self._client.fetch_token(
                self.endpoints["token_endpoint"], code=code, code_verifier=verifier, allow_redirects=False
            )
        except OAuthError as error:
            raise ProviderError(str(error.error)) from None
        if "access_token" not in reply:
            raise ProviderError("no_access_token")
        claims = self._verified(reply["id_token"], reply["access_token"], nonce)
        if "userinfo_endpoint" in self.endpoints:
            userinfo = self._json(self.endpoints["userinfo_endpoint"], access_token=reply["access_token"])
            if userinfo.get("sub") != claims["sub"]:
                raise ValueError("The userinfo is somebody else's")
            claims = _joined(claims, userinfo)
        return claims, reply["id_token"]

    def _verified(self, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token that the provider signed for this site, in this sign-in."""
        token = _decoded(id_token, self._json(self.endpoints["jwks_uri"]).get("keys", []))
        audience = token.claims.get("aud")
        if isinstance(audience, list):
            token.claims["aud"] = list(dict.fromkeys(audience))  # Authlib wants `azp` for the same one twice
        expected = {"iss": {"value": self.endpoints["issuer"]}, "aud": {"value": settings.OIDC_CLIENT_ID}}
        sent = {"nonce": nonce, "client_id": settings.OIDC_CLIENT_ID, "access_token": access_token}
        CodeIDToken(token.claims, token.header, expected, sent).validate(leeway=_CLOCKS_DIFFER)
        return token.claims

    def _discovery(self) -> dict[str, Any]:
        """Return the provider's discovery document. Raises `ValueError` if it names the wrong issuer."""
        address = discovery_address()
        key = f"oidc:{address}"
        said: dict[str, Any] | None = cache.get(key)
        if said is None:
            said = self._json(address)
            cache.set(key, said, _DISCOVERY_KEPT)
        if wrong := wrong_issuer(said):
            raise ValueError(wrong)
        return said

    def _json(self, address: str, *, access_token: str = "") -> dict[str, Any]:
        """Return the object at an address of the provider's. Raises one of `FAILURES`."""
        # Not Authlib's own header: it refuses a token that lives for less than a minute.
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        response = self._client.get(address, headers=headers, withhold_token=True, allow_redirects=False)
        response.raise_for_status()
        said = response.json()
        if not isinstance(said, dict):
            raise TypeError("The provider answered with something else than an object")
        return said


@contextmanager
def _provider(request: HttpRequest) -> Iterator[_Provider]:
    """Ask the provider, with a deadline for the whole of it."""
    client = OAuth2Session(
        settings.OIDC_CLIENT_ID,
        settings.OIDC_CLIENT_SECRET,
        scope=settings.OIDC_SCOPES,
        redirect_uri=canonical(request, site_path(CALLBACK)),
        code_challenge_method="S256",
        default_timeout=_SILENCE_SECONDS,
    )
    with client, Attempt(_EXCHANGE_SECONDS, may_retry=lambda: True):
        for scheme in ("https://", "http://"):
            client.mount(scheme, Adapter())
        yield _Provider(client)


def _decoded(id_token: str, keys: list[object]) -> jwt.Token:
    """Return the ID token, checked with the key that signed it. Raises `ValueError` if none of the provider's did.

    RFC 7517: `kid` and `alg` are optional in a key, so keys are tried one after the other. joserfc's sets of keys go by
    the name, and cannot hold a key that joserfc does not understand.
    """
    signatures = _Signatures(algorithms=_ALGORITHMS, strict_check_header=False)
    for key in keys:
        if not isinstance(key, dict):
            continue
        try:
            return jwt.decode(id_token, jwk.import_key(key), registry=signatures)
        except (JoseError, AttributeError, KeyError, TypeError, ValueError):  # no key, or none that signed this
            continue
    raise ValueError("No key of the provider's fits the ID token")


def _joined(claims: dict[str, Any], userinfo: dict[str, Any]) -> dict[str, Any]:
    """Add the userinfo to the ID token's claims, except for claims about the token itself: only those signed count.

    An e-mail address and whether it is verified come from the same source.
    """
    of_the_token = _OF_THE_TOKEN | {settings.OIDC_SUBJECT_CLAIM}
    further = {name: said for name, said in userinfo.items() if name not in of_the_token}
    if "email" in further:
        further.setdefault("email_verified", False)
    return {**claims, **further}


def start(
    request: HttpRequest, target: str, sign_ins: PendingSignIns, *, by_person: bool, ask_who: bool = False
) -> HttpResponse:
    """Redirect to the provider, to come back to `target`. Raises one of `FAILURES` if it cannot be reached."""
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(32)
    prompt = {"prompt": "login"} if ask_who else {}
    state = sign_ins.begin(target, nonce=nonce, verifier=verifier, by_person=by_person)
    with _provider(request) as provider:
        return HttpResponseRedirect(provider.address(state=state, nonce=nonce, code_verifier=verifier, **prompt))


def finish(request: HttpRequest, begun: dict[str, Any]) -> tuple[Person, str]:
    """Return the person whom the provider names in a sign-in that was begun here, and the ID token.

    Raises one of `FAILURES`.
    """
    if "error" in request.GET or "code" not in request.GET:
        raise ProviderError(request.GET.get("error", "no_code"))
    with _provider(request) as provider:
        claims, id_token = provider.claims(request.GET["code"], begun["verifier"], begun["nonce"])
    return _person(claims), id_token


def _person(claims: dict[str, Any]) -> Person:
    email = str(claims.get("email") or "")
    return Person(
        issuer=str(claims["iss"]),
        subject=str(claims.get(settings.OIDC_SUBJECT_CLAIM) or ""),
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
        with _provider(request) as provider:
            endpoint = provider.endpoints.get("end_session_endpoint")
    except FAILURES:
        endpoint = None
    if not isinstance(endpoint, str):
        return ""
    query = {"client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": canonical(request, afterwards)}
    if hint := request.session.get(SIGNED):
        query["id_token_hint"] = hint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
