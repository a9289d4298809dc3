"""The sync's work for one thread, by hand: `python -m tests.benchmark_sync_one`.

CPU of this thread alone, so that the stand-in Omni, which runs beside it, and other load count for nothing; medians of
turns that each read many threads, on the database of `OMNIVIEWER_TEST_DATABASE` (SQLite without it). Threads have six
messages and three jobs, each of some lines of Markdown. Statements are counted with and without the ends of
transactions.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest import mock

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Max  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings, setup_test_environment  # noqa: E402
from django.utils import timezone  # noqa: E402

from conversations.archive import sync  # noqa: E402
from conversations.models import Access, Walk  # noqa: E402
from omniviewer.demo.stand_in import Organization, StandIn  # noqa: E402
from omniviewer.demo.stand_in.organization import Conversation as InOmni  # noqa: E402
from tests.conftest import credential_for, person  # noqa: E402

THREADS, A_TURN, TURNS = 99, 11, 4
ANSWER = "### Revenue\n\n| Month | Revenue |\n|---|---|\n| January | **$52,430** |\n\n" + "Some words on it. " * 20


def main() -> None:
    setup_test_environment()
    call_command("migrate", verbosity=0)
    organization = Organization("benchmark")
    member = organization.add_member("Somebody", "somebody@example.com")
    began = datetime.now(UTC) - timedelta(days=3)
    made = [
        organization.add_conversation(
            owner=member,
            name=f"No. {number}",
            turns=[(f"Question {turn} of {number}?", ANSWER) for turn in range(3)],
            started_at=began + timedelta(minutes=number),
        )
        for number in range(THREADS)
    ]
    with (
        StandIn(organization, rate_per_minute=10**6) as omni,
        override_settings(SYNC="list", RATE_PER_MINUTE=10**5),
        # Threads take each turn, and nothing else is read in between.
        mock.patch.object(sync, "_TURNS", itertools.repeat(0)),
    ):
        credential_for(person("reader"), omni, organization.personal_token(member))
        sync.begin_walks()
        while Walk.objects.filter(walked_at=None).exists():
            sync.run_next(seconds=1)
        sync.run_next(seconds=1)
        with override_settings(SYNC="all"):
            _measure("stored for the first time", lambda: None)
            _measure("changed by one message", lambda: _go_on(organization, made))
            _measure("not changed", lambda: None)


def _go_on(organization: Organization, made: list[InOmni]) -> None:
    for row in made:
        organization.ask(row, "And then?", None, at=datetime.now(UTC))


def _measure(name: str, change: Callable[[], None]) -> None:
    change()
    now = timezone.now()
    Access.objects.update(is_behind=True, not_before=now)
    Walk.objects.update(checked_at=now, walked_at=now, not_before=now)
    cpu: list[float] = []
    counts, bare = [], []
    for turn in range(TURNS + 1):
        before = Access.objects.filter(is_behind=True).count()
        # So that turns last for a dozen threads or so, however fast the machine.
        seconds = statistics.median(cpu) * A_TURN * 1.5 if cpu else 0.2
        if turn < TURNS:
            started = time.thread_time()
            assert sync.run_next(seconds)
            took = time.thread_time() - started
            read = before - Access.objects.filter(is_behind=True).count()
            assert read
            cpu.append(took / read)
            continue
        # Counted apart from the rest, since Django asks SQLite how to write each statement that it records.
        with CaptureQueriesContext(connection) as captured:
            assert sync.run_next(seconds)
        read = before - Access.objects.filter(is_behind=True).count()
        assert read
        ends = sum(row["sql"].startswith(("BEGIN", "COMMIT")) for row in captured)
        counts.append(len(captured) / read)
        bare.append((len(captured) - ends) / read)
    last = Access.objects.aggregate(at=Max("fetched_at"))["at"]
    assert last >= now
    sys.stdout.write(
        f"a thread {name}: {statistics.median(cpu) * 1000:.1f} ms of CPU, {statistics.median(counts):.1f} statements, "
        f"{statistics.median(bare):.1f} without the ends of transactions\n"
    )


if __name__ == "__main__":
    main()
