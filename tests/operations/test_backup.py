"""A backup holds every row, goes back into either database, and never leaves one half filled without saying so."""

import contextlib
import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from pytest_django import Settings

from conversations.models import Conversation
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from omniviewer.operations import health
from omniviewer.operations.backup import dump, load
from omniviewer.operations.backup.tables import FILLED_BY_MIGRATE, LEFT_OUT, PROGRESS_TABLE, Schema, is_left_out
from tests import every_table
from tests.captured import answered, thread
from tests.conftest import credential_for, signed_in, text_of
from tests.postgresql import PostgreSQL, postgresql
from tests.serving import ROOT, database_environment

pytestmark = pytest.mark.django_db(transaction=True)

WORD = "pangolins"


@pytest.fixture(autouse=True)
def no_rest_of_a_restore() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {PROGRESS_TABLE}")


def backup(path: Path) -> str:
    said = StringIO()
    call_command("backup", path, stdout=said)
    return said.getvalue()


def restore(path: Path, *words: str, **options: Any) -> str:
    said = StringIO()
    call_command("restore", path, *words, stdout=said, **options)
    return said.getvalue()


def empty() -> None:
    call_command("flush", interactive=False, verbosity=0)


def manage(address: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=database_environment() | ({"DATABASE_URL": address} if address else {}),
        capture_output=True,
        text=True,
        check=False,
    )


def ran(address: str, *words: str) -> str:
    done = manage(address, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def members(path: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        return {member["table"]: member for member in json.loads(archive.read("manifest.json"))["members"]}


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of the backup with another manifest."""
    copy = path.with_name("rewritten")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as written:
        for name in archive.namelist():
            told = archive.read(name)
            if name == "manifest.json":
                manifest = json.loads(told)
                change(manifest)
                told = json.dumps(manifest).encode()
            written.writestr(name, told)
    return copy


def titles(client: Client, word: str) -> int:
    return text_of(client.get("/conversations/", {"q": word})).count('class="row-title"')


@pytest.fixture
def filled(reads: Client, owner: User, small: Organization, analyst: Member) -> Credential:
    """Fill the database by the site itself, and every table by hand."""
    made = answered(small, analyst, ages=[timedelta(days=2)])
    small.add_conversation(owner=analyst, name=f"All {WORD}", turns=[(f"How many {WORD}?", "Ten.")])
    for row in [made, *small.conversations]:
        reads.get(thread(row))
    reads.get(f"{thread(made)}messages/2/evidence/")
    assert titles(reads, WORD) == 1
    every_table.fill(table for table in Schema.of_database(connection).tables if table.name not in FILLED_BY_MIGRATE)
    return Credential.objects.owned_by(owner).get()


SEARCH = f"""
import django, sys
django.setup()
from django.test.utils import setup_test_environment
setup_test_environment()
from tests.conftest import credential_for, signed_in, text_of
from omniviewer.accounts.models import User
client = signed_in(User.objects.get(username="owner"))
page = text_of(client.get("/conversations/", {{"q": "{WORD}"}}))
assert page.count('class="row-title"') == 1, page
"""


def searched(address: str) -> None:
    """Search in a database as the owner, in a process of its own."""
    environment = database_environment() | {"DATABASE_URL": address}
    done = subprocess.run(
        [sys.executable, "-c", SEARCH], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as started:
        yield started


def test_it_works(filled: Credential, server: PostgreSQL, tmp_path: Path) -> None:
    said = ran("", "move", "--to", server.database("moved"), "--file", str(tmp_path / "moving"))
    assert "Moved. Set DATABASE_URL to the other database" in said
    assert list(tmp_path.iterdir()) == []
    searched(server.database("moved", is_new=False))


def test_postgresql_holds_the_same_and_gives_it_back(filled: Credential, server: PostgreSQL, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    address = server.database("same")
    backup(first)
    ran(address, "restore", "--no-reindex", str(first))
    ran(address, "backup", str(second))
    empty()
    restore(second, no_reindex=True)
    backup(third)
    before = members(first)
    assert all(member["rows"] > 0 for member in before.values())
    assert members(second) == members(third) == before
    # No number is given twice, not even that of a row that is gone.
    gone = filled.pk + 1000
    Credential(pk=gone, owner=filled.owner, api_token=filled.api_token, label="Gone").save()
    Credential.objects.filter(pk=gone).delete()
    backup(tmp_path / "fourth")
    empty()
    restore(tmp_path / "fourth", no_reindex=True)
    again = Credential.objects.create(owner=filled.owner, api_token=filled.api_token, label="Again")
    assert again.pk > gone


def test_every_table_is_in_it_or_left_out_by_name(filled: Credential, tmp_path: Path) -> None:
    backup(tmp_path / "site")
    held = set(members(tmp_path / "site"))
    there = set(connection.introspection.table_names())
    assert {name for name in there - held if not is_left_out(name)} == set()
    assert set(LEFT_OUT) - there == {PROGRESS_TABLE}
    assert not {name for name in held if is_left_out(name)}


def test_only_its_owner_may_read_it_and_no_key_is_in_it(filled: Credential, tmp_path: Path) -> None:
    path = tmp_path / "site"
    assert "OMNIVIEWER_ENCRYPTION_KEYS" in backup(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    token = filled.api_token.token.reveal()
    with zipfile.ZipFile(path) as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert filled.api_token.ciphertext.encode() in held
    for secret in (settings.SECRET_KEY, *settings.ENCRYPTION_KEYS, token):
        assert secret.encode() not in held


def test_it_replaces_no_file_unless_told_to(owner: User, tmp_path: Path) -> None:
    path = tmp_path / "site"
    path.write_text("mine")
    with pytest.raises(CommandError, match="exists: name another file, or replace it by --force"):
        backup(path)
    assert path.read_text() == "mine"
    call_command("backup", path, force=True, stdout=StringIO())
    assert "accounts_user" in members(path)


def test_what_cannot_be_written_leaves_nothing(owner: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        backup(tmp_path / "missing" / "site")
    # A disk that is full says so when the file grows.
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f 4; exec "{sys.executable}" manage.py backup "{tmp_path}/site"'],
        cwd=ROOT,
        env=database_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_it_is_of_one_moment_and_holds_up_nobody(filled: Credential, tmp_path: Path) -> None:
    before = User.objects.count(), Conversation.objects.count()

    def write() -> None:
        User.objects.create(username="late")
        Conversation.objects.filter(pk__gt=0).update(name="late")
        connections.close_all()

    def progress(_text: str) -> None:
        if writer.ident is None:
            writer.start()
            writer.join(timeout=5)
            assert not writer.is_alive()

    writer = threading.Thread(target=write)
    dump.make(tmp_path / "site", progress)
    assert User.objects.filter(username="late").exists()
    held = members(tmp_path / "site")
    assert (held["accounts_user"]["rows"], held["conversations_conversation"]["rows"]) == before
    with zipfile.ZipFile(tmp_path / "site") as archive:
        assert b"late" not in archive.read("conversations_conversation.jsonl")


def test_a_restore_says_what_is_to_do(filled: Credential, tmp_path: Path, settings: Settings) -> None:
    backup(tmp_path / "site")
    empty()
    said = restore(tmp_path / "site")
    assert "Everybody has to sign in again." in said
    assert "run offboard or forget for them once more" in said
    # The rows by hand hold no token that any key decrypts; their two credentials are of two people.
    assert "2 of the API tokens cannot be decrypted" in said
    Credential.objects.exclude(pk=filled.pk).delete()
    ApiToken.objects.exclude(pk=filled.api_token_id).delete()
    assert titles(signed_in(User.objects.get(username="owner")), WORD) == 1
    assert "rotate_keys" not in said
    assert "CACHE_URL" not in said

    backup(tmp_path / "one")
    empty()
    settings.SECRET_KEY = "another key, which the digests are not made by"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert "1 of the API tokens were stored under another OMNIVIEWER_SECRET_KEY" in (said := restore(tmp_path / "one"))
    assert "Empty the cache that CACHE_URL names" in said
    empty()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert "1 of the API tokens cannot be decrypted" in (said := restore(tmp_path / "one"))
    assert "1 person replace their tokens under Credentials" in said


def test_people_reconnect_where_the_keys_are_lost(
    filled: Credential, small_omni: StandIn, tmp_path: Path, settings: Settings
) -> None:
    token = filled.api_token.token.reveal()
    backup(tmp_path / "site")
    empty()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    restore(tmp_path / "site")
    owner = User.objects.get(username="owner")
    again = credential_for(owner, small_omni, token, "Again")
    assert again.api_token_id == filled.api_token_id
    assert titles(signed_in(owner), WORD) == 1


def test_it_refuses_a_database_with_rows(filled: Credential, tmp_path: Path) -> None:
    backup(tmp_path / "site")
    events = Event.objects.count()
    with pytest.raises(CommandError, match=r"This database is not empty: .* has rows"):
        restore(tmp_path / "site")
    with pytest.raises(CommandError, match="This database is not empty"):
        restore(tmp_path / "site", dry_run=True)
    assert Event.objects.count() == events
    assert "rows of" in restore(tmp_path / "site", check=True)


def test_it_checks_the_file_first(filled: Credential, tmp_path: Path) -> None:
    whole = tmp_path / "site"
    backup(whole)
    empty()
    told = whole.read_bytes()
    torn = tmp_path / "torn"
    for place in (0, 10, len(told) // 2, len(told) - 10):
        torn.write_bytes(told[:place])
        for check in (True, False):
            with pytest.raises(CommandError, match="cannot be used"):
                restore(torn, check=check)
    with zipfile.ZipFile(whole) as archive:
        largest = archive.getinfo("conversations_action.jsonl")
    flipped = bytearray(told)
    flipped[largest.header_offset + largest.compress_size // 2] ^= 1
    torn.write_bytes(flipped)
    with pytest.raises(CommandError, match=r"is missing or damaged in it|its checksum differs"):
        restore(torn)
    for name, change in {
        "its checksum differs": lambda manifest: manifest["members"][0].update(sha256="0" * 64),
        "cannot be read": lambda manifest: manifest.pop("members"),
        "format 99": lambda manifest: manifest.update(format=99),
    }.items():
        with pytest.raises(CommandError, match=name):
            restore(rewritten(whole, change))
    with pytest.raises(CommandError, match="cannot be opened: No such file"):
        restore(tmp_path / "missing")
    assert not User.objects.exists()


def test_a_newer_backup_is_refused(owner: User, tmp_path: Path) -> None:
    backup(tmp_path / "site")
    empty()

    def later(manifest: dict[str, Any]) -> None:
        manifest["migrations"].append(["conversations", "9999_of_next_year"])

    def with_a_column(manifest: dict[str, Any]) -> None:
        manifest["members"][0]["columns"].append("mood")

    with pytest.raises(CommandError, match=r"newer version than the program .*9999_of_next_year"):
        restore(rewritten(tmp_path / "site", later))
    with pytest.raises(CommandError, match="this version does not know"):
        restore(rewritten(tmp_path / "site", with_a_column))


def test_an_older_backup_goes_into_a_database_without_tables(owner: User, tmp_path: Path) -> None:
    backup(tmp_path / "site")
    empty()

    def older(manifest: dict[str, Any]) -> None:
        """Take away a migration that changes no table."""
        manifest["migrations"].remove(["conversations", "0024_answers_by_job"])

    with pytest.raises(CommandError, match=r"before the migration conversations.0024_answers_by_job.*without tables"):
        restore(rewritten(tmp_path / "site", older))


def test_what_was_interrupted_goes_on(filled: Credential, tmp_path: Path, monkeypatch: Any) -> None:
    path, other = tmp_path / "site", tmp_path / "other"
    backup(path)
    User.objects.create(username="more")
    backup(other)
    empty()
    monkeypatch.setattr(load, "_BATCH_ROWS", 1)
    stop_at = [20]

    def stop(text: str) -> None:
        stop_at[0] -= not text.startswith("Checking")
        if not stop_at[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load.restore(path, stop)
    assert User.objects.exists()
    assert Client().get("/readyz").status_code == 503
    parts = {part.name: said for part, said in health.asked_parts()}
    assert parts["database"].startswith("a restore is not finished")
    with pytest.raises(CommandError, match="restore of another backup into this database was interrupted"):
        restore(other)
    with pytest.raises(CommandError, match="run it again with the same backup"):
        call_command("restore", dry_run=True)
    stored = load._done(None)
    assert stored
    told: list[str] = []
    load.restore(path, told.append)
    # Nothing that was stored is stored again.
    rows = sum(member["rows"] for member in members(path).values())
    assert sum(" of " in line for line in told) == rows - sum(stored.values())
    backup(tmp_path / "again")
    assert {name: row["sha256"] for name, row in members(tmp_path / "again").items()} == {
        name: row["sha256"] for name, row in members(path).items()
    }
    # Interrupted while it indexes, it goes on as well.
    assert "Restored" in restore(path)
    assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize("is_faster", [True, False])
def test_two_restores_at_once_are_refused(
    filled: Credential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_faster: bool
) -> None:
    path = tmp_path / "site"
    backup(path)
    empty()
    monkeypatch.setattr(load, "_BATCH_ROWS", 1)
    others: list[str] = []

    def beside(text: str) -> None:
        others.append(text)
        if text.startswith("conversations_star") and not is_faster:
            raise KeyboardInterrupt

    def restore_beside(text: str) -> None:
        if text.startswith("conversations_message") and not others:
            with contextlib.nullcontext() if is_faster else pytest.raises(KeyboardInterrupt):
                load.restore(path, beside)
                load.finish()

    with pytest.raises(load.Refused, match="Another restore into this database is at work"):
        load.restore(path, restore_beside)


def test_rows_that_somebody_else_writes_meanwhile_are_told(owner: User, tmp_path: Path) -> None:
    backup(tmp_path / "site")
    empty()

    def write(text: str) -> None:
        if text.startswith("accounts_user:"):
            User.objects.create(pk=1_000_000, username="other")

    with pytest.raises(load.Refused, match="something else writes to this database"):
        load.restore(tmp_path / "site", write)


def test_a_row_that_the_database_does_not_take_is_named(owner: User, tmp_path: Path) -> None:
    path = tmp_path / "site"
    backup(path)
    empty()

    broken = tmp_path / "broken"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(broken, "w") as written:
        # The same username for two people.
        lines = archive.read("accounts_user.jsonl")
        row = json.loads(lines)
        row[0] = 77
        lines += json.dumps(row).encode() + b"\n"
        for name in archive.namelist():
            told = lines if name == "accounts_user.jsonl" else archive.read(name)
            if name == "manifest.json":
                manifest = json.loads(told)
                for member in manifest["members"]:
                    if member["table"] == "accounts_user":
                        member.update(rows=2, sha256=hashlib.sha256(lines).hexdigest())
                told = json.dumps(manifest).encode()
            written.writestr(name, told)
    with pytest.raises(CommandError, match="A row of accounts_user with the key 77 cannot be stored"):
        restore(broken)


def test_a_move_into_a_database_with_rows_is_refused_before_it_begins(
    owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = database_environment()["DATABASE_URL"]
    monkeypatch.setattr(os, "environ", database_environment())
    for address, said in {
        own: "This database is not empty: accounts_user has rows",
        "postgres://nobody@127.0.0.1:1/none": "The database cannot be used",
        "mysql://nobody@127.0.0.1/none": "DATABASE_URL",
    }.items():
        with pytest.raises(CommandError, match=said) as told:
            call_command("move", to=address, file=tmp_path / "moving")
        assert "Traceback" not in str(told.value), address
    assert list(tmp_path.iterdir()) == []
