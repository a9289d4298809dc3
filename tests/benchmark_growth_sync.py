"""Requests of one worker to an Omni that takes 300 ms: `python -m tests.benchmark_growth sync [THREADS RATE SECONDS]`
and `idle [THREADS SECONDS]`.

A real worker process, on a PostgreSQL of its own, reads from the stand-in, whose processor time is not the worker's.
"""

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.saying import say

if TYPE_CHECKING:
    from omniviewer.demo.stand_in import Organization, StandIn

OMNI_SECONDS = 0.3
KEYS = 10
TO_READ = 200_000
IDLE_TOKENS = 500
LISTS = "/api/v1/ai/conversations"


def sync(threads: int = 10, rate: int = 60, seconds: int = 180) -> None:
    """Tell how many requests a minute a worker sends while it reads with ten keys for the first time."""
    from omniviewer.demo.stand_in import Fault, StandIn

    with ExitStack() as stack:
        omnis = []
        for number in range(KEYS):
            organization = _organization(number, most=seconds * 5)
            omnis.append(stack.enter_context(StandIn(organization, rate_per_minute=rate)))
            _connect(f"lead-{number}", omnis[-1], organization.organization_key())
            omnis[-1].fail(Fault.delay(OMNI_SECONDS))
        used = _work(seconds, threads, rate)
    requests = [row for omni in omnis for row in omni.requests]
    began = min(row.at for row in requests)
    # The first minute is a burst: all budgets are full.
    later = [row for row in requests if row.at - began >= timedelta(minutes=1)]
    minutes = (max(row.at for row in later) - began).total_seconds() / 60 - 1 if later else 0.0
    by_minute = len(later) / minutes if minutes else 0.0
    share = int((rate - max(1, round(rate * 0.1))) * 0.4) * KEYS
    statuses = Counter(row.status for row in requests)
    say(f"{threads} threads, {KEYS} keys of {rate} requests a minute, Omni at {OMNI_SECONDS * 1000:.0f} ms:")
    say(f"    {by_minute:.0f} requests a minute after the first; the budgets allow {share}; statuses {dict(statuses)}")
    say(
        f"    {used / len(requests) * 1000:.1f} ms of the worker's CPU a request, {used / seconds:.0%} of one processor"
    )
    if by_minute:
        hours = TO_READ / by_minute / 60
        say(f"    {TO_READ:,} conversations: {hours:.1f} h at that rate, {TO_READ / share / 60:.1f} h by the budgets")


def idle(threads: int = 10, seconds: int = 300) -> None:
    """Tell what five hundred tokens cost whose lists have not changed for a month, and nobody of whom is here."""
    from django.utils import timezone

    from conversations.archive import sync as archive_sync
    from conversations.models import Walk
    from omniviewer.accounts.models import ApiToken
    from omniviewer.demo.stand_in import Fault, Organization, StandIn

    organization = Organization("idle-org")
    began = timezone.now() - timedelta(days=30)
    with StandIn(organization, rate_per_minute=10**6) as omni:
        for number in range(IDLE_TOKENS):
            member = organization.add_member(f"Person {number}", f"person{number}@idle.example")
            for place in range(2):
                at = began - timedelta(hours=place)
                organization.add_conversation(
                    owner=member, name=f"No. {place}", turns=[("Question?", "Answer.")], started_at=at
                )
            _connect(f"person-{number}", omni, organization.personal_token(member))
        from django.conf import settings

        settings.SYNC = "all"
        archive_sync.begin_walks()
        while Walk.objects.due().exists():
            archive_sync.run_next(1)
        # As they are in the middle of a day: each was looked at at another moment.
        now = timezone.now()
        for place, walk in enumerate(Walk.objects.order_by("?")):
            ago = timedelta(minutes=30) * place / IDLE_TOKENS
            Walk.objects.filter(pk=walk.pk).update(
                checked_at=now - ago, walked_at=now, counted_at=now, not_before=now - ago + timedelta(minutes=30)
            )
        assert ApiToken.objects.count() == IDLE_TOKENS
        omni.requests.clear()
        omni.fail(Fault.delay(OMNI_SECONDS))
        used = _work(seconds, threads, 60)
        asked = Counter(row.path == LISTS for row in omni.requests)
    looks = asked[True]
    waits = len(omni.requests) * OMNI_SECONDS
    say(f"{IDLE_TOKENS} idle tokens, {threads} threads, {seconds} s:")
    say(f"    {looks / seconds * 60:.1f} looks and {asked[False] / seconds * 60:.1f} other requests a minute")
    say(f"    {used / seconds:.1%} of a processor, with start-up; {used / max(looks, 1) * 1000:.0f} ms a look")
    say(
        f"    waits for Omni: {waits / seconds:.1%} of a thread's time, {waits / seconds / threads:.1%} of the worker's"
    )


def _organization(number: int, most: int) -> "Organization":
    from django.utils import timezone

    from omniviewer.demo.stand_in import Organization

    organization = Organization(f"organization-{number}")
    member = organization.add_member("Somebody", f"somebody{number}@example.com")
    began = timezone.now() - timedelta(days=60)
    for place in range(most):
        turns: list[Any] = [(f"Question {turn} of {place}?", "An answer of some words. " * 10) for turn in range(2)]
        at = began + timedelta(minutes=place)
        organization.add_conversation(owner=member, name=f"No. {place}", turns=turns, started_at=at)
    return organization


def _connect(name: str, omni: "StandIn", token: str) -> None:
    from tests.conftest import credential_for, person

    credential_for(person(name), omni, token)


def _work(seconds: int, threads: int, rate: int) -> float:
    """Run a worker for so long; return its seconds of CPU."""
    from conversations import tasks
    from tests.serving import ROOT, database_environment

    tasks.nudge(tasks.sync)
    environment = database_environment() | {
        "OMNIVIEWER_SYNC": "all",
        "OMNIVIEWER_CAPTURE": "all",
        "OMNIVIEWER_DEMO": "true",
        "OMNIVIEWER_WORKER_THREADS": str(threads),
        "OMNIVIEWER_RATE_PER_MINUTE": str(rate),
        "DATABASE_URL": os.environ["OMNIVIEWER_TEST_DATABASE"],
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    worker = subprocess.Popen(
        [sys.executable, "-m", "omniviewer", "worker", "--no-startup-delay"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
