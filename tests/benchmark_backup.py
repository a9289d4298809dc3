"""Time and size of backups: `python -m tests.benchmark_backup [CONVERSATIONS ...]`, by hand.

Fills an SQLite database with conversations of ten messages, and indexes it; then, each in a process of its own: a
backup, its restore into SQLite and into PostgreSQL, a backup of that and its restore into SQLite, and the move by one
command.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from tests.postgresql import PostgreSQL, postgresql
from tests.saying import say

ROOT = Path(__file__).resolve().parent.parent
SIZES = [2_000, 20_000]
_FILL = "fill"


def main(sizes: list[int]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="omniviewer-backup-") as folder, postgresql() as server:
            _measure(Path(folder), server, size)


def _measure(folder: Path, server: PostgreSQL, size: int) -> None:
    file, back = folder / "site.backup", folder / "back.backup"
    sqlite, other, again = (f"sqlite:///{folder / name}.sqlite3" for name in ("site", "other", "again"))
    moved = server.database("moved")
    _timed("filled", lambda: _run(sqlite, "-m", "tests.benchmark_backup", _FILL, str(size)))
    _timed("indexed", lambda: _manage(sqlite, "reindex", "--rest"))
    say(f"{size:,} conversations of ten messages: {_bytes(folder / 'site.sqlite3')} in SQLite")
    _timed("backup of SQLite", lambda: _manage(sqlite, "backup", str(file)))
    say(f"  the file: {_bytes(file)}")
    _timed("restore --check", lambda: _manage(sqlite, "restore", "--check", str(file)))
    _timed("restore into SQLite", lambda: _manage(other, "restore", "--no-reindex", str(file)))
    _timed("  index after it", lambda: _manage(other, "reindex", "--rest"))
    _timed("restore into PostgreSQL", lambda: _manage(server.address, "restore", "--no-reindex", str(file)))
    _timed("  index after it", lambda: _manage(server.address, "reindex", "--rest"))
    say(f"  PostgreSQL: {_postgresql_bytes(server.address)} bytes")
    _timed("backup of PostgreSQL", lambda: _manage(server.address, "backup", str(back)))
    say(f"  the file: {_bytes(back)}")
    _timed("restore of that into SQLite", lambda: _manage(again, "restore", "--no-reindex", str(back)))
    _timed("reindex of all, SQLite", lambda: _manage(sqlite, "reindex"))
    _timed(
        "move to PostgreSQL, with the index",
        lambda: _manage(sqlite, "move", "--to", moved, "--file", str(folder / "move")),
    )


def _timed(what: str, work: Callable[[], object]) -> None:
    began, used = time.monotonic(), os.times()
    work()
    now = os.times()
    seconds = now.children_user + now.children_system - used.children_user - used.children_system
    say(f"{what}: {time.monotonic() - began:.1f} s, of which {seconds:.1f} s of CPU")


def _manage(address: str, *words: str) -> None:
    _run(address, "manage.py", *words)


def _run(address: str, *words: str) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "omniviewer.settings",
        "DATABASE_URL": address,
        "OMNIVIEWER_SECRET_KEY": "for the benchmark, and for nothing else at all",
        "OMNIVIEWER_ENCRYPTION_KEYS": _KEY,
        "OMNIVIEWER_ALLOWED_HOSTS": "omniviewer.example",
        "OMNIVIEWER_LOG_LEVEL": "WARNING",
    }
    subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


_KEY = Fernet.generate_key().decode()


def _sql(address: str, statement: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(re.sub("^postgres:", "postgresql:", address), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _postgresql_bytes(address: str) -> str:
    return f"{_sql(address, 'SELECT pg_database_size(current_database())')[0][0]:,}"


def _bytes(path: Path) -> str:
    return f"{path.stat().st_size:,} bytes"


def fill(count: int) -> None:
    """Fill an empty database with conversations that one organization key was shown."""
    import random

    import django

    django.setup()
    from django.core.management import call_command

    from conversations import rendering
    from conversations.models import Message
    from tests import benchmark_search

    call_command("migrate", verbosity=0)
    _, credential = benchmark_search.reader()
    draw = random.Random(1)  # noqa: S311
    for first in range(0, count, 1000):
        rows = benchmark_search.store(credential, draw, range(first, min(first + 1000, count)))
        made = []
        for message in benchmark_search.messages(draw, rows):
            message.html, message.renderer = f"<p>{message.text}</p>\n", rendering.RENDERER
            made.append(message)
        Message.objects.bulk_create(made, batch_size=2000)


if __name__ == "__main__":
    if sys.argv[1:2] == [_FILL]:
        fill(int(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]] or SIZES)
