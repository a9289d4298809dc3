"""The bar above a thread: short on a phone, with names for its arrows, and a way to find something at once."""

import itertools

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import assert_accessible, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "A conversation with a name that is much longer than a phone is wide, to say the least"


@pytest.fixture
def middle(reads: Client, small: Organization, analyst: Member) -> InOmni:
    """Return the second of three conversations."""
    made = [
        small.add_conversation(owner=analyst, name=f"{NAME} {number}", turns=[("A walrus?", "A walrus, a seal.")] * 9)
        for number in range(3)
    ]
    reads.get("/conversations/")
    for one in made:
        reads.get(thread(one))
    return made[1]


def lines(page: Page) -> int:
    """Return the lines that stand above the messages, the site's own included."""
    tops: list[float] = page.evaluate(
        """() => [...document.querySelectorAll(".site-header-inner > *, .thread-bar > *, .thread-bar .button")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height > 1)
            .map((one) => one.getBoundingClientRect()).map((box) => box.top + box.height / 2).sort((a, b) => a - b)"""
    )
    return 1 + sum(after - before > 12 for before, after in itertools.pairwise(tops))


@pytest.mark.parametrize("address", ["", "?q=walrus", "messages/4/?q=walrus", "?find=seal"])
def test_it_has_three_lines_on_a_phone(page: Page, site: str, middle: InOmni, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site, at=thread(middle) + address)
    expect(page.locator(".within-later")).to_have_count(0)
    assert lines(page) == 3
    bar = page.locator(".thread-bar").bounding_box()
    assert bar
    assert bar["height"] < 90
    for name in ("Find", "Details"):
        box = page.locator(".thread-bar").get_by_role("link", name=name, exact=True).bounding_box()
        assert box
        assert box["height"] >= 32
        assert box["x"] + box["width"] <= 390


def test_something_is_found_by_one_tap_and_a_word(page: Page, site: str, middle: InOmni) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site, at=thread(middle))
    page.locator(".thread-bar").get_by_role("link", name="Find").click()
    box = page.get_by_role("searchbox", name="Find in this conversation")
    expect(box).to_be_focused()
    expect(box).to_be_in_viewport()
    expect(page.locator("#summary")).to_be_hidden()
    page.keyboard.type("seal")
    page.keyboard.press("Enter")
    expect(page.locator("mark.is-current")).to_be_in_viewport()
    expect(box).to_have_value("seal")
    expect(page.locator("#summary")).to_be_hidden()
    assert_accessible(page, "a thread on a phone in which something was found")
    page.get_by_role("link", name="Details").click()
    expect(page.locator("#summary")).to_be_visible()


@pytest.mark.parametrize(("width", "are_words"), [(1280, True), (1920, True), (800, False), (390, False)])
def test_arrows_have_a_word_or_a_tooltip_and_always_a_name(
    page: Page, site: str, middle: InOmni, width: int, are_words: bool
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, site, at=thread(middle))
    for rel, name, titled in (("prev", "← Previous", "Previous"), ("next", "Next →", "Next")):
        arrow = page.locator(f".within-ends [rel={rel}]")
        expect(arrow).to_have_accessible_name(name)
        title = arrow.get_attribute("title") or ""
        assert title.startswith(f"{titled} conversation: {NAME}")
        word = arrow.locator(".bar-word").bounding_box()
        assert word
        assert (word["width"] > 20) is are_words
    page.goto(f"{site}{thread(middle)}?find=seal")
    for name, key in (("Previous match", "["), ("Next match", "]")):
        button = page.get_by_role("button", name=name)
        expect(button).to_have_attribute("title", f"{name} (key {key})")
        expect(button).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_line_with_the_way_back_and_the_title_stays_on_a_phone(page: Page, site: str, middle: InOmni) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site, at=thread(middle))
    expect(page.locator(".within-later")).to_have_count(0)
    page.evaluate("scrollTo(0, 900)")
    for element in (page.get_by_role("link", name="Conversations").last, page.locator("#title")):
        expect(element).to_be_in_viewport()
    expect(page.locator(".thread-tools")).not_to_be_in_viewport()
    bar = page.locator(".thread-bar").bounding_box()
    assert bar
    assert bar["y"] + bar["height"] < 45
    page.goto(f"{site}{thread(middle)}messages/9/")
    box = page.locator("#message-9").bounding_box()
    assert box
    assert box["y"] >= 40, "the bar covers what a link leads to"


def test_being_up_to_date_is_said_without_moving_the_page(page: Page, site: str, middle: InOmni) -> None:
    sign_in(page, site, at=thread(middle))
    before = page.locator("#message-1").bounding_box()
    page.get_by_role("link", name="Refresh").first.click()
    expect(page.get_by_text("Up to date.")).to_be_visible()
    assert page.locator("#message-1").bounding_box() == before
    expect(page.get_by_text("Up to date.")).to_be_hidden(timeout=10_000)
