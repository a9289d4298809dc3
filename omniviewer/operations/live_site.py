"""Trials of the site's own public address: TLS, and what the proxy in front of it does."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings
from django.utils.crypto import get_random_string

from omniviewer.omni import probe
from omniviewer.operations import live_echo
from omniviewer.operations.live import Finding, Live, Trial, fail, ok, warn
from omniviewer.version import own_version

# An address for documentation (RFC 5737): no client has it.
_FORGED_CLIENT = "192.0.2.77"
# Certificates are renewed weeks before their end.
_ENDS_SOON = timedelta(days=14)
_REDIRECTS = (301, 302, 303, 307, 308)
_BAD_REQUEST, _NOT_FOUND, _BAD_GATEWAY, _GATEWAY_TIMEOUT = 400, 404, 502, 504


def public_address() -> str:
    """Return the site's own address, without a slash at its end; "" if no setting tells it."""
    [host, *_] = [*(host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"), ""]
    return f"{settings.PUBLIC_URL or (host and f'https://{host}')}{settings.URL_PREFIX}"


def _try(live: Live) -> Iterator[Finding]:
    address = public_address()
    if settings.DEBUG or settings.DEMO:
        yield warn("not tried: without TLS, for development alone", "Unset OMNIVIEWER_DEBUG.")
        return
    if not urlsplit(address).hostname:
        yield warn("not tried: no setting tells where the site is", "Set OMNIVIEWER_PUBLIC_URL.")
        return
    page = f"{address}/sign-in/"
    forged = get_random_string(20)
    try:
        # Another program, or a site with another key, would take the forged headers for somebody's.
        echo = probe.get(page, {live_echo.HEADER: live_echo.question()})
        if _read(echo) is not None:
            echo = probe.get(page, _forged_headers(forged) | {live_echo.HEADER: live_echo.question()})
        plain = probe.get(page)
    except probe.Unreachable as error:
        yield fail(f"{page} cannot be reached: {error}", _advice_for(error.outcome))
        return
    yield from _certificate(echo)
    told = _read(echo)
    if told is None:
        yield _not_ours(page, echo)
        return
    yield from _proxy(told, page, forged)
    if plain.status in _REDIRECTS and plain.headers.get("Location") == page:
        yield fail(
            f"{page} leads to itself for ever",
            "Have the proxy set X-Forwarded-Proto, and set OMNIVIEWER_BEHIND_PROXY=true.",
        )
        return
    yield from _page(page, plain)
    yield from _redirect(live, page)


def _forged_headers(forged: str) -> dict[str, str]:
    """Return headers that a client may send and a proxy has to overwrite."""
    names = (settings.PROXY_HEADER, settings.PROXY_EMAIL_HEADER, settings.PROXY_NAME_HEADER)
    named = {name: forged for name in (*names, settings.PROXY_GROUPS_HEADER) if name}
    return {"X-Forwarded-Proto": "http", "X-Forwarded-For": _FORGED_CLIENT, **named}


def _advice_for(outcome: str) -> str:
    if outcome == "tls":
        return "Have the proxy send the whole chain; for an authority of the company's own, set REQUESTS_CA_BUNDLE."
    return "Start the proxy and the site; look at its name in the DNS, and at the firewall between."


def _certificate(reply: probe.Reply) -> Iterator[Finding]:
    if reply.certificate_ends is None:
        return
    found = f"the certificate is trusted, until {reply.certificate_ends:%Y-%m-%d}"
    if reply.certificate_ends - datetime.now(UTC) < _ENDS_SOON:
        yield warn(found, "Renew it, and look why that was not done by itself.")
    else:
        yield ok(found)


def _read(echo: probe.Reply) -> dict[str, Any] | None:
    """Return what the site told; None if the answer is not its own."""
    try:
        told = json.loads(echo.body)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "asked" in told else None


def _not_ours(page: str, reply: probe.Reply) -> Finding:
    match reply.status:
        case status if _BAD_GATEWAY <= status <= _GATEWAY_TIMEOUT:
            return fail(f"{page}: the proxy does not reach the site ({status})", "Start omniviewer serve behind it.")
        case status if status in _REDIRECTS and urlsplit(page).hostname != urlsplit(_location(reply, page)).hostname:
            return warn(
                f"{page}: somebody in front asks people to sign in first ({status}), so what is behind was not tried",
                "Ask the site itself, without that proxy, what it sees.",
            )
        case status:
            return fail(
                f"{page}: another site answers ({status}), or this one with another key or of an earlier version",
                "Look where the proxy leads to, and restart the site with these settings.",
            )


def _location(reply: probe.Reply, page: str) -> str:
    return urljoin(page, reply.headers.get("Location", ""))


def _proxy(told: dict[str, Any], page: str, forged: str) -> Iterator[Finding]:
    found = list(_wrong_headers(told, page, forged))
    yield from found
    if not found:
        yield ok(f"the proxy passes on host, scheme and the client's address ({told['client'] or 'a socket'})")
    if told["version"] != own_version():
        yield warn(f"the site runs {told['version']}, and this is {own_version()}", "Restart the site.")


def _wrong_headers(told: dict[str, Any], page: str, forged: str) -> Iterator[Finding]:
    if not told["is_secure"]:
        yield fail(
            "the site takes a request over https for one over http, or believes what a client says of it",
            "Have the proxy set X-Forwarded-Proto on every request, set OMNIVIEWER_BEHIND_PROXY=true, and name the "
            f"proxy ({told['peer'] or 'a socket'}) in OMNIVIEWER_FORWARDED_ALLOW_IPS if that is set.",
        )
    if urlsplit(f"//{told['host']}").hostname != urlsplit(page).hostname:
        yield fail(
            f"the proxy passes the host on as {told['host']}",
            "Have it pass on the Host header, as by `proxy_set_header Host $http_host;` in nginx.",
        )
    if told["client"] == _FORGED_CLIENT:
        yield fail(
            "a client chooses the address that it is known by",
            "Have the proxy set X-Forwarded-For itself, as by `proxy_set_header X-Forwarded-For $remote_addr;`.",
        )
    elif settings.BEHIND_PROXY and not told["is_forwarded"]:
        yield warn(
            "all clients have one address, so wrong passwords of one slow down all",
            "Have the proxy set X-Forwarded-For.",
        )
    for name, value in told["named"].items():
        if value == forged:
            yield fail(f"a client can send {name}, and be anybody", f"Have the proxy set {name} on every request.")


def _page(page: str, reply: probe.Reply) -> Iterator[Finding]:
    """Look at a page as a browser gets it."""
    if reply.status >= _BAD_REQUEST:
        yield fail(f"{page} answers {reply.status}", "Look at the site's log.")
        return
    lacks = [name for name in ("Content-Security-Policy", "X-Content-Type-Options") if name not in reply.headers]
    if lacks:
        yield fail(f"headers of the site do not arrive: {', '.join(lacks)}", "Have the proxy leave them in.")
    lasts = re.search(r"max-age=(\d+)", reply.headers.get("Strict-Transport-Security", ""))
    if not lasts or int(lasts[1]) == 0:
        yield warn(
            "browsers are not told to use https alone (Strict-Transport-Security)",
            "Set OMNIVIEWER_HSTS_SECONDS above 0, and have the proxy leave the header in.",
        )
    open_cookies = [cookie.partition("=")[0] for cookie in reply.cookies if not re.search(r";\s*secure", cookie, re.I)]
    if open_cookies:
        yield fail(f"cookies may go over http: {', '.join(open_cookies)}", "Have the proxy leave cookies as they are.")
    style = re.search(r'<link rel="stylesheet" href="([^"]+)"', reply.text)
    if style and probe.get(urljoin(page, style[1])).status != 200:  # noqa: PLR2004
        yield fail("pages have no stylesheet", "Run omniviewer collectstatic, restart, and have the proxy pass it on.")
    elif not (lacks or open_cookies):
        yield ok("a page arrives with its headers" + (", secure cookies and stylesheet" if style else ""))


def _redirect(live: Live, page: str) -> Iterator[Finding]:
    """Ask over http, as who types the name of the site does, and say that it was https."""
    parts = urlsplit(page)
    address = f"http://{parts.hostname}:{live.http_port}{parts.path}"
    try:
        reply = probe.get(address, {"X-Forwarded-Proto": "https"})
    except probe.Unreachable:
        yield ok("nothing answers over http")
        return
    location = urlsplit(_location(reply, address))
    if reply.status not in _REDIRECTS or location.scheme != "https":
        yield fail(
            f"{address} answers {reply.status} without https",
            "Have the proxy redirect http to https, and set X-Forwarded-Proto over what a client sends.",
        )
    elif _place(location) != _place(parts):
        yield fail(
            f"{address} leads to https://{location.netloc}{location.path}, and the site is at {page}",
            "Have the proxy redirect to the address of OMNIVIEWER_PUBLIC_URL, with its port where that is not 443, as "
            "by `return 301 https://$host:8443$request_uri;` in nginx.",
        )
    else:
        yield ok("http leads to https")


def _place(address: SplitResult) -> tuple[str | None, int | None, str]:
    """Return host, port and path of an address over https; no port where it is not a number."""
    try:
        port = address.port or 443
    except ValueError:
        port = None
    return address.hostname, port, address.path


def _try_scim(_live: Live) -> Iterator[Finding]:
    """Ask, as the directory does, for an address of SCIM, with a token that means nothing."""
    base = f"{public_address()}/scim/v2"
    if not settings.SCIM_TOKEN_HASHES or settings.DEBUG or settings.DEMO or not urlsplit(base).hostname:
        return
    headers = {live_echo.HEADER: live_echo.question(), "Authorization": "Bearer check"}
    try:
        told = _read(probe.get(f"{base}/ServiceProviderConfig", headers))
    except probe.Unreachable as error:
        yield fail(f"{base} cannot be reached: {error}", _advice_for(error.outcome))
        return
    if told is None:
        yield fail(
            f"{base}: something in front of the site answers",
            "Have the proxy pass /scim/v2/ on to the site without asking for a sign-in: the directory brings a token.",
        )
    elif not told.get("has_token", True):  # of an earlier version
        yield fail(f"{base}: the token does not arrive", "Have the proxy pass on the header Authorization.")
    else:
        yield ok(f"the directory’s requests to {base} arrive with their token")


SITE = Trial("public address", _try)
SCIM = Trial("SCIM", _try_scim)
