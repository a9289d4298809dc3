"""Requests to Omni across processes: never over the limit, no duplicates at once, no long waits for a dead Omni."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings as site_settings
from django.db import connection as database
from django.db.models import F
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations import tasks
from conversations.models import Access, Conversation, Flight, Instance, SentRequest, TokenBudget
from conversations.upstream import budget, circuit_breaker, single_flight
from conversations.upstream import request as upstream_request
from conversations.upstream.budget import Urgency
from conversations.upstream.request import PATIENCE_SECONDS
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.omni import CannotAsk, NotVisible, RateLimited
from tests.conftest import EXAMPLE, credential_for, member_behind, person, shown_ago, signed_in, text_of
from tests.serving import serve

THREAD = f"/conversations/{EXAMPLE}/"


# One in flight --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_hundred_readers_of_a_cold_thread_make_one_request(omni: StandIn, dialect: str, tmp_path: Path) -> None:
    reader = person("owner")
    credential_for(reader, omni, omni.organization.demo_tokens["analyst"])
    omni.fail(Fault.delay(1.5), path="/v1/ai")
    with serve(tmp_path, workers=2, threads=50) as site:
        answers = site.get_all(site.reader(reader), [THREAD] * 100)
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.text.count("<article") == 4 for answer in answers)
    assert len(omni.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_with_the_same_token_make_one_request(omni: StandIn, dialect: str, tmp_path: Path) -> None:
    readers = [person("one"), person("two")]
    for reader in readers:
        credential_for(reader, omni, omni.organization.demo_tokens["lead"])
    omni.fail(Fault.delay(1.5), path="/v1/ai")
    with serve(tmp_path) as site:
        sessions = [site.reader(reader) for reader in readers]
        for path in (THREAD, "/conversations/"):
            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda session: session.get(site.url + path, timeout=30), sessions))  # noqa: B023
            assert [answer.status_code for answer in answers] == [200, 200]
            assert answers[0].text.count("<article") == answers[1].text.count("<article")
            assert answers[0].text.count('class="row"') == answers[1].text.count('class="row"')
    assert [request.path for request in omni.requests if "scim" not in request.path] == [
        f"/api/v1/ai/conversations/{EXAMPLE}",
        "/api/v1/ai/conversations",
    ]
    assert Access.objects.filter(conversation__omni_id=EXAMPLE).count() == 1


def test_those_who_wait_learn_of_a_failure_too(db: None) -> None:
    def fail() -> None:
        raise NotVisible(outcome="404", retry_after=7.5)

    looked_at = timezone.now()
    with pytest.raises(NotVisible):
        single_flight.once("question", since=looked_at, work=fail)
    with pytest.raises(NotVisible) as told:
        single_flight.once("question", since=looked_at, work=lambda: pytest.fail("asked twice"))
    assert (told.value.sentence, told.value.outcome, told.value.retry_after) == (NotVisible.sentence, "404", 7.5)


def test_what_one_had_no_budget_for_another_may_ask(db: None) -> None:
    def fail() -> None:
        raise RateLimited.ours(7.5)

    looked_at = timezone.now()
    with pytest.raises(RateLimited):
        single_flight.once("question", since=looked_at, work=fail)
    assert single_flight.once("question", since=looked_at, work=lambda: None)


def test_who_asks_later_asks_anew(db: None) -> None:
    done: list[int] = []
    for _ in range(3):
        assert single_flight.once("question", since=timezone.now(), work=lambda: done.append(1))
    assert len(done) == 3
    assert Flight.objects.get().number == 3


def test_who_looked_before_somebody_else_had_it_takes_theirs(db: None) -> None:
    looked_at = timezone.now()
    single_flight.once("question", since=looked_at, work=lambda: None)
    assert not single_flight.once("question", since=looked_at, work=lambda: pytest.fail("asked twice"))


def test_a_flight_whose_process_died_is_taken_over(db: None) -> None:
    single_flight.once("question", since=timezone.now(), work=lambda: None)
    Flight.objects.update(landed_at=None, lands_by=timezone.now() + timedelta(seconds=0.3))
    assert single_flight.once("question", since=timezone.now(), work=lambda: None)
    assert Flight.objects.get().number == 2


def test_a_flight_of_a_clock_that_was_wrong_is_taken_over(db: None) -> None:
    single_flight.once("question", since=timezone.now(), work=lambda: None)
    Flight.objects.update(landed_at=None, lands_by=timezone.now() + timedelta(days=1))
    began = time.monotonic()
    assert single_flight.once("question", since=timezone.now(), work=lambda: None)
    assert time.monotonic() - began < 1


def test_a_flight_that_began_a_moment_after_we_looked_at_the_clock_is_not(db: None) -> None:
    single_flight.once("question", since=timezone.now(), work=lambda: None)
    begun = timezone.now() + timedelta(seconds=site_settings.OMNI_TIMEOUT + 10 + 1)
    Flight.objects.update(landed_at=None, lands_by=begun)
    assert single_flight._take_off(Flight.objects.get().question, timezone.now()) is None


def test_a_flight_that_landed_as_we_looked_is_not_flown_again(db: None) -> None:
    looked_at = timezone.now()
    single_flight.once("question", since=looked_at, work=lambda: None)
    question = Flight.objects.get().question
    assert single_flight._take_off(question, looked_at) is None
    assert single_flight._take_off(question, timezone.now()) == 2


@pytest.mark.django_db(transaction=True)
def test_a_flight_that_was_taken_over_is_not_taken_for_landed(dialect: str) -> None:
    """Its process died, and so did the next one's: the caller who waits then asks by itself."""
    single_flight.once("question", since=timezone.now(), work=lambda: None)
    soon = timedelta(seconds=0.6)
    Flight.objects.update(landed_at=None, lands_by=timezone.now() + 2 * soon)
    with ThreadPoolExecutor(1) as pool:

        def wait() -> bool:
            try:
                return single_flight.once("question", since=timezone.now(), work=lambda: None)
            finally:
                database.close()

        waiting = pool.submit(wait)
        time.sleep(soon.total_seconds() / 2)
        Flight.objects.update(number=F("number") + 1, lands_by=timezone.now() + soon)
        assert waiting.result(timeout=20)


def test_old_flights_are_deleted_every_hour(db: None) -> None:
    for question in ("old", "new"):
        single_flight.once(question, since=timezone.now(), work=lambda: None)
    Flight.objects.filter(pk=Flight.objects.earliest("pk").pk).update(lands_by=timezone.now() - timedelta(hours=2))
    tasks.hourly.call()
    assert Flight.objects.count() == 1


def test_our_own_fault_is_not_taken_for_an_answer(db: None) -> None:
    with pytest.raises(ZeroDivisionError):
        single_flight.once("question", since=timezone.now(), work=lambda: 1 / 0)  # type: ignore[arg-type]
    assert single_flight.once("question", since=timezone.now(), work=lambda: None)


# The budget -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_processes_keep_one_budget(omni: StandIn, dialect: str, tmp_path: Path) -> None:
    reader = person("owner")
    credential_for(reader, omni, omni.organization.demo_tokens["lead"])
    SentRequest.objects.all().delete()
    paths = [f"/conversations/{row.id}/" for row in omni.organization.conversations[:40]]
    # The test is about the number of requests, however long sixty threads take together.
    with serve(tmp_path, threads=30, OMNIVIEWER_RATE_PER_MINUTE="20", OMNIVIEWER_OMNI_TIMEOUT="60") as site:
        answers = site.get_all(site.reader(reader), paths)
    waiting = [answer for answer in answers if answer.status_code == 429]
    # A page that is done early may have spent one request on the owners' names.
    shown = sum(request.path.startswith("/api/v1/ai/conversations/") for request in omni.requests)
    assert Counter(answer.status_code for answer in answers) == {200: shown, 429: 40 - shown}, site.log[-3000:]
    assert shown >= 16
    assert len(omni.requests) == 18
    assert all(50 <= int(answer.headers["Retry-After"]) <= 65 for answer in waiting)
    assert "no requests to Omni left for this minute" in waiting[0].text


def test_it_leaves_some_of_omnis_limit_alone(settings: Settings) -> None:
    for limit, allowed in ((60, 54), (500, 450), (10, 9), (1, 1)):
        settings.RATE_PER_MINUTE = limit
        assert budget.allowance() == allowed


def test_who_waits_comes_before_who_reads_and_nobody_last(db: None, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 20
    taken = {}
    for urgency in (Urgency.BACKGROUND, Urgency.REFRESHING, Urgency.WAITING):
        while budget.spend("token", urgency) is None:
            pass
        taken[urgency] = SentRequest.objects.count()
    assert list(taken.values()) == [9, 14, 18]


def test_the_minute_slides(db: None, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 4
    assert [budget.spend("token", Urgency.WAITING) for _ in range(3)] == [None] * 3
    wait = budget.spend("token", Urgency.WAITING)
    assert wait
    assert 60 < wait <= 61.1
    oldest = SentRequest.objects.order_by("sent_at").first()
    assert oldest
    SentRequest.objects.filter(pk=oldest.pk).update(sent_at=oldest.sent_at - 60_000)
    wait = budget.spend("token", Urgency.WAITING)
    assert wait
    assert 0 < wait <= 1.1
    SentRequest.objects.filter(pk=oldest.pk).update(sent_at=oldest.sent_at - 62_000)
    assert budget.spend("token", Urgency.WAITING) is None


def test_another_token_has_a_budget_of_its_own(db: None, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 1
    assert budget.spend("one", Urgency.WAITING) is None
    assert budget.spend("one", Urgency.WAITING) is not None
    assert budget.spend("other", Urgency.WAITING) is None


def test_a_clock_that_was_a_day_ahead_blocks_nobody(db: None, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 1
    budget.spend("token", Urgency.WAITING)
    SentRequest.objects.update(sent_at=time.time() * 1000 + 86_400_000)
    TokenBudget.objects.update(blocked_until=timezone.now() + timedelta(days=1))
    assert budget.spend("token", Urgency.WAITING) is None


def test_budgets_that_nobody_uses_any_more_are_deleted_every_hour(db: None, settings: Settings) -> None:
    now = timezone.now()
    for token in ("in use", "left alone", "refused"):
        budget.spend(token, Urgency.WAITING)
    SentRequest.objects.exclude(token="in use").update(sent_at=(now - timedelta(minutes=2)).timestamp() * 1000)
    # Omni's refusal of an API token is stored for as long as it counts.
    TokenBudget.objects.filter(token="refused").update(blocked_until=now + timedelta(minutes=4))
    tasks.hourly.call()
    assert set(TokenBudget.objects.values_list("token", flat=True)) == {"in use", "refused"}
    assert set(SentRequest.objects.values_list("token", flat=True)) == {"in use"}


def test_the_token_stands_nowhere_in_it(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    known = TokenBudget.objects.get().token
    assert len(known) == 64
    assert omni.organization.demo_tokens["analyst"] not in known
    assert set(SentRequest.objects.values_list("token", flat=True)) == {known}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("30", 30), ("1", 1), ("0", 1), ("999999999", 300), ("-5", 5), ("soon", 5), (None, 5)],
)
def test_a_429_empties_the_budget(owner: User, omni: StandIn, said: str | None, seconds: int) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    omni.fail(Fault.status(429, headers={"Retry-After": said} if said else {}), path="/v1/ai", times=1)
    assert signed_in(owner).get(THREAD).status_code == 429
    left = budget.left(credential.api_token.digest)
    assert left.requests == 0
    assert left.blocked_until
    assert seconds * 0.75 <= (left.blocked_until - timezone.now()).total_seconds() <= seconds * 1.25
    if seconds > PATIENCE_SECONDS:
        assert signed_in(owner).get(THREAD).status_code == 429
        assert len(omni.requests) == 1
    TokenBudget.objects.update(blocked_until=timezone.now())
    assert signed_in(owner).get(THREAD).status_code == 200
    assert TokenBudget.objects.get().refusals == 0


@pytest.mark.parametrize("clock_is_off_by", [timedelta(0), timedelta(days=1), timedelta(days=-1)])
@pytest.mark.both_dialects
def test_a_date_in_a_429_is_counted_from_omnis_own_clock(
    owner: User, omni: StandIn, clock_is_off_by: timedelta
) -> None:
    from email.utils import format_datetime

    theirs = timezone.now() + clock_is_off_by
    headers = {
        "Date": format_datetime(theirs, usegmt=True),
        "Retry-After": format_datetime(theirs + timedelta(seconds=40), usegmt=True),
    }
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    omni.fail(Fault.status(429, headers=headers), path="/v1/ai", times=1)
    signed_in(owner).get(THREAD)
    left = budget.left(credential.api_token.digest)
    assert left.blocked_until
    assert 35 <= (left.blocked_until - timezone.now()).total_seconds() <= 41


def test_each_429_without_a_word_waits_longer(db: None) -> None:
    waits = [budget.refused("token", None) for _ in range(12)]
    assert waits[0] < waits[2] < waits[4]
    assert max(waits) <= 300
    assert len({round(wait, 3) for wait in waits[:4]}) == 4


def test_an_empty_budget_blocks_no_kept_page(
    owner_reads: Client, omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_reads.get(THREAD)
    settings.RATE_PER_MINUTE = 1
    Access.objects.update(fetched_at=timezone.now() - timedelta(hours=1))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert owner_reads.get(THREAD).status_code == 200
    page = text_of(owner_reads.get(THREAD + "?refresh=1"))
    assert sum(waits) < 1
    assert "no requests to Omni left for this minute" in page
    assert page.count("<article") == 4
    shown_ago(settings.ACCESS_TTL * 2)
    assert owner_reads.get(THREAD).status_code == 200


def test_a_short_wait_is_waited(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 1
    SentRequest.objects.all().delete()
    owner_reads.get(THREAD)
    SentRequest.objects.update(sent_at=(time.time() - 60) * 1000)
    other = omni.organization.visible_to(omni.organization.demo_tokens["analyst"])[0]
    assert owner_reads.get(f"/conversations/{other.id}/").status_code == 200
    assert len(omni.requests) == 2


def test_what_is_left_stands_on_the_credentials_page(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    settings.RATE_PER_MINUTE = 60
    SentRequest.objects.all().delete()
    owner_reads.get(THREAD)
    assert "53 of 54 left this minute" in text_of(owner_reads.get("/credentials/"))
    TokenBudget.objects.update(blocked_until=timezone.now() + timedelta(seconds=30))
    assert "None left: Omni accepts no more requests for 30" in text_of(owner_reads.get("/credentials/"))


# A dead Omni ----------------------------------------------------------------------------------------------


def test_a_dead_omni_is_left_alone_and_asked_again_later(
    owner_reads: Client, omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_reads.get(THREAD)
    settings.OMNI_TIMEOUT = 0.4
    omni.fail(Fault.delay(2.0), path="")
    for _ in range(3):
        owner_reads.get(THREAD + "?refresh=1")
    asked = len(omni.requests)
    began = time.monotonic()
    page = text_of(owner_reads.get(THREAD + "?refresh=1"))
    # Less than it takes to learn that Omni does not answer.
    assert time.monotonic() - began < settings.OMNI_TIMEOUT
    assert len(omni.requests) == asked
    assert "Omni failed several times in a row" in page
    assert page.count("<article") == 4
    answer = owner_reads.get("/conversations/")
    assert answer.status_code == 200
    assert "Only conversations opened here before are shown." in text_of(answer)
    omni.recover()
    Instance.objects.update(rests_until=timezone.now())
    assert owner_reads.get(THREAD + "?refresh=1").status_code == 302
    assert Instance.objects.get().failures == 0


def test_one_tries_while_the_others_go_on_waiting(db: None) -> None:
    for _ in range(3):
        circuit_breaker.failed("omni.example")
    assert 0 < circuit_breaker.try_again("omni.example").rest <= 5
    Instance.objects.update(rests_until=timezone.now())
    assert circuit_breaker.try_again("omni.example").rest == 0
    assert circuit_breaker.try_again("omni.example").rest > 0
    circuit_breaker.failed("omni.example")
    assert 5 < circuit_breaker.rest_of("omni.example") <= 10
    circuit_breaker.answered("omni.example")
    assert circuit_breaker.try_again("omni.example").rest == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_one_tries() -> None:
    for _ in range(3):
        circuit_breaker.failed("omni.example")
    for _ in range(5):
        Instance.objects.update(rests_until=timezone.now())
        together = threading.Barrier(8)

        def ask(together: threading.Barrier) -> float:
            together.wait()
            try:
                return circuit_breaker.try_again("omni.example").rest
            finally:
                database.close()

        with ThreadPoolExecutor(8) as pool:
            waits = list(pool.map(ask, [together] * 8))
        assert sum(wait == 0 for wait in waits) == 1


def test_it_never_rests_for_long(db: None) -> None:
    for _ in range(30):
        circuit_breaker.failed("omni.example")
    assert circuit_breaker.rest_of("omni.example") <= 60


def test_a_clock_that_was_a_day_ahead_leaves_nobody_alone(db: None) -> None:
    for _ in range(3):
        circuit_breaker.failed("omni.example")
    Instance.objects.update(rests_until=timezone.now() + timedelta(days=1))
    assert circuit_breaker.try_again("omni.example").rest == 0


def test_one_instance_does_not_speak_for_another(owner: User, omni: StandIn) -> None:
    with StandIn(Organization("other"), rate_per_minute=10_000) as other:
        token = other.organization.organization_key()
        dead = credential_for(owner, other, token, "Dead")
        other.fail(Fault.status(500), path="")
        for _ in range(3):
            with pytest.raises(CannotAsk):
                upstream_request.send(dead.api_token, "whoami", lambda client: client.whoami(), Urgency.REFRESHING)
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "Alive")
    assert signed_in(owner).get(THREAD).status_code == 200


@pytest.mark.parametrize("status", [502, 503, 504])
def test_who_has_nothing_to_read_is_worth_a_second_try(owner_reads: Client, omni: StandIn, status: int) -> None:
    omni.fail(Fault.status(status), path="/v1/ai", times=1)
    assert owner_reads.get(THREAD).status_code == 200
    assert len(omni.requests) == 2
    sent = SentRequest.objects.count()
    omni.fail(Fault.status(status), path="/v1/ai", times=1)
    assert "Not up to date." in text_of(owner_reads.get(THREAD + "?refresh=1"))
    assert SentRequest.objects.count() == sent + 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500])
def test_what_a_second_try_does_not_help_is_tried_once(owner_reads: Client, omni: StandIn, status: int) -> None:
    omni.fail(Fault.status(status), path="/v1/ai")
    owner_reads.get(THREAD)
    assert len(omni.requests) == 1


def test_a_second_try_is_counted(owner_reads: Client, omni: StandIn) -> None:
    SentRequest.objects.all().delete()
    omni.fail(Fault.status(503), path="/v1/ai")
    owner_reads.get(THREAD)
    assert len(omni.requests) == SentRequest.objects.count() == 2


# A credential that changes meanwhile ----------------------------------------------------------------------


def test_a_token_that_is_replaced_meanwhile_is_not_shown_what_the_old_one_was(
    owner: User, omni: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conversations.archive import credentials, threads
    from omniviewer.omni import Client as Omni
    from omniviewer.omni import Token

    credential = credential_for(owner, omni, omni.organization.demo_tokens["lead"])
    asked_at = timezone.now()
    token = Token(omni.organization.demo_tokens["lead"])
    reply = Omni(omni.host, token, timeout=5, max_body=10**7).conversation(UUID(EXAMPLE))
    credentials.replace_token(Credential.objects.get(pk=credential.pk), Token(omni.organization.demo_tokens["support"]))
    with pytest.raises(CannotAsk, match="The token was replaced"):
        threads.store(credential.api_token, reply, asked_at)
    assert not Conversation.objects.readable_by(owner).exists()
    assert not Conversation.objects.exists()


# The same token in several hands --------------------------------------------------------------------------


def test_what_omni_just_showed_to_the_same_token_is_not_asked_for_again(
    omni: StandIn, owner: User, colleague: User
) -> None:
    for reader in (owner, colleague):
        credential_for(reader, omni, omni.organization.demo_tokens["lead"])
    for path in (THREAD, "/conversations/"):
        signed_in(owner).get(path)
    omni.requests.clear()
    assert text_of(signed_in(colleague).get(THREAD)).count("<article") == 4
    assert text_of(signed_in(colleague).get("/conversations/")).count('class="row"') == 50
    assert "Asked by" in text_of(signed_in(colleague).get("/conversations/"))
    assert omni.requests == []


def test_a_list_just_shown_makes_a_thread_fresh_for_all_who_hold_its_token(
    omni: StandIn, owner: User, colleague: User
) -> None:
    for reader in (owner, colleague):
        credential_for(reader, omni, omni.organization.demo_tokens["lead"])
    newest = f"/conversations/{omni.organization.conversations[0].id}/"
    signed_in(owner).get(newest)
    Access.objects.update(fetched_at=timezone.now() - timedelta(hours=1))
    signed_in(owner).get("/conversations/")
    omni.requests.clear()
    page = text_of(signed_in(colleague).get(newest))
    assert omni.requests == []
    assert 'hx-trigger="fresh"' not in page


def test_nor_does_it_cost_more_a_day_later(omni: StandIn, owner: User, colleague: User, settings: Settings) -> None:
    for reader in (owner, colleague):
        credential_for(reader, omni, omni.organization.demo_tokens["lead"])
    signed_in(owner).get(THREAD)
    shown_ago(settings.ACCESS_TTL - timedelta(minutes=5))
    omni.requests.clear()
    assert text_of(signed_in(colleague).get(THREAD)).count("<article") == 4
    assert omni.requests == []


def test_a_token_that_omni_rejects_is_rejected_in_every_hand(omni: StandIn, owner: User, colleague: User) -> None:
    token = omni.organization.personal_token(member_behind(omni, "analyst"))
    for reader in (owner, colleague):
        credential_for(reader, omni, token)
        signed_in(reader).get(THREAD)
    credential_for(colleague, omni, omni.organization.demo_tokens["support"], "Another")
    omni.organization.revoke(token)
    assert signed_in(owner).get(THREAD + "?refresh=1").status_code == 403
    omni.requests.clear()
    assert signed_in(colleague).get(THREAD).status_code == 404
    assert [request.token for request in omni.requests] == [omni.organization.demo_tokens["support"]]
    assert Credential.objects.accepted().get().label == "Another"


@pytest.mark.parametrize("what", ["another token", "another instance"])
def test_only_the_very_same_token_on_the_same_instance(omni: StandIn, owner: User, colleague: User, what: str) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["lead"])
    signed_in(owner).get(THREAD)
    signed_in(owner).get("/conversations/")
    with StandIn(Organization("elsewhere"), rate_per_minute=10_000) as elsewhere:
        token = omni.organization.demo_tokens["support" if what == "another token" else "lead"]
        if what == "another instance":
            elsewhere.organization._add_token(token, None)
        credential_for(colleague, elsewhere if what == "another instance" else omni, token)
        omni.requests.clear()
        signed_in(colleague).get(THREAD)
        assert len(omni.requests) + len(elsewhere.requests) == 1
        signed_in(colleague).get("/conversations/")
        lists = [asked for asked in [*omni.requests, *elsewhere.requests] if asked.path.endswith("/conversations")]
        assert len(lists) == 1
