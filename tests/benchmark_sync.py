"""The database's work for a turn of the background sync, by hand: `python -m tests.benchmark_sync [CONVERSATIONS]`.

On a PostgreSQL of its own. Two organization keys have an access to each conversation: with one of them all is read,
with the other half. 100 people with tokens of their own have read a thousand each. Omni is the stand-in, and nothing
is new there.
"""

import gc
import os
import re
import statistics
import sys
import time

import django
from cryptography.fernet import Fernet

from tests.postgresql import postgresql

PEOPLE, OF_EACH = 100, 1000
TURNS = 9


def main(count: int) -> None:
    with postgresql() as server:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            OMNIVIEWER_TEST_DATABASE=server.address,
            OMNIVIEWER_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
        )
        django.setup()
        _measure(count)


def _measure(count: int) -> None:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.db.models import F
    from django.test.utils import CaptureQueriesContext, override_settings, setup_test_environment
    from django.utils import timezone

    from conversations.archive import sync
    from conversations.models import Access, Walk
    from omniviewer.demo.stand_in import Organization, StandIn
    from tests import old_rows
    from tests.conftest import credential_for, person

    setup_test_environment()
    call_command("migrate", verbosity=0)
    organization = Organization("benchmark")
    member = organization.add_member("Somebody", "somebody@example.com")
    for number in range(150):
        organization.add_conversation(owner=member, name=f"No. {number}", turns=[("Question?", "Answer.")])
    with StandIn(organization, rate_per_minute=10**6) as omni, override_settings(SYNC="list"):
        tokens = [
            credential_for(person(f"person-{number}"), omni, organization.personal_token(member)).api_token
            for number in range(PEOPLE)
        ]
        idle, behind = (
            credential_for(person(name), omni, organization.organization_key()).api_token for name in ("idle", "behind")
        )
        sync.begin_walks()
        while Walk.objects.filter(walked_at=None).exists():
            sync.run_next(seconds=1)
        Access.objects.update(is_behind=False, opened_at=timezone.now(), read_of=F("updated_at"))
        settings.SYNC = settings.CAPTURE = "all"
        rows = old_rows.conversations(idle.instance, count)
        old_rows.accesses(idle, rows)
        old_rows.accesses(behind, rows, behind=count // 2)
        for number, token in enumerate(tokens):
            begin = number * OF_EACH % max(count - OF_EACH, 1)
            old_rows.accesses(token, rows[begin : begin + OF_EACH])
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        Walk.objects.update(paused_at=timezone.now())
        gc.collect()
        gc.freeze()
        for name, token in (("an idle key", idle), ("a key with a backlog", behind), ("an idle person", tokens[7])):
            taken, seconds_of = [], dict[str, float]()
            for _ in range(TURNS):
                old_rows.look_again(token)
                Walk.objects.filter(api_token=token).update(paused_at=None)
                began = time.perf_counter()
                with CaptureQueriesContext(connection) as captured:
                    sync.run_next(seconds=0 if token == behind else 3)
                taken.append(time.perf_counter() - began)
                for query in captured:
                    sql = re.sub(r"\d+", "…", query["sql"])
                    begin_and_end = f"{sql[:90]} … {sql[-100:]}"
                    seconds_of[begin_and_end] = max(seconds_of.get(begin_and_end, 0.0), float(query["time"]))
                Walk.objects.filter(api_token=token).update(paused_at=timezone.now())
            said = f"{name}: {statistics.median(taken) * 1000:.0f} ms, at most {max(taken) * 1000:.0f} ms; "
            sys.stdout.write(f"{said}{len(captured)} statements\n")
            for sql, seconds in sorted(seconds_of.items(), key=lambda item: -item[1])[:4]:
                sys.stdout.write(f"    {seconds * 1000:.0f} ms  {sql}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
