"""The time and memory that an upgrade from the last release takes: `python -m tests.benchmark_upgrade [CONVERSATIONS]`.

By hand, on SQLite and on PostgreSQL: a database of the last release is filled by statements of its own, then `migrate`
runs in a process of its own. Each conversation has four messages and a job, and stands in the lists of ten people who
share one organization key and of the person whose it is.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.fernet import Fernet

from tests.postgresql import postgresql

ROOT = Path(__file__).resolve().parent.parent
HOLDERS, PEOPLE = 10, 50
_FILL = "fill"
_MIGRATE = """
import resource, sys, time
sys.argv[0] = "manage.py"
import django
django.setup()
from django.core.management import call_command
began = time.monotonic()
call_command("migrate", verbosity=0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"migrate: {time.monotonic() - began:.0f} s, at most {peak:.0f} MB")
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="omniviewer-upgrade-") as folder:
        _measure("SQLite", f"sqlite:///{Path(folder) / 'site.sqlite3'}", count)
    with postgresql() as server:
        _measure("PostgreSQL", server.address, count)


def _measure(name: str, address: str, count: int) -> None:
    began = time.monotonic()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "omniviewer.settings",
        "DATABASE_URL": address,
        "OMNIVIEWER_SECRET_KEY": "for the benchmark",
        "OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    fill = [sys.executable, "-m", "tests.benchmark_upgrade", _FILL, str(count)]
    subprocess.run(fill, cwd=ROOT, env=environment, check=True)
    sys.stdout.write(f"{name}, {count:,} conversations, filled in {time.monotonic() - began:.0f} s; ")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", _MIGRATE], cwd=ROOT, env=environment, check=True)


def fill(count: int) -> None:
    """Fill an empty database as the last release would have; rows are made by the database."""
    import django

    django.setup()
    from cryptography.fernet import MultiFernet
    from django.conf import settings
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import timezone
    from django.utils.crypto import salted_hmac

    from tests.archive.test_upgrade import LAST_RELEASE

    executor = MigrationExecutor(connection)
    others = [node for node in executor.loader.graph.leaf_nodes() if node[0] not in ("accounts", "conversations")]
    executor.migrate([*LAST_RELEASE, *others])
    models = executor.loader.project_state([*LAST_RELEASE, *others]).apps
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
        for statement in _statements(connection.vendor, count):
            cursor.execute(statement)
        for key, digest in digests.items():
            cursor.execute("UPDATE conversations_access SET token = %s WHERE credential_id = %s", [digest, key])
            cursor.execute("UPDATE conversations_job SET refused_to = %s WHERE id %% 997 = %s", [digest, key])


def _statements(vendor: str, count: int) -> list[str]:
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
    conversation = "id, instance, omni_id, name, last_prompt, owner_id, organization_id, created_at, updated_at, "
    conversation += "fetched_at, revision, version, recency, started, read_of, is_behind, indexed_as, is_indexed"
    message = "conversation_id, position, role, text, html, plain_because, renderer, created_at, job_id, "
    message += "omni_chat_url, revision"
    job = "id, instance, omni_id, conversation_id, state, progress, topic, error, asked_at, kept_at, has_chart, "
    job += "query_count, row_count, size, refused_to"
    action = "job_id, number, type, message, is_query, name, status, body, csv, was_cut"
    own = f"{HOLDERS} + 1 + (n % {PEOPLE})"
    made = [
        f"INSERT INTO conversations_conversation ({conversation}) SELECT n, 'omni.example', {omni_id}, 'Name ' || n, "
        f"'Question ' || n, 'owner', {nothing}, {now}, {now}, {now}, 1, 'version', n, n, {now}, {false}, n, {true} "
        f"FROM {numbers}",
        *(
            f"INSERT INTO conversations_message ({message}) SELECT n, {position}, "
            f"'{'user' if position % 2 else 'assistant'}', {words}, {words}, {nothing}, 1, {now}, "
            f"{'NULL' if position % 2 else uuid.format(f'n * 10 + {position}')}, {nothing}, 1 FROM {numbers}"
            for position in range(1, 5)
        ),
        f"INSERT INTO conversations_job ({job}) SELECT n, 'omni.example', {uuid.format('n * 10 + 4')}, {omni_id}, "
        f"'COMPLETE', {nothing}, 'topic', {nothing}, {now}, {now}, {true}, 1, 10, 400, {nothing} FROM {numbers}",
        f"INSERT INTO conversations_action ({action}) SELECT n, 1, 'generate_query', 'Counting', {true}, 'Query', "
        f"'success', {packed}, {packed}, {false} FROM {numbers}",
    ]
    access = "credential_id, conversation_id, confirmed_at, since, listed_at, token"
    for holder in [*map(str, range(1, HOLDERS + 1)), own]:
        made.append(
            f"INSERT INTO conversations_access ({access}) SELECT {holder}, n, {now}, {now}, {now}, {nothing} "
            f"FROM {numbers}"
        )
    return made


if __name__ == "__main__":
    if sys.argv[1:2] == [_FILL]:
        fill(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 100_000)
