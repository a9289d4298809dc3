"""A database of each earlier release is upgraded with all its rows, and its backups can be restored."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.old_releases import LAST_RELEASE, RELEASES
from tests.postgresql import PostgreSQL, postgresql
from tests.serving import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as started:
        yield started


def run(*words: str, **variables: str) -> None:
    """Run this Python with these words, in a process of its own, which has to succeed."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def upgrade(address: str, backup: Path) -> None:
    """Bring an empty database through all releases."""
    words = "-m", "tests.old_releases", str(backup)
    run(*words, DJANGO_SETTINGS_MODULE="tests.settings", OMNIVIEWER_TEST_DATABASE=address)


def test_every_migration_keeps_the_rows_and_old_backups_are_restored(server: PostgreSQL, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    upgrade(f"sqlite:///{tmp_path / 'site.sqlite3'}", backup)
    address = server.database("restored")
    run("manage.py", "restore", str(backup), DJANGO_SETTINGS_MODULE="omniviewer.settings", DATABASE_URL=address)
    before = [*RELEASES][: [*RELEASES].index(LAST_RELEASE) + 1]
    with psycopg.connect(address.replace("postgres:", "postgresql:")) as connection:
        names = connection.execute("SELECT username FROM accounts_user WHERE password = '!'").fetchall()
        assert {name for (name,) in names} == set(before)
        tables = ("conversations_conversation", "conversations_words")
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]  # noqa: S608
        assert counts[0] == counts[1]
        assert counts[0] is not None
        assert counts[0][0] > len(before)


def test_postgresql_too(server: PostgreSQL, tmp_path: Path) -> None:
    upgrade(server.database("upgraded"), tmp_path / "backup")
