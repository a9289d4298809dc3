"""Files that the site writes, and sessions in its database, are readable by the site's own user only."""

import asyncio
import contextlib
import importlib
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

from omniviewer.accounts.models import User
from omniviewer.accounts.session_store import SessionStore
from omniviewer.private_files import check_file_modes
from tests.conftest import PASSWORD, signed_in
from tests.operations.test_house import PRODUCTION, README, ROOT, run
from tests.programs import free_port


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wide(folder: Path) -> dict[str, str]:
    """Return files and folders that others than their owner may read or write."""
    return {str(path.relative_to(folder)): oct(mode(path)) for path in folder.rglob("*") if mode(path) & 0o077}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a fresh clone of the project, with the usual umask."""
    for name in ("omniviewer", "conversations", "templates", "static"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def in_copy(folder: Path, *command: str, **environment: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMNIVIEWER_", "D", "CACHE"))}
    subprocess.run(command, cwd=folder, env=env | environment, check=True, umask=0o022, capture_output=True)


def test_whoever_follows_the_readme_leaves_nothing_open(copy: Path) -> None:
    steps = re.search(r"## Running it for real\n\n```sh\n(.*?)```", README.read_text(), re.S)
    assert steps
    [make_env] = [line for line in steps[1].splitlines() if ".env.example" in line]
    in_copy(copy, "sh", "-c", make_env)
    assert mode(copy / ".env") == 0o600
    with (copy / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in PRODUCTION.items())
        file.write("OMNIVIEWER_METRICS_TOKEN=what the scrape may show\nOMNIVIEWER_WORKER=true\n")
    text = (copy / ".env").read_text()
    (copy / ".env").write_text(re.sub(r"^OMNIVIEWER_(SECRET|ENCRYPTION)_KEYS?=\n", "", text, flags=re.M))
    in_copy(copy, sys.executable, "manage.py", "migrate", "-v", "0")
    in_copy(copy, sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0")
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "python:omniviewer.serving", "omniviewer.wsgi"]
    command += ["--bind", f"127.0.0.1:{port}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMNIVIEWER_", "D", "CACHE"))}
    with subprocess.Popen(command, cwd=copy, env=env, umask=0o022, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port, server)
            headers = {"Host": "omniviewer.example.com", "Authorization": "Bearer what the scrape may show"}
            requests.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=5)
            written = {path.name for path in (copy / ".data").iterdir()}
            assert {"omniviewer.sqlite3", "metrics"} <= written
            assert wide(copy / ".data") == {}
            assert mode(copy / ".data") == 0o700
        finally:
            server.terminate()
    # Static files are public, so any server may read them.
    assert {mode(path) for path in (copy / ".static").rglob("*") if path.is_dir()} == {0o755}
    in_copy(copy, sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR")


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(150):
        assert server.poll() is None
        with contextlib.suppress(requests.ConnectionError):
            assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).text.startswith("ready")
            return
        time.sleep(0.2)
    raise AssertionError("gunicorn did not answer")


def test_the_demo_leaves_nothing_open(copy: Path) -> None:
    (copy / ".demo").mkdir(mode=0o755)
    in_copy(copy, sys.executable, "manage.py", "demo", "--help")
    assert mode(copy / ".demo") == 0o700
    assert wide(copy / ".demo") == {}


@pytest.mark.parametrize("bits", [0o040, 0o020, 0o004, 0o002])
@pytest.mark.parametrize("name", [".env", ".data", "site.sqlite3", "site.sqlite3-wal", "site.sqlite3-journal"])
def test_the_deployment_check_refuses_what_others_may_read(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, bits: int
) -> None:
    settings.SETTINGS_FILE, settings.DATA_DIR = tmp_path / ".env", tmp_path / ".data"
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(tmp_path / "site.sqlite3"))
    path = tmp_path / name
    path.mkdir() if name == ".data" else path.write_text("x")
    path.chmod(0o700)
    assert check_file_modes(None) == []
    path.chmod(0o700 | bits)
    [error] = check_file_modes(None)
    assert (error.is_serious(), error.hint) == (True, f"chmod {'700' if name == '.data' else '600'} {path}")


def test_a_deployment_with_open_files_does_not_pass(tmp_path: Path) -> None:
    database = tmp_path / "site.sqlite3"
    sqlite3.connect(database).close()
    database.touch()
    database.chmod(0o644)
    environment = {**PRODUCTION, "DATABASE_URL": f"sqlite:///{database}"}
    done = run(sys.executable, "manage.py", "check", "--deploy", env=environment)
    assert done.returncode != 0
    assert f"chmod 600 {database}" in done.stderr
    assert run(sys.executable, "manage.py", "check", env=environment).returncode == 0


# Sessions -------------------------------------------------------------------------------------------------


def test_the_database_holds_no_cookie_that_works(owner: User) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    cookie = client.cookies["session"].value
    [row] = Session.objects.all()
    assert cookie not in (row.session_key, row.session_data)
    for stolen in (row.session_key, cookie[:-1] + ("x" if cookie[-1] != "x" else "y")):
        thief = Client()
        thief.cookies["session"] = stolen
        assert thief.get("/credentials/").status_code == 302
    assert client.get("/credentials/").status_code == 200
    client.post("/sign-out/")
    assert not Session.objects.exists()


def test_a_session_is_found_again_renewed_and_deleted(db: None) -> None:
    store = SessionStore()
    store["a"] = 1
    store.create()
    key = str(store.session_key)
    again = SessionStore(key)
    assert again["a"] == 1
    assert again.exists(key)
    again.cycle_key()
    assert not again.exists(key)
    assert SessionStore(str(again.session_key))["a"] == 1
    again.flush()
    assert not Session.objects.exists()
    assert SessionStore(key).load() == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.django_db(transaction=True)
def test_an_asgi_server_finds_the_same_sessions() -> None:
    async def go() -> None:
        store = SessionStore()
        await store.aset("a", 1)
        await store.acreate()
        key = str(store.session_key)
        again = SessionStore(key)
        assert await again.aget("a") == 1
        assert await again.aexists(key)
        await again.asave()
        await again.aflush()
        assert not await store.aexists(key)
        await sync_to_async(connections.close_all)()

    # In a thread of its own, because a browser's event loop may run in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(go())).result()


def test_who_was_signed_in_before_stays_so(owner: User) -> None:
    """The previous release stored sessions under their plain keys."""
    migration = importlib.import_module("omniviewer.accounts.migrations.0006_session_digests")
    client = signed_in(owner)
    key = client.cookies["session"].value
    Session.objects.update(session_key=key)
    migration.keep_digests(apps, None)
    assert client.get("/credentials/").status_code == 200
    migration.keep_digests(apps, None)
    assert client.get("/credentials/").status_code == 200
