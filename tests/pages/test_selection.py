"""Actions from the list: selecting several, stars, unread marks, and a place in the list that stays while it grows."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from conversations.models import Access, Capture, ReadUntil, Star, TicketReference, Walk, recency
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, thread_page
from tests.conftest import assert_accessible, credential_for, sign_in, signed_in, text_of
from tests.pages.test_list import ids_on

NAVIGATION = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def made(small: Organization, analyst: Member) -> list[InOmni]:
    """Return four conversations, newest first."""
    rows = [small.add_conversation(owner=analyst, name=f"No. {n}", turns=[("Walrus?", "Seal.")]) for n in range(4)]
    return rows[::-1]


def choose(client: Client, what: str, chosen: list[InOmni]) -> str:
    """Do something with the selected conversations, and return the page that follows."""
    ids = [str(row.id) for row in chosen]
    return text_of(client.post("/conversations/selected/", {"do": what, "conversation": ids}, follow=True))


def test_it_works(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    assert "Starred 2 conversations." in choose(reads, "star", made[:2])
    assert ids_on(text_of(reads.get("/conversations/?q=is:starred"))) == [str(row.id) for row in made[:2]]
    assert "Unstarred 1 conversation." in choose(reads, "unstar", made[:1])
    assert ids_on(text_of(reads.get("/conversations/?q=is:starred"))) == [str(made[1].id)]


def test_several_are_exported_as_one_file(reads: Client, made: list[InOmni], small_omni: StandIn) -> None:
    reads.get("/conversations/")
    reads.get(thread(made[0]))
    small_omni.fail(Fault.status(503), path=f"/v1/ai/conversations/{made[2].id}")
    ids = [str(row.id) for row in made[:3]]
    answer = reads.post("/conversations/selected/", {"do": "export", "conversation": ids})
    assert re.fullmatch(r'attachment; filename="conversations-\d{4}-\d\d-\d\d\.zip"', answer["Content-Disposition"])
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as found:
        names = found.namelist()
        assert [name[:4] for name in names] == ["001-", "001-", "002-", "002-", "not-"]
        assert json.loads(found.read(names[1]))["id"] == ids[0]
        assert "Seal." in found.read(names[0]).decode()
        assert list(json.loads(found.read("not-included.json"))) == [ids[2]]
    told = Event.objects.filter(kind="exported").order_by("pk").values_list("conversation_id", "result")
    assert [(str(key), result) for key, result in told] == [(ids[0], "ok"), (ids[1], "ok"), (ids[2], "not-reached")]


def export_of_three(reads: Client, made: list[InOmni]) -> Iterator[bytes]:
    """Return the pieces of an export of three threads that the reader has opened, made while it is sent."""
    reads.get("/conversations/")
    for row in made[:3]:
        reads.get(thread(row))
    ids = [str(row.id) for row in made[:3]]
    return iter(reads.post("/conversations/selected/", {"do": "export", "conversation": ids}))


def test_an_export_ends_with_what_may_still_be_read(
    reads: Client, made: list[InOmni], small: Organization, small_omni: StandIn
) -> None:
    """While the file is sent, Omni stops showing one conversation, and another page learns that."""
    ids = [str(row.id) for row in made[:3]]
    pieces = export_of_three(reads, made)
    sent = next(pieces)
    small.permissions.deny("thread", id=made[1].id)
    assert reads.get(f"{thread(made[1])}?refresh=1", follow=True).status_code == 404
    with zipfile.ZipFile(io.BytesIO(sent + b"".join(pieces))) as found:
        assert [name[:4] for name in found.namelist()] == ["001-", "001-", "003-", "003-", "not-"]
        assert json.loads(found.read("not-included.json")) == {ids[1]: "Omni does not show it to you."}


def test_an_export_ends_where_a_key_is_rejected_meanwhile(
    reads: Client, made: list[InOmni], small: Organization, small_omni: StandIn
) -> None:
    ids = [str(row.id) for row in made[:3]]
    pieces = export_of_three(reads, made)
    sent = next(pieces)
    small_omni.fail(Fault.status(401))
    reads.get(f"{thread(made[3])}?refresh=1", follow=True)
    with zipfile.ZipFile(io.BytesIO(sent + b"".join(pieces))) as found:
        assert [name[:4] for name in found.namelist()] == ["001-", "001-", "not-"]
        assert set(json.loads(found.read("not-included.json"))) == set(ids[1:])


@pytest.mark.parametrize("what", ["star", "export"])
def test_what_is_starred_or_exported_is_captured(
    reads: Client, small: Organization, analyst: Member, what: str
) -> None:
    made = answered(small, analyst, ages=[timedelta(days=1)])
    reads.get("/conversations/")
    reads.get(thread(made))
    Capture.objects.all().delete()
    reads.post("/conversations/selected/", {"do": what, "conversation": [str(made.id)]})
    assert Capture.objects.count() == 1


def test_nothing_selected_is_said(reads: Client) -> None:
    assert "Nothing is selected. Select conversations first." in choose(reads, "star", [])


@pytest.mark.parametrize("what", ["star", "export"])
def test_what_the_reader_may_not_read_is_as_if_it_were_not_there(
    reads: Client, stranger: User, small: Organization, small_omni: StandIn, made: list[InOmni], what: str
) -> None:
    reads.get("/conversations/")
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Sue", "sue@small.example")))
    client = signed_in(stranger)
    assert "Nothing is selected." in choose(client, what, made)
    assert not Star.objects.exists()
    ids = ["x", "", "'; --", "00000000-0000-4000-8000-000000000000"]
    answer = client.post("/conversations/selected/", {"do": what, "conversation": ids}, follow=True)
    assert "Nothing is selected." in text_of(answer)


def test_what_happened_since_the_last_visit_is_new_until_it_is_opened(
    reads: Client, small: Organization, made: list[InOmni], settings: Settings
) -> None:
    first = text_of(reads.get("/conversations/"))
    assert "Unread: " not in first
    for row in made[:2]:
        small.ask(row, "And now?", "Yes.", at=datetime.now(UTC) + timedelta(seconds=2))
    page = text_of(reads.get("/conversations/?refresh=1", follow=True))
    assert page.count("Unread: ") == 2
    assert set(ids_on(text_of(reads.get("/conversations/?q=is:unread")))) == {str(row.id) for row in made[:2]}
    reads.get(f"{thread(made[0])}?refresh=1", follow=True)
    assert ids_on(text_of(reads.get("/conversations/?q=is:unread"))) == [str(made[1].id)]
    assert str(made[1].id) not in ids_on(text_of(reads.get("/conversations/?q=-is:unread")))


def test_stars_and_visits_are_each_readers_own(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, colleague: User, made: list[InOmni]
) -> None:
    """Both read with a key of the same person; what the one has starred and opened is neither to the other."""
    credential_for(colleague, small_omni, small.personal_token(analyst))
    other = signed_in(colleague)
    for client in (reads, other):
        client.get("/conversations/")
    starred, pressed = made[0], 'name="starred" value="0"'
    small.ask(starred, "And now?", "Yes.", at=datetime.now(UTC) + timedelta(seconds=2))
    reads.post(f"{thread(starred)}star/", {"starred": "1"})
    for client in (reads, other):
        client.get("/conversations/?refresh=1", follow=True)
    assert pressed in text_of(reads.get(f"{thread(starred)}?refresh=1", follow=True))
    unread = "/conversations/?q=is:unread"
    assert ids_on(text_of(reads.get(unread))) == []
    assert ids_on(text_of(other.get(unread))) == [str(starred.id)]
    for _ in range(2):
        assert pressed not in text_of(other.get(f"{thread(starred)}?refresh=1", follow=True))
    assert ids_on(text_of(other.get(unread))) == []


def test_everything_counts_as_read_and_that_can_be_undone(
    reads: Client, small: Organization, made: list[InOmni]
) -> None:
    reads.get("/conversations/")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    Access.objects.filter(conversation__omni_id=made[1].id).update(recency=recency(long_ago), updated_at=long_ago)
    Access.objects.exclude(conversation__omni_id=made[1].id).update(recency=0)
    ReadUntil.objects.update(at=long_ago - timedelta(hours=1))
    assert ids_on(text_of(reads.get("/conversations/?q=is:unread"))) == [str(made[1].id)]
    page = text_of(reads.post("/conversations/all-read/"))
    assert ids_on(text_of(reads.get("/conversations/?q=is:unread"))) == []
    before = re.search(r'name="at" value="([^"]+)"', page)
    assert before
    reads.post("/conversations/all-read/", {"at": before[1]})
    assert ids_on(text_of(reads.get("/conversations/?q=is:unread"))) == [str(made[1].id)]


def test_a_place_in_the_list_stays_while_it_grows_and_shrinks(
    reads: Client, small: Organization, analyst: Member
) -> None:
    """Whatever arrives or moves to the top, the next page begins after the last row that was shown."""
    began = datetime.now(UTC) - timedelta(days=1)
    made = [
        small.add_conversation(
            owner=analyst, name=f"No. {n}", turns=[("?", "!")], started_at=began + n * timedelta(minutes=1)
        )
        for n in range(120)
    ][::-1]
    first = text_of(reads.get("/conversations/"))
    assert ids_on(first) == [str(row.id) for row in made[:50]]
    for number in range(30):
        small.add_conversation(owner=analyst, name=f"New {number}", turns=[("?", "!")], started_at=datetime.now(UTC))
    small.remove(made[60].id)
    small.ask(made[70], "Again?", "Yes.", at=datetime.now(UTC))
    reads.get("/conversations/?refresh=1")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = ids_on(text_of(reads.get("/conversations/" + older[1])))
    expected = [str(row.id) for row in made[50:] if row not in (made[60], made[70])]
    assert second == expected[:50]


@pytest.mark.django_db(transaction=True)
def test_what_is_ticked_stays_ticked_while_the_list_is_renewed(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member, made: list[InOmni], settings: Settings
) -> None:
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])
    sign_in(page, site)
    page.wait_for_load_state()
    star = page.get_by_role("button", name="Star", exact=True)
    expect(star).not_to_be_visible()
    page.get_by_role("checkbox", name="No. 2").check()
    page.get_by_role("checkbox", name="No. 0").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    small.add_conversation(owner=analyst, name="New", turns=[("?", "!")], started_at=datetime.now(UTC))
    Walk.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    page.evaluate(
        "htmx.ajax('GET', '/conversations/fresh/?looks=1&shown=x', {target: '#list-freshness', swap: 'outerHTML'})"
    )
    expect(page.locator(".row")).to_have_count(5)
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.get_by_role("checkbox", name="No. 2")).to_be_checked()
    expect(page.get_by_role("checkbox", name="New")).not_to_be_checked()
    assert_accessible(page, "the list with some selected")
    settings.FRESH_FOR = timedelta(hours=1)  # from here on nothing is renewed
    star.click()
    expect(page.get_by_text("Starred 2 conversations.")).to_be_visible()
    expect(page.locator(".row-star[aria-pressed=true]")).to_have_count(2)
    page.wait_for_load_state()
    all_of_them = page.get_by_role("checkbox", name="All on this page")
    all_of_them.check()
    expect(page.get_by_text("5 selected")).to_be_visible()
    all_of_them.uncheck()
    expect(page.get_by_text("selected", exact=False).filter(has_text="5")).to_have_count(0)


def link(page: str, pattern: str) -> str:
    found = re.search(pattern, page)
    assert found, pattern
    return unescape(found[1])


BACK, NEXT, PREVIOUS = (
    r'class="back" href="([^"]+)">← <span>Conversations',
    r'rel="next" href="([^"]+)"',
    r'rel="prev" href="([^"]+)"',
)


@pytest.mark.parametrize("question", ["", "?sort=oldest", "?q=ferry"])
def test_the_way_back_is_the_page_and_row_where_a_step_led(
    reads: Client, small: Organization, analyst: Member, question: str
) -> None:
    began = datetime.now(UTC) - timedelta(days=1)
    for number in range(104):
        at, name = began + number * timedelta(minutes=1), f"No. {number} {'ferry' if number % 4 else ''}"
        small.add_conversation(owner=analyst, name=name, turns=[("?", "!")], started_at=at)
    first = text_of(reads.get(f"/conversations/{question}"))
    second = text_of(reads.get("/conversations/" + link(first, NEXT)))
    pages = [ids_on(first), ids_on(second)]
    order = pages[0][-2:] + pages[1]
    text = thread_page(reads, link(first, rf'href="(/conversations/{order[0]}/[^"]*)"'))
    # Go to the end of the page, beyond it, and back again.
    for place, step in ((0, NEXT), (1, NEXT), (2, NEXT), (3, PREVIOUS), (2, PREVIOUS), (1, PREVIOUS), (0, "")):
        address, _, row = link(text, BACK).partition("#")
        assert f"<code>{order[place]}</code>" in text, place
        assert ids_on(text_of(reads.get(address))) == pages[order[place] in pages[1]], place
        assert row == f"row-{Access.objects.get(conversation__omni_id=order[place]).conversation_id}"
        text = thread_page(reads, link(text, step)) if step else ""


def test_the_way_back_is_the_list_of_the_ticket(reads: Client, made: list[InOmni]) -> None:
    for row in (made[0], made[3]):
        reads.get(thread(row), {"ticket": "HARBOUR-12"}, headers=NAVIGATION)
    references = TicketReference.objects.count()
    listed = text_of(reads.get("/conversations/?ticket=harbour-12"))
    text = text_of(reads.get(link(listed, rf'href="({thread(made[0])}[^"]*)"')))
    for row, step in ((made[0], NEXT), (made[3], PREVIOUS), (made[0], "")):
        address, _, place = link(text, BACK).partition("#")
        assert f"<code>{row.id}</code>" in text
        assert address == "/conversations/?ticket=HARBOUR-12"
        assert f'id="{place}"' in text_of(reads.get(address))
        text = text_of(reads.get(link(text, step))) if step else ""
    assert TicketReference.objects.count() == references == 2
    odd = text_of(reads.get(f"{thread(made[1])}?linked=no+ticket"))
    assert link(odd, BACK).startswith("/conversations/#row-")


@pytest.mark.parametrize("public", ["", "https://omni.example"])
def test_links_of_what_was_selected_lead_to_the_site(
    reads: Client, made: list[InOmni], settings: Settings, public: str
) -> None:
    settings.PUBLIC_URL = public
    reads.get("/conversations/")
    ids = [str(row.id) for row in made[:2]]
    answer = reads.post("/conversations/selected/", {"do": "export", "conversation": ids})
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as found:
        addresses = [json.loads(found.read(name))["omniviewer"]["address"] for name in found.namelist()[1::2]]
    assert addresses == [f"{public or 'http://testserver'}{thread(row)}" for row in made[:2]]
