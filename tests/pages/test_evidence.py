"""Evidence of an answer: asked for once, stored, and shown to everybody who may read the conversation."""

import csv
import io
import json
import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries

from conversations.models import Action, Chart, Conversation, Job, Message
from conversations.tables import parsing
from omniviewer import spreadsheet
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered
from tests.conftest import (
    EXAMPLE,
    assert_accessible,
    clipboard,
    credential_for,
    pasted,
    person,
    sign_in,
    text_of,
)

LETTERS = st.characters(codec="utf-8")
CELL = st.text(LETTERS, max_size=12) | st.sampled_from(["=1", "-2+3", "(12.5%)", "$1,200", "-", "2026-01", '"', "\r\n"])


def as_rows(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


ANY_TEXT = st.text(LETTERS) | st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=6).map(as_rows)

THREAD = f"/conversations/{EXAMPLE}/"
ANSWER = f"{THREAD}messages/2/"
EVIDENCE = f"{ANSWER}evidence/"
JOB = "550e8400-e29b-41d4-a716-446655440000"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def results_are_kept(omni: StandIn) -> None:
    """Set the stand-in's clock back to 2025, when the documented example was answered."""
    row = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    omni._now = row.updated_at + timedelta(hours=1)


def asked(omni: StandIn) -> list[str]:
    return [request.path.removeprefix("/api/v1/ai") for request in omni.requests]


def conversation_named(omni: StandIn, name: str) -> InOmni:
    return next(row for row in omni.organization.conversations if row.name == name)


@pytest.mark.both_dialects
def test_it_works(owner_reads: Client, omni: StandIn) -> None:
    page = text_of(owner_reads.get(EVIDENCE))
    assert "Top 5 Products by Revenue" in page
    assert "<code>order_items</code>" in page
    assert "<code>products.name</code>, <code>order_items.total_sale_price</code>" in page
    assert "5 rows." in page
    assert '<td class="number">678,994.41</td>' in page
    assert asked(omni)[:2] == [f"/conversations/{EXAMPLE}", f"/jobs/{JOB}/result"]


@pytest.mark.both_dialects
def test_how_long_it_took_is_told_once_and_not_of_what_runs(owner_reads: Client, omni: StandIn) -> None:
    told = '<span>Took 1 min 30 s</span> <p class="capture-state" id="capture-2">Captured'
    assert told in text_of(owner_reads.get(EVIDENCE))
    assert text_of(owner_reads.get(ANSWER)).count("Took 1 min 30 s") == 1
    assert "Took" not in text_of(owner_reads.get(EVIDENCE, headers=HTMX))
    found = conversation_named(omni, "Revenue forecast for the next quarter")
    omni._now = found.updated_at
    owner_reads.get(f"/conversations/{found.id}/messages/2/evidence/")
    page = text_of(owner_reads.get(f"/conversations/{found.id}/"))
    assert ">Running</strong>" in page
    assert "Took" not in page


def test_it_is_asked_for_once_and_kept(owner_reads: Client, colleague_reads: Client, omni: StandIn) -> None:
    owner_reads.get(EVIDENCE)
    colleague_reads.get(THREAD)
    omni.requests.clear()
    omni.fail(Fault.status(503))
    assert '<td class="number">678,994.41</td>' in text_of(owner_reads.get(EVIDENCE))
    assert '<td class="number">678,994.41</td>' in text_of(colleague_reads.get(EVIDENCE))
    assert omni.requests == []


def test_it_is_still_there_when_omni_has_forgotten_it(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(EVIDENCE)
    assert omni._now
    omni._now += timedelta(days=400)
    assert '<td class="number">678,994.41</td>' in text_of(owner_reads.get(EVIDENCE))


def test_the_thread_asks_for_nothing_and_offers_it_under_each_answer(owner_reads: Client, omni: StandIn) -> None:
    for position in (2, 4):
        owner_reads.get(f"{THREAD}messages/{position}/evidence/")
    omni.requests.clear()
    page = text_of(owner_reads.get(THREAD))
    assert page.count('class="evidence"') == 2
    assert page.count(f'<div class="evidence-body"> <a href="{EVIDENCE}">') == 1
    assert asked(omni) == []


def test_with_htmx_it_is_a_part_of_the_page(owner_reads: Client) -> None:
    page = text_of(owner_reads.get(EVIDENCE, headers=HTMX))
    for part in ("state", "answer-status", "capture"):
        assert f'id="{part}-2" hx-swap-oob="true"' in page
    assert page.count('<div class="evidence-body">') == 1
    assert "<html" not in page


def test_who_may_not_read_the_conversation_sees_none_of_it(
    owner_reads: Client, stranger_reads: Client, omni: StandIn
) -> None:
    owner_reads.get(EVIDENCE)
    for address in (EVIDENCE, f"{ANSWER}queries/1/", f"{ANSWER}queries/1.csv", f"{ANSWER}chart.png"):
        answer = stranger_reads.get(address)
        assert answer.status_code == 404
        assert b"678,994" not in answer.getvalue()
    assert "result" not in "".join(asked(omni)[3:])


def test_a_job_of_another_conversation_is_no_way_in(owner_reads: Client, colleague_reads: Client) -> None:
    """A message may name a job of another conversation: evidence stored for that job is not shown here."""
    owner_reads.get(EVIDENCE)
    other = Conversation.objects.exclude(omni_id=EXAMPLE).first()
    Job.objects.update(conversation_id="00000000-0000-4000-8000-000000000000")
    assert other is None
    page = text_of(owner_reads.get(EVIDENCE))
    assert "Omni does not show this job" in page
    assert "678,994" not in page


def test_it_is_in_the_audit_log(owner_reads: Client, stranger_reads: Client) -> None:
    owner_reads.get(EVIDENCE, headers=HTMX)
    owner_reads.get(EVIDENCE)
    owner_reads.get(f"{ANSWER}queries/1.csv")
    stranger_reads.get(EVIDENCE)
    stranger_reads.get(f"{ANSWER}queries/1.csv")
    noted = [(event.who, event.kind, event.result, event.position) for event in Event.objects.order_by("pk")]
    assert noted == [
        ("owner", "captured", "ok", 2),
        ("owner", "opened", "ok", 2),
        ("owner", "opened", "ok", 2),
        ("owner", "exported", "ok", 2),
        ("stranger", "opened", "not-shown", 2),
        ("stranger", "exported", "not-shown", 2),
    ]


# Evidence status ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence", "status"),
    [
        ("Revenue forecast for the next quarter", 'Not finished: <q dir="auto">Running query 3 of 4</q>', 200),
        ("Margin by supplier", "The job failed: <q", 200),
        ("Every order line of 2019", "The job was cancelled", 200),
        ("Answers from before there were jobs", "Omni gives no job id for this message", 200),
    ],
)
@pytest.mark.both_dialects
def test_what_became_of_a_job_is_told(
    colleague_reads: Client, omni: StandIn, name: str, sentence: str, status: int
) -> None:
    found = conversation_named(omni, name)
    omni._now = found.updated_at
    answer = colleague_reads.get(f"/conversations/{found.id}/messages/{len(found.messages)}/evidence/")
    assert answer.status_code == status
    assert sentence in text_of(answer)


def test_what_nobody_opened_in_time_is_gone_and_says_so(owner_reads: Client, omni: StandIn) -> None:
    assert omni._now
    omni._now += timedelta(days=30)
    page = text_of(owner_reads.get(EVIDENCE))
    assert "Omni has deleted this evidence," in page
    assert Job.objects.get().topic == "order_items"
    omni.requests.clear()
    assert "Omni has deleted this evidence," in text_of(owner_reads.get(EVIDENCE))
    assert omni.requests == []


@pytest.mark.parametrize("name", ["Margin by supplier", "Every order line of 2019"])
def test_what_is_final_is_asked_for_once(owner_reads: Client, omni: StandIn, name: str) -> None:
    found = conversation_named(omni, name)
    omni._now = found.updated_at
    address = f"/conversations/{found.id}/messages/{len(found.messages)}/evidence/"
    first = text_of(owner_reads.get(address))
    omni.requests.clear()
    assert text_of(owner_reads.get(address)) == first
    assert omni.requests == []


def test_a_job_that_omni_does_not_show_says_so(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.status(404), path="/v1/ai/jobs")
    Message.objects.filter(job_id=JOB).update(created_at=timezone.now() - timedelta(days=1))
    answer = owner_reads.get(EVIDENCE)
    assert answer.status_code == 404
    assert "it was deleted, or this reader does not have access to it" in text_of(answer)


def test_of_an_old_answer_the_same_word_of_omnis_means_that_it_is_gone(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.status(404), path="/v1/ai/jobs")
    assert "Omni has deleted this evidence," in text_of(owner_reads.get(EVIDENCE))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_while_omni_is_away_it_says_so_and_can_be_looked_for_again(
    owner_reads: Client, omni: StandIn, status: int
) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.status(status), path="/v1/ai/jobs")
    answer = owner_reads.get(EVIDENCE)
    assert answer.status_code == 503
    assert "Omni cannot be reached right now" in text_of(answer)
    assert f'href="{EVIDENCE}" hx-get="{EVIDENCE}"' in text_of(answer)
    assert owner_reads.get(EVIDENCE, headers=HTMX).status_code == 200
    assert Action.objects.count() == 0


def test_a_rejected_token_is_rejected_here_too(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.status(401), path="/v1/ai/jobs")
    owner_reads.get(EVIDENCE)
    assert "Omni no longer accepts your token" in text_of(owner_reads.get(EVIDENCE))


@pytest.mark.parametrize("address", ["messages/99/evidence/", "messages/0/evidence/", "messages/2/queries/99/"])
def test_what_is_not_there_is_not_found(owner_reads: Client, address: str) -> None:
    assert owner_reads.get(f"{THREAD}{address}").status_code == 404


NONSENSE: list[Any] = [
    {},
    {"actions": None},
    {"actions": "x"},
    {"actions": [None, 1, "x", [], {}]},
    {"actions": [{"type": 7, "message": [], "timestamp": "soon", "result": "x"}]},
    {"actions": [{"result": {"csvResult": 7, "query": [], "totalRowCount": -1, "status": {}, "queryName": None}}]},
    {"actions": [{"result": {"csvResult": "\x00\ud800", "query": {"table": "\x00", "fields": 7, "filters": []}}}]},
    {"actions": [{"result": {"csvResult": '"', "query": {"sorts": "x", "filters": {"a": None}, "limit": {}}}}]},
    {"actions": [{"type": "x"}] * 2100},
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: json.dumps(body)[:60])
@pytest.mark.both_dialects
def test_whatever_a_result_holds_there_is_a_page(owner_reads: Client, omni: StandIn, body: Any) -> None:
    omni.fail(Fault.edit(lambda _: body), path=f"/v1/ai/jobs/{JOB}/result")
    assert owner_reads.get(EVIDENCE).status_code == 200
    assert owner_reads.get(EVIDENCE).status_code == 200
    assert Action.objects.count() <= 2000


@pytest.mark.both_dialects
def test_a_result_that_is_none_is_told_as_such(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.edit(lambda _: ["a list"]), path=f"/v1/ai/jobs/{JOB}/result")
    answer = owner_reads.get(EVIDENCE)
    assert answer.status_code == 503
    assert "not in the form that Omni documents" in text_of(answer)


# Rows -----------------------------------------------------------------------------------------------------


def with_rows(omni: StandIn, text: str, **more: Any) -> None:
    def edit(reply: Any) -> Any:
        reply["actions"] = [action for action in reply["actions"] if "result" in action][:1]
        reply["actions"][0]["result"] |= {"csvResult": text, **more}
        return reply

    omni.fail(Fault.edit(edit), path=f"/v1/ai/jobs/{JOB}/result")


def cells(page: str) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", page, re.S)


def test_rows_are_sorted_by_value_both_ways(owner_reads: Client, omni: StandIn) -> None:
    with_rows(omni, 'who,how much\nb,"$1,200"\nA,$30\nC,-\nd,($5)\n')
    address = f"{ANSWER}queries/1/"
    assert cells(text_of(owner_reads.get(f"{address}?sort=2")))[1::2] == ["($5)", "$30", "$1,200", "-"]
    assert cells(text_of(owner_reads.get(f"{address}?sort=2&down=1")))[1::2] == ["$1,200", "$30", "($5)", "-"]
    assert cells(text_of(owner_reads.get(f"{address}?sort=1")))[::2] == ["A", "b", "C", "d"]
    page = text_of(owner_reads.get(f"{address}?sort=1"))
    assert 'aria-sort="ascending"' in page
    assert "sort=1&amp;down=1" in page
    assert cells(text_of(owner_reads.get(f"{address}?sort=99")))[::2] == ["b", "A", "C", "d"]
    assert cells(text_of(owner_reads.get(f"{address}?sort=x&rows=-1")))[::2] == ["b", "A", "C", "d"]


def test_the_first_rows_come_first_and_then_more(owner_reads: Client, omni: StandIn) -> None:
    with_rows(omni, "n\n" + "\n".join(str(n) for n in range(450)), csvResultWasTruncated=True, totalRowCount=1204)
    page = text_of(owner_reads.get(EVIDENCE))
    assert "Showing 200 of 450 rows; Omni truncated the result, which has 1,204 rows in all." in page
    assert len(cells(page)) == 200
    assert "queries/1/?rows=400" in page
    page = text_of(owner_reads.get(f"{ANSWER}queries/1/?rows=400&sort=1&down=1", headers=HTMX))
    assert len(cells(page)) == 400
    assert cells(page)[0] == "449"
    page = text_of(owner_reads.get(f"{ANSWER}queries/1/?rows=450"))
    assert "Show more rows" not in page


@pytest.mark.parametrize(("columns", "most"), [(1, 2000), (100, 600), (1000, 300)])
@pytest.mark.slow
def test_a_page_has_only_so_many_cells(owner_reads: Client, omni: StandIn, columns: int, most: int) -> None:
    row = ",".join("1" for _ in range(columns))
    with_rows(omni, ",".join(f"c{n}" for n in range(columns)) + f"\n{row}" * 5000)
    page = text_of(owner_reads.get(f"{ANSWER}queries/1/?rows=999999"))
    assert page.count("<tr>") == most + 1
    assert f"Showing {most:,} of 5,000 rows: the rest is in the CSV" in page
    assert "Show more rows" not in page
    if columns > 200:
        assert "the first 200 of 1000 columns" in page
    assert owner_reads.get(f"{ANSWER}queries/1.csv").getvalue().count(b"\n") == 5001


def test_a_query_without_rows_says_so(owner_reads: Client, omni: StandIn) -> None:
    with_rows(omni, "")
    assert "This query returned no rows." in text_of(owner_reads.get(EVIDENCE))
    assert owner_reads.get(f"{ANSWER}queries/1.csv").status_code == 404


def test_markup_in_cells_is_text(owner_reads: Client, omni: StandIn) -> None:
    with_rows(omni, "<script>alert(1)</script>\n<img src=x onerror=alert(1)>\n")
    page = text_of(owner_reads.get(EVIDENCE))
    assert '<td dir="auto">&lt;img src=x onerror=alert(1)&gt;</td>' in page
    assert "<script>alert" not in page


def test_the_download_is_whole_and_safe_in_a_spreadsheet(owner_reads: Client, omni: StandIn) -> None:
    rows = ["=1+1", "+2", "-3", "@x", "-", "a\tb", "ü", 'say "hi"', "-2+3", "\t=1"]
    text = io.StringIO()
    csv.writer(text).writerows([["what", "n"], *[[cell, "1"] for cell in rows]])
    with_rows(omni, text.getvalue())
    answer = owner_reads.get(f"{ANSWER}queries/1.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    named = f"Top-5-Products-by-Revenue-660e8400-2-{timezone.localdate():%Y-%m-%d}.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{named}"'
    back = list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [row[0] for row in back[1:]] == ["'=1+1", "+2", "-3", "'@x", "-", "a\tb", "ü", 'say "hi"', "'-2+3", "'\t=1"]


def test_the_sample_shows_a_cut_result(owner_reads: Client, omni: StandIn) -> None:
    found = conversation_named(omni, "Every return of September")
    omni._now = found.updated_at + timedelta(hours=1)
    page = text_of(owner_reads.get(f"/conversations/{found.id}/messages/2/evidence/"))
    assert "12 rows; Omni truncated the result, which has 4,812 rows in all." in page
    for line in ("First 5 rows<", "here. 3 rows sampled from the middle (rows 2,406 to 2,408)<", "here. Last 4 rows<"):
        assert line in page


def test_a_cut_result_says_which_parts_it_has(owner_reads: Client, omni: StandIn) -> None:
    rows = (
        "# FIRST 2 ROWS:\nOslo,1\nRome,2\n# SAMPLED 1 ROWS FROM MIDDLE (rows 40-40):\nCork,7\n# LAST 1 ROWS:\nBonn,9\n"
    )
    with_rows(omni, f"City,N\n{rows}", csvResultWasTruncated=True, totalRowCount=80)
    page = text_of(owner_reads.get(EVIDENCE))
    assert "4 rows; Omni truncated the result, which has 80 rows in all." in page
    assert "# FIRST" not in page
    assert "some rows have fewer cells" not in page
    for line in (
        "<span>First 2 rows</span>",
        "<span>Rows are left out here. 1 row sampled from the middle (rows 40 to 40)<",
    ):
        assert line in page
    assert "queries/1.svg" not in page
    sorted_by = text_of(owner_reads.get(f"{ANSWER}queries/1/?sort=2&down=1"))
    assert "only these rows are sorted: some rows are left out." in sorted_by
    assert "rows-section" not in sorted_by
    assert "Rows are left out here. Last row" in text_of(owner_reads.get(f"{THREAD}print/"))
    lines = owner_reads.get(f"{ANSWER}queries/1.csv").getvalue().decode("utf-8-sig").splitlines()
    assert lines[:2] == ["City,N,Part of the result", "Oslo,1,First 2 rows"]
    assert "first 2 rows, 1 row sampled" in owner_reads.get(f"{ANSWER}for-ticket.json").json()["text"]


def test_the_head_says_how_a_column_is_sorted(owner_reads: Client, omni: StandIn) -> None:
    with_rows(omni, "Day,Took,Who\n9/1/2026,1h 5m,Ann\n12/31/2025,40m,Ben\n")
    page = text_of(owner_reads.get(f"{ANSWER}queries/1/?sort=1"))
    assert 'title="Sort as dates, month first"' in page
    assert 'title="Sort as durations"' in page
    assert 'title="Sort as text"' in page
    assert '<span class="sort-as">as dates, month first</span>' in page
    assert page.index("12/31/2025") < page.index("9/1/2026")


def test_a_large_result_costs_no_more_queries(
    owner_reads: Client, omni: StandIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with_rows(omni, "a,b\n" + "1,2\n" * 50_000)
    owner_reads.get(EVIDENCE)
    with django_assert_max_num_queries(16):
        assert owner_reads.get(EVIDENCE).status_code == 200


def test_many_queries_cost_no_more(
    owner_reads: Client, omni: StandIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def edit(reply: Any) -> Any:
        return reply | {"actions": [action for action in reply["actions"] if "result" in action][:1] * 40}

    omni.fail(Fault.edit(edit), path=f"/v1/ai/jobs/{JOB}/result")
    owner_reads.get(EVIDENCE)
    with django_assert_max_num_queries(16):
        page = text_of(owner_reads.get(EVIDENCE))
    assert page.count("678,994.41") == 40


@pytest.mark.slow
def test_any_text_in_the_place_of_rows_is_shown_and_taken_along(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(EVIDENCE)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(ANY_TEXT)
    def check(text: str) -> None:
        Action.objects.filter(is_query=True).update(csv=zlib.compress(text.encode()))
        for address in (EVIDENCE, f"{ANSWER}queries/1/?sort=1&down=1", f"{ANSWER}for-ticket.json", f"{THREAD}print/"):
            assert owner_reads.get(address).status_code == 200, address
        assert owner_reads.get(f"{ANSWER}queries/1.svg").status_code in (200, 404)
        assert owner_reads.get(f"/conversations/{EXAMPLE}.zip").getvalue().startswith(b"PK")
        answer = owner_reads.get(f"{ANSWER}queries/1.csv")
        try:
            table = parsing.read(text)
        except parsing.NoTable:
            assert answer.status_code == 404
            return
        back = list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline="")))
        whole = [[column.name for column in table.columns], *table.rows]
        assert back == [[spreadsheet.defused(cell) for cell in row] for row in whole]

    check()


# The chart ------------------------------------------------------------------------------------------------


@pytest.mark.both_dialects
def test_the_chart_comes_through_us_and_is_kept(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(EVIDENCE, headers=HTMX)
    answer = owner_reads.get(f"{ANSWER}chart.png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert "no-store" in answer["Cache-Control"]
    omni.requests.clear()
    assert owner_reads.get(f"{ANSWER}chart.png").content == answer.content
    assert omni.requests == []


def test_without_a_script_the_page_knows_whether_there_is_one(owner_reads: Client, omni: StandIn) -> None:
    page = text_of(owner_reads.get(EVIDENCE))
    # Ours stands beside Omni's.
    assert f'<figcaption>Chart from Omni</figcaption> <img class="is-of-omni" src="{ANSWER}chart.png"' in page
    assert re.search(
        rf'<figcaption>Drawn from the rows</figcaption> <picture>.*?<img src="{ANSWER}queries/1.svg"', page
    )
    Chart.keep(Job.objects.get(), None)
    page = text_of(owner_reads.get(EVIDENCE))
    assert "figcaption" not in page
    assert "chart.png" not in page
    assert f'<img src="{ANSWER}queries/1.svg"' in page


@pytest.mark.parametrize("status", [422, 404])
def test_where_there_is_nothing_to_draw_there_is_no_chart(owner_reads: Client, omni: StandIn, status: int) -> None:
    owner_reads.get(EVIDENCE, headers=HTMX)
    omni.fail(Fault.status(status), path=f"/v1/ai/jobs/{JOB}/vis")
    assert owner_reads.get(f"{ANSWER}chart.png").status_code == 404
    assert "chart.png" not in text_of(owner_reads.get(EVIDENCE))
    omni.requests.clear()
    owner_reads.get(EVIDENCE)
    assert omni.requests == []


def png(width: int = 1, height: int = 1, rest: bytes = b"", end: bytes = b"\x00\x00\x00\x00IEND\xaeB`\x82") -> bytes:
    header = b"\x00\x00\x00\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + header + rest + end


BAD_CHARTS = {
    "html": b"<html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "empty": b"",
    "cut": png(end=b""),
    "no width": png(width=0),
    "a bomb": png(width=20_000, height=20_000),
    "a line": png(width=2**31),
    "too many bytes": png(rest=b"x" * (9 * 1024 * 1024)),
}


@pytest.mark.parametrize("what", BAD_CHARTS)
def test_what_is_no_picture_is_not_passed_on(owner_reads: Client, omni: StandIn, what: str) -> None:
    owner_reads.get(EVIDENCE, headers=HTMX)
    omni.fail(Fault.status(200, BAD_CHARTS[what], content_type="image/png"), path=f"/v1/ai/jobs/{JOB}/vis")
    assert owner_reads.get(f"{ANSWER}chart.png").status_code == 404
    assert not Chart.objects.exists()


# In a browser ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_under_an_answer_it_opens_sorts_and_is_copied(
    page: Page, site: str, omni: StandIn, dialect: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    # The answer is from 2025: evidence that was not captured in time is not offered.
    sign_in(page, site, at=EVIDENCE)
    page.goto(site + THREAD)
    answer = page.locator("#message-2")
    answer.get_by_text("Evidence", exact=True).click()
    table = answer.get_by_role("table")
    chart = answer.get_by_role("img", name="Chart of Top 5 Products by Revenue")
    expect(chart).to_be_visible()
    expect(chart).to_have_js_property("naturalWidth", 640)
    assert_accessible(page, "a thread with evidence open")
    answer.get_by_role("tab", name="Rows").click()
    expect(table).to_be_visible()
    assert_accessible(page, "a thread with rows open")

    # Sort by keyboard; the focus stays on the column.
    numbers = table.get_by_role("link", name="Revenue")
    numbers.focus()
    page.keyboard.press("Enter")
    expect(table.get_by_role("columnheader", name="Revenue")).to_have_attribute("aria-sort", "ascending")
    expect(numbers).to_be_focused()
    expect(table.get_by_role("row").nth(1)).to_contain_text("Hat")
    expect(page.locator(".htmx-settling, .htmx-request")).to_have_count(0)  # then htmx has taken the new links over
    page.keyboard.press("Enter")
    expect(table.get_by_role("row").nth(1)).to_contain_text("Sunglasses")

    answer.get_by_role("button", name="Copy table").click()
    expect(page.get_by_text("5 rows copied")).to_be_visible()
    copied = clipboard(page)
    assert copied[0].splitlines()[:2] == ["Product\tRevenue", "Sunglasses\t678,994.41"]
    assert "<td>Sunglasses</td><td>678,994.41</td>" in copied[1]
    text, cells = pasted(page)
    assert text.splitlines()[1] == "Sunglasses\t678,994.41"
    assert cells[:2] == [["Product", "Revenue"], ["Sunglasses", "678,994.41"]]
    assert len(cells) == 6

    with page.expect_download() as download:
        answer.get_by_role("link", name="Download CSV").click()
    assert "Sunglasses" in download.value.path().read_text("utf-8-sig")


@pytest.mark.django_db(transaction=True)
def test_the_head_of_a_long_table_stays_in_view(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 2000})
    with_rows(omni, "n\n" + "\n".join(str(n) for n in range(150)))
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    # The answer is from 2025: evidence that was not captured in time is not offered.
    sign_in(page, site, at=EVIDENCE)
    page.goto(site + THREAD)
    answer = page.locator("#message-2")
    answer.get_by_text("Evidence", exact=True).click()
    answer.get_by_role("tab", name="Rows").click()
    head, last = answer.get_by_role("columnheader", name="n"), answer.get_by_role("cell", name="149", exact=True)
    rows = answer.get_by_role("region", name="Rows of Top 5 Products by Revenue")
    rows.focus()
    page.keyboard.press("End")
    expect(last).to_be_in_viewport(ratio=1)
    expect(head).to_be_in_viewport(ratio=1)
    # The header lies on top of the rows, not under them.
    assert head.evaluate(
        """head => {
            const box = head.getBoundingClientRect();
            return head.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
        }"""
    )


@pytest.mark.django_db(transaction=True)
def test_where_omni_has_no_chart_ours_is_shown(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    omni.fail(Fault.status(422), path=f"/v1/ai/jobs/{JOB}/vis")
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    # The answer is from 2025: evidence that was not captured in time is not offered.
    sign_in(page, site, at=EVIDENCE)
    page.goto(site + THREAD)
    answer = page.locator("#message-2")
    answer.get_by_text("Evidence", exact=True).click()
    chart = answer.get_by_role("img", name="Bar chart “Top 5 Products by Revenue”")
    expect(chart).to_be_visible()
    expect(chart).to_have_js_property("naturalWidth", 760)
    expect(answer.get_by_text("Omni has no chart for this answer.")).to_be_visible()
    assert_accessible(page, "a chart of ours")


@pytest.mark.django_db(transaction=True)
def test_copied_cells_are_what_stands_there_but_for_formulas(
    page: Page, site: str, omni: StandIn, dialect: str
) -> None:
    with_rows(omni, 'what,n\n=1+1,-5\nup ▲,"-$1,200.50"\n"two\nlines",-\n-2+3,(3%)\n@x,+4\n-A$5,1\n')
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{ANSWER}queries/1/?sort=2")
    page.get_by_role("button", name="Copy table").click()
    expect(page.get_by_text("6 rows copied")).to_be_visible()
    text, cells = pasted(page)
    assert cells == [
        ["what", "n"],
        ["up ▲", "-$1,200.50"],
        ["'=1+1", "-5"],
        ["'-2+3", "(3%)"],
        ["'-A$5", "1"],
        ["'@x", "+4"],
        ["two lines", "-"],
    ]
    assert list(csv.reader(io.StringIO(text), delimiter="\t"))[6] == ["two\nlines", "-"]


def opened_rows(page: Page, site: str, omni: StandIn, text: str) -> None:
    with_rows(omni, text)
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{ANSWER}queries/1/?sort=0")


def raw_clipboard(page: Page) -> tuple[str, str]:
    """Return the text and HTML that another program would paste: a blank page without this site's policy."""
    other = page.context.new_page()
    other.set_content("<textarea></textarea>")
    other.evaluate(
        """() => document.addEventListener("paste", (event) => {
            window.got = ["text/plain", "text/html"].map((type) => event.clipboardData.getData(type));
            event.preventDefault();
        })"""
    )
    other.locator("textarea").focus()
    other.keyboard.press("Control+V")
    plain, html = other.evaluate("window.got")
    other.close()
    return plain, html


@pytest.mark.django_db(transaction=True)
def test_codes_and_dates_are_copied_as_text(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    rows = 'Zip,Day,Name,Account,N\n01234,9/1/2026,Ann,12345678901234567890,"1,200"\n00012,3-4,Ben <b>,12,5\n'
    opened_rows(page, site, omni, rows)
    page.get_by_role("button", name="Copy table").first.click()
    expect(page.get_by_text("2 rows copied")).to_be_visible()
    plain, html = raw_clipboard(page)
    assert plain.splitlines()[1] == "01234\t9/1/2026\tAnn\t12345678901234567890\t1,200"
    for cell in ("01234", "9/1/2026", "12345678901234567890", "00012", "3-4"):
        before = html.split(f">{cell}</td>")[0].rsplit("<td", 1)[1]
        assert "mso-number-format:'\\@'" in before, cell
        assert 'sdnum="1033;0;@"' in before
        assert "data-sheets-value" in before
    for cell in ("Ann", "1,200", "12", "Ben &#60;b&#62;"):
        assert f"<td>{cell}</td>" in html


@pytest.mark.django_db(transaction=True)
def test_the_parts_of_a_cut_result_are_copied_as_a_column(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    opened_rows(page, site, omni, "City,N\n# FIRST 1 ROWS:\nOslo,1\n# LAST 2 ROWS:\nRome,2\nBonn,3\n")
    page.get_by_role("button", name="Copy table").first.click()
    expect(page.get_by_text("3 rows copied")).to_be_visible()
    plain, _ = raw_clipboard(page)
    assert plain.splitlines() == [
        f"City\tN\t{parsing.SECTION_COLUMN}",
        "Oslo\t1\tFirst row",
        "Rome\t2\tLast 2 rows",
        "Bonn\t3\tLast 2 rows",
    ]


def test_an_expired_answer_has_nothing_to_open(reads: Client, small: Organization, analyst: Member) -> None:
    made = answered(small, analyst, ages=[timedelta(days=20), timedelta(days=2)])
    page = re.sub(r"\s+", " ", reads.get(f"/conversations/{made.id}/").content.decode())
    old, new = page.split('id="turn-2"')[1], page.split('id="turn-4"')[1]
    old = old.split('id="turn-3"')[0]
    assert "Omni has deleted this evidence" in old
    assert "<summary>Evidence" not in old
    assert "<summary>Evidence" in new
