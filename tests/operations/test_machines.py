"""Several machines: a site leaves, comes back, or meets a fault, and readers lose nothing."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conversations.models import Conversation, Walk
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, StandIn
from omniviewer.operations import database_errors
from omniviewer.operations.database_errors import Trouble
from tests.conftest import EXAMPLE, credential_for, shown_ago, signed_in, text_of
from tests.operations.test_operation import small_disk
from tests.serving import serve

THREAD = f"/conversations/{EXAMPLE}/"


# A site that leaves -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_site_that_ends_answers_what_it_has_and_takes_nothing_more(
    omni: StandIn, owner: User, tmp_path: Path, dialect: str
) -> None:
    """A proxy that is refused asks another site, for forms too; one that waits could not."""
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    omni.fail(Fault.delay(3.0), path="/v1/ai", times=1)
    with serve(tmp_path, workers=2) as site, ThreadPoolExecutor() as pool:
        port = int(site.url.rpartition(":")[2])
        waiting = pool.submit(site.reader(owner).get, site.url + THREAD, timeout=30)
        time.sleep(1.0)
        os.kill(site.pid, signal.SIGTERM)
        time.sleep(0.5)
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        assert not waiting.done()
        assert waiting.result(timeout=30).status_code == 200


# A database that cannot be written --------------------------------------------------------------------------


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """Have this connection refuse to write, as a standby or a file system that is read-only does."""
    on, off = {
        "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        "postgresql": ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about the database, none of which has a traceback."""
    records = [record for record in caplog.records if record.name == "omniviewer.database"]
    assert not any(record.exc_info for record in records)
    return [record.getMessage() for record in records]


@pytest.mark.django_db(transaction=True)
def test_what_is_stored_can_be_read_while_nothing_can_be_stored(
    owner_reads: Client, omni: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    owner_reads.raise_request_exception = False
    pages = ["/conversations/", THREAD, f"{THREAD}messages/2/", f"{THREAD}messages/2/evidence/", "/credentials/"]
    pages += ["/conversations/?q=revenue", "/insights/?period=all", f"{THREAD[:-1]}.md"]
    other = next(row for row in omni.organization.visible_to(omni.organization.demo_tokens["analyst"]))
    assert {owner_reads.get(path).status_code for path in pages} == {200}
    Conversation.objects.filter(omni_id=other.id).delete()
    for age in (timedelta(), timedelta(hours=2)):
        shown_ago(age)
        Walk.objects.update(checked_at=timezone.now() - age)
        # The session's last activity is due to be stored.
        session = owner_reads.session
        session["seen_at"] = int(time.time()) - 100
        session.save()
        caplog.clear()
        with read_only():
            assert {path: owner_reads.get(path).status_code for path in pages} == dict.fromkeys(pages, 200)
            assert "this site’s database is read-only." in text_of(owner_reads.get(f"{THREAD}?refresh=1"))
            never_stored = owner_reads.get(f"/conversations/{other.id}/")
            assert never_stored.status_code == 503
            assert "Nothing new can be stored: this site’s database is read-only." in text_of(never_stored)
            starred = owner_reads.post(f"{THREAD}star/", {"starred": "1"})
            assert (starred.status_code, starred["Retry-After"]) == (503, "10")
            assert "Omniviewer cannot store anything at the moment" in starred.content.decode()
        assert set(troubles(caplog)) == {"the database is read-only"}
        assert not any("Traceback" in record.message for record in caplog.records)
    assert owner_reads.post(f"{THREAD}star/", {"starred": "1"}).status_code == 302
    assert owner_reads.get(f"/conversations/{other.id}/").status_code == 200


def test_no_right_lasts_longer_because_nothing_can_be_stored(
    owner_reads: Client, omni: StandIn, transactional_db: None
) -> None:
    """Omni could be asked: a right is stretched only while Omni is away."""
    assert owner_reads.get(THREAD).status_code == 200
    shown_ago(settings.ACCESS_TTL + timedelta(minutes=1))
    owner_reads.raise_request_exception = False
    with read_only():
        assert owner_reads.get(THREAD).status_code == 503
    omni.fail(Fault.status(503))
    assert owner_reads.get(THREAD).status_code == 200


@pytest.mark.programs
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_of_the_database_file_stops_no_reading(
    omni: StandIn, owner: User, tmp_path: Path, dialect: str
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("The disk of a database file alone")
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    reader_of_copy = signed_in(owner).cookies["session"].value
    with small_disk(tmp_path / "disk", "24m") as disk:
        with contextlib.closing(sqlite3.connect(disk / "site.sqlite3")) as copy:
            connection.connection.backup(copy)
        with serve(tmp_path, DATABASE_URL=f"sqlite:///{disk / 'site.sqlite3'}", workers=1) as site:
            browser = requests.Session()
            browser.cookies.set("session", reader_of_copy)
            page = browser.get(site.url + THREAD, timeout=30)
            assert page.status_code == 200
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
            assert token

            def star() -> requests.Response:
                form = {"starred": "1", "csrfmiddlewaretoken": token[1]}
                return browser.post(f"{site.url}{THREAD}star/", form, allow_redirects=False, timeout=30)

            filler = disk / "filler"
            for block in (65536, 512, 1):
                with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
                    while file.write(b"x" * block):
                        pass
            assert browser.get(site.url + THREAD, timeout=30).status_code == 200
            refused = star()
            assert refused.status_code == 503
            assert "Omniviewer has no room to store anything" in refused.text
            assert requests.get(f"{site.url}/healthz", timeout=30).status_code == 200
            ready = requests.get(f"{site.url}/readyz", timeout=30)
            assert ready.text.startswith("degraded\n")
            assert "disk: the database's folder cannot be written (No space left on device)" in ready.text
            assert "the database's disk is full or fails" in site.log
            assert "Traceback" not in site.log
            filler.unlink()
            assert star().status_code == 302
            assert requests.get(f"{site.url}/readyz", timeout=30).text.startswith("ready\n")


# Keys and versions that differ --------------------------------------------------------------------------------


def parts() -> dict[str, str]:
    state, *lines = Client().get("/readyz").content.decode().splitlines()
    return {"state": state} | dict(line.split(": ", 1) for line in lines)


def test_keys_of_another_installation_delete_nothing_and_are_named(
    owner_reads: Client, omni: StandIn, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert owner_reads.get(THREAD).status_code == 200
    own, stored = settings.ENCRYPTION_KEYS, ApiToken.objects.get().ciphertext
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    asked = len(omni.requests)
    assert owner_reads.get(THREAD).status_code == 200
    page = owner_reads.get(f"/conversations/{UUID(int=7)}/")
    assert page.status_code == 503
    assert "The stored token cannot be decrypted with the keys in use." in text_of(page)
    said = [record.getMessage() for record in caplog.records if record.name == "omniviewer.upstream"]
    assert said == ["a stored token cannot be decrypted: OMNIVIEWER_ENCRYPTION_KEYS lacks its key"]
    assert parts()["state"] == "degraded"
    assert parts()["encryption keys"].startswith("None of the keys in OMNIVIEWER_ENCRYPTION_KEYS decrypts this token.")
    assert parts()["secret key"] == "ok"
    assert len(omni.requests) == asked
    token = ApiToken.objects.get()
    assert (token.ciphertext, token.rejected_at) == (stored, None)
    settings.ENCRYPTION_KEYS = own
    assert parts()["state"] == "ready"
    assert owner_reads.get(f"{THREAD}?refresh=1").status_code == 302


def test_another_secret_key_signs_out_and_is_named(
    owner_reads: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    own = settings.SECRET_KEY
    settings.SECRET_KEY = "the secret key of the other of two sites, by mistake"
    assert owner_reads.get("/credentials/")["Location"].startswith("/sign-in/")
    said = [record.getMessage() for record in caplog.records if record.name == "omniviewer.accounts"]
    assert said == ["a session was signed by another OMNIVIEWER_SECRET_KEY: its reader has to sign in again"]
    assert parts()["state"] == "degraded"
    assert parts()["secret key"].startswith("OMNIVIEWER_SECRET_KEY is another than on the site before.")
    other, settings.SECRET_KEY = settings.SECRET_KEY, own
    assert owner_reads.get("/credentials/").status_code == 200
    assert parts()["state"] == "ready"
    # While a key is changed in turn, as the documentation has it, nobody is signed out.
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = other, [own]
    assert owner_reads.get("/credentials/").status_code == 200
    assert parts()["state"] == "ready"


@pytest.mark.django_db(transaction=True)
def test_a_program_that_is_ahead_of_its_database_says_that_it_is_being_upgraded(
    owner_reads: Client, caplog: pytest.LogCaptureFixture
) -> None:
    owner_reads.raise_request_exception = False
    recorder = MigrationRecorder(connection)
    last = max(name for app, name in recorder.applied_migrations() if app == "conversations")
    rename = "ALTER TABLE conversations_message RENAME COLUMN {} TO {}"
    try:
        with connection.cursor() as cursor:
            cursor.execute(rename.format("quarter", "later"))
        # The same fault with all migrations is one of the program's.
        assert owner_reads.get(THREAD).status_code == 500
        caplog.clear()
        recorder.record_unapplied("conversations", last)
        page = owner_reads.get(THREAD)
        assert (page.status_code, page["Retry-After"]) == (503, "10")
        assert "Omniviewer is being upgraded" in page.content.decode()
        assert troubles(caplog) == ["the database has other columns than this version needs"]
        assert parts()["state"] == "unready"
        assert Client().get("/healthz").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute(rename.format("later", "quarter"))
        recorder.record_applied("conversations", last)
    assert owner_reads.get(THREAD).status_code == 200


def test_a_database_that_is_ahead_of_its_program_is_named(owner_reads: Client) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("conversations", "9999_of_the_next_version")
    recorder.record_applied("an app that is gone", "0001_initial")
    assert parts()["state"] == "degraded"
    assert parts()["version"].startswith("the database has conversations.9999_of_the_next_version, of a later version")
    assert owner_reads.get(THREAD).status_code == 200
    recorder.record_unapplied("conversations", "9999_of_the_next_version")
    assert parts()["state"] == "ready"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.DiskFull, Trouble.FULL),
        (psycopg.errors.IoError, Trouble.FULL),
        (psycopg.errors.ReadOnlySqlTransaction, Trouble.READ_ONLY),
        (psycopg.errors.AdminShutdown, Trouble.AWAY),
        (psycopg.errors.CannotConnectNow, Trouble.AWAY),
        (psycopg.errors.TooManyConnections, Trouble.AWAY),
        (psycopg.errors.OutOfMemory, Trouble.AWAY),
        (psycopg.errors.UndefinedTable, Trouble.SCHEMA),
        (psycopg.errors.DeadlockDetected, None),
        (psycopg.errors.UniqueViolation, None),
    ],
)
def test_each_trouble_is_known_by_its_code(error: type[psycopg.Error], expected: Trouble | None) -> None:
    assert database_errors.trouble(error("in the words of somebody's row")) is expected
    assert database_errors.trouble(ValueError("no database")) is None
    assert database_errors.trouble(OperationalError("connection refused")) is Trouble.AWAY
