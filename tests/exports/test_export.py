"""A thread as a file: complete, safe for its destination, and only for people who may read it."""

import csv
import io
import json
import re
import zlib
from typing import Any
from uuid import UUID

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from pytest_django import Settings

from conversations import rendering
from conversations.models import Action, Job, Message
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.omni import replies
from tests.conftest import EXAMPLE, assert_accessible, clipboard, credential_for, pasted, person, sign_in, signed_in
from tests.rendering.test_rendering import PIECES

BASE = f"/conversations/{EXAMPLE}"


@pytest.mark.both_dialects
def test_markdown_is_the_whole_thread(owner_reads: Client) -> None:
    owner_reads.get("/conversations/")
    answer = owner_reads.get(f"{BASE}.md")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    text = answer.content.decode()
    assert f"- Conversation: [{EXAMPLE}](http://testserver{BASE}/)" in text
    assert "- Started: 15 January 2025, 10:00:00 UTC" in text
    assert "## 1. Question, 15 January 2025, 10:00:00 UTC\n\n> What are the top 5 products by revenue?" in text
    assert "## 2. Answer, " in text
    assert "##### Top 5 Products by Revenue\n\n1. **Sunglasses** - $678,994" in text
    assert f"[Link](http://testserver{BASE}/messages/2/) · Job `550e8400-e29b-41d4-a716-446655440000`" in text
    assert f"[In Omni](https://my-org.omni.co/chat/{EXAMPLE})" in text


@pytest.mark.both_dialects
def test_json_is_what_omni_returns_and_ours_apart(owner_reads: Client, omni: StandIn) -> None:
    """A script written for Omni's reference can read the file, and so can our own client."""
    text = owner_reads.get(f"{BASE}.json").content.decode()
    whole = json.loads(text)
    read = replies.conversation(whole, UUID(EXAMPLE))
    assert str(read.id) == EXAMPLE
    row = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    assert [(message.role, message.text) for message in read.messages] == [
        (message.role, message.text) for message in row.messages
    ]
    assert [message.job_id for message in read.messages] == [message.job and message.job.id for message in row.messages]
    assert whole["createdAt"] == "2025-01-15T10:00:00.000Z"
    assert set(whole["messages"][0]) == {"role", "content", "timestamp"}
    assert set(whole["messages"][1]) == {"role", "content", "timestamp", "jobId", "omniChatUrl"}
    assert set(whole) == {
        "id", "name", "userId", "organizationId", "createdAt", "updatedAt", "messages", "omniviewer"
    }  # fmt: skip
    assert whole["omniviewer"]["instance"] == omni.host
    assert whole["omniviewer"]["address"] == f"http://testserver{BASE}/"


@pytest.mark.both_dialects
def test_csv_is_a_row_a_message(owner_reads: Client) -> None:
    answer = owner_reads.get(f"{BASE}.csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline="")))
    assert [row["role"] for row in rows] == ["user", "assistant", "user", "assistant"]
    assert rows[1]["job"] == "550e8400-e29b-41d4-a716-446655440000"
    assert rows[1]["text"].startswith("### Top 5 Products by Revenue")
    assert rows[1]["link"] == f"http://testserver{BASE}/messages/2/"


@pytest.mark.parametrize("extension", ["md", "json", "csv"])
def test_a_file_says_what_it_is_and_when(owner_reads: Client, extension: str) -> None:
    owner_reads.get("/conversations/?cursor=")
    answer = owner_reads.get(f"{BASE}.{extension}")
    name = re.search(r'attachment; filename="([^"]+)"', answer["Content-Disposition"])
    assert name
    assert re.fullmatch(rf"[a-z0-9-]+-2025-01-15\.{extension}", name[1])
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("extension", ["md", "json", "csv"])
def test_who_may_not_read_it_gets_the_page_that_says_why(stranger_reads: Client, extension: str) -> None:
    answer = stranger_reads.get(f"{BASE}.{extension}")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert "You can’t open this conversation".encode() in answer.content
    assert b"Sunglasses" not in answer.content


def test_what_is_kept_is_exported_while_omni_is_away(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(f"{BASE}/")
    omni.fail(Fault.status(503))
    assert owner_reads.get(f"{BASE}.md").status_code == 200


def test_links_have_the_public_address(owner_reads: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://omniviewer.example.com"
    assert f"(https://omniviewer.example.com{BASE}/messages/2/)" in owner_reads.get(f"{BASE}.md").content.decode()


def test_it_is_in_the_audit_log(owner_reads: Client, stranger_reads: Client) -> None:
    owner_reads.get(f"{BASE}.md")
    stranger_reads.get(f"{BASE}.json")
    owner_reads.head(f"{BASE}.csv")
    found = [(event.who, event.result, str(event.conversation_id)) for event in Event.objects.filter(kind="exported")]
    assert found == [("owner", "ok", EXAMPLE), ("stranger", "not-shown", EXAMPLE)]


HOSTILE = '=cmd()|"x"\n# not a heading\n<script>alert(1)</script> [x](javascript:alert(1)) | `y`'


@pytest.fixture
def hostile(small: Organization, small_omni: StandIn) -> tuple[Client, str]:
    member = small.add_member("Ana", "ana@small.example")
    answer = "# One\n\n```\n# code\n```\n\n~~~md\n## code\n```\n# code too\n~~~\n\n###### Six"
    made = small.add_conversation(owner=member, name="../../etc: <b>\r\nX: 1", turns=[(HOSTILE, answer)])
    owner = person("writer")
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    client.get("/conversations/")
    return client, f"/conversations/{made.id}"


@pytest.mark.django_db
def test_what_a_person_typed_stays_text(hostile: tuple[Client, str]) -> None:
    client, base = hostile
    answer: Any = client.get(f"{base}.md")
    text = answer.content.decode()
    assert "> =cmd()" in text
    assert "> \\# not a heading" in text
    assert "> \\<script\\>alert(1)\\</script\\> \\[x\\](javascript:alert(1))" in text
    assert "\n### One\n" in text
    assert "\n```\n# code\n```\n" in text
    assert "\n~~~md\n## code\n```\n# code too\n~~~\n" in text
    assert "\n###### Six\n" in text
    name = re.search(r'filename="([^"]+)"', answer["Content-Disposition"])
    assert name
    assert re.fullmatch(r"etc-b-x-1-[0-9-]+\.md", name[1])
    cells = list(csv.DictReader(io.StringIO(client.get(f"{base}.csv").getvalue().decode("utf-8-sig"), newline="")))
    assert cells[0]["text"] == f"'{HOSTILE}"
    assert json.loads(client.get(f"{base}.json").content)["messages"][0]["content"] == HOSTILE


OPEN_ENDS = [
    "Here:\n~~~python\nprint(1)\n\n",
    "- a\n\n````sql\nSELECT 1\n```",
    "a\n<!-- to do",
    "<details><summary>More</summary>\n\nb",
    "see <script>\nlet x",
    "<pre>\nc\n\nd",
    "> <textarea>",
    "<![CDATA[ e",
    "| a |\n|---|\n| <style> |",
]


@pytest.mark.django_db
@pytest.mark.parametrize("answer", OPEN_ENDS)
def test_an_answer_ends_where_it_ends(answer: str, small: Organization, small_omni: StandIn) -> None:
    """An answer does not run into the next one, in a file or a ticket, even with raw HTML in it."""
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="x", turns=[("One?", answer), ("Two?", "Done.")])
    owner = person("writer")
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    client.get("/conversations/")
    file: Any = client.get(f"/conversations/{made.id}.md")
    ticket = client.get(f"/conversations/{made.id}/for-ticket.json").json()["text"]
    for text in (file.content.decode(), ticket):
        html = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
        assert re.search(r"<blockquote>\n<p>Two\?</p>\n</blockquote>", html.split("One?", 1)[1])
        assert not re.search(r"<(!|details|script|pre>\n|textarea|style)", html)


@pytest.mark.parametrize(
    ("text", "embedded"),
    [
        ("# a\n\n  ## b #\n### c\n##### d", "### a\n\n#### b #\n##### c\n###### d"),
        ("Two\nlines\n===\na\n-", "### Two lines\n#### a"),
        ("- # a\n> # b\n\n```\n# c\n```", "- # a\n> # b\n\n```\n# c\n```"),
        ("`<b>` <b> `` <c\nd> `` \\<i>", "`<b>` \\<b> `` <c\nd> `` \\<i>"),
        ("<https://a.example> <a@b.example> a<br>b [x](<y z>) 1 < 2", None),
        ("```html\n<b>\n```", None),
    ],
)
def test_an_answer_in_a_document_changes_no_more_than_it_must(text: str, embedded: str | None) -> None:
    assert rendering.self_contained(text, lowered_by=2) == (embedded or text)


@pytest.mark.parametrize(
    ("text", "embedded"),
    [
        ("### Sales\n1. a", "**Sales**\n\n1. a"),
        ("Intro\n## By order_items ##\n\nb", "Intro\n\n**By order_items**\n\nb"),
        ("Two\nlines\n===\na", "**Two lines**\n\na"),
        ("# **Bold** x\n# `a\n#\nb", "#### **Bold** x\n#### `a\n#### \nb"),
    ],
)
def test_a_heading_in_a_ticket_is_a_line_in_bold(text: str, embedded: str) -> None:
    assert rendering.self_contained(text, lowered_by=None) == embedded


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from([2, None]))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_whatever_the_answer_what_follows_is_no_part_of_it(text: str, lowered_by: int | None) -> None:
    document = f"{rendering.self_contained(text.strip(), lowered_by=lowered_by)}\n\nEND `x`\n"
    html = cmarkgfm.github_flavored_markdown_to_html(document, Options.CMARK_OPT_UNSAFE)
    assert html.endswith("<p>END <code>x</code></p>\n")
    assert not re.search(r"<(!|/b>|script)", html)


def test_an_answer_that_costs_too_much_is_a_fence() -> None:
    text = "```\n<b>\n" + "x" * 200_000
    assert rendering.self_contained(text, lowered_by=2) == f"````\n{text}\n````"


@pytest.mark.django_db
def test_lines_of_a_question_stay_lines(small: Organization, small_omni: StandIn) -> None:
    member = small.add_member("Ana", "ana@small.example")
    question = "Why?\n  - first\n1. second\n\n==\n<b>  a & b &lt; ~c~"
    made = small.add_conversation(owner=member, name="x", turns=[(question, "Ok.")])
    owner = person("writer")
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    client.get("/conversations/")
    said = client.get(f"/conversations/{made.id}/messages/2/for-ticket.json").json()
    assert "Why?<br>\n\xa0\xa0- first<br>\n1. second<br>\n<br>\n==<br>\n&lt;b&gt;\xa0\xa0a" in said["html"]
    html = cmarkgfm.github_flavored_markdown_to_html(said["text"])
    assert html.partition("</p>\n")[2].startswith(
        "<blockquote>\n<p>Why?<br />\n- first<br />\n1. second</p>\n<p>==<br />\n&lt;b&gt; a &amp; b &amp;lt; ~c~</p>"
    )


@pytest.mark.django_db
def test_an_address_of_omnis_stays_in_its_link(small: Organization, small_omni: StandIn) -> None:
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="x", turns=[("One?", "Ok.")])
    owner = person("writer")
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    client.get(f"/conversations/{made.id}/")
    chat = f"https://a.omniapp.co/chat/{made.id}?a=)[click](https://evil.example/<b>`c`"
    Message.objects.filter(position=2).update(omni_chat_url=chat)
    assert Message.objects.get(position=2).omni_link == chat
    file: Any = client.get(f"/conversations/{made.id}.md")
    html = cmarkgfm.github_flavored_markdown_to_html(file.content.decode())
    assert re.findall(r'href="([^"]*)">In Omni', html) == [
        f"https://a.omniapp.co/chat/{made.id}?a=%29%5Bclick%5D%28https://evil.example/%3Cb%3E%60c%60"
    ]
    assert "evil.example</a>" not in html
    assert ">click<" not in html


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_a_reader_takes_it_along(page: Page, site: str, omni: StandIn, dialect: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{BASE}/")
    if width < 1200:
        page.get_by_role("link", name="Details").click()
    page.get_by_text("Export", exact=True).click()
    assert_accessible(page, "a thread with its exports in sight")
    for choice in page.locator(".export a, .export button").all():
        box = choice.bounding_box()
        assert box
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert "Sunglasses" in download.value.path().read_text()


# For a ticket ---------------------------------------------------------------------------------------------


def test_a_message_for_a_ticket_says_what_was_asked_and_where_it_is(owner_reads: Client) -> None:
    said = owner_reads.get(f"{BASE}/messages/2/for-ticket.json").json()
    rest = said["text"].partition("\n\n")[2]
    assert rest.startswith("> What are the top 5 products by revenue?\n\n**Top 5 Products by Revenue**")
    assert f"http://testserver{BASE}/messages/2/, as of " in said["text"]
    assert "<blockquote>" in said["html"]
    assert "<strong>Sunglasses</strong> - $678,994" in said["html"]
    assert f'<a href="http://testserver{BASE}/messages/2/">' in said["html"]


def test_what_is_kept_of_its_queries_goes_along_and_nothing_is_asked_for(owner_reads: Client, omni: StandIn) -> None:
    row = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    omni._now = row.updated_at
    owner_reads.get(f"{BASE}/messages/2/evidence/")
    omni.requests.clear()
    said = owner_reads.get(f"{BASE}/messages/2/for-ticket.json").json()
    assert "**Top 5 Products by Revenue** from order_items\n\nFields: products.name, " in said["text"]
    assert "order_items.total_sale_price. Limit: 1000.\n" in said["text"]
    assert "<p>Fields: products.name, order_items.total_sale_price. " in said["html"]
    assert "| Product | Revenue |\n| --- | --: |\n| Sunglasses | 678,994.41 |" in said["text"]
    assert "<th>Product</th><th>Revenue</th>" in said["html"]
    assert "<td>Sunglasses</td><td>678,994.41</td>" in said["html"]
    assert omni.requests == []
    # A message may name a job of another conversation: that job's rows are not exported.
    Job.objects.update(conversation_id="00000000-0000-4000-8000-000000000000")
    said = owner_reads.get(f"{BASE}/messages/2/for-ticket.json").json()
    assert "678,994.41" not in said["text"] + said["html"]


@pytest.mark.parametrize(
    ("cut", "rows", "said"),
    [
        (True, 25, "10 of 25 rows; Omni truncated the result, which has 1,204 rows in all."),
        (True, 2, "Omni truncated the result, which has 1,204 rows in all."),
        (False, 1025, "10 of 1,025 rows."),
        (False, 2, ""),
    ],
)
def test_of_many_rows_it_says_that_they_are_not_all(
    owner_reads: Client, omni: StandIn, cut: bool, rows: int, said: str
) -> None:
    omni._now = next(row.updated_at for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    owner_reads.get(f"{BASE}/messages/2/evidence/")
    text = zlib.compress(("n\n" + "7\n" * rows).encode())
    Action.objects.filter(is_query=True).update(csv=text, was_cut=cut, row_count=1204, status="ERROR")
    both = owner_reads.get(f"{BASE}/messages/2/for-ticket.json").json()
    assert "**Top 5 Products by Revenue** from order_items: ERROR\n" in both["text"]
    assert "</code>: ERROR</p>" in both["html"]
    if said:
        assert f"| 7 |\n\n{said}\n" in both["text"]
        assert f"</table><p>{said}</p>" in both["html"]
    else:
        assert "cut" not in both["text"] + both["html"]


def test_a_thread_for_a_ticket(owner_reads: Client) -> None:
    said = owner_reads.get(f"{BASE}/for-ticket.json").json()
    assert [f"**{number}. " in said["text"] for number in range(1, 6)] == [True, True, True, True, False]
    assert said["html"].count("<blockquote>") == 2


@pytest.mark.django_db
def test_it_begins_with_the_name_the_person_and_the_time(small: Organization, small_omni: StandIn) -> None:
    member = small.add_member("Zoë <b>*O'Brien*", "zoe@small.example")
    made = small.add_conversation(owner=member, name="Sales | *of* <i>May</i>", turns=[("How many?", "Nine.")])
    reader = person("support")
    credential_for(reader, small_omni, small.organization_key())
    client = signed_in(reader)
    client.get("/conversations/")
    asked_at = f"{made.messages[0].created_at:%-d %B %Y, %H:%M:%S} UTC"
    for place in ("messages/2/", "messages/1/", ""):
        said = client.get(f"/conversations/{made.id}/{place}for-ticket.json").json()
        first = said["text"].splitlines()[0]
        assert first == rf"**Sales \| \*of\* \<i\>May\</i\>**, asked by Zoë \<b\>\*O'Brien\* on {asked_at}"
        head = " ".join(said["html"].partition("</p>")[0].split())
        assert head == (
            "<p><strong>Sales | *of* &lt;i&gt;May&lt;/i&gt;</strong>, asked "
            f"by <bdi>Zoë &lt;b&gt;*O'Brien*</bdi> on {asked_at}"
        )


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "label"), [("FAILED", "Error"), ("CANCELLED", "Cancelled")])
def test_a_file_says_who_asked_and_why_an_answer_failed(
    small: Organization, small_omni: StandIn, state: str, label: str
) -> None:
    member = small.add_member("Zoë", "zoe@small.example")
    turns: list[tuple[str, str | None]] = [("How many?", "Nine."), ("And by *port*?", "")]
    made = small.add_conversation(owner=member, name="Sales", turns=turns, started_at=small_omni._now)
    job = made.messages[3].job
    assert job
    job.state, job.error, job.error_code, job.error_detail = state, "No field sea_port <b>", "", ""
    reader = person("support")
    credential_for(reader, small_omni, small.organization_key())
    client = signed_in(reader)
    client.get("/conversations/")
    client.get(f"/conversations/{made.id}/messages/4/evidence/")
    files = {end: text_of_file(client.get(f"/conversations/{made.id}.{end}")) for end in ("md", "json", "csv", "html")}
    assert "- Asked by: Zoë\n" in files["md"]
    assert files["md"].count(rf"**{label}**: No field sea_port \<b\>") == 1
    messages = json.loads(files["json"])["messages"]
    assert json.loads(files["json"])["omniviewer"]["askedBy"] == "Zoë"
    assert [message.get("omniviewer", {}).get("reason", "")[:20] for message in messages] == [
        *([""] * 3), "No field sea_port <b>"[:20]
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(files["csv"], newline="")))
    assert [row["asked by"] for row in rows] == ["Zoë"] * 4
    assert [row["outcome"] for row in rows] == ["", "", "", state.capitalize()]
    assert "No field sea_port &lt;b&gt;" in files["html"]
    said = client.get(f"/conversations/{made.id}/messages/4/for-ticket.json").json()
    assert rf"**{label}**: No field sea_port \<b\>" in said["text"]


def text_of_file(answer: Any) -> str:
    return str(answer.getvalue().decode("utf-8-sig"))


def test_a_table_of_the_answer_is_not_repeated(owner_reads: Client, omni: StandIn) -> None:
    omni._now = next(row.updated_at for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    owner_reads.get(f"{BASE}/messages/2/evidence/")
    rows = Action.objects.get(is_query=True, job__omni_id="550e8400-e29b-41d4-a716-446655440000")
    rows.csv = zlib.compress(b"Product,Revenue\nHat,201\nCap,12.5%\n")
    rows.save()
    for table, is_repeated in (("|Hat|**201**|\n|Cap|12.5%|", False), ("|Hat|201|\n|Cap|99|", True), ("Hat", True)):
        Message.objects.filter(position=2).update(text=f"|Product|Revenue|\n|---|---|\n{table}")
        said = owner_reads.get(f"{BASE}/messages/2/for-ticket.json").json()
        assert ("| Cap | 12.5% |" in said["text"]) is is_repeated
        assert ("<td>Cap</td><td>12.5%</td>" in said["html"]) is is_repeated
        assert "**Top 5 Products by Revenue** from order_items" in said["text"]


def test_only_whoever_may_read_it_gets_it(owner_reads: Client, stranger_reads: Client) -> None:
    for address in (f"{BASE}/for-ticket.json", f"{BASE}/messages/2/for-ticket.json"):
        answer = stranger_reads.get(address)
        assert answer.status_code == 404
        assert b"Sunglasses" not in answer.content
    assert owner_reads.get(f"{BASE}/messages/99/for-ticket.json").status_code == 404


@pytest.mark.django_db
def test_markup_that_a_person_typed_is_text_in_both_forms(hostile: tuple[Client, str]) -> None:
    client, base = hostile
    said = client.get(f"{base}/for-ticket.json").json()
    assert "<script" not in said["html"]
    assert "&lt;script&gt;" in said["html"]
    assert "\\<script\\>" in said["text"]


@pytest.mark.django_db(transaction=True)
def test_it_is_on_the_clipboard_in_both_forms(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{BASE}/")
    page.locator("#message-2").get_by_role("button", name="Copy for a ticket").click()
    expect(page.get_by_text("Copied: paste it into the ticket")).to_be_visible()
    copied = clipboard(page)
    assert "\n\n> What are the top 5 products by revenue?" in copied[0]
    assert "<strong>Sunglasses</strong>" in copied[1]
    text, _ = pasted(page)
    assert "\n\n> What are the top 5 products by revenue?" in text
    expect(page.locator("#paste-rich").get_by_text("Sunglasses", exact=True).first).to_be_visible()
    page.get_by_text("Export", exact=True).click()
    page.get_by_role("button", name="Copy for a ticket all messages").click()
    page.wait_for_timeout(500)
    assert "**3. Question**" in page.evaluate("navigator.clipboard.readText()")
