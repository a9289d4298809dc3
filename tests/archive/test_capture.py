"""Capture: workers, which may be killed at any time, store evidence before Omni drops it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries

from conversations import tasks
from conversations.models import Access, Action, AnswerStatus, Capture, Chart, Conversation, Job, SentRequest, Star
from conversations.models.capture import CaptureQuerySet
from omniviewer.accounts.models import Credential, User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from omniviewer.operations.embedded_worker import EmbeddedWorker
from tests.access.test_doors import WALK
from tests.captured import answered, thread, work
from tests.conftest import EXAMPLE, credential_for, sign_in, signed_in, text_of
from tests.serving import ROOT, database_environment, serve

HTMX = {"HX-Request": "true"}
DAY = timedelta(days=1)


def asked(omni: StandIn, what: str = "/jobs/") -> list[str]:
    return [row.path.removeprefix("/api/v1/ai/jobs/") for row in omni.requests if what in row.path]


def lines(page: str) -> list[str]:
    """Return what stands in the head of each answer, in the line under it, and of its capture."""
    found: dict[str, list[str]] = {}
    for position, text in re.findall(
        r'<p class="(?:answer-state|answer-status|capture-state)" id="[a-z-]+-(\d+)"[^>]*>(.*?)</p>', page, re.S
    ):
        found.setdefault(position, []).extend(re.sub(r"<[^>]+>", " ", text).split())
    return [" ".join(words) for words in found.values()]


def today(moved: timedelta = timedelta(0)) -> str:
    return f"{timezone.localtime(datetime.now(UTC) + moved):%-d %b}"


@pytest.mark.both_dialects
def test_it_works(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY, timedelta(hours=1)])
    page = text_of(reads.get(thread(found)))
    assert asked(small_omni) == [], "opening asks for nothing that the page does not show"
    assert lines(page)[0].startswith("Omni keeps this until ")
    work()
    assert lines(text_of(reads.get(thread(found)))) == [
        f"Complete Topic orders 1 query 3 rows Captured {today()}",
        f"Complete Topic orders 1 query 3 rows Captured {today()}",
    ]
    assert Counter(row.split("/")[1] for row in asked(small_omni)) == {"result": 2, "vis": 2}
    small_omni.stop()
    page = text_of(reads.get(f"{thread(found)}messages/2/evidence/"))
    assert "1,030" in page
    assert reads.get(f"{thread(found)}messages/2/chart.png")["Content-Type"] == "image/png"


def test_nothing_is_asked_twice(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    for _ in range(3):
        reads.get(thread(found))
        work()
    assert len(asked(small_omni)) == 2
    assert Capture.objects.count() == 0


def test_what_somebody_opens_meanwhile_is_not_asked_for_again(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    reads.get(f"{thread(found)}messages/2/evidence/")
    work()
    assert Counter(row.split("/")[1] for row in asked(small_omni)) == {"result": 1, "vis": 1}


@pytest.mark.parametrize("address", ["{}", "{}for-ticket.json", "{}messages/2/for-ticket.json"])
def test_opening_and_exporting_queue_what_is_not_kept(
    reads: Client, small: Organization, analyst: Member, address: str
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(address.format(thread(found)))
    assert Capture.objects.count() == 1


@pytest.mark.parametrize("extension", ["md", "json", "csv"])
def test_so_does_a_file(reads: Client, small: Organization, analyst: Member, extension: str) -> None:
    found = answered(small, analyst, ages=[DAY])
    assert reads.get(f"/conversations/{found.id}.{extension}").getvalue()
    assert Capture.objects.count() == 1


def test_a_new_answer_is_queued_when_the_open_page_hears_of_it(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=2)])
    reads.get(thread(found))
    work()
    answered_now = small.ask(found, "And now?", "Even more.", at=datetime.now(UTC) - timedelta(minutes=2))
    Access.objects.update(fetched_at=timezone.now() - timedelta(minutes=30))
    reads.get(f"{thread(found)}fresh/?revision=1&count=2&looks=1", headers=HTMX)
    assert [row.job_id for row in Capture.objects.all()] == [answered_now.id]


# In which order, and how fast -----------------------------------------------------------------------------


def test_what_omni_soon_drops_comes_first_and_then_the_newest(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    days = [13.5, 12, 10, 5, 1, 0.1]
    found = answered(small, analyst, ages=[timedelta(days=age) for age in days])
    jobs = {str(message.job.id): age for message, age in zip(found.messages[1::2], days, strict=True) if message.job}
    reads.get(thread(found))
    work()
    assert [jobs[row.split("/")[0]] for row in asked(small_omni, "/result")] == [13.5, 12, 0.1, 1, 5, 10]


def test_what_is_past_its_time_is_not_asked_for(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[15 * DAY])
    page = text_of(reads.get(thread(found)))
    work()
    assert asked(small_omni) == []
    assert lines(page) == [f"No evidence {AnswerStatus.EXPIRED.sentence}"]


def test_it_stays_within_the_part_of_the_budget_that_is_its_own(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: LazySettings
) -> None:
    settings.RATE_PER_MINUTE = 22
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 9)])
    reads.get(thread(found))
    work()
    # 20 requests are ours to use, half of them in the background; connecting took one, and the thread one.
    assert len(asked(small_omni)) == 8
    assert Job.objects.exclude(kept_at=None).count() == 4
    waiting = Capture.objects.all()
    assert {row.tries for row in waiting} == {0, 1}, "one was tried in vain, and the others waited with it"
    assert all(timezone.now() < row.not_before < timezone.now() + timedelta(seconds=62) for row in waiting)
    again = DBTaskResult.objects.ready().model.objects.filter(status="READY", task_path=tasks.capture.module_path)
    assert any(task.run_after < timezone.now() + timedelta(seconds=62) for task in again)
    # A reader does not have to wait for the captures.
    assert reads.get(f"{thread(found)}messages/2/evidence/").status_code == 200


def test_while_omni_is_away_it_waits(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.fail(Fault.status(503), path="/v1/ai/jobs")
    work()
    assert Capture.objects.get().failure
    small_omni.recover()
    work()
    assert Job.objects.filter(kept_at=None).count() == Job.objects.count()
    clock(timedelta(minutes=6))
    work()
    assert Job.objects.get().kept_at
    assert Capture.objects.count() == 0


@pytest.mark.both_dialects
def test_a_reply_that_makes_no_sense_is_not_asked_for_for_ever(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=1)])
    reads.get(thread(found))
    small_omni.fail(Fault.edit(lambda _: ["a list"]), path="/v1/ai/jobs")
    for hour in range(1, 20):
        clock(timedelta(hours=1.1 * hour))
        tasks.nudge(tasks.capture)
        work()
    assert len(asked(small_omni, "/result")) == 8
    assert Capture.objects.count() == 0


# Outcome of jobs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error", "line"),
    [
        (
            "FAILED",
            "Column not found: <b>x</b>",
            "Failed Column not found: &lt;b&gt;x&lt;/b&gt;: The query was stopped. (QUERY_FAILED) "
            "Topic orders No evidence",
        ),
        ("CANCELLED", "", "Cancelled Topic orders No evidence"),
    ],
)
def test_what_became_of_a_job_stands_under_its_answer(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, state: str, error: str, line: str
) -> None:
    found = answered(small, analyst, ages=[DAY], state=state, error=error)
    reads.get(thread(found))
    work()
    assert lines(text_of(reads.get(thread(found)))) == [line]
    requests_so_far = len(asked(small_omni))
    work()
    assert len(asked(small_omni)) == requests_so_far
    assert Capture.objects.count() == 0


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
@pytest.mark.parametrize(("length", "is_whole"), [(20, True), (240, True), (900, False)])
def test_the_reason_of_a_failure_is_said_once(
    reads: Client, small: Organization, analyst: Member, state: str, length: int, is_whole: bool
) -> None:
    found = answered(small, analyst, ages=[DAY], state=state, error=f"No column{' and so on' * length}"[:length])
    reads.get(thread(found))
    work()
    page = text_of(reads.get(thread(found)))
    assert page.count("No column") == 1
    # Opened evidence would repeat it, unless the reason was too long for the line above the answer.
    assert ("<summary>Evidence</summary>" not in page) is is_whole
    assert ("<span>No evidence</span>" in page) is is_whole
    opened = text_of(reads.get(f"{thread(found)}messages/2/evidence/"))
    assert "No column and so on" in opened


def test_a_job_that_runs_is_looked_at_until_it_is_done(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[timedelta(minutes=2)])
    job = found.messages[1].job
    assert job
    job.state, job.progress = "EXECUTING", "Running query 2 of 3"
    reads.get(thread(found))
    work()
    assert Capture.objects.count() == 1
    assert lines(text_of(reads.get(thread(found)))) == ["Running Topic orders"]
    job.state = "COMPLETE"
    clock(timedelta(seconds=40))
    work()
    assert Job.objects.get().kept_at


def test_what_omni_does_not_show_is_not_asked_for_with_that_token_again(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.fail(Fault.status(404), path="/v1/ai/jobs")
    work()
    assert lines(text_of(reads.get(thread(found)))) == [AnswerStatus.HIDDEN.sentence]
    before = len(asked(small_omni))
    reads.get(thread(found))
    work()
    assert len(asked(small_omni)) == before


def test_a_job_without_a_result_is_asked_for_once(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    small_omni.fail(Fault.status(404), path=f"/v1/ai/jobs/{job.id}/result")
    for _ in range(3):
        page = text_of(reads.get(thread(found)))
        work()
    assert lines(page) == ["Topic orders No evidence Omni has no evidence for this answer"]
    assert Counter(asked(small_omni)) == {f"{job.id}/result": 1, f"{job.id}": 1}


def test_a_job_of_another_conversation_is_left_alone(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    reads.get(thread(found))
    Capture.objects.all().delete()
    Job.objects.create(
        instance=small_omni.host,
        omni_id=job.id,
        conversation_id=analyst.id,
        asked_at=timezone.now(),
        kept_at=timezone.now(),
        topic="secret",
    )
    page = text_of(reads.get(thread(found)))
    work()
    assert asked(small_omni) == []
    assert "secret" not in page
    assert "secret" not in text_of(reads.get(f"{thread(found)}print/"))


def test_a_job_that_ran_long_ago_is_not_said_to_run_still(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    asked_at = timezone.now() - timedelta(hours=2)
    Job.objects.create(instance=small_omni.host, omni_id=job.id, asked_at=asked_at, state="EXECUTING")
    assert lines(text_of(reads.get(thread(found))))[0].startswith("Omni keeps this until")


def test_many_threads_are_one_nudge(reads: Client, small: Organization, analyst: Member) -> None:
    for _ in range(5):
        reads.get(thread(answered(small, analyst, ages=[DAY])))
    assert Capture.objects.count() == 5
    assert DBTaskResult.objects.filter(task_path=tasks.capture.module_path).count() == 1
    assert DBTaskResult.objects.filter(task_path=tasks.nightly.module_path).count() == 1


def test_whoever_has_another_token_is_not_told_so(
    reads: Client, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.fail(Fault.status(404), path="/v1/ai/jobs")
    work()
    small_omni.recover()
    credential_for(colleague, small_omni, small.organization_key())
    other = signed_in(colleague)
    assert lines(text_of(other.get(thread(found))))[0].startswith("Omni keeps this until")
    work()
    assert lines(text_of(other.get(thread(found))))[0].endswith(f"Captured {today()}")
    # Evidence refused to one API token only becomes visible when Omni is asked again with that same token.
    assert lines(text_of(reads.get(thread(found)))) == [AnswerStatus.HIDDEN.sentence]
    assert reads.get(f"{thread(found)}messages/2/evidence/").status_code == 200
    assert lines(text_of(reads.get(thread(found))))[0].endswith(f"Captured {today()}")


def test_a_rejected_token_hands_over_to_another_that_reads_the_conversation(
    reads: Client, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    token = next(token for token in small._tokens if small.owner_of(token) == analyst)
    reads.get(thread(found))
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(found))
    small.revoke(token)
    work()
    assert Job.objects.get().kept_at
    assert Credential.objects.accepted().count() == 1
    small_omni.requests.clear()
    Job.objects.all().delete()
    Access.objects.update(confirmed_at=timezone.now())
    signed_in(colleague).get(thread(found))
    work()
    assert Job.objects.get().kept_at
    assert token not in {request.token for request in small_omni.requests}
    assert reads.get(thread(found)).status_code == 403


def test_who_left_lends_no_token(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.requests.clear()
    User.objects.filter(pk=owner.pk).update(is_active=False)
    work()
    assert small_omni.requests == []


def test_kept_evidence_is_read_under_the_rule_of_its_conversation(
    reads: Client, stranger: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Else", "else@small.example")))
    other = signed_in(stranger)
    for address in ("evidence/", "evidence/keep/", "chart.png"):
        answer = other.get(f"{thread(found)}messages/2/{address}", headers=HTMX)
        # The page loads again, and says why.
        assert (answer.headers["HX-Refresh"], answer.content) == ("true", b"")
        answer = other.get(f"{thread(found)}messages/2/{address}", follow=True)
        assert answer.status_code == 404
        assert b"1,030" not in answer.content
        assert b"orders" not in answer.content
    assert b"answer-status" not in other.get(f"{thread(found)}standings/?looks=1", headers=HTMX).content


@pytest.mark.slow
def test_no_address_gives_any_of_it_to_a_stranger(
    reads: Client, stranger: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Else", "else@small.example")))
    other, told = (
        signed_in(stranger),
        re.compile(rb"1,030|rders by month|ow many orders|2026-0[123]\b|orders\.|\x89PNG|<svg"),
    )
    seen = 0
    for address in (address for address in WALK if f"conversations/{EXAMPLE}" in address):
        address = address.replace(EXAMPLE, str(found.id)).replace("messages/1/", "messages/2/")  # noqa: PLW2901
        for headers in ({}, HTMX):
            for query in ("", "?looks=1&revision=0&count=0"):
                answer = other.get(f"{address}{query}", headers=headers)
                assert answer.status_code in (302, 404) or answer.headers.get("HX-Refresh") == "true", address
                assert not told.search(answer.getvalue()), address
                seen += bool(told.search(reads.get(f"{address}{query}", headers=headers).getvalue()))
    assert seen > 40, "its owner is shown it there"


def test_it_goes_with_the_last_credential_that_could_read_it(
    reads: Client, owner: User, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    mine, ours = (answered(small, analyst, ages=[DAY]) for _ in range(2))
    for found in (mine, ours):
        reads.get(thread(found))
    work()
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(ours))
    reads.post(f"/credentials/{Credential.objects.get(owner=owner).pk}/remove/")
    assert [job.conversation_id for job in Job.objects.all()] == [ours.id]
    assert Action.objects.count() == Chart.objects.count() == 1
    assert "1,030" in text_of(signed_in(colleague).get(f"{thread(ours)}messages/2/evidence/"))


def test_two_workers_never_hold_the_same(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads.get(thread(answered(small, analyst, ages=[DAY, 2 * DAY])))
    first = CaptureQuerySet.first
    taken: list[int] = []

    def first_then_somebody_else_takes_it(queued: CaptureQuerySet) -> Capture | None:
        row = first(queued)
        if row and not taken:
            taken.append(row.pk)
            Capture.objects.filter(pk=row.pk).update(leased_until=timezone.now() + timedelta(minutes=3))
        return row

    monkeypatch.setattr(CaptureQuerySet, "first", first_then_somebody_else_takes_it)
    mine = Capture.objects.claim()
    assert mine
    assert [mine.pk] != taken


def test_tasks_carry_nothing(reads: Client, small: Organization, analyst: Member) -> None:
    reads.get(thread(answered(small, analyst, ages=[DAY])))
    assert {str(task.args_kwargs) for task in DBTaskResult.objects.all()} == {"{'args': [], 'kwargs': {}}"}
    assert {task.task_path for task in DBTaskResult.objects.all()} == {
        "conversations.tasks.capture",
        "conversations.tasks.hourly",
        "conversations.tasks.nightly",
    }


# A fortnight ----------------------------------------------------------------------------------------------


def test_a_fortnight(
    reads: Client,
    owner: User,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    clock: Callable[[timedelta], None],
) -> None:
    starred = answered(small, analyst, ages=[timedelta(hours=1)])
    opened = answered(small, analyst, ages=[timedelta(hours=1)])
    missed = answered(small, analyst, ages=[timedelta(hours=1)])
    now = timezone.now()
    for found in (starred, missed):
        reads.get(thread(found))
    reads.post(f"{thread(starred)}star/", {"starred": "1"})
    # No worker runs at first, as if the site had just been set up without one.
    Capture.objects.all().delete()
    assert lines(text_of(reads.get(thread(missed)))) == [
        f"Omni keeps this until {now + 14 * DAY - timedelta(hours=1):%-d %b} being captured "
        "Save evidence now for answer 2"
    ]
    Capture.objects.all().delete()

    clock(10 * DAY)
    call_command("capture", verbosity=0)
    work()
    assert Job.objects.exclude(kept_at=None).count() == 0, "neither is within three days of being dropped"

    clock(11 * DAY + timedelta(hours=12))
    call_command("capture", verbosity=0)
    work()
    kept = Job.objects.exclude(kept_at=None).get()
    assert kept.conversation_id == starred.id

    clock(13 * DAY)
    reads.force_login(owner)
    reads.get(thread(opened))
    work()

    clock(15 * DAY)
    reads.force_login(owner)
    captured = timezone.localtime(now + 11 * DAY + timedelta(hours=12))
    assert lines(text_of(reads.get(thread(starred)))) == [
        f"Complete Topic orders 1 query 3 rows Captured {captured:%-d %b}"
    ]
    assert lines(text_of(reads.get(thread(opened)))) == [
        f"Complete Topic orders 1 query 3 rows Captured {timezone.localtime(now + 13 * DAY):%-d %b}"
    ]
    assert lines(text_of(reads.get(thread(missed)))) == [f"No evidence {AnswerStatus.EXPIRED.sentence}"]
    assert "Omni has deleted this evidence," in text_of(reads.get(f"{thread(missed)}messages/2/evidence/"))
    assert "1,030" in text_of(reads.get(f"{thread(starred)}messages/2/evidence/"))


def test_every_conversation_is_captured_in_time_where_that_is_set(
    reads: Client, small: Organization, analyst: Member, settings: LazySettings, clock: Callable[[timedelta], None]
) -> None:
    reads.get(thread(answered(small, analyst, ages=[timedelta(hours=1)])))
    Capture.objects.all().delete()
    clock(12 * DAY)
    settings.CAPTURE = "all"
    call_command("capture", verbosity=0)
    work()
    assert Job.objects.get().kept_at


def test_so_is_what_was_only_read_in_the_background(
    reads: Client, small: Organization, analyst: Member, settings: LazySettings
) -> None:
    settings.CAPTURE, settings.SYNC = "all", "all"
    answered(small, analyst, ages=[timedelta(hours=1)])
    tasks.nudge_sync()
    work()
    assert Conversation.objects.exclude(fetched_at=None).count() == 1
    assert Job.objects.get().kept_at, "nobody opened it"
    assert Capture.objects.count() == 0


def test_linking_a_ticket_by_hand_queues_what_is_not_kept(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    assert reads.post(f"{thread(found)}tickets/", {"ticket": "ABC-1"}).status_code == 302
    assert Capture.objects.count() == 1


def test_a_conversation_that_is_linked_from_a_ticket_is_captured_in_time(
    reads: Client, small: Organization, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=1)])
    reads.get(f"{thread(found)}?ticket=ABC-1")
    Capture.objects.all().delete()
    clock(12 * DAY)
    call_command("capture", verbosity=0)
    work()
    assert Job.objects.get().kept_at


def test_workers_run_the_nightly_chores_by_themselves(
    reads: Client, small: Organization, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=1)])
    reads.get(thread(found))
    reads.post(f"{thread(found)}star/", {"starred": "1"})
    Capture.objects.all().delete()
    nightly = DBTaskResult.objects.get(task_path=tasks.nightly.module_path)
    assert timedelta(0) < nightly.run_after - timezone.now() <= DAY
    assert timezone.localtime(nightly.run_after).hour == 2
    clock(12 * DAY)
    work()
    assert Job.objects.get().kept_at
    assert DBTaskResult.objects.filter(status="READY", task_path=tasks.nightly.module_path).count() == 1
    assert not DBTaskResult.objects.filter(finished_at__lt=timezone.now() - 2 * DAY).exists()


def test_one_chore_that_fails_keeps_no_other_from_being_done(
    reads: Client,
    small: Organization,
    analyst: Member,
    settings: LazySettings,
    clock: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.KEEP_DAYS = 30
    reads.get(thread(answered(small, analyst, ages=[timedelta(hours=1)])))
    work()

    def fails(**_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("conversations.archive.capture.queue_expiring", fails)
    clock(31 * DAY)
    work()
    assert Action.objects.count() == 0, "what was kept too long went all the same"
    assert [record.levelname for record in caplog.records if record.getMessage() == "nightly command failed"] == [
        "ERROR"
    ]


def test_the_command_says_how_many(reads: Client, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("capture")
    assert capsys.readouterr().out == ("0 answers of conversations that are starred or linked from a ticket queued.\n")


# Workers --------------------------------------------------------------------------------------------------


@pytest.fixture
def workers() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Yield a function that starts real workers; end those left over by their own process ids."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "db_worker", "--no-startup-delay", "--interval", "0.2"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=database_environment() | environment))
        return started[-1]

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
        worker.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_and_one_killed_capture_everything_once(
    reads: Client,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    workers: Callable[[], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = answered(small, analyst, ages=[timedelta(minutes=n) for n in range(1, 31)])
    reads.get(thread(found))
    small_omni.fail(Fault.delay(0.1), path="/v1/ai/jobs")
    first, _second = workers(), workers()
    wait_for(lambda: Job.objects.exclude(kept_at=None).count() >= 8)
    tried_by = set(Capture.objects.filter(leased_until__gt=timezone.now()).values_list("job_id", flat=True))
    first.kill()
    first.wait()
    in_its_hands = set(Capture.objects.filter(leased_until__gt=timezone.now()).values_list("job_id", flat=True))
    assert len(tried_by | in_its_hands) <= 4
    wait_for(lambda: Job.objects.exclude(kept_at=None).count() >= 29 and Capture.objects.count() <= 1)
    # Captures that the killed worker held are done once their lease has ended, and not before: it might still run.
    Capture.objects.update(leased_until=timezone.now())
    tasks.nudge(tasks.capture)
    wait_for(lambda: Capture.objects.count() == 0)
    assert Job.objects.exclude(kept_at=None).filter(has_chart=True).count() == 30
    times = Counter(asked(small_omni))
    assert len(times) == 60
    assert sum(times.values()) <= 61, "all but the request that was cut off were made once"
    assert Action.objects.count() == 30
    assert Chart.objects.count() == 30


def test_a_worker_that_was_killed_is_taken_over_from_when_its_lease_ends(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    found = answered(small, analyst, ages=[DAY, 2 * DAY])
    reads.get(thread(found))
    # A worker that is killed right after its start leaves the task in this state.
    task = DBTaskResult.objects.ready().get()
    task.claim("killed")
    assert Capture.objects.claim()
    tasks.nudge(tasks.capture)
    work()
    assert Job.objects.exclude(kept_at=None).count() == 1
    following = DBTaskResult.objects.get(status="READY", task_path=tasks.capture.module_path)
    assert timedelta(minutes=2) < following.run_after - timezone.now() <= timedelta(minutes=3)
    clock(timedelta(minutes=4))
    work()
    assert Job.objects.exclude(kept_at=None).count() == 2


def test_a_page_that_waits_for_it_nudges_the_workers(reads: Client, small: Organization, analyst: Member) -> None:
    """The only nudge may have been lost with the worker that received it, so the page nudges again."""
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    DBTaskResult.objects.all().delete()
    reads.get(f"{thread(found)}standings/?looks=1", headers=HTMX)
    work()
    assert Job.objects.get().kept_at


@pytest.mark.django_db(transaction=True)
def test_gunicorn_on_sqlite_brings_a_worker_along_which_ends_with_it(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member, tmp_path: Path
) -> None:
    found = answered(small, analyst, ages=[DAY])
    with serve(tmp_path, OMNIVIEWER_WORKER="true", HOME=str(tmp_path), XDG_RUNTIME_DIR="", workers=1) as site:
        reader = site.reader(owner)
        assert reader.get(site.url + thread(found), timeout=30).status_code == 200
        wait_for(lambda: Job.objects.exclude(kept_at=None).exists())
        children = _embedded_workers()
        assert len(children) == 1
        os.kill(children[0], signal.SIGKILL)
        wait_for(lambda: _embedded_workers() not in ([], children))
        # After an update of the site, the worker restarts too.
        before = _embedded_workers()
        os.kill(site.pid, signal.SIGHUP)
        wait_for(lambda: len(_embedded_workers()) == 1 and _embedded_workers() != before)
        assert reader.get(site.url + thread(found), timeout=30).status_code == 200
    wait_for(lambda: _embedded_workers() == [])
    # gunicorn has left no control socket either.
    assert not (tmp_path / ".gunicorn").exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "from omniviewer.operations.embedded_worker import EmbeddedWorker; import time; "
        "EmbeddedWorker().start(); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=database_environment())
    try:
        wait_for(lambda: len(_embedded_workers()) == 1)
    finally:
        parent.kill()
        parent.wait()
    # The keeper, which would have restarted the worker, has ended too.
    wait_for(lambda: _embedded_workers() + _embedded_workers(b"omniviewer.operations.embedded_worker") == [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.programs
def test_a_worker_that_is_told_to_end_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends by itself, before the wait is over and it would be killed."""
    for name, value in database_environment().items():
        monkeypatch.setenv(name, value)
    worker = EmbeddedWorker()
    worker.start()
    wait_for(lambda: len(_embedded_workers()) == 1)
    worker.stop()
    assert worker._keeper
    assert worker._keeper.returncode == 0
    assert _embedded_workers() == []


def test_stopping_a_worker_that_never_started_is_no_fault() -> None:
    EmbeddedWorker().stop()


def _embedded_workers(what: bytes = b"\0embedded_worker") -> list[int]:
    """Return the process ids of workers on this test's database."""
    mine = database_environment()["DATABASE_URL"].encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if what in command and mine in environment:
            found.append(int(process.name))
    return found


# Stars, Keep now ------------------------------------------------------------------------------------------


def test_a_star_is_set_and_taken_away(reads: Client, owner: User, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    page = text_of(reads.get(thread(found)))
    assert 'name="starred" value="1" aria-pressed="false"' in page
    Capture.objects.all().delete()
    assert reads.post(f"{thread(found)}star/", {"starred": "1"})["Location"] == thread(found)
    assert Capture.objects.count() == 1
    reads.post(f"{thread(found)}star/", {"starred": "1"})
    assert Star.objects.get().user == owner
    assert 'name="starred" value="0" aria-pressed="true"' in text_of(reads.get(thread(found)))
    page = text_of(reads.post(f"{thread(found)}star/", {"starred": "0"}, headers=HTMX))
    assert page.strip().startswith("<form")
    assert 'aria-pressed="false"' in page
    assert not Star.objects.exists()


def test_a_star_is_nobody_elses_business(
    reads: Client, stranger: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Else", "else@small.example")))
    assert signed_in(stranger).post(f"{thread(found)}star/", {"starred": "1"}).status_code == 404
    assert not Star.objects.exists()


def test_keep_now_keeps_the_result_and_the_chart_at_once(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    page = text_of(reads.get(f"{thread(found)}messages/2/evidence/keep/", headers=HTMX))
    assert lines(page) == [f"Complete Topic orders 1 query 3 rows Captured {today()}"]
    assert Event.objects.filter(kind="captured", result="ok").count() == 1
    assert Chart.objects.exclude(png=b"").count() == 1
    answer = reads.get(f"{thread(found)}messages/2/evidence/keep/")
    assert answer["Location"] == f"{thread(found)}messages/2/evidence/"


def test_keep_now_says_why_not(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.fail(Fault.status(503), path="/v1/ai/jobs")
    page = text_of(reads.get(f"{thread(found)}messages/2/evidence/keep/", headers=HTMX))
    assert "Omni keeps this until" in page
    assert 'role="alert">Omni' in page


@pytest.mark.parametrize("place", [1, 99])
def test_where_there_is_no_answer_there_is_nothing_to_keep(
    reads: Client, small: Organization, analyst: Member, place: int
) -> None:
    found = answered(small, analyst, ages=[DAY])
    assert reads.get(f"{thread(found)}messages/{place}/evidence/keep/", headers=HTMX).status_code == 404


def test_the_lines_of_a_long_thread_cost_no_more_queries(
    reads: Client,
    small: Organization,
    analyst: Member,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 60)])
    reads.get(thread(found))
    work()
    reads.get(thread(found))
    with django_assert_max_num_queries(20):
        assert len(lines(text_of(reads.get(thread(found))))) == 59


@pytest.mark.django_db(transaction=True)
def test_a_reader_watches_it_being_kept(
    page: Page, site: str, owner: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    credential_for(owner, small_omni, small.personal_token(analyst))
    found = answered(small, analyst, ages=[2 * DAY, DAY])
    sign_in(page, site, at=thread(found))
    expect(page.get_by_text("Saving evidence: 2 answers left")).to_be_visible()
    for answer in (page.locator("#message-2"), page.locator("#message-4")):
        answer.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Save evidence now for answer 2").click()
    expect(page.locator("#capture-2")).to_contain_text("Captured")
    expect(page.locator("#answer-status-2")).to_contain_text("1 query")
    expect(page.locator("#capture-4")).to_contain_text("Omni keeps this until")
    work()
    expect(page.locator("#answer-status-4")).to_contain_text("1 query", timeout=15_000)
    expect(page.locator("#capture-4")).to_contain_text("Captured")
    expect(page.get_by_text("Saving evidence")).to_have_count(0)
    star = page.get_by_role("button", name="Star", exact=True)
    star.click()
    expect(page.get_by_role("button", name="Starred")).to_be_focused()
    page.reload()
    expect(page.get_by_role("button", name="Starred")).to_have_attribute("aria-pressed", "true")


# The bundle ---------------------------------------------------------------------------------------------


def test_the_bundles_page_says_how_far_it_is(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: LazySettings
) -> None:
    settings.RATE_PER_MINUTE = 20
    found = answered(small, analyst, ages=[timedelta(hours=n) for n in range(1, 8)] + [20 * DAY])
    page = text_of(reads.get(f"{thread(found)}bundle/"))
    assert "<strong>0 of 8</strong> answers captured; 7 left, about 2 minutes." in page
    assert '<progress aria-labelledby="bundle-sum" value="1" max="8">' in page
    assert "Download what is captured" in page
    assert re.findall(r"Answer #16</a> <span> ?([^<]+?) ?</span>", page) == [AnswerStatus.EXPIRED.sentence]
    assert 'hx-get="?looks=1" hx-trigger="load delay:5.0s"' in page
    work()
    part = text_of(reads.get(f"{thread(found)}bundle/?looks=1", headers=HTMX))
    assert part.strip().startswith('<div class="card bundle" id="bundle"')
    assert "<strong>4 of 8</strong> answers captured; 3 left, about 3 minutes." in part
    SentRequest.objects.all().delete()
    Capture.objects.update(not_before=timezone.now())
    tasks.nudge(tasks.capture)
    work()
    part = text_of(reads.get(f"{thread(found)}bundle/?looks=2", headers=HTMX))
    assert "<strong>7 of 8</strong> answers captured." in part
    assert "hx-get" not in part
    assert "<progress" not in part
    assert "Download what is captured" not in part


def test_the_page_of_a_bundle_without_answers_says_so(reads: Client, small: Organization, analyst: Member) -> None:
    found = small.add_conversation(owner=analyst, name="Old", turns=[("What?", "That.")], with_jobs=False)
    page = text_of(reads.get(f"{thread(found)}bundle/"))
    assert "so there is no evidence" in page
    assert "<progress" not in page


# For how long, and how much -------------------------------------------------------------------------------


def test_what_was_kept_too_long_is_removed(
    reads: Client,
    owner: User,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    settings: LazySettings,
    clock: Callable[[timedelta], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.KEEP_DAYS = 30
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    work()
    clock(20 * DAY)
    call_command("prune_evidence")
    assert Action.objects.count() == 1
    clock(31 * DAY)
    call_command("prune_evidence", dry_run=True)
    assert "The evidence of 1 answer, kept more than 30 days ago, would be removed." in capsys.readouterr().out
    assert Action.objects.count() == 1
    call_command("prune_evidence")
    assert "The evidence of 1 answer, kept more than 30 days ago, was removed." in capsys.readouterr().out
    assert Action.objects.count() == Chart.objects.count() == 0
    small_omni.requests.clear()
    reads.force_login(owner)
    assert lines(text_of(reads.get(thread(found)))) == [f"Topic orders No evidence {AnswerStatus.REMOVED.sentence}"]
    assert "No longer stored: this site deletes" in text_of(reads.get(f"{thread(found)}messages/2/evidence/"))
    work()
    assert asked(small_omni) == []


def test_without_a_limit_nothing_is_removed(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prune_evidence")
    assert capsys.readouterr().out == "OMNIVIEWER_KEEP_DAYS is 0: captured evidence is kept for ever.\n"


def test_staff_see_what_is_kept_of_each_instance(
    reads: Client,
    owner: User,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    kept = answered(small, analyst, ages=[DAY, 2 * DAY])
    reads.get(thread(kept))
    work()
    queued = answered(small, analyst, ages=[12 * DAY])
    reads.get(thread(queued))
    assert reads.get("/stored/").status_code == 403
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    with django_assert_max_num_queries(14):
        page = " ".join(re.sub(r"<[^>]+>", " ", text_of(reads.get("/stored/"))).split())
    assert f"{small_omni.host} Conversations 2 2 with their messages" in page
    assert "Messages 6 3 answers with a job Captured answers 2 6 rows" in page
    assert "Being captured 1 none failing Deleted by Omni soon 1 within three days" in page
    assert re.search(r"Captured evidence [1-9][\d.]*\s[KM]B", page)
    assert "Orders by month" not in page
    assert "Background work has stopped" not in page
    small_omni.fail(Fault.status(503), path="/v1/ai/jobs")
    work()
    page = text_of(reads.get("/stored/"))
    assert "1 failed so far" in page
    assert "Last capture error: Omni" in page


def test_staff_are_told_that_no_worker_runs(
    reads: Client, owner: User, small: Organization, analyst: Member, clock: Callable[[timedelta], None]
) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    reads.get(thread(answered(small, analyst, ages=[DAY])))
    assert "Background work has stopped" not in text_of(reads.get("/stored/"))
    clock(timedelta(minutes=6))
    # One task waits, or two if the hour has turned, since the hourly one waits too.
    late = r"no task has ever ended, and (1 task is|2 tasks are) waiting\. Start a worker: <code>omniviewer worker<"
    assert re.search(late, text_of(reads.get("/stored/")))
    work()
    assert "Background work has stopped" not in text_of(reads.get("/stored/"))
