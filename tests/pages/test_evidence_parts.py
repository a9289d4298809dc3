"""Parts of an answer's evidence: tabs, the rows' filter, the whole width, SQL, the time between steps."""

import json
import zlib
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from conversations.models import Action
from conversations.tables import paging, parsing
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import assert_accessible, sign_in, text_of

CITIES = ["Oslo", "Rome", "Bonn", "São Paulo"]


@pytest.fixture
def made(reads: Client, small: Organization, analyst: Member) -> InOmni:
    """Return a conversation of two answers, the first with a query of 240 rows, both captured."""
    made = answered(small, analyst, ages=[2 * DAY, DAY])
    job = made.messages[1].job
    assert job
    rows = [["City", "Orders"], *([f"{CITIES[n % 4]} {n}", f"{n:,}"] for n in range(240))]
    query = {"table": "orders", "fields": ["orders.city"], "userEditedSQL": "SELECT city\nFROM orders"}
    job.actions = (
        Step("inspect_model", "Looking"),
        Step("generate_query", "Counting", "Orders by city", query, rows),
        Step("summarize", "Telling"),
    )
    reads.get(thread(made))
    work()
    return made


def rows_of(made: InOmni) -> str:
    return f"{thread(made)}messages/2/queries/2/"


@pytest.mark.django_db
def test_it_works(reads: Client, made: InOmni) -> None:
    Action.objects.filter(type="summarize").update(at=F("at") + timedelta(seconds=65))
    page = text_of(reads.get(f"{thread(made)}messages/2/evidence/"))
    parts = ["<h2>Chart</h2>", "<h2>Rows</h2>", "<h2>Query</h2>", "<h2>Steps</h2>"]
    assert sorted(parts, key=page.index)[1:] == parts[1:]
    assert '<span title="Since the step before">+6 s</span>' in page
    assert '<span title="Since the step before">+1 min 11 s</span>' in page
    assert page.count("Since the step before") == 2
    assert '<summary>As SQL</summary> <pre tabindex="0"><code>SELECT city FROM orders</code></pre>' in page


@pytest.mark.django_db
def test_sql_is_shown_where_omni_tells_it(made: InOmni) -> None:
    action = Action.objects.get(is_query=True, name="Orders by city")
    assert action.sql == "SELECT city\nFROM orders"
    assert Action.objects.get(is_query=True, name="Orders by month").sql == ""
    for sent, told in (
        ({"result": {"userEditedSQL": " SELECT 1 "}}, "SELECT 1"),
        ({"result": {"sql": "SELECT 2"}}, "SELECT 2"),
        ({"result": {"sql": ["SELECT"]}}, ""),
        ({"result": "SELECT"}, ""),
        ("text", ""),
    ):
        assert Action(raw=zlib.compress(json.dumps(sent).encode())).sql == told, sent


# The rows' filter -----------------------------------------------------------------------------------------


class Rows:
    def __init__(self, text: str) -> None:
        self.table = parsing.read(text)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("oslo", ["Oslo", "OSLO west"]),
        ("west  OS", ["OSLO west"]),
        ("12", ["Rome"]),
        ("STRASSE", ["Straße"]),
        ("nowhere", []),
        (" ", ["Oslo", "Rome", "OSLO west", "Straße"]),
    ],
)
def test_rows_with_all_the_words_are_shown(words: str, found: list[str]) -> None:
    shown = paging.page_of(Rows("City,N\nOslo,1\nRome,12\nOSLO west,3\nStraße,4\n"), words=words)
    assert [row.cells[0][1] for row in shown.rows] == found
    assert (shown.count, shown.count_in_all) == (len(found), 4)


def test_filtered_rows_are_sorted_and_paged() -> None:
    text = "City,N\n" + "".join(f"{CITIES[n % 4]},{n}\n" for n in range(1200))
    shown = paging.page_of(Rows(text), 2, descending=True, words="rome")
    assert (shown.count, shown.count_in_all) == (300, 1200)
    assert shown.rows[0].cells[1][1] == "1197"
    assert len(shown.rows) == parsing.ROWS_A_PAGE
    assert shown.more


@pytest.mark.django_db
def test_the_address_keeps_the_filter(reads: Client, made: InOmni) -> None:
    page = text_of(reads.get(f"{rows_of(made)}?filter=o%26x+%3Cb%3E"))
    assert "0 rows of 240 with “<bdi>o&amp;x &lt;b&gt;</bdi>”" in page
    assert 'value="o&amp;x &lt;b&gt;"' in page
    page = text_of(reads.get(f"{rows_of(made)}?filter=oslo&sort=2&down=1"))
    assert "60 rows of 240 with “<bdi>oslo</bdi>”" in page
    assert f"sort=1&amp;rows={parsing.ROWS_A_PAGE}&amp;filter=oslo" in page
    assert '<input type="hidden" name="sort" value="2">' in page
    assert "Oslo 236" in page
    assert "Rome 237" not in page
    # The file holds all rows.
    assert b"".join(reads.get(f"{rows_of(made)[:-1]}.csv").streaming_content).count(b"\r\n") == 241  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_a_few_rows_need_no_filter(reads: Client, made: InOmni) -> None:
    assert 'name="filter"' not in text_of(reads.get(f"{thread(made)}messages/4/queries/1/"))


# In a browser ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_tabs_are_chosen_by_keyboard_and_remembered(page: Page, site: str, made: InOmni) -> None:
    sign_in(page, site, at=thread(made))
    second = page.locator("#message-4")
    second.get_by_text("Evidence", exact=True).click()
    tabs = second.get_by_role("tab")
    expect(tabs).to_have_text(["Chart", "Rows", "Query", "Steps"])
    expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")
    expect(second.get_by_role("tabpanel")).to_have_count(1)
    expect(second.get_by_role("tabpanel", name="Chart")).to_be_visible()
    tabs.nth(0).focus()
    for key, name in (
        ("ArrowLeft", "Steps"),
        ("ArrowRight", "Chart"),
        ("End", "Steps"),
        ("Home", "Chart"),
        ("ArrowRight", "Rows"),
    ):
        page.keyboard.press(key)
        expect(second.get_by_role("tab", name=name)).to_be_focused()
        expect(second.get_by_role("tabpanel", name=name)).to_be_visible()
        expect(second.get_by_role("tab", selected=True)).to_have_text(name)
    expect(second.get_by_role("table")).to_be_visible()
    assert_accessible(page, "tabs")
    # The next evidence opens at the same tab, there and on a page of its own.
    page.goto(f"{site}{thread(made)}messages/2/evidence/")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Rows")
    assert_accessible(page, "tabs on a page")


@pytest.mark.django_db(transaction=True)
def test_a_wide_window_shows_chart_query_and_rows_together(page: Page, site: str, made: InOmni) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    sign_in(page, site, at=f"{thread(made)}messages/2/")
    answer = page.locator("#message-2")
    answer.get_by_role("tab", name="All").click()
    for part in ("Chart", "Rows", "Query", "Steps"):
        expect(answer.get_by_role("heading", name=part, exact=True)).to_be_visible()
    chart, query = (answer.get_by_role("heading", name=name).bounding_box() for name in ("Chart", "Query"))
    assert chart
    assert query
    assert (chart["y"], query["x"] > chart["x"] + 300) == (query["y"], True)
    page.reload()
    expect(answer.get_by_role("tab", name="All")).to_have_attribute("aria-selected", "true")
    expect(answer.locator(".rows-table").first).to_be_visible()
    # There is no room for it: the first part alone, until there is again.
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(answer.get_by_role("tab", name="All")).to_be_hidden()
    expect(answer.get_by_role("tab", name="Chart")).to_have_attribute("aria-selected", "true")
    expect(answer.locator(".rows-table").first).to_be_hidden()
    page.set_viewport_size({"width": 1920, "height": 1080})
    expect(answer.locator(".rows-table").first).to_be_visible()


def test_without_a_script_the_parts_stand_one_below_the_other(chromium: Browser, site: str, made: InOmni) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, site, at=f"{thread(made)}messages/2/evidence/")
        for name in ("Rows", "Query", "Steps"):
            expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)
        page.get_by_role("searchbox", name="Filter rows").fill("rome")
        page.keyboard.press("Enter")
        expect(page.get_by_text("60 rows of 240 with “rome”")).to_be_visible()


@pytest.mark.django_db(transaction=True)
def test_a_link_to_an_answer_opens_its_evidence(page: Page, site: str, made: InOmni) -> None:
    sign_in(page, site, at=f"{thread(made)}messages/4/")
    expect(page.locator("#message-4 .evidence")).to_have_attribute("open", "")
    expect(page.locator("#message-4").get_by_role("tab", name="Chart")).to_be_visible()
    expect(page.locator("#message-2 .evidence")).not_to_have_attribute("open", "")
    expect(page.locator("#message-4")).to_be_focused()
    page.goto(f"{site}{thread(made)}messages/3/")
    expect(page.locator("#message-3")).to_be_focused()
    expect(page.locator(".evidence[open]")).to_have_count(0)


@pytest.mark.django_db(transaction=True)
def test_a_small_chart_stands_in_the_closed_line(page: Page, site: str, made: InOmni) -> None:
    sign_in(page, site, at=thread(made))
    small = page.locator("#message-4 .chart-small img")
    expect(small).to_have_js_property("naturalWidth", 640)
    line = page.locator("#message-4 .message-foot")
    assert line.evaluate("line => line.offsetHeight") < 60
    small.click()
    expect(page.locator("#message-4").get_by_role("img", name="Chart of Orders by month")).to_be_visible()


@pytest.mark.django_db(transaction=True)
def test_rows_are_filtered_as_one_types_and_in_the_whole_width(page: Page, site: str, made: InOmni) -> None:
    page.set_viewport_size({"width": 1920, "height": 900})
    sign_in(page, site, at=f"{thread(made)}messages/2/")
    answer = page.locator("#message-2")
    answer.get_by_role("tab", name="Rows").click()
    box = answer.get_by_role("searchbox", name="Filter rows")
    box.press_sequentially("bonn")
    expect(answer.get_by_text("60 rows of 240 with “bonn”")).to_be_visible()
    expect(box).to_be_focused()
    answer.get_by_role("button", name="Full width").click()
    dialog = page.get_by_role("dialog", name="Orders by city")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("dialog => dialog.offsetWidth") > 1800
    expect(dialog.get_by_role("row")).to_have_count(61)
    orders = dialog.get_by_role("columnheader", name="Orders")
    for direction in ("ascending", "descending"):
        orders.get_by_role("link").click()
        expect(orders).to_have_attribute("aria-sort", direction)
    expect(dialog.get_by_role("row").nth(1)).to_contain_text("Bonn 238")
    assert_accessible(page, "rows in the whole width")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # Sorted meanwhile, they are back in their place.
    expect(answer.get_by_role("row").nth(1)).to_contain_text("Bonn 238")
    expect(answer.locator(".rows-of-query")).to_have_count(1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "by"), [(1280, "click"), (1280, "key"), (390, "click")])
def test_opened_evidence_comes_into_sight_below_the_head_of_its_answer(
    page: Page, site: str, made: InOmni, width: int, by: str
) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    sign_in(page, site, at=thread(made))
    answer = page.locator("#message-2")
    expect(answer).to_be_visible()
    page.wait_for_load_state()
    if by == "click":
        answer.get_by_text("Evidence", exact=True).click()
    else:
        page.keyboard.press("e")
    rows = answer.get_by_role("tab", name="Rows")
    expect(rows).to_be_in_viewport(ratio=1)
    rows.click()
    page.wait_for_timeout(500)
    where = answer.evaluate(
        """answer => [".message-head", ".message-foot", ".evidence-body"].map((name) => {
            const box = answer.querySelector(name).getBoundingClientRect();
            return [box.top, box.bottom];
        })"""
    )
    (head, head_end), (foot, _), (body, body_end) = where
    above = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.message-head')).top) || 0")
    assert head >= above - 1
    assert head_end <= foot + 1
    assert body < 500
    # As far as needed: all of it is in sight, or the line that opened it stands right below the head.
    assert body_end <= 701 or foot - head_end < 40, where


@pytest.mark.django_db(transaction=True)
def test_a_page_with_room_for_the_evidence_does_not_move(page: Page, site: str, made: InOmni) -> None:
    page.set_viewport_size({"width": 1280, "height": 2000})
    sign_in(page, site, at=thread(made))
    page.locator("#message-2").get_by_text("Evidence", exact=True).click()
    expect(page.locator("#message-2").get_by_role("tab", name="Rows")).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("scrollY") == 0


@pytest.mark.django_db(transaction=True)
def test_a_figure_of_the_closed_line_opens_its_part(page: Page, site: str, made: InOmni) -> None:
    sign_in(page, site, at=thread(made))
    answer = page.locator("#message-2")
    answer.get_by_role("link", name="240 rows").click()
    expect(answer.get_by_role("tab", name="Rows")).to_have_attribute("aria-selected", "true")
    expect(answer.get_by_role("table")).to_be_visible()
    answer.get_by_role("link", name="1 query").click()
    expect(answer.get_by_text("SELECT city").first).to_be_visible()
    expect(answer.get_by_role("table")).to_be_hidden()
    answer.get_by_role("link", name="1 query").click()
    expect(answer.get_by_role("tab", name="Query")).to_be_hidden()
