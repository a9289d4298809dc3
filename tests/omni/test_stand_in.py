"""The stand-in Omni: what it answers, what it refuses, how it fails. Over real HTTP, as everything else meets it."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from omniviewer.demo.stand_in import Fault, Organization, StandIn, lettering, sample_organization
from omniviewer.demo.stand_in.charts import HEIGHT, INK, LABEL, SOFT_INK, TITLE, WIDTH, Bar, bar_chart, mixed
from omniviewer.demo.stand_in.organization import Action, Conversation, Job, Member
from omniviewer.demo.stand_in.permissions import Rule

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 10, 12, 9, 30, tzinfo=UTC)
EXAMPLE = "660e8400-e29b-41d4-a716-446655440001"
NOBODY = "00000000-0000-4000-8000-000000000000"
LIST = "/v1/ai/conversations"


class Asking:
    """A client with one API token."""

    def __init__(self, omni: StandIn, token: str) -> None:
        self.omni = omni
        self.token = token

    def __call__(self, path: str, **query: str | int) -> requests.Response:
        return self.send("GET", path, params=query)

    def send(self, method: str, path: str, **extra: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        seconds = extra.pop("timeout", 5)
        address = f"{self.omni.url}/api{path}"
        return requests.request(method, address, headers=headers, timeout=seconds, allow_redirects=False, **extra)

    def rows(self, path: str = LIST, **query: str | int) -> list[dict[str, Any]]:
        """Return one page of the list, in either dialect."""
        body = self(path, **query).json()
        rows: list[dict[str, Any]] = body["data"] if "data" in body else body["records"]
        return rows

    def walk(self, size: int = 100, **query: str | int) -> list[str]:
        found: list[str] = []
        while True:
            body = self(LIST, pageSize=size, **query).json()
            found += [row["id"] for row in body.get("data", body.get("records"))]
            if not body["pageInfo"]["hasNextPage"]:
                return found
            query["cursor"] = body["pageInfo"]["nextCursor"]


@pytest.fixture(scope="module")
def sample() -> Organization:
    return sample_organization(NOW)


@pytest.fixture(params=["reference", "sdk"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def omni(sample: Organization, dialect: str) -> Iterator[StandIn]:
    with StandIn(sample, dialect, rate_per_minute=10_000, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def analyst(omni: StandIn) -> Asking:
    """Return a client with a personal token."""
    return Asking(omni, omni.organization.demo_tokens["analyst"])


@pytest.fixture
def lead(omni: StandIn) -> Asking:
    """Return a client with an organization key."""
    return Asking(omni, omni.organization.demo_tokens["lead"])


@pytest.fixture
def support(omni: StandIn) -> Asking:
    """Return a client with another person's token."""
    return Asking(omni, omni.organization.demo_tokens["support"])


@pytest.fixture
def small() -> Organization:
    """Return an organization of two people; Ana has five conversations, Ben one."""
    organization = Organization("small-org")
    ana = organization.add_member("Ana", "ana@small.example")
    ben = organization.add_member("Ben", "ben@small.example", role="ORG_ADMIN")
    for number in range(5):
        at = NOW - timedelta(hours=10 - number)
        organization.add_conversation(owner=ana, name=f"Ana {number}", turns=[("q", "a")], started_at=at)
    organization.add_conversation(owner=ben, name="Ben 0", turns=[("q", "a"), ("more?", None)], started_at=NOW)
    return organization


@pytest.fixture
def small_omni(small: Organization, dialect: str) -> Iterator[StandIn]:
    with StandIn(small, dialect, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def ana(small: Organization, small_omni: StandIn) -> Asking:
    return Asking(small_omni, small.personal_token(small.members[0]))


@pytest.fixture
def key(small: Organization, small_omni: StandIn) -> Asking:
    return Asking(small_omni, small.organization_key())


def job_of(organization: Organization, name: str) -> str:
    """Return the id of the last job of the conversation with this name."""
    return str(next(row for row in organization.conversations if row.name == name).jobs[-1].id)


def owned(organization: Organization, who: str) -> list[Conversation]:
    return organization.visible_to(organization.demo_tokens[who])


def all_jobs(organization: Organization) -> Iterator[tuple[Conversation, Job]]:
    for row in organization.conversations:
        for job in row.jobs:
            yield row, job


def is_refused(answer: requests.Response, status: int, *, older: bool = False) -> bool:
    assert answer.status_code == status, answer.text
    body = answer.json()
    if older:
        return set(body) == {"error", "message"}
    return set(body) == {"detail", "status"} and body["status"] == status


def test_it_works(omni: StandIn, analyst: Asking) -> None:
    assert re.fullmatch(r"127\.0\.0\.1:\d+", omni.host)
    assert omni.url == f"http://{omni.host}"
    assert analyst("/v1/whoami").json()["keyScope"] == "user"
    first = analyst.rows()[0]["id"]
    assert analyst(f"{LIST}/{first}").json()["id"] == first
    assert [request.path for request in omni.requests] == [
        "/api/v1/whoami",
        "/api/v1/ai/conversations",
        f"/api/v1/ai/conversations/{first}",
    ]


# Tokens


def test_whoami_says_whose_token_it_is(omni: StandIn, analyst: Asking, lead: Asking) -> None:
    member = omni.organization.owner_of(analyst.token)
    assert member
    mine, everybodys = analyst("/v1/whoami").json(), lead("/v1/whoami").json()
    assert mine["user"] == {"id": str(member.user_id), "membershipId": "990e8400-e29b-41d4-a716-446655440004"}
    assert mine["user"]["id"] != mine["user"]["membershipId"]
    assert (mine["keyScope"], mine["orgRole"]) == ("user", "MEMBER")
    assert (everybodys["keyScope"], everybodys["orgRole"]) == ("organization", "ORG_ADMIN")
    (roles,) = mine["rolesByModel"].values()
    assert set(roles) == {"roleName", "baseRole", "connectionId", "permissions"}


@pytest.mark.parametrize("path", ["/v1/whoami", LIST, f"{LIST}/{EXAMPLE}", f"/v1/ai/jobs/{EXAMPLE}", "/nowhere"])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer invented",
        "Bearer x y",
        "omni_pat_demo_analyst_5f0c2b7e9a41",
    ],
)
def test_without_a_good_token_everything_is_401(omni: StandIn, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert is_refused(requests.get(f"{omni.url}/api{path}", headers=headers, timeout=5), 401)


def test_a_revoked_token_is_401(small: Organization, ana: Asking, key: Asking) -> None:
    assert ana("/v1/whoami").status_code == 200
    small.revoke(ana.token)
    assert is_refused(ana("/v1/whoami"), 401)
    assert key("/v1/whoami").status_code == 200
    assert small.personal_token(small.members[0]) not in (ana.token, key.token)


def test_the_demo_has_a_revoked_token(omni: StandIn) -> None:
    tokens = omni.organization.demo_tokens
    assert set(tokens) == {"analyst", "lead", "support", "revoked"}
    assert all("demo" in token for token in tokens.values())
    assert is_refused(Asking(omni, tokens["revoked"])("/v1/whoami"), 401)


def test_an_older_instance_has_no_whoami(sample: Organization, dialect: str) -> None:
    with StandIn(sample, dialect, whoami=False, now=NOW) as omni:
        analyst = Asking(omni, sample.demo_tokens["analyst"])
        assert is_refused(analyst("/v1/whoami"), 404)
        assert analyst(LIST).status_code == 200
        assert is_refused(Asking(omni, sample.demo_tokens["revoked"])("/v1/whoami"), 401)


# Reading alone


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"])
def test_only_get_is_spoken_and_the_rest_is_on_record(omni: StandIn, lead: Asking, method: str) -> None:
    answer = lead.send(method, f"{LIST}/{EXAMPLE}", data=b"{}")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert [(request.method, request.status) for request in omni.requests] == [(method, 405)]


def test_it_records_what_was_asked(omni: StandIn, analyst: Asking) -> None:
    before = datetime.now(UTC)
    analyst(LIST, pageSize=3, cursor="")
    requests.get(f"{omni.url}/elsewhere", timeout=5)
    first, second = omni.requests
    assert first[:5] == ("GET", "/api/v1/ai/conversations", {"pageSize": "3", "cursor": ""}, analyst.token, 400)
    assert (second.path, second.token, second.status) == ("/elsewhere", "", 401)
    assert before <= first.at <= second.at <= datetime.now(UTC)
    omni.requests.clear()
    assert omni.requests == []


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/ai", f"{LIST}/", f"/v1/ai/jobs/{NOBODY}/other", "/v1/whoami/"])
def test_unknown_routes_are_404(analyst: Asking, path: str) -> None:
    assert is_refused(analyst(path), 404)


def test_everything_lives_below_api(omni: StandIn, analyst: Asking) -> None:
    headers = {"Authorization": f"Bearer {analyst.token}"}
    for path in ("/v1/whoami", "/apiv1/whoami", "/", "/api"):
        assert requests.get(omni.url + path, headers=headers, timeout=5).status_code == 404


# The list


def test_a_list_is_worded_as_its_dialect_has_it(analyst: Asking, dialect: str) -> None:
    body = analyst(LIST).json()
    rows, prompt, size = ("data", "lastUserPrompt", 50) if dialect == "reference" else ("records", "lastPrompt", 20)
    assert set(body) == {rows, "pageInfo"}
    assert set(body["pageInfo"]) == {"hasNextPage", "nextCursor", "pageSize", "totalRecords"}
    assert len(body[rows]) == body["pageInfo"]["pageSize"] == size
    assert set(body[rows][0]) == {"id", "name", prompt, "updatedAt", "createdAt"}
    at = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + (r"\.\d{3}Z" if dialect == "reference" else "Z")
    assert all(re.fullmatch(at, row[name]) for row in body[rows] for name in ("createdAt", "updatedAt"))
    assert body[rows][0][prompt] == "How much did we sell since midnight?"


def test_the_newest_activity_comes_first(small: Organization, ana: Asking) -> None:
    assert [row["name"] for row in ana.rows()] == ["Ana 4", "Ana 3", "Ana 2", "Ana 1", "Ana 0"]
    oldest = next(row for row in small.conversations if row.name == "Ana 0")
    small.ask(oldest, "And now?", "Now too.", at=NOW)
    assert [row["name"] for row in ana.rows()] == ["Ana 0", "Ana 4", "Ana 3", "Ana 2", "Ana 1"]


def test_a_personal_token_sees_its_owners_alone(ana: Asking, key: Asking) -> None:
    assert {row["name"] for row in ana.rows()} == {f"Ana {number}" for number in range(5)}
    assert {row["name"] for row in key.rows()} == {"Ben 0", *(f"Ana {number}" for number in range(5))}
    assert ana(LIST).json()["pageInfo"]["totalRecords"] == 5
    assert key(LIST).json()["pageInfo"]["totalRecords"] == 6


@pytest.mark.parametrize("size", [7, 50, 100])
def test_pages_add_up_to_everything_once(omni: StandIn, analyst: Asking, lead: Asking, size: int) -> None:
    assert analyst.walk(size) == [str(row.id) for row in owned(omni.organization, "analyst")]
    assert lead.walk(max(size, 50)) == [str(row.id) for row in omni.organization.conversations]


def test_the_last_page_has_no_cursor(ana: Asking) -> None:
    assert ana(LIST, pageSize=5).json()["pageInfo"] == {
        "hasNextPage": False,
        "nextCursor": None,
        "pageSize": 5,
        "totalRecords": 5,
    }


@pytest.mark.parametrize("size", ["0", "101", "-1", "", "ten", "1.5", "1e1", " 5", "٥", "99999999999"])
def test_a_page_size_is_from_1_to_100(analyst: Asking, size: str) -> None:
    assert is_refused(analyst(LIST, pageSize=size), 400)
    assert len(analyst.rows(pageSize=1)) == 1
    assert analyst(LIST, pageSize=100).status_code == 200


def test_a_cursor_tolerates_rows_that_move(small: Organization, ana: Asking) -> None:
    info = ana(LIST, pageSize=2).json()["pageInfo"]
    small.ask(next(row for row in small.conversations if row.name == "Ana 1"), "Again?", "Yes.", at=NOW)
    small.remove(next(row for row in small.conversations if row.name == "Ana 3").id)
    assert [row["name"] for row in ana.rows(cursor=info["nextCursor"])] == ["Ana 2", "Ana 0"]


def test_a_cursor_means_the_same_in_both_dialects(small: Organization) -> None:
    token = small.personal_token(small.members[0])
    with StandIn(small, "reference") as one, StandIn(small, "sdk") as other:
        cursor = Asking(one, token)(LIST, pageSize=2).json()["pageInfo"]["nextCursor"]
        assert [row["name"] for row in Asking(other, token).rows(cursor=cursor)] == ["Ana 2", "Ana 1", "Ana 0"]


def test_an_invented_or_altered_cursor_is_400(ana: Asking) -> None:
    cursor = ana(LIST, pageSize=2).json()["pageInfo"]["nextCursor"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # Turn each letter's lowest bit, which decoders ignore in the last letter.
    turned = [letters[letters.find(letter) ^ 1] for letter in cursor]
    places = {*range(0, len(cursor), 5), *range(len(cursor) - 3, len(cursor))}
    altered = [cursor[:at] + turned[at] + cursor[at + 1 :] for at in places]
    for wrong in ["", "2", "next", "====", "ümlaut", NOBODY, cursor[:-4], cursor + "AAAA", cursor + "=", *altered]:
        assert is_refused(ana(LIST, cursor=wrong), 400), wrong
    assert ana(LIST, cursor=cursor).status_code == 200


def test_user_id_is_a_membership_id_for_organization_keys(small: Organization, key: Asking) -> None:
    ben = small.members[1]
    assert [row["name"] for row in key.rows(userId=str(ben.id))] == ["Ben 0"]
    assert [row["name"] for row in key.rows(userId=str(ben.id).upper())] == ["Ben 0"]
    assert key(LIST, userId=str(ben.id)).json()["pageInfo"]["totalRecords"] == 1
    assert key.rows(userId=str(ben.user_id)) == []
    assert key.rows(userId=NOBODY) == []
    assert len(key.walk(2, userId=str(small.members[0].id))) == 5


def test_user_id_is_refused_where_it_means_nothing(small: Organization, ana: Asking, key: Asking) -> None:
    assert is_refused(ana(LIST, userId=str(small.members[0].id)), 403)
    assert is_refused(ana(LIST, userId="ben"), 403)
    for wrong in ("ben", "", "1", f"{NOBODY}0", f"{{{NOBODY}}}"):
        assert is_refused(key(LIST, userId=wrong), 400)


# A thread


def test_the_documented_example_is_there_value_for_value(sample: Organization) -> None:
    with StandIn(sample, now=NOW) as omni:
        body = Asking(omni, sample.demo_tokens["analyst"])(f"{LIST}/{EXAMPLE}").json()
    link = f"https://my-org.omni.co/chat/{EXAMPLE}"
    assert body == {
        "id": EXAMPLE,
        "userId": "990e8400-e29b-41d4-a716-446655440004",
        "organizationId": "880e8400-e29b-41d4-a716-446655440003",
        "createdAt": "2025-01-15T10:00:00.000Z",
        "updatedAt": "2025-01-15T10:05:00.000Z",
        "messages": [
            {
                "role": "user",
                "content": "What are the top 5 products by revenue?",
                "timestamp": "2025-01-15T10:00:00.000Z",
            },
            {
                "role": "assistant",
                "content": "### Top 5 Products by Revenue\n\n1. **Sunglasses** - $678,994\n2. **Jeans** - $475,072\n"
                "3. **T-Shirt** - $320,150\n4. **Sneakers** - $289,033\n5. **Hat** - $201,487",
                "timestamp": "2025-01-15T10:01:30.000Z",
                "jobId": "550e8400-e29b-41d4-a716-446655440000",
                "omniChatUrl": link,
            },
            {
                "role": "user",
                "content": "Show me revenue by month for sunglasses",
                "timestamp": "2025-01-15T10:03:00.000Z",
            },
            {
                "role": "assistant",
                "content": "### Sunglasses Revenue by Month\n\n- January: $52,430\n- February: $48,221\n"
                "- March: $61,992",
                "timestamp": "2025-01-15T10:05:00.000Z",
                "jobId": "550e8400-e29b-41d4-a716-446655440010",
                "omniChatUrl": link,
            },
        ],
    }


def test_the_sdk_words_the_example_differently(sample: Organization) -> None:
    with StandIn(sample, "sdk", now=NOW) as omni:
        body = Asking(omni, sample.demo_tokens["analyst"])(f"{LIST}/{EXAMPLE}").json()
    messages = body.pop("messages")
    assert body == {
        "id": EXAMPLE,
        "name": "Top products by revenue",
        "createdAt": "2025-01-15T10:00:00Z",
        "updatedAt": "2025-01-15T10:05:00Z",
    }
    assert messages[2] == {
        "role": "user",
        "text": "Show me revenue by month for sunglasses",
        "createdAt": "2025-01-15T10:03:00Z",
        "jobId": None,
        "omniChatUrl": None,
    }
    assert messages[1]["jobId"] == "550e8400-e29b-41d4-a716-446655440000"


def test_an_answer_may_have_no_job_and_no_link(omni: StandIn, lead: Asking, dialect: str) -> None:
    row = next(row for row in omni.organization.conversations if row.name == "Answers from before there were jobs")
    answer = lead(f"{LIST}/{row.id}").json()["messages"][1]
    if dialect == "reference":
        assert set(answer) == {"role", "content", "timestamp"}
    else:
        assert answer["jobId"] is answer["omniChatUrl"] is None


def test_unknown_and_somebody_elses_are_the_same_404(omni: StandIn, analyst: Asking, support: Asking) -> None:
    anothers = owned(omni.organization, "support")[0].id
    unknown, hidden = analyst(f"{LIST}/{NOBODY}"), analyst(f"{LIST}/{anothers}")
    assert is_refused(hidden, 404)
    assert (unknown.status_code, unknown.content) == (hidden.status_code, hidden.content)
    assert set(unknown.headers.items()) - {("Date", "")} >= {("Content-Type", "application/json")}
    assert support(f"{LIST}/{anothers}").status_code == 200


def test_an_organization_key_reads_every_thread(omni: StandIn, lead: Asking) -> None:
    for who in ("analyst", "support"):
        row = owned(omni.organization, who)[0]
        assert len(lead(f"{LIST}/{row.id}").json()["messages"]) == len(row.messages)


@pytest.mark.parametrize("path", [LIST, "/v1/ai/jobs"])
@pytest.mark.parametrize("wrong", ["1", "x" * 36, NOBODY[:-1], NOBODY + "0", NOBODY.replace("-", ""), "%7B" + NOBODY])
def test_an_id_is_a_uuid(analyst: Asking, path: str, wrong: str) -> None:
    assert is_refused(analyst(f"{path}/{wrong}"), 400)


def test_removed_is_gone(small: Organization, ana: Asking) -> None:
    made = small.conversations[-1]
    assert ana(f"{LIST}/{made.id}").status_code == 200
    small.remove(made.id)
    assert is_refused(ana(f"{LIST}/{made.id}"), 404)
    assert str(made.id) not in ana.walk()


def test_a_question_without_an_answer_stands_alone(small: Organization, key: Asking) -> None:
    ben = next(row for row in small.conversations if row.name == "Ben 0")
    thread = f"{LIST}/{ben.id}"
    assert [message["role"] for message in key(thread).json()["messages"]] == ["user", "assistant", "user"]
    job = f"/v1/ai/jobs/{ben.jobs[-1].id}"
    assert key(job).json()["state"] == "EXECUTING"
    small.finish(ben, "Here it is.", at=NOW + timedelta(minutes=4))
    assert key(job).json()["state"] == "COMPLETE"
    assert [message["role"] for message in key(thread).json()["messages"]][2:] == ["user", "assistant"]
    with pytest.raises(ValueError, match="Nothing runs"):
        small.finish(ben, "Twice.", at=NOW)


# Jobs


def test_a_job_leads_back_to_its_conversation(omni: StandIn, analyst: Asking, dialect: str) -> None:
    row = next(row for row in owned(omni.organization, "analyst") if row.name == "Forty best-selling styles")
    body = analyst(f"/v1/ai/jobs/{row.jobs[0].id}").json()
    assert body["conversationId"] == str(row.id)
    assert body["userId"] == "990e8400-e29b-41d4-a716-446655440004"
    assert body["organizationId"] == "880e8400-e29b-41d4-a716-446655440003"
    assert (body["state"], body["topicName"], body["progress"]) == ("COMPLETE", "order_items", None)
    assert body["prompt"] == row.messages[0].text
    assert body["resultSummary"] == row.messages[1].text
    assert body["completedAt"].endswith(".000Z" if dialect == "reference" else ":20Z")
    assert not {"error", "cancelledAt", "cancelledBy"} & set(body)


def test_jobs_run_fail_and_are_cancelled(omni: StandIn, analyst: Asking) -> None:
    def state(name: str) -> dict[str, Any]:
        body: dict[str, Any] = analyst(f"/v1/ai/jobs/{job_of(omni.organization, name)}").json()
        return body

    for name in ("Revenue this morning", "Revenue forecast for the next quarter"):
        running = state(name)
        assert running["state"] == "EXECUTING"
        assert set(running["progress"]) == {"iteration", "message", "updatedAt"}
        assert not {"completedAt", "resultSummary"} & set(running)
    failed = state("Margin by supplier")
    assert (failed["state"], set(failed["error"])) == ("FAILED", {"message", "code", "detail"})
    cancelled = state("Every order line of 2019")
    assert cancelled["state"] == "CANCELLED"
    assert cancelled["cancelledBy"] == cancelled["userId"]
    assert "completedAt" not in cancelled


@pytest.mark.parametrize("rest", ["", "/result", "/vis"])
def test_a_job_is_visible_with_its_conversation(omni: StandIn, analyst: Asking, lead: Asking, rest: str) -> None:
    anothers = next(job.id for row in owned(omni.organization, "support") for job in row.jobs if job.chart)
    unknown, hidden = analyst(f"/v1/ai/jobs/{NOBODY}{rest}"), analyst(f"/v1/ai/jobs/{anothers}{rest}")
    assert is_refused(hidden, 404, older=rest == "/vis")
    assert unknown.content == hidden.content
    assert lead(f"/v1/ai/jobs/{anothers}").status_code == 200
    assert is_refused(analyst(f"/v1/ai/jobs/1{rest}"), 400, older=rest == "/vis")


def test_a_result_says_what_was_done(omni: StandIn, analyst: Asking) -> None:
    body = analyst(f"/v1/ai/jobs/{job_of(omni.organization, 'Forty best-selling styles')}/result").json()
    assert set(body) == {"actions", "message", "resultSummary", "topic", "omniChatUrl"}
    (action,) = body["actions"]
    assert set(action) == {"type", "message", "timestamp", "result"}
    result = action["result"]
    assert result["csvResult"].splitlines()[:2] == [
        "#,Style,Category,Units,Revenue,Return rate",
        '1,Jeans style 107,Jeans,"9,587","$354,719",2.3%',
    ]
    assert len(result["csvResult"].splitlines()) == 41
    assert (result["csvResultWasTruncated"], result["totalRowCount"], result["hasResults"]) == (True, 912, True)
    assert (result["status"], result["query"]["table"]) == ("success", "order_items")
    UUID(result["resultId"])


def test_a_result_may_have_no_rows(omni: StandIn, analyst: Asking) -> None:
    job = job_of(omni.organization, "Orders from Atlantis")
    (action,) = analyst(f"/v1/ai/jobs/{job}/result").json()["actions"]
    assert (action["result"]["hasResults"], action["result"]["totalRowCount"]) == (False, 0)
    assert analyst(f"/v1/ai/jobs/{job}/vis").status_code == 422


def test_only_complete_jobs_have_results(omni: StandIn, analyst: Asking) -> None:
    for name in ("Revenue this morning", "Revenue forecast for the next quarter", "Margin by supplier"):
        job = job_of(omni.organization, name)
        assert is_refused(analyst(f"/v1/ai/jobs/{job}/result"), 404)
        assert is_refused(analyst(f"/v1/ai/jobs/{job}/vis"), 404, older=True)
    assert is_refused(analyst(f"/v1/ai/jobs/{job_of(omni.organization, 'Every order line of 2019')}/result"), 404)


@pytest.mark.parametrize(("age", "status"), [(timedelta(days=13, hours=23), 200), (timedelta(days=14), 404)])
def test_results_are_kept_for_14_days(small: Organization, dialect: str, age: timedelta, status: int) -> None:
    row = small.conversations[-1]
    done = row.jobs[0].completed_at
    assert done
    row.jobs[0].actions = (Action("generate_query", "", "", {}, [("a", "b"), ("x", "1"), ("y", "2")]),)
    row.jobs[0].chart = True
    with StandIn(small, dialect, now=done + age) as omni:
        key = Asking(omni, small.organization_key())
        assert key(f"/v1/ai/jobs/{row.jobs[0].id}/result").status_code == status
        assert key(f"/v1/ai/jobs/{row.jobs[0].id}/vis").status_code == status
        assert key(f"/v1/ai/jobs/{row.jobs[0].id}").status_code == 200


def test_a_chart_is_a_real_png(omni: StandIn, analyst: Asking) -> None:
    address = f"/v1/ai/jobs/{job_of(omni.organization, 'Forty best-selling styles')}/vis"
    answer = analyst(address)
    assert answer.headers["Content-Type"] == "image/png"
    width, height, colours = pixels(answer.content)
    assert (width, height) == (640, 360)
    assert {INK, bytes((255, 255, 255))} < colours
    assert len(colours) > 50, "letters with soft edges"
    assert analyst(address).content == answer.content


def pixels(png: bytes) -> tuple[int, int, set[bytes]]:
    """Return width, height and colours. Fail if a checksum is wrong or the picture does not fill its size."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        assert int.from_bytes(png[place + 8 + size : place + 12 + size], "big") == zlib.crc32(kind + data)
        chunks[kind] = data
        place += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height = int.from_bytes(chunks[b"IHDR"][:4], "big"), int.from_bytes(chunks[b"IHDR"][4:8], "big")
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (1 + 3 * width)
    rows = [raw[at + 1 : at + 1 + 3 * width] for at in range(0, len(raw), 1 + 3 * width)]
    return width, height, {row[at : at + 3] for row in rows for at in range(0, len(row), 3)}


def test_a_chart_is_labelled_with_its_title_and_its_rows() -> None:
    bars = [Bar("Nordics", 30.0, "30"), Bar("Iberia", -12.5, "(12.5)"), Bar("Zürich", 7.0, "7")]
    png = bar_chart("Fares by region", bars)
    for text, scale in (("Fares by region", TITLE), ("30", LABEL), ("(12.5)", LABEL)):
        assert stands_in(png, text, scale, INK), text
    for text in ("Nordics", "Iberia", "Zürich", "20", "-10"):
        assert stands_in(png, text, LABEL, SOFT_INK), text
    assert not stands_in(png, "Benelux", LABEL, SOFT_INK)
    assert not stands_in(png, "NORDICS", LABEL, SOFT_INK)
    assert png != bar_chart("Fares by region", [*bars[:2], Bar("Zürich", 8.0, "7")])


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("label", ["", "x", "A very long label of a region that nobody can read", "東京"])
def test_any_rows_make_a_chart(count: int, label: str) -> None:
    assert pixels(bar_chart(label, [Bar(label, 10.0**place, label) for place in range(count)]))[:2] == (640, 360)


def stands_in(png: bytes, text: str, scale: float, ink: bytes) -> bool:
    """Return whether these letters are written somewhere in a picture of ours."""
    at = png.index(b"IDAT")
    raw = zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")])
    wide = 1 + 3 * WIDTH
    found = {(x, y): raw[y * wide + 1 + 3 * x : y * wide + 4 + 3 * x] for y in range(HEIGHT) for x in range(WIDTH)}
    paper = bytes((255, 255, 255))
    letters = {place: mixed(paper, ink, covered) for place, covered in lettering.coverage(text, scale).items()}
    (left, top), first = next(iter(letters.items()))
    begins = [place for place, colour in found.items() if colour == first]
    return any(
        all(found.get((x - left + across, y - top + down)) == colour for (across, down), colour in letters.items())
        for x, y in begins
    )


@pytest.mark.parametrize(("no_chart", "body"), [(204, b""), (200, None), (422, None)])
def test_there_are_several_ways_to_have_no_chart(
    small: Organization, dialect: str, no_chart: Any, body: bytes | None
) -> None:
    job = small.conversations[-1].jobs[0]
    job.no_chart = no_chart
    with StandIn(small, dialect, now=job.completed_at) as omni:
        answer = Asking(omni, small.organization_key())(f"/v1/ai/jobs/{job.id}/vis")
        assert answer.status_code == no_chart
        assert answer.content == body if body is not None else "error" in answer.json()
        without = Asking(omni, small.organization_key())(f"/v1/ai/jobs/{job.id}/vis", auto_vis="false")
        assert without.status_code == 204


def result_of(small: Organization, dialect: str, *actions: Action) -> requests.Response:
    job = small.conversations[-1].jobs[0]
    job.actions = actions
    with StandIn(small, dialect, now=job.completed_at) as omni:
        return Asking(omni, small.organization_key())(f"/v1/ai/jobs/{job.id}/result")


def test_a_result_is_sent_as_live_tenants_send_it(small: Organization, dialect: str) -> None:
    answer = result_of(small, dialect)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.json()["actions"] == []


def test_a_cut_result_has_section_marks(small: Organization, dialect: str) -> None:
    rows = [("Week", "Sailings"), ("1", "10"), ("2", "20"), ("250", "33"), ("500", "55")]
    action = Action("generate_query", "", "", {}, rows, 500, was_truncated=True, sections=(2, 1, 1))
    told = result_of(small, dialect, action).json()["actions"][0]["result"]
    assert told["csvResult"].splitlines() == [
        "Week,Sailings",
        "# FIRST 2 ROWS:",
        "1,10",
        "2,20",
        "# SAMPLED 1 ROWS FROM MIDDLE (rows 250-250):",
        "250,33",
        "# LAST 1 ROWS:",
        "500,55",
    ]
    assert (told["totalRowCount"], told["csvResultWasTruncated"]) == (500, True)


def test_what_failed_says_why_and_has_no_rows(small: Organization, dialect: str) -> None:
    why = {"message": "Unknown field", "code": "X"}
    query = Action("generate_query", "", "Sailings", {}, status="error", error=why, is_error=True)
    tool = Action("failure", "It broke", tool="search_model", error="No index", is_error=True, milliseconds=7)
    made = Action("create_app", "", outcome="partial", document_id="d1")
    first, second, third = result_of(small, dialect, query, tool, made).json()["actions"]
    assert first["isError"] is True
    assert first["result"]["error"] == why
    assert "csvResult" not in first["result"]
    assert (second["toolName"], second["error"], second["durationMs"]) == ("search_model", "No index", 7)
    assert "result" not in second
    assert (third["status"], third["documentId"]) == ("partial", "d1")


def test_where_there_is_nothing_to_draw_it_is_422(omni: StandIn, analyst: Asking) -> None:
    answer = analyst(f"/v1/ai/jobs/{job_of(omni.organization, 'Return rate three ways')}/vis")
    assert answer.status_code == 422
    assert answer.json() == {"error": "Visualization type is not renderable as an image"}


# People


@pytest.mark.parametrize(("scim", "known"), [("", "users Users"), ("users", "users"), ("Users", "Users")])
def test_people_stand_under_one_spelling_or_both(small: Organization, dialect: str, scim: Any, known: str) -> None:
    with StandIn(small, dialect, scim=scim) as omni:
        key = Asking(omni, small.organization_key())
        for spelling in ("users", "Users"):
            for path in (f"/scim/v2/{spelling}", f"/scim/v2/embed/{spelling}"):
                assert key(path).status_code == (200 if spelling in known.split() else 404)
            one = key(f"/scim/v2/{spelling}/{small.members[0].id}")
            assert one.status_code == (200 if spelling in known.split() else 404)


def test_people_are_filtered_by_what_names_them(small: Organization, dialect: str) -> None:
    guest = small.add_member("Guest", "g@made.up", embed_external_id="harbour-7", embed_email="g@harbour.example")
    member = next(row for row in small.members if not row.embed_external_id)
    with StandIn(small, dialect) as omni:
        key = Asking(omni, small.organization_key())
        (found,) = key("/scim/v2/Users", filter=f'userName eq "{member.email}"').json()["Resources"]
        assert found["id"] == str(member.id)
        (found,) = key("/scim/v2/embed/Users", filter='embedExternalId eq "harbour-7"').json()["Resources"]
        assert (found["id"], found["embedEmail"]) == (str(guest.id), "g@harbour.example")
        assert key("/scim/v2/users", filter='userName eq "nobody"').json()["totalResults"] == 0
        assert is_refused(key("/scim/v2/users", filter="active eq true"), 400, older=True)


@pytest.mark.parametrize("which", ["membership", "user"])
def test_a_thread_names_its_owner_by_either_id(small: Organization, which: Any) -> None:
    small.owner_ids = which
    row = small.conversations[-1]
    told = str(row.owner.id if which == "membership" else row.owner.user_id)
    with StandIn(small) as omni:
        key = Asking(omni, small.organization_key())
        assert key(f"{LIST}/{row.id}").json()["userId"] == told
        assert key(f"/v1/ai/jobs/{row.jobs[0].id}").json()["userId"] == told


def test_an_older_instance_may_refuse_whoami_by_any_status(small: Organization, dialect: str) -> None:
    with StandIn(small, dialect, whoami=405) as omni:
        assert Asking(omni, small.organization_key())("/v1/whoami").status_code == 405


def test_people_have_names(omni: StandIn, lead: Asking) -> None:
    body = lead("/scim/v2/users").json()
    everyone = omni.organization.members
    assert [person["displayName"] for person in body["Resources"]] == [member.name for member in everyone]
    assert (body["totalResults"], body["startIndex"], body["itemsPerPage"]) == (len(everyone), 1, len(everyone))
    one = lead("/scim/v2/users/990e8400-e29b-41d4-a716-446655440004").json()
    assert one == body["Resources"][0]
    assert (one["userName"], one["active"]) == ("ana.lindqvist@my-org.example", True)


@pytest.mark.parametrize(
    ("query", "start", "expected"),
    [
        ({"count": 2}, 1, [0, 1]),
        ({"count": 2, "startIndex": 3}, 3, [2, 3]),
        ({"count": 4, "startIndex": 9}, 9, [8, 9]),
        ({"startIndex": 11}, 11, []),
        ({"startIndex": 0, "count": 1}, 1, [0]),
        ({"count": 0}, 1, []),
        ({"count": -1}, 1, []),
    ],
    ids=str,
)
def test_people_are_paged(omni: StandIn, lead: Asking, query: dict[str, int], start: int, expected: list[int]) -> None:
    body = lead("/scim/v2/users", **query).json()
    everyone = omni.organization.members
    assert [person["id"] for person in body["Resources"]] == [str(everyone[place].id) for place in expected]
    assert (body["totalResults"], body["startIndex"], body["itemsPerPage"]) == (10, start, len(expected))


def test_people_are_for_organization_keys(analyst: Asking, lead: Asking) -> None:
    for path in ("/scim/v2/users", f"/scim/v2/users/{NOBODY}", "/scim/v2/users/1", "/scim/v2/embed/users"):
        assert is_refused(analyst(path), 403, older=True)
    assert is_refused(lead(f"/scim/v2/users/{NOBODY}"), 404, older=True)
    assert is_refused(lead("/scim/v2/users/1"), 400, older=True)
    assert is_refused(lead("/scim/v2/users", count="many"), 400, older=True)


def test_embed_users_stand_elsewhere(small: Organization, key: Asking) -> None:
    guest = small.add_member("Guest", "guest@small.example", embed_external_id="guest-7")
    assert len(key("/scim/v2/users").json()["Resources"]) == 2
    (found,) = key("/scim/v2/embed/users").json()["Resources"]
    assert (found["id"], found["embedExternalId"]) == (str(guest.id), "guest-7")
    assert key(f"/scim/v2/embed/users/{guest.id}").json() == found
    assert is_refused(key(f"/scim/v2/users/{guest.id}"), 404, older=True)


# The limit of requests


def test_over_the_limit_it_is_429_for_that_token(small: Organization, dialect: str) -> None:
    seconds = [0.0]
    with StandIn(small, dialect, rate_per_minute=3, clock=lambda: seconds[0]) as omni:
        one, other = Asking(omni, small.organization_key()), Asking(omni, small.organization_key())
        for at in (0, 10, 20):
            seconds[0] = at
            assert one("/v1/whoami").status_code == 200
        refused = one(LIST)
        assert is_refused(refused, 429)
        assert "Retry-After" not in refused.headers
        assert other("/v1/whoami").status_code == 200
        seconds[0] = 59.9
        assert one("/v1/whoami").status_code == 429
        seconds[0] = 60.1
        assert one("/v1/whoami").status_code == 200, "the first is a minute ago"
        assert one("/v1/whoami").status_code == 429, "the second is not"


def test_sixty_a_minute_unless_told_otherwise(ana: Asking) -> None:
    assert [ana("/v1/whoami").status_code for _ in range(61)] == [200] * 60 + [429]


def test_it_can_tell_when_to_come_back(small: Organization) -> None:
    with StandIn(small, rate_per_minute=0, retry_after=7) as omni:
        assert Asking(omni, small.organization_key())("/v1/whoami").headers["Retry-After"] == "7"


# Failing on purpose


def test_it_fails_where_and_as_often_as_told(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.status(503), path=LIST, times=2)
    assert analyst("/v1/whoami").status_code == 200
    assert [analyst(LIST).status_code for _ in range(3)] == [503, 503, 200]
    omni.fail(Fault.status(500))
    assert [analyst("/v1/whoami").status_code, analyst(LIST).status_code] == [500, 500]
    omni.fail(Fault.status(502), path="/v1/whoami")
    assert analyst("/v1/whoami").status_code == 502, "the latest word counts"
    omni.recover()
    assert analyst("/v1/whoami").status_code == 200
    assert [request.status for request in omni.requests][1:3] == [503, 503]


def test_a_fault_has_a_status_a_body_and_headers(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.status(503, body={"error": "Busy"}, headers={"Retry-After": "9"}))
    answer = analyst(LIST)
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, {"error": "Busy"}, "9")
    omni.fail(Fault.status(418, body=b"short", content_type="text/plain"))
    answer = analyst(LIST)
    assert (answer.content, answer.headers["Content-Type"]) == (b"short", "text/plain")
    omni.fail(Fault.status(500))
    assert is_refused(analyst(LIST), 500)


@pytest.mark.parametrize(
    ("fault", "body"),
    [(Fault.empty(), b""), (Fault.body(b"\xff\x00"), b"\xff\x00"), (Fault.body({"a": [1]}), b'{"a": [1]}')],
    ids=["empty", "bytes", "json"],
)
def test_a_reply_can_be_anything(omni: StandIn, analyst: Asking, fault: Fault, body: bytes) -> None:
    omni.fail(fault)
    answer = analyst(LIST)
    assert (answer.status_code, answer.content) == (200, body)


def test_a_proxy_can_answer_in_html(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.html(200))
    answer = analyst(LIST)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")


def test_json_can_end_too_early(omni: StandIn, analyst: Asking) -> None:
    whole = analyst(LIST).content
    omni.fail(Fault.truncated_json())
    half = analyst(LIST).content
    assert whole.startswith(half)
    assert 0 < len(half) < len(whole)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(half)


def test_a_connection_can_break(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.cut(after=20))
    with analyst.send("GET", f"{LIST}/{EXAMPLE}", stream=True) as answer:
        assert int(answer.headers["Content-Length"]) > 20
        assert answer.raw.read(20) == f'{{"id": "{EXAMPLE}'.encode()[:20]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        analyst(f"{LIST}/{EXAMPLE}")


def test_it_can_be_slow(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.delay(0.2))
    began = time.monotonic()
    assert analyst("/v1/whoami").json()["keyScope"] == "user"
    assert time.monotonic() - began >= 0.2
    with pytest.raises(requests.Timeout):
        analyst.send("GET", "/v1/whoami", timeout=0.05)


def test_it_can_drip(omni: StandIn, analyst: Asking) -> None:
    size = len(analyst(f"{LIST}/{NOBODY}").content)
    omni.fail(Fault.drip(0.004))
    began = time.monotonic()
    answer = analyst(f"{LIST}/{NOBODY}")
    assert is_refused(answer, 404)
    assert time.monotonic() - began >= 0.004 * size
    stream = analyst.send("GET", f"{LIST}/{NOBODY}", stream=True)
    assert len(stream.raw.read1(1000)) < size, "byte by byte"
    stream.close()


def test_it_can_redirect(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.redirect("https://elsewhere.example/"))
    answer = analyst(LIST)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.example/")


def test_it_can_be_huge(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.huge(3_000_000))
    answer = analyst(LIST)
    assert len(answer.content) == 3_000_000
    assert list(answer.json()) == ["x"]


def test_it_can_send_a_gzip_bomb(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.gzip_bomb(10_000_001))
    answer = analyst(LIST)
    assert len(answer.content) == 10_000_001
    assert int(answer.headers["Content-Length"]) < 20_000


def test_a_reply_can_be_edited(omni: StandIn, analyst: Asking) -> None:
    omni.fail(Fault.edit(lambda reply: {**reply, "messages": []}), path=f"{LIST}/")
    assert analyst(f"{LIST}/{EXAMPLE}").json()["messages"] == []
    assert analyst(f"{LIST}/{EXAMPLE}").json()["id"] == EXAMPLE
    assert is_refused(analyst(f"{LIST}/{NOBODY}"), 404)


# Running


def test_it_keeps_a_connection(omni: StandIn, analyst: Asking) -> None:
    connection = HTTPConnection(omni.host, timeout=5)
    headers = {"Authorization": f"Bearer {analyst.token}"}
    used = set()
    began = time.monotonic()
    for _ in range(20):
        connection.request("GET", "/api/v1/whoami", headers=headers)
        assert connection.getresponse().read()
        used.add(connection.sock.getsockname())
    connection.close()
    assert len(used) == 1
    assert time.monotonic() - began < 0.5, "no waiting for delayed acknowledgements"


def test_it_stops_at_once_and_for_good(small: Organization) -> None:
    omni = StandIn(small)
    omni.start()
    token = small.organization_key()
    omni.fail(Fault.delay(30), path=LIST)
    errors = []

    def wait() -> None:
        try:
            Asking(omni, token)(LIST)
        except requests.ConnectionError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not omni.requests:
        time.sleep(0.01)
    with requests.Session() as kept:
        headers = {"Authorization": f"Bearer {token}"}
        assert kept.get(f"{omni.url}/api/v1/whoami", headers=headers, timeout=5).status_code == 200
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", int(omni.host.rpartition(":")[2])), timeout=2) as idle:
            idle.sendall(b"GET")
            omni.stop()
            omni.stop()
            # A reset is an end too, for a connection still waiting to be accepted.
            with contextlib.suppress(ConnectionResetError):
                assert idle.recv(1) == b""
        assert time.monotonic() - began < 0.5
        with pytest.raises(requests.ConnectionError):
            kept.get(f"{omni.url}/api/v1/whoami", headers=headers, timeout=5)
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    assert len(errors) == 1


def test_one_that_never_started_stops_too(small: Organization) -> None:
    StandIn(small).stop()
    quick = StandIn(small)
    quick.start()
    quick.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        quick.start()


def test_it_listens_on_loopback_alone(omni: StandIn) -> None:
    port = int(omni.host.rpartition(":")[2])
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", port))
    with pytest.raises(OSError, match="in use"):
        StandIn(omni.organization, port=port)


def test_there_are_two_dialects(small: Organization) -> None:
    with pytest.raises(ValueError, match="no dialect 'french'"):
        StandIn(small, "french")


def test_it_serves_many_at_once_while_it_changes(small: Organization, dialect: str) -> None:
    with StandIn(small, dialect, rate_per_minute=10_000) as omni:
        key = Asking(omni, small.organization_key())
        statuses: list[int] = []

        def ask() -> None:
            statuses.extend(key(LIST).status_code for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            small.remove(small.add_conversation(owner=small.members[0], name="x", turns=[("q", "a")]).id)
        for thread in threads:
            thread.join()
    assert statuses == [200] * 60
    assert len(omni.requests) == 60


# The sample


def picture(organization: Organization) -> list[Any]:
    return [vars(row) for row in organization.conversations] + [vars(member) for member in organization.members]


def test_the_same_moment_gives_the_same_sample(sample: Organization) -> None:
    elsewhere = NOW.astimezone(datetime.strptime("+0900", "%z").tzinfo)
    assert picture(sample_organization(elsewhere)) == picture(sample)
    assert picture(sample_organization(NOW + timedelta(days=1))) != picture(sample)


def test_how_much_each_of_them_asked_does_not_depend_on_the_clock(sample: Organization) -> None:
    def asked(organization: Organization) -> Counter[str]:
        return Counter(row.owner.name for row in organization.conversations)

    for days in (1, 2, 47, 200):
        assert asked(sample_organization(NOW + timedelta(days=days, hours=days))) == asked(sample)


def test_it_is_made_quickly() -> None:
    began = time.process_time()
    sample_organization(NOW)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("now", [NOW, NOW.replace(hour=0, minute=2), NOW.replace(month=1, day=1, hour=23, minute=59)])
def test_it_spans_half_a_year_and_ends_now(now: datetime) -> None:
    organization = sample_organization(now)
    rows = [row for row in organization.conversations if str(row.id) != EXAMPLE]
    assert len(rows) >= 320
    assert timedelta(minutes=1) < now - rows[0].updated_at < timedelta(minutes=10)
    assert timedelta(days=160) < now - rows[-1].updated_at < timedelta(days=183)
    assert len({row.id for row in rows}) == len(rows)
    assert all(message.created_at < now for row in rows for message in row.messages)
    for row in rows:
        times = [message.created_at for message in row.messages]
        assert times == sorted(times)
        assert [message.role for message in row.messages] == (["user", "assistant"] * len(times))[: len(times)]


def test_people_own_their_shares(sample: Organization) -> None:
    of_lead = [row for row in sample.conversations if row.owner.name == "Marcus Okafor"]
    assert 51 <= len(owned(sample, "analyst")) <= 75
    assert 30 <= len(of_lead) <= 50
    assert 18 <= len(owned(sample, "support")) <= 32
    assert len(sample.members) == 10
    assert any(not member.name.isascii() for member in sample.members)
    assert any(len(member.name) > 40 for member in sample.members)
    assert any(not member.is_active for member in sample.members)
    assert isinstance(sample.members[0], Member)


def test_a_page_of_the_list_does_not_repeat_itself(sample: Organization) -> None:
    for rows in (owned(sample, "analyst"), sample.conversations, owned(sample, "support")):
        names = [row.name for row in rows[:50]]
        assert len(set(names)) >= len(names) - 2
    assert len({row.messages[1].text for row in sample.conversations if len(row.messages) > 1}) > 330


def test_numbers_in_answers_agree_with_the_rows(sample: Organization) -> None:
    checked = 0
    for row in sample.conversations:
        rows = next((action.rows for job in row.jobs[:1] for action in job.actions if action.rows), ())
        if len(rows) > 4 and len(rows[0]) == 2 and str(row.id) != EXAMPLE:
            assert all(cell in row.messages[1].text for cell in (*rows[1], *rows[-1])), row.name
            checked += 1
    assert checked > 300


def test_the_specials_are_on_the_analysts_first_page(sample: Organization) -> None:
    names = {row.name for row in owned(sample, "analyst")[:50]}
    assert {
        "Revenue this morning",
        "Return rate three ways",
        "Forty best-selling styles",
        "Revenue by region and month",
        "Revenue forecast for the next quarter",
        "Margin by supplier",
        "Every order line of 2019",
        "Orders from Atlantis",
        "Stock-outs, over several days",
        "Every return of September",
    } <= names
    assert "Top products by revenue" in {row.name for row in owned(sample, "analyst")}


def test_torture_belongs_to_one_person_and_stands_far_down(sample: Organization) -> None:
    rows = sample.conversations
    names = {row.name for row in rows if row.owner.name == "Torture Tests"}
    assert {
        None,
        "A very long investigation of returns",
        "Markdown from a language model: lists and quotes",
        "إيرادات الربع الثالث 第三季度收入",
        "Pasted text from an untrusted page",
        "Pasted text: five thousand brackets",
        "Pasted text: links and quotes without end",
        "Revenue <b>& returns</b> <script>alert('name')</script>",
        "An answer without words",
        "Answers from before there were jobs",
        "An answer without a link to Omni",
    } <= names
    assert 300 in {len(name or "") for name in names}
    assert min(place for place, row in enumerate(rows) if row.owner.name == "Torture Tests") > 300
    others = [row for row in rows if row.owner.name != "Torture Tests"]
    harmless = "".join(f"{row.name}{message.text}" for row in others for message in row.messages)
    assert not any(harm in harmless for harm in ("<script", "javascript:", "onerror", "\u202e", "W" * 50))


def test_it_tells_of_what_failed_and_what_nobody_answered(sample: Organization) -> None:
    failed = [job for _, job in all_jobs(sample) if job.state == "FAILED"]
    assert 15 <= len(failed) <= 20
    assert all(job.error and job.error_code for job in failed)
    assert len({job.error for job in failed}) >= 6
    assert NOW - max(job.created_at for job in failed) < timedelta(days=7)
    assert NOW - min(job.created_at for job in failed) > timedelta(days=90)
    assert sum(row.messages[-1].role == "user" for row in sample.conversations) >= 5
    assert sum(job.state == "EXECUTING" for row in sample.conversations for job in row.jobs if job.progress) >= 3


def test_people_ask_at_work_and_what_they_ask_was_not_asked_before(sample: Organization) -> None:
    asked = [message.created_at for row in sample.conversations for message in row.messages[:1]]
    assert sum(at.weekday() >= 5 for at in asked) < len(asked) / 20
    assert sum(7 <= at.hour <= 16 for at in asked) > len(asked) * 0.9
    names = [row.name for row in sample.conversations]
    assert len(set(names)) == len(names)
    assert not any(
        re.search(r"[a-z] #?\d{1,2}$", name or "") for name in names if not re.search(r"\d to \d+$", name or "")
    )


def test_topics_fit_those_who_ask(sample: Organization) -> None:
    topics = {row.owner.name: Counter[str | None]() for row in sample.conversations}
    for row, job in all_jobs(sample):
        topics[row.owner.name][job.topic] += 1
    assert topics["山田 花子"].most_common(1)[0][0] == "inventory"
    assert topics["ليلى حداد"].most_common(1)[0][0] == "marketing"


def test_results_may_be_kept_longer_than_omni_does(dialect: str) -> None:
    organization = sample_organization(NOW)
    row = next(
        row
        for row in organization.conversations
        if NOW - row.updated_at > timedelta(days=60) and row.jobs and row.jobs[0].state == "COMPLETE"
    )
    with StandIn(organization, dialect, rate_per_minute=10_000, now=NOW) as omni:
        lead = Asking(omni, organization.demo_tokens["lead"])
        path = f"/v1/ai/jobs/{row.jobs[0].id}/result"
        assert lead(path).status_code == 404
        organization.results_kept = timedelta(days=400)
        assert lead(path).status_code == 200


def test_the_documented_example_may_follow_the_clock() -> None:
    def example(**options: bool) -> Conversation:
        rows = sample_organization(NOW, **options).conversations
        return next(row for row in rows if str(row.id) == EXAMPLE)

    followed, documented = example(documented_dates=False), example()
    assert timedelta(days=1) < NOW - followed.updated_at < timedelta(days=14)
    assert documented.updated_at == datetime(2025, 1, 15, 10, 5, tzinfo=UTC)
    assert [message.text for message in followed.messages] == [message.text for message in documented.messages]
    assert followed.updated_at - followed.created_at == documented.updated_at - documented.created_at


def test_the_specials_are_what_they_say(sample: Organization) -> None:
    text = {row.name: "\n".join(message.text for message in row.messages) for row in sample.conversations}
    messages = {row.name: row.messages for row in sample.conversations}
    assert len(messages["A very long investigation of returns"]) == 400
    assert text["Forty best-selling styles"].count("\n| ") == 41
    assert text["Revenue by region and month"].splitlines()[2].count("|") == 15, "14 columns"
    assert all(f"```{name}\n" in text["Return rate three ways"] for name in ("sql", "python", "json"))
    assert text["Pasted text: five thousand brackets"].endswith("[" * 5_000)
    assert messages["An answer without words"][1].text == ""
    assert messages["Revenue this morning"][-1].role == "user"
    hostile = text["Pasted text from an untrusted page"]
    for harm in ("<script>", "onerror=", "javascript:", "](data:image", "tracker.example", "<form", "style=", "\u202e"):
        assert harm in hostile
    pauses = [message.created_at for message in messages["Stock-outs, over several days"]]
    assert max(later - earlier for earlier, later in itertools.pairwise(pauses)) > timedelta(days=3)


def test_evidence_comes_in_all_sorts(sample: Organization) -> None:
    jobs = [job for _, job in all_jobs(sample)]
    actions = [action for job in jobs for action in job.actions]
    assert {job.state for job in jobs} == {"COMPLETE", "EXECUTING", "FAILED", "CANCELLED"}
    assert {action.type for action in actions} == {"generate_query", "summarize"}
    assert {action.status for action in actions} == {"success", "error"}
    assert {action.was_truncated for action in actions} == {True, False}
    assert any(action.query and not action.rows for action in actions)
    assert {job.chart for job in jobs} == {True, False}
    assert {"order_items", "returns", "inventory", "marketing"} <= {job.topic for job in jobs}
    cells = {row[-1] for action in actions for row in action.rows or ()}
    for shape in (r"\d{3},\d{3}\.\d\d", r"\$\d,\d{3}", r"\d\d\.\d%"):
        assert any(re.fullmatch(shape, cell) for cell in cells), shape


# The command


def command(*options: str) -> subprocess.Popen[str]:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "omniviewer.settings", "OMNIVIEWER_DEBUG": "true"}
    program = [sys.executable, "manage.py", "stand_in", *options]
    out = subprocess.PIPE
    return subprocess.Popen(program, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_stopped(how: signal.Signals) -> None:
    options = ("--port", "0", "--dialect", "sdk", "--rate", "2", "--now", "2025-01-20T12:00:00Z", "--without-whoami")
    process = command(*options)
    assert process.stdout
    said = process.stdout.readline()
    found = re.match(r"Stand-in Omni on (http://127\.0\.0\.1:\d+)/ \(.+\)", said)
    assert found, said
    headers = {"Authorization": "Bearer omni_org_demo_lead_c83d61f0b2e7"}
    asked = [f"{LIST}?pageSize=1", "/v1/ai/jobs/550e8400-e29b-41d4-a716-446655440010/vis", LIST]
    answers = [requests.get(f"{found[1]}/api{path}", headers=headers, timeout=5) for path in asked]
    process.send_signal(how)
    rest, _ = process.communicate(timeout=10)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].json()["records"][0]["updatedAt"].startswith("2025-01-20T11:5")
    assert (process.returncode, rest.strip()) == (0, "")


def test_the_command_serves_old_results_and_the_documented_dates_when_asked() -> None:
    def asked(path: str, *options: str) -> requests.Response:
        process = command("--port", "0", *options)
        assert process.stdout
        site = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert site
        headers = {"Authorization": "Bearer omni_org_demo_lead_c83d61f0b2e7"}
        try:
            return requests.get(f"{site[0]}/api{path}", headers=headers, timeout=5)
        finally:
            process.terminate()
            process.communicate(timeout=10)

    example, result = f"{LIST}/{EXAMPLE}", "/v1/ai/jobs/550e8400-e29b-41d4-a716-446655440000/result"
    assert asked(example, "--sample-until", "2026-03-05T12:00").json()["createdAt"] == "2026-03-03T10:00:00.000Z"
    assert asked(example, "--documented-dates").json()["createdAt"] == "2025-01-15T10:00:00.000Z"
    assert asked(result, "--documented-dates").status_code == 404
    assert asked(result, "--documented-dates", "--results-kept", "4000").status_code == 200


def test_a_port_that_is_taken_is_one_sentence(small: Organization) -> None:
    with StandIn(small) as omni:
        port = omni.host.rpartition(":")[2]
        process = command("--port", port)
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.strip().splitlines() == [
        f"CommandError: Port {port} cannot be used: something else listens there, or it is not a port number."
    ]


def test_a_running_answer_of_the_sample_comes_in_the_end() -> None:
    organization = sample_organization(NOW)
    row = next(row for row in organization.conversations if row.name == "Revenue forecast for the next quarter")
    job = row.messages[-1].job
    assert job
    organization.advance(NOW + timedelta(seconds=119))
    assert (job.state, row.messages[-1].text[:13]) == ("EXECUTING", "Working on it")
    organization.advance(NOW + timedelta(seconds=120))
    assert (job.state, job.progress) == ("COMPLETE", "")
    assert row.messages[-1].text.startswith("Revenue of the next quarter")
    assert job.completed_at == row.messages[-1].created_at == row.updated_at == NOW + timedelta(minutes=2)


def test_permissions_differ_by_route_and_token(small: Organization, ana: Asking, key: Asking) -> None:
    row = next(row for row in small.conversations if row.name == "Ana 0")
    job, paths = row.jobs[0], {"thread": f"{LIST}/{row.id}", "job": f"/v1/ai/jobs/{row.jobs[0].id}"}
    paths |= {"result": f"{paths['job']}/result", "chart": f"{paths['job']}/vis"}
    before = {route: key(path).status_code for route, path in paths.items()}
    small.permissions.deny("thread", token=key.token, id=row.id, status=403)
    small.permissions.deny("job", "result", "chart", token=key.token, id=job.id)
    refused = {route: key(path).status_code for route, path in paths.items()}
    assert refused == {"thread": 403, "job": 404, "result": 404, "chart": 404}
    assert {route: ana(path).status_code for route, path in paths.items()} == before
    assert str(row.id) in key.walk()
    small.permissions.deny("list", token=key.token, id=row.id)
    assert str(row.id) not in key.walk()
    small.permissions.allow("thread", "list", token=key.token, id=row.id)
    assert key(paths["thread"]).status_code == 200
    assert str(row.id) in key.walk()


def test_permissions_may_end_at_a_time(small: Organization, small_omni: StandIn, ana: Asking) -> None:
    row = next(row for row in small.conversations if row.name == "Ana 0")
    small.permissions.add(Rule("thread", until=NOW))
    assert ana(f"{LIST}/{row.id}").status_code == 200
    small.permissions.add(Rule("thread", since=NOW))
    assert ana(f"{LIST}/{row.id}").status_code == 404


def test_one_token_may_be_shown_other_words(small: Organization, ana: Asking, key: Asking) -> None:
    row = next(row for row in small.conversations if row.name == "Ana 0")
    small.permissions.reword(key.token, lambda text: text.replace("a", "[redacted]"))
    assert '"[redacted]"' in key(f"{LIST}/{row.id}").text
    assert "[redacted]" not in ana(f"{LIST}/{row.id}").text
