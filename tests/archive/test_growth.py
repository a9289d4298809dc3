"""Rows that nobody needs any more are deleted by the worker's own chores, and the administration pages stay short."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import DjangoAssertNumQueries, Settings

from conversations import tasks
from conversations.models import Flight, SentRequest, TokenBudget
from conversations.models.search_export import SearchExport
from omniviewer.accounts.models import FailedSignIn, User
from omniviewer.audit import admin as audit_admin
from omniviewer.audit.models import Event
from tests.conftest import signed_in

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def milliseconds(ago: timedelta) -> int:
    return int((timezone.now() - ago).timestamp() * 1000)


def failed_sign_in(ago: timedelta) -> FailedSignIn:
    row = FailedSignIn.objects.create(name="somebody", address="somewhere")
    FailedSignIn.objects.filter(pk=row.pk).update(at=timezone.now() - ago)
    return row


def logged(owner: User, ago: timedelta) -> LogEntry:
    row = LogEntry.objects.create(user=owner, action_flag=CHANGE, object_repr="")
    LogEntry.objects.filter(pk=row.pk).update(action_time=timezone.now() - ago)
    return row


def task(status: str, ago: timedelta) -> Any:
    tasks.answer.enqueue()
    row = DBTaskResult.objects.latest("enqueued_at")
    at = timezone.now() - ago
    finished_at = None if status == "RUNNING" else at
    DBTaskResult.objects.filter(pk=row.pk).update(status=status, enqueued_at=at, started_at=at, finished_at=finished_at)
    return row


def test_each_table_of_passing_rows_is_emptied_by_the_workers_chores(owner: User, settings: Settings) -> None:
    settings.AUDIT_DAYS = 365
    now = timezone.now()
    # One that is over, and one that still counts, of each kind.
    pairs: list[tuple[Model, Model]] = [
        (
            SentRequest.objects.create(token="used", sent_at=milliseconds(2 * MINUTE)),
            SentRequest.objects.create(token="used", sent_at=milliseconds(MINUTE / 2)),
        ),
        (TokenBudget.objects.create(token="unused"), TokenBudget.objects.create(token="used")),
        (
            Flight.objects.create(question="old", lands_by=now - 2 * HOUR),
            Flight.objects.create(question="new", lands_by=now),
        ),
        (
            Session.objects.create(session_key="old", expire_date=now - MINUTE),
            Session.objects.create(session_key="new", expire_date=now + HOUR),
        ),
        (failed_sign_in(HOUR), failed_sign_in(MINUTE)),
        (
            SearchExport.objects.create(owner=owner, made_at=now - 8 * DAY),
            SearchExport.objects.create(owner=owner, made_at=now - 6 * DAY),
        ),
        (
            Event.objects.create(kind="opened", at=now - 366 * DAY),
            Event.objects.create(kind="opened", at=now - 364 * DAY),
        ),
        (logged(owner, 366 * DAY), logged(owner, 364 * DAY)),
        (task("SUCCESSFUL", 2 * DAY), task("SUCCESSFUL", HOUR)),
        (task("FAILED", 8 * DAY), task("FAILED", 6 * DAY)),
        (task("RUNNING", 2 * DAY), task("RUNNING", HOUR)),
    ]
    tasks.hourly.call()
    tasks.nightly.call()
    for over, counts in pairs:
        rows = type(over)._base_manager
        assert not rows.filter(pk=over.pk).exists(), over
        assert rows.filter(pk=counts.pk).exists(), counts


def test_however_often_pages_are_opened_few_runs_are_queued(owner_reads: Client, settings: Settings) -> None:
    settings.SYNC = "all"
    for _ in range(30):
        owner_reads.get("/conversations/")
        owner_reads.get("/insights/")
        tasks.sync.call()
        tasks.nudge_sync()
    assert DBTaskResult.objects.filter(status="READY").count() <= 4


@pytest.fixture
def staff(owner: User) -> Client:
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    return signed_in(owner)


def test_the_list_of_events_does_not_count_all_of_them(
    staff: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(audit_admin, "MAX_EVENTS", 150)
    Event.objects.bulk_create(
        [Event(kind="searched" if number < 160 else "opened", who=f"No. {number}") for number in range(300)]
    )
    address = "/admin/audit/event/"
    staff.get("/admin/")
    with django_assert_max_num_queries(5) as made:
        page = staff.get(address)
    assert page.status_code == 200
    assert b"No. 299" in page.content
    counts = [row["sql"] for row in made.captured_queries if "COUNT(" in row["sql"]]
    assert len(counts) == 1
    assert "LIMIT 150" in counts[0]
    assert b"No. 150<" in staff.get(f"{address}?p=2").content
    # Further ones are found by their kind, and on the page of the audit log itself.
    assert b"No. 159" in staff.get(f"{address}?kind__exact=searched").content
    assert staff.get(f"{address}?p=3").status_code == 302


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("/admin/", 7),
        ("/admin/accounts/user/", 7),
        ("/admin/accounts/user/?q=person", 7),
        ("/admin/auth/group/", 6),
        ("/admin/audit/event/", 5),
        ("/admin/django_tasks_database/dbtaskresult/", 8),
    ],
)
def test_lists_of_the_administration_cost_the_same_however_long(
    staff: Client, address: str, most: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(150):
        User.objects.create(username=f"person-{number}")
        Event.objects.create(kind="opened", who=f"person-{number}")
    for _ in range(5):
        task("SUCCESSFUL", HOUR)
    # The first page of a session stores when it began.
    staff.get("/admin/")
    with django_assert_max_num_queries(most):
        assert staff.get(address).status_code == 200
