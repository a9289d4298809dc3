"""The one door to the network. It only ever sends `GET`: nothing is written to Omni.

Omni's reference: https://docs.omni.co/api. A client speaks for one token on one instance.
"""

import json
import time
from http import HTTPStatus
from typing import Any
from uuid import UUID

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError

from conversations.omni import replies
from conversations.omni.errors import (
    BadRequest,
    CannotAsk,
    NotVisible,
    RateLimited,
    TokenRejected,
    Unreadable,
)
from conversations.omni.instances import base_url

CONVERSATIONS_A_PAGE = 50
PEOPLE_A_PAGE = 100
_CHUNK = 64 * 1024


class Token:
    """A bearer token that prints as nothing, so that no log, page or traceback shows it by accident."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        return self._secret

    def __repr__(self) -> str:
        return "Token(…)"


class Client:
    """`instance` is the host; `timeout` seconds bound the connecting, any silence, and the whole of a request;
    `max_body` bytes bound a reply after decompression."""

    def __init__(self, instance: str, token: Token, *, timeout: float, max_body: int) -> None:
        self._base = base_url(instance)
        self._token = token
        self._timeout = timeout
        self._max_body = max_body

    def whoami(self) -> replies.Identity:
        """https://docs.omni.co/api/who-am-i. Older instances do not have it and answer `404`: `NotVisible`."""
        return replies.identity(self._get("/v1/whoami"))

    def conversations(self, *, cursor: str = "", member: str = "") -> replies.ConversationPage:
        """https://docs.omni.co/api/ai/list-ai-conversations. `member` is a membership id, for organization keys."""
        query: dict[str, str | int] = {"pageSize": CONVERSATIONS_A_PAGE}
        if cursor:
            query["cursor"] = cursor
        if member:
            query["userId"] = member
        return replies.conversation_page(self._get("/v1/ai/conversations", query))

    def conversation(self, conversation_id: UUID) -> replies.Conversation:
        """https://docs.omni.co/api/ai/get-conversation. Raises `Unreadable` if Omni answers with another one."""
        reply = replies.conversation(self._get(f"/v1/ai/conversations/{conversation_id}"))
        if reply.id != conversation_id:
            raise Unreadable("Omni answered with another conversation than the one that was asked for.")
        return reply

    def members(self, *, start: int = 1) -> replies.MemberPage:
        """https://docs.omni.co/api/users/list-users, from the `start`th person (counted from 1); organization keys."""
        return replies.member_page(self._get("/scim/v2/users", {"count": PEOPLE_A_PAGE, "startIndex": start}))

    def _get(self, path: str, query: dict[str, str | int] | None = None) -> Any:
        deadline = time.monotonic() + self._timeout
        try:
            with requests.get(
                self._base + path,
                params=query,
                headers={"Accept": "application/json"},
                auth=self._authorize,
                timeout=self._timeout,
                allow_redirects=False,  # the token never leaves for another host
                stream=True,
            ) as response:
                _raise_for_status(response.status_code)
                body = self._read(response, deadline)
        except (requests.Timeout, UrllibTimeoutError):
            raise CannotAsk("Omni did not answer in time.") from None
        except (requests.RequestException, HTTPError):
            raise CannotAsk("Omni cannot be reached: the connection failed.") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Unreadable("What answered at this address does not speak Omni's API (it sent no JSON).") from None

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, not as a header: requests would let a ~/.netrc entry take a header's place.
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        # What has come, as it comes: requests' own iterator waits for a whole chunk, however slowly it drips.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_body:
                raise Unreadable(f"Omni's answer is larger than the {self._max_body // 2**20} MB that are read here.")
            if time.monotonic() > deadline:
                raise CannotAsk("Omni did not finish its answer in time.")
        return bytes(body)


def _raise_for_status(status: int) -> None:
    match status:
        case HTTPStatus.OK:
            return
        case HTTPStatus.UNAUTHORIZED:
            raise TokenRejected
        case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
            raise NotVisible
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise CannotAsk(f"Omni has a problem of its own (it answered {status}).")
    if status >= HTTPStatus.BAD_REQUEST:
        raise BadRequest(f"Omni did not accept the request (it answered {status}).")
    raise Unreadable(f"What answered at this address does not speak Omni's API (it answered {status}).")
