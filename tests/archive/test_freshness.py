"""Freshness: how long a stored page costs Omni nothing, and what makes it fresh again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations.archive import list_walk, threads
from conversations.archive import sync as archive_sync
from conversations.models import Access, Conversation, Walk
from conversations.models.freshness import is_fresh
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import Client as Omni
from tests.captured import thread
from tests.conftest import credential_for, signed_in, text_of
from tests.pages.test_fresh import asks_for

Ahead = Callable[[timedelta], None]
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


def told(small: Organization, owner: Member, *, ago: timedelta, answer: str = "Four.", name: str = "Orders") -> InOmni:
    """Add a conversation whose last activity was so long ago."""
    began = datetime.now(UTC) - ago - MINUTE
    made = small.add_conversation(owner=owner, name=name, turns=[("How many?", answer)], started_at=began)
    made.updated_at = datetime.now(UTC) - ago
    return made


def asks(client: Client, made: InOmni) -> bool:
    """Return whether a page of the thread would ask Omni for a newer one."""
    return bool(asks_for(text_of(client.get(thread(made)))))


def look_at_list(token: ApiToken) -> None:
    """Have the top of the token's list fetched, as the background sync does."""
    list_walk.check(list_walk.walk_of(token), Urgency.AHEAD, looked_at=timezone.now())


@pytest.mark.both_dialects
def test_it_works(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, dialect: str
) -> None:
    """A list reply that tells nothing new makes the thread fresh again; one that does makes it stale at once."""
    made = told(small, analyst, ago=50 * MINUTE)
    reads.get(thread(made))
    clock(20 * MINUTE)
    assert asks(reads, made)
    look_at_list(ApiToken.objects.get())
    small_omni.requests.clear()
    assert not asks(reads, made)
    small.ask(made, "And now?", "Five.", at=datetime.now(UTC) + 20 * MINUTE)
    clock(21 * MINUTE)
    look_at_list(ApiToken.objects.get())
    assert asks(reads, made)


@pytest.mark.parametrize(
    ("unchanged_for", "limit"),
    [
        (-HOUR, MINUTE),
        (0 * HOUR, MINUTE),
        (10 * MINUTE, MINUTE),
        (50 * MINUTE, 5 * MINUTE),
        (4 * HOUR, 24 * MINUTE),
        (10 * HOUR, HOUR),
        (5000 * HOUR, HOUR),
    ],
)
def test_the_limit_is_a_tenth_of_the_time_without_a_change(unchanged_for: timedelta, limit: timedelta) -> None:
    for age, expected in ((limit - 2 * SECOND, True), (limit + 2 * SECOND, False)):
        checked_at = timezone.now() - age
        assert is_fresh(checked_at, checked_at - unchanged_for) is expected


def test_without_a_time_of_the_last_change_it_is_the_least(settings: Settings) -> None:
    settings.FRESH_FOR = 90 * SECOND
    assert is_fresh(timezone.now() - 80 * SECOND)
    assert not is_fresh(timezone.now() - 100 * SECOND)
    assert not is_fresh(None)


def test_the_operators_least_goes_before_an_hour(settings: Settings) -> None:
    settings.FRESH_FOR = 8 * HOUR
    checked_at = timezone.now() - 7 * HOUR
    assert is_fresh(checked_at, checked_at - 1000 * HOUR)


def test_a_clock_that_was_ahead_makes_nothing_fresh() -> None:
    later = timezone.now() + HOUR
    assert not is_fresh(later, later - 1000 * HOUR)


@pytest.mark.parametrize(("minutes", "is_stale"), [(3, False), (8, True)])
def test_a_thread_is_asked_for_by_that_limit(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, minutes: int, is_stale: bool
) -> None:
    made = told(small, analyst, ago=HOUR)
    reads.get(thread(made))
    clock(minutes * MINUTE)
    assert asks(reads, made) is is_stale


def test_refresh_asks_at_once(reads: Client, small: Organization, small_omni: StandIn, analyst: Member) -> None:
    made = told(small, analyst, ago=100 * HOUR)
    for _ in range(2):
        reads.get(f"{thread(made)}?refresh=1")
    assert len(small_omni.requests) == 2
    reads.get("/conversations/")
    reads.get("/conversations/?refresh=1")
    assert len(small_omni.requests) == 4


def test_the_age_is_still_that_of_the_messages(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    made = told(small, analyst, ago=50 * MINUTE)
    reads.get(thread(made))
    fetched_at = Access.objects.get().fetched_at
    clock(20 * MINUTE)
    look_at_list(ApiToken.objects.get())
    assert fetched_at
    assert f'As of <time datetime="{fetched_at:%Y-%m-%dT%H:%M}' in text_of(reads.get(thread(made)))


@pytest.mark.parametrize("wait", [2 * MINUTE, 16 * MINUTE, 40 * MINUTE])
def test_a_question_that_awaits_its_answer_is_asked_for_as_before(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, wait: timedelta
) -> None:
    """Neither a list nor the time without a change says anything of an answer that comes now."""
    made = told(small, analyst, ago=HOUR)
    small.ask(made, "Still there?", None, at=datetime.now(UTC) - wait)
    reads.get(thread(made))
    clock(65 * SECOND)
    look_at_list(ApiToken.objects.get())
    assert asks(reads, made)


def test_a_running_answer_is_followed_whatever_the_list_says(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    made = told(small, analyst, ago=3 * MINUTE, answer="Working on it")
    job = made.jobs[0]
    job.state = "EXECUTING"
    page = text_of(reads.get(thread(made)))
    look_at_list(ApiToken.objects.get())
    text_of(reads.get(asks_for(page), headers={"HX-Request": "true"}))
    job.state, made.messages[1].text = "COMPLETE", "Done."
    clock(30 * SECOND)
    page = text_of(reads.get(thread(made)))
    assert "Done." in text_of(reads.get(asks_for(page), headers={"HX-Request": "true"}))


def test_a_question_that_nobody_answered_is_left_in_the_end(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    """No job takes longer than an hour."""
    made = told(small, analyst, ago=3 * HOUR)
    small.ask(made, "Still there?", None, at=datetime.now(UTC) - 2 * HOUR)
    reads.get(thread(made))
    clock(5 * MINUTE)
    assert not asks(reads, made)


def test_a_list_of_another_token_makes_nothing_fresh(
    reads: Client, colleague: User, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    made = told(small, analyst, ago=50 * MINUTE)
    reads.get(thread(made))
    credential_for(colleague, small_omni, small.organization_key())
    theirs = signed_in(colleague)
    theirs.get(thread(made))
    clock(20 * MINUTE)
    for token in ApiToken.objects.filter(credentials__owner=colleague):
        look_at_list(token)
    assert asks(reads, made)
    assert not asks(theirs, made)


def test_a_list_opens_no_messages(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    """Rights stay as they are: after a refusal, and after `OMNIVIEWER_ACCESS_TTL`, only the thread route opens them."""
    refused, expired = (told(small, analyst, ago=50 * HOUR, name=name) for name in ("Refused", "Expired"))
    for made in (refused, expired):
        reads.get(thread(made))
    small_omni.fail(Fault.status(404), path=f"/v1/ai/conversations/{refused.id}")
    assert reads.get(f"{thread(refused)}?refresh=1").status_code == 404
    clock(25 * HOUR)
    look_at_list(ApiToken.objects.get())
    assert not Conversation.objects.readable_by(owner).exists()
    small_omni.requests.clear()
    reads = signed_in(owner)
    assert reads.get(thread(expired)).status_code == 200
    assert reads.get(thread(refused)).status_code == 404
    assert len(small_omni.requests) == 2


@pytest.mark.parametrize("updated_at", [None, "2020-01-01T00:00:00.250Z"])
def test_a_list_without_the_time_that_is_stored_says_nothing(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, updated_at: str | None
) -> None:
    """A row that tells no time, or an earlier one, as an outdated reply does."""
    made = told(small, analyst, ago=50 * MINUTE)
    reads.get(thread(made))

    def edit(reply: dict[str, list[dict[str, object]]]) -> object:
        (rows,) = reply.keys() & {"data", "records"}
        return {**reply, rows: [{**row, "updatedAt": updated_at} for row in reply[rows]]}

    small_omni.fail(Fault.edit(edit), path="/v1/ai/conversations")
    clock(20 * MINUTE)
    look_at_list(ApiToken.objects.get())
    small_omni.recover()
    assert asks(reads, made)


def test_what_a_list_told_while_the_thread_was_fetched_is_not_forgotten(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    made = told(small, analyst, ago=50 * MINUTE)
    reads.get("/conversations/")
    token, access = ApiToken.objects.get(), Access.objects.get()
    asked_at = timezone.now()
    reply = Omni(small_omni.host, token.token, timeout=5, max_body=10**7).conversation(made.id)
    small.ask(made, "And now?", "Five.", at=datetime.now(UTC))
    look_at_list(token)
    threads.store(token, reply, asked_at, access.updated_at)
    assert Access.objects.get().is_behind
    assert asks(reads, made)


# Lists ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ago", [50 * MINUTE, 300 * HOUR])
def test_a_list_that_the_background_looked_at_asks_nothing(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead, settings: Settings,
    ago: timedelta,
) -> None:  # fmt: skip
    settings.SYNC = "all"
    told(small, analyst, ago=ago)
    archive_sync.begin_walks()
    for minutes in (0, 6, 12):
        clock(minutes * MINUTE)
        while archive_sync.run_next():
            pass
        clock((minutes + 4) * MINUTE)
        small_omni.requests.clear()
        assert asks_for(text_of(reads.get("/conversations/"))) == ""
        assert small_omni.requests == []


@pytest.mark.parametrize(("minutes", "is_stale"), [(0.5, False), (2, True)])
def test_a_busy_list_is_asked_for_after_a_minute(
    reads: Client,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    clock: Ahead,
    minutes: float,
    is_stale: bool,
) -> None:
    told(small, analyst, ago=300 * HOUR)
    told(small, analyst, ago=3 * MINUTE, name="New")
    reads.get("/conversations/")
    clock(minutes * MINUTE)
    assert bool(asks_for(text_of(reads.get("/conversations/")))) is is_stale


def test_no_list_is_fresh_for_an_hour(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, clock: Ahead
) -> None:
    """New conversations appear in it, also where no background sync looks for them."""
    told(small, analyst, ago=300 * HOUR)
    reads.get("/conversations/")
    clock(9 * MINUTE)
    assert asks_for(text_of(reads.get("/conversations/"))) == ""
    clock(11 * MINUTE)
    assert asks_for(text_of(reads.get("/conversations/")))
    assert Walk.objects.get().is_fresh is False
