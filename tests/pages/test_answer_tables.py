"""Tables in answers, as a browser lays them out: whole, their head and first column in view, wide ones with room."""

import base64
import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import assert_accessible, credential_for, pasted, person, sign_in

# Height of the header and of the bar below it.
HEADER = 92
PHONE_BAR = 40


def table(columns: int, rows: int) -> str:
    lines = [[f"Column {number}" for number in range(1, columns + 1)], ["---"] * columns]
    lines += [[f"name {row}", *[f"{row * 1000 + number:,}" for number in range(2, columns + 1)]] for row in range(rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def opened(page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, text: str) -> Locator:
    found = small.add_conversation(owner=analyst, name="Tables", turns=[])
    small.ask(found, "Which?", f"Before it stand words.\n\n{text}\n\nAnd behind it.", at=datetime.now(UTC))
    credential_for(person("owner"), small_omni, small.personal_token(analyst))
    sign_in(page, site, at=thread(found))
    return page.locator("#message-2 .table-scroll")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_a_long_table_is_whole_and_its_head_stays(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, width: int, dialect: str
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    frame = opened(page, site, small, small_omni, analyst, table(2, 60))
    expect(frame.get_by_role("row")).to_have_count(61)
    expect(frame).to_have_class(re.compile(r"\bfits\b"))
    assert frame.evaluate("frame => frame.scrollHeight - frame.clientHeight") <= 1
    row = frame.get_by_role("row").nth(50)
    row.evaluate("row => row.scrollIntoView({ block: 'center' })")
    expect(row).to_be_in_viewport(ratio=1)
    head = frame.get_by_role("columnheader", name="Column 1")
    expect(head).to_be_in_viewport(ratio=0.95)
    box = head.bounding_box()
    assert box
    assert box["y"] == pytest.approx(PHONE_BAR if width == 390 else HEADER, abs=2)
    assert on_top(head)
    assert_accessible(page, "a long table")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_a_wide_table_has_room_and_its_first_column_stays(
    page: Page,
    site: str,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    width: int,
    scheme: str,
    dialect: str,
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    frame = opened(page, site, small, small_omni, analyst, table(24, 60))
    box = frame.bounding_box()
    words = page.locator("#message-2 .prose > p").first.bounding_box()
    assert box
    assert words
    if width > 1000:
        # All that the window has beside the inspector and the scrollbar.
        assert box["width"] > page.evaluate("document.body.clientWidth") - 18 * 16 - 140
        assert words["width"] < 800
    # Text stays in the column of the other messages.
    question = page.locator("#message-1 .asked").bounding_box()
    assert question
    assert words["x"] == pytest.approx(question["x"], abs=2)
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
    frame.evaluate("frame => { frame.scrollIntoView({ block: 'center' }); frame.scrollTo(600, 700); }")
    first = frame.get_by_role("cell", name="name 22", exact=True)
    assert first.evaluate("(cell) => cell.getBoundingClientRect().left") == pytest.approx(box["x"] + 1, abs=2)
    assert on_top(first)
    corner = frame.get_by_role("columnheader", name="Column 1", exact=True)
    assert on_top(corner)
    assert on_top(frame.get_by_role("columnheader", name="Column 12", exact=True)) or width == 390
    # Cells that stay in place are opaque: cells that scroll below them do not show through.
    for cell in (first, corner):
        assert cell.evaluate("cell => getComputedStyle(cell).backgroundColor").startswith("rgb(")
    assert_accessible(page, "a wide table")


@pytest.mark.django_db(transaction=True)
def test_beside_an_outline_it_does_not_cover_it(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    page.set_viewport_size({"width": 1920, "height": 800})
    found = small.add_conversation(owner=analyst, name="Tables", turns=[])
    for number in range(6):
        small.ask(
            found, f"Which of them, {number}?", f"These.\n\n{table(12 if number == 1 else 2, 3)}", at=datetime.now(UTC)
        )
    credential_for(person("owner"), small_omni, small.personal_token(analyst))
    sign_in(page, site, at=thread(found))
    outline, wide = page.locator(".outline").bounding_box(), page.locator("#message-4").bounding_box()
    assert outline
    assert wide
    assert wide["width"] > 1400
    assert wide["x"] + wide["width"] <= outline["x"]
    assert_accessible(page, "a wide table beside an outline")


def on_top(cell: Locator) -> bool:
    """Tell whether a cell is what one sees in its place."""
    return bool(
        cell.evaluate(
            """cell => {
                const box = cell.getBoundingClientRect();
                const [x, y] = [box.x + Math.min(box.width / 2, 30), box.y + box.height / 2];
                return cell.contains(document.elementFromPoint(x, y));
            }"""
        )
    )


@pytest.mark.django_db(transaction=True)
def test_a_head_as_high_as_the_window_does_not_stay_over_the_rows(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    text = table(3, 60).replace("Column 1", "A very long name of a column " * 30, 1)
    frame = opened(page, site, small, small_omni, analyst, text)
    row = frame.get_by_role("cell", name="name 40", exact=True)
    row.evaluate("row => row.scrollIntoView({ block: 'center' })")
    assert on_top(row)
    expect(frame.get_by_role("columnheader").first).not_to_be_in_viewport()


SHIFTED = """() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) for (const { node, previousRect, currentRect } of entry.sources) {
            // Messages that come into view take their real heights.
            if (node?.classList?.contains("turn") || !previousRect.width) continue;
            sum += Math.abs(previousRect.x - currentRect.x) + Math.abs(previousRect.y - currentRect.y);
        }
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(sum), 300);
})"""


@pytest.mark.django_db(transaction=True)
def test_a_table_is_copied_saved_and_seen_in_the_whole_width(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])
    page.set_viewport_size({"width": 1280, "height": 800})
    text = '| Name | N |\n|---|--:|\n| Ann, B. | 1,200 |\n| =1+1 | -5 |\n| x"y | 12 |'
    frame = opened(page, site, small, small_omni, analyst, text)
    answer = page.locator("#message-2")
    expect(answer.get_by_role("button", name="CSV")).to_be_visible()
    # They come into room that was kept free.
    page.reload()
    expect(answer.get_by_role("button", name="CSV")).to_be_visible()
    assert page.evaluate(SHIFTED) == 0
    assert_accessible(page, "a table with tools")
    with page.expect_download() as download:
        answer.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "answer-2.csv"
    assert download.value.path().read_bytes().decode() == (
        '\ufeffName,N\r\n"Ann, B.","1,200"\r\n"\'=1+1","-5"\r\n"x""y",12\r\n'
    )
    answer.get_by_role("button", name="Full width").click()
    dialog = page.get_by_role("dialog", name="Table")
    assert dialog.evaluate("dialog => dialog.offsetWidth") > 1200
    expect(dialog.get_by_role("row")).to_have_count(4)
    assert_accessible(page, "a table in the whole width")
    dialog.get_by_role("button", name="Close").click()
    expect(frame.get_by_role("row")).to_have_count(4)
    expect(answer.get_by_role("button", name="Full width")).to_be_focused()
    answer.get_by_role("button", name="Copy table").click()
    expect(page.get_by_text("3 rows copied")).to_be_visible()
    plain, cells = pasted(page)
    assert plain.splitlines()[1] == "Ann, B.\t1,200"
    assert cells == [["Name", "N"], ["Ann, B.", "1,200"], ["'=1+1", "-5"], ['x"y', "12"]]


@pytest.mark.django_db(transaction=True)
def test_code_is_copied_as_it_stands(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    opened(page, site, small, small_omni, analyst, "```sql\nSELECT 1\n  FROM a -- <b>\n```")
    answer = page.locator("#message-2")
    answer.locator(".code").hover()
    answer.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Code copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip("\n") == "SELECT 1\n  FROM a -- <b>"
    answer.get_by_role("button", name="Full width").click()
    expect(page.get_by_role("dialog", name="sql")).to_contain_text("SELECT 1")
    assert_accessible(page, "code in the whole width")


@pytest.mark.django_db(transaction=True)
def test_tools_of_code_stand_above_it_where_nobody_can_point(
    chromium: Browser, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    with chromium.new_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        opened(page, site, small, small_omni, analyst, f"```sql\nSELECT {'x, ' * 40} 1\n  FROM a\n```")
        tools, code = page.locator(".code .text-tools"), page.locator("#message-2 .code code")
        code.scroll_into_view_if_needed()
        expect(tools.get_by_role("button", name="Copy code")).to_be_visible()
        box, said = tools.bounding_box(), code.bounding_box()
        assert box
        assert said
        assert box["y"] + box["height"] <= said["y"]


def colours_at_the_edge(page: Page, frame: Locator) -> int:
    """Return the number of colours between words, in the last pixels of a frame before its border."""
    row, box = frame.get_by_role("row").nth(3).bounding_box(), frame.bounding_box()
    assert row
    assert box
    clip = {"x": box["x"] + box["width"] - 18, "y": row["y"] + 3, "width": 14, "height": 2}
    picture = base64.b64encode(page.screenshot(clip=clip)).decode()  # type: ignore[arg-type]
    blank = page.context.new_page()
    found = blank.evaluate(
        """async (picture) => {
            const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
            canvas.drawImage(bitmap, 0, 0);
            return new Set(new Uint32Array(canvas.getImageData(0, 0, bitmap.width, 1).data.buffer)).size;
        }""",
        picture,
    )
    blank.close()
    return int(found)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_edge_is_shaded_beyond_which_a_table_goes_on(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, scheme: str, dialect: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 1280, "height": 800})
    frame = opened(page, site, small, small_omni, analyst, table(24, 6))
    expect(frame).to_be_visible()
    assert colours_at_the_edge(page, frame) > 4
    # It is reached, and moved, by the keyboard.
    expect(frame).to_have_attribute("tabindex", "0")
    expect(frame).to_have_accessible_name("Table")
    frame.evaluate("frame => frame.scrollTo(frame.scrollWidth, 0)")
    page.wait_for_timeout(200)
    assert colours_at_the_edge(page, frame) == 1


@pytest.mark.django_db(transaction=True)
def test_a_table_that_fits_has_no_shade(
    page: Page, site: str, small: Organization, small_omni: StandIn, analyst: Member, dialect: str
) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    frame = opened(page, site, small, small_omni, analyst, table(3, 6))
    expect(frame).to_have_class(re.compile(r"\bfits\b"))
    assert colours_at_the_edge(page, frame) == 1
