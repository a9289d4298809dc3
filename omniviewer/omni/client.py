"""The client for Omni's API, the only code that uses the network. It only sends `GET`: nothing is written to Omni.

Omni's reference: https://docs.omni.co/api. A client speaks for one token on one instance.
"""

import json
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn
from uuid import UUID

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError

from omniviewer.omni import png, replies, results
from omniviewer.omni.addresses import Network, base_url, is_loopback_instance, is_public
from omniviewer.omni.errors import BadRequest, CannotAsk, NoContent, NotVisible, RateLimited, TokenRejected, Unreadable
from omniviewer.omni.transport import Adapter, Attempt, ElsewhereError

CONVERSATIONS_A_PAGE = 100
PEOPLE_A_PAGE = 100
# Members and embed users, each as Omni's documentation and as its SDK spell it: instances know one or both.
PEOPLE_PATHS = (("/scim/v2/users", "/scim/v2/Users"), ("/scim/v2/embed/users", "/scim/v2/embed/Users"))
_CHUNK = 64 * 1024
_MOST_OBJECTS = 2_000_000
# Seconds: a host that is up accepts a connection at once.
CONNECT_TIMEOUT = 5.0


class Token:
    """A bearer token that prints as nothing, so that no log, page or traceback shows it by accident."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        return self._secret

    def __repr__(self) -> str:
        return "Token(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A token goes into no cache, task or session.")


class Client:
    """A client for one instance. `instance` is the host.

    `timeout` limits, in seconds, any silence and the whole of a request, retries included; `max_body` limits a reply,
    in bytes after decompression. `may_retry` is asked before a request is sent again. `networks`: networks outside the
    public internet to which a name may lead.
    """

    def __init__(  # noqa: PLR0913  (each by its name)
        self,
        instance: str,
        token: Token,
        *,
        timeout: float,
        max_body: int,
        may_retry: Callable[[], bool] = lambda: False,
        networks: Iterable[Network] = (),
    ) -> None:
        self._instance = instance
        self._networks = tuple(networks)
        self._base = base_url(instance)
        self._token = token
        self._timeout = timeout
        self._max_body = max_body
        self._may_retry = may_retry

    def whoami(self) -> replies.Identity:
        """Ask https://docs.omni.co/api/who-am-i. Older instances answer `404` or `405`, which raises `NotVisible`."""
        try:
            return replies.identity(self._get("/v1/whoami"))
        except BadRequest as error:
            if error.outcome == str(HTTPStatus.METHOD_NOT_ALLOWED):
                raise NotVisible(outcome=error.outcome) from None
            raise

    def conversations(self, *, cursor: str = "", member: str = "") -> replies.ConversationPage:
        """Ask https://docs.omni.co/api/ai/list-ai-conversations. `member`: a membership id, for organization keys."""
        query: dict[str, str | int] = {"pageSize": CONVERSATIONS_A_PAGE}
        if cursor:
            query["cursor"] = cursor
        if member:
            query["userId"] = member
        return replies.conversation_page(self._get("/v1/ai/conversations", query))

    def conversation(self, conversation_id: UUID) -> replies.Conversation:
        """Ask https://docs.omni.co/api/ai/get-conversation. Raises `Unreadable` if Omni answers with another one."""
        return replies.conversation(self._get(f"/v1/ai/conversations/{conversation_id}"), conversation_id)

    def members(self, path: str = "/scim/v2/users", *, start: int = 1) -> replies.MemberPage:
        """Ask https://docs.omni.co/api/users/list-users from person `start` (counted from 1); organization keys only.

        `path` is one of `PEOPLE_PATHS`.
        """
        return replies.member_page(self._get(path, {"count": PEOPLE_A_PAGE, "startIndex": start}))

    def job(self, job_id: UUID) -> replies.Job:
        """Ask https://docs.omni.co/api/ai/get-ai-job. Raises `Unreadable` if Omni answers with another one."""
        return replies.job(self._get(f"/v1/ai/jobs/{job_id}"), job_id)

    def job_result(self, job_id: UUID) -> results.Result:
        """Ask https://docs.omni.co/api/ai/get-ai-job-result: for complete jobs, for 14 days. Raises `NotVisible`."""
        return results.result(self._get(f"/v1/ai/jobs/{job_id}/result"), job_id)

    def chart(self, job_id: UUID) -> bytes | None:
        """Ask https://docs.omni.co/api/ai/get-ai-job-vis for a PNG; None if there is nothing to draw.

        Omni says so with `422`, with `204`, or with JSON in place of a picture where the data is no longer available.
        Raises `Unreadable` if it is no PNG, or one that is too large to be shown.
        """
        try:
            body = self._ask(f"/v1/ai/jobs/{job_id}/vis", None)
        except NoContent:
            return None
        except BadRequest as error:
            if error.outcome == str(HTTPStatus.UNPROCESSABLE_ENTITY):
                return None
            raise
        return None if _is_json(body) else png.checked_png(body)

    def _get(self, path: str, query: dict[str, str | int] | None = None) -> Any:
        body = self._ask(path, query)
        # Each bracket becomes an object in memory, some thirty times as large as its text.
        if body.count(b"{") + body.count(b"[") > _MOST_OBJECTS:
            raise Unreadable("Omni's reply has more parts than this site reads.", outcome="too-large")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Unreadable(
                "The server at this address does not speak Omni's API (it sent no JSON).", outcome="no-json"
            ) from None

    def _ask(self, path: str, query: dict[str, str | int] | None) -> bytes:
        with Attempt(self._timeout, self._may_retry, self._may_reach) as attempt:
            try:
                body = self._send(path, query, attempt)
            except ElsewhereError:
                raise CannotAsk(
                    "The address of this instance leads to a network that is not allowed. "
                    "The people who run this site can allow it.",
                    outcome="private-address",
                ) from None
            except (requests.RequestException, HTTPError) as error:
                raise broken(error, attempt) from None
            if attempt.is_over:
                raise CannotAsk("Omni did not finish its reply in time.", outcome="deadline")
        return body

    def _send(self, path: str, query: dict[str, str | int] | None, attempt: Attempt) -> bytes:
        with _session().get(
            self._base + path,
            params=query,
            auth=self._authorize,
            timeout=(min(CONNECT_TIMEOUT, self._timeout), self._timeout),
            allow_redirects=False,  # the token never leaves for another host
            stream=True,
        ) as response:
            attempt.is_answered = True
            _raise_for_status(response)
            return self._read(response)

    def _may_reach(self, address: str) -> bool:
        return is_loopback_instance(self._instance) or is_public(address, self._networks)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, not as a header: requests would let a ~/.netrc entry take a header's place.
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        # Read bytes as they arrive: requests' own iterator waits for a whole chunk, however slowly it arrives.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_body:
                raise Unreadable(
                    f"Omni's reply is larger than the {self._max_body // 2**20} MB that this site reads.",
                    outcome="too-large",
                )
        return bytes(body)


_OWN_CA = "Where the company has a certificate authority of its own, REQUESTS_CA_BUNDLE has to name its file."


@cache
def _session() -> requests.Session:
    """Return this process's session, shared for its open connections only: no cookie passes between people."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"Accept": "application/json, image/png;q=0.9", "User-Agent": "Omniviewer"})
    session.mount("https://", Adapter())
    session.mount("http://", Adapter())
    return session


def _is_json(body: bytes) -> bool:
    if body.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def broken(error: Exception, attempt: Attempt) -> CannotAsk:
    """Return the error to raise for a request that got no complete answer."""
    cause = _cause(error)
    match error, cause:
        case _, NameResolutionError():
            said = "Omni cannot be reached: there is no such host.", "no-such-host"
        case _, NewConnectionError():  # before the time-outs: urllib3 counts it among them
            said = "Omni cannot be reached: the connection was refused.", "refused"
        case requests.ConnectTimeout(), _:
            said = "Omni cannot be reached: the connection timed out.", "connect-timeout"
        case _ if attempt.is_over and attempt.is_answered:
            said = "Omni did not finish its reply in time.", "deadline"
        case (requests.Timeout(), _) | (_, UrllibTimeoutError()):
            said = "Omni did not reply in time.", "read-timeout"
        case _ if attempt.is_over:
            said = "Omni did not reply in time.", "read-timeout"
        case requests.exceptions.SSLError(), _:
            said = f"Omni cannot be reached safely: this site does not trust its certificate. {_OWN_CA}", "tls"
        case _:
            said = "The connection to Omni broke off before its reply was complete.", "cut"
    return CannotAsk(said[0], outcome=said[1])


def _cause(error: BaseException) -> BaseException:
    """Return urllib3's error, unwrapped from the one that requests raised."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return reason if isinstance(reason, BaseException) else error


def _raise_for_status(response: requests.Response) -> None:
    status = response.status_code
    outcome = str(status)
    match status:
        case HTTPStatus.OK:
            return
        case HTTPStatus.NO_CONTENT:
            raise NoContent("Omni sent an empty reply.", outcome=outcome)
        case HTTPStatus.UNAUTHORIZED:
            raise TokenRejected(outcome=outcome)
        case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            raise NotVisible(outcome=outcome)
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(outcome=outcome, retry_after=_retry_after(response))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise CannotAsk(f"Omni has a problem (it returned {status}).", outcome=outcome)
    if status >= HTTPStatus.BAD_REQUEST:
        raise BadRequest(f"Omni did not accept the request (it returned {status}).", outcome=outcome)
    raise Unreadable(f"The server at this address does not speak Omni's API (it returned {status}).", outcome=outcome)


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds from either form of `Retry-After` (RFC 9110, 10.2.3); None if the header is unusable.

    A date is counted from Omni's own `Date`, not from this machine's clock.
    """
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal() and said.isascii():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
        since = parsedate_to_datetime(response.headers.get("Date", ""))
        seconds = (until - since).total_seconds()
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None
    return seconds if seconds > 0 else None
