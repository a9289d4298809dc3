"""Measure what grows, by hand, each on a PostgreSQL of the tests' own: `python -m tests.benchmark_growth COMMAND`.

`tables` (without a command): the bytes of a row of each table, of the demo's company: six months of conversations, all
read, captured and indexed. The size of a table is that of its rows, indexes and texts that stand apart, divided by its
rows. `size [CONVERSATIONS]`: the database of five hundred people, its pages and the administration's
(`benchmark_growth_size`). `sync` and `idle`: requests of one worker (`benchmark_growth_sync`).
"""

import os
import sys
from datetime import UTC, datetime

from tests import benchmark_growth_size, benchmark_growth_sync
from tests.postgresql import postgresql


def main() -> None:
    with postgresql() as server:
        os.environ["OMNIVIEWER_TEST_DATABASE"] = server.address
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.test.utils import setup_test_environment

        setup_test_environment()
        call_command("migrate", verbosity=0)
        match sys.argv[1:]:
            case [] | ["tables"]:
                _fill()
                _tell()
            case ["size", *count]:
                benchmark_growth_size.fill(int(count[0]) if count else 200_000)
                _tell()
                benchmark_growth_size.measure()
            case ["sync" | "idle" as name, *values]:
                getattr(benchmark_growth_sync, name)(*map(int, values))
            case _:
                sys.exit(__doc__)


def _fill() -> None:
    from django.test.utils import override_settings

    from conversations.archive import capture, sync
    from conversations.models import Capture, Message
    from conversations.search import documents
    from omniviewer.accounts.models import ApiToken
    from omniviewer.demo.stand_in import StandIn, sample_organization
    from tests.conftest import credential_for, person

    organization = sample_organization(datetime.now(UTC))
    with StandIn(organization, rate_per_minute=10**6) as omni, override_settings(SYNC="all", RATE_PER_MINUTE=100_000):
        credential_for(person("lead"), omni, organization.demo_tokens["lead"])
        sync.begin_walks()
        while sync.run_next(60):
            pass
        Capture.objects.queue(ApiToken.objects.get(), Message.objects.all())
        while capture.run_next():
            pass
        documents.refresh(seconds=600)


def _tell() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' ORDER BY relname")
        tables = [(name, size) for name, size in cursor.fetchall() if not name.startswith(("pg_", "sql_"))]
        sys.stdout.write(f"the database: {sum(size for _, size in tables):,} bytes\n")
        for name, size in tables:
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            count = cursor.fetchone()[0]
            each = f"{size / count:,.0f} bytes a row" if count > 50 else ""
            sys.stdout.write(f"{name:45} {count:8,} rows {size:12,} bytes  {each}\n")


if __name__ == "__main__":
    main()
