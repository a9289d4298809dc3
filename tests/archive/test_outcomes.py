"""The background learns the outcome of every answer: jobs, then evidence, in turns with the threads."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations import tasks
from conversations.models import Job, JobAccess, Walk
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import credential_for, signed_in, text_of


@pytest.fixture(autouse=True)
def everything(settings: Settings) -> None:
    settings.SYNC, settings.CAPTURE = "all", "all"


def sync() -> None:
    tasks.nudge_sync()
    work()


def paths(omni: StandIn) -> list[str]:
    return [request.path.removeprefix("/api/v1/ai") for request in omni.requests]


def test_it_works(reads: Client, small: Organization, analyst: Member) -> None:
    """Nobody opened anything, and the failed answer is still found."""
    failed = answered(small, analyst, ages=[DAY], state="FAILED", error="No such field")
    answered(small, analyst, ages=[DAY])
    sync()
    page = text_of(reads.get("/conversations/?q=state:failed"))
    assert str(failed.id) in page
    assert "1 conversation" in page
    # All are known: there is nothing to say of it.
    assert "state known" not in page


def test_all_evidence_is_captured_the_newest_first(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[3 * DAY, 2 * DAY, DAY])
    sync()
    assert Job.objects.exclude(kept_at=None).count() == 3
    results = [path.split("/")[2] for path in paths(small_omni) if path.endswith("/result")]
    assert results == [str(job.id) for job in reversed(found.jobs)]
    assert text_of(reads.get(thread(found))).count("Captured") == 3


def test_what_omni_drops_soon_comes_first(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[13 * DAY, 12 * DAY, DAY])
    sync()
    results = [path.split("/")[2] for path in paths(small_omni) if path.endswith("/result")]
    assert results == [str(found.jobs[place].id) for place in (0, 1, 2)]


@pytest.mark.slow
def test_capture_does_not_stop_the_reading(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    """Somebody opened a long thread, and many more wait to be read: both go on."""
    long = answered(small, analyst, ages=[timedelta(hours=1 + number) for number in range(30)])
    for number in range(30):
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=[("Q?", "A.")])
    reads.get(thread(long))
    small_omni.requests.clear()
    tasks.nudge(tasks.capture)
    sync()
    kinds = [
        "thread" if path.startswith("/conversations/") else "job" for path in paths(small_omni) if path.count("/") > 1
    ]
    before_all_is_captured = kinds[: 2 * 30]
    assert before_all_is_captured.count("thread") >= 6, kinds[:60]


def test_only_the_state_is_asked_for_where_that_is_set(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    settings.CAPTURE = "marked"
    answered(small, analyst, ages=[DAY])
    sync()
    assert not [path for path in paths(small_omni) if path.endswith("/result")]
    assert Job.objects.get().topic == "orders"


def test_a_second_token_costs_a_small_request_and_not_the_rows_again(
    reads: Client, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    sync()
    credential_for(colleague, small_omni, small.organization_key())
    sync()
    job = found.jobs[0].id
    assert [path for path in paths(small_omni) if "/jobs/" in path] == [f"/jobs/{job}"]
    assert JobAccess.objects.exclude(shown_at=None).count() == 2
    assert "Captured" in text_of(signed_in(colleague).get(thread(found)))


def test_a_job_that_ran_is_asked_about_again(
    reads: Client, small: Organization, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = small.add_conversation(owner=analyst, name="Slow", turns=[("Q?", "A.")])
    job = small.ask(found, "And now?", None, at=datetime.now(UTC))
    found.messages.append(type(found.messages[0])("assistant", "Working", datetime.now(UTC), job, None))
    sync()
    assert Job.objects.get(omni_id=job.id).is_running
    job.state, job.completed_at = "FAILED", datetime.now(UTC)
    clock(timedelta(minutes=10))
    Walk.objects.update(not_before=timezone.now(), checked_at=timezone.now())
    sync()
    assert Job.objects.get(omni_id=job.id).state == "FAILED"


def test_how_much_is_known_is_said_where_nothing_is_found(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    answered(small, analyst, ages=[DAY, 2 * DAY])
    settings.SYNC = "list"
    sync()
    settings.SYNC = "off"
    page = text_of(reads.get("/conversations/?q=state:failed"))
    assert "state known for 0 answers" in page
    assert "The state is known for 0 answers: those whose evidence was captured." in " ".join(page.split())
    assert "state known" not in text_of(reads.get("/conversations/?q=state:unanswered"))
