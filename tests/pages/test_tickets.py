"""Tickets: a link that names a ticket is stored with the thread it leads to."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries, Settings

from conversations.models import Access, Conversation, TicketReference, ticket_names
from conversations.models.ticket import MAX_LINKED, MAX_REFERENCES
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.conftest import EXAMPLE, assert_accessible, credential_for, person, sign_in, signed_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"


@pytest.fixture(autouse=True)
def tracker(settings: Settings) -> None:
    settings.TICKET_URL = "https://tickets.example.com/browse/{ticket}?from=viewer"


def names() -> list[str]:
    return [reference.ticket for reference in TicketReference.objects.oldest_first()]


@pytest.mark.both_dialects
def test_it_works(owner_reads: Client, owner: User) -> None:
    page = text_of(owner_reads.get(f"{THREAD}messages/3/?ticket=ABC-123"))
    assert "tickets-label" in page
    link = 'href="https://tickets.example.com/browse/ABC-123?from=viewer" rel="noopener noreferrer">ABC-123'
    assert link in page
    assert link in text_of(owner_reads.get(THREAD))
    reference = TicketReference.objects.get()
    assert (reference.added_by, reference.is_by_hand) == (owner, False)


def test_whoever_may_read_the_thread_sees_it_and_nobody_else(
    owner_reads: Client, colleague_reads: Client, stranger_reads: Client
) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    assert "ABC-123" in text_of(colleague_reads.get(THREAD))
    assert "tickets-label" not in text_of(stranger_reads.get(THREAD))
    assert EXAMPLE not in text_of(stranger_reads.get("/conversations/?ticket=ABC-123"))
    stranger_reads.get(f"{THREAD}?ticket=XYZ-1")
    assert stranger_reads.post(f"{THREAD}tickets/", {"ticket": "XYZ-2"}).status_code == 404
    assert stranger_reads.post(f"{THREAD}tickets/remove/", {"ticket": "ABC-123"}).status_code == 404
    assert names() == ["ABC-123"]


def test_who_may_see_the_row_alone_hears_of_no_ticket(
    small: Organization, small_omni: StandIn, analyst: Member, reads: Client, colleague: User
) -> None:
    """The person who recorded the ticket does not see it either, once Omni refuses the thread; their star stays."""
    found = small.add_conversation(owner=analyst, name="Orders", turns=[])
    small.ask(found, "How many orders?", "Some.", at=timezone.now() - timedelta(days=1))
    credential = credential_for(colleague, small_omni, small.personal_token(analyst))
    token, address = credential.api_token.token.reveal(), f"/conversations/{found.id}/"
    colleague_reads = signed_in(colleague)
    for client, ticket in ((colleague_reads, "OWN-1"), (reads, "QRS-7")):
        client.get("/conversations/")
        client.get(f"{address}?ticket={ticket}")
    colleague_reads.post("/conversations/selected/", {"conversation": [str(found.id)], "do": "star"})

    def finds(client: Client) -> list[str]:
        typed = ("ticket:qrs-7", "ticket:OWN-1", "has:ticket", "-has:ticket", "is:starred")
        return [one for one in typed if address in text_of(client.get("/conversations/", {"q": one}))]

    assert finds(colleague_reads) == ["ticket:qrs-7", "ticket:OWN-1", "has:ticket", "is:starred"]
    small.permissions.deny("thread", token=token, status=403)
    colleague_reads.get(f"{address}?refresh=1")
    assert finds(colleague_reads) == ["-has:ticket", "is:starred"]
    page = text_of(colleague_reads.get("/conversations/"))
    assert address in page
    assert "OWN-1" not in page
    assert "QRS-7" not in page
    for ticket in ("OWN-1", "QRS-7"):
        assert address not in text_of(colleague_reads.get(f"/conversations/?ticket={ticket}"))
    assert finds(reads) == ["ticket:qrs-7", "ticket:OWN-1", "has:ticket"]
    small.permissions.allow("thread", token=token)
    colleague_reads.get(address)
    assert finds(colleague_reads) == ["ticket:qrs-7", "ticket:OWN-1", "has:ticket", "is:starred"]


def test_who_was_shown_an_earlier_wording_still_hears_of_its_tickets(
    small: Organization, small_omni: StandIn, analyst: Member, reads: Client, colleague: User
) -> None:
    """The tickets go with the thread as shown to the reader; the search's later wording does not matter."""
    found = small.add_conversation(owner=analyst, name="Orders", turns=[])
    small.ask(found, "How many orders?", "Some.", at=timezone.now() - timedelta(days=1))
    reads.get("/conversations/")
    reads.get(f"/conversations/{found.id}/?ticket=ABC-123")
    found.messages[1].text = "None."
    found.updated_at += timedelta(minutes=1)
    credential_for(colleague, small_omni, small.personal_token(analyst))
    signed_in(colleague).get(f"/conversations/{found.id}/")
    assert Conversation.objects.get().revision > Access.objects.order_by("pk")[0].revision
    for typed in ("has:ticket", "ticket:ABC-123"):
        page = text_of(reads.get("/conversations/", {"q": typed}))
        assert f'href="/conversations/{found.id}/' in page
        assert '<span class="badge" title="ABC-123">ABC-123</span>' in page
    assert str(found.id) not in text_of(reads.get("/conversations/", {"q": "has:ticket some"}))


def test_each_is_remembered_once_in_the_order_of_their_coming(owner_reads: Client, colleague_reads: Client) -> None:
    for ticket in ("BB-2", "AA-1", "BB-2", "bb-2"):
        owner_reads.get(f"{THREAD}?ticket={ticket}")
    colleague_reads.get(f"{THREAD}?ticket=BB-2")
    assert names() == ["BB-2", "AA-1"]


@pytest.mark.parametrize(
    ("text", "ticket"),
    [
        ("ABC-123", "ABC-123"),
        (" abc-123 ", "ABC-123"),
        ("ABC2-1", "ABC2-1"),
        ("A-1", None),
        ("ABC-123;drop", None),
        ("ABC", None),
        ("", None),
        ("ABC-1\n", "ABC-1"),
        ("ABC-1\nX", None),
        ("A" * 60 + "-12345", None),
        ("../../x", None),
        ("<b>-1", None),
        ("\N{LATIN SMALL LIGATURE FFI}" * 30, None),
    ],
)
def test_how_tickets_are_named(text: str, ticket: str | None) -> None:
    assert ticket_names.read(text) == ticket


def test_the_format_and_the_address_can_be_set(settings: Settings) -> None:
    settings.TICKET_FORMAT = r"#\d+ ?[a-z/]*"
    settings.TICKET_URL = "https://tickets.example.com/{ticket}"
    assert ticket_names.read("#12 a/b") == "#12 a/b"
    assert ticket_names.address_of("#12 a/b") == "https://tickets.example.com/%2312%20a%2Fb"
    assert ticket_names.read("ABC-1") is None
    settings.TICKET_FORMAT = ".+"
    assert ticket_names.read("x" * 64) == "x" * 64
    assert ticket_names.read("x" * 65) is None
    # The text is three times as long in capitals.
    assert ticket_names.read("\N{LATIN SMALL LIGATURE FFI}" * 30) == "\N{LATIN SMALL LIGATURE FFI}" * 30
    settings.TICKET_FORMAT = "[A-Z]+"
    assert ticket_names.read("\N{LATIN SMALL LIGATURE FFI}" * 30) is None


def test_a_ticket_that_is_not_named_so_is_told_and_left_out(owner_reads: Client) -> None:
    answer = owner_reads.get(f"{THREAD}?ticket=<b>what</b>")
    assert answer.status_code == 200
    assert "names the ticket “<bdi>&lt;b&gt;what&lt;/b&gt;</bdi>”, which is not a valid ticket name here" in text_of(
        answer
    )
    assert names() == []


def test_looking_is_not_visiting(owner_reads: Client) -> None:
    owner_reads.head(f"{THREAD}?ticket=ABC-123")
    owner_reads.get(f"{THREAD}fresh/?ticket=ABC-123&looks=1", headers={"HX-Request": "true"})
    assert names() == []


def test_without_an_address_it_is_a_name_alone(owner_reads: Client, settings: Settings) -> None:
    settings.TICKET_URL = ""
    page = text_of(owner_reads.get(f"{THREAD}?ticket=ABC-123"))
    assert "<span>ABC-123</span>" in page


def test_there_are_not_ever_more_of_them(owner_reads: Client) -> None:
    for number in range(MAX_LINKED + 2):
        owner_reads.get(f"{THREAD}?ticket=ABC-{number}")
    assert len(names()) == MAX_LINKED
    for number in range(MAX_LINKED, MAX_REFERENCES):
        owner_reads.post(f"{THREAD}tickets/", {"ticket": f"ABC-{number}"})
    assert len(names()) == MAX_REFERENCES
    answer = owner_reads.post(f"{THREAD}tickets/", {"ticket": "ABC-999"})
    assert answer.status_code == 422
    assert "too many tickets" in text_of(answer)


# By hand --------------------------------------------------------------------------------------------------


def test_one_is_added_by_hand(owner_reads: Client, owner: User) -> None:
    assert owner_reads.post(f"{THREAD}tickets/", {"ticket": " abc-7 "})["Location"] == f"{THREAD}#details"
    reference = TicketReference.objects.get()
    assert (reference.ticket, reference.added_by, reference.is_by_hand) == ("ABC-7", owner, True)


def test_what_is_no_ticket_is_told_and_given_back(owner_reads: Client) -> None:
    answer = owner_reads.post(f"{THREAD}tickets/", {"ticket": 'the "big" one'})
    assert answer.status_code == 422
    page = text_of(answer)
    assert "Use a ticket number such as ABC-123." in page
    assert 'value="the &quot;big&quot; one"' in page
    assert "Top 5 Products by Revenue" in page
    # The focus goes to the field, and nowhere else.
    assert re.findall(r"<(\w+)(?=[^>]* autofocus)", page) == ["input"]
    assert 'aria-describedby="ticket-error" autofocus' in page
    assert '<p class="error" id="ticket-error">' in page


def test_one_is_removed_and_can_be_put_back(owner_reads: Client, colleague_reads: Client) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    page = text_of(colleague_reads.post(f"{THREAD}tickets/remove/", {"ticket": "ABC-123"}))
    assert "ABC-123 was removed." in page
    assert '<button class="button button-small" name="ticket" value="ABC-123">Undo' in page
    assert names() == []
    colleague_reads.post(f"{THREAD}tickets/", {"ticket": "ABC-123"})
    assert names() == ["ABC-123"]


def test_removing_what_is_not_there_is_no_fault(owner_reads: Client) -> None:
    for ticket in ("ABC-1", "nonsense", ""):
        answer = owner_reads.post(f"{THREAD}tickets/remove/", {"ticket": ticket})
        assert answer.status_code == 200
        assert "was removed" not in text_of(answer)


@pytest.mark.parametrize("path", ["tickets/", "tickets/remove/"])
def test_nothing_is_changed_by_a_link(owner_reads: Client, path: str) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-2")
    assert owner_reads.get(f"{THREAD}{path}?ticket=ABC-1")["Location"] == THREAD
    assert owner_reads.get(f"{THREAD}{path}?ticket=ABC-2")["Location"] == THREAD
    assert names() == ["ABC-2"]


# The list -------------------------------------------------------------------------------------------------


def test_the_list_is_filtered_by_it(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    omni.requests.clear()
    page = text_of(owner_reads.get("/conversations/?ticket=abc-123"))
    assert "<h1>Linked from ABC-123</h1>" in page
    assert page.count('class="row-title"') == 1
    assert "1 conversation, the newest activity first." in page
    assert 'href="/conversations/?q=ticket:ABC-123"' in page
    assert f'href="{THREAD}?linked=ABC-123"' in page
    assert 'href="https://tickets.example.com/browse/ABC-123?from=viewer"' in page
    assert omni.requests == []


def test_of_a_ticket_that_nothing_is_linked_from_it_says_so(owner_reads: Client) -> None:
    page = text_of(owner_reads.get("/conversations/?ticket=ABC-999"))
    assert "No conversations linked from ABC-999 yet" in page


def test_of_what_is_no_ticket_it_says_so(owner_reads: Client) -> None:
    answer = owner_reads.get("/conversations/?ticket=what?")
    assert answer.status_code == 422
    assert "Use a ticket number such as ABC-123." in text_of(answer)
    assert 'value="what?"' in text_of(answer)


def test_an_empty_filter_is_none(owner_reads: Client) -> None:
    assert "Conversations</h1>" in text_of(owner_reads.get("/conversations/?ticket="))


def test_without_a_credential_it_says_what_to_do(owner: User) -> None:
    answer = signed_in(owner).get("/conversations/?ticket=ABC-123")
    assert answer.status_code == 403
    assert "Connect Omni first" in text_of(answer)


def test_of_many_that_ran_out_some_are_asked_for_and_the_rest_is_told(colleague_reads: Client, omni: StandIn) -> None:
    for row in omni.organization.conversations[:7]:
        colleague_reads.get(f"/conversations/{row.id}/?ticket=ABC-123")
    age(hours=25)
    omni.requests.clear()
    page = text_of(colleague_reads.get("/conversations/?ticket=ABC-123"))
    assert (page.count('class="row-title"'), len(omni.requests)) == (5, 5)
    assert "Some are still missing." in page
    page = text_of(colleague_reads.get("/conversations/?ticket=ABC-123"))
    assert page.count('class="row-title"') == 7
    assert "Some are still missing." not in page


def test_with_a_rejected_one_too(owner_reads: Client) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    ApiToken.objects.update(rejected_at=timezone.now())
    answer = owner_reads.get("/conversations/?ticket=ABC-123")
    assert answer.status_code == 403
    assert "Omni no longer accepts your token" in text_of(answer)


def age(**how_long: int) -> None:
    Access.objects.exclude(confirmed_at=None).update(confirmed_at=timezone.now() - timedelta(**how_long))


def test_an_access_that_ran_out_is_asked_for_again(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    age(hours=25)
    assert f'href="{THREAD}?linked=ABC-123"' in text_of(owner_reads.get("/conversations/?ticket=ABC-123"))
    age(hours=25)
    omni.fail(Fault.status(404), path=f"/v1/ai/conversations/{EXAMPLE}")
    assert f'href="{THREAD}' not in text_of(owner_reads.get("/conversations/?ticket=ABC-123"))


def test_one_that_no_list_names_any_more_is_asked_for_again(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    Access.objects.all().end_rows()
    omni.requests.clear()
    assert f'href="{THREAD}?linked=ABC-123"' in text_of(owner_reads.get("/conversations/?ticket=ABC-123"))
    assert [request.path for request in omni.requests] == [f"/api/v1/ai/conversations/{EXAMPLE}"]
    Access.objects.all().end_rows()
    omni.fail(Fault.status(404), path=f"/v1/ai/conversations/{EXAMPLE}")
    assert f'href="{THREAD}' not in text_of(owner_reads.get("/conversations/?ticket=ABC-123"))


def test_it_says_that_some_may_be_missing_while_omni_is_away(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    age(days=30)
    omni.fail(Fault.status(503))
    page = text_of(owner_reads.get("/conversations/?ticket=ABC-123"))
    assert "Some may be missing." in page
    assert f'href="{THREAD}' not in page


def test_what_somebody_else_linked_costs_no_request_and_shows_nothing(
    colleague_reads: Client, stranger_reads: Client, omni: StandIn
) -> None:
    colleague_reads.get(f"{THREAD}?ticket=ABC-123")
    age(hours=25)
    omni.requests.clear()
    page = text_of(stranger_reads.get("/conversations/?ticket=ABC-123"))
    assert "No conversations linked from ABC-123 yet" in page
    assert omni.requests == []


@pytest.mark.slow
def test_many_cost_no_more_queries(
    colleague_reads: Client, omni: StandIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for row in omni.organization.conversations[:20]:
        colleague_reads.get(f"/conversations/{row.id}/?ticket=ABC-123")
    with django_assert_max_num_queries(18):
        page = text_of(colleague_reads.get("/conversations/?ticket=ABC-123"))
    assert page.count('class="row-title"') == 20


def test_what_is_linked_goes_with_the_conversation(owner_reads: Client) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-123")
    Conversation.objects.all().delete()
    assert names() == []


# In a browser ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_reader_adds_and_removes_one(page: Page, site: str, omni: StandIn, dialect: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{THREAD}messages/3/?ticket=ABC-123")
    if width < 1200:
        expect(page.locator(".thread-bar").get_by_text("ABC-123")).to_be_visible()
        expect(page.locator("#message-3")).to_be_focused()
        page.get_by_role("link", name="Details").click()
    tickets_of_it = page.get_by_role("region", name="Tickets")
    expect(tickets_of_it.get_by_role("link", name="ABC-123", exact=False).first).to_be_visible()
    if width >= 1200:
        expect(page.locator("#message-3")).to_be_focused()
    assert_accessible(page, "a thread with a ticket")
    tickets_of_it.get_by_text("Add another ticket").click()
    page.get_by_label("Ticket", exact=True).fill("support/9")
    tickets_of_it.get_by_role("button", name="Add").click()
    expect(tickets_of_it.get_by_text("Use a ticket number such as ABC-123.")).to_be_visible()
    expect(page.get_by_label("Ticket", exact=True)).to_have_value("support/9")
    page.get_by_label("Ticket", exact=True).fill("SUP-9")
    page.keyboard.press("Enter")
    expect(tickets_of_it.get_by_role("link", name="SUP-9", exact=False).first).to_be_visible()
    tickets_of_it.get_by_role("button", name="Remove ABC-123").click()
    expect(page.get_by_text("ABC-123 was removed.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    tickets_of_it.get_by_role("link", name="all conversations linked from ABC-123").click()
    expect(page.get_by_role("heading", name="Linked from ABC-123")).to_be_visible()
    assert_accessible(page, "what is linked from a ticket")
