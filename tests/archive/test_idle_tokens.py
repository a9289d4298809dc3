"""The background looks seldom at lists of tokens for which nobody is here, and soon at those of readers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from conversations import tasks
from conversations.archive import sync as archive_sync
from conversations.models import Access, Message, Walk
from omniviewer.accounts.models import ApiToken
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import work
from tests.conftest import credential_for, person

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LISTS = "/api/v1/ai/conversations"
Ahead = Callable[[timedelta], None]


@pytest.fixture(autouse=True)
def synced(settings: Settings) -> None:
    settings.SYNC = "all"


def told(organization: Organization, owner: Member, ago: timedelta, name: str = "Made") -> InOmni:
    """Make a conversation whose last activity was so long ago."""
    began = datetime.now(UTC) - ago - timedelta(seconds=30)
    made = organization.add_conversation(owner=owner, name=name, turns=[("Question?", "Answer.")], started_at=began)
    made.updated_at = datetime.now(UTC) - ago
    return made


def read_all() -> None:
    archive_sync.begin_walks()
    while archive_sync.run_next():
        pass


def looks_in_a_day(omni: StandIn, clock: Ahead) -> int:
    """Return how often the list is asked for in a day, after the first reading."""
    read_all()
    omni.requests.clear()
    for minute in range(0, 18 * 60, 2):
        clock(minute * MINUTE)
        read_all()
    return sum(row.path == LISTS for row in omni.requests) * 24 // 18


@pytest.mark.parametrize(("ago", "most"), [(2 * HOUR, 95), (30 * 24 * HOUR, 50)])
def test_a_list_that_does_not_change_is_looked_at_less_often(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, ago: timedelta, most: int
) -> None:
    told(small, analyst, ago)
    # Once every five minutes would be 288 times.
    assert 40 <= looks_in_a_day(small_omni, clock) <= most


def test_so_is_an_empty_list(reads: Client, small_omni: StandIn, clock: Ahead) -> None:
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=9))
    assert 40 <= looks_in_a_day(small_omni, clock) <= 50


@pytest.mark.parametrize("minutes", [1, 20, 49])
def test_one_that_changed_within_the_hour_is_looked_at_every_five_minutes(
    reads: Client, small: Organization, analyst: Member, minutes: int
) -> None:
    told(small, analyst, minutes * MINUTE)
    read_all()
    walk = Walk.objects.get()
    assert walk.checked_at
    assert abs(walk.not_before - walk.checked_at - 5 * MINUTE) < timedelta(seconds=5)


def test_a_reader_who_is_here_has_it_looked_at_every_five_minutes(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    told(small, analyst, 700 * HOUR)
    read_all()
    for minutes in range(1, 60, 3):
        clock(minutes * MINUTE)
        page = "/conversations/" if minutes % 2 else "/insights/"
        assert reads.get(page).status_code == 200
        read_all()
        at = Walk.objects.get().checked_at
        assert at
        assert timezone.now() - at <= 8 * MINUTE
    assert not [row for row in small_omni.requests if row.path == LISTS and row.status != 200]


def test_a_reader_who_comes_back_is_no_reason_to_wait(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    """The page looks itself, and the sync that it wakes reads the messages of what is new."""
    told(small, analyst, 700 * HOUR)
    read_all()
    clock(20 * MINUTE)
    read_all()
    walk = Walk.objects.get()
    assert walk.not_before > timezone.now() + 5 * MINUTE
    made = told(small, analyst, -19 * MINUTE, name="New")
    DBTaskResult.objects.all().delete()
    small_omni.requests.clear()
    reads.get("/conversations/?refresh=1")
    reads.get("/conversations/")
    assert DBTaskResult.objects.ready().filter(task_path=tasks.sync.module_path).exists()
    work()
    assert Message.objects.filter(conversation__omni_id=made.id).count() == 2
    assert sum(row.path == LISTS for row in small_omni.requests) == 1


def test_a_look_that_finds_news_while_the_background_rests_is_not_lost(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    told(small, analyst, 700 * HOUR)
    read_all()
    clock(8 * MINUTE)
    told(small, analyst, -7 * MINUTE, name="New")
    reads.get("/conversations/?refresh=1")
    assert Walk.objects.due().count() == 1
    assert Access.objects.behind().count() == 1
    read_all()
    assert not Access.objects.behind().exists()


def test_a_page_does_not_wake_what_waits_after_a_failure(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    told(small, analyst, 700 * HOUR)
    read_all()
    clock(40 * MINUTE)
    small_omni.fail(Fault.status(500))
    read_all()
    walk = Walk.objects.get()
    assert walk.failures == 1
    Walk.objects.update(not_before=timezone.now() + HOUR)
    reads.get("/conversations/")
    assert not Walk.objects.due().exists()
    assert Walk.objects.get().not_before > timezone.now() + 50 * MINUTE


def test_rights_do_not_run_out_while_the_background_rests(
    reads: Client, small: Organization, analyst: Member, settings: Settings, clock: Ahead
) -> None:
    settings.ACCESS_TTL = timedelta(minutes=20)
    told(small, analyst, 700 * HOUR)
    read_all()
    for minutes in range(0, 120, 2):
        clock(minutes * MINUTE)
        read_all()
        confirmed_at = Access.objects.get().confirmed_at
        assert confirmed_at
        assert timezone.now() - confirmed_at < settings.ACCESS_TTL


def test_the_sync_of_a_killed_worker_is_queued_again_every_hour(reads: Client) -> None:
    read_all()
    DBTaskResult.objects.all().delete()
    tasks.hourly.call()
    assert DBTaskResult.objects.filter(status="READY", task_path=tasks.sync.module_path).count() == 1


def test_others_lists_are_not_looked_at_for_a_reader(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, ben: Member, clock: Ahead
) -> None:
    told(small, analyst, 700 * HOUR)
    told(small, ben, 700 * HOUR, name="Ben's")
    of_ben = credential_for(person("another"), small_omni, small.personal_token(ben))
    read_all()
    before = of_ben.api_token.walks.get().not_before
    clock(6 * MINUTE)
    reads.get("/conversations/")
    assert of_ben.api_token.walks.get().not_before == before
    assert [walk.api_token for walk in Walk.objects.due()] != [of_ben.api_token]
