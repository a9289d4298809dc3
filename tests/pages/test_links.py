"""Links, ids or texts pasted from a ticket lead to the message they mean."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils.http import urlencode
from playwright.sync_api import Page, expect

from conversations.models import Access, Message
from conversations.search import pasted
from conversations.search.pasted import Kind
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from tests.conftest import EXAMPLE, credential_for, member_behind, person, sign_in, signed_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"
JOB = "550e8400-e29b-41d4-a716-446655440010"
NOBODYS = "00000000-0000-4000-8000-000000000000"


def leads_to(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 302, answer.status_code
    return str(answer["Location"])


# Jobs -----------------------------------------------------------------------------------------------------


@pytest.mark.both_dialects
def test_it_works(owner_reads: Client) -> None:
    assert leads_to(owner_reads, f"/jobs/{JOB}/") == f"{THREAD}messages/4/"


def test_a_kept_job_costs_omni_nothing(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    omni.requests.clear()
    assert leads_to(owner_reads, f"/jobs/{JOB}/") == f"{THREAD}messages/4/"
    assert omni.requests == []


def test_an_unknown_job_is_asked_for_and_its_thread_opened(owner_reads: Client, omni: StandIn) -> None:
    leads_to(owner_reads, f"/jobs/{JOB}/")
    paths = [request.path.removeprefix("/api/v1/ai") for request in omni.requests]
    assert paths == [f"/jobs/{JOB}", f"/conversations/{EXAMPLE}"]


def test_the_rest_of_the_link_is_kept(owner_reads: Client) -> None:
    assert leads_to(owner_reads, f"/jobs/{JOB}/?ticket=ABC-1") == f"{THREAD}messages/4/?ticket=ABC-1"
    assert leads_to(owner_reads, f"/open?q={EXAMPLE}&ticket=ABC-1") == f"{THREAD}?ticket=ABC-1"


def test_a_strangers_job_and_an_unknown_one_are_the_same(owner_reads: Client, stranger_reads: Client) -> None:
    owner_reads.get(f"/jobs/{JOB}/")
    theirs, unknown = (stranger_reads.get(f"/jobs/{job}/") for job in (JOB, NOBODYS))
    assert theirs.status_code == unknown.status_code == 404
    assert text_of(theirs).replace(JOB, "") == text_of(unknown).replace(NOBODYS, "")


def test_a_job_that_omni_shows_is_no_word_on_its_conversation(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(404), path="/v1/ai/conversations")
    assert owner_reads.get(f"/jobs/{JOB}/").status_code == 404
    assert not Access.objects.exists()


def test_a_job_whose_answer_is_still_to_come_leads_to_its_thread(
    small: Organization, small_omni: StandIn, owner: User
) -> None:
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="Made", turns=[("Still there?", None)])
    assert made.running
    credential_for(owner, small_omni, small.personal_token(member))
    assert leads_to(signed_in(owner), f"/jobs/{made.running.id}/") == f"/conversations/{made.id}/"


def test_a_job_without_a_conversation_says_so(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.edit(lambda reply: {**reply, "conversationId": None}), path="/v1/ai/jobs")
    answer = owner_reads.get(f"/jobs/{JOB}/")
    assert answer.status_code == 503
    assert "does not say which conversation it belongs to" in text_of(answer)


@pytest.mark.parametrize(("status", "shown"), [(401, 403), (403, 404), (429, 429), (500, 503)])
def test_what_omni_says_of_a_job_is_told(owner_reads: Client, omni: StandIn, status: int, shown: int) -> None:
    omni.fail(Fault.status(status), path="/v1/ai/jobs")
    assert owner_reads.get(f"/jobs/{JOB}/").status_code == shown
    assert (Credential.objects.get().rejected_at is not None) is (status == 401)


def test_the_credential_that_can_see_the_job_is_found(owner: User, omni: StandIn) -> None:
    rejected = credential_for(owner, omni, omni.organization.personal_token(member_behind(omni, "support")), "Rejected")
    ApiToken.objects.filter(credentials=rejected).update(rejected_at=rejected.api_token.checked_at)
    credential_for(owner, omni, omni.organization.demo_tokens["support"], "Support")
    credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Lead")
    assert leads_to(signed_in(owner), f"/jobs/{JOB}/") == f"{THREAD}messages/4/"
    assert rejected.api_token.token.reveal() not in {request.token for request in omni.requests}


def test_without_a_credential_it_says_what_to_do(owner: User) -> None:
    answer = signed_in(owner).get(f"/jobs/{JOB}/")
    assert answer.status_code == 403
    assert f'href="/credentials/connect/?next=%2Fjobs%2F{JOB}%2F"' in text_of(answer)


# Pasted text ----------------------------------------------------------------------------------------------

CONVERSATION, MESSAGE, JOB_KIND, ID = Kind.CONVERSATION, Kind.MESSAGE, Kind.JOB, Kind.ID
TEXTS: list[tuple[str, Kind | None, Any]] = [
    (EXAMPLE, ID, None),
    (EXAMPLE.upper(), ID, None),
    (f"  {EXAMPLE}\n", ID, None),
    (f"conversation {EXAMPLE}, please", ID, None),
    (f"({EXAMPLE})", ID, None),
    (f'{{"id": "{EXAMPLE}"}}', ID, None),
    (f"https://my-org.omni.co/chat/{EXAMPLE}", CONVERSATION, None),
    (f"https://my-org.omni.co/chat/{EXAMPLE}/", CONVERSATION, None),
    (f"https://my-org.omni.co/chat/{EXAMPLE}?utm=1#top", CONVERSATION, None),
    (f"https://my-org.omniapp.co/chat/{EXAMPLE}", CONVERSATION, None),
    (f"https://my-org.playground.exploreomni.dev/chat/{EXAMPLE}#m3", CONVERSATION, None),
    (f"my-org.omni.co/chat/{EXAMPLE}", CONVERSATION, None),
    (f"<https://my-org.omni.co/chat/{EXAMPLE}|the answer>", CONVERSATION, None),
    (f"[the answer](https://my-org.omni.co/chat/{EXAMPLE}).", CONVERSATION, None),
    (f"https://bi.example.com/chat/{EXAMPLE}", CONVERSATION, None),
    (f"https://my-org.omni.co/chat?conversationId={EXAMPLE}", CONVERSATION, None),
    (f"https://safe.example/?url=https%3A%2F%2Fmy-org.omni.co%2Fchat%2F{EXAMPLE}", CONVERSATION, None),
    (f"https://viewer.example.com/conversations/{EXAMPLE}/", CONVERSATION, None),
    (f"https://viewer.example.com/conversations/{EXAMPLE}/messages/3/", MESSAGE, 3),
    (f"/conversations/{EXAMPLE}/messages/3/?ticket=ABC-1", MESSAGE, 3),
    (f"see /conversations/{EXAMPLE}/ and /conversations/{EXAMPLE}/messages/2/", MESSAGE, 2),
    (f"https://viewer.example.com/jobs/{EXAMPLE}/", JOB_KIND, None),
    (f"https://my-org.omniapp.co/api/v1/ai/jobs/{EXAMPLE}/result", JOB_KIND, None),
    (f"https://my-org.omniapp.co/api/v1/ai/conversations/{EXAMPLE}", CONVERSATION, None),
    (f"Ticket 4711: {NOBODYS} is not it, https://my-org.omni.co/chat/{EXAMPLE} is", CONVERSATION, None),
    (f"https://my-org.omni.co/chat/{EXAMPLE}0", None, None),
    (f"{EXAMPLE}-1", None, None),
    (EXAMPLE.replace("-", ""), None, None),
    ("660e8400-e29b-41d4-a716", None, None),
    ("What was our revenue?", None, None),
    ("", None, None),
    ("x" * 30_000 + EXAMPLE, None, None),
]


@pytest.mark.parametrize(("text", "kind", "position"), TEXTS, ids=lambda value: str(value)[:60])
def test_it_reads_what_people_paste(text: str, kind: Kind | None, position: int | None) -> None:
    found = pasted.read(text)
    assert (found and found.kind, found and found.position) == (kind, position)
    if found:
        assert str(found.id) == EXAMPLE


def test_hostile_text_is_read_in_no_time() -> None:
    import time

    for text in ("/conversations/" * 5000, "%2" * 10_000, "a-" * 10_000, "660e8400-" * 4000, "?chat=" * 5000):
        began = time.monotonic()
        pasted.read(text)
        assert time.monotonic() - began < 0.5


def test_a_link_goes_there_without_asking_omni(owner_reads: Client, omni: StandIn) -> None:
    assert leads_to(owner_reads, f"/open?q=https://bi.example.com/chat/{EXAMPLE}") == THREAD
    elsewhere = leads_to(owner_reads, f"/open?q=https://my-org.omni.co/chat/{EXAMPLE}")
    assert elsewhere == f"{THREAD}?instance=my-org.omniapp.co"
    ApiToken.objects.update(instance="my-org.omniapp.co")
    assert leads_to(owner_reads, f"/open?q=https://my-org.omni.co/chat/{EXAMPLE}") == THREAD
    assert leads_to(owner_reads, f"/open?q=/conversations/{EXAMPLE}/messages/3/") == f"{THREAD}messages/3/"
    assert leads_to(owner_reads, f"/open?q=/jobs/{JOB}/") == f"/jobs/{JOB}/"
    ours = f"https://viewer.example.com{THREAD}messages/3/?x=1&ticket=ABC-1 says it"
    assert leads_to(owner_reads, f"/open?{urlencode({'q': ours})}") == f"{THREAD}messages/3/?ticket=ABC-1"
    assert leads_to(owner_reads, f"/open?{urlencode({'q': ours, 'ticket': 'ABC-2'})}").endswith("?ticket=ABC-2")
    assert omni.requests == []


def test_an_id_alone_is_looked_up(owner_reads: Client) -> None:
    assert leads_to(owner_reads, f"/open?q={EXAMPLE}") == THREAD
    assert leads_to(owner_reads, f"/open/?q={JOB}") == f"{THREAD}messages/4/"
    Message.objects.all().delete()


def test_the_id_of_a_job_that_is_not_kept_is_found_too(owner_reads: Client, omni: StandIn) -> None:
    assert leads_to(owner_reads, f"/open?q={JOB}") == f"{THREAD}messages/4/"
    paths = [request.path.removeprefix("/api/v1/ai") for request in omni.requests]
    assert paths == [f"/conversations/{JOB}", f"/jobs/{JOB}", f"/conversations/{EXAMPLE}"]


def test_an_id_that_omni_does_not_show_says_so(owner_reads: Client, stranger_reads: Client) -> None:
    for wanted in (str(uuid4()), EXAMPLE):
        answer = stranger_reads.get(f"/open?q={wanted}")
        assert answer.status_code == 404
        assert "You can’t open this conversation" in text_of(answer)


def test_a_text_without_one_is_given_back_with_what_to_do(owner_reads: Client) -> None:
    answer = owner_reads.get("/open", {"q": 'revenue "by" <region>'})
    assert answer.status_code == 422
    page = text_of(answer)
    assert "No conversation, message or job was found in this text." in page
    assert 'value="revenue &quot;by&quot; &lt;region&gt;"' in page


def test_without_a_text_it_is_a_box_to_paste_into(owner_reads: Client) -> None:
    answer = owner_reads.get("/open")
    assert answer.status_code == 200
    assert "No conversation, message or job was found" not in text_of(answer)
    assert 'name="q"' in text_of(answer)


def test_who_is_not_signed_in_comes_back_to_it(client: Client) -> None:
    answer = client.get(f"/open?q={EXAMPLE}&ticket=A-1")
    assert answer["Location"] == f"/sign-in/?next=/open%3Fq%3D{EXAMPLE}%26ticket%3DA-1"


@pytest.mark.django_db(transaction=True)
def test_the_box_in_the_header_is_a_key_away(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site)
    page.wait_for_url(re.compile("/conversations/"))
    page.wait_for_load_state()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search questions")).to_be_focused()
    page.keyboard.type(f"see https://my-org.omni.co/chat/{EXAMPLE}/ please")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(THREAD)))
    expect(page.get_by_role("article")).to_have_count(4)
    page.wait_for_load_state()
    page.keyboard.press("/")
    page.keyboard.type(JOB)
    page.keyboard.press("Enter")
    expect(page.locator("#message-4")).to_be_focused()
    page.wait_for_load_state()
    page.keyboard.press("/")
    page.keyboard.type("nothing / of use")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No matches")).to_be_visible()
