"""Several requests in flight: one worker reads with several API tokens at once, and never two threads with one."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from conversations import tasks
from conversations.archive import list_walk
from conversations.archive import sync as archive_sync
from conversations.models import (
    Access,
    Action,
    Capture,
    Conversation,
    Flight,
    Job,
    JobAccess,
    Message,
    SentRequest,
    Walk,
)
from conversations.upstream import budget
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from omniviewer.operations import worker_threads
from tests.captured import answered, thread
from tests.conftest import credential_for, person
from tests.serving import ROOT, database_environment

# Threads run in connections of their own, and see what is committed alone.
pytestmark = pytest.mark.django_db(transaction=True)

DELAY_SECONDS = 0.1
THREADS = 4


@pytest.fixture(autouse=True)
def in_threads(settings: Settings) -> None:
    settings.SYNC, settings.WORKER_THREADS = "all", THREADS


def people(organization: Organization, omni: StandIn, count: int, of_each: int) -> None:
    """Connect so many people, each with a token and conversations of their own."""
    began = timezone.now() - timedelta(days=20)
    for number in range(count):
        member = organization.add_member(f"Person {number}", f"person{number}@small.example")
        for place in range(of_each):
            organization.add_conversation(
                owner=member,
                name=f"No. {place} of {number}",
                turns=[(f"Question {place} of {number}?", f"Answer {place} of {number}.")],
                started_at=began + timedelta(minutes=place),
            )
        credential_for(person(f"person-{number}"), omni, organization.personal_token(member))


def read_all(seconds: float = 60) -> None:
    """Run the sync's task, as a worker does, until nothing is left to read."""
    until = time.monotonic() + seconds
    while not is_read():
        assert time.monotonic() < until, "it did not come to an end"
        tasks.sync.call()


def is_read() -> bool:
    walks = Walk.objects.filter(walked_at__isnull=False, began_at=None, drop_before=None)
    return walks.count() == ApiToken.objects.count() and not Access.objects.behind().exists()


def most_in_flight(omni: StandIn, by: Callable[[Any], str] = lambda _: "") -> int:
    """Return the most requests that Omni had in hand at once, of those that `by` gives one name."""
    ends: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for row in omni.requests:
        # The stand-in waits for that long before it answers.
        ends[by(row)] += [(row.at, 1), (row.at + timedelta(seconds=DELAY_SECONDS), -1)]
    most = 0
    for steps in ends.values():
        count = 0
        for _, step in sorted(steps, key=lambda item: (item[0], item[1])):
            count += step
            most = max(most, count)
    return most


def archived() -> tuple[set[Any], set[Any], set[Any]]:
    """Return all that is stored of conversations, by the names that Omni gives."""
    return (
        set(Conversation.objects.values_list("omni_id", "name", "last_prompt", "updated_at", "revision", "is_indexed")),
        set(Message.objects.values_list("conversation__omni_id", "position", "role", "text", "created_at")),
        set(Access.objects.values_list("api_token__digest", "conversation__omni_id", "name", "read_of", "is_behind")),
    )


def test_it_works(small: Organization, small_omni: StandIn) -> None:
    people(small, small_omni, 6, of_each=5)
    small_omni.fail(Fault.delay(DELAY_SECONDS))
    read_all()
    assert 1 < most_in_flight(small_omni) <= THREADS
    assert most_in_flight(small_omni, lambda row: row.token) == 1
    assert Message.objects.count() == 6 * 5 * 2
    assert not Conversation.objects.filter(is_indexed=False).exists()


def test_nothing_is_fetched_twice(small: Organization, small_omni: StandIn) -> None:
    people(small, small_omni, 5, of_each=7)
    small_omni.fail(Fault.delay(0.02))
    read_all()
    asked = Counter((row.token, row.path) for row in small_omni.requests if row.path.count("/") > 4)
    assert len(asked) >= 5 * 7
    assert set(asked.values()) == {1}


def test_the_archive_is_the_same_as_by_one_thread(small: Organization, small_omni: StandIn, settings: Settings) -> None:
    people(small, small_omni, 5, of_each=6)
    # A key that sees all of them: its rows are those of the others' too.
    credential_for(person("lead"), small_omni, small.organization_key())
    found = []
    for count in (THREADS, 1):
        settings.WORKER_THREADS = count
        read_all()
        found.append(archived())
        for model in (Walk, Access, Conversation, Flight, SentRequest):
            model.objects.all().delete()
    assert found[0] == found[1]
    assert len(found[0][2]) == 2 * 5 * 6


def test_each_token_keeps_to_its_share(small: Organization, small_omni: StandIn, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 30
    people(small, small_omni, 3, of_each=25)
    share = int(budget.allowance() * Urgency.AHEAD.value)
    until = time.monotonic() + 30
    while not Walk.objects.exists() or (time.monotonic() < until and Walk.objects.due().exists()):
        tasks.sync.call()
    sent = Counter(SentRequest.objects.values_list("token", flat=True))
    assert set(sent.values()) == {share}
    # The first request of each identified the token.
    assert len(small_omni.requests) <= 3 * share
    assert set(Walk.objects.values_list("failure", flat=True)) == {""}


def test_answers_are_captured_side_by_side_and_each_once(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    found = answered(small, analyst, ages=[timedelta(minutes=number) for number in range(1, 13)])
    settings.SYNC = "off"
    reads.get(thread(found))
    assert Capture.objects.count() == 12
    small_omni.fail(Fault.delay(DELAY_SECONDS), path="/v1/ai/jobs")
    small_omni.requests.clear()
    tasks.capture.call()
    assert 1 < most_in_flight(small_omni) <= THREADS
    assert set(Counter(row.path for row in small_omni.requests).values()) == {1}
    assert Capture.objects.count() == 0
    assert Job.objects.exclude(kept_at=None).count() == 12
    assert Action.objects.count() == 12


def test_two_tokens_capture_the_same_answers_at_once(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    settings.CAPTURE = "all"
    for first in (1, 40, 80):
        answered(small, analyst, ages=[timedelta(minutes=first + number) for number in range(12)])
    for number in range(2):
        credential_for(person(f"lead-{number}"), small_omni, small.organization_key())
    read_all()
    for token in ApiToken.objects.all():
        Capture.objects.queue(token, Message.objects.all())
    Action.objects.all().delete()
    Job.objects.update(kept_at=None)
    JobAccess.objects.update(shown_at=None)
    for token in ApiToken.objects.all():
        Capture.objects.queue(token, Message.objects.all())
    assert Capture.objects.count() == 3 * 36
    # A slow machine needs more than one shift.
    while Capture.objects.due().exists():
        tasks.capture.call()
    assert list(Capture.objects.values_list("failure", "tries")) == []
    assert Action.objects.count() == Job.objects.exclude(kept_at=None).count() == 36


def test_a_thread_that_fails_ends_no_other_and_is_told(
    small: Organization, small_omni: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    people(small, small_omni, 4, of_each=3)
    broken = ApiToken.objects.all()[2]
    real = list_walk.go_on

    def go_on(walk: Walk, urgency: Urgency) -> Walk:
        if walk.api_token_id == broken.pk:
            raise ValueError("a fault of our own")
        return real(walk, urgency)

    monkeypatch.setattr(list_walk, "go_on", go_on)
    with caplog.at_level(logging.ERROR, "omniviewer.worker"), pytest.raises(ValueError, match="a fault of our own"):
        tasks.sync.call()
    assert [record.message for record in caplog.records] == ["a thread of the worker failed"]
    # The others read on, what they read is searched, and the next run is queued.
    assert set(Access.objects.exclude(opened_at=None).values_list("api_token", flat=True)) == set(
        ApiToken.objects.exclude(pk=broken.pk).values_list("pk", flat=True)
    )
    assert not Conversation.objects.filter(is_indexed=False).exists()
    assert DBTaskResult.objects.filter(status="READY", task_path=tasks.sync.module_path).exists()


def test_a_single_thread_that_fails_leaves_the_next_run_queued(
    small: Organization, small_omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_THREADS = 1
    people(small, small_omni, 1, of_each=1)

    def fail(*_: object, **__: object) -> bool:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(archive_sync, "run_next", fail)
    with pytest.raises(ValueError, match="a fault of our own"):
        tasks.sync.call()
    assert DBTaskResult.objects.filter(status="READY", task_path=tasks.sync.module_path).exists()


def test_no_more_threads_run_than_there_is_work_for(settings: Settings) -> None:
    seen: list[str] = []

    def work() -> None:
        seen.append(threading.current_thread().name)
        time.sleep(0.1)

    worker_threads.side_by_side(work, most=1)
    assert seen == ["MainThread"]
    worker_threads.side_by_side(work, most=3)
    assert len(set(seen[1:])) == len(seen[1:]) == 3
    worker_threads.side_by_side(work, most=50)
    assert len(set(seen[4:])) == len(seen[4:]) == THREADS


def test_a_worker_that_is_told_to_end_leaves_nothing_half_done(small: Organization, small_omni: StandIn) -> None:
    people(small, small_omni, 6, of_each=60)
    small_omni.fail(Fault.delay(DELAY_SECONDS))
    process = _worker()
    try:
        until = time.monotonic() + 30
        while len(small_omni.requests) < 40:
            assert time.monotonic() < until, "the worker reads nothing"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        # Omni's longest silence is five seconds here, a shift three, a turn three.
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - began < 12
    finally:
        process.kill()
        process.wait()
    assert 1 < most_in_flight(small_omni) <= THREADS
    assert not is_read()
    now = timezone.now()
    assert not Walk.objects.filter(leased_until__gt=now).exists()
    assert not Flight.objects.filter(landed_at=None).exists()
    assert not DBTaskResult.objects.running().exists()
    assert not DBTaskResult.objects.failed().exists()
    small_omni.recover()
    read_all()
    asked = Counter((row.token, row.path) for row in small_omni.requests if row.path.count("/") > 4)
    assert set(asked.values()) == {1}
    assert Message.objects.count() == 6 * 60 * 2


def _worker() -> "subprocess.Popen[bytes]":
    tasks.nudge_sync()
    environment = {"OMNIVIEWER_SYNC": "all", "OMNIVIEWER_DEMO": "true", "OMNIVIEWER_WORKER_THREADS": str(THREADS)}
    return subprocess.Popen(
        [sys.executable, "-m", "omniviewer", "worker", "--no-startup-delay", "--interval", "0.2"],
        cwd=ROOT,
        env=database_environment() | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
