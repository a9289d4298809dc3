"""`manage.py demo`, as its user runs it: a process of its own, in a fresh copy of the project."""

import contextlib
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from omniviewer.demo.ports import take_port
from tests.demo_process import copy_project, read_until, running, site_of, start, stop
from tests.programs import free_port


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("clone") / "omniviewer")


@pytest.fixture(scope="module")
def filled(checkout: Path) -> str:
    """Start the demo for the first time, until it has filled its archive; return what it said."""
    with running(checkout, "--no-browser") as (process, said):
        if "The archive is filled" in said:
            return said
        assert "The archive is still being filled" in said
        return said + read_until(process, "The archive is filled")


@pytest.fixture
def demo(checkout: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = start(checkout)
    said = read_until(process, "Ctrl-C")
    yield process, said
    if process.poll() is None:
        stop(process)


def omni_of(said: str) -> str:
    found = re.search(r"stand-in Omni runs at\s+(http://127\.0\.0\.1:\d+)/api", said)
    assert found, said
    return found.group(1)


def gone(address: str) -> bool:
    port = int(address.rsplit(":", 1)[1])
    for _ in range(50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.1)
    return False


def continue_as(site: str, person: str) -> requests.Session:
    session = requests.Session()
    page = session.get(f"{site}/sign-in/", timeout=20).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    fields = {"csrfmiddlewaretoken": token.group(1), "person": person}
    session.post(f"{site}/demo/continue/", data=fields, headers={"Referer": site}, timeout=20)
    return session


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """Have programs that are started meanwhile ignore the signals that end one."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def database_of(checkout: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{checkout / '.demo' / 'demo.sqlite3'}?mode=ro", uri=True)


def counts_of(checkout: Path) -> dict[str, int]:
    """Return how much is stored."""
    queries = {
        "conversations": "SELECT count(*) FROM conversations_conversation",
        "ids": "SELECT count(DISTINCT omni_id) FROM conversations_conversation",
        "messages": "SELECT count(*) FROM conversations_message",
        "jobs": "SELECT count(*) FROM conversations_job",
        "captured": "SELECT count(*) FROM conversations_job WHERE kept_at IS NOT NULL",
        "charts": "SELECT count(*) FROM conversations_chart WHERE png IS NOT NULL",
        "unread": "SELECT count(*) FROM conversations_access WHERE is_behind OR opened_at IS NULL",
        "unindexed": "SELECT count(*) FROM conversations_conversation WHERE NOT is_indexed",
        "stars": "SELECT count(*) FROM conversations_star",
        "tickets": "SELECT count(*) FROM conversations_ticketreference",
    }
    with contextlib.closing(database_of(checkout)) as database:
        return {name: database.execute(query).fetchone()[0] for name, query in queries.items()}


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, pattern
    return match.group(1)


def test_it_opens_on_a_filled_archive_and_a_second_start_finds_it(checkout: Path, filled: str) -> None:
    # A slow machine is at its address before there is anything to tell of.
    progress = r"Filling the archive: \d+ of \d+ conversations, \d+ of \d+ answers\n"
    assert re.search(progress, filled) or filled.startswith("The archive is still being filled")
    told = re.search(r"The archive is filled: (\d+) of (\d+) conversations, (\d+) of (\d+) answers", filled)
    assert told, filled
    assert (told[1], told[3]) == (told[2], told[4])
    counts = counts_of(checkout)
    assert counts["conversations"] == counts["ids"] == int(told[1]) > 340
    assert counts["unread"] == counts["unindexed"] == 0
    assert counts["captured"] > 500
    assert counts["charts"] > 200
    assert counts["stars"] >= 5
    assert counts["tickets"] >= 8
    with running(checkout, "--no-browser") as (_, second):
        assert "Filling the archive" not in second
        assert told[0] in second
        site = site_of(second)
        lead = continue_as(site, "lead")
        rows = lead.get(f"{site}/conversations/?q=state:failed", timeout=20).text
        assert 15 <= len(set(re.findall(r'href="/conversations/([0-9a-f-]{36})/', rows))) <= 20
        page = " ".join(lead.get(f"{site}/credentials/", timeout=20).text.split())
        assert f"{told[1]} of {told[1]} conversations" in page
        evidence = f"{site}/conversations/660e8400-e29b-41d4-a716-446655440001/messages/2/evidence/"
        assert "678,994.41" in continue_as(site, "analyst").get(evidence, timeout=20).text
    assert counts_of(checkout) == counts


def test_it_works(demo: tuple[subprocess.Popen[str], str]) -> None:
    process, said = demo
    site = site_of(said)
    assert "Continue there as the analyst, the lead, support or the administrator" in said
    with urllib.request.urlopen(f"{site}/healthz", timeout=10) as answer:
        assert answer.read() == b"ok\n"
    analyst = continue_as(site, "analyst")
    assert analyst.get(f"{site}/conversations/", timeout=20).text.count('class="row-title"') == 50
    lead = continue_as(site, "lead")
    assert "in the organization" in lead.get(f"{site}/conversations/", timeout=20).text
    example = analyst.get(f"{site}/chat/660e8400-e29b-41d4-a716-446655440001", timeout=20).text
    assert "Top 5 Products by Revenue" in example
    staff = continue_as(site, "administrator")
    for path, heading in (("/admin/", "Administration"), ("/stored/", "Stored data"), ("/activity/all/", "Audit log")):
        assert heading in staff.get(f"{site}{path}", timeout=20).text
    assert staff.get(f"{site}/admin/accounts/user/", timeout=20).status_code == 200
    assert analyst.get(f"{site}/activity/all/", timeout=20).status_code == 403
    support = continue_as(site, "support")
    assert "Connect Omni first" in support.get(f"{site}/conversations/", timeout=20).text
    assert "Demo tokens to try" in support.get(f"{site}/credentials/connect/", timeout=20).text
    assert "Stopped" in stop(process)
    assert process.returncode == 0
    assert gone(site)
    assert gone(omni_of(said))


def test_a_second_one_takes_the_next_free_ports(demo: tuple[subprocess.Popen[str], str], checkout: Path) -> None:
    _, first = demo
    process = start(checkout)
    second = read_until(process, "Ctrl-C")
    try:
        assert site_of(second) != site_of(first)
        assert omni_of(second) != omni_of(first)
    finally:
        stop(process, signal.SIGTERM)
    assert gone(omni_of(second))


def test_a_port_is_kept_from_the_moment_that_it_is_chosen() -> None:
    """Two demos that start at the same moment choose different ports."""
    first = free_port()
    with contextlib.ExitStack() as both:
        found = [
            both.enter_context(take_port(None, first, "--port", lambda port: socket.create_server(("127.0.0.1", port))))
            for _ in range(2)
        ]
        assert len({one.getsockname()[1] for one in found}) == 2


@pytest.mark.parametrize("option", ["--port", "--omni-port"])
def test_a_port_that_is_taken_is_a_clear_message(checkout: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said, _ = start(checkout, option, port).communicate(timeout=30)
    assert f"Port {port} cannot be used" in said
    assert option in said
    assert "Traceback" not in said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_ends_where_signals_were_ignored_when_it_started(checkout: Path, how: signal.Signals) -> None:
    """`nohup` and a shell's background jobs start programs with signals ignored."""
    with signals_ignored():
        process = start(checkout)
    said = read_until(process, "Ctrl-C")
    try:
        assert "Stopped: the site and the stand-in Omni." in stop(process, how)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 0
    assert gone(omni_of(said))


def test_what_is_captured_stays_when_the_stand_in_moves(checkout: Path, filled: str) -> None:
    with running(checkout, "--omni-port", str(free_port())) as (_, said):
        site = site_of(said)
        address = f"{site}/conversations/660e8400-e29b-41d4-a716-446655440001/"
        assert "Captured <time" in continue_as(site, "analyst").get(address, timeout=20).text


def credentials_of_support(site: str) -> int:
    """Return how many credentials the support engineer has; connect one where there is none."""
    session = continue_as(site, "support")
    count = session.get(f"{site}/credentials/", timeout=20).text.count("<dt>Access</dt>")
    if not count:
        page = session.get(f"{site}/credentials/connect/", timeout=20).text
        fields = {
            "csrfmiddlewaretoken": _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page),
            "instance_address": _found(r'data-fill-address="([^"]+)"', page),
            "token": _found(r'data-fill-token="([^"]+)"', page),
        }
        session.post(f"{site}/credentials/connect/", data=fields, headers={"Referer": site}, timeout=20)
    return count


def test_it_remembers(checkout: Path) -> None:
    for expected in (0, 1):
        with running(checkout) as (_, said):
            assert credentials_of_support(site_of(said)) == expected


# These two start over, so they come last.


def test_it_starts_over_when_asked_and_its_example_may_have_the_documented_dates(checkout: Path) -> None:
    with running(checkout, "--fresh", "--documented-dates") as (_, said):
        site = site_of(said)
        assert credentials_of_support(site) == 0
        page = continue_as(site, "analyst").get(f"{site}/chat/660e8400-e29b-41d4-a716-446655440001", timeout=20).text
    assert "2025-01-15T10:05:00" in page


def test_it_ends_at_once_where_signals_were_ignored_and_it_has_just_begun(checkout: Path) -> None:
    """A signal that comes before the address must neither be lost nor leave a process behind."""
    port = free_port()
    with signals_ignored():
        process = start(checkout, "--fresh", "--omni-port", str(port))
    database = checkout / ".demo" / "demo.sqlite3"
    database.unlink(missing_ok=True)
    until = time.monotonic() + 30
    while not database.exists() and time.monotonic() < until:
        time.sleep(0.02)
    try:
        said = stop(process)
    finally:
        if process.poll() is None:
            process.kill()
    assert "Omniviewer runs at" not in said
    assert "Stopped" in said
    assert "Traceback" not in said
    assert gone(f"http://127.0.0.1:{port}")
