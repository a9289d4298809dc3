"""The stand-in's answers, a function for each route of Omni's. Strict: it refuses what the real Omni would refuse."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from omniviewer.demo.stand_in import dialects, jobs
from omniviewer.demo.stand_in.dialects import Dialect
from omniviewer.demo.stand_in.organization import Conversation, Member, Organization
from omniviewer.demo.stand_in.permissions import Route

_SECRET = b"opaque to clients"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_A_PAGE = 100
# Live tenants send results with this type, although they are JSON.
OCTETS = "application/octet-stream"
_FILTER = re.compile(r'(userName|embedExternalId) eq "([^"]*)"')


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    content_type: str = "application/json"

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        try:
            return json.dumps(self.body, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
            return json.dumps(self.body).encode()


def refusal(path: str, status: int, words: str) -> Answer:
    """Return a refusal. Newer routes word an error as detail and status, older ones as error and message."""
    if path.startswith("/scim/") or path.endswith("/vis"):
        return Answer(status, {"error": HTTPStatus(status).phrase, "message": words})
    return Answer(status, {"detail": words, "status": status})


@dataclass(frozen=True)
class Question:
    """A request whose token is known, for `path` (below /api)."""

    organization: Organization
    dialect: Dialect
    now: datetime
    token: str
    path: str
    query: dict[str, str]

    @property
    def member(self) -> Member | None:
        """Return the owner of a personal token; None for an organization key."""
        return self.organization.owner_of(self.token)

    def refuse(self, status: int, words: str) -> Answer:
        return refusal(self.path, status, words)

    def refused(self, route: Route, wanted: UUID) -> Answer | None:
        """Return the refusal that the organization's permissions ask for here, if any."""
        status = self.organization.permissions.refusal(route, self.token, wanted, self.now)
        return None if status is None else self.refuse(status, HTTPStatus(status).phrase)

    def wording(self, text: str) -> str:
        return self.organization.permissions.wording(self.token, text)


def whoami(ask: Question) -> Answer:
    member = ask.member
    speaks_for = member or next((row for row in ask.organization.members if row.role == "ORG_ADMIN"), None)
    user = {"id": str(speaks_for.user_id), "membershipId": str(speaks_for.id)} if speaks_for else {}
    return Answer(
        200,
        {
            "keyScope": "user" if member else "organization",
            "orgRole": member.role if member else "ORG_ADMIN",
            "user": user,
            "rolesByModel": {
                str(ask.organization.id): {
                    "roleName": "QUERIER",
                    "baseRole": "QUERIER",
                    "connectionId": str(ask.organization.id),
                    "permissions": ["QUERY", "USE_AI"],
                }
            },
        },
    )


def conversations(ask: Question) -> Answer:
    size = ask.query.get("pageSize", str(dialects.DEFAULT_PAGE_SIZE[ask.dialect]))
    if not re.fullmatch(r"[0-9]{1,4}", size) or not 1 <= int(size) <= _MOST_A_PAGE:
        return ask.refuse(400, "pageSize must be an integer from 1 to 100")
    rows = [row for row in ask.organization.visible_to(ask.token) if not ask.refused("list", row.id)]
    if "userId" in ask.query:
        if ask.member:
            return ask.refuse(403, "userId requires an organization API key")
        if not _UUID.fullmatch(ask.query["userId"]):
            return ask.refuse(400, "userId must be a UUID")
        rows = [row for row in rows if str(row.owner.id) == ask.query["userId"].lower()]
    total = len(rows)
    if "cursor" in ask.query:
        after = _read_cursor(ask.query["cursor"])
        if after is None:
            return ask.refuse(400, "Invalid cursor")
        rows = [row for row in rows if _place(row) < after]
    shown, more = rows[: int(size)], len(rows) > int(size)
    cursor = _cursor(shown[-1]) if more else None
    page = dialects.page(shown, ask.dialect, next_cursor=cursor, page_size=int(size), total=total, word=ask.wording)
    return Answer(200, page)


def conversation(ask: Question, wanted: UUID) -> Answer:
    found = ask.organization.conversation(ask.token, wanted)
    if found is None:
        return ask.refuse(404, "Conversation not found")
    thread = dialects.thread(found, ask.organization, ask.dialect, word=ask.wording)
    return ask.refused("thread", wanted) or Answer(200, thread)


def job(ask: Question, wanted: UUID) -> Answer:
    found = ask.organization.job(ask.token, wanted)
    if found is None:
        return ask.refuse(404, "Job not found")
    return ask.refused("job", wanted) or Answer(200, jobs.state(*found, ask.organization, ask.dialect))


def job_result(ask: Question, wanted: UUID) -> Answer:
    found = ask.organization.job(ask.token, wanted)
    if found is None or not jobs.is_kept(found[1], ask.now, ask.organization):
        return ask.refuse(404, "Job result not found")
    told = jobs.result(*found, ask.organization, ask.dialect)
    return ask.refused("result", wanted) or Answer(200, told, OCTETS)


def job_chart(ask: Question, wanted: UUID) -> Answer:
    found = ask.organization.job(ask.token, wanted)
    if found is None or not jobs.is_kept(found[1], ask.now, ask.organization):
        return ask.refuse(404, "No visualization for this job")
    refused = ask.refused("chart", wanted)
    if refused:
        return refused
    drawn = jobs.chart(found[1])
    if drawn is not None:
        return Answer(200, drawn, "image/png")
    if ask.query.get("auto_vis") == "false" or found[1].no_chart == 204:  # noqa: PLR2004
        return Answer(204, b"")
    if found[1].no_chart == 200:  # noqa: PLR2004
        return Answer(200, {"error": "The underlying data is no longer available"})
    return Answer(422, {"error": "Visualization type is not renderable as an image"})


def people(ask: Question) -> Answer:
    """List `count` people from `startIndex` on, counted from 1; as in SCIM, numbers that are too small are raised.

    https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.4
    """
    numbers = [ask.query.get("startIndex", "1"), ask.query.get("count", str(_MOST_A_PAGE))]
    if not all(re.fullmatch(r"-?[0-9]{1,6}", number) for number in numbers):
        return ask.refuse(400, "startIndex and count must be whole numbers")
    start, count = max(int(numbers[0]), 1), max(int(numbers[1]), 0)
    everyone = _people(ask)
    if "filter" in ask.query:
        wanted = _FILTER.fullmatch(ask.query["filter"])
        if wanted is None:
            return ask.refuse(400, "Only userName eq and embedExternalId eq are filtered by")
        everyone = [member for member in everyone if _person(member).get(wanted[1]) == wanted[2]]
    shown = everyone[start - 1 : start - 1 + count]
    return Answer(
        200,
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "Resources": [_person(member) for member in shown],
            "totalResults": len(everyone),
            "startIndex": start,
            "itemsPerPage": len(shown),
        },
    )


def person(ask: Question, wanted: UUID) -> Answer:
    found = next((member for member in _people(ask) if member.id == wanted), None)
    return Answer(200, _person(found)) if found else ask.refuse(404, "User not found")


def _people(ask: Question) -> list[Member]:
    """Return the members listed under this path: embed users have a path of their own."""
    embedded = ask.path.startswith("/scim/v2/embed/")
    return [member for member in ask.organization.members if bool(member.embed_external_id) == embedded]


def _person(member: Member) -> dict[str, Any]:
    embedded = {"embedExternalId": member.embed_external_id, "embedEmail": member.embed_email}
    embedded = {name: value for name, value in embedded.items() if value}
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": str(member.id),
        "userName": member.email,
        "displayName": member.name,
        "active": member.is_active,
        "emails": [{"primary": True, "value": member.email}],
        "groups": [],
        **embedded,
    }


# Paths below /api, with `{id}` in place of a UUID.
PLAIN: dict[str, Callable[[Question], Answer]] = {
    "/v1/whoami": whoami,
    "/v1/ai/conversations": conversations,
    "/scim/v2/users": people,
    "/scim/v2/embed/users": people,
}
BY_ID: dict[str, Callable[[Question, UUID], Answer]] = {
    "/v1/ai/conversations/{id}": conversation,
    "/v1/ai/jobs/{id}": job,
    "/v1/ai/jobs/{id}/result": job_result,
    "/v1/ai/jobs/{id}/vis": job_chart,
    "/scim/v2/users/{id}": person,
    "/scim/v2/embed/users/{id}": person,
}


def answer(ask: Question) -> Answer:
    """Return Omni's answer to a `GET`."""
    if ask.path.startswith("/scim/") and ask.member:
        return ask.refuse(403, "SCIM requires an organization API key")
    if ask.path.startswith("/scim/"):
        ask = replace(ask, path=re.sub(r"/Users(?=/|$)", "/users", ask.path))
    if ask.path in PLAIN:
        return PLAIN[ask.path](ask)
    for pattern, route in BY_ID.items():
        found = re.fullmatch(pattern.replace("{id}", "([^/]+)"), ask.path)
        if found and not _UUID.fullmatch(found.group(1)):
            return ask.refuse(400, "The id must be a UUID")
        if found:
            return route(ask, UUID(found.group(1)))
    return ask.refuse(404, "No such route")


def _place(row: Conversation) -> tuple[datetime, str]:
    return row.updated_at, str(row.id)


def _cursor(row: Conversation) -> str:
    """Return the cursor of a page that ends with this row.

    Rows that move meanwhile neither invalidate the cursor nor appear again behind it.
    """
    place = f"{row.updated_at.astimezone(UTC).isoformat()}|{row.id}".encode()
    return base64.urlsafe_b64encode(_seal(place) + place).decode()


def _read_cursor(text: str) -> tuple[datetime, str] | None:
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except ValueError:
        return None
    seal, place = raw[:12], raw[12:]
    # Base64 has unused bits at its end: a cursor changed there decodes the same, but is still not one of ours.
    if not hmac.compare_digest(seal, _seal(place)) or base64.urlsafe_b64encode(raw).decode() != text:
        return None
    at, _, omni_id = place.decode().partition("|")
    return datetime.fromisoformat(at), omni_id


def _seal(place: bytes) -> bytes:
    return hmac.digest(_SECRET, place, hashlib.sha256)[:12]
