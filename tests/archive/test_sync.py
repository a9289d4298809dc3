"""Background sync: its cost, the failures it survives, and its own reports."""

import itertools
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from conversations import tasks
from conversations.archive import capture, gauges
from conversations.archive import sync as archive_sync
from conversations.models import CHECK_EVERY, Access, Capture, Conversation, Message, Reader, SentRequest, Walk
from conversations.upstream import budget
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import ANSWER_TIME, Member
from tests import old_rows
from tests.captured import thread, work
from tests.conftest import credential_for, person, signed_in, text_of
from tests.serving import ROOT, database_environment

HTMX = {"HX-Request": "true"}
LISTS, THREADS = "/api/v1/ai/conversations", re.compile(r"/api/v1/ai/conversations/([0-9a-f-]{36})")


@pytest.fixture(autouse=True)
def synced(settings: Settings) -> None:
    settings.SYNC = "all"


def many(organization: Organization, owner: Member, count: int) -> list[UUID]:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
    return [
        organization.add_conversation(
            owner=owner,
            name=f"No. {n}",
            turns=[(f"Question {n}?", f"Answer {n}.")],
            started_at=began + n * timedelta(minutes=1),
        ).id
        for n in range(count)
    ]


def sync() -> None:
    """Sync until there is nothing left to ask Omni for."""
    tasks.nudge_sync()
    work()


def look_again() -> None:
    """Let the time between two looks pass."""
    Walk.objects.update(checked_at=datetime.now(UTC) - timedelta(minutes=6), not_before=datetime.now(UTC))


def walk_again() -> None:
    """Let a day pass."""
    Walk.objects.update(walked_at=datetime.now(UTC) - timedelta(days=1), not_before=datetime.now(UTC))


def asked_for(omni: StandIn) -> Counter[str]:
    return Counter(request.path for request in omni.requests)


def assert_same(organization: Organization, token: str, credential: Credential) -> None:
    """Assert that the archive has each conversation and message that Omni shows this token, and no further access."""
    shown = {row.id: row for row in organization.visible_to(token)}
    accesses = Access.objects.filter(api_token=credential.api_token).exclude(listed_at=None)
    assert set(accesses.values_list("conversation__omni_id", flat=True)) == set(shown)
    assert accesses.count() == len(shown)
    said: dict[UUID, list[tuple[str, str]]] = {omni_id: [] for omni_id in shown}
    rows = Message.objects.filter(conversation__omni_id__in=shown).order_by("conversation", "position")
    for omni_id, role, text in rows.values_list("conversation__omni_id", "role", "text"):
        said[omni_id].append((role, text))
    told = dict(Conversation.objects.filter(omni_id__in=shown).values_list("omni_id", "updated_at"))
    for omni_id, row in shown.items():
        assert said[omni_id] == [(message.role, message.text) for message in row.messages], row.name
        # One dialect sends no fractions of seconds.
        at = told[omni_id]
        assert at
        assert at.replace(microsecond=0) == row.updated_at.replace(microsecond=0)


@pytest.mark.both_dialects
@pytest.mark.slow
def test_it_works(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    """Three pages of the list and each thread are read once, and nobody has to open anything."""
    many(small, analyst, 220)
    sync()
    credential = Credential.objects.get()
    assert_same(small, credential.api_token.token.reveal(), credential)
    asked = asked_for(small_omni)
    # The fourth request looks at the top again, for rows that have moved meanwhile.
    assert asked[LISTS] == 4
    assert set(asked.values()) == {1, 4}
    assert len(small_omni.requests) == 224
    walk = Walk.objects.get()
    assert (walk.listed, walk.read, walk.total, walk.failure) == (220, 220, 220, "")
    small_omni.requests.clear()
    assert text_of(reads.get("/conversations/?q=question")).count('class="row-title"') == 50
    assert small_omni.requests == []


@pytest.mark.both_dialects
@pytest.mark.slow
def test_then_only_what_changed_is_read(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ids = many(small, analyst, 130)
    sync()
    small_omni.requests.clear()
    sync()
    assert small_omni.requests == []
    look_again()
    sync()
    assert asked_for(small_omni) == {LISTS: 1}
    small_omni.requests.clear()
    changed = small.conversation(next(iter(small._tokens)), ids[3])
    assert changed
    job = small.ask(changed, "And now?", "Different.", at=datetime.now(UTC))
    new = small.add_conversation(owner=analyst, name="New", turns=[("New?", "Yes.")], started_at=datetime.now(UTC))
    look_again()
    sync()
    jobs = {f"/api/v1/ai/jobs/{row.id}": 1 for row in (job, new.jobs[0])}
    assert asked_for(small_omni) == {LISTS: 1, f"{LISTS}/{ids[3]}": 1, f"{LISTS}/{new.id}": 1, **jobs}
    credential = Credential.objects.get()
    assert_same(small, credential.api_token.token.reveal(), credential)


@pytest.mark.slow
def test_a_check_goes_down_to_what_is_known(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 30)
    sync()
    later = datetime.now(UTC) - timedelta(days=1)
    for number in range(210):
        small.add_conversation(owner=analyst, name="New", turns=[("?", "!")], started_at=later + timedelta(0, number))
    small_omni.requests.clear()
    look_again()
    sync()
    assert asked_for(small_omni)[LISTS] == 3
    credential = Credential.objects.get()
    assert_same(small, credential.api_token.token.reveal(), credential)


@pytest.mark.slow
def test_what_is_no_longer_listed_is_dropped(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ids = many(small, analyst, 150)
    sync()
    small.remove(ids[0])  # on the last page
    small.remove(ids[149])  # at the top
    look_again()
    sync()
    assert reads.get(f"/conversations/{ids[149]}/").status_code == 404
    assert Access.objects.get(conversation__omni_id=ids[0]).listed_at
    walk_again()
    sync()
    assert Access.objects.get(conversation__omni_id=ids[0]).listed_at is None
    assert reads.get(f"/conversations/{ids[0]}/").status_code == 404
    assert reads.get(f"/conversations/{ids[1]}/").status_code == 200


@pytest.mark.slow
def test_a_list_that_ends_too_early_drops_nothing(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 150)
    sync()
    before = Access.objects.exclude(confirmed_at=None).count()
    walk_again()

    def end(reply: dict[str, dict[str, object]]) -> object:
        reply["pageInfo"] |= {"hasNextPage": False, "nextCursor": None}
        return reply

    small_omni.fail(Fault.edit(end), path=LISTS.removeprefix("/api"))
    sync()
    assert Access.objects.exclude(confirmed_at=None).count() == before == 150
    page = text_of(reads.get("/conversations/"))
    assert "Omni counts 150 conversations but listed 100 of them." in page


@pytest.mark.slow
def test_a_cursor_that_omni_no_longer_knows_begins_the_walk_anew(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 150)
    archive_sync.begin_walks()
    reads.get("/conversations/")
    Walk.objects.update(cursor="of last week")
    sync()
    walk = Walk.objects.get()
    assert "Omni did not accept the request" in walk.failure
    Walk.objects.update(not_before=datetime.now(UTC))
    sync()
    credential = Credential.objects.get()
    assert_same(small, credential.api_token.token.reveal(), credential)
    assert Walk.objects.get().failures == 0


@pytest.mark.slow
def test_a_list_that_goes_in_a_circle_is_left_and_said(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 220)
    sync()
    walk_again()
    cursors: list[str] = []

    def turn(reply: dict[str, dict[str, object]]) -> object:
        cursors.append(str(reply["pageInfo"]["nextCursor"]))
        reply["pageInfo"] |= {"hasNextPage": True, "nextCursor": cursors[0]}
        return reply

    small_omni.fail(Fault.edit(turn), path=LISTS.removeprefix("/api"))
    small_omni.requests.clear()
    sync()
    assert asked_for(small_omni)[LISTS] <= 3
    assert Access.objects.exclude(confirmed_at=None).count() == 220
    assert "Omni’s list repeats itself" in text_of(reads.get("/conversations/"))
    small_omni.recover()
    walk_again()
    sync()
    assert "repeats itself" not in text_of(reads.get("/conversations/"))


def test_a_list_that_never_ends_is_left_and_said(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 1200)
    pages: list[object] = []

    def repeat(reply: dict[str, object]) -> object:
        (rows,) = reply.keys() & {"data", "records"}
        pages.append(reply[rows])
        return {**reply, rows: pages[0]}

    small_omni.fail(Fault.edit(repeat), path=LISTS.removeprefix("/api"))
    archive_sync.begin_walks()
    for _ in range(10):
        archive_sync.run_next()
    assert len(pages) < 12
    assert Walk.objects.get().ended_early == "Omni’s list continues without anything new: the sync stopped there."
    assert Access.objects.exclude(confirmed_at=None).count() == 100


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_nothing_twice(
    owner: User, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    many(small, analyst, 220)
    token = small.personal_token(analyst)
    credential = credential_for(owner, small_omni, token)
    environment = {"OMNIVIEWER_RATE_PER_MINUTE": "10000", "OMNIVIEWER_SYNC": "all", "OMNIVIEWER_DEMO": "true"}
    with worker(environment), worker(environment):
        settled()
    assert_same(small, token, credential)
    asked = asked_for(small_omni)
    assert {count for path, count in asked.items() if THREADS.fullmatch(path)} == {1}
    assert asked[LISTS] <= 6


def test_a_token_that_is_revoked_in_the_middle_ends_it(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 120)
    token = next(iter(small._tokens))

    def revoke(reply: object) -> object:
        if len(small_omni.requests) > 60:
            small.revoke(token)
        return reply

    small_omni.fail(Fault.edit(revoke), path="/v1/ai/conversations/")
    sync()
    assert Credential.objects.get().rejected_at
    assert not Access.objects.rows_of(Reader.through(ApiToken.objects.get())).exists()
    assert 60 < len(small_omni.requests) < 70
    small_omni.requests.clear()
    small_omni.recover()
    sync()
    assert small_omni.requests == []


def test_with_a_token_that_is_accepted_again_everything_is_read_anew(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 3)
    sync()
    ApiToken.objects.get().reject()
    Walk.objects.all().delete()
    ApiToken.objects.update(rejected_at=None)
    small_omni.requests.clear()
    sync()
    asked = [path for path in asked_for(small_omni).elements() if THREADS.fullmatch(path)]
    assert len(asked) == len(set(asked)) == 3
    assert Access.objects.messages_of(Reader.through(ApiToken.objects.get())).count() == 3


def test_the_metric_counts_what_the_background_will_fetch_and_nothing_else(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    settings.SYNC = "list"
    many(small, analyst, 5)
    sync()
    (gauge,) = (gauge for gauge in gauges.ALL if gauge.name == "omniviewer_threads_behind")

    def behind() -> float:
        return sum(gauge.measure().values())

    assert behind() == 5
    Access.objects.filter(pk=Access.objects.latest("pk").pk).update(listed_at=None)
    assert behind() == 4
    User.objects.update(is_active=False)
    assert behind() == 0


def test_it_stays_within_its_share_of_the_budget(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings
) -> None:
    settings.RATE_PER_MINUTE = 60
    many(small, analyst, 60)
    sync()
    share = int(budget.allowance() * Urgency.AHEAD.value)
    # The first request identified the token.
    assert len(small_omni.requests) + 1 == SentRequest.objects.count() == share == 21
    # Using up the background's share is no failure; readers have the rest.
    assert Walk.objects.get().failure == ""
    following = DBTaskResult.objects.get(status="READY", task_path=tasks.sync.module_path)
    assert timedelta(seconds=3) < following.run_after - datetime.now(UTC) <= timedelta(seconds=62)
    page = text_of(reads.get("/conversations/"))
    assert re.search(r"18 of 60 synced, about 2 minutes left", page)


def test_it_is_paused_and_goes_on(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    many(small, analyst, 5)
    reads.get("/conversations/")
    pk = Credential.objects.get().pk
    assert (
        reads.post(f"/credentials/{pk}/sync/", {"do": "pause", "next": "/credentials/"})["Location"] == "/credentials/"
    )
    small_omni.requests.clear()
    sync()
    assert small_omni.requests == []
    assert "Sync is paused: 0 of 5 synced." in text_of(reads.get("/conversations/"))
    answer = reads.post(f"/credentials/{pk}/sync/", {"do": "resume"}, headers=HTMX)
    assert "Pause" in text_of(answer)
    work()
    assert len(small_omni.requests) == 5
    assert "All 5 conversations are synced." in text_of(reads.get(f"/credentials/{pk}/sync/", headers=HTMX))
    assert "synced" not in re.sub(r".*</search>", "", text_of(reads.get("/conversations/"))).split('id="notice"')[0]


def test_nobody_pauses_anothers(reads: Client, colleague: User, small: Organization, small_omni: StandIn) -> None:
    pk = Credential.objects.get().pk
    assert signed_in(colleague).post(f"/credentials/{pk}/sync/", {"do": "pause"}).status_code == 404
    assert not Walk.objects.exclude(paused_at=None).exists()


def test_a_failure_is_told_and_gone_once_it_works_again(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 5)
    reads.get("/conversations/")
    small_omni.fail(Fault.status(503), path="")
    sync()
    assert "Waiting since" in text_of(reads.get("/conversations/"))
    assert "Omni has a problem (it returned 503)." in text_of(reads.get("/conversations/"))
    small_omni.recover()
    Walk.objects.update(not_before=datetime.now(UTC))
    sync()
    assert "Waiting since" not in text_of(reads.get("/conversations/"))
    assert Walk.objects.get().read == 5


def test_the_credentials_page_tells_how_far_it_is_and_what_went_wrong(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 5)
    reads.get("/conversations/")
    page = text_of(reads.get("/credentials/"))
    assert "0 of 5 conversations, about 1 minute left" in page
    assert "<dt>Last synced</dt><dd>Not yet</dd>" in page
    small_omni.fail(Fault.status(503), path="")
    sync()
    page = text_of(reads.get("/credentials/"))
    assert re.search(r"<dt>Waiting since</dt><dd><time .*?: Omni has a problem \(it returned 503\)\.", page)
    small_omni.recover()
    Walk.objects.update(not_before=datetime.now(UTC))
    sync()
    page = text_of(reads.get("/credentials/"))
    assert re.search(r"5 of 5 conversations <form", page)
    assert re.search(r"<dt>Last synced</dt><dd><time ", page)
    assert re.search(r"<dt>Last error</dt><dd><time .*?\(it returned 503\)", page)
    assert "Waiting since" not in page
    pk = Credential.objects.get().pk
    reads.post(f"/credentials/{pk}/sync/", {"do": "pause", "next": "/credentials/"})
    page = text_of(reads.get("/credentials/"))
    assert "5 of 5 conversations, paused" in page
    assert 'value="resume"' in page


@pytest.mark.slow
def test_the_names_of_people_are_learnt_once_and_nobody_waits_for_them(
    colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 250)
    credential_for(colleague, small_omni, small.organization_key())
    small_omni.fail(Fault.status(503), path="/scim")
    sync()
    assert Walk.objects.get().read == 250
    small_omni.recover()
    look_again()
    sync()
    asked = asked_for(small_omni)
    client = signed_in(colleague)
    page = text_of(client.get("/conversations/"))
    assert "Ann Analyst" in page
    assert str(analyst.id) not in page.replace(f'<option value="{analyst.id}">', "")
    sync()
    look_again()
    sync()
    assert asked_for(small_omni)["/api/scim/v2/users"] == asked["/api/scim/v2/users"]


@pytest.mark.slow
def test_the_names_of_people_come_right_behind_the_newest(
    colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    many(small, analyst, 250)
    credential_for(colleague, small_omni, small.organization_key())
    sync()
    paths = [request.path for request in small_omni.requests]
    assert paths[:2] == [LISTS, "/api/scim/v2/users"]
    assert paths.count("/api/scim/v2/users") == 1


def test_one_conversation_that_makes_no_sense_stops_no_other(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ids = many(small, analyst, 6)
    small_omni.fail(Fault.html(200), path=f"/v1/ai/conversations/{ids[3]}")
    sync()
    assert Walk.objects.get().read == 5
    assert Access.objects.exclude(failure="").get().conversation.omni_id == ids[3]
    assert asked_for(small_omni)[f"{LISTS}/{ids[3]}"] == 1
    small_omni.recover()
    Access.objects.update(not_before=datetime.now(UTC))
    Walk.objects.update(not_before=datetime.now(UTC))
    sync()
    assert Walk.objects.get().read == 6
    assert not Access.objects.exclude(failure="").exists()


@pytest.mark.parametrize(("mode", "threads"), [("off", 0), ("list", 0), ("all", 5)])
def test_the_operator_says_how_much(
    reads: Client,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    settings: Settings,
    mode: str,
    threads: int,
) -> None:
    settings.SYNC = mode
    many(small, analyst, 5)
    sync()
    asked = asked_for(small_omni)
    assert sum(count for path, count in asked.items() if THREADS.fullmatch(path)) == threads
    assert (asked[LISTS] > 0) is (mode != "off")


@pytest.mark.django_db
def test_a_backlog_of_one_token_keeps_no_others_list_old(
    small: Organization, small_omni: StandIn, settings: Settings
) -> None:
    """All lists are checked before anybody's second thread is read, and again once they are due."""
    settings.SYNC = "all"
    for number in range(5):
        member = small.add_member(f"Member {number}", f"m{number}@small.example")
        many(small, member, 8)
        credential_for(person(f"reader {number}"), small_omni, small.personal_token(member))
    archive_sync.begin_walks()

    def routes() -> list[str]:
        told = ["thread" if request.path.count("/") > 4 else "list" for request in small_omni.requests]
        small_omni.requests.clear()
        return told

    while not Access.objects.exclude(opened_at=None).exists():
        assert archive_sync.run_next()
    assert routes().count("list") >= 5
    Walk.objects.update(checked_at=timezone.now() - CHECK_EVERY, not_before=timezone.now())
    assert Walk.objects.late().count() == 5
    while Walk.objects.late().exists():
        assert archive_sync.run_next()
    told = routes()
    assert told.count("list") == 5
    assert "thread" not in told[: told.index("list") + 1]
    assert told[:5] == ["list"] * 5
    assert Access.objects.filter(is_behind=True).exists()


def test_a_token_that_cannot_be_decrypted_is_tried_once_and_puts_nothing_off(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, settings: Settings, caplog: Any
) -> None:
    """Each of its requests would fail alike: no row of it is given a later turn, and none is logged on its own."""
    many(small, analyst, 12)
    opened = small.add_conversation(owner=analyst, name="New", turns=[("Why?", "So."), ("And?", "So, too.")])
    settings.SYNC = "list"
    sync()
    reads.get(thread(opened))
    assert Capture.objects.exists()
    Capture.objects.update(not_before=timezone.now())
    settings.SYNC, own = "all", settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Walk.objects.update(not_before=timezone.now())
    small_omni.requests.clear()
    caplog.clear()
    while archive_sync.run_next() or capture.run_next():
        assert len(caplog.records) < 10
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["a stored token cannot be decrypted: OMNIVIEWER_ENCRYPTION_KEYS lacks its key"] * 2
    assert small_omni.requests == []
    assert set(Access.objects.values_list("tries", flat=True)) == {0}
    settings.ENCRYPTION_KEYS = own
    Walk.objects.update(not_before=timezone.now())
    sync()
    assert not Access.objects.filter(is_behind=True).exists()


@pytest.mark.slow
def test_the_same_token_walks_once(
    owner: User, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ids = many(small, analyst, 130)
    token = small.organization_key()
    for reader in (owner, colleague):
        credential_for(reader, small_omni, token)
    sync()
    Walk.objects.update(not_before=datetime.now(UTC))
    sync()
    asked = asked_for(small_omni)
    assert sum(count for path, count in asked.items() if THREADS.fullmatch(path)) == len(ids)
    assert asked[LISTS] <= 5
    for credential in Credential.objects.all():
        assert_same(small, token, credential)


@pytest.mark.both_dialects
def test_times_that_the_two_routes_tell_differently_are_no_change(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    """The list tells times with milliseconds, the thread without: comparing them would read the thread for ever."""
    many(small, analyst, 3)
    small_omni.fail(
        Fault.edit(lambda reply: {**reply, "updatedAt": "2026-01-01T00:00:00Z"}), path="/v1/ai/conversations/"
    )
    sync()
    look_again()
    sync()
    asked = asked_for(small_omni)
    assert all(count == 1 for path, count in asked.items() if THREADS.fullmatch(path))


def test_what_was_read_ahead_is_rendered_when_it_is_opened(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    made = small.add_conversation(owner=analyst, name="Bold", turns=[("Is it?", "It is **bold**.")])
    sync()
    assert Message.objects.get(position=2).html == ""
    small_omni.requests.clear()
    assert "It is <strong>bold</strong>." in text_of(reads.get(thread(made)))
    assert small_omni.requests == []


# Killed -----------------------------------------------------------------------------------------------------

COUNT = 600


@pytest.fixture
def large() -> Organization:
    return Organization("large-org")


@pytest.fixture
def busy(large: Organization) -> Iterator[Callable[[], list[tuple[datetime, UUID]]]]:
    """Change the organization while it is read; yield a function that stops this and returns the changes."""
    ended, changes = threading.Event(), []
    draw = random.Random(17)  # noqa: S311
    numbers = itertools.count()

    def change() -> None:
        while not ended.wait(0.1):
            rows = large.conversations
            row = draw.choice(rows)
            now = datetime.now(UTC)
            match draw.randrange(10):
                case 0:
                    large.remove(row.id)
                case 1 | 2:
                    owner = row.owner
                    name = f"Meanwhile {next(numbers)}"
                    # The answer exists by now: Omni's last activity is never in the future.
                    began = now - ANSWER_TIME
                    large.add_conversation(owner=owner, name=name, turns=[("Now?", "Yes.")], started_at=began)
                case _:
                    with large.lock:
                        large.ask(row, f"More {next(numbers)}?", "More.", at=now, took=timedelta(0))
                        changes.append((datetime.now(UTC), row.id))

    thread = threading.Thread(target=change)

    def stop() -> list[tuple[datetime, UUID]]:
        ended.set()
        if thread.is_alive():
            thread.join()
        return changes

    thread.start()
    yield stop
    stop()


@pytest.mark.django_db(transaction=True)
def test_hundreds_that_change_while_a_worker_is_killed_ten_times(
    owner: User, large: Organization, dialect: str, request: pytest.FixtureRequest
) -> None:
    member = large.add_member("Ann", "ann@large.example")
    token = large.organization_key()
    many(large, member, COUNT)
    rate = 20_000
    environment = {
        "OMNIVIEWER_RATE_PER_MINUTE": str(rate),
        "OMNIVIEWER_OMNI_TIMEOUT": "1",
        "OMNIVIEWER_SYNC": "all",
        "OMNIVIEWER_DEMO": "true",
    }
    with StandIn(large, dialect=dialect, rate_per_minute=rate) as omni:
        credential = credential_for(owner, omni, token)
        stop = request.getfixturevalue("busy")
        draw = random.Random(4)  # noqa: S311
        for _ in range(10):
            with worker(environment):
                time.sleep(draw.uniform(1.5, 3))
        changes = stop()
        with worker(environment):
            settled()
            walk_again()
            tasks.nudge_sync()
            settled()
        assert_same(large, token, credential)
        assert Counter(row.status for row in omni.requests if row.status != 200).keys() <= {404}  # removed meanwhile
        wasted = _wasted(omni, changes)
        print(f"{len(omni.requests)} requests, {wasted} more than it takes; {len(changes)} changes")  # noqa: T201
        assert wasted <= 0.05 * len(omni.requests)
        _assert_budget_kept(omni, rate)


class worker:  # noqa: N801  (read as a verb)
    """A block with a real worker, killed, not stopped, at its end."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> None:
        tasks.nudge_sync()
        command = [sys.executable, "manage.py", "db_worker", "--no-startup-delay", "--interval", "0.2"]
        environment = database_environment() | self._environment
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def settled(seconds: float = 600) -> None:
    """Wait until the worker finds nothing more to do."""
    until = time.monotonic() + seconds
    while True:
        walk = Walk.objects.first()
        rests = walk and walk.not_before > datetime.now(UTC) + timedelta(seconds=60) and not walk.drop_before
        is_behind = Access.objects.filter(is_behind=True, listed_at__isnull=False).exists()
        if rests and walk and not walk.began_at and not is_behind:
            return
        assert time.monotonic() < until, "it did not come to an end"
        time.sleep(0.2)


def _wasted(omni: StandIn, changes: list[tuple[datetime, UUID]]) -> int:
    """Return the number of needless requests: unchanged threads read again, and more pages than necessary."""
    read: dict[UUID, datetime] = {}
    wasted = pages = 0
    for row in omni.requests:
        found = THREADS.fullmatch(row.path)
        if not found:
            pages += row.path == LISTS
            continue
        omni_id = UUID(found[1])
        since = read.get(omni_id)
        if since and not any(which == omni_id and at >= since - timedelta(seconds=0.2) for at, which in changes):
            wasted += 1
        read[omni_id] = row.at
    return wasted + max(pages - 2 * -(-COUNT // 100), 0)


def _assert_budget_kept(omni: StandIn, rate: int) -> None:
    most = int((rate - rate // 10) * Urgency.AHEAD.value)
    times = [row.at for row in omni.requests]
    first = 0
    for last, at in enumerate(times):
        while at - times[first] > timedelta(minutes=1):
            first += 1
        assert last - first + 1 <= most + 1


# Cost of a turn for the database --------------------------------------------------------------------------


class Work:
    """The number of rows that PostgreSQL reads for each statement, whether it uses them or not."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self._is_explaining = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE")) and not (many or self._is_explaining):
            self._is_explaining = True
            try:
                self.rows[sql[:300]] += self._explained(sql, params)
            finally:
                self._is_explaining = False
        return execute(sql, params, many, context)

    def _explained(self, sql: str, params: Any) -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            [[[told]]] = cursor.fetchall()
            transaction.set_rollback(True)
        return self._rows_of(told["Plan"])

    def _rows_of(self, node: dict[str, Any]) -> int:
        here = sum(
            node.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
        )
        return int(here * node["Actual Loops"]) + sum(map(self._rows_of, node.get("Plans", [])))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="test_postgresql.py runs it there")
def test_a_turn_costs_the_same_however_much_a_token_has(small_omni: StandIn, db: None) -> None:
    """A turn goes through no old rows, whether the API token has read everything or has much left to read."""
    member = small_omni.organization.add_member("Somebody", "somebody@example.com")
    many(small_omni.organization, member, 150)
    idle, behind = (
        credential_for(person(name), small_omni, small_omni.organization.organization_key()).api_token
        for name in ("idle", "behind")
    )
    sync()
    rows = old_rows.conversations(idle.instance, 20_000)
    old_rows.accesses(idle, rows)
    old_rows.accesses(behind, rows, behind=10_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for token in (idle, behind):
        Walk.objects.update(paused_at=timezone.now())
        Walk.objects.filter(api_token=token).update(paused_at=None)
        # One step only for the token with a backlog, because Omni knows none of its old conversations.
        seconds = 3 if token == idle else 0
        old_rows.look_again(token)
        archive_sync.run_next(seconds)  # which counts, since much has come
        old_rows.look_again(token)
        Walk.objects.filter(api_token=token).update(newest=timezone.now() - timedelta(days=1))
        with connection.execute_wrapper(done := Work()):
            assert archive_sync.run_next(seconds)
        assert sum(done.rows.values()) > 100
        assert {sql: count for sql, count in done.rows.items() if count > 1_000} == {}
