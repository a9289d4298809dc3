"""The number of statements that the background sync needs for one thread."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from conversations.archive import sync as archive_sync
from conversations.models import Access, Message, Walk
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member

# Ends of transactions, and of their parts: tests run in one of their own.
_ENDS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.fixture
def made(
    reads: Client,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> list[InOmni]:
    """Return conversations of six messages each; their list has been read, their threads come next."""
    began = datetime.now(UTC) - timedelta(days=3)
    turns = [(f"Question {number}?", f"**Answer** {number}.") for number in range(3)]
    found = [
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=turns, started_at=began + number * TURN)
        for number in range(8)
    ]
    settings.SYNC = "list"
    archive_sync.begin_walks()
    while archive_sync.run_next():
        pass
    settings.SYNC = "all"
    monkeypatch.setattr(archive_sync, "_TURNS", itertools.repeat(0))
    monkeypatch.setattr(archive_sync, "_CHECKED_EVERY_SECONDS", 600.0)
    monkeypatch.setattr(archive_sync, "_ask_about_one_job", lambda _token: False)
    return found


TURN = timedelta(minutes=10)


def statements(threads: int) -> int:
    """Return the number of statements of a turn that reads so many threads."""
    now = timezone.now()
    keys = list(Access.objects.newest_first().values_list("pk", flat=True)[:threads])
    Access.objects.filter(pk__in=keys).update(is_behind=True, not_before=now)
    Walk.objects.update(checked_at=now, walked_at=now, not_before=now)
    with CaptureQueriesContext(connection) as captured:
        assert archive_sync.run_next(seconds=60)
    assert Access.objects.filter(pk__in=keys, fetched_at__gte=now, is_behind=False).count() == threads
    return sum(not row["sql"].startswith(_ENDS) for row in captured)


def each(more: int, fewer: int) -> float:
    return (statements(more) - statements(fewer)) / (more - fewer)


def read_all() -> None:
    statements(8)


def test_a_thread_that_is_stored_for_the_first_time(made: list[InOmni]) -> None:
    Access.objects.update(is_behind=False)
    two = statements(2)
    Access.objects.update(is_behind=False)
    assert Message.objects.count() == 12
    # The next six have never been read; the two that were are read again.
    eight = statements(8)
    assert Message.objects.count() == 48
    assert (eight - two) / 6 <= 11


def test_a_thread_that_has_not_changed(made: list[InOmni]) -> None:
    read_all()
    assert each(8, 2) <= 11


def test_a_thread_that_has_changed_by_one_message(made: list[InOmni], small: Organization) -> None:
    read_all()
    taken = []
    for threads in (8, 2, 8):
        for row in made:
            small.ask(row, "And then?", None, at=datetime.now(UTC))
        taken.append(statements(threads))
    assert Message.objects.count() == 8 * 9
    _, two, eight = taken
    assert (eight - two) / 6 <= 13


def test_a_turn_costs_little_beside_its_threads(made: list[InOmni]) -> None:
    now = timezone.now()
    Access.objects.update(not_before=now)
    Walk.objects.update(checked_at=now, walked_at=now, not_before=now)
    with CaptureQueriesContext(connection) as captured:
        assert archive_sync.run_next(seconds=0)
    assert sum(not row["sql"].startswith(_ENDS) for row in captured) <= 17
    assert Message.objects.count() == 6
