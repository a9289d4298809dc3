"""Completion of the search box, and the palette."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from conversations.models import Access, JobAccess
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import credential_for, shown_ago, sign_in, signed_in, text_of

PART = {"HX-Request": "true"}
HOUR = timedelta(hours=1)


def offers(client: Client, typed: str) -> list[str]:
    """Return the whole query that each completion makes."""
    page = text_of(client.get("/conversations/complete/", {"q": typed}, headers=PART))
    return [unescape(text) for text in re.findall(r'data-insert="([^"]*)"', page)]


def counts(client: Client, typed: str) -> dict[str, str]:
    page = text_of(client.get("/conversations/complete/", {"q": typed}, headers=PART))
    rows = re.findall(r'data-insert="([^"]*)".*?</li>', page, re.DOTALL)
    parts = re.findall(r"<li.*?</li>", page, re.DOTALL)
    told = [re.findall(r'facet-count">([^<]*)<', part) for part in parts]
    return {unescape(row).strip(): (count[0] if count else "") for row, count in zip(rows, told, strict=True)}


@pytest.fixture
def library(small: Organization, small_omni: StandIn, owner: User, analyst: Member, ben: Member) -> Client:
    """Return the client of a reader of all: two conversations of Ann's about orders, one of Ben's, about returns."""
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    made = [answered(small, analyst, ages=[HOUR]), answered(small, analyst, ages=[HOUR], state="FAILED")]
    made += [answered(small, ben, ages=[HOUR])]
    made[2].jobs[0].topic = "Customer returns"
    client.get("/conversations/")
    for one in made:
        client.get(thread(one))
    client.get(f"{thread(made[0])}?ticket=ABC-12")
    work()
    client.get("/conversations/")  # which indexes what it shows
    return client


def test_it_works(library: Client) -> None:
    assert offers(library, "sta") == ["state:"]
    assert counts(library, "state:") == {
        "state:failed": "1",
        "state:cancelled": "",
        "state:running": "",
        "state:unanswered": "",
        "state:answered": "3",
        "state:complete": "2",
    }
    assert counts(library, "revenue owner:") == {'revenue owner:"Ann Analyst"': "2", 'revenue owner:"Ben Buyer"': "1"}


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("", ["owner:", "state:", "topic:", "has:", "ticket:", "is:", "from:", "to:", "on:"]),
        ("-sta", ["-state:"]),
        ("a -state:fa", ["a -state:failed "]),
        ("has:", ["has:chart ", "has:rows ", "has:ticket "]),
        ("is:u", ["is:unread "]),
        ("topic:ret", ['topic:"=Customer returns" ']),
        ('topic:"cust', ['topic:"=Customer returns" ']),
        ("owner:buy", ['owner:"Ben Buyer" ']),
        ("ticket:abc", ["ticket:ABC-12 "]),
        ("from:30", ["from:30d "]),
        ("weekday:t", ["weekday:tue ", "weekday:thu "]),
        ("hour:1", ["hour:1 ", *(f"hour:{hour} " for hour in range(10, 18))]),
        ("orders ben", ['orders owner:"Ben Buyer" ']),
        ("orders Ben Buy", ['orders owner:"Ben Buyer" ']),
        ("state:failed ben b", ['state:failed owner:"Ben Buyer" ']),
        ("orders asked by be", ['orders owner:"Ben Buyer" ']),
        ("by ben buyer", ['owner:"Ben Buyer" ']),
        ("Benny buy", ['Benny owner:"Ben Buyer" ']),
        ("-ben buy", ['-ben owner:"Ben Buyer" ']),
        ('"a ben" buy', ['"a ben" owner:"Ben Buyer" ']),
        ("https://omni.example/chat/1", []),
        ("nothing:x", []),
        ("state:zzz", []),
        (
            '"order items" ',
            [
                '"order items" ' + name
                for name in ("owner:", "state:", "topic:", "has:", "ticket:", "is:", "from:", "to:", "on:")
            ],
        ),
        ("x" * 1200, []),
    ],
)
def test_what_is_offered(library: Client, typed: str, made: list[str]) -> None:
    assert offers(library, typed) == made


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("Ben", 'owner:"Ben Buyer"'),
        ("buyer qwertz BEN", 'owner:"Ben Buyer" qwertz'),
        ('"Ben Buyer"', 'owner:"Ben Buyer"'),
        ("state:answered qwertz bu", 'state:answered owner:"Ben Buyer" qwertz'),
        ("qwertz", None),
        ("qwertz -ben", None),
        ("Carol qwertz", None),
    ],
)
def test_a_search_that_finds_nothing_offers_the_person_it_names(library: Client, typed: str, query: str | None) -> None:
    page = text_of(library.get("/conversations/", {"q": typed}))
    assert "No matches" in page
    offered = re.findall(r'<a href="([^"]+)">Conversations asked by <bdi>([^<]*)</bdi>', page)
    assert [(parse_qs(unescape(address)[1:])["q"], name) for address, name in offered] == (
        [([query], "Ben Buyer")] if query else []
    )


def test_every_offer_finds_as_many_as_it_says(library: Client) -> None:
    for typed in ("state:", "topic:", "owner:", "ticket:", "has:", "orders owner:"):
        for query, count in counts(library, typed).items():
            if count and not query.startswith("orders"):
                page = text_of(library.get("/conversations/", {"q": query}))
                assert page.count('class="row-title"') == int(count), query


def test_a_name_that_two_people_share_is_offered_by_id(
    small: Organization, small_omni: StandIn, owner: User, analyst: Member
) -> None:
    twin = small.add_member("Ann Analyst", "ann2@small.example")
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    for member in (analyst, twin):
        client.get(thread(answered(small, member, ages=[HOUR])))
    assert sorted(offers(client, "owner:")) == sorted(f"owner:{member.id} " for member in (analyst, twin))
    page = text_of(client.get("/conversations/complete/", {"q": "ann"}, headers=PART))
    assert page.count('<code>owner:"Ann Analyst"</code>') == 2
    assert all(f"<bdi>{member.id}</bdi>" in page for member in (analyst, twin))


def test_the_reader_is_offered_by_name(small: Organization, small_omni: StandIn, owner: User, analyst: Member) -> None:
    """Omni knows the reader by two ids, of which one is told in the lists."""
    me = small.add_member("Olga Owner", "olga@small.example", "ORG_ADMIN")
    owner.first_name, owner.last_name = "Olga", "Owner"
    owner.save()
    token = credential_for(owner, small_omni, small.organization_key()).api_token
    assert len(token.owner_ids) == 2
    client = signed_in(owner)
    for member in (me, analyst):
        client.get(thread(answered(small, member, ages=[HOUR])))
    assert offers(client, "owner:ol") == ['owner:"Olga Owner" ']


def titles(client: Client, typed: str) -> list[tuple[str, str]]:
    """Return the address and the title of each conversation that the palette offers."""
    page = text_of(client.get("/conversations/complete/", {"q": typed, "titles": ""}, headers=PART))
    return re.findall(r'data-address="([^"]*)">\s*<bdi class="completion-title">([^<]*)<', page)


def test_the_palette_offers_conversations_by_their_titles(
    library: Client, small: Organization, small_omni: StandIn, stranger: User, analyst: Member, ben: Member
) -> None:
    made = [
        small.add_conversation(owner=owner, name=name, turns=[("Which?", "None.")])
        for owner, name in ((analyst, "Harbour fees by quarter"), (ben, "Fees of the harbour"), (ben, "Ferry fares"))
    ]
    shown_ago(HOUR)
    library.get("/conversations/?refresh=1")
    library.get("/conversations/?q=harb")  # which indexes what it shows
    found = {(thread(row), row.name) for row in made[:2]}
    assert set(titles(library, "harb")) == set(titles(library, "fees harbour")) == found
    assert titles(library, "harbour fares") == titles(library, "harb state:failed") == titles(library, "h") == []
    assert "Harbour" not in text_of(library.get("/conversations/complete/", {"q": "harb"}, headers=PART))
    credential_for(stranger, small_omni, small.personal_token(analyst))
    client = signed_in(stranger)
    client.get("/conversations/")
    assert titles(client, "harb") == [(thread(made[0]), made[0].name)]


def test_the_palette_offers_the_latest_five_of_many(library: Client, small: Organization, analyst: Member) -> None:
    made = [
        small.add_conversation(
            owner=analyst,
            name=f"Harbour fees {number}",
            turns=[("Which?", "None.")],
            started_at=datetime.now(UTC) - number * HOUR,
        )
        for number in range(1, 8)
    ]
    shown_ago(HOUR)
    library.get("/conversations/?refresh=1")
    library.get("/conversations/?q=harb")
    assert titles(library, "harb") == [(thread(row), row.name) for row in made[:5]]


def test_nothing_of_others_is_offered(
    library: Client, small: Organization, small_omni: StandIn, stranger: User, ben: Member
) -> None:
    credential_for(stranger, small_omni, small.personal_token(ben))
    client = signed_in(stranger)
    client.get("/conversations/")
    assert offers(client, "topic:") == []
    assert offers(client, "ticket:") == []
    assert not any("Ann" in offer for offer in offers(client, "owner:"))
    assert all(not count for count in counts(client, "state:").values())


def test_topics_go_with_the_right_to_the_evidence(library: Client) -> None:
    assert offers(library, "topic:")
    JobAccess.objects.all().delete()
    Access.objects.update(has_evidence=False)
    assert offers(library, "topic:") == []


def test_odd_text_is_no_fault(library: Client) -> None:
    for typed in (
        'owner:"',
        "owner:\0",
        "-",
        ":",
        "topic:%",
        "ticket:_",
        "ticket:'",
        "hour:x",
        "from:\N{BLACK STAR}",
        "a\nb",
    ):
        assert isinstance(offers(library, typed), list), typed


@pytest.mark.django_db(transaction=True)
def test_by_keyboard(page: Page, site: str, library: Client) -> None:
    sign_in(page, site)
    page.wait_for_load_state()
    box = page.get_by_role("combobox", name="Search questions")
    page.keyboard.press("/")
    page.keyboard.type("owner:an")
    expect(page.locator(".completions").get_by_role("option")).to_have_count(1)
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".completions").get_by_role("option", selected=True)).to_contain_text("Ann Analyst")
    page.keyboard.press("Tab")
    expect(box).to_have_value('owner:"Ann Analyst" ')
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(2)
    # On an empty box: what was searched for before.
    expect(box).to_have_value("")
    box.click()
    expect(page.locator(".completions").get_by_role("option")).to_have_count(1)
    page.locator(".completions").get_by_role("option").click()
    expect(page.locator(".chip").first).to_contain_text("Ann Analyst")


@pytest.mark.django_db(transaction=True)
def test_a_chosen_filter_is_searched_for_at_once_beside_those_that_are_set(
    page: Page, site: str, library: Client
) -> None:
    sign_in(page, site, at="/conversations/?q=state:complete")
    page.wait_for_load_state()
    page.get_by_role("combobox", name="Search questions").click()
    page.keyboard.type("orders ann")
    page.locator(".completions").get_by_role("option", name="Ann Analyst").click()
    expect(page.locator(".row")).to_have_count(1)
    expect(page.get_by_role("combobox", name="Search questions")).to_have_value("orders")
    expect(page.locator(".chip")).to_have_count(2)
    # A filter without its value waits for that.
    page.get_by_role("combobox", name="Search questions").fill("orders top")
    page.locator(".completions").get_by_role("option", name="topic:").first.click()
    expect(page.get_by_role("combobox", name="Search questions")).to_have_value("orders topic:")
    expect(page.get_by_role("combobox", name="Search questions")).to_be_focused()


@pytest.mark.django_db(transaction=True)
def test_the_palette(page: Page, site: str, library: Client) -> None:
    sign_in(page, site)
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette).to_be_visible()
    page.keyboard.type("insi")
    expect(palette.get_by_role("link")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/insights/")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type("returns")
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversations/?q=returns")
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/credentials/")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type("orders")
    title = palette.get_by_role("option").filter(has=page.locator(".completion-title")).first
    expect(title).to_contain_text("Orders by month")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/conversations/[0-9a-f-]{36}/$"))


@pytest.mark.django_db(transaction=True)
def test_enter_opens_the_only_thing_that_the_palette_offers(
    page: Page, site: str, library: Client, small: Organization, analyst: Member
) -> None:
    made = small.add_conversation(owner=analyst, name="Harbour fees", turns=[("Which?", "None.")])
    shown_ago(HOUR)
    library.get("/conversations/?refresh=1")
    library.get("/conversations/?q=harbour")
    sign_in(page, site)
    page.wait_for_load_state()
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.press("Control+k")
    page.keyboard.type("harbour")
    only = palette.get_by_role("option")
    expect(only).to_have_attribute("aria-selected", "true")
    expect(only).to_contain_text("Harbour fees")
    # It can be left, to search.
    page.keyboard.press("ArrowUp")
    expect(only).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{thread(made)}")
