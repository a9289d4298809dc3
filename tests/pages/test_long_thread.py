"""A long thread: its outline, finding something in it, its ends, and the place that is kept."""

import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Page, expect

from conversations.models import Conversation
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import assert_accessible, sign_in, text_of

pytestmark = pytest.mark.django_db(transaction=True)

QUESTIONS = 40


@pytest.fixture
def long(small: Organization, analyst: Member) -> InOmni:
    """Return a thread with answers of different lengths, two of which hold rare words to find."""
    said = [(f"What of week {n}?", f"Week {n}. " + "So it went on, and on. " * (n * 7 % 60)) for n in range(QUESTIONS)]
    said[30] = ("<b>Café</b> or platypus?", "The café, at the very bottom.")
    said[35] = ("And the café?", "It is closed.")
    return small.add_conversation(owner=analyst, name="Long", turns=said)


@pytest.fixture
def short(small: Organization, analyst: Member) -> InOmni:
    return small.add_conversation(owner=analyst, name="Short", turns=[("Walrus?", "Seal.")] * 3)


@pytest.fixture
def at_the_thread(page: Page, site: str, reads: Client, long: InOmni) -> Page:
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])
    page.set_viewport_size({"width": 1280, "height": 800})
    sign_in(page, site, at=thread(long))
    expect(page.locator("#message-1")).to_be_visible()
    page.wait_for_load_state()
    return page


def heading(page: Page, position: int) -> float:
    """Return a message's distance from the top of the window, in pixels."""
    return float(page.locator(f"#message-{position}").evaluate("message => message.getBoundingClientRect().top"))


def test_it_works(at_the_thread: Page) -> None:
    page = at_the_thread
    outline = page.get_by_role("navigation", name="Questions")
    expect(outline.get_by_role("link")).to_have_count(QUESTIONS)
    beside, messages = outline.bounding_box(), page.locator("#messages").bounding_box()
    assert beside
    assert messages
    assert beside["x"] >= messages["x"] + messages["width"]
    outline.get_by_role("link", name="<b>Café</b> or platypus?").click()
    expect(page.locator("#message-61")).to_be_focused()
    page.wait_for_timeout(300)
    assert 0 < heading(page, 61) < 200
    # The outline stays beside the messages, and marks the current one.
    expect(outline).to_be_in_viewport()
    expect(outline.locator("[aria-current]")).to_have_text("<b>Café</b> or platypus?")
    assert_accessible(page, "a long thread")


def test_on_a_narrow_window_the_outline_is_folded_up(at_the_thread: Page) -> None:
    page = at_the_thread
    page.set_viewport_size({"width": 390, "height": 800})
    page.reload()
    outline = page.get_by_role("navigation", name="Questions")
    expect(outline).to_be_hidden()
    page.get_by_role("link", name="Details").click()
    page.get_by_text(f"{QUESTIONS} questions").click()
    assert_accessible(page, "a long thread on a telephone")
    outline.get_by_role("link", name="What of week 20?").click()
    page.wait_for_timeout(300)
    expect(page.locator("#message-41 h2")).to_be_in_viewport()
    # The page does not scroll back to the outline by itself.
    page.mouse.wheel(0, 900)
    page.wait_for_timeout(500)
    expect(outline).not_to_be_in_viewport()


def test_both_ends_are_one_click_away(at_the_thread: Page) -> None:
    page = at_the_thread
    page.get_by_role("link", name="End").click()
    page.wait_for_timeout(300)
    expect(page.get_by_text("Week 39.")).to_be_in_viewport()
    assert page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 60")
    page.get_by_role("link", name="Top").click()
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == 0


def test_the_place_is_kept_on_reload(at_the_thread: Page, site: str, long: InOmni) -> None:
    page = at_the_thread
    for address, begins in ((thread(long), "#message-1"), (f"{thread(long)}messages/9/", "#message-9")):
        page.goto(site + address)
        page.get_by_role("navigation", name="Questions").get_by_role("link", name="What of week 26?").click()
        page.wait_for_timeout(300)
        page.mouse.move(500, 400)
        page.mouse.wheel(0, -130)
        page.wait_for_timeout(500)
        before = heading(page, 53)
        page.reload()
        page.wait_for_timeout(500)
        assert abs(heading(page, 53) - before) <= 3, address
        # A new visit does not keep the place.
        page.goto(f"{site}/conversations/")
        page.goto(site + address)
        page.wait_for_timeout(300)
        expect(page.locator(begins)).to_be_in_viewport()


def test_the_browsers_own_search_finds_everything(at_the_thread: Page) -> None:
    """Messages out of view are not drawn, but the browser's search still finds them."""
    page = at_the_thread
    hidden = page.locator("#message-62")
    assert hidden.evaluate("message => getComputedStyle(message).contentVisibility") == "auto"
    expect(hidden).not_to_be_in_viewport()
    assert page.evaluate("find('at the very bottom')")
    page.wait_for_timeout(300)
    expect(hidden).to_be_in_viewport()


def test_something_is_found_in_the_thread(at_the_thread: Page, site: str, long: InOmni) -> None:
    page = at_the_thread
    page.keyboard.press("f")
    page.keyboard.type("cafe")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site}{thread(long)}?find=cafe")
    expect(page.get_by_text("1 of 3", exact=True)).to_be_visible()
    marks = page.locator("#messages mark")
    assert marks.all_text_contents() == ["Café", "café", "café"]
    # The page opens at the first match; keys lead on and back.
    for key, place in (("", 0), ("]", 1), ("]", 2), ("[", 1)):
        if key:
            page.keyboard.press(key)
        page.wait_for_timeout(800)
        expect(marks.nth(place)).to_be_in_viewport()
        expect(page.locator("mark.is-current")).to_have_count(1)
        assert marks.nth(place).evaluate("mark => mark.classList.contains('is-current')")
        expect(page.get_by_text(f"{place + 1} of 3", exact=True)).to_be_visible()
    page.go_back()
    expect(page).to_have_url(site + thread(long))
    expect(marks).to_have_count(0)


def test_words_beside_each_other_are_one_match(
    page: Page, site: str, small: Organization, analyst: Member, reads: Client
) -> None:
    turns = [("Wrong size again?", "The wrong size. Size wrong or wrong size.\n\nNot the size.")]
    made = small.add_conversation(owner=analyst, name="Returns", turns=turns)
    reads.get(thread(made))
    sign_in(page, site, at=thread(made))
    page.goto(f"{site}{thread(made)}?find=wrong+size")
    current = page.locator("mark.is-current")
    found = [["Wrong", "size"], ["wrong", "size"], ["Size", "wrong"], ["wrong", "size"], ["size"]]
    for place, text in enumerate(found, 1):
        expect(page.get_by_text(f"{place} of 5", exact=True)).to_be_visible()
        assert current.all_text_contents() == text
        page.keyboard.press("]")


def test_behind_the_last_mark_comes_the_next_conversation_that_was_found(
    at_the_thread: Page, site: str, small: Organization, analyst: Member, reads: Client, long: InOmni
) -> None:
    page = at_the_thread
    other = small.add_conversation(owner=analyst, name="Other", turns=[("A platypus!", "Yes.")])
    reads.get("/conversations/?refresh=1")
    reads.get(thread(other))
    page.goto(f"{site}/conversations/?q=platypus")
    page.get_by_role("link", name="Question #1").click()
    expect(page).to_have_url(f"{site}{thread(other)}messages/1/?q=platypus")
    page.wait_for_load_state()
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(re.escape(f"{site}{thread(long)}?q=platypus") + r"(&(before|after)=\d+)?$"))
    page.wait_for_load_state()
    page.keyboard.press("]")
    expect(page.locator("mark.is-current")).to_be_in_viewport()
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile(re.escape(f"{site}{thread(other)}?q=platypus") + r"(&(before|after)=\d+)?$"))
    page.go_back()
    page.go_back()
    page.go_back()
    expect(page).to_have_url(
        re.compile(re.escape(f"{site}/conversations/?q=platypus") + r"(&(before|after)=\d+)?(#row-\d+)?$")
    )
    expect(page.locator("#search")).to_have_value("platypus")


def test_finding_in_a_thread_leaves_the_list_one_came_from(reads: Client, long: InOmni, short: InOmni) -> None:
    page = text_of(reads.get(f"{thread(long)}?q=week&find=closed"))
    assert "It is <mark>closed</mark>." in page
    assert "<mark>Week</mark>" not in page
    assert re.search(r'class="back" href="/conversations/\?q=week(#row-\d+)?"', page)
    assert '<input type="hidden" name="q" value="week">' in page


def test_messages_with_all_the_words_are_found(reads: Client, long: InOmni) -> None:
    page = text_of(reads.get(f"{thread(long)}?find=cafe+bottom"))
    assert "The <mark>café</mark>, at the very <mark>bottom</mark>." in page
    assert page.count("<mark>") == 2
    assert "2 matches here" in page
    # Each word occurs somewhere, but no message holds both.
    page = text_of(reads.get(f"{thread(long)}?find=closed+bottom"))
    assert "No matches for" in page
    assert "<mark>" not in page


def test_beginnings_of_words_are_tried_and_it_is_said(reads: Client, long: InOmni) -> None:
    page = text_of(reads.get(f"{thread(long)}?find=platyp"))
    assert "<mark>platypus</mark>" in page
    assert "No exact matches for “<bdi>platyp</bdi>”. Showing words that begin with “platyp”." in page
    assert "No exact matches" not in text_of(reads.get(f"{thread(long)}?find=platypus"))


def test_a_hit_goes_on_behind_a_mark_of_markdown_and_a_hidden_character(
    reads: Client, small: Organization, analyst: Member
) -> None:
    made = small.add_conversation(owner=analyst, name="x", turns=[("y", "The order **items**, pass\u00adword.")] * 4)
    page = text_of(reads.get(f'{thread(made)}?find="order+items"'))
    assert 'The <mark>order </mark><strong><mark class="goes-on">items</mark></strong>,' in page
    assert "4 matches here" in page
    page = text_of(reads.get(f"{thread(made)}?find=password"))
    assert re.search(
        r'<mark>pass</mark><span class="hidden-character"[^>]*>U\+00AD</span><mark class="goes-on">word', page
    )
    assert "4 matches here" in page


def test_a_link_into_a_thread_takes_it_from_the_cache(reads: Client, long: InOmni) -> None:
    whole = text_of(reads.get(thread(long)))
    with CaptureQueriesContext(connection) as made:
        page = text_of(reads.get(f"{thread(long)}messages/61/"))
    # The page does not even fetch the messages.
    assert not [query for query in made.captured_queries if "LAG(" in query["sql"]]
    focused = '<article class="message question is-focused" id="message-61" tabindex="-1" autofocus aria-current="true"'
    assert focused in page
    assert page.count("is-focused") == page.count("autofocus aria-current") == 1
    assert focused not in whole
    # And vice versa: the cached page has no focus.
    assert "is-focused" not in text_of(reads.get(thread(long)))
    assert "is-focused" not in text_of(reads.get(f"{thread(long)}messages/999/"))


NOWHERE = ("nowhere", '"', "<script>alert(1)</script>", "*", "\0", "x" * 3000, "'; --", "-café")


@pytest.mark.parametrize("typed", NOWHERE)
def test_what_does_not_stand_there_is_said(reads: Client, long: InOmni, typed: str) -> None:
    answer = reads.get(f"{thread(long)}?find={quote(typed)}")
    assert answer.status_code == 200
    page = text_of(answer)
    assert "No matches for" in page or not typed.strip("\0")
    assert "<mark>" not in page
    assert "<script>alert" not in page


def test_the_outline_tells_text_as_text(reads: Client, long: InOmni) -> None:
    page = text_of(reads.get(thread(long)))
    assert '<a href="#message-61" dir="auto">&lt;b&gt;Café&lt;/b&gt; or platypus?</a>' in page


def test_a_short_thread_needs_none_of_it(reads: Client, short: InOmni) -> None:
    page = text_of(reads.get(thread(short)))
    assert "data-outline" not in page
    assert 'class="jump"' not in page


def test_a_new_question_joins_the_outline(reads: Client, long: InOmni, small: Organization) -> None:
    reads.get(thread(long))
    revision = Conversation.objects.get(omni_id=long.id).revision
    small.ask(long, "And tomorrow?", "Nobody knows.", at=long.updated_at)
    reads.get(f"{thread(long)}?refresh=1")
    address = f"{thread(long)}fresh/?revision={revision}&count={2 * QUESTIONS}&looks=1"
    part = text_of(reads.get(address, headers={"HX-Request": "true"}))
    assert '<div id="outline" hx-swap-oob="true">' in part
    assert "And tomorrow?</a>" in part
    assert f"{QUESTIONS + 1} questions" in part


def test_words_beside_each_other_are_found_first(
    page: Page, site: str, small: Organization, analyst: Member, reads: Client
) -> None:
    turns = [(f"Step {n}?", f"Week {n} and day 15{n}") for n in range(1, 9)] + [("And then?", "In week 151 it rained.")]
    made = small.add_conversation(owner=analyst, name="Weeks", turns=turns)
    reads.get(thread(made))
    sign_in(page, site, at=thread(made))
    page.goto(f"{site}{thread(made)}?find=week+151")
    expect(page.locator("#message-18 mark.is-current")).to_have_text(["week", "151"])
