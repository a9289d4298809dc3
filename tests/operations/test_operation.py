"""Running the site: logs, probes, metrics, and pages while the database is down."""

import contextlib
import io
import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from conversations.models import SentRequest, TokenBudget
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import StandIn
from omniviewer.operations import logs, metrics
from omniviewer.operations.log_configuration import configuration
from omniviewer.operations.logs import Line, Scrubbed
from omniviewer.operations.metric_files import ReservedDict
from tests.conftest import EXAMPLE, credential_for, signed_in, text_of
from tests.operations.test_house import PRODUCTION, run
from tests.programs import free_port, missing
from tests.serving import ROOT, Site, serve

THREAD = f"/conversations/{EXAMPLE}/"
TOKEN = "who may read the counts"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Return a function that reads the lines that the site's own handler has written so far."""
    console = next(handler for handler in logging.getLogger().handlers if isinstance(handler.formatter, Line))
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    # Not by `setStream`, which flushes the stream before: one that another test captured may be closed by now.
    outside, console.stream = console.stream, written
    with caplog.at_level(logging.INFO):
        yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    console.stream = outside


@pytest.fixture
def production(settings: Settings) -> None:
    """Have the site check the Host header and redirect to https."""
    settings.ALLOWED_HOSTS = ["omniviewer.example.com"]
    settings.SECURE_SSL_REDIRECT = True


# Logs -----------------------------------------------------------------------------------------------------


def test_a_request_is_one_line(owner: User, lines: Lines) -> None:
    answer = signed_in(owner).get(THREAD + "?q=salaries")
    [line] = [line for line in lines() if line["logger"] == "omniviewer.page"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 <= line.pop("ms") < 10_000
    assert line == {
        "level": "INFO",
        "logger": "omniviewer.page",
        "event": "page",
        "request_id": answer["X-Request-ID"],
        "user_id": owner.pk,
        "route": "conversations/<uuid:omni_id>/",
        "method": "GET",
        "status": answer.status_code,
    }


@pytest.mark.parametrize("given", ["req-2026.10_12", "a" * 8, "a" * 64])
def test_the_proxys_request_id_is_taken(db: None, lines: Lines, given: str) -> None:
    assert Client().get("/sign-in/", headers={"X-Request-ID": given})["X-Request-ID"] == given
    assert [line["request_id"] for line in lines()] == [given]


BAD_IDS = ["", "short", "a" * 65, "with space", "new\nline-1", "newline-\n", 'quote"-1', "ümlaut-1"]


@pytest.mark.parametrize("given", BAD_IDS)
def test_no_other_request_id_is(db: None, lines: Lines, given: str) -> None:
    client = Client()
    ids = {client.get("/sign-in/", headers={"X-Request-ID": given})["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
    assert {line["request_id"] for line in lines()} == ids


def test_other_lines_of_a_request_carry_its_id_and_its_reader(
    owner: User, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = logging.getLogger("omniviewer.upstream")

    def ask(*_: object) -> list[str]:
        upstream.info("asked", extra={"outcome": "200"})
        return []

    monkeypatch.setattr("omniviewer.accounts.models.CredentialQuerySet.owned_by", ask)
    client = signed_in(owner)
    client.raise_request_exception = False
    answer = client.get("/credentials/")
    asked = next(line for line in lines() if line["logger"] == "omniviewer.upstream")
    assert (asked["event"], asked["outcome"]) == ("asked", "200")
    assert (asked["request_id"], asked["user_id"]) == (answer["X-Request-ID"], owner.pk)
    upstream.info("asked")
    assert not {"request_id", "user_id"} & lines()[-1].keys()


def test_who_just_signed_in_stands_in_the_line(owner: User, lines: Lines) -> None:
    Client().post("/sign-in/", {"username": "owner", "password": "correct horse battery"})
    said = [(line["logger"], line["user_id"]) for line in lines()]
    assert said == [("omniviewer.audit", owner.pk), ("omniviewer.page", owner.pk)]


def test_a_fault_is_one_line_with_its_traceback_and_without_the_address(
    owner: User, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.archive.threads.open", lambda *_, **__: 1 / 0)
    client = signed_in(owner)
    client.raise_request_exception = False
    client.get(THREAD + "?q=salaries")
    fault, page = lines()
    assert fault["event"] == "Internal Server Error: conversations/<uuid:omni_id>/"
    assert "ZeroDivisionError" in fault["exc_info"]
    assert fault["request_id"] == page["request_id"]
    assert page["status"] == 500
    assert EXAMPLE not in str(fault | page)
    assert "salaries" not in str(fault | page)


def test_no_line_tells_what_was_looked_for(owner: User, lines: Lines) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for address in (THREAD, "/nowhere/secret-id/", f"/chat/{EXAMPLE}", "/conversations/"):
        client.get(address + "?q=salaries")
        client.post(address + "?q=salaries", {"note": "salaries"})
        client.get(address + "?q=salaries", headers={"Host": "evil.example"})
    said = lines()
    assert {line["route"] for line in said if line["event"] == "page"} >= {"unknown", "chat/<uuid:omni_id>"}
    assert {line["logger"] for line in said} >= {"django.security.csrf", "django.security.DisallowedHost"}
    for line in said:
        assert not re.search(rf"{EXAMPLE}|secret-id|salaries", json.dumps(line)), line


def test_static_files_and_probes_are_no_lines(db: None, lines: Lines) -> None:
    for address in ("/static/css/base.css", "/healthz", "/readyz", "/metrics"):
        Client().get(address).getvalue()
    assert lines() == []


def test_nor_does_gunicorns_of_a_request_that_broke(lines: Lines) -> None:
    broken = logging.getLogger("gunicorn.error")
    broken.error("Error handling request %s", THREAD + "?q=salaries", exc_info=ValueError("of its own"))
    assert lines()[0]["event"] == "Error handling request unknown"


def test_times_are_utc_wherever_the_machine_is(db: None, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        Client().get("/sign-in/")
        written = datetime.fromisoformat(lines()[0]["time"])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)


def test_a_line_does_not_ask_who_reads(lines: Lines) -> None:
    """A log line names the reader only if the page looked them up anyway, because that takes a query."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: pytest.fail("looked up"))  # type: ignore[assignment]
        return HttpResponse()

    logs.requests(answer)(RequestFactory().get("/sign-in/"))
    assert "user_id" not in lines()[0]


def refused() -> DatabaseError:
    """Return a database error whose words quote the statement."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT " + "".join(("zebra", "quagga")))  # source lines stand in a traceback
    except DatabaseError as error:
        return error
    pytest.fail("it was not refused")


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("form", ["json", "plain"])
def test_what_a_database_says_is_left_out(db: None, form: str) -> None:
    formatters = configuration("INFO", is_development=False)["formatters"]
    formatter = Line() if form == "json" else Scrubbed(formatters["plain"]["fmt"])
    assert formatters["plain"]["()"] == "omniviewer.operations.logs.Scrubbed"
    own = refused()
    assert "zebraquagga" in str(own)
    quoting = raised(ValueError(f"could not keep it: {own}"), own)
    grouped = raised(ExceptionGroup("of several", [ValueError("well"), quoting]))
    assert own.__cause__
    for error in (own, quoting, grouped, own.__cause__):
        shown = (type(error), error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "It says %s", (error,), shown)
        # Another handler has stored the full traceback before.
        record.exc_text = str(error)
        line = formatter.format(record)
        assert "zebraquagga" not in line
        assert "what the database said is left out" in line
        assert "OperationalError (SQLITE_ERROR)" in line or "UndefinedColumn (42703)" in line
        # The traceback still names the function that failed.
        assert "in refused" in line or error is own.__cause__
        assert "zebraquagga" in str(error) or error is grouped


def test_other_errors_keep_their_words_and_so_does_a_missing_connection(lines: Lines) -> None:
    log = logging.getLogger("omniviewer.test")
    away = raised(OperationalError("connection refused at 10.0.0.7"), psycopg.OperationalError("connection refused"))
    for error, said in (
        (raised(KeyError("name"), ValueError("own words")), "own words"),
        (away, "refused at 10.0.0.7"),
    ):
        log.error("It says %s", error.args[0], exc_info=error)
        line = lines()[-1]
        assert said in line["exc_info"]
        assert "The above exception was the direct cause of the following exception:" in line["exc_info"]


# Probes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "evil.example", "not a host!"])
def test_probes_answer_whoever_asks_by_whatever_name(db: None, production: None, host: str) -> None:
    client = Client(headers={"Host": host})
    assert client.get("/sign-in/").status_code in (301, 400)
    assert client.get("/healthz").content == b"ok\n"
    ready = client.get("/readyz")
    assert ready.status_code == 200
    parts = ["database", "migrations", "static files", "cache", "disk", "version", "writing", "clock"]
    parts += ["encryption keys", "secret key", "worker"]
    assert ready.content.decode() == "".join(["ready\n", *(f"{part}: ok\n" for part in parts)])
    assert ready["Content-Type"] == "text/plain"
    assert "no-store" in ready["Cache-Control"]


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_only_read(db: None, address: str) -> None:
    assert Client().post(address).status_code == 405
    assert Client().head(address).status_code in (200, 404)


def test_the_process_is_healthy_whatever_the_database_does() -> None:
    """Without the fixture `db` a query fails the test."""
    assert Client().get("/healthz").content == b"ok\n"


def test_it_is_not_ready_while_a_migration_is_missing(db: None) -> None:
    recorder = MigrationRecorder(connection)
    last = max(name for app, name in recorder.applied_migrations() if app == "conversations")
    recorder.record_unapplied("conversations", last)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    said = answer.content.decode()
    assert said.startswith("unready\ndatabase: ok\n")
    assert f"migrations: 1 not applied, conversations.{last} first: run omniviewer migrate\n" in said


def test_it_is_ready_but_degraded_without_its_shared_cache(db: None, settings: Settings) -> None:
    pytest.importorskip("django_redis")
    address = f"redis://:hunter2@127.0.0.1:{free_port()}/0"
    for ignored in (True, False):
        options = {"IGNORE_EXCEPTIONS": ignored, "SOCKET_CONNECT_TIMEOUT": 0.5}
        settings.CACHES = {
            "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": address, "OPTIONS": options}
        }
        answer = Client().get("/readyz")
        assert answer.status_code == 200
        said = answer.content.decode()
        assert said.startswith("degraded\ndatabase: ok\nmigrations: ok\nstatic files: ok\ncache: ")
        assert "; pages do without\ndisk: ok\n" in said
        assert "hunter2" not in said


def told_by_readyz() -> tuple[int, str, dict[str, str]]:
    answer = Client().get("/readyz")
    state, *lines = answer.content.decode().splitlines()
    return answer.status_code, state, dict(line.split(": ", 1) for line in lines)


def a_task(**fields: Any) -> "DBTaskResult[Any, Any]":
    row = {
        "task_path": "conversations.tasks.sync",
        "args_kwargs": {"args": [], "kwargs": {}},
        "backend_name": "default",
    }
    return DBTaskResult.objects.create(**row, exception_class_path="", **fields)


def test_it_is_degraded_where_no_key_decrypts_what_is_stored(owner: User, omni: StandIn, settings: Settings) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    assert told_by_readyz()[1] == "ready"
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    status, state, parts = told_by_readyz()
    assert (status, state) == (200, "degraded")
    assert parts["encryption keys"].startswith("None of the keys in OMNIVIEWER_ENCRYPTION_KEYS decrypts this token.")


def test_it_is_not_ready_without_the_static_files(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    backend = "omniviewer.static_storage.PublicStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": backend}}
    status, state, parts = told_by_readyz()
    assert (status, state) == (503, "unready")
    assert parts["static files"] == "not collected: run omniviewer collectstatic, and restart"


def test_it_is_degraded_while_no_worker_runs_and_pages_say_so(owner_reads: Client, settings: Settings) -> None:
    settings.SYNC = "all"
    cache.clear()
    waiting = a_task(run_after=timezone.now() - timedelta(minutes=4))
    assert told_by_readyz()[2]["worker"] == "ok"
    page = text_of(owner_reads.get("/conversations/"))
    assert "is not running" not in page
    cache.clear()
    DBTaskResult.objects.filter(pk=waiting.pk).update(run_after=timezone.now() - timedelta(minutes=6))
    status, state, parts = told_by_readyz()
    assert (status, state) == (200, "degraded")
    assert re.fullmatch(r"no task has ever ended, and \d+ wait: start omniviewer worker", parts["worker"])
    for address in ("/conversations/", "/conversations/?q=orders", "/insights/"):
        page = text_of(owner_reads.get(address))
        assert "The background sync is not running: none of its tasks has ever run." in page
        assert "Tell the people who run this site that no worker is running." in page
    settings.METRICS_TOKEN = TOKEN
    told = scraped(Client())
    assert told["omniviewer_tasks_waiting",] >= 1
    assert told["omniviewer_last_task_age_seconds",] == math.inf
    cache.clear()
    ended_at = timezone.now() - timedelta(hours=24)
    DBTaskResult.objects.exclude(pk=waiting.pk).delete()
    a_task(status=TaskResultStatus.SUCCESSFUL, finished_at=ended_at, run_after=ended_at)
    assert "is not running: its last task ended" in text_of(owner_reads.get("/conversations/"))
    assert 86_300 < scraped(Client())["omniviewer_last_task_age_seconds",] < 86_500
    settings.SYNC = "off"
    assert "is not running" not in text_of(owner_reads.get("/conversations/"))


def test_a_worker_that_is_busy_with_something_long_does_not_stand_still(db: None) -> None:
    long_ago = timezone.now() - timedelta(minutes=6)
    for status, began in ((TaskResultStatus.READY, None), (TaskResultStatus.RUNNING, long_ago)):
        a_task(status=status, started_at=began, run_after=long_ago)
    assert told_by_readyz()[2]["worker"] == "ok"
    DBTaskResult.objects.filter(status=TaskResultStatus.RUNNING).update(started_at=timezone.now() - timedelta(hours=1))
    assert told_by_readyz()[2]["worker"].startswith("no task has ever ended")


# The site's own database away -----------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database that does not exist."""
    if request.param == "sqlite":
        (tmp_path / "hunter2.sqlite3").mkdir()
        return f"sqlite:///{tmp_path / 'hunter2.sqlite3'}"
    pytest.importorskip("psycopg")
    return f"postgres://site:hunter2@127.0.0.1:{free_port()}/site"


@pytest.mark.django_db(transaction=True)
def test_pages_say_that_the_database_is_away_and_keep_the_reader_signed_in(
    owner: User, tmp_path: Path, away: str
) -> None:
    with serve(tmp_path, DATABASE_URL=away) as site:
        answer = site.reader(owner).get(site.url + "/conversations/?q=salaries", timeout=30)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "10"
        assert "Omniviewer cannot reach its own database" in answer.text
        assert "Set-Cookie" not in answer.headers
        ready = requests.get(site.url + "/readyz", timeout=30)
        assert ready.status_code == 503
        assert ready.text == (
            "unready\ndatabase: cannot be queried (OperationalError)\nmigrations: not known\n"
            "static files: ok\ncache: ok\ndisk: ok\n"
        )
        assert requests.get(site.url + "/healthz", timeout=30).status_code == 200
        said = [json.loads(line) for line in site.log.splitlines()]
    fault, probe = [line for line in said if line["level"] == "ERROR"]
    assert fault["event"] == "the database is away or busy"
    assert "exc_info" not in fault
    assert "OperationalError" in fault["error"]
    assert probe["event"] == "Service Unavailable: readyz"
    assert "salaries" not in str(said)
    if away.startswith("postgres"):
        assert "hunter2" not in str(said)


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (OperationalError("database is locked"), 503, "The database is unavailable or busy"),
        (InterfaceError("connection already closed"), 503, "The database is unavailable or busy"),
        (DataError("out of range"), 500, "Something went wrong"),
        (ZeroDivisionError(), 500, "Something went wrong"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_busy_database_is_no_fault_of_the_code(
    owner: User, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("omniviewer.accounts.models.CredentialQuerySet.owned_by", fail)
    client = signed_in(owner)
    client.raise_request_exception = False
    answer = client.get("/credentials/")
    assert answer.status_code == status
    assert sentence in answer.content.decode()
    assert ("Retry-After" in answer.headers) is (status == 503)


# Metrics --------------------------------------------------------------------------------------------------


def counts_in(text: str) -> dict[tuple[str, ...], float]:
    """Return values by metric name and label values (in the order of the labels' names), without buckets."""
    return {
        (sample.name, *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def scraped(client: Client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return counts_in(answer.content.decode())


def test_there_are_no_metrics_without_a_token() -> None:
    for shown in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}"):
        assert Client().get("/metrics", headers={"Authorization": shown}).status_code == 404
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer ü"])
def test_metrics_are_for_whoever_shows_the_token(db: None, settings: Settings, production: None, shown: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = Client().get("/metrics", headers={"Authorization": shown, "Host": "10.0.0.7"})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert b"omniviewer" not in answer.content
    assert scraped(Client(headers={"Host": "10.0.0.7"}))


def test_it_counts(settings: Settings, db: None) -> None:
    settings.METRICS_TOKEN = TOKEN
    client = Client()
    before = scraped(client)
    for outcome, seconds in (("200", 0.2), ("200", 0.3), ("timeout", 20.0)):
        metrics.upstream("conversation", outcome, seconds)
    for state in ("fresh", "fresh", "stale", "asked", "stretched"):
        metrics.page_from(state)
    client.get(THREAD)
    client.get("/nowhere/1/")
    client.get("/nowhere/2/")
    after = scraped(client)
    risen = {key: round(value - before.get(key, 0), 6) for key, value in after.items() if value != before.get(key)}
    assert 0 < risen.pop(("omniviewer_page_seconds_sum", "conversations/<uuid:omni_id>/", "302")) < 10
    assert 0 < risen.pop(("omniviewer_page_seconds_sum", "unknown", "404")) < 10
    assert risen == {
        ("omniviewer_upstream_requests_total", "200", "conversation"): 2,
        ("omniviewer_upstream_requests_total", "timeout", "conversation"): 1,
        ("omniviewer_upstream_seconds_count", "conversation"): 3,
        ("omniviewer_upstream_seconds_sum", "conversation"): 20.5,
        ("omniviewer_kept_pages_total", "fresh"): 2,
        ("omniviewer_kept_pages_total", "stale"): 1,
        ("omniviewer_kept_pages_total", "asked"): 1,
        ("omniviewer_kept_pages_total", "stretched"): 1,
        ("omniviewer_page_seconds_count", "conversations/<uuid:omni_id>/", "302"): 1,
        ("omniviewer_page_seconds_count", "unknown", "404"): 2,
    }


def test_what_is_left_of_a_budget_is_asked_for_at_each_scrape(
    settings: Settings, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(metrics._measured, "gauges", {})
    left: dict[tuple[str, ...], float] = {("3f2a91c0",): 54}
    metrics.add_gauge(metrics.Gauge("omniviewer_budget_left", "Requests left.", lambda: left, ("token",)))
    assert scraped(Client())["omniviewer_budget_left", "3f2a91c0"] == 54
    left["3f2a91c0",] = 12
    assert scraped(Client())["omniviewer_budget_left", "3f2a91c0"] == 12

    def away() -> dict[tuple[str, ...], float]:
        raise OperationalError("the database is away")

    def measured_later() -> dict[tuple[str, ...], float]:
        raise AssertionError("It would wait for a connection once more.")

    metrics.add_gauge(metrics.Gauge("omniviewer_budget_left", "Requests left.", away, ("token",)))
    metrics.add_gauge(metrics.Gauge("omniviewer_later", "Measured after it.", measured_later))
    metrics.page_from("fresh")
    after = scraped(Client())
    assert ("omniviewer_kept_pages_total", "fresh") in after
    assert not [key for key in after if key[0] == "omniviewer_budget_left"]


def pages_counted(site: Site) -> float:
    """Return the number of pages counted, asked on a new connection, so that any worker may answer."""
    answer = requests.get(site.url + "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    return counts_in(answer.text)["omniviewer_page_seconds_count", "sign-in/", "200"]


@pytest.mark.django_db(transaction=True)
def test_the_counts_of_all_workers_add_up(tmp_path: Path) -> None:
    kept = tmp_path / "counts"
    kept.mkdir()
    (kept / "histogram_1.db").write_bytes(b"left by a process before")
    with serve(tmp_path, OMNIVIEWER_METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(kept)) as site:
        nobody, sent = requests.Session(), 0
        while sent < 20 or (len(workers_in(kept)) < 2 and sent < 400):
            assert {answer.status_code for answer in site.get_all(nobody, ["/sign-in/"] * 20)} == {200}
            sent += 20
        assert len(workers_in(kept)) == 2
        assert [pages_counted(site) for _ in range(8)] == [sent] * 8
        os.kill(workers_in(kept)[0], signal.SIGKILL)
        for _ in range(100):
            if site.log.count("Booting worker") > 2:
                break
            time.sleep(0.1)
        requests.get(site.url + "/sign-in/", timeout=30)
        assert [pages_counted(site) for _ in range(8)] == [sent + 1] * 8
    # A counter that falls would make Prometheus count the rest of it, such as the workers', once more.
    for number in (2, 3):
        with serve(tmp_path, OMNIVIEWER_METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(kept)) as site:
            requests.get(site.url + "/sign-in/", timeout=30)
            assert pages_counted(site) == sent + number
            assert len(list(kept.glob("histogram_*.db"))) == 2


def workers_in(folder: Path) -> list[int]:
    """Return the process ids of workers that have counted a page."""
    names = [file.stem.split("_")[1] for file in folder.glob("histogram_*.db")]
    return sorted(int(name) for name in names if name.isdigit())


@pytest.mark.django_db(transaction=True)
def test_pages_do_without_a_place_to_count(tmp_path: Path) -> None:
    kept = tmp_path / "counts"
    with serve(tmp_path, OMNIVIEWER_METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(kept)) as site:
        kept.rmdir()
        assert requests.get(site.url + "/sign-in/", timeout=30).status_code == 200


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system that is soon full. Skip the test if this process may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        missing("A file system that may be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", ["64k", "256k"])
def test_a_full_disk_costs_counts_and_no_process(tmp_path: Path, size: str) -> None:
    """The disk is full from the start, or fills up with the files. The library alone would die of SIGBUS."""
    with small_disk(tmp_path / "counts", size) as kept:
        environment = {"OMNIVIEWER_METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(kept)}
        with serve(tmp_path, environment, workers=1) as site:
            if size != "64k":
                assert requests.get(site.url + "/sign-in/", timeout=30).status_code == 200
                assert "metrics: ok" in requests.get(site.url + "/readyz", timeout=30).text
            with contextlib.suppress(OSError), (kept / "other").open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            for number in range(400):
                address = ("/sign-in/", f"/nowhere/{number}/", "/signed-out/")[number % 3]
                assert (
                    requests.request("POST" if number % 2 else "GET", site.url + address, timeout=30).status_code < 500
                )
            ready = requests.get(site.url + "/readyz", timeout=30)
            assert ready.status_code == 200
            assert ready.text.startswith("degraded\n")
            assert "metrics: their folder cannot be written (No space left on device): counts are lost" in ready.text
            assert site.log.count("Booting worker") == 1
            (kept / "other").unlink()
            assert "metrics: ok" in requests.get(site.url + "/readyz", timeout=30).text


@pytest.mark.parametrize("place", ["file", "memory"])
def test_a_file_of_counts_grows_and_keeps_what_it_counted(tmp_path: Path, place: str) -> None:
    with small_disk(tmp_path / "disk", "96k" if place == "memory" else "8m") as kept:
        counts: Any = ReservedDict(str(kept / "counter_1.db"))
        names = [f"name {number} {'x' * 400}" for number in range(1000)]
        for value, name in enumerate(names):
            counts.write_value(name, value, 0.0)
        assert [counts.read_value(name)[0] for name in names] == list(range(1000))
        library: Any = MmapedDict
        stored = list(library.read_all_values_from_file(str(kept / "counter_1.db")))
        assert (len(stored) == 1000) is (place == "file")
        counts.close()
        if place == "file":
            again: Any = ReservedDict(str(kept / "counter_1.db"))
            assert [again.read_value(name)[0] for name in names[:3]] == [0, 1, 2]
            again.close()


@pytest.mark.django_db(transaction=True)
def test_a_workers_counts_outlive_a_restart_of_the_site(tmp_path: Path) -> None:
    kept = tmp_path / "counts"
    kept.mkdir()
    of_worker, of_dead = kept / f"counter_{os.getpid()}.db", kept / "counter_999999999.db"
    mine: Any = ReservedDict(str(of_worker))
    of_dead.write_bytes(of_worker.read_bytes())
    with serve(tmp_path, OMNIVIEWER_METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(kept)):
        assert of_worker.exists()
        assert not of_dead.exists()
    mine.close()


@pytest.mark.django_db(transaction=True)
def test_without_a_token_nothing_is_written_for_metrics(tmp_path: Path) -> None:
    kept = tmp_path / "counts"
    kept.mkdir()
    with serve(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(kept)) as site:
        assert requests.get(site.url + "/sign-in/", timeout=30).status_code == 200
    assert not any(kept.iterdir())


def test_a_token_alone_makes_the_workers_count_together() -> None:
    code = "import os, omniviewer.serving, prometheus_client.values as how; print(how.ValueClass, *os.environ.items())"
    done = run(sys.executable, "-c", code, env={**PRODUCTION, "OMNIVIEWER_METRICS_TOKEN": TOKEN})
    assert "MmapedValue" in done.stdout, done.stderr
    assert f"('PROMETHEUS_MULTIPROC_DIR', '{ROOT}/.data/metrics')" in done.stdout


def test_metrics_tell_what_is_left_of_each_tokens_budget(
    owner_reads: Client, omni: StandIn, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "for the scrape"
    settings.RATE_PER_MINUTE = 60
    SentRequest.objects.all().delete()
    owner_reads.get(f"/conversations/{EXAMPLE}/")
    told = Client().get("/metrics", headers={"Authorization": "Bearer for the scrape"}).content.decode()
    left = re.findall(r'omniviewer_budget_left\{token="([0-9a-f]{8})"\} (\S+)', told)
    assert [count for _, count in left] == ["53.0"]
    assert TokenBudget.objects.get().token.startswith(left[0][0])


@pytest.mark.django_db(transaction=True)
def test_nobody_steers_gunicorn_by_a_socket(tmp_path: Path) -> None:
    """No process of the site listens on a named socket of the machine's."""
    with serve(tmp_path) as site:
        lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
        named = {f"socket:[{line[6]}]": line[7] for line in lines if len(line) > 7}
        open_files = [link for pid in (site.pid, *site.workers) for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert [named[str(link.readlink())] for link in open_files if str(link.readlink()) in named] == []
