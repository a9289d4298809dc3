"""Trials of `check --live` for single sign-on: the provider's documents, and what this site tells the provider."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.x509 import load_der_x509_certificate
from django.conf import settings

from omniviewer.omni import probe
from omniviewer.operations.live import Finding, Live, Trial, fail, ok, warn
from omniviewer.operations.live_site import public_address

_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OK, _SERVER_ERROR = 200, 500
_ENDS_SOON = timedelta(days=30)


def _openid(live: Live) -> Iterator[Finding]:
    """Read the discovery document and the keys, as a sign-in does. The client's secret is not tried."""
    if not settings.OIDC_ISSUER:
        return
    from omniviewer.accounts.sign_in import oidc  # noqa: PLC0415  (it needs the extra `sso`)

    try:
        found = _object(live, oidc.discovery_address())
        wrong = oidc.wrong_issuer(found)
        keys = _object(live, str(found.get("jwks_uri", ""))).get("keys") if not wrong else None
    except (probe.Unreachable, ValueError) as error:
        yield fail(f"{oidc.discovery_address()}: {error}", "Look at OMNIVIEWER_OIDC_ISSUER, firewall and HTTPS_PROXY.")
        return
    lacks = [name for name in _NEEDED if not isinstance(found.get(name), str)]
    if wrong:
        yield fail(wrong, "Set OMNIVIEWER_OIDC_ISSUER to that, letter by letter.")
    elif lacks:
        yield fail(f"its discovery document lacks {', '.join(lacks)}", "Ask the people who run the provider.")
    elif not keys:
        yield fail("it publishes no key to check signatures with", "Ask the people who run the provider.")
    else:
        back = f"{public_address()}{oidc.CALLBACK}"
        yield ok(f"{settings.OIDC_ISSUER} answers; the redirect address to register there is {back}")


def _object(live: Live, address: str) -> dict[str, Any]:
    reply = live.get("the identity provider", address)
    if reply.status != _OK:
        raise ValueError(f"it answers {reply.status}")
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ValueError("it answers with something else than a JSON object")  # noqa: TRY004  (one kind is caught)
    return said


def _saml(live: Live) -> Iterator[Finding]:
    if not settings.SAML_ENTITY_ID:
        return
    yield _certificate()
    try:
        status = live.get("the identity provider", settings.SAML_SSO_URL).status
    except probe.Unreachable as error:
        # Browsers go there, and perhaps they alone may.
        yield warn(f"{settings.SAML_SSO_URL} cannot be reached from here: {error}", "See that browsers reach it.")
    else:
        if status >= _SERVER_ERROR:
            yield warn(f"{settings.SAML_SSO_URL} answers {status}", "Look at OMNIVIEWER_SAML_SSO_URL.")
        else:
            yield ok(f"{settings.SAML_SSO_URL} answers")
    if settings.DEBUG or settings.DEMO:
        return
    from omniviewer.accounts.sign_in import saml  # noqa: PLC0415  (it needs the extra `saml`)

    address = f"{public_address()}{saml.BEGIN}{saml.SLUG}/metadata/"
    try:
        reply = probe.get(address)
    except probe.Unreachable as error:
        yield fail(f"this site's metadata at {address} cannot be reached: {error}", "Start the proxy and the site.")
        return
    if reply.status == _OK and b"EntityDescriptor" in reply.body:
        yield ok(f"this site's metadata, for the provider, are at {address}")
    else:
        yield fail(
            f"this site's metadata at {address}: it answers {reply.status}", "Restart the site, and see its log."
        )


def _certificate() -> Finding:
    ends = load_der_x509_certificate(base64.b64decode(settings.SAML_CERTIFICATE)).not_valid_after_utc
    found = f"the provider's certificate ends on {ends:%Y-%m-%d}"
    if ends - datetime.now(UTC) < _ENDS_SOON:
        return warn(found, "Ask for the next one, and set it as OMNIVIEWER_SAML_CERTIFICATE on the day of the change.")
    return ok(found)


TRIALS = [Trial("OpenID provider", _openid), Trial("SAML provider", _saml)]
