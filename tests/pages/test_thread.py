"""A thread shows all that the API returns, with nothing dropped."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from conversations.models import Access, Conversation
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.conftest import EXAMPLE, credential_for, signed_in, text_of

pytestmark = pytest.mark.both_dialects


def articles(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page, re.S)


def test_it_works(owner_reads: Client) -> None:
    answer = owner_reads.get(f"/conversations/{EXAMPLE}/")
    assert answer.status_code == 200
    assert len(articles(text_of(answer))) == 4


def test_the_documented_example_is_shown_value_for_value(owner_reads: Client, dialect: str) -> None:
    page = text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))
    first, second, third, fourth = articles(page)
    assert "Question</h2>" in first
    assert "What are the top 5 products by revenue?" in first
    assert 'datetime="2025-01-15T10:00:00Z"' in first
    assert "15 Jan 2025, 10:00 UTC" in first
    assert "Answer</h2>" in second
    assert re.search(r"<h3>Top 5 Products by Revenue</h3>", second)
    assert re.search(r"<ol>\s*<li><strong>Sunglasses</strong> - \$678,994</li>", second)
    assert "<strong>Hat</strong> - $201,487" in second
    assert "Took 1 min 30 s" in second
    assert "550e8400-e29b-41d4-a716-446655440000" in second
    assert f'href="https://my-org.omni.co/chat/{EXAMPLE}"' in second
    assert "Show me revenue by month for sunglasses" in third
    assert "Open in Omni" not in third
    assert "<li>March: $61,992</li>" in fourth
    assert "Took 2 min" in fourth
    assert "550e8400-e29b-41d4-a716-446655440010" in fourth
    assert EXAMPLE in page
    assert "15 January 2025, 10:05:00 UTC" in page
    if dialect == "reference":
        assert "990e8400-e29b-41d4-a716-446655440004" in page
        assert "880e8400-e29b-41d4-a716-446655440003" in page


def test_the_name_is_known_from_the_list_where_the_thread_has_none(owner_reads: Client, omni: StandIn) -> None:
    row = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    for cursor in ("", _second_page(owner_reads)):
        owner_reads.get(f"/conversations/?cursor={cursor}")
    assert f'<h1 id="title" dir="auto">{row.name}</h1>' in text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))


def test_a_message_has_an_address_of_its_own(owner_reads: Client) -> None:
    page = text_of(owner_reads.get(f"/conversations/{EXAMPLE}/messages/2/"))
    assert len(articles(page)) == 4
    marked = [article for article in articles(page) if "is-focused" in article]
    assert len(marked) == 1
    assert 'id="message-2" tabindex="-1" autofocus aria-current="true"' in marked[0]
    assert f'class="message-link" href="/conversations/{EXAMPLE}/messages/2/"' in marked[0]


@pytest.mark.parametrize("position", [0, 5, 99999999999])
def test_a_message_that_is_not_there_is_said_and_the_thread_shown(owner_reads: Client, position: int) -> None:
    answer = owner_reads.get(f"/conversations/{EXAMPLE}/messages/{position}/")
    assert answer.status_code == 404
    assert f"This conversation has 4 messages: there is no message {position}." in text_of(answer)
    assert len(articles(text_of(answer))) == 4


@pytest.mark.parametrize("form", ["/chat/{}", "/chat/{}/"])
def test_omnis_own_path_goes_to_the_same_thread(owner_reads: Client, form: str) -> None:
    assert owner_reads.get(form.format(EXAMPLE))["Location"] == f"/conversations/{EXAMPLE}/"
    kept = owner_reads.get(form.format(EXAMPLE) + "?ticket=ABC-1")["Location"]
    assert kept == f"/conversations/{EXAMPLE}/?ticket=ABC-1"


def test_times_are_in_the_readers_own_zone(owner_reads: Client) -> None:
    owner_reads.cookies["time_zone"] = "America%2FNew_York"
    page = text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))
    assert "15 Jan 2025, 05:00 EST" in page
    owner_reads.cookies["time_zone"] = "Asia%2FTokyo"
    assert "15 Jan 2025, 19:00 JST" in text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))
    assert 'datetime="2025-01-15T10:00:00Z"' in page


def _thread_of(small: Organization, omni: StandIn, owner: User, **fields: Any) -> str:
    """Return the page of a conversation created for the test."""
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, **{"name": "Made", **fields})
    credential_for(owner, omni, small.personal_token(member))
    return text_of(signed_in(owner).get(f"/conversations/{made.id}/"))


def test_a_long_pause_is_marked(small: Organization, small_omni: StandIn, owner: User) -> None:
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="Pauses", turns=[("a", "b"), ("c", "d"), ("e", "f")])
    start = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
    offsets = [0, 60, 60 + 4 * 3600, 4 * 3600 + 120, 3 * 86400, 3 * 86400 + 30]
    made.messages = [
        type(message)(**{**vars(message), "created_at": start + timedelta(seconds=offset)})
        for message, offset in zip(made.messages, offsets, strict=True)
    ]
    credential_for(owner, small_omni, small.personal_token(member))
    page = text_of(signed_in(owner).get(f"/conversations/{made.id}/"))
    assert re.findall(r'class="pause"><span>([^<]+)</span>', page) == ["2 days 19 h later"]


def test_an_answer_without_a_job_or_link_says_so(colleague_reads: Client, omni: StandIn) -> None:
    bare = next(
        row
        for row in omni.organization.conversations
        if any(message.role == "assistant" and message.job is None for message in row.messages)
    )
    page = text_of(colleague_reads.get(f"/conversations/{bare.id}/"))
    assert "Omni gives no job id for this answer" in page


def test_an_unanswered_question_says_so(small: Organization, small_omni: StandIn, owner: User) -> None:
    page = _thread_of(small, small_omni, owner, turns=[("Still there?", None)])
    assert "Omni never answered this question." in page


def test_an_answer_may_still_come(small: Organization, small_omni: StandIn, owner: User) -> None:
    page = _thread_of(small, small_omni, owner, turns=[("And now?", None)], started_at=datetime.now(UTC))
    assert "never answered" not in page
    assert "No answer yet." in page or "Omni is working on this answer" in page


@pytest.mark.both_dialects
def test_a_number_leads_to_its_message(owner_reads: Client) -> None:
    address = f"/conversations/{EXAMPLE}/"
    for typed in ("#2", " # 2 "):
        answer = owner_reads.get(address, {"find": typed})
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{address}messages/2/")
    kept = owner_reads.get(address, {"find": "#2", "q": "revenue"})
    assert kept.headers["Location"] == f"{address}messages/2/?q=revenue"
    missing = owner_reads.get(address, {"find": "#999"}, follow=True)
    assert missing.status_code == 404
    assert "there is no message 999" in text_of(missing)
    # Other texts are looked for, as any word is.
    for typed in ("#0", "#2x", "2", "#1234567", "#２"):
        assert owner_reads.get(address, {"find": typed}).status_code == 200


def test_a_conversation_without_messages_says_so(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.edit(lambda reply: {**reply, "messages": []}), path="/v1/ai/conversations/")
    assert "No messages yet" in text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))


def test_questions_are_plain_text(small: Organization, small_omni: StandIn, owner: User) -> None:
    asked = "**Not bold** <script>alert(1)</script>\nnext line"
    page = _thread_of(small, small_omni, owner, turns=[(asked, "ok")])
    assert "**Not bold** &lt;script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://my-org.omni.co/chat/1", True),
        ("https://my-org.omniapp.co/chat/1", True),
        ("http://my-org.omni.co/chat/1", False),
        ("https://omni.co.example.com/chat/1", False),
        ("javascript:alert(1)", False),
    ],
)
def test_open_in_omni_leads_to_omni_or_nowhere(owner_reads: Client, omni: StandIn, url: str, *, is_link: bool) -> None:
    def lead_elsewhere(reply: dict[str, Any]) -> dict[str, Any]:
        for message in reply["messages"]:
            message["omniChatUrl"] = url
        return reply

    omni.fail(Fault.edit(lead_elsewhere), path="/v1/ai/conversations/")
    page = text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))
    assert ("Open in Omni" in page) is is_link
    assert (url in page) is is_link


def test_an_unknown_role_is_shown_under_its_name(owner_reads: Client, omni: StandIn) -> None:
    def rename(reply: dict[str, Any]) -> dict[str, Any]:
        reply["messages"][1]["role"] = "<tool>"
        return reply

    omni.fail(Fault.edit(rename), path="/v1/ai/conversations/")
    assert "Message by “<bdi>&lt;tool&gt;</bdi>”" in text_of(owner_reads.get(f"/conversations/{EXAMPLE}/"))


def test_a_thread_of_400_messages_is_shown_whole(
    colleague_reads: Client, omni: StandIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    longest = max(omni.organization.conversations, key=lambda row: len(row.messages))
    assert len(longest.messages) == 400
    first = articles(text_of(colleague_reads.get(f"/conversations/{longest.id}/")))
    assert len(first) == 400
    with django_assert_max_num_queries(22):
        assert len(articles(text_of(colleague_reads.get(f"/conversations/{longest.id}/")))) == 400


@pytest.mark.parametrize("dialect", ["reference"])  # the other one tells the same
@pytest.mark.slow
def test_every_conversation_of_the_sample_is_shown(colleague_reads: Client, omni: StandIn) -> None:
    # Generated conversations are alike, so take every tenth of them.
    rows = [row for number, row in enumerate(omni.organization.conversations) if number < 100 or number % 10 == 0]
    for row in rows:
        answer = colleague_reads.get(f"/conversations/{row.id}/")
        assert answer.status_code == 200, row.name
        assert len(articles(text_of(answer))) == len(row.messages)
    assert Access.objects.exclude(opened_at=None).count() == len(rows)


def test_it_asks_omni_for_that_one_thing(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"/conversations/{EXAMPLE}/")
    assert [request.path for request in omni.requests] == [f"/api/v1/ai/conversations/{UUID(EXAMPLE)}"]


def _second_page(client: Client) -> str:
    found = re.search(r'rel="next" href="\?cursor=([^"&]+)"', text_of(client.get("/conversations/")))
    return found.group(1) if found else ""


@pytest.mark.parametrize("dialect", ["reference"])  # the other one does not tell whose a thread is
def test_it_says_who_asked_and_leads_to_their_conversations(
    small: Organization, small_omni: StandIn, colleague: User, analyst: Member, ben: Member
) -> None:
    mine = small.add_conversation(owner=ben, name="Mine", turns=[("How many?", "Five.")])
    small.add_conversation(owner=analyst, name="Not mine", turns=[("How much?", "Six.")])
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    page = text_of(client.get(f"/conversations/{mine.id}/"))
    asked_by = re.search(r'Asked by</dt>\s*<dd>\s*<a href="([^"]+)" dir="auto">Ben Buyer</a>', page)
    assert asked_by
    client.get("/conversations/")
    listed = text_of(client.get(asked_by[1]))
    assert listed.count('class="row-title"') == 1
    assert f"/conversations/{mine.id}/" in listed


@pytest.mark.parametrize("dialect", ["reference"])  # the other one does not tell whose a thread is
def test_a_stored_thread_asks_for_no_names(
    small: Organization, small_omni: StandIn, colleague: User, ben: Member
) -> None:
    made = small.add_conversation(owner=ben, name="Made", turns=[("How many?", "Five.")])
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    client.get(f"/conversations/{made.id}/")
    ApiToken.objects.update(members_asked_at=None)
    small_omni.requests.clear()
    assert "Ben Buyer" in text_of(client.get(f"/conversations/{made.id}/"))
    assert small_omni.requests == []


def test_an_owner_without_a_name_is_told_by_the_id(
    small: Organization, small_omni: StandIn, colleague: User, ben: Member, dialect: str
) -> None:
    small_omni.fail(Fault.status(403), path="/scim")
    made = small.add_conversation(owner=ben, name="Made", turns=[("How many?", "Five.")])
    credential_for(colleague, small_omni, small.organization_key())
    page = text_of(signed_in(colleague).get(f"/conversations/{made.id}/"))
    # One dialect does not tell the owner of a thread.
    assert bool(re.search(r"<dt>Asked by</dt>\s*<dd>\s*<a", page)) is (dialect == "reference")
    if dialect == "reference":
        assert f'dir="auto">{Conversation.objects.get().owner_id}</a>' in page
