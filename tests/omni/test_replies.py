"""Replies in forms that no reference of Omni's has: read as far as they make sense, and the reader told of the rest."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid5

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from conversations.archive import credentials, list_walk
from conversations.archive import people as archive_people
from conversations.models import Access, Action, Chart, Conversation, Job, Member, Reader
from conversations.models.conversation import recency
from conversations.rendering import render_answer
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member as InOmni
from omniviewer.omni import Token, omni_link, replies, results
from omniviewer.omni.fields import as_reason
from omniviewer.omni.times import as_time
from tests.conftest import credential_for, one_dialect, signed_in, text_of
from tests.replying import answer_with

pytestmark = pytest.mark.both_dialects

NAMESPACE = UUID("00000000-0000-4000-8000-000000000000")
WANTED = UUID("0c000000-0000-4000-8000-00000000000c")
JOB = UUID("0d000000-0000-4000-8000-00000000000d")
THREAD = f"/conversations/{WANTED}/"
EVIDENCE = f"{THREAD}messages/2/evidence/"
CHARTS = f"{THREAD}messages/2/charts/"
ROUTE = f"/v1/ai/conversations/{WANTED}"
JOB_ROUTE = f"/v1/ai/jobs/{JOB}"
HTMX = {"HX-Request": "true"}


def number(count: int) -> str:
    return str(uuid5(NAMESPACE, str(count)))


def row(count: int, **fields: Any) -> dict[str, Any]:
    at = f"2026-10-{count:02}T08:00:00Z"
    return {"id": number(count), "name": f"Ferries {count}", "updatedAt": at, "createdAt": at, **fields}


def listing(*rows: Any, **info: Any) -> dict[str, Any]:
    page = {"hasNextPage": False, "nextCursor": None, "totalRecords": len(rows), **info}
    return {"data": list(rows), "pageInfo": page}


def thread(*messages: Any, **fields: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"id": str(WANTED), "createdAt": at, "updatedAt": at, "messages": list(messages), **fields}


def asked(text: Any = "How many ferries sailed?", **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, "timestamp": datetime.now(UTC).isoformat(), **fields}


def answered(text: Any = "Seven **ferries**.", **fields: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"role": "assistant", "content": text, "timestamp": at, "jobId": str(JOB), **fields}


@pytest.fixture
def replies_with(colleague: User, small: Organization, small_omni: StandIn) -> Callable[..., Client]:
    """Return a function that connects the colleague, with an organization key, to an Omni with these replies."""

    def connected(routes: dict[str, Any]) -> Client:
        answer_with(small_omni, routes)
        credential_for(colleague, small_omni, small.organization_key())
        return signed_in(colleague)

    return connected


# Times ----------------------------------------------------------------------------------------------------

SUMMER = datetime(2025, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "told",
    [
        "2025-06-01T10:00:00Z",
        "2025-06-01T10:00:00.000000000Z",
        "2025-06-01T10:00:00",
        " 2025-06-01 10:00 UTC",
        "2025-06-01 10:00:00 gmt",
        "2025-06-01 12:00:00 UTC+2",
        "2025-06-01 15:30:00 GMT+0530",
        "2025-06-01 12:00:00 +0200",
        "2025-06-01T10:00:00Z[UTC]",
        "Sun, 01 Jun 2025 10:00:00 GMT",
        "1 Jun 2025 12:00:00 +0200",
        "Sun Jun 01 2025 12:00:00 GMT+0200 (Central European Summer Time)",
        1748772000,
        1748772000.0,
        1748772000000,
        1748772000000000,
        "1748772000",
        "1748772000000",
    ],
)
def test_a_time_is_read_in_whichever_form_it_comes(told: object) -> None:
    assert as_time({"timestamp": told}, "timestamp") == SUMMER


@pytest.mark.parametrize(
    "told",
    [
        "soon",
        "",
        0,
        5,
        -1748772000,
        True,
        float("nan"),
        float("inf"),
        10**400,
        [],
        {},
        "9" * 40,
        "10:00 UTC",
        "UTC",
        "1 x 2",
    ],
)
def test_what_is_no_time_is_none(told: object) -> None:
    assert as_time({"timestamp": told}, "timestamp") is None


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.sampled_from([datetime.isoformat, str, lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} UTC"]),
)
def test_every_time_that_is_kept_fits_into_every_column(moment: datetime, write: Callable[[datetime], str]) -> None:
    read = as_time({"timestamp": write(moment)}, "timestamp")
    if 1971 <= moment.year <= 2198:
        assert read is not None
    if read:
        assert read.tzinfo is UTC
        assert 0 <= recency(read, 2**40) < 2**63
        assert read + timedelta(days=14)


@given(st.datetimes(timezones=st.just(UTC)))
def test_no_time_is_out_of_order(moment: datetime) -> None:
    assert recency(moment) < 2**63


@one_dialect
@pytest.mark.parametrize("at", ["2249-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", 10**15])
def test_a_time_out_of_reach_stops_neither_list_nor_sync(replies_with: Callable[..., Client], at: object) -> None:
    listed = listing(row(1), row(2, updatedAt=at, createdAt=at), row(3))
    client = replies_with({"/v1/ai/conversations": listed, "/v1/ai/conversations/": {"$status": 503}})
    page = text_of(client.get("/conversations/"))
    assert all(f"Ferries {count}" in page for count in (1, 2, 3))
    walk = list_walk.walk_of(ApiToken.objects.get())
    assert list_walk.go_on(walk, Urgency.AHEAD).has_seen_all
    assert list_walk.check(walk, Urgency.AHEAD, looked_at=datetime.now(UTC)).newest == datetime(
        2026, 10, 3, 8, tzinfo=UTC
    )


# The list -------------------------------------------------------------------------------------------------

ODD_ROWS: list[Any] = [None, "a text", 7, [], {}, {"id": None}, {"id": "chat-session-9"}, {"id": 12}, {"id": {"x": 1}}]


@one_dialect
@pytest.mark.parametrize("odd", ODD_ROWS, ids=repr)
def test_one_odd_row_hides_no_other(replies_with: Callable[..., Client], odd: object) -> None:
    client = replies_with({"/v1/ai/conversations": listing(row(1), odd, row(3))})
    page = text_of(client.get("/conversations/"))
    assert "Ferries 1" in page
    assert "Ferries 3" in page
    assert "1 entry of Omni’s list could not be read" in page


@one_dialect
def test_several_are_counted_and_the_notice_goes_once_all_are_read(
    replies_with: Callable[..., Client], small_omni: StandIn
) -> None:
    client = replies_with({"/v1/ai/conversations": listing(row(1), *ODD_ROWS)})
    assert f"{len(ODD_ROWS)} entries of Omni’s list could not be read" in text_of(client.get("/conversations/"))
    answer_with(small_omni, {"/v1/ai/conversations": listing(row(1))})
    assert "could not be read" not in text_of(client.get("/conversations/?refresh=1", follow=True))


@one_dialect
def test_what_stood_where_an_odd_row_is_stays_readable(
    replies_with: Callable[..., Client], small_omni: StandIn
) -> None:
    client = replies_with({"/v1/ai/conversations": listing(row(1), row(2), row(3))})
    client.get("/conversations/")
    answer_with(small_omni, {"/v1/ai/conversations": listing(row(1), None, row(3))})
    walk = list_walk.go_on(list_walk.walk_of(ApiToken.objects.get()), Urgency.AHEAD)
    list_walk.check(walk, Urgency.AHEAD, looked_at=datetime.now(UTC))
    assert Access.objects.exclude(listed_at=None).count() == 3
    assert "Ferries 2" in text_of(client.get("/conversations/?refresh=1", follow=True))


@one_dialect
def test_a_list_without_a_way_on_says_so_and_drops_nothing(replies_with: Callable[..., Client]) -> None:
    listed = listing(row(1), hasNextPage=True, nextCursor=["x"], totalRecords=None)
    client = replies_with({"/v1/ai/conversations": listed})
    assert "does not say how to ask for them" in text_of(client.get("/conversations/"))


def test_more_rows_than_are_read_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_ROWS", 2)
    page = replies.conversation_page(listing(row(1), row(2), row(3)))
    assert (len(page.conversations), page.unreadable) == (2, 1)


# Messages -------------------------------------------------------------------------------------------------


@one_dialect
@pytest.mark.parametrize("odd", [None, 7, [], {}, True, {"role": 5, "content": None}], ids=repr)
def test_an_odd_message_hides_no_other_and_moves_none(replies_with: Callable[..., Client], odd: object) -> None:
    client = replies_with({ROUTE: thread(asked(), odd, answered())})
    page = text_of(client.get(f"{THREAD}messages/3/"))
    assert "How many ferries sailed?" in page
    assert 'id="message-3" tabindex="-1" autofocus' in page
    assert "Seven <strong>ferries</strong>" in page
    assert "1 of the 3 messages could not be read" in page
    assert "This message could not be read" in page


@one_dialect
@pytest.mark.parametrize("form", ["md", "json", "html"])
def test_a_file_says_that_it_is_not_whole(replies_with: Callable[..., Client], form: str) -> None:
    client = replies_with({ROUTE: thread(asked(), None, answered())})
    client.get(THREAD)
    answer = client.get(f"/conversations/{WANTED}.{form}")
    assert b"1 of the 3 messages could not be read" in answer.getvalue()


@one_dialect
def test_a_text_in_a_messages_place_is_shown(replies_with: Callable[..., Client]) -> None:
    page = text_of(replies_with({ROUTE: thread(asked(), "a loose text")}).get(THREAD))
    assert "a loose text" in page
    assert "could not be read" not in page


@one_dialect
@pytest.mark.parametrize("messages", [None, {}, "x", 7])
def test_without_messages_there_is_a_page_and_it_says_so(replies_with: Callable[..., Client], messages: object) -> None:
    client = replies_with({ROUTE: thread() | {"messages": messages}})
    answer = client.get(THREAD)
    assert answer.status_code == 200
    assert "Omni sent this conversation without its messages." in text_of(answer)


@one_dialect
def test_more_messages_than_are_read(replies_with: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_MESSAGES", 3)
    page = text_of(replies_with({ROUTE: thread(*[asked(f"Question {place}") for place in range(5)])}).get(THREAD))
    assert "Question 2" in page
    assert "Question 3" not in page
    assert "This conversation has 5 messages: the first 3 are shown." in page


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "In an object"}, "In an object"),
        ({"type": "text", "text": {"value": "Deeper"}}, "Deeper"),
        ([{"type": "text", "text": "One"}, "Two", None, {"content": "Three"}], "One\n\nTwo\n\nThree"),
        ({"parts": [{"text": "A"}, {"markdown": "B"}]}, "A\n\nB"),
        (
            [{"type": "thinking", "text": "hm"}, {"type": "tool_use", "name": "x"}, {"type": "text", "text": "Said"}],
            "Said",
        ),
        (12.5, "12.5"),
        (True, ""),
        ([[[[[[[[[[["too deep"]]]]]]]]]]], ""),
    ],
)
def test_content_in_other_forms(content: object, text: str) -> None:
    assert replies.conversation(thread(asked(content)), WANTED).messages[0].text == text


@one_dialect
def test_what_is_attached_is_named(replies_with: Callable[..., Client]) -> None:
    parts = [{"type": "text", "text": "Read this"}, {"type": "image", "name": "harbour.png", "data": "aGk="}]
    attached = [{"filename": "<b>plan</b>.csv", "mimeType": "text/csv"}, {"file": {"name": "fares.xlsx"}}, 5, None]
    client = replies_with({ROUTE: thread(asked(parts, attachments=attached), answered())})
    page = text_of(client.get(THREAD))
    assert "Read this" in page
    for name in ("harbour.png", "&lt;b&gt;plan&lt;/b&gt;.csv", "fares.xlsx"):
        assert name in page
    whole = client.get(f"/conversations/{WANTED}.json").json()
    assert {"name": "fares.xlsx"} in whole["messages"][0]["attachments"]


@one_dialect
def test_a_job_id_that_is_no_uuid_is_shown_and_never_asked_for(
    replies_with: Callable[..., Client], small_omni: StandIn
) -> None:
    client = replies_with({ROUTE: thread(asked(), answered(jobId="../job 1<b>"))})
    assert re.search(r"<code[^>]*>\.\./job 1&lt;b&gt;</code>", text_of(client.get(THREAD)))
    assert client.get(EVIDENCE).status_code == 200
    assert not any("/jobs/" in request.path for request in small_omni.requests)


@pytest.mark.parametrize(
    ("told", "link"),
    [
        ("/chat/1", "https://acme.omniapp.co/chat/1"),
        ("chat/1?a=b#c", "https://acme.omniapp.co/chat/1?a=b#c"),
        (" https://acme.omni.co/chat/1 ", "https://acme.omni.co/chat/1"),
        ("//evil.example/chat/1", ""),
        ("/\\evil.example/chat/1", ""),
        ("javascript:/chat/1", ""),
        ("https://evil.example/chat/1", ""),
        ("/chat/\u202e1", ""),
        ("chat", ""),
        ("", ""),
    ],
)
def test_a_chat_url_may_be_a_path(told: str, link: str) -> None:
    assert omni_link(told, "acme.omniapp.co") == link


@one_dialect
def test_a_path_in_an_answer_leads_to_omni(replies_with: Callable[..., Client], small_omni: StandIn) -> None:
    text = "[Board](/dashboards/9?a=1) [Evil](//evil.example/x) [Odd](/\\\\evil.example) [Plain](dashboards/9)"
    page = text_of(replies_with({ROUTE: thread(asked("[Mine](/typed)"), answered(text))}).get(THREAD))
    assert f'<a href="http://{small_omni.host}/dashboards/9?a=1" rel="noopener noreferrer nofollow">Board' in page
    assert not any("evil" in address or "typed" in address for address in re.findall(r'href="([^"]*)"', page))
    html = render_answer("[Board](/dashboards/9)", "https://acme.omniapp.co/").html
    assert 'href="https://acme.omniapp.co/dashboards/9"' in html
    assert "href" not in render_answer("[Board](/dashboards/9)").html


@pytest.mark.parametrize("told", [None, 7, [], {}, ""])
def test_a_thread_without_a_usable_id_is_the_one_asked_for(told: object) -> None:
    assert replies.conversation(thread(asked(), id=told), WANTED).id == WANTED


# Jobs and what they did -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("  No such table ", "No such table"),
        ({"message": "No such table", "detail": "ferrys", "code": "E7"}, "No such table: ferrys (E7)"),
        ({"message": "No such table: ferrys", "detail": "ferrys", "code": 7}, "No such table: ferrys (7)"),
        ({"error": {"message": "Inner", "details": [{"msg": "a"}, "b"]}}, "Inner: a; b"),
        ({"message": "It took 300 seconds.", "hint": "Ask for less."}, "It took 300 seconds. Ask for less."),
        ({"message": "No such table:", "hint": "Look again!", "code": 7}, "No such table: Look again! (7)"),
        ({"detail": "Only a detail"}, "Only a detail"),
        ({"code": "TIMEOUT"}, "TIMEOUT"),
        ({"unknown": {"x": 1}}, '{"unknown": {"x": 1}}'),
        ([{"message": "One"}, {"message": "Two"}, {"message": "One"}], "One; Two"),
        (True, ""),
        (None, ""),
        ({}, ""),
        ("a\0b", "a\N{SYMBOL FOR NULL}b"),
    ],
)
def test_a_reason_in_whichever_form(told: object, reason: str) -> None:
    assert as_reason(told) == reason


def job_reply(**fields: Any) -> dict[str, Any]:
    return {"id": str(JOB), "state": "COMPLETE", "conversationId": str(WANTED), **fields}


@one_dialect
@pytest.mark.parametrize("key", ["state", "status"])
def test_why_a_job_failed_is_told_with_its_detail_and_code(replies_with: Callable[..., Client], key: str) -> None:
    error = {"message": "Gangway closed", "detail": {"message": "at pier 4"}, "code": "PIER_SHUT"}
    reply = {"id": str(JOB), key: "failed", "conversationId": str(WANTED), "error": error, "modelId": number(1)}
    routes = {ROUTE: thread(asked(), answered("")), JOB_ROUTE: reply, f"{JOB_ROUTE}/": {"$status": 404}}
    page = text_of(replies_with(routes).get(EVIDENCE))
    assert "The job failed" in page
    assert "Gangway closed: at pier 4 (PIER_SHUT)" in page
    job = Job.objects.get()
    assert (str(job.model_id), job.branch_id) == (number(1), None)


def query(**fields: Any) -> dict[str, Any]:
    told = {"queryName": "Sailings", "status": "success", "query": {"table": "sailings"}, "csvResult": "Day,N\nMon,3\n"}
    return {"type": "generate_query", "message": "Counting.", "result": {**told, **fields}}


def evidence_routes(*actions: Any) -> dict[str, Any]:
    result = {"$type": "application/octet-stream", "$json": {"actions": list(actions), "topic": "ferries"}}
    routes = {ROUTE: thread(asked(), answered()), JOB_ROUTE: job_reply(), f"{JOB_ROUTE}/result": result}
    return routes | {f"{JOB_ROUTE}/vis": {"$status": 422}}


@one_dialect
def test_why_a_step_or_a_query_failed_is_shown(replies_with: Callable[..., Client]) -> None:
    failed = query(status="error", csvResult=None, error={"message": "Unknown field", "detail": "Did you mean <day>?"})
    tool = {
        "type": "failure",
        "message": "It broke",
        "toolName": "search_model",
        "isError": True,
        "error": "No <index>",
    }
    actions = [failed, tool, query(), {"type": "create_app", "status": "partial", "reason": "Two of three charts"}]
    actions += [
        {"type": "inspect_model", "status": "skipped", "error": {"reason": "Already known"}, "durationMs": 61000}
    ]
    client = replies_with(evidence_routes(*actions))
    for _ in range(2):  # asked for, and then as it is stored
        page = text_of(client.get(EVIDENCE))
        for words in (
            "Unknown field: Did you mean &lt;day&gt;?",
            "It broke",
            "No &lt;index&gt;",
            "<code>search_model</code>",
            '<span class="badge badge-wrong">failed</span>',
            '<span class="badge">partial</span>',
            "Two of three charts",
            '<span class="badge">skipped</span>',
            "Already known",
            "1 min",
            "<td",
        ):
            assert words in page, words


@one_dialect
def test_each_action_is_kept_as_omni_sent_it(replies_with: Callable[..., Client]) -> None:
    strange = {"type": "dock", "message": "", "berth": {"number": 4, "tide": [None, "high\0"]}}
    page = text_of(replies_with(evidence_routes(strange, query(calculations=[1]), None, "a note")).get(EVIDENCE))
    assert '"berth": {' in page
    assert "1 of the 4 steps could not be read." in page
    assert "a note" in page
    sent = [json.loads(action.sent) for action in Action.objects.in_turn(with_rows=True)]
    assert sent[0]["berth"]["number"] == 4
    assert sent[1]["result"]["calculations"] == [1]
    assert "csvResult" not in sent[1]["result"]
    assert sent[2:] == [None, "a note"]


def test_what_is_kept_of_an_action_is_bounded() -> None:
    long = {"type": "x", "notes": "n" * 900_000, "rows": [{"a": "b" * 900}] * 10}
    many = {"type": "x", "rows": [{"a": 'quote "' * 10}] * 90_000}
    deep: Any = {}
    for _ in range(900):
        deep = {"in": deep}
    found = results.result({"actions": [long, many, {"type": "x", "deep": deep}]}, JOB)
    for action in found.actions:
        assert len(action.raw) <= results.LONGEST_RAW
        json.loads(action.raw)
    assert "(cut, 900,000 characters)" in found.actions[0].raw
    assert json.loads(found.actions[0].raw)["rows"][9] == {"a": "b" * 900}


@one_dialect
def test_very_many_actions_are_shown_from_both_ends(
    replies_with: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST_ACTIONS", 6)
    monkeypatch.setattr(results, "_LAST_ACTIONS", 2)
    client = replies_with(evidence_routes(*[{"type": "x", "message": f"step {place}."} for place in range(9)]))
    page = text_of(client.get(EVIDENCE))
    assert "Omni lists 9 steps: the first 4 and the last 2 are shown." in page
    assert [place for place in range(9) if f"step {place}." in page] == [0, 1, 2, 3, 7, 8]


@one_dialect
@pytest.mark.parametrize(
    "reply", [{"$status": 204}, {"error": "The data is gone"}, {"$type": "text/plain", "$text": '[{"detail": 1}]'}]
)
def test_no_picture_is_remembered(replies_with: Callable[..., Client], small_omni: StandIn, reply: object) -> None:
    rows = "Month,N\n" + "".join(f"2026-0{month},{month * 7}\n" for month in range(1, 8))
    client = replies_with(evidence_routes(query(csvResult=rows)) | {f"{JOB_ROUTE}/vis": reply})
    client.get(EVIDENCE)
    assert "Omni has no chart for this answer" in text_of(client.get(CHARTS, headers=HTMX))
    assert bytes(Chart.objects.get().png) == b""
    small_omni.requests.clear()
    client.get(CHARTS, headers=HTMX)
    assert small_omni.requests == []


# People ---------------------------------------------------------------------------------------------------


def people(*members: Any) -> dict[str, Any]:
    return {"Resources": list(members), "totalResults": len(members)}


def scim_paths(omni: StandIn) -> list[str]:
    return [request.path.removeprefix("/api/scim/v2/") for request in omni.requests if "scim" in request.path]


@one_dialect
def test_both_spellings_are_tried_and_the_right_one_is_remembered(
    replies_with: Callable[..., Client], small_omni: StandIn
) -> None:
    pat, eve = (
        {"id": number(50), "displayName": "Pat Pilot"},
        {"id": number(51), "embedExternalId": "eve@harbour.example"},
    )
    routes = {"/scim/": {"$status": 404}, "/scim/v2/Users": people(pat), "/scim/v2/embed/Users": people(eve)}
    replies_with(routes)
    (token,) = ApiToken.objects.all()
    assert {row.name for row in archive_people.members(token)} == {"Pat Pilot", "eve@harbour.example"}
    assert Member.objects.get(name="eve@harbour.example").email == "eve@harbour.example"
    assert scim_paths(small_omni) == ["users", "Users", "embed/users", "embed/Users"]
    small_omni.requests.clear()
    assert scim_paths(small_omni) == [] == [row for row in archive_people.members(token) if not row.name]
    token.members_asked_at = None
    archive_people.members(token)
    assert scim_paths(small_omni) == ["Users", "embed/Users"]


@one_dialect
@pytest.mark.parametrize("status", [403, 404, 500])
def test_people_are_told_where_embed_users_are_refused(replies_with: Callable[..., Client], status: int) -> None:
    pat = {"id": number(50), "name": {"givenName": "Pat", "familyName": "Pilot"}, "emails": [{"value": "p@x.example"}]}
    replies_with({"/scim/v2/users": people(pat), "/scim/v2/embed": {"$status": status}})
    (token,) = ApiToken.objects.all()
    told = [(row.name, row.email) for row in archive_people.members(token)]
    assert told == [("Pat Pilot", "p@x.example")]


@one_dialect
def test_one_odd_person_hides_no_other(replies_with: Callable[..., Client]) -> None:
    odd = [None, "x", {"id": 7}, {"id": number(9), "displayName": [], "userName": {}}]
    replies_with({"/scim/v2/users": people(*odd, {"id": number(50), "displayName": "Pat"}), "/scim/v2/embed": people()})
    assert "Pat" in {row.name for row in archive_people.members(ApiToken.objects.get())}


@one_dialect
def test_the_owner_of_a_thread_has_a_name(replies_with: Callable[..., Client], colleague: User) -> None:
    pat = {"id": number(50), "displayName": "Pat Pilot"}
    client = replies_with({ROUTE: thread(asked(), userId=number(50)), "/scim/v2/users": people(pat)})
    client.get(THREAD)
    (token,), (conversation,) = ApiToken.objects.all(), Conversation.objects.all()
    assert archive_people.owner_name(Reader.for_user(colleague), conversation, token) == "Pat Pilot"


@one_dialect
@pytest.mark.parametrize("which", ["user_id", "id"])
def test_either_id_that_whoami_tells_is_me(reads: Client, small_omni: StandIn, analyst: InOmni, which: str) -> None:
    reply = thread(asked(), userId=str(getattr(analyst, which)))
    answer_with(small_omni, {ROUTE: reply})
    reads.get(THREAD)
    (conversation,), (token,) = Conversation.objects.all(), ApiToken.objects.all()
    assert archive_people.owner_name(Reader.for_user(token.credentials.get().owner), conversation, token) == "owner"
    assert "Untitled" not in text_of(reads.get("/conversations/?q=owner:me"))
    assert "How many ferries" in text_of(reads.get("/conversations/?q=owner:me"))


@one_dialect
def test_a_thread_does_not_undo_what_a_list_of_one_person_told(
    reads: Client, small: Organization, small_omni: StandIn, analyst: InOmni
) -> None:
    found = small.add_conversation(owner=analyst, name="Fares", turns=[("How many?", "Ten.")])
    reads.get("/conversations/")
    reply = thread(asked(), userId=str(analyst.user_id)) | {"id": str(found.id)}
    answer_with(small_omni, {f"/v1/ai/conversations/{found.id}": reply})
    reads.get(f"/conversations/{found.id}/")
    assert Conversation.objects.get().owner_id == str(analyst.id)


# The person an API token belongs to -----------------------------------------------------------------------


@one_dialect
@pytest.mark.django_db
@pytest.mark.parametrize(
    "reply",
    [
        {"$status": 404},
        {"$status": 405},
        {"keyScope": "mcp", "user": {}},
        {},
        {"$text": "<html>", "$type": "text/html"},
    ],
)
def test_where_whoami_says_nothing_the_list_tells_whether_a_token_works(
    small: Organization, small_omni: StandIn, reply: object
) -> None:
    answer_with(small_omni, {"/v1/whoami": reply})
    identity = credentials.identify(small_omni.host, Token(small.organization_key()))
    assert identity.scope == ""
    assert [request.path for request in small_omni.requests] == ["/api/v1/whoami", "/api/v1/ai/conversations"]


# A program's word for nothing -----------------------------------------------------------------------------


@one_dialect
@pytest.mark.parametrize("word", ["undefined", " null\n"])
def test_a_programs_word_for_nothing_is_no_answer(replies_with: Callable[..., Client], word: str) -> None:
    client = replies_with({ROUTE: thread(asked("null"), answered(word), answered(f"{word.strip()} ferries"))})
    absent = "Omni returned no text for this answer."
    for page in (THREAD, f"{THREAD}print/"):
        said = text_of(client.get(page))
        assert (said.count(absent), said.count(f"<p>{word.strip()}</p>")) == (1, 0)
        assert f"{word.strip()} ferries" in said
    assert absent in client.get(f"{THREAD}messages/2/for-ticket.json").json()["text"]
    assert absent in client.get(f"{THREAD}messages/2/for-ticket.json").json()["html"]
    assert f"*{absent}*" in client.get(f"/conversations/{WANTED}.md").getvalue().decode()
    assert "> null" in client.get(f"/conversations/{WANTED}.md").getvalue().decode(), "what a person asked"
    kept = client.get(f"/conversations/{WANTED}.json").json()["messages"]
    assert [message["content"] for message in kept] == ["null", word, f"{word.strip()} ferries"]


@one_dialect
def test_what_comes_in_its_place_is_no_change_of_the_answer(
    replies_with: Callable[..., Client], small_omni: StandIn
) -> None:
    client = replies_with({ROUTE: thread(asked(), answered("undefined", jobId=None))})
    client.get(THREAD)
    answer_with(small_omni, {ROUTE: thread(asked(), answered("Eight ferries.", jobId=None))})
    said = text_of(client.get(f"{THREAD}?refresh=1", follow=True))
    assert "Eight ferries." in said
    assert "Omni has changed" not in said


# For a ticket ---------------------------------------------------------------------------------------------


@one_dialect
def test_a_ticket_says_why_a_query_or_a_step_failed(replies_with: Callable[..., Client]) -> None:
    failed = query(status="error", csvResult=None, error={"message": "No field <knots>", "code": "FIELD_GONE"})
    step = {"type": "search_model", "message": "Looked", "status": "failed", "error": "The *index* is away"}
    partial = {**query(queryName="Half"), "status": "partial", "reason": "One of two piers"}
    client = replies_with(evidence_routes(failed, step, partial))
    client.get(EVIDENCE)
    said = client.get(f"{THREAD}messages/2/for-ticket.json").json()
    assert r"**Sailings** from sailings: error: No field \<knots\> (FIELD_GONE)" in said["text"]
    assert r"**Search_model**: failed: The \*index\* is away" in said["text"]
    assert "**Half** from sailings: partial: One of two piers" in said["text"]
    assert "<code>sailings</code>: error: No field &lt;knots&gt; (FIELD_GONE)</p>" in said["html"]
    assert "<strong>Search_model</strong>: failed: The *index* is away</p>" in said["html"]


@one_dialect
def test_a_ticket_says_why_the_job_failed(replies_with: Callable[..., Client]) -> None:
    reply = job_reply(state="FAILED", error={"message": "Gangway closed", "detail": "low tide " * 400})
    client = replies_with({ROUTE: thread(asked(), answered("")), JOB_ROUTE: reply, f"{JOB_ROUTE}/": {"$status": 404}})
    client.get(EVIDENCE)
    said = client.get(f"{THREAD}messages/2/for-ticket.json").json()
    for form in ("**Error**: Gangway closed: low tide", "<strong>Error</strong>: Gangway closed: low tide"):
        assert form in said["text"] + said["html"]
    assert len(said["text"]) < 2000
