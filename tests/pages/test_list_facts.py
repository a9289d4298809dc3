"""Facts in the rows of the list, and counts beside them."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from conversations.models import Access, JobAccess, Star, Walk
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import credential_for, sign_in, signed_in, text_of

HOUR = timedelta(hours=1)
PART = {"HX-Request": "true"}


def row_of(page: str, found: InOmni) -> str:
    """Return the HTML of a conversation's row."""
    rows: list[str] = re.findall(r'<li class="row.*?</li>', page, re.DOTALL)
    return next(row for row in rows if str(found.id) in row)


def facets(client: Client, typed: str = "") -> dict[str, dict[str, str]]:
    """Return the counts beside the list by group and text; "" for one without a count."""
    page = text_of(client.get("/conversations/facets/", {"q": typed}, headers=PART))
    found: dict[str, dict[str, str]] = {}
    for group in re.findall(r"<section.*?</section>", page, re.DOTALL):
        name = re.findall(r"<h3[^>]*>([^<]*)</h3>", group)[0]
        choices = re.findall(r"<bdi>(.*?)</bdi></span>\s*(?:<span class=\"facet-count\">([^<]*)</span>)?", group)
        found[name] = dict(choices)
    return found


def addresses(client: Client, typed: str = "") -> dict[str, str]:
    """Return where each choice beside the list leads."""
    page = text_of(client.get("/conversations/facets/", {"q": typed}, headers=PART))
    links = re.findall(r'<a\s+href="([^"]*)".*?<bdi>(.*?)</bdi>', page, re.DOTALL)
    return {text: unescape(address) for address, text in links}


def read_all(client: Client, *found: InOmni) -> None:
    """Open each thread, and capture its evidence."""
    for one in found:
        client.get(thread(one))
    work()


def test_it_works(reads: Client, small: Organization, analyst: Member) -> None:
    good = answered(small, analyst, ages=[3 * HOUR, 2 * HOUR])
    read_all(reads, good)
    row = row_of(text_of(reads.get("/conversations/")), good)
    assert 'class="state state-complete"' in row
    assert ">orders</bdi>" in row
    assert re.search(r'class="row-count">4<span class="visually-hidden"> messages', row)
    assert "mark-rows" in row
    assert "mark-chart" in row


@pytest.mark.parametrize(
    ("state", "shown"),
    [("FAILED", "failed"), ("CANCELLED", "cancelled"), ("EXECUTING", "running"), ("NEW_TO_US", "unknown")],
)
def test_a_row_shows_the_state(reads: Client, small: Organization, analyst: Member, state: str, shown: str) -> None:
    found = answered(small, analyst, ages=[HOUR], state=state)
    read_all(reads, found)
    row = row_of(text_of(reads.get("/conversations/")), found)
    assert re.findall(r'class="state state-(\w+)"', row) == [shown]
    assert f'<span class="visually-hidden">{shown}</span>' in row


def test_one_failed_answer_marks_the_row(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[3 * HOUR, 2 * HOUR])
    found.jobs[0].state = "FAILED"
    read_all(reads, found)
    assert "state-failed" in row_of(text_of(reads.get("/conversations/")), found)


def test_a_question_without_an_answer(reads: Client, small: Organization, analyst: Member) -> None:
    found = small.add_conversation(owner=analyst, name="Open", turns=[("One?", "1."), ("Two?", None)])
    read_all(reads, found)
    assert "state-unanswered" in row_of(text_of(reads.get("/conversations/")), found)


def test_a_row_whose_messages_were_not_read_tells_nothing(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[HOUR])
    row = row_of(text_of(reads.get("/conversations/")), found)
    assert "state-" not in row
    assert ">orders</bdi>" not in row
    assert 'class="row-count"></span>' in row


def test_a_reader_without_the_right_to_evidence_is_told_none_of_it(
    reads: Client, small: Organization, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[HOUR], state="FAILED")
    good = answered(small, analyst, ages=[HOUR])
    read_all(reads, found, good)
    # Complete answers are answered too: one count of the two is shown.
    assert facets(reads)["State"] == {"Failed": "1", "Complete": "1"}
    assert facets(reads)["Topic"] == {"orders": "2"}
    Access.objects.update(has_evidence=False)
    JobAccess.objects.all().delete()
    page = text_of(reads.get("/conversations/"))
    assert [re.findall(r"state state-(\w+)", row_of(page, one)) for one in (found, good)] == [["unknown"], ["unknown"]]
    assert ">orders</bdi>" not in page
    assert "mark-rows" not in page
    assert facets(reads)["State"] == {"Answered": "2"}
    assert "Topic" not in facets(reads)
    assert "With" not in facets(reads)


def test_a_reader_at_an_earlier_revision_is_told_nothing_of_the_later_one(
    reads: Client, small: Organization, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[HOUR])
    read_all(reads, found)
    Access.objects.update(revision=0)
    row = row_of(text_of(reads.get("/conversations/")), found)
    assert "state-" not in row
    assert 'class="row-count"></span>' in row
    assert "State" not in facets(reads)


def test_nothing_of_others_is_counted(
    small: Organization, small_omni: StandIn, owner: User, stranger: User, analyst: Member, ben: Member
) -> None:
    own, others = answered(small, analyst, ages=[HOUR]), answered(small, ben, ages=[HOUR], state="FAILED")
    for user, member, one in ((owner, analyst, own), (stranger, ben, others)):
        credential_for(user, small_omni, small.personal_token(member))
        read_all(signed_in(user), one)
    assert facets(signed_in(owner))["State"] == {"Complete": "1"}
    assert facets(signed_in(stranger))["State"] == {"Failed": "1", "Answered": "1"}


def test_every_choice_leads_to_as_many_as_it_says(
    small: Organization, small_omni: StandIn, owner: User, analyst: Member, ben: Member
) -> None:
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    made = [answered(small, analyst, ages=[n * HOUR]) for n in range(1, 4)]
    made += [answered(small, ben, ages=[HOUR], state="FAILED")]
    made[0].jobs[0].topic = 'Odd "topic" \\ <b>'
    made += [small.add_conversation(owner=ben, name="Open", turns=[("Revenue?", None)])]
    client.get("/conversations/")
    read_all(client, *made)
    client.get(f"{thread(made[1])}?ticket=ABC-1")
    Star.objects.set(owner, Access.objects.get(conversation__omni_id=made[2].id).conversation_id, starred=True)
    for typed in ("", "orders", "from:30d", "state:answered"):
        counted = facets(client, typed)
        leads = addresses(client, typed)
        told = {text: count for group in counted.values() for text, count in group.items() if count}
        assert told
        for text, count in told.items():
            address = leads[text]
            if f"state:{text.lower()}" == typed:
                assert "state" not in address
                continue
            assert "state:answered" not in typed or text not in counted["State"] or address.count("state") == 1
            page = text_of(client.get(address))
            assert page.count('class="row-title"') == int(count), (typed, text, address)


def test_counts_follow_the_filter(reads: Client, small: Organization, analyst: Member) -> None:
    bad, good = answered(small, analyst, ages=[HOUR], state="FAILED"), answered(small, analyst, ages=[HOUR])
    read_all(reads, bad, good)
    # A click on a state takes the place of the chosen one: each count is what the click would show.
    assert facets(reads, "state:failed")["State"] == {"Failed": "1", "Complete": "1"}
    assert facets(reads, "state:answered")["State"] == {"Failed": "1", "Complete": "1", "Answered": "2"}
    assert facets(reads, "state:failed")["Topic"] == {"orders": "1"}
    assert "Topic" in facets(reads, "state:failed")
    assert facets(reads, "nothing such") == {}


@pytest.mark.parametrize(
    ("typed", "group", "text"),
    [
        ("state:cancelled", "State", "Cancelled"),
        ("nothing topic:=orders", "Topic", "orders"),
        ("topic:refunds", "Topic", "refunds"),
        ("nothing has:ticket", "Has", "Ticket"),
        ("nothing is:unread", "Yours", "Unread"),
        ("ticket:ABC-77", "Ticket", "ABC-77"),
    ],
)
def test_a_chosen_filter_stays_though_nothing_is_found(
    reads: Client, small: Organization, analyst: Member, typed: str, group: str, text: str
) -> None:
    read_all(reads, answered(small, analyst, ages=[HOUR]))
    assert facets(reads, typed)[group][text] == "0"
    assert text not in addresses(reads, typed)[text]


def test_people_beyond_the_first_are_counted_and_can_be_reached(
    small: Organization, small_omni: StandIn, owner: User
) -> None:
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    people = [small.add_member(f"{letter}-person", f"{letter}@example.com") for letter in "ABCDEFGHIJK"]
    made = [answered(small, person, ages=[HOUR]) for person in people]
    read_all(client, *made)
    work()
    page = text_of(client.get("/conversations/facets/", headers=PART))
    assert re.findall(r'href="#control-owner">([^<]*)<', page) == ["and 3 more"]
    assert len(facets(client)["Asked by"]) == 8
    for person in people:
        # The one who is chosen is always among them.
        assert facets(client, f'owner:"{person.name}"')["Asked by"][person.name] == "1"


def presets(client: Client, typed: str, **others: str) -> dict[str, str]:
    """Return the query that each span beside the list leads to."""
    page = text_of(client.get("/conversations/", {"q": typed, **others}))
    links = re.findall(r'<a\s+href="([^"]*)"[^>]*>([^<]*)</a>', page.split("dates-presets")[1].split("</ul>")[0])
    return {text: parse_qs(unescape(address).removeprefix("?")).get("q", [""])[0] for address, text in links}


def test_a_span_takes_the_place_of_another(reads: Client, small: Organization, analyst: Member) -> None:
    answered(small, analyst, ages=[HOUR])
    reads.get("/conversations/")
    assert presets(reads, "orders from:2025 to:2026")["Last 7 days"] == "orders from:7d"
    assert presets(reads, "orders from:7d")["Last 7 days"] == "orders"
    assert presets(reads, "orders on:yesterday", before="7")["Last week"] == 'orders on:"last week"'
    assert presets(reads, "on:last month")["Last month"] == ""
    assert "before" not in text_of(reads.get("/conversations/?before=7")).split("dates-presets")[1].split("</ul>")[0]


def test_it_sorts_by_length_and_by_time(reads: Client, small: Organization, analyst: Member) -> None:
    now = datetime.now(UTC)
    long = small.add_conversation(owner=analyst, name="Long", turns=[(f"{n}?", "Yes.") for n in range(5)])
    short = small.add_conversation(owner=analyst, name="Short", turns=[("One?", "Yes.")], started_at=now - 3 * HOUR)
    slow = small.add_conversation(owner=analyst, name="Slow", turns=[], started_at=now - 2 * HOUR)
    small.ask(slow, "Two?", "Yes.", at=now - HOUR)
    slow.messages[0].created_at = now - 2 * HOUR
    unread = small.add_conversation(owner=analyst, name="Unread", turns=[(f"{n}?", "Yes.") for n in range(9)])
    read_all(reads, long, short, slow)

    def order(sort: str) -> list[str]:
        page = text_of(reads.get("/conversations/", {"sort": sort}))
        return re.findall(r'class="row-title"[^>]*>(?:<span[^>]*>Unread: </span>)?(\w+)', page)

    assert order("messages")[0] == "Long"
    # The reader may not know how long this one is.
    assert order("messages")[-1] == unread.name
    assert order("slowest")[0] == "Slow"
    assert order("first") == order("started")[::-1]
    assert 'aria-current="true"' in text_of(reads.get("/conversations/?sort=messages"))


def test_pages_of_an_order_by_a_fact_go_on(reads: Client, small: Organization, analyst: Member) -> None:
    for number in range(120):
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=[("One?", "Yes.")])
    reads.get("/conversations/")
    reads.get("/conversations/?before=1")
    address, found = "/conversations/?sort=messages", []
    for _ in range(3):
        page = text_of(reads.get(address))
        found += re.findall(r'class="row-title"[^>]*>No. (\d+)', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = f"/conversations/{unescape(older[1])}" if older else ""
    assert not address
    assert sorted(map(int, found)) == list(range(120))
    assert 'rel="prev"' in page


def test_a_star_in_a_row_toggles(reads: Client, small: Organization, analyst: Member, owner: User) -> None:
    found = answered(small, analyst, ages=[HOUR])
    row = row_of(text_of(reads.get("/conversations/")), found)
    name = re.findall(r'name="star"\s+value="([^"]+)"', row)[0]
    for do, is_on in (("star", True), ("unstar", False)):
        assert reads.post("/conversations/selected/", {"do": do, "conversation": name}, headers=PART).status_code == 204
        assert Star.objects.filter(user=owner).exists() is is_on
        shown = row_of(text_of(reads.get("/conversations/")), found)
        assert f'aria-pressed="{str(is_on).lower()}"' in shown
    assert reads.post("/conversations/selected/", {"star": name}).status_code == 302
    assert Star.objects.filter(user=owner).exists()
    missing = {"do": "star", "conversation": "other/x"}
    assert reads.post("/conversations/selected/", missing, headers=PART).status_code == 404


def test_compact_rows_are_a_setting(reads: Client) -> None:
    answer = reads.post("/appearance/", {"rows": "compact", "next": "/conversations/"})
    assert answer.cookies["rows"].value == "compact"
    assert "is-compact" in text_of(reads.get("/conversations/"))
    reads.post("/appearance/", {"rows": "", "next": "/conversations/"})
    assert "is-compact" not in text_of(reads.get("/conversations/"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("width", "height", "rows", "top"), [(1280, 900, 16, 160), (1920, 1080, 20, 160), (390, 844, 8, 300)]
)
def test_many_rows_are_in_sight(
    page: Page,
    site: str,
    colleague_reads: Client,
    width: int,
    height: int,
    rows: int,
    top: int,
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, site, "colleague")
    boxes = [row.bounding_box() for row in page.locator(".row").all()[: rows + 5]]
    seen = [box for box in boxes if box and box["y"] + box["height"] <= height]
    assert len(seen) >= rows
    assert seen[0]["y"] <= top
    if width > 1000:
        assert {round(box["height"]) for box in seen} <= set(range(36, 45))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.django_db(transaction=True)
def test_the_narrowest_window_needs_no_scrolling_sideways(page: Page, site: str, colleague_reads: Client) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    sign_in(page, site, "colleague")
    expect(page.locator(".row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.django_db(transaction=True)
def test_titles_take_the_room_of_tickets_where_there_are_none(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    made = answered(small, analyst, ages=[HOUR])
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, site)
    text, head = page.locator(".row-text"), page.locator(".columns .row-tickets")
    expect(head).to_be_hidden()
    wide = text.bounding_box()
    reads.get(f"{thread(made)}?ticket=ABC-12")
    page.reload()
    expect(head).to_be_visible()
    narrow = text.bounding_box()
    assert wide
    assert narrow
    assert wide["width"] - narrow["width"] > 60


@pytest.mark.django_db(transaction=True)
def test_the_month_that_is_chosen_is_in_sight(page: Page, site: str, colleague_reads: Client) -> None:
    month = f"{timezone.localdate():%Y-%m}"
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, site, "colleague", at=f"/conversations/?q=on:{month}")
    chosen = page.locator(".dates-months a[aria-current]")
    expect(chosen).to_have_text(f"{timezone.localdate():%b %Y}")
    expect(chosen).to_be_visible()
    expect(page.locator(".chip")).to_contain_text(f"Active {timezone.localdate():%B %Y}")


@pytest.mark.django_db(transaction=True)
def test_the_second_line_leaves_nothing_out(
    page: Page, site: str, small: Organization, small_omni: StandIn, owner: User
) -> None:
    """A long name gives way; everything else of the row stays in sight, and can be hit with a finger."""
    credential_for(owner, small_omni, small.organization_key())
    person = small.add_member("Priya " + "Venkatanarasimharajuvaripeta" * 2, "priya@example.com")
    made = answered(small, person, ages=[HOUR])
    reads = signed_in(owner)
    read_all(reads, made)
    work()
    reads.get(f"{thread(made)}?ticket=LONGER-12345")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site)
    row = page.locator(".row")
    for part in ("asker", "topic", "count", "took", "marks", "tickets"):
        box = row.locator(f".row-{part}").bounding_box()
        assert box, part
        assert box["width"] > 10, part
        assert 0 < box["x"] < box["x"] + box["width"] <= 390, part
        assert box["height"] < 30, part
    assert row.locator(".row-topic").evaluate("topic => topic.scrollWidth <= topic.clientWidth")
    for name in (".row-select", ".row-star", ".list-filters", ".list-menu summary", ".freshness a"):
        box = page.locator(name).first.bounding_box()
        assert box, name
        assert min(box["width"], box["height"]) >= 24, name
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.django_db(transaction=True)
def test_a_last_question_is_shown_where_some_words_of_it_have_room(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    for length in range(3, 48, 2):
        turns = [("How many orders were there in June?", "Nine.")]
        small.add_conversation(owner=analyst, name="n" * length, turns=turns)
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, site)
    widths = page.locator(".row-text").evaluate_all(
        """texts => texts.map(text => {
            const [own, prompt] = [text, text.querySelector(".row-prompt")].map(one => one.getBoundingClientRect());
            return prompt.top < own.bottom ? prompt.width : 0;
        })"""
    )
    assert 0 in widths
    assert any(widths)
    assert all(not width or width > 100 for width in widths)


@pytest.mark.django_db(transaction=True)
def test_x_and_s_act_on_the_row_with_the_focus(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    for number in range(3):
        answered(small, analyst, ages=[(number + 1) * HOUR])
    sign_in(page, site)
    page.wait_for_load_state()
    expect(page.locator(".selection")).not_to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator(".selection")).not_to_be_visible()
    page.keyboard.press("j")
    with page.expect_response(lambda reply: reply.request.method == "POST"):
        page.keyboard.press("s")
    second = page.locator(".row").nth(1)
    expect(second.locator(".row-star")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator(".row").nth(1).locator(".row-star")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".facet").first).to_be_visible()
    page.get_by_role("link", name="Starred").click()
    expect(page.locator(".row")).to_have_count(1)


@pytest.mark.django_db(transaction=True)
def test_a_list_announces_changes_once_it_has_arrived(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    def grow(name: str) -> None:
        small.add_conversation(owner=analyst, name=name, turns=[("?", "!")])
        Walk.objects.update(checked_at=timezone.now() - HOUR, not_before=timezone.now() - HOUR)

    grow("First")
    reads.get("/conversations/")
    grow("Second")
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])
    sign_in(page, site)
    news, rows = page.locator("#list-news"), page.locator(".row")
    expect(rows).to_have_count(2)
    page.wait_for_load_state("networkidle")
    expect(news).to_be_empty()
    grow("Third")
    page.evaluate(
        "htmx.ajax('GET', '/conversations/fresh/?looks=2&shown=x', {target: '#list-freshness', swap: 'outerHTML'})"
    )
    expect(rows).to_have_count(3)
    expect(news).to_have_text("The list has changed.")


@pytest.mark.django_db(transaction=True)
def test_a_list_that_was_asked_for_before_takes_no_star_and_no_tick_back(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    answered(small, analyst, ages=[HOUR])
    last = answered(small, analyst, ages=[2 * HOUR])
    reads.get("/conversations/")
    last.name = "Another name"
    Walk.objects.update(checked_at=timezone.now() - HOUR, not_before=timezone.now())
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/conversations/fresh/*", hold)
    with page.expect_request("**/conversations/fresh/*"):
        sign_in(page, site)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    [route] = held
    answer = route.fetch()
    page.keyboard.press("x")
    with page.expect_response(lambda reply: reply.request.method == "POST"):
        page.keyboard.press("s")
    route.fulfill(response=answer)
    expect(page.get_by_text("Another name")).to_be_visible()
    star = page.locator(".row-star").first
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".row-select:checked")).to_have_count(0)


@pytest.mark.django_db(transaction=True)
def test_the_way_back_leads_to_where_the_list_stood(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    for number in range(45):
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=[("How many?", "Nine.")])
    page.set_viewport_size({"width": 1280, "height": 800})
    sign_in(page, site)
    page.mouse.wheel(0, 700)
    page.wait_for_function("scrollY === 700")
    row = page.locator(".row").nth(24)
    stood = row.bounding_box()
    row.locator(".row-title").click()
    page.get_by_role("link", name="Conversations").and_(page.locator(".thread-bar a")).click()
    expect(page.locator(".row:target .row-here")).to_be_visible()
    page.wait_for_load_state()
    assert stood
    assert abs((page.locator(".row").nth(24).bounding_box() or stood)["y"] - stood["y"]) <= 1
    assert page.evaluate("scrollY") == 700


# The calendar -------------------------------------------------------------------------------------------------


def calendar(client: Client, typed: str, **others: str) -> tuple[str, str, dict[str, str]]:
    """Return the first and the last day in the calendar beside the list, and what its form sends besides."""
    page = text_of(client.get("/conversations/", {"q": typed, **others}))
    form = re.findall(r'<form class="dates".*?</form>', page, re.DOTALL)[0]
    since, until = (re.findall(rf'type="date" name="{name}" value="([^"]*)"', form)[0] for name in ("since", "until"))
    return (
        since,
        until,
        {name: unescape(value) for name, value in re.findall(r'hidden" name="(\w+)" value="([^"]*)', form)},
    )


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        ("", ("", "")),
        ("from:2026-01-05", ("2026-01-05", "")),
        ("to:2026-02", ("", "2026-02-28")),
        ("from:2024-02 to:2024-02", ("2024-02-01", "2024-02-29")),
        ("on:2026-q3", ("2026-07-01", "2026-09-30")),
        ("asked:2026-01-05", ("", "")),
    ],
)
def test_the_calendar_shows_the_days_of_the_query(reads: Client, typed: str, days: tuple[str, str]) -> None:
    assert calendar(reads, typed)[:2] == days


def test_the_calendar_keeps_the_rest_of_the_query(reads: Client) -> None:
    *_, kept = calendar(reads, 'order state:failed on:2026-01-05 "two words"', sort="oldest")
    assert kept == {"q": 'order "two words" state:failed', "sort": "oldest"}
    answer = reads.get("/conversations/", {**kept, "since": "2026-01-03", "until": "2026-01-09"})
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked == {"q": ['order "two words" state:failed from:2026-01-03 to:2026-01-09'], "sort": ["oldest"]}
    assert calendar(reads, asked["q"][0])[:2] == ("2026-01-03", "2026-01-09")
    emptied = reads.get("/conversations/", {**kept, "since": "", "until": ""})
    assert parse_qs(urlsplit(emptied["Location"]).query)["q"] == [kept["q"]]
