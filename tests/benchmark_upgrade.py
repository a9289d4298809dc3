"""Time, memory and locks of upgrades: `python -m tests.benchmark_upgrade [CONVERSATIONS [RELEASE [VENDOR]]]`.

On SQLite and on PostgreSQL: a database of an earlier release (`tests/old_releases.py`; the last one by default) is
filled by statements of its own, then upgraded in a process of its own, which prints each migration that takes more than
half a second, and for how long PostgreSQL kept all others from which tables. Each conversation has four messages and a
job, and stands in the lists of ten people who share one organization key and of the person whose it is.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet

from tests.postgresql import postgresql
from tests.saying import say

ROOT = Path(__file__).resolve().parent.parent
HOLDERS, PEOPLE = 10, 50
_FILL, _UPGRADE = "fill", "upgrade"
_WORTH_TELLING_SECONDS = 0.5
_LOOK_SECONDS = 0.02
_LOCKED = """
    SELECT DISTINCT relation::regclass::text FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE mode = 'AccessExclusiveLock' AND granted AND relkind = 'r' AND relname ~ '^(conversations|accounts|audit)_'
"""


def main(count: int, release: str, vendors: list[str]) -> None:
    if "sqlite" in vendors:
        with tempfile.TemporaryDirectory(prefix="omniviewer-upgrade-") as folder:
            _measure("SQLite", f"sqlite:///{Path(folder) / 'site.sqlite3'}", count, release)
    if "postgresql" not in vendors:
        return
    with postgresql() as server:
        _measure("PostgreSQL", server.address, count, release)


def _measure(name: str, address: str, count: int, release: str) -> None:
    began = time.monotonic()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "omniviewer.settings",
        "DATABASE_URL": address,
        "OMNIVIEWER_SECRET_KEY": "for the benchmark, and for nothing else at all",
        "OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "OMNIVIEWER_ALLOWED_HOSTS": "omniviewer.example",
    }
    own = [sys.executable, "-m", "tests.benchmark_upgrade"]
    subprocess.run([*own, _FILL, str(count), release], cwd=ROOT, env=environment, check=True)
    say(f"{name}, {count:,} conversations of the release “{release}”, filled in {time.monotonic() - began:.0f} s")
    subprocess.run([*own, _UPGRADE], cwd=ROOT, env=environment, check=True)


def upgrade() -> None:
    """Upgrade the database, and print what took long."""
    import resource

    import django

    django.setup()
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    began = last = time.monotonic()

    def progress(action: str, migration: object = None, _fake: object = None) -> None:
        nonlocal last
        now = time.monotonic()
        if action == "apply_success" and now - last > _WORTH_TELLING_SECONDS:
            say(f"  {migration}: {now - last:.1f} s")
        last = now

    ended = threading.Event()
    held: Counter[str] = Counter()
    watch = threading.Thread(target=_watch, args=(held, ended))
    if connection.vendor == "postgresql":
        watch.start()
    executor = MigrationExecutor(connection, progress)
    executor.migrate(executor.loader.graph.leaf_nodes())
    ended.set()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"  all: {time.monotonic() - began:.0f} s, at most {peak:.0f} MB")
    if connection.vendor == "postgresql":
        watch.join()
        for table, count in held.most_common():
            if count * _LOOK_SECONDS > _WORTH_TELLING_SECONDS:
                say(f"  {table} was locked for {count * _LOOK_SECONDS:.1f} s in all")


def _watch(held: "Counter[str]", ended: threading.Event) -> None:
    """Count for each table how often, of so many looks a second, nobody else could read it."""
    import psycopg

    address = os.environ["DATABASE_URL"].replace("postgres:", "postgresql:", 1)
    with psycopg.connect(address, autocommit=True) as connection:
        while not ended.wait(_LOOK_SECONDS):
            held.update(name for (name,) in connection.execute(_LOCKED))


def fill(count: int, release: str) -> None:
    """Fill an empty database as the release would have; rows are made by the database."""
    import django

    django.setup()
    from cryptography.fernet import MultiFernet
    from django.conf import settings
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import timezone
    from django.utils.crypto import salted_hmac

    from tests.old_releases import targets_of

    executor = MigrationExecutor(connection)
    targets = targets_of(executor, release)
    executor.migrate(targets)
    models = executor.loader.project_state(targets).apps
    keys = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    now = timezone.now()
    digests = {}
    for number in range(HOLDERS + PEOPLE):
        token = "omni_org_shared" if number < HOLDERS else f"omni_pat_{number}"
        user = models.get_model("accounts", "User").objects.create(username=f"person-{number}", password="!")
        held = models.get_model("accounts", "Credential").objects.create(
            owner=user,
            label="Omni",
            instance="omni.example",
            ciphertext=keys.encrypt(token.encode()).decode(),
            scope="organization" if number < HOLDERS else "user",
            is_default=True,
            checked_at=now,
        )
        digests[held.pk] = salted_hmac("omniviewer.token", token, algorithm="sha256").hexdigest()
    with connection.cursor() as cursor:
        for name, values, numbers in _rows(connection.vendor, count):
            columns = {field.column for field in models.get_model("conversations", name)._meta.local_fields}
            known = {column: value for column, value in values.items() if column in columns}
            cursor.execute(
                f"INSERT INTO conversations_{name.lower()} ({', '.join(known)}) SELECT {', '.join(known.values())} "
                f"FROM {numbers}"
            )
        for key, digest in digests.items():
            cursor.execute("UPDATE conversations_access SET token = %s WHERE credential_id = %s", [digest, key])
            if any(field.name == "refused_to" for field in models.get_model("conversations", "Job")._meta.fields):
                cursor.execute("UPDATE conversations_job SET refused_to = %s WHERE id %% 997 = %s", [digest, key])


def _rows(vendor: str, count: int) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield models, each with the SQL of its columns, and the source of the numbers `n` in it."""
    now, false, true, nothing = "CURRENT_TIMESTAMP", "false", "true", "''"
    if vendor == "postgresql":
        numbers = f"generate_series(1, {count}) AS numbers(n)"
        uuid = "('00000000-0000-4000-8000-' || lpad(({})::text, 12, '0'))::uuid"
        text, packed = "repeat({}, {})", "convert_to(repeat('x', 200), 'UTF8')"
    else:
        wanted = f"WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < {count}) SELECT n FROM up"
        numbers = f"({wanted}) AS numbers"
        uuid = "'0000000000004000' || '8000' || printf('%%012d', {})"
        text, packed = "replace(printf('%%.*c', {1}, 'x'), 'x', {0})", "CAST(printf('%%.200c', 'x') AS BLOB)"
    # SQLite's driver takes percent signs literally in a statement without parameters.
    uuid, text, packed = (piece.replace("%%", "%") for piece in (uuid, text, packed))
    omni_id, words = uuid.format("n"), text.format("'word '", 60)
    conversation = {"id": "n", "instance": "'omni.example'", "omni_id": omni_id, "name": "'Name ' || n"}
    conversation |= {"last_prompt": "'Question ' || n", "owner_id": "'owner'", "organization_id": nothing}
    conversation |= dict.fromkeys(("created_at", "updated_at", "fetched_at", "read_of"), now)
    conversation |= {"revision": "1", "version": "'version'", "recency": "n", "started": "n", "is_behind": false}
    conversation |= {"indexed_as": "n", "is_indexed": true}
    yield "Conversation", conversation, numbers
    for position in range(1, 5):
        is_question = position % 2
        message = {
            "conversation_id": "n",
            "position": str(position),
            "role": "'user'" if is_question else "'assistant'",
        }
        message |= {"text": words, "html": words, "plain_because": nothing, "renderer": "1", "created_at": now}
        message |= {"job_id": "NULL" if is_question else uuid.format(f"n * 10 + {position}")}
        message |= {"omni_chat_url": nothing, "revision": "1"}
        yield "Message", message, numbers
    job = {"id": "n", "instance": "'omni.example'", "omni_id": uuid.format("n * 10 + 4"), "conversation_id": omni_id}
    job |= {"state": "'COMPLETE'", "progress": nothing, "topic": "'topic'", "error": nothing, "asked_at": now}
    job |= {
        "kept_at": now,
        "has_chart": true,
        "query_count": "1",
        "row_count": "10",
        "size": "400",
        "refused_to": nothing,
    }
    yield "Job", job, numbers
    action = {"job_id": "n", "number": "1", "type": "'generate_query'", "message": "'Counting'", "is_query": true}
    action |= {"name": "'Query'", "status": "'success'", "body": packed, "csv": packed, "was_cut": false}
    action |= {"has_rows": true, "row_count": "10"}
    yield "Action", action, numbers
    own = f"{HOLDERS} + 1 + (n % {PEOPLE})"
    for holder in [*map(str, range(1, HOLDERS + 1)), own]:
        access = {"credential_id": holder, "conversation_id": "n", "token": nothing}
        yield "Access", access | dict.fromkeys(("confirmed_at", "since", "listed_at"), now), numbers


if __name__ == "__main__":
    match sys.argv[1:]:
        case [what, number, release] if what == _FILL:
            fill(int(number), release)
        case [what] if what == _UPGRADE:
            upgrade()
        case [*words]:
            main(
                int(words[0]) if words else 100_000,
                words[1] if words[1:] else "insights",
                words[2:] or ["sqlite", "postgresql"],
            )
