"""The keyboard: what each key does where, when none does anything, and the switch that turns all of them off."""

import re

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import assert_accessible, sign_in, text_of
from tests.operations.test_house import TEMPLATES

pytestmark = pytest.mark.django_db(transaction=True)

# Messages get their real heights when they come near the window: scroll until nothing moves any more.
SCROLL_TO = """async (message) => {
    const top = () => message.getBoundingClientRect().top;
    for (let still = 0; still < 3; ) {
        message.scrollIntoView({ behavior: "instant" });
        const before = top();
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        still = Math.abs(top() - before) < 1 ? still + 1 : 0;
    }
}"""


@pytest.fixture
def made(small: Organization, analyst: Member) -> list[InOmni]:
    """Return four conversations, newest first."""
    rows = [small.add_conversation(owner=analyst, name=f"No. {n}", turns=[("Walrus?", "Seal.")]) for n in range(4)]
    return rows[::-1]


@pytest.fixture(autouse=True)
def zone_known(page: Page, site: str) -> None:
    """Set the time zone's cookie: otherwise the first page loads twice, while keys are pressed."""
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])


@pytest.fixture
def at_the_list(page: Page, site: str, reads: Client, made: list[InOmni]) -> Page:
    sign_in(page, site)
    expect(page.locator(".row")).to_have_count(4)
    page.wait_for_load_state()
    return page


def expect_thread(page: Page, site: str, conversation: InOmni) -> None:
    """Wait until the thread is open and its keys work: the address changes before the page's scripts have run.

    The links to the conversations beside it come after the page.
    """
    expect(page).to_have_url(re.compile(re.escape(site + thread(conversation)) + r"(\?(before|after)=\d+)?$"))
    page.wait_for_load_state()
    expect(page.locator("[hx-get$='/neighbours/']")).to_have_count(0)


def test_it_works(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.keyboard.press("j")
    expect(page.locator(".row-title").first).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".row-title").nth(1)).to_be_focused()
    outline = "row => getComputedStyle(row).outlineStyle"
    assert page.locator(".row").nth(1).evaluate(outline) == "solid"
    assert page.locator(".row").nth(0).evaluate(outline) == "none"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(thread(made[1]))))


def test_rows_end_where_the_list_ends(at_the_list: Page) -> None:
    page = at_the_list
    page.keyboard.press("k")
    expect(page.locator(".row-title").first).to_be_focused()
    for _ in range(7):
        page.keyboard.press("j")
    expect(page.locator(".row-title").last).to_be_focused()


def test_rows_go_on_over_groups_and_from_where_one_was(at_the_list: Page) -> None:
    """The keys go through a list in several groups, and keep their place when the list is renewed."""
    page = at_the_list
    page.evaluate(
        """() => {
            const list = document.querySelector("[data-rows]");
            const second = list.cloneNode(false);
            list.after(second);
            second.append(...[...list.children].slice(2));
            document.querySelectorAll(".row").forEach((row, n) => { row.id = `row-${n}`; });
        }"""
    )
    for _ in range(3):
        page.keyboard.press("j")
    expect(page.locator(".row-title").nth(2)).to_be_focused()
    page.evaluate("document.querySelectorAll('[data-rows]').forEach((list) => { list.outerHTML = list.outerHTML; })")
    page.keyboard.press("j")
    expect(page.locator(".row-title").nth(3)).to_be_focused()
    page.locator("#list-sum").click()
    page.keyboard.press("k")
    expect(page.locator(".row-title").nth(2)).to_be_focused()


def test_a_row_far_down_comes_into_view(at_the_list: Page) -> None:
    page = at_the_list
    page.set_viewport_size({"width": 900, "height": 330})
    for _ in range(4):
        page.keyboard.press("j")
    expect(page.locator(".row").last).to_be_in_viewport(ratio=1)
    for _ in range(3):
        page.keyboard.press("k")
    expect(page.locator(".row").first).to_be_in_viewport(ratio=1)
    header = page.locator(".site-header").bounding_box()
    first = page.locator(".row").first.bounding_box()
    assert header
    assert first
    assert first["y"] >= header["height"]


def test_a_slash_leads_to_the_search_box(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    assert page.locator("#search").input_value() == ""
    page.goto(site + thread(made[0]))
    page.get_by_role("combobox", name="Search, or paste a link or an id").fill("walrus")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("seal")
    assert page.get_by_role("combobox", name="Search, or paste a link or an id").input_value() == "seal"


def test_next_and_previous(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.goto(site + thread(made[0]))
    expect_thread(page, site, made[0])
    page.keyboard.press("p")  # nothing stands before the first
    page.keyboard.press("n")
    expect_thread(page, site, made[1])
    page.keyboard.press("n")
    expect_thread(page, site, made[2])
    page.keyboard.press("p")
    expect_thread(page, site, made[1])


def test_a_thread_is_copied_and_starred(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.goto(site + thread(made[0]))
    page.keyboard.press("y")
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == site + thread(made[0])
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="Starred")).to_be_visible()
    expect(page.get_by_role("button", name="Starred")).to_have_attribute("aria-keyshortcuts", "s")
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="Star", exact=True)).to_be_visible()


def test_from_message_to_message_and_into_its_evidence(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    made = answered(small, analyst, ages=[DAY] * 4)
    reads.get(thread(made))
    work()
    sign_in(page, site, at=thread(made))
    expect(page.locator("#message-1")).to_be_visible()
    for key, position in (("j", 1), ("j", 2), ("j", 3), ("k", 2), ("k", 1), ("k", 1), ("j", 2)):
        page.keyboard.press(key)
        expect(page.locator(f"#message-{position}")).to_be_focused()
        expect(page.locator(f"#message-{position} h2")).to_be_in_viewport()
    evidence = page.locator("#message-2 .evidence")
    page.keyboard.press("e")
    expect(evidence).to_have_attribute("open", "")
    expect(evidence.get_by_role("tab", name="Rows")).to_be_visible()
    page.keyboard.press("e")
    expect(evidence).not_to_have_attribute("open", "")
    # The evidence of a question is that of its answer.
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.locator("#message-4 .evidence")).to_have_attribute("open", "")
    page.keyboard.press("c")
    expect(page.get_by_text("Copied: paste it into the ticket")).to_be_visible()
    assert f"{thread(made)}messages/4/" in page.evaluate("navigator.clipboard.readText()")


def test_a_row_is_selected(at_the_list: Page) -> None:
    page = at_the_list
    page.keyboard.press("x")
    expect(page.locator(".row-select:checked")).to_have_count(0)
    for key, count in (("j", 0), ("x", 1), ("j", 1), ("x", 2), ("x", 1)):
        page.keyboard.press(key)
        expect(page.locator(".row-select:checked")).to_have_count(count)
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_a_key_held_down_stars_once(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.goto(site + thread(made[0]))
    for _ in range(4):  # without letting go
        page.keyboard.down("s")
    page.keyboard.up("s")
    expect(page.get_by_role("button", name="Starred")).to_be_visible()


def test_what_is_being_read_opens_in_omni(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member
) -> None:
    made = small.add_conversation(owner=analyst, name="Long", turns=[(f"No. {n}?", "Yes. " * 400) for n in range(6)])
    for number, message in enumerate(made.messages, start=1):
        if message.chat_url:
            message.chat_url += f"?answer={number}"
    sign_in(page, site, at=thread(made))
    expect_thread(page, site, made)
    page.evaluate(
        """document.addEventListener("click", (event) => {
            const link = event.target.closest(".more a[rel]");
            if (link) { event.preventDefault(); document.title = link.href; }
        })"""
    )
    for at, answer in (("#message-1", 2), ("#message-6", 6), ("#message-12", 12)):
        page.locator(at).evaluate(SCROLL_TO)
        page.keyboard.press("o")
        expect(page).to_have_title(re.compile(rf"\?answer={answer}$"))
    page.locator("#message-4").focus()
    page.keyboard.press("o")
    expect(page).to_have_title(re.compile(r"\?answer=4$"))


def test_the_dialog_tells_which_keys_work_here(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    active = dialog.locator("[data-tells]:not(.is-idle) dt kbd")
    assert active.all_inner_texts() == ["/", "j", "k", "Enter", "s", "x", "?"]
    elsewhere = dialog.get_by_role("region", name="On other pages")
    expect(elsewhere.locator("[data-tells='e']")).to_be_visible()
    expect(elsewhere.locator("[data-tells='j']")).to_have_count(0)
    assert_accessible(page, "the dialog at the list")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.goto(site + thread(made[1]))
    expect_thread(page, site, made[1])
    page.keyboard.press("?")
    assert active.all_inner_texts() == ["/", "j", "k", "u", "Esc", "e", "c", "n", "p", "f", "y", "o", "s", "?"]
    expect(elsewhere.locator("[data-tells='e']")).to_have_count(0)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    following = page.get_by_role("link", name="Next", exact=False)
    expect(following).to_have_attribute("title", re.compile(r"^Next conversation: .* \(key n\)$"))
    page.keyboard.press("?")
    dialog.get_by_role("button", name="Off").click()
    expect(following).to_have_attribute("title", re.compile(r"^Next conversation: .*(?<!\(key n\))$"))


def test_nothing_happens_while_the_dialog_is_open(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.goto(site + thread(made[1]))
    page.keyboard.press("?")
    for key in "nps/?":
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect_thread(page, site, made[1])
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Star", exact=True)).to_be_visible()


WHILE = {
    "typing": "box => box.focus()",
    "choosing": "box => { const select = document.createElement('select'); box.after(select); select.focus(); }",
    "writing": "box => { const area = document.createElement('textarea'); box.after(area); area.focus(); }",
    "editing": "box => { const p = document.createElement('p'); p.contentEditable = 'true'; p.append('x'); box.after(p); p.focus(); }",
}


@pytest.mark.parametrize("doing", WHILE)
def test_nothing_happens_while(at_the_list: Page, doing: str) -> None:
    page = at_the_list
    page.locator("#search").evaluate(WHILE[doing])
    here = page.evaluate("document.activeElement.tagName")
    for key in "jk?/":
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.tagName") == here
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("held", ["Control", "Alt", "Meta"])
def test_nothing_happens_with_another_key_held(at_the_list: Page, held: str) -> None:
    page = at_the_list
    page.keyboard.press(f"{held}+j")
    expect(page.locator(".row-title:focus")).to_have_count(0)


def test_nothing_happens_while_a_word_is_composed_or_where_a_key_was_used_already(at_the_list: Page) -> None:
    page = at_the_list
    press = "(how) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true, ...how }))"
    page.evaluate(press, {"isComposing": True})
    expect(page.locator(".row-title:focus")).to_have_count(0)
    page.evaluate("document.body.addEventListener('keydown', (event) => event.preventDefault(), { once: true })")
    page.evaluate(press, {"cancelable": True})
    expect(page.locator(".row-title:focus")).to_have_count(0)
    page.evaluate(press, {"cancelable": True})
    expect(page.locator(".row-title").first).to_be_focused()


def test_a_tick_is_no_typing(at_the_list: Page) -> None:
    page = at_the_list
    page.locator(".row-select").nth(1).check()
    page.keyboard.press("j")
    expect(page.locator(".row-title").nth(2)).to_be_focused()


def test_caps_lock_makes_no_difference(at_the_list: Page) -> None:
    page = at_the_list
    page.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'J', bubbles: true }))")
    expect(page.locator(".row-title").first).to_be_focused()


def test_one_switch_turns_all_of_them_off(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Off").click()
    expect(dialog.get_by_text("Keyboard shortcuts are off.")).to_be_visible()
    expect(dialog.locator("[data-tells]:not(.is-idle)")).to_have_count(0)
    assert_accessible(page, "the dialog with keys off")
    page.keyboard.press("Escape")
    for address in ("/conversations/", thread(made[1])):
        page.goto(site + address)
        for key in "j?/s":
            page.keyboard.press(key)
        expect(dialog).to_be_hidden()
        expect(page.locator(".row-title:focus, [data-key='/']:focus")).to_have_count(0)
        expect(page.locator("[aria-keyshortcuts]")).to_have_count(0)
    expect(page.get_by_role("button", name="Star", exact=True)).to_be_visible()
    # Turn the keys on again, from the menu in the header.
    menu = page.locator(".site-header .menu")
    menu.locator("summary").click()
    expect(menu.get_by_role("button", name="Off")).to_have_attribute("aria-pressed", "true")
    assert_accessible(page, "the menu")
    menu.get_by_role("button", name="On", exact=True).click()
    expect(menu.get_by_role("button", name="On", exact=True)).to_have_attribute("aria-pressed", "true")
    menu.get_by_role("button", name="Show keyboard shortcuts").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.locator("summary")).to_be_focused()
    page.keyboard.press("n")
    expect_thread(page, site, made[2])


def test_the_switch_works_without_javascript(chromium: Browser, site: str, reads: Client, made: list[InOmni]) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, site)
        page.locator(".site-header .menu summary").click()
        page.get_by_role("button", name="Off").click()
        expect(page).to_have_url(re.compile(re.escape(f"{site}/conversations/") + r"(\?[^#]*)?(#row-\d+)?$"))
        assert {cookie["name"]: cookie["value"] for cookie in context.cookies()}["keys"] == "off"
        page.locator(".site-header .menu summary").click()
        expect(page.get_by_role("button", name="Off")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="On", exact=True).click()
        assert "keys" not in {cookie["name"] for cookie in context.cookies()}


def test_the_switch_leaves_the_theme_alone_and_the_other_way_round(reads: Client) -> None:
    reads.post("/appearance/", {"theme": "dark"})
    reads.post("/appearance/", {"keys": "off"})
    assert (reads.cookies["theme"].value, reads.cookies["keys"].value) == ("dark", "off")
    reads.post("/appearance/", {"theme": ""})
    assert (reads.cookies["theme"].value, reads.cookies["keys"].value) == ("", "off")
    reads.post("/appearance/", {"keys": '"><script>'})
    assert reads.cookies["keys"].value == ""
    reads.cookies["keys"] = '"><script>'
    assert 'name="keys" value="" aria-pressed="true"' in text_of(reads.get("/conversations/"))


def test_screen_readers_keep_their_keys(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    for address in ("/conversations/", thread(made[1])):
        page.goto(site + address)
        expect(page.locator("[role=application]")).to_have_count(0)
        assert page.locator("[data-key]").evaluate_all(
            "all => all.every((one) => one.getAttribute('aria-keyshortcuts') === one.dataset.key)"
        )


def test_strangers_meet_no_keys(page: Page, site: str, owner: User, omni: StandIn) -> None:
    page.goto(f"{site}/sign-in/")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_s_acts_on_the_selection(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    """All selected rows are starred; or unstarred, if all were starred; "Undo" changes back those that changed."""
    page = at_the_list
    starred = page.locator(".row-star[aria-pressed=true]")
    said = page.get_by_role("status").filter(has_text="conversation")
    for key in ("j", "s", "x", "j", "x", "j", "x", "j"):
        page.keyboard.press(key)
    expect(starred).to_have_count(1)
    page.keyboard.press("s")  # from a row that is not selected
    expect(said.filter(has_text="Starred 2 conversations.")).to_be_visible()
    expect(starred).to_have_count(3)
    page.keyboard.press("z")
    expect(starred).to_have_count(1)
    expect(page.locator(".row-star").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("s")
    expect(said.filter(has_text="Starred 2 conversations.")).to_be_visible()
    page.keyboard.press("s")
    expect(said.filter(has_text="Unstarred 3 conversations.")).to_be_visible()
    with page.expect_response(lambda reply: reply.request.method == "POST"):
        page.get_by_role("button", name="Undo").click()
    expect(starred).to_have_count(3)
    page.goto(f"{site}/conversations/?q=is:starred")
    expect(page.locator(".row")).to_have_count(3)


@pytest.mark.parametrize("key", ["u", "Escape"])
def test_one_key_leads_back_to_the_row(at_the_list: Page, site: str, made: list[InOmni], key: str) -> None:
    page = at_the_list
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect_thread(page, site, made[1])
    page.keyboard.press("n")
    expect_thread(page, site, made[2])
    page.locator("#message-2").focus()
    page.keyboard.press(key)
    expect(page.locator(".row-title").nth(2)).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(".row-title").nth(3)).to_be_focused()
    page.keyboard.press(key)  # nothing to go back to
    expect(page.locator(".row-title").nth(3)).to_be_focused()


def test_the_list_keeps_the_cursor(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    """By `g l` and by the browser's Back, the cursor is at the conversation that was read last."""
    page = at_the_list
    page.locator(".row-title").nth(1).click()
    expect_thread(page, site, made[1])
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator(".row-title").nth(1)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect_thread(page, site, made[2])
    page.go_back()
    expect(page.locator(".row-title").nth(2)).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(".row-title").nth(3)).to_be_focused()
    # Not in what is searched for anew.
    page.goto(f"{site}/conversations/?q=walrus")
    page.wait_for_load_state()
    page.keyboard.press("j")
    expect(page.locator(".row-title").first).to_be_focused()


@pytest.mark.parametrize("key", ["u", "Escape"])
def test_evidence_leads_back_step_by_step(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member, key: str
) -> None:
    made = answered(small, analyst, ages=[DAY])
    reads.get("/conversations/")
    reads.get(thread(made))
    work()
    sign_in(page, site, at=f"{thread(made)}messages/2/queries/1/?q=orders")
    expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press(key)
    expect(page.locator("#message-2")).to_be_visible()
    page.wait_for_load_state()
    if page.locator("#message-2 .evidence[open]").count() == 0:
        page.keyboard.press("e")
    page.locator("#message-2").get_by_role("tab", name="Rows").focus()
    page.keyboard.press(key)
    expect(page).to_have_url(re.compile(re.escape(f"{site}/conversations/?q=orders#row-")))


def test_escape_first_closes_what_is_open(at_the_list: Page, site: str, made: list[InOmni]) -> None:
    page = at_the_list
    page.locator(".row-title").first.click()
    expect_thread(page, site, made[0])
    page.locator(".site-header summary").click()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("sta")
    expect(page.locator(".completions").get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("input:focus")).to_have_count(0)
    expect_thread(page, site, made[0])
    page.keyboard.press("Escape")
    expect(page.locator(".row-title").first).to_be_focused()


def test_every_way_back_has_its_key() -> None:
    for path in TEMPLATES:
        for link in re.findall(r'<a[^>]*class="back"[^>]*>', path.read_text()):
            assert 'data-key="u"' in link, path
