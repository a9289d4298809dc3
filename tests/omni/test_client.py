"""The client for Omni's API: the requests that it sends, and that no reply can harm the site."""

import gzip
import json
import re
from uuid import UUID

import pytest

from omniviewer.demo.stand_in import Fault, StandIn
from omniviewer.omni import CannotAsk, Client, NotVisible, OmniError, RateLimited, Token, TokenRejected, Unreadable
from tests.conftest import EXAMPLE

pytestmark = pytest.mark.both_dialects


@pytest.fixture
def client(omni: StandIn) -> Client:
    return Client(omni.host, Token(omni.organization.demo_tokens["lead"]), timeout=2.0, max_body=1_000_000)


def test_it_works(client: Client, dialect: str) -> None:
    reply = client.conversation(UUID(EXAMPLE))
    assert [message.role for message in reply.messages] == ["user", "assistant", "user", "assistant"]
    assert reply.messages[1].text.startswith("### Top 5 Products by Revenue\n\n1. **Sunglasses** - $678,994")
    assert reply.messages[1].job_id == UUID("550e8400-e29b-41d4-a716-446655440000")
    assert reply.messages[0].job_id is None
    assert (reply.owner_id is None) is (dialect == "sdk")
    assert (reply.name is None) is (dialect == "reference")


def test_it_sends_the_token_and_always_a_page_size(client: Client, omni: StandIn) -> None:
    page = client.conversations()
    assert len(page.conversations) == 100
    assert page.total == len(omni.organization.conversations)
    (request,) = omni.requests
    assert request.token == omni.organization.demo_tokens["lead"]
    assert request.query == {"pageSize": "100"}


def test_the_last_page_has_no_cursor(client: Client) -> None:
    cursor: str | None = ""
    seen: list[UUID] = []
    while cursor is not None:
        page = client.conversations(cursor=cursor)
        seen += [row.id for row in page.conversations]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen)) >= 300


def test_it_tells_people_by_name(client: Client, omni: StandIn) -> None:
    page = client.members()
    assert {member.name for member in page.members} == {member.name for member in omni.organization.members}
    assert any(not member.is_active for member in page.members)


def test_an_environment_password_file_does_not_take_the_tokens_place(
    client: Client, omni: StandIn, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.whoami()
    assert omni.requests[0].token == omni.organization.demo_tokens["lead"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.status(400), OmniError),
        (Fault.status(401), TokenRejected),
        (Fault.status(403), NotVisible),
        (Fault.status(404), NotVisible),
        (Fault.status(409), OmniError),
        (Fault.status(422), OmniError),
        (Fault.status(429), RateLimited),
        (Fault.status(500), CannotAsk),
        (Fault.status(503), CannotAsk),
        (Fault.html(200), Unreadable),
        (Fault.html(502), CannotAsk),
        (Fault.empty(), Unreadable),
        (Fault.truncated_json(), Unreadable),
        (Fault.body([]), Unreadable),
        (Fault.body({"hello": EXAMPLE}), Unreadable),
        (Fault.body({"id": "x", "messages": []}), Unreadable),
        (Fault.body({"id": "00000000-0000-4000-8000-000000000000", "messages": []}), Unreadable),
        (Fault.body(b"[" * 100_000), Unreadable),
        (Fault.body(b"\xff\xfe\x00"), Unreadable),
        (Fault.cut(after=20), CannotAsk),
        (Fault.huge(2_000_000), Unreadable),
        (Fault.gzip_bomb(20_000_000), Unreadable),
        (Fault.redirect("http://127.0.0.1:1/"), Unreadable),
        (Fault.delay(3.0), CannotAsk),
        (Fault.drip(0.05), CannotAsk),
    ],
    ids=lambda value: re.sub(r"\W+", "-", repr(value))[:40],
)
def test_every_bad_answer_is_an_error_with_a_sentence(
    client: Client, omni: StandIn, fault: Fault, error: type[OmniError]
) -> None:
    omni.fail(fault, path="/v1/ai/conversations/")
    with pytest.raises(error) as raised:
        client.conversation(UUID(EXAMPLE))
    assert raised.value.sentence.endswith((".", ")"))
    assert omni.organization.demo_tokens["lead"] not in repr(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", None),
        ("text", None),
        ("timestamp", "yesterday"),
        ("createdAt", 5),
        ("jobId", "not-a-uuid"),
        ("jobId", 7),
        ("omniChatUrl", ["x"]),
        ("role", None),
        ("surprise", {"deep": [1, 2]}),
    ],
)
def test_one_odd_field_loses_nothing_else(client: Client, omni: StandIn, field: str, value: object) -> None:
    def spoil(reply: dict[str, list[dict[str, object]]]) -> object:
        reply["messages"][1][field] = value
        return reply

    omni.fail(Fault.edit(spoil), path="/v1/ai/conversations/")
    reply = client.conversation(UUID(EXAMPLE))
    assert len(reply.messages) == 4
    assert reply.messages[3].text.startswith("### Sunglasses Revenue by Month")


def test_a_zero_byte_is_made_visible(client: Client, omni: StandIn) -> None:
    def spoil(reply: dict[str, list[dict[str, object]]]) -> object:
        message = reply["messages"][1]
        message["content" if "content" in message else "text"] = "a\0b"
        return reply

    omni.fail(Fault.edit(spoil), path="/v1/ai/conversations/")
    assert client.conversation(UUID(EXAMPLE)).messages[1].text == "a\N{SYMBOL FOR NULL}b"


def test_it_reads_compressed_replies(client: Client, omni: StandIn) -> None:
    reply = json.dumps({"id": EXAMPLE, "messages": [{"role": "user", "content": "x" * 300_000}]}).encode()
    headers = {"Content-Encoding": "gzip"}
    omni.fail(Fault.status(200, gzip.compress(reply), headers=headers), path="/v1/ai/conversations/")
    assert len(client.conversation(UUID(EXAMPLE)).messages[0].text) == 300_000


def test_it_never_holds_more_than_the_limit(omni: StandIn) -> None:
    import tracemalloc

    client = Client(omni.host, Token("x" * 20), timeout=20.0, max_body=200_000)
    omni.fail(Fault.gzip_bomb(100_000_000), path="")
    tracemalloc.start()
    with pytest.raises(Unreadable, match="larger than"):
        client.whoami()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
