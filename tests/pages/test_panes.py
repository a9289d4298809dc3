"""Two panes: the list, and a conversation beside it."""

from datetime import timedelta

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread
from tests.conftest import assert_accessible, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def made(small: Organization, analyst: Member) -> list[InOmni]:
    """Return five conversations, newest first."""
    rows = [answered(small, analyst, ages=[(5 - number) * HOUR]) for number in range(5)]
    for number, row in enumerate(rows):
        row.name = f"No. {number}"
    return rows[::-1]


@pytest.fixture
def two_panes(page: Page, site: str, reads: Client, made: list[InOmni]) -> Page:
    page.context.add_cookies(
        [
            {"name": "panes", "value": "two", "url": site},
            {"name": "time_zone", "value": "Europe%2FBerlin", "url": site},
        ]
    )
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, site)
    page.wait_for_load_state()
    return page


def test_it_works(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page, pane = two_panes, two_panes.get_by_label("Conversation", exact=True)
    expect(pane.get_by_text("Select a conversation")).to_be_visible()
    page.locator(".row-title").nth(1).click()
    expect(page).to_have_url(f"{site}{thread(made[1])}")
    expect(pane.get_by_role("heading", name="No. 3")).to_be_visible()
    expect(pane.get_by_role("article")).to_have_count(2)
    expect(page).to_have_title("No. 3 · Omniviewer")
    expect(page.locator(".row")).to_have_count(5)
    assert_accessible(page, "a conversation beside the list")
    # The parts of a thread work there: its star, its link, the evidence.
    pane.get_by_role("button", name="Star", exact=True).click()
    expect(pane.get_by_role("button", name="Starred")).to_be_visible()
    # The address is the conversation's own.
    page.reload()
    expect(page.locator(".row")).to_have_count(0)
    expect(page.get_by_role("heading", name="No. 3")).to_be_visible()


def test_back_and_forward(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page = two_panes
    for number in (0, 2):
        page.locator(".row-title").nth(number).click()
        expect(page.locator("#title")).to_have_text(f"No. {4 - number}")
    page.go_back()
    expect(page.locator("#title")).to_have_text("No. 4")
    expect(page).to_have_url(f"{site}{thread(made[0])}")
    page.go_back()
    expect(page.get_by_text("Select a conversation")).to_be_visible()
    expect(page).to_have_url(f"{site}/conversations/")
    page.go_forward()
    expect(page.locator("#title")).to_have_text("No. 4")
    # The list is in sight: its way back closes the conversation.
    expect(page.get_by_role("link", name="← Conversations")).to_have_count(0)
    page.get_by_role("link", name="Close").click()
    expect(page.get_by_text("Select a conversation")).to_be_visible()
    expect(page).to_have_url(f"{site}/conversations/")


def test_j_and_k_load_what_they_come_to(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page = two_panes
    page.keyboard.press("j")
    expect(page.locator("#title")).to_have_text("No. 4")
    page.keyboard.press("j")
    expect(page.locator("#title")).to_have_text("No. 3")
    expect(page.locator(".row-title").nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("#title")).to_have_text("No. 4")
    expect(page.locator(".row.is-open")).to_have_count(1)


def test_one_row_is_marked_though_the_pointer_rests_on_another(two_panes: Page, made: list[InOmni]) -> None:
    page = two_panes
    page.locator(".row-title").nth(1).click()
    expect(page.locator("#title")).to_have_text("No. 3")
    page.keyboard.press("j")
    expect(page.locator("#title")).to_have_text("No. 2")
    colours = [row.evaluate("row => getComputedStyle(row).backgroundColor") for row in page.locator(".row").all()]
    assert [colours.count(one) for one in colours] == [4, 4, 1, 4, 4]
    # The search stays in sight while the list scrolls.
    page.locator(".list-pane").evaluate("pane => pane.scrollTo(0, 5000)")
    page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
    expect(page.locator("#search")).to_be_in_viewport(ratio=1)
    below = page.locator("#search").bounding_box()
    header = page.locator(".site-header").bounding_box()
    assert below
    assert header
    assert below["y"] >= header["y"] + header["height"]


def test_a_narrow_window_has_one_pane(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page = two_panes
    page.set_viewport_size({"width": 1200, "height": 800})
    expect(page.get_by_text("Select a conversation")).not_to_be_visible()
    page.locator(".row-title").first.click()
    expect(page.get_by_role("heading", name="No. 4")).to_be_visible()
    expect(page.locator(".row")).to_have_count(0)


def test_what_cannot_be_shown_is_explained_on_its_own_page(
    two_panes: Page, site: str, made: list[InOmni], small: Organization
) -> None:
    page = two_panes
    small.remove(made[2].id)
    page.locator(".row-title").nth(2).click()
    expect(page.get_by_role("heading", name="You can’t open this conversation")).to_be_visible()


def test_links_of_the_list_go_on_from_the_list(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page = two_panes
    page.locator(".row-title").first.click()
    expect(page.locator("#title")).to_have_text("No. 4")
    page.locator(".list-menu summary").click()
    address = page.get_by_role("link", name="Refresh").first.evaluate("link => link.href")
    assert address.startswith(f"{site}/conversations/?")
    for link in page.locator(".columns a, .pages a").all():
        assert link.evaluate("link => link.href").startswith(f"{site}/conversations/?")


def test_a_place_in_the_page_is_no_conversation(two_panes: Page, site: str, made: list[InOmni]) -> None:
    page = two_panes
    page.evaluate("location.hash = '#search-help'")
    page.wait_for_timeout(300)
    expect(page.locator("#listed")).to_have_count(1)
    expect(page.get_by_text("Select a conversation")).to_be_visible()
    page.locator(".row-title").first.click()
    expect(page.locator("#title")).to_have_text("No. 4")
    page.evaluate("location.hash = '#details'")
    page.wait_for_timeout(300)
    expect(page.locator("#listed")).to_have_count(1)
    expect(page.locator("#title")).to_have_text("No. 4")


def test_the_reader_chooses(page: Page, site: str, reads: Client, made: list[InOmni]) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, site)
    page.wait_for_load_state()
    expect(page.get_by_text("Select a conversation")).to_have_count(0)
    page.get_by_text("List options").locator("xpath=..").click()
    page.get_by_role("button", name="Beside the list").click()
    expect(page.get_by_text("Select a conversation")).to_be_visible()
