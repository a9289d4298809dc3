"""The list's search box: it holds words, stands beside the filters that it took, and stays in sight."""

import re
from html import unescape

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from conversations.search import syntax
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Member
from tests.conftest import sign_in, text_of


@pytest.fixture
def many(reads: Client, small: Organization, analyst: Member) -> Client:
    for number in range(40):
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=[("A walrus?", "A seal.")])
    reads.get("/conversations/")
    return reads


def box(page: str) -> tuple[str, str]:
    """Return what the box holds, and the filters beside it."""
    typed = re.search(r'id="search"[^>]* value="([^"]*)"', page)
    kept = re.search(r'name="filters" value="([^"]*)"', page)
    assert typed
    return unescape(typed[1]), unescape(kept[1]) if kept else ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "words", "filters"),
    [
        ("walrus", "walrus", ""),
        ("walrus state:unanswered", "walrus", "state:unanswered"),
        ('-has:chart "a seal" topic:"Customer returns" sea*', '"a seal" sea*', '-has:chart topic:"Customer returns"'),
        # A filter that was not understood stays where it can be mended.
        ("state:done walrus is:unread", "state:done walrus", "is:unread"),
        ("on:someday", "on:someday", ""),
        ('is:unread "no end', '"no end', "is:unread"),
        ("is:unread on:last week", "", "is:unread on:\"last week\""),
        (" ".join(f"w{n}" for n in range(40)), " ".join(f"w{n}" for n in range(40)), ""),
    ],
)  # fmt: skip
def test_it_works(reads: Client, small: Organization, query: str, words: str, filters: str) -> None:
    page = text_of(reads.get("/conversations/", {"q": query}))
    assert box(page) == (words, filters)
    # Sent off as it stands, it finds the same.
    address = reads.get("/conversations/", {"q": words, "filters": filters})
    if filters:
        assert address.status_code == 302
        again = reads.get(address["Location"])
        assert box(text_of(again)) == (words, filters)
        before, after = syntax.read(query), syntax.read(f"{filters} {words}".strip())
        assert (before.texts, before.filters, before.odd) == (after.texts, after.filters, after.odd)
    # A filter is said once: by its chip.
    assert page.count('<li class="chip">') == len(syntax.read(query).filters)


@pytest.mark.django_db
def test_a_filter_typed_beside_others_is_added_and_order_and_credential_stay(reads: Client) -> None:
    reads.get("/conversations/")
    answer = reads.get("/conversations/", {"q": "seal is:starred", "filters": "is:unread", "sort": "started"})
    assert answer["Location"] == "/conversations/?sort=started&q=is%3Aunread+seal+is%3Astarred"


@pytest.mark.django_db
def test_a_link_that_is_pasted_beside_filters_is_opened(reads: Client) -> None:
    answer = reads.get("/conversations/", {"q": "https://x.omni.co/chat/660e8400-e29b-41d4-a716-446655440001",
                                           "filters": "is:unread"})  # fmt: skip
    assert answer["Location"].startswith("/open?q=https")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 700, 1280, 1920])
def test_it_stays_in_sight_and_adds_to_the_filters(page: Page, site: str, many: Client, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    sign_in(page, site, at="/conversations/?q=-is:starred")
    expect(page.locator(".row")).to_have_count(40)
    page.evaluate("scrollTo({ top: 900, behavior: 'instant' })")
    search = page.locator("#search")
    expect(search).to_be_in_viewport(ratio=1)
    place = search.bounding_box()
    assert place
    assert search.evaluate(
        "(box, [x, y]) => document.elementFromPoint(x, y) === box", [place["x"] + 20, place["y"] + place["height"] / 2]
    )
    search.click()
    page.keyboard.type("walrus")
    page.keyboard.press("Enter")
    expect(search).to_have_value("walrus")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".chip")).to_contain_text("Not is: starred")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_scripts", [True, False])
def test_how_to_search_stands_one_click_away(chromium: Browser, site: str, many: Client, with_scripts: bool) -> None:
    with chromium.new_context(java_script_enabled=with_scripts, viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        sign_in(page, site)
        head = page.get_by_role("heading", name="How to search")
        expect(head).to_be_hidden()
        page.locator(".list-search").get_by_role("button", name="How to search").click()
        expect(head).to_be_in_viewport()
        page.get_by_role("button", name="Close").click()
        expect(head).to_be_hidden()
        page.locator(".list-menu summary").click()
        page.locator(".list-menu").get_by_role("button", name="How to search").click()
        expect(head).to_be_in_viewport()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_has_the_focus_is_not_behind_it(page: Page, site: str, many: Client) -> None:
    page.set_viewport_size({"width": 1280, "height": 700})
    sign_in(page, site)
    expect(page.locator(".row")).to_have_count(40)
    page.wait_for_load_state()
    page.keyboard.type("j" * 30)
    page.keyboard.type("k" * 25)
    row = page.locator(".row:focus-within")
    expect(row).to_be_in_viewport(ratio=1)
    assert row.evaluate(
        """row => {
            const box = row.getBoundingClientRect();
            return row.contains(document.elementFromPoint(box.left + 400, box.top + 4));
        }"""
    )
