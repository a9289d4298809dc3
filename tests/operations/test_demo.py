"""`manage.py demo`, as its user runs it: a process of its own, in a fresh copy of the project."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.programs import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project as a fresh clone has it: its files, and nothing generated from them."""
    target = tmp_path_factory.mktemp("clone") / "omniviewer"
    ignored = shutil.ignore_patterns(
        ".venv", ".git", ".demo", ".data", ".static", "__pycache__", "*.egg-info", ".*_cache"
    )
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def start(checkout: Path, *options: str) -> subprocess.Popen[str]:
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMNIVIEWER_", "DJANGO_", "DATABASE"))
    }
    command = [sys.executable, "manage.py", "demo", *options]
    return subprocess.Popen(
        command,
        cwd=checkout,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], last: str) -> str:
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        if last in line:
            return said
    return said


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> str:
    process.send_signal(how)
    rest, _ = process.communicate(timeout=60)
    return rest


@pytest.fixture
def demo(checkout: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = start(checkout)
    said = read_until(process, "Ctrl-C")
    yield process, said
    if process.poll() is None:
        stop(process)


def site_of(said: str) -> str:
    found = re.search(r"Omniviewer runs at\s+(http://127\.0\.0\.1:\d+)/", said)
    assert found, said
    return found.group(1)


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


def test_it_works(demo: tuple[subprocess.Popen[str], str]) -> None:
    process, said = demo
    site = site_of(said)
    assert "Continue there as the analyst, the lead or support" in said
    with urllib.request.urlopen(f"{site}/healthz", timeout=10) as answer:
        assert answer.read() == b"ok\n"
    analyst = continue_as(site, "analyst")
    assert analyst.get(f"{site}/conversations/", timeout=20).text.count('class="row-title"') == 50
    lead = continue_as(site, "lead")
    assert "in the organization" in lead.get(f"{site}/conversations/", timeout=20).text
    example = analyst.get(f"{site}/chat/660e8400-e29b-41d4-a716-446655440001", timeout=20).text
    assert "Top 5 Products by Revenue" in example
    support = continue_as(site, "support")
    assert "Connect Omni first" in support.get(f"{site}/conversations/", timeout=20).text
    assert "Demo tokens to try" in support.get(f"{site}/credentials/connect/", timeout=20).text
    assert "Stopped" in stop(process)
    assert process.returncode == 0
    assert gone(site)
    assert gone(omni_of(said))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_ends_where_signals_were_ignored_when_it_started(checkout: Path, how: signal.Signals) -> None:
    """`nohup` and a shell's background jobs start programs with signals ignored."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = start(checkout)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    said = read_until(process, "Ctrl-C")
    try:
        assert "Stopped: the site and the stand-in Omni." in stop(process, how)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 0
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


def test_it_remembers_and_starts_over_when_asked(checkout: Path) -> None:
    def credentials_of_support(*options: str) -> int:
        process = start(checkout, *options)
        site = site_of(read_until(process, "Ctrl-C"))
        session = continue_as(site, "support")
        count = session.get(f"{site}/credentials/", timeout=20).text.count("What it lets you see")
        if not count:
            page = session.get(f"{site}/credentials/connect/", timeout=20).text
            fields = {
                "csrfmiddlewaretoken": _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page),
                "instance_address": _found(r'data-fill-address="([^"]+)"', page),
                "token": _found(r'data-fill-token="([^"]+)"', page),
            }
            session.post(f"{site}/credentials/connect/", data=fields, headers={"Referer": site}, timeout=20)
        stop(process)
        return count

    assert credentials_of_support("--fresh") == 0
    assert credentials_of_support() == 1
    assert credentials_of_support("--fresh") == 0


def test_its_worker_captures_and_that_stays_when_the_stand_in_moves(checkout: Path) -> None:
    def captured(*options: str, wait: float) -> bool:
        process = start(checkout, *options)
        site = site_of(read_until(process, "Ctrl-C"))
        analyst = continue_as(site, "analyst")
        rows = analyst.get(f"{site}/conversations/", timeout=20).text
        address = _found(r'href="(/conversations/[^"]+/)"[^>]*>Revenue by region and month', rows)
        until = time.monotonic() + wait
        while "Captured <time" not in (page := analyst.get(f"{site}{address}", timeout=20).text):
            if time.monotonic() > until:
                break
            time.sleep(0.5)
        stop(process)
        return "Captured <time" in page

    assert captured("--fresh", wait=30)
    assert captured("--omni-port", str(free_port()), wait=0)


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, pattern
    return match.group(1)
