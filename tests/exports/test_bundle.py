"""The evidence bundle: a thread and all its stored evidence, as one zip file."""

import csv
import hashlib
import io
import json
import re
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from conversations.models import Action, AnswerStatus, Chart, Job, JobAccess
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import credential_for, signed_in, text_of

DAY = timedelta(days=1)


def bundle(reads: Client, address: str) -> zipfile.ZipFile:
    answer = reads.get(f"{address.rstrip('/')}.zip")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(answer.getvalue()))


def manifest(zipped: zipfile.ZipFile) -> Any:
    return json.loads(zipped.read("manifest.json"))


@pytest.mark.both_dialects
def test_it_works(reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    found = answered(small, analyst, ages=[2 * DAY, DAY])
    reads.get(thread(found))
    work()
    small_omni.stop()
    zipped = bundle(reads, thread(found))
    assert zipped.namelist() == [
        "thread.md",
        "thread.json",
        "thread.html",
        "answer-002/query-01-orders-by-month.csv",
        "answer-002/chart.png",
        "answer-004/query-01-orders-by-month.csv",
        "answer-004/chart.png",
        "manifest.json",
    ]
    rows = list(csv.reader(io.StringIO(zipped.read("answer-002/query-01-orders-by-month.csv").decode("utf-8-sig"))))
    assert rows == [["Month", "Orders"], ["2026-01", "10"], ["2026-02", "20"], ["2026-03", "1,030"]]
    assert zipped.read("answer-004/chart.png").startswith(b"\x89PNG")
    assert json.loads(zipped.read("thread.json"))["id"] == str(found.id)
    assert b"1,030" in zipped.read("thread.html")
    said = manifest(zipped)
    assert said["exportedBy"] == "owner"
    assert said["conversation"]["address"] == f"http://testserver{thread(found)}"
    assert [answer["state"] for answer in said["answers"]] == ["kept", "kept"]
    job = Job.objects.order_by("pk")[0]
    query = said["answers"][0]["queries"][0]
    assert query["query"] == {"table": "orders", "fields": ["orders.month", "orders.count"]}
    assert query["file"] == "answer-002/query-01-orders-by-month.csv"
    assert {row["fetchedAt"][:16] for row in said["files"][3:]} == {f"{job.kept_at:%Y-%m-%dT%H:%M}"}


def test_every_file_stands_in_the_manifest_with_its_checksum(
    reads: Client, small: Organization, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[2 * DAY, DAY])
    reads.get(thread(found))
    work()
    zipped = bundle(reads, thread(found))
    assert zipped.testzip() is None
    listed = {row["name"]: row for row in manifest(zipped)["files"]}
    assert set(listed) | {"manifest.json"} == set(zipped.namelist())
    for name, row in listed.items():
        body = zipped.read(name)
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
        assert row["bytes"] == len(body)
        assert row["fetchedAt"]
        assert row["what"]


def test_what_is_not_in_it_is_named_with_the_reason(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[20 * DAY, DAY])
    reads.get(thread(found))
    answers = manifest(bundle(reads, thread(found)))["answers"]
    assert [(row["message"], row["state"], row["why"]) for row in answers] == [
        (2, "expired", AnswerStatus.EXPIRED.sentence),
        (4, "at-omni", AnswerStatus.DUE.sentence),
    ]
    failed = answered(small, analyst, ages=[DAY], state="FAILED", error="No such column")
    reads.get(thread(failed))
    work()
    answers = manifest(bundle(reads, thread(failed)))["answers"]
    assert [(row["state"], row["why"], row["said"]) for row in answers] == [
        ("failed", "The job failed", "No such column: The query was stopped. (QUERY_FAILED)")
    ]


def test_where_omni_has_no_chart_ours_is_in_it(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    assert found.messages[1].job
    found.messages[1].job.chart = False
    reads.get(thread(found))
    work()
    zipped = bundle(reads, thread(found))
    assert "answer-002/chart.png" not in zipped.namelist()
    assert zipped.read("answer-002/drawing-1.svg").startswith(b"<svg")
    assert b'src="data:image/svg+xml;base64,' in zipped.read("thread.html")
    assert f'src="{thread(found)}messages/2/queries/1.svg"' in text_of(reads.get(f"{thread(found)}print/"))


def test_it_asks_omni_for_nothing_more(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.requests.clear()
    bundle(reads, thread(found))
    assert small_omni.requests == []


def test_who_may_not_read_the_conversation_gets_none(
    reads: Client, stranger: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Else", "else@small.example")))
    for address in (f"/conversations/{found.id}.zip", f"/conversations/{found.id}.html", f"{thread(found)}print/"):
        answer = signed_in(stranger).get(address)
        assert answer.status_code == 404
        assert b"Orders by month" not in answer.content
    noted = Event.objects.filter(who="stranger").values_list("kind", "result")
    assert list(noted) == [("exported", "not-shown")] * 3


def test_no_token_is_in_it(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    zipped = bundle(reads, thread(found))
    for name in zipped.namelist():
        assert b"omni_pat" not in zipped.read(name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../etc/passwd", "query-01-etc-passwd.csv"),
        ("C:\\Windows\\x", "query-01-c-windows-x.csv"),
        ("CON", "query-01-con.csv"),
        ("", "query-01.csv"),
        ("收入", "query-01.csv"),
        ("a" * 300, f"query-01-{'a' * 50}.csv"),
        ("<b>\u202egnp.exe</b>", "query-01-b-gnp-exe-b.csv"),
    ],
)
def test_file_names_are_safe_everywhere(
    reads: Client, small: Organization, analyst: Member, name: str, file: str
) -> None:
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    job.actions = (Step("generate_query", "", name, {"table": "t"}, [["a", "n"], ["b", "1"]]),)
    reads.get(thread(found))
    work()
    assert f"answer-002/{file}" in bundle(reads, thread(found)).namelist()


def test_formulas_in_its_csv_are_defused(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    job.actions = (Step("generate_query", "", "Q", {"table": "t"}, [["a", "n"], ["=1+1", "-5"]]),)
    reads.get(thread(found))
    work()
    assert b'"\'=1+1","-5"' in bundle(reads, thread(found)).read("answer-002/query-01-q.csv")


def test_what_is_no_table_is_taken_along_as_it_is(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    action = Action.objects.get()
    action.csv = Action._meta.get_field("csv").get_default()
    action.save()
    zipped = bundle(reads, thread(found))
    assert "file" not in manifest(zipped)["answers"][0]["queries"][0]


@pytest.mark.slow
def test_large_results_are_streamed(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 5)])
    for message in found.messages[1::2]:
        assert message.job
        rows = [["a", "b"], *[[f"row {n} of many that are not alike", str(n * 7919)] for n in range(50_000)]]
        message.job.actions = (Step("generate_query", "", "Big", {"table": "t"}, rows),)
    reads.get(thread(found))
    work()
    reads.get(f"{thread(found)}print/")
    answer = reads.get(f"/conversations/{found.id}.zip")
    assert answer.streaming
    tracemalloc.start()
    size, sizes = 0, []
    for piece in answer.streaming_content:  # type: ignore[attr-defined]
        size += len(piece)
        sizes.append(len(piece))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(sizes) < 3_000_000
    assert len(sizes) > 20
    whole = sum(len(action.text) for action in Action.objects.all())
    assert whole > 7_000_000
    assert peak < 12 * whole, "not all of the tables at a time"


def test_a_long_thread_costs_few_queries(
    reads: Client,
    small: Organization,
    analyst: Member,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 61)])
    reads.get(thread(found))
    work()
    assert Chart.objects.count() == 60
    with django_assert_max_num_queries(64):
        zipped = bundle(reads, thread(found))
    assert len(zipped.namelist()) == 124


def test_its_name_says_conversation_and_date(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    day = f"{datetime.now(UTC) - DAY:%Y-%m}"
    for extension in ("zip", "html"):
        named = reads.get(f"/conversations/{found.id}.{extension}")["Content-Disposition"]
        assert re.fullmatch(
            rf'attachment; filename="(orders-by-month|how-many-orders-in-month-0)-{day}-\d\d\.{extension}"', named
        )


def test_it_ends_with_what_may_still_be_read_where_omni_stops_showing_the_thread(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file is sent, another page asks Omni and is refused."""
    monkeypatch.setattr("conversations.exports.bundle.RIGHTS_LAST", timedelta(0))
    found = answered(small, analyst, ages=[3 * DAY, 2 * DAY, DAY])
    reads.get(thread(found))
    work()
    answer = reads.get(f"{thread(found).rstrip('/')}.zip")
    pieces = iter(answer)
    sent = b""
    while b"answer-002/chart.png" not in sent:
        sent += next(pieces)
    small.permissions.deny("thread", id=found.id)
    assert reads.get(f"{thread(found)}?refresh=1", follow=True).status_code == 404
    zipped = zipfile.ZipFile(io.BytesIO(sent + b"".join(pieces)))
    assert zipped.testzip() is None
    assert [name for name in zipped.namelist() if name.startswith("answer")] == [
        "answer-002/query-01-orders-by-month.csv",
        "answer-002/chart.png",
    ]
    why = "Omni stopped showing you this conversation while the file was made."
    assert json.loads(zipped.read("not-included.json")) == {"4": why, "6": why}
    said = manifest(zipped)
    assert said["withdrawn"] == why
    assert [(row["state"], row.get("why")) for row in said["answers"]] == [("kept", None), *[("not-shown", why)] * 2]


def test_an_answer_whose_job_omni_refuses_meanwhile_is_left_out(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.exports.bundle.RIGHTS_LAST", timedelta(0))
    found = answered(small, analyst, ages=[3 * DAY, 2 * DAY, DAY])
    reads.get(thread(found))
    work()
    pieces = iter(reads.get(f"{thread(found).rstrip('/')}.zip"))
    sent = b""
    while b"answer-002/chart.png" not in sent:
        sent += next(pieces)
    [_, job_id, _] = list(Job.objects.order_by("finished_at").values_list("omni_id", flat=True))
    JobAccess.objects.filter(job_id=job_id).update(job_refused_at=datetime.now(UTC))
    zipped = zipfile.ZipFile(io.BytesIO(sent + b"".join(pieces)))
    said = manifest(zipped)
    assert [row["state"] for row in said["answers"]] == ["kept", "not-shown", "kept"]
    assert not any(name.startswith("answer-004") for name in zipped.namelist())
    assert "withdrawn" not in said
