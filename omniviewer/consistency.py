"""Checks for settings that are valid by themselves and wrong together."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from omniviewer.variables import more_packages

# Settings that say nothing without another one.
_BESIDE_SAML = ("SAML_SUBJECT", "SAML_SIGN_OUT_URL")
_BESIDE_PROXY = (
    *("PROXY_EMAIL_HEADER", "PROXY_NAME_HEADER", "PROXY_GROUPS_HEADER"),
    *("PROXY_SECRET", "PROXY_SIGN_OUT_URL", "TRUSTED_PROXIES"),
)


def check(values: dict[str, Any]) -> None:
    """Raise `ImproperlyConfigured` with a sentence for the first contradiction in the settings `values`, by name."""
    given = SimpleNamespace(**values)
    said = (
        *_about_addresses(given),
        *_about_mail(given),
        *_about_providers(given),
        *_about_entering(given),
        *_about_provisioning(given),
    )
    for is_wrong, sentence in said:
        if is_wrong:
            raise ImproperlyConfigured(sentence)


def _about_addresses(given: SimpleNamespace) -> Iterator[tuple[bool, str]]:
    is_served = not (given.DEMO or given.DEBUG)
    yield (
        is_served and not given.ALLOWED_HOSTS,
        "OMNIVIEWER_ALLOWED_HOSTS is not set. Set it to the names under which the site is called, separated by commas, "
        "such as omniviewer.example.com.",
    )
    host = urlsplit(given.PUBLIC_URL).hostname or ""
    yield (
        is_served and bool(given.PUBLIC_URL) and not validate_host(host, given.ALLOWED_HOSTS),
        f"OMNIVIEWER_PUBLIC_URL is {given.PUBLIC_URL!r}, and its host is none of OMNIVIEWER_ALLOWED_HOSTS "
        f"({', '.join(given.ALLOWED_HOSTS)}): add it there.",
    )
    yield (
        "*" in given.ALLOWED_HOSTS and not given.PUBLIC_URL,
        "OMNIVIEWER_ALLOWED_HOSTS is '*', and OMNIVIEWER_PUBLIC_URL is not set: a visitor's Host header would decide "
        "where links lead. Name the hosts, or set OMNIVIEWER_PUBLIC_URL.",
    )
    yield (
        bool(given.TICKET_URL) and "{ticket}" not in given.TICKET_URL,
        "OMNIVIEWER_TICKET_URL does not say where the ticket's name goes: write {ticket} there.",
    )
    yield (
        given.ACCESS_GRACE < given.ACCESS_TTL,
        f"OMNIVIEWER_ACCESS_GRACE ({given.ACCESS_GRACE}) is shorter than OMNIVIEWER_ACCESS_TTL ({given.ACCESS_TTL}), "
        "which it is to stretch while Omni is away.",
    )
    forgets_after = timedelta(days=given.FORGET_DAYS)
    yield (
        bool(forgets_after) and forgets_after < given.ACCESS_GRACE,
        f"OMNIVIEWER_FORGET_DAYS ({given.FORGET_DAYS}) is shorter than OMNIVIEWER_ACCESS_GRACE ({given.ACCESS_GRACE}): "
        "what is still shown while Omni is away would be deleted.",
    )


def _about_mail(given: SimpleNamespace) -> Iterator[tuple[bool, str]]:
    yield (
        bool(given.MAIL_SERVER and not given.MAIL_FROM),
        "OMNIVIEWER_EMAIL_URL is set: OMNIVIEWER_EMAIL_FROM has to say whose address e-mail comes from.",
    )
    yield (
        bool(given.MAIL_FROM and not given.MAIL_SERVER),
        "OMNIVIEWER_EMAIL_FROM is set, and OMNIVIEWER_EMAIL_URL is not.",
    )


def _about_providers(given: SimpleNamespace) -> Iterator[tuple[bool, str]]:
    is_whole = given.OIDC_CLIENT_ID and given.OIDC_CLIENT_SECRET and "openid" in given.OIDC_SCOPES
    yield (
        bool(given.OIDC_ISSUER and not is_whole),
        "OMNIVIEWER_OIDC_ISSUER is set: OMNIVIEWER_OIDC_CLIENT_ID and OMNIVIEWER_OIDC_CLIENT_SECRET have to be set "
        "too, and OMNIVIEWER_OIDC_SCOPES has to hold openid.",
    )
    yield (
        bool(not given.OIDC_ISSUER and (given.OIDC_CLIENT_ID or given.OIDC_CLIENT_SECRET)),
        "OMNIVIEWER_OIDC_CLIENT_ID or _SECRET is set, and OMNIVIEWER_OIDC_ISSUER is not.",
    )
    yield (
        bool(given.SAML_ENTITY_ID and not (given.SAML_CERTIFICATE and given.SAML_SSO_URL)),
        "OMNIVIEWER_SAML_ENTITY_ID is set: OMNIVIEWER_SAML_CERTIFICATE has to hold the identity provider's signing "
        "certificate, in PEM, and OMNIVIEWER_SAML_SSO_URL where it signs people in.",
    )
    yield (
        bool(not given.SAML_ENTITY_ID and (given.SAML_SSO_URL or given.SAML_CERTIFICATE)),
        "OMNIVIEWER_SAML_SSO_URL or _CERTIFICATE is set, and OMNIVIEWER_SAML_ENTITY_ID is not.",
    )
    further = [f"OMNIVIEWER_{name}" for name in _BESIDE_SAML if getattr(given, name)]
    yield (
        not given.SAML_ENTITY_ID and bool(further),
        f"{' and '.join(further)}: set, and OMNIVIEWER_SAML_ENTITY_ID is not.",
    )
    beside = [f"OMNIVIEWER_{name}" for name in _BESIDE_PROXY if getattr(given, name)]
    yield (
        not given.PROXY_HEADER and bool(beside),
        f"{' and '.join(beside)}: set, and OMNIVIEWER_PROXY_HEADER, which names people, is not.",
    )
    yield (
        bool(given.PROXY_HEADER and not (given.TRUSTED_PROXIES or given.PROXY_SECRET)),
        "OMNIVIEWER_PROXY_HEADER is set: OMNIVIEWER_TRUSTED_PROXIES has to say where the proxy connects from, or "
        "OMNIVIEWER_PROXY_SECRET what it sends as X-Omniviewer-Proxy-Secret. Else anybody could be anybody.",
    )
    module, extra = ("onelogin", "saml") if given.SAML_ENTITY_ID else ("authlib", "sso")
    yield (
        given.SINGLE_SIGN_ON and not find_spec(module),
        f"Single sign-on {more_packages(extra)}",
    )


def _about_provisioning(given: SimpleNamespace) -> Iterator[tuple[bool, str]]:
    ways = {
        "OMNIVIEWER_OIDC_ISSUER": given.OIDC_ISSUER,
        "OMNIVIEWER_SAML_ENTITY_ID": given.SAML_ENTITY_ID,
        "OMNIVIEWER_PROXY_HEADER": given.PROXY_HEADER,
    }
    used = [name for name, value in ways.items() if value]
    yield (
        bool(given.SCIM_TOKEN_HASHES) and len(used) != 1,
        "OMNIVIEWER_SCIM_TOKEN_HASHES is set: people whom the directory names have to come in by one way, so exactly "
        f"one of {', '.join(ways)} has to be set ({' and '.join(used) if used else 'none'} is).",
    )
    is_never_a_name = bool(given.OIDC_ISSUER) and given.OIDC_SUBJECT_CLAIM == "sub"
    yield (
        bool(given.SCIM_TOKEN_HASHES) and given.SCIM_SUBJECT == "userName" and is_never_a_name,
        "OMNIVIEWER_SCIM_SUBJECT is userName, and sign-in knows people by the claim sub, which is no user name: "
        "everybody would be two people. Set OMNIVIEWER_OIDC_SUBJECT_CLAIM to the claim that holds the user name, or "
        "leave OMNIVIEWER_SCIM_SUBJECT out.",
    )


def _about_entering(given: SimpleNamespace) -> Iterator[tuple[bool, str]]:
    names = ("ALLOWED_GROUPS", "ALLOWED_EMAIL_DOMAINS", "STAFF_GROUP", "AUDITOR_GROUP")
    needs_groups = [f"OMNIVIEWER_{name}" for name in names if getattr(given, name)]
    somebody_vouches = given.SINGLE_SIGN_ON or bool(given.PROXY_HEADER)
    yield (
        not somebody_vouches and bool(needs_groups),
        f"{' and '.join(needs_groups)}: set, and nothing that tells of groups and addresses is, such as "
        "OMNIVIEWER_OIDC_ISSUER, OMNIVIEWER_SAML_ENTITY_ID or OMNIVIEWER_PROXY_HEADER.",
    )
    yield (
        not (given.LOCAL_LOGIN or somebody_vouches),
        "OMNIVIEWER_LOCAL_LOGIN is 'false', and there is no other way to sign in: set OMNIVIEWER_OIDC_ISSUER, "
        "OMNIVIEWER_SAML_ENTITY_ID or OMNIVIEWER_PROXY_HEADER.",
    )
