"""A conversation on paper and as a file of its own: the PDF that Chromium prints, and the page opened from disk."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from conversations.exports import document
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import assert_accessible, sign_in, text_of
from tests.programs import need

DAY = timedelta(days=1)
WIDE = [[f"Column {n}" for n in range(1, 41)], *[[f"r{row}c{n}" for n in range(1, 41)] for row in range(1, 4)]]
LONG = [["Order", "Amount"], *[[f"order-{n:04}", f"{n * 1.5:,.2f}"] for n in range(1, 351)]]
ANSWER = """# Findings

| Region | Revenue |
|---|--:|
| North | 1,200 |

See [the report](https://example.com/report), and:

```sql
select region, sum(price) from order_items group by region having sum(price) > 1000000 order by 2 desc limit 5000
```
"""


@pytest.fixture
def found(small: Organization, analyst: Member) -> InOmni:
    """Return four answers: with a chart, with forty columns, with 350 rows, and one that failed."""
    found = answered(small, analyst, ages=[4 * DAY, 3 * DAY, 2 * DAY, DAY])
    for place, rows in ((3, WIDE), (5, LONG)):
        job = found.messages[place].job
        assert job
        job.actions = (Step("generate_query", "Looking", "The rows", {"table": "orders"}, rows),)
        job.chart = False
    found.messages[1].text = ANSWER
    last = found.messages[7].job
    assert last
    last.state, last.error = "FAILED", "Column not found"
    return found


@pytest.fixture
def kept(reads: Client, found: InOmni) -> InOmni:
    reads.get(thread(found))
    work()
    return found


def pages_of(pdf: bytes, folder: Path) -> list[str]:
    """Return the text of each page, as a reader could select it."""
    program = need("pdftotext")
    path = folder / "printed.pdf"
    path.write_bytes(pdf)
    text = subprocess.run([program, "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()
    return text.split("\f")[:-1]


def words_outside(folder: Path) -> list[str]:
    """Return the words that `pages_of` printed beyond the edge of their page."""
    program = need("pdftotext")
    shown = subprocess.run([program, "-bbox", str(folder / "printed.pdf"), "-"], capture_output=True, check=True)
    outside, width = [], 0.0
    for line in shown.stdout.decode().splitlines():
        if page := re.search(r'<page width="([\d.]+)"', line):
            width = float(page[1])
        elif (word := re.search(r'xMin="([-\d.]+)".* xMax="([-\d.]+)".*>(.*)</word>', line)) and (
            float(word[1]) < 0 or float(word[2]) > width
        ):
            outside.append(word[3])
    return outside


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.both_dialects
def test_it_works(reads: Client, kept: InOmni, small_omni: StandIn) -> None:
    small_omni.stop()
    page = text_of(reads.get(f"{thread(kept)}print/"))
    assert "How many orders in month 0?" in page
    assert f"<code>{kept.id}</code>" in page
    assert f'src="{thread(kept)}messages/2/chart.png"' in page
    assert "The job failed: <q" in page
    assert "The first 200 of 350 rows; all of them are in the CSV" in page
    assert "Columns 2–8 of 40 (first column repeated)" in page
    assert "site-header" not in page


def test_what_is_not_kept_is_said_and_not_asked_for(reads: Client, found: InOmni, small_omni: StandIn) -> None:
    reads.get(thread(found))
    small_omni.requests.clear()
    page = text_of(reads.get(f"{thread(found)}print/"))
    assert page.count("(Omni keeps it until") == 4
    assert small_omni.requests == []


@pytest.mark.both_dialects
def test_the_owner_stands_there_by_name(
    reads: Client, colleague: User, kept: InOmni, small: Organization, small_omni: StandIn
) -> None:
    page = text_of(reads.get(f"{thread(kept)}print/"))
    if f"<code>{kept.owner.id}</code>" in page:  # one dialect tells whose it is
        assert f'<dt>Asked by</dt><dd><span dir="auto">owner</span> (<code>{kept.owner.id}</code>)' in page
    else:
        assert "<dt>Asked by</dt><dd>not provided by this instance" in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_missing_on_paper(
    page: Page, site: str, kept: InOmni, tmp_path: Path, width: int, owner: User
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, site, at=f"{thread(kept)}print/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    pages = pages_of(page.pdf(format="A4"), tmp_path)
    whole = squeezed("".join(pages))
    for number in range(4):
        assert squeezed(f"How many orders in month {number}?") in whole
    for row in WIDE:
        for cell in row:
            assert squeezed(cell) in whole, cell
    for row in LONG[:201]:
        assert squeezed(row[0]) in whole
        assert row[1] in whole
    assert LONG[201][0] not in whole
    assert squeezed("having sum(price) > 1000000 order by 2 desc limit 5000") in whole
    assert squeezed("(https://example.com/report)") in whole
    assert squeezed("The job failed: “Column not found: The query was stopped. (QUERY_FAILED)”") in whole
    address = f"{site}{thread(kept)}"
    zone = timezone.localtime().tzname()
    for number, text in enumerate(pages, start=1):
        assert squeezed(address) in squeezed(text), f"page {number} does not say where it is from"
        assert re.search(r"As of \d+ \w+ \d{4}, \d\d:\d\d:\d\d \S+", text), f"page {number} does not say as of when"
        assert squeezed(f"{number} / {len(pages)}") in squeezed(text)
    assert zone
    assert len(pages) < 20
    assert words_outside(tmp_path) == []


@pytest.mark.django_db(transaction=True)
def test_no_heading_stands_alone_at_the_foot_of_a_page(
    page: Page, site: str, reads: Client, small: Organization, analyst: Member, tmp_path: Path
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 41)])
    rows = [["Word", "Note"], ["one", "x"], ["two", "y"], ["three", "z"]]
    for number, message in enumerate(found.messages):
        message.text = "A line.\n\n" * (number % 7)  # so that pages end anywhere
        if message.job:
            query = Step("generate_query", "Counting", "Words", {"table": "t", "limit": 7}, rows)
            message.job.actions, message.job.chart = (query, Step("summarize", "Summed up")), False
    reads.get(thread(found))
    work()
    sign_in(page, site, at=f"{thread(found)}print/")
    page.wait_for_load_state("networkidle")
    pages = pages_of(page.pdf(format="A4"), tmp_path)
    assert len(pages) > 15
    for text in pages:
        last = [line.strip() for line in text.splitlines() if line.strip()][-2]
        assert not re.match(r"\d+\. (Question|Answer)|Evidence|Topic|Words?\b|Summarize|3 rows", last), last


@pytest.mark.django_db(transaction=True)
def test_heads_of_tables_are_on_each_page_and_pictures_are_in(
    page: Page, site: str, kept: InOmni, tmp_path: Path
) -> None:
    sign_in(page, site, at=f"{thread(kept)}print/")
    page.wait_for_load_state("networkidle")
    pdf = page.pdf(format="A4")
    with_rows = [text for text in pages_of(pdf, tmp_path) if len(re.findall(r"order-\d{4}", text)) > 5]
    assert len(with_rows) > 1
    assert all(re.search(r"Order\s+Amount", text) for text in with_rows)
    assert b"/Subtype /Image" in pdf


@pytest.mark.django_db(transaction=True)
def test_the_thread_itself_prints_without_its_controls(page: Page, site: str, kept: InOmni, tmp_path: Path) -> None:
    page.emulate_media(color_scheme="dark")
    sign_in(page, site, at=thread(kept))
    page.wait_for_load_state("networkidle")
    for summary in page.locator("details.evidence > summary").all()[1:3]:
        summary.click()
    expect(page.get_by_role("table")).to_have_count(3)
    pages = pages_of(page.pdf(format="A4"), tmp_path)
    assert len(pages) > 3
    assert words_outside(tmp_path) == []
    for text in pages:
        assert squeezed(f"{site}{thread(kept)}") in squeezed(text)
        assert re.search(r"As of \d+ \w+ \d{4}, \d\d:\d\d:\d\d \S+", text)
    whole = "".join(pages)
    assert "How many orders in month 3?" in whole
    assert LONG[200][0] in whole
    for control in ("Export", "Refresh", "Copy link", "Star", "Add a ticket", "Credentials"):
        assert control not in whole
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 36, 41)"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_to_print_is_readable_on_a_screen(
    page: Page, site: str, kept: InOmni, width: int, found: InOmni
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, site, at=f"{thread(kept)}print/")
    assert_accessible(page, "print")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    cut = page.evaluate(
        "[...document.querySelectorAll('td, th')].filter(cell => cell.scrollWidth > cell.clientWidth + 1).length"
    )
    assert cut == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_file_needs_nothing_but_itself(
    reads: Client, kept: InOmni, tmp_path: Path, chromium: Browser, scheme: str, width: int
) -> None:
    answer = reads.get(f"/conversations/{kept.id}.html")
    policy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert answer["Content-Security-Policy"] == policy
    body = answer.getvalue().decode()
    assert "<script" not in body
    assert not re.search(r"url\(|@import|<link", body)
    path = tmp_path / "thread.html"
    path.write_text(body)
    asked, said = [], []
    with chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: said.append(line.text))
        page.goto(path.as_uri())
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True]
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(250, 249, 246)" if scheme == "light" else "rgb(20, 23, 27)")
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:image/png"))] == []


def test_hostile_text_is_text(
    reads: Client, small: Organization, analyst: Member, small_omni: StandIn, chromium: Browser, tmp_path: Path
) -> None:
    nasty = "<!-- styles --></style><script>document.title='run'</script><img src=//evil.example/x onerror=alert(1)>"
    found = answered(small, analyst, ages=[DAY])
    found.name = nasty
    job = found.messages[1].job
    assert job
    job.topic = nasty
    job.actions = (Step(nasty, nasty, nasty, {"table": nasty, "fields": [nasty]}, [[nasty, "n"], [nasty, "1"]]),)
    found.messages[1].text = nasty
    reads.get(thread(found))
    work()
    path = tmp_path / "thread.html"
    path.write_text(reads.get(f"/conversations/{found.id}.html").getvalue().decode())
    asked: list[str] = []
    with chromium.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.title() != "run"
        assert page.evaluate("document.scripts.length") == 0
        assert page.get_by_text("document.title='run'").count() >= 5
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_a_conversation_without_messages_prints_too(reads: Client, small: Organization, analyst: Member) -> None:
    found = small.add_conversation(owner=analyst, name="Empty", turns=[])
    assert "it contains no messages" in text_of(reads.get(f"{thread(found)}print/"))


def test_a_document_has_an_end(
    reads: Client, kept: InOmni, small_omni: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MAX_CELLS", 100)
    page = text_of(reads.get(f"{thread(kept)}print/"))
    # The limit leaves room for two columns, after the first answer and forty columns have had their share.
    assert page.count("order-0") < 30
    assert "order-0001" in page
