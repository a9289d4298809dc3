"""One GET to a server that a deployment depends on, without a token: to see that it answers, and what it says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from ssl import cert_time_to_seconds
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from omniviewer.omni.client import CONNECT_TIMEOUT, broken
from omniviewer.omni.transport import Adapter, Attempt, ElsewhereError

# Seconds for the whole, and bytes that are read of a reply.
_SECONDS = 10.0
_MAX_BODY = 1024 * 1024
_WHY = {
    "no-such-host": "there is no such host",
    "refused": "the connection was refused",
    "connect-timeout": "the connection timed out",
    "read-timeout": "it did not reply in time",
    "deadline": "it did not finish its reply in time",
    "tls": "its certificate is not trusted here",
    "cut": "the connection broke off",
}


class Unreachable(Exception):
    """Raised if a server does not answer. Its text completes "... cannot be reached:"; `outcome` names it shortly."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(_WHY.get(outcome, "its address leads to a network that is not allowed"))


@dataclass(frozen=True)
class Reply:
    """The answer of a server. Redirects are not followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    # One text for each cookie that it sets.
    cookies: tuple[str, ...]
    took: timedelta
    # By how much the server's clock is ahead of ours, to a second; None if it does not tell.
    ahead: timedelta | None
    certificate_ends: datetime | None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def get(
    address: str, headers: Mapping[str, str] | None = None, *, may_reach: Callable[[str], bool] = lambda _: True
) -> Reply:
    """Ask once. `may_reach` is asked before anything is sent to an IP address. Raises `Unreachable`."""
    with requests.Session() as session, Attempt(_SECONDS, lambda: False, may_reach) as attempt:
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter())
        began = datetime.now(UTC)
        try:
            with session.get(
                address,
                headers={"User-Agent": "Omniviewer", **(headers or {})},
                auth=_without_netrc,
                timeout=(CONNECT_TIMEOUT, _SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                attempt.is_answered = True
                ended = datetime.now(UTC)
                ends = _certificate_ends(response)
                return Reply(
                    response.status_code,
                    response.headers,
                    response.raw.read(_MAX_BODY, decode_content=True),
                    tuple(response.raw.headers.getlist("Set-Cookie")),
                    ended - began,
                    _ahead(response.headers.get("Date", ""), began, ended),
                    ends,
                )
        except ElsewhereError:
            raise Unreachable("private-address") from None
        except (requests.RequestException, HTTPError) as error:
            raise Unreachable(broken(error, attempt).outcome) from None


def _without_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _certificate_ends(response: requests.Response) -> datetime | None:
    connection: Any = getattr(response.raw, "connection", None)
    told: dict[str, Any] = getattr(getattr(connection, "sock", None), "getpeercert", dict)() or {}
    return datetime.fromtimestamp(cert_time_to_seconds(told["notAfter"]), UTC) if "notAfter" in told else None


def _ahead(date: str, began: datetime, ended: datetime) -> timedelta | None:
    """Return how far the date is outside of the time in which it was made; dates are cut to seconds."""
    try:
        told = parsedate_to_datetime(date)
        if told > ended:
            return told - ended
        return min(told + timedelta(seconds=1) - began, timedelta())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
