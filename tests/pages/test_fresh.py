"""Stored pages are shown at once, and renew themselves in place."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django import Settings

from conversations import tasks
from conversations.archive import evidence as archive_evidence
from conversations.archive.evidence import Inquiry
from conversations.models import Access, Capture, Conversation, EarlierMessage, Instance, Job, JobAccess, Walk
from conversations.pages import refresh
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as Made
from omniviewer.demo.stand_in.organization import Member
from tests.captured import work
from tests.conftest import EXAMPLE, assert_accessible, credential_for, person, sign_in, signed_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"


def make_old(age: timedelta = timedelta(hours=3)) -> None:
    Access.objects.exclude(fetched_at=None).update(fetched_at=timezone.now() - age, unchanged_at=None)
    Walk.objects.update(checked_at=timezone.now() - age)


def asks_for(page: str) -> str:
    """Return the address that a page requests by itself, or ""."""
    found = re.search(r'hx-get="([^"]+)" hx-trigger="fresh"', page)
    return unescape(found.group(1)) if found else ""


def renew(client: Client, page: str) -> Any:
    return client.get(asks_for(page), headers={"HX-Request": "true"})


class Thread:
    """A conversation created for the test, which continues."""

    def __init__(self, small: Organization, *turns: tuple[str, str | None], ago: timedelta = timedelta(days=2)) -> None:
        self.organization = small
        self.member = small.add_member("Ana", "ana@small.example")
        started = datetime.now(UTC).replace(microsecond=0) - ago
        self.row: Made = small.add_conversation(
            owner=self.member, name="Made", turns=turns or [("First?", "One.")], started_at=started
        )
        self.token = small.personal_token(self.member)
        self.path = f"/conversations/{self.row.id}/"

    def go_on(self, question: str, answer: str | None) -> None:
        self.organization.ask(self.row, question, answer, at=datetime.now(UTC).replace(microsecond=0))

    def read_by(self, owner: User, omni: StandIn) -> Client:
        credential_for(owner, omni, self.token)
        return signed_in(owner)


@pytest.fixture
def thread(small: Organization) -> Thread:
    return Thread(small)


@pytest.mark.both_dialects
def test_it_works(thread: Thread, owner: User, small_omni: StandIn) -> None:
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    make_old()
    thread.go_on("Second?", "Two.")
    small_omni.requests.clear()
    page = text_of(client.get(thread.path))
    assert "Second?" not in page
    assert small_omni.requests == []
    renewed = text_of(renew(client, page))
    assert 'hx-swap-oob="beforeend:#messages"' in renewed
    assert "Second?" in renewed
    assert "First?" not in renewed
    assert "2 new messages" in renewed
    assert len(small_omni.requests) == 1


def test_under_a_minute_nothing_is_asked(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    owner_reads.get("/conversations/")
    omni.requests.clear()
    assert asks_for(text_of(owner_reads.get(THREAD))) == ""
    assert asks_for(text_of(owner_reads.get("/conversations/"))) == ""
    owner_reads.get(f"{THREAD}fresh/?looks=1&revision=1&count=4", headers={"HX-Request": "true"})
    assert omni.requests == []


def test_the_first_open_is_one_request(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    assert len(omni.requests) == 1


@pytest.mark.both_dialects
def test_where_nothing_has_changed_only_the_time_does(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    make_old()
    renewed = text_of(renew(owner_reads, text_of(owner_reads.get(THREAD))))
    assert 'id="freshness"' in renewed
    assert "<article" not in renewed
    assert 'id="news"' not in renewed
    assert asks_for(renewed) == ""


def test_it_says_as_of_when(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    Access.objects.update(fetched_at=datetime(2026, 1, 5, 9, 14, tzinfo=UTC))
    assert re.search(r"As of <time [^>]*>5 Jan 2026, 09:14</time>", text_of(owner_reads.get(THREAD)))


def test_two_who_renew_at_once_ask_once(thread: Thread, owner: User, small_omni: StandIn) -> None:
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    make_old()
    page = text_of(client.get(thread.path))
    small_omni.requests.clear()
    renew(client, page)
    renew(client, page)
    assert len(small_omni.requests) == 1


@pytest.mark.both_dialects
def test_a_list_renews_itself_as_a_whole(thread: Thread, owner: User, small_omni: StandIn) -> None:
    client = thread.read_by(owner, small_omni)
    client.get("/conversations/")
    make_old()
    page = text_of(client.get("/conversations/"))
    unchanged = text_of(renew(client, page))
    assert 'id="listed"' not in unchanged
    make_old()
    thread.organization.add_conversation(owner=thread.member, name="Another", turns=[("What else?", "This.")])
    renewed = text_of(renew(client, page))
    assert re.search(r'<form id="listed"[^>]* hx-swap-oob="true">.*Another', renewed)
    assert "The list has changed." in renewed
    assert "2 conversations" in renewed


def test_its_addresses_lead_to_the_page_without_htmx(owner_reads: Client) -> None:
    assert owner_reads.get(f"{THREAD}fresh/?looks=1")["Location"] == THREAD
    answer = owner_reads.get("/conversations/fresh/?looks=1&shown=x&sort=oldest&credential=1")
    assert answer["Location"] == "/conversations/?sort=oldest&credential=1"


def test_nonsense_in_its_address_leads_to_the_page(owner_reads: Client) -> None:
    answer = owner_reads.get(f"{THREAD}fresh/?looks=x&revision=-1", headers={"HX-Request": "true"})
    assert answer["Location"] == THREAD


def test_a_stranger_gets_nothing_of_it(owner_reads: Client, stranger_reads: Client) -> None:
    owner_reads.get(THREAD)
    answer = stranger_reads.get(f"{THREAD}fresh/?looks=1&revision=0&count=0", headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert answer.content == b""


def test_who_signed_out_meanwhile_is_led_to_the_sign_in_page(owner_reads: Client) -> None:
    owner_reads.get(THREAD)
    owner_reads.logout()
    answer = owner_reads.get(f"{THREAD}fresh/?looks=1", headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert owner_reads.get(THREAD)["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_while_renewing_closes_the_page(owner_reads: Client, omni: StandIn, status: int) -> None:
    owner_reads.get(THREAD)
    make_old()
    page = text_of(owner_reads.get(THREAD))
    omni.fail(Fault.status(status), path="")
    assert renew(owner_reads, page)["HX-Refresh"] == "true"
    assert owner_reads.get(THREAD).status_code == (403 if status == 401 else 404)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_so_does_a_refusal_of_a_list(owner_reads: Client, omni: StandIn, status: int) -> None:
    owner_reads.get("/conversations/")
    make_old()
    page = text_of(owner_reads.get("/conversations/"))
    omni.fail(Fault.status(status), path="")
    assert renew(owner_reads, page)["HX-Refresh"] == "true"
    assert owner_reads.get("/conversations/").status_code == (403 if status == 401 else 404)


def test_a_failure_while_renewing_is_told_and_tried_again(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    make_old()
    omni.fail(Fault.status(503), path="")
    renewed = text_of(renew(owner_reads, text_of(owner_reads.get(THREAD))))
    assert "Omni has a problem (it returned 503)." in renewed
    assert "looks=2" in asks_for(renewed)
    assert 'data-fresh-in="20.0"' in renewed
    omni.recover()
    again = text_of(renew(owner_reads, renewed))
    assert "Not up to date" not in again
    assert asks_for(again) == ""


def test_it_gives_up_in_the_end(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    make_old()
    page = text_of(owner_reads.get(THREAD))
    omni.fail(Fault.status(503), path="")
    looks = 0
    while asks_for(page):
        page = text_of(renew(owner_reads, page))
        looks += 1
    assert looks == refresh.MAX_LOOKS


# Changes in Omni ------------------------------------------------------------------------------------------


def rewrite(small: Thread, position: int, text: str) -> None:
    small.row.messages[position - 1].text = text


@pytest.mark.both_dialects
def test_both_versions_of_a_changed_message_are_kept(thread: Thread, owner: User, small_omni: StandIn) -> None:
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    rewrite(thread, 2, "Two, not one.")
    client.get(thread.path + "?refresh=1")
    page = text_of(client.get(thread.path))
    assert "Two, not one." in page
    assert "Omni has changed this message." in page
    assert re.search(r"<summary>Answer 2 as it was until [^<]+</summary> <div class=\"prose\"><p>One\.</p>", page)
    assert "Changed in Omni since it was first fetched" in page


@pytest.mark.both_dialects
def test_messages_that_went_away_are_kept_apart(thread: Thread, owner: User, small_omni: StandIn) -> None:
    thread.go_on("Second?", "Two.")
    client = thread.read_by(owner, small_omni)
    first = text_of(client.get(thread.path))
    del thread.row.messages[2:]
    make_old()
    renewed = text_of(renew(client, text_of(client.get(thread.path))))
    assert 'id="turn-3" hx-swap-oob="delete"' in renewed
    assert "2 removed" in renewed
    page = text_of(client.get(thread.path))
    assert page.count("<article") == first.count("<article") - 2 == 2
    assert "No longer in this conversation" in page
    assert "Question 3 as it was until" in page


def test_who_was_never_shown_the_earlier_version_is_not_shown_it_now(
    thread: Thread, owner: User, colleague: User, small_omni: StandIn
) -> None:
    reads = thread.read_by(owner, small_omni)
    reads.get(thread.path)
    rewrite(thread, 2, "Redacted.")
    credential_for(colleague, small_omni, thread.organization.organization_key())
    page = text_of(signed_in(colleague).get(thread.path))
    assert "Redacted." in page
    assert EarlierMessage.objects.count() == 1
    for answer in (signed_in(colleague).get(thread.path), signed_in(colleague).get(thread.path + "messages/2/")):
        assert "One." not in text_of(answer)
    assert "One." in text_of(reads.get(thread.path))


def test_a_refusal_in_between_takes_the_earlier_version_away(thread: Thread, owner: User, small_omni: StandIn) -> None:
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    rewrite(thread, 2, "Redacted.")
    client.get(thread.path + "?refresh=1")
    small_omni.fail(Fault.status(404), path="/v1/ai", times=1)
    assert client.get(thread.path + "?refresh=1").status_code == 404
    page = text_of(client.get(thread.path))
    assert "Redacted." in page
    assert "One." not in page


def test_an_answer_that_grew_while_it_was_written_is_no_change(
    small: Organization, owner: User, small_omni: StandIn
) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=3))
    job = thread.row.messages[1].job
    assert job
    job.state, job.progress = "EXECUTING", "Running query 1 of 2"
    client = thread.read_by(owner, small_omni)
    renew(client, text_of(client.get(thread.path)))
    rewrite(thread, 2, "Done.")
    client.get(thread.path + "?refresh=1")
    page = text_of(client.get(thread.path))
    assert "Done." in page
    assert "Working on it" not in page


def grown(small: Organization, owner: User, omni: StandIn, *, ended_ago: timedelta) -> tuple[Client, Thread]:
    """Return a thread that was read while its job ran, and read again after the job had ended unnoticed."""
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=3))
    client = thread.read_by(owner, omni)
    client.get(thread.path)
    Conversation.objects.update(fetched_at=timezone.now() - timedelta(seconds=60))
    job = thread.row.messages[1].job
    assert job
    job.completed_at = timezone.now() - ended_ago
    rewrite(thread, 2, "Done.")
    return client, thread


@pytest.mark.parametrize("is_known_before", [False, True])
def test_nor_is_one_whose_job_was_heard_of_only_later(
    small: Organization, owner: User, small_omni: StandIn, is_known_before: bool
) -> None:
    client, thread = grown(small, owner, small_omni, ended_ago=timedelta(seconds=20))
    if is_known_before:
        client.get(f"{thread.path}messages/2/evidence/keep/", headers={"HX-Request": "true"})
        learn_jobs(thread, small_omni)
    client.get(thread.path + "?refresh=1")
    learn_jobs(thread, small_omni)
    page = text_of(client.get(thread.path))
    assert "Done." in page
    assert "Working on it" not in page
    assert "Omni has changed" not in page


def test_a_change_after_its_job_had_ended_is_one(small: Organization, owner: User, small_omni: StandIn) -> None:
    client, thread = grown(small, owner, small_omni, ended_ago=timedelta(seconds=120))
    client.get(thread.path + "?refresh=1")
    learn_jobs(thread, small_omni)
    page = text_of(client.get(thread.path))
    assert "Omni has changed this message." in page
    assert "Working on it" in page


def learn_jobs(thread: Thread, omni: StandIn) -> None:
    """Ask the job route about the answer, as the background does."""
    token = ApiToken.objects.get()
    conversation = Conversation.objects.get()
    job = thread.row.messages[-1].job
    assert job
    archive_evidence.fetch_job(Inquiry(token, conversation, job.id, timezone.now()), Urgency.WAITING)


@pytest.mark.both_dialects
@pytest.mark.parametrize("job_took", [timedelta(seconds=5), timedelta(minutes=7, seconds=12)])
def test_the_list_and_the_thread_tell_the_same_duration(
    small: Organization, owner: User, small_omni: StandIn, job_took: timedelta
) -> None:
    """The messages' times count, which all who may read them know; how long the job ran is told beside its id."""
    thread = Thread(small, ("First?", "One."), ("Second?", "Two."), ago=timedelta(minutes=30))
    row = thread.row
    row.messages[-1].created_at = row.messages[-2].created_at + timedelta(minutes=2, seconds=3)
    job = row.messages[-1].job
    assert job
    job.completed_at = job.created_at + job_took
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    learn_jobs(thread, small_omni)
    work()
    page = text_of(client.get(thread.path)).replace("\N{NO-BREAK SPACE}", " ")
    listed = text_of(client.get("/conversations/")).replace("\N{NO-BREAK SPACE}", " ")
    assert re.findall(r"Took ([^<]+)<", page)[-1] == "2 min 3 s"
    assert re.findall(r'title="Time to the last answer">([^<]+)<', listed) == ["2 min 3 s"]
    assert ("Ran for 7 min 12 s</span>" in page) == (job_took > timedelta(minutes=1))


def test_how_long_the_job_ran_is_told_to_whom_omni_told_of_the_job(
    small: Organization, owner: User, small_omni: StandIn
) -> None:
    thread = Thread(small, ("First?", "One."), ago=timedelta(minutes=30))
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    learn_jobs(thread, small_omni)
    assert "Ran for" in text_of(client.get(thread.path))
    small_omni.organization.permissions.deny("job")
    JobAccess.objects.update(shown_at=None, job_refused_at=timezone.now())
    page = text_of(client.get(thread.path))
    assert "Took" in page
    assert "Ran for" not in page


# An answer that is being written --------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let looks follow each other in fractions of a second."""
    monkeypatch.setattr(refresh, "_FIRST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(refresh, "_LATEST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(Job, "POLL_EVERY", timedelta(0))


@pytest.mark.both_dialects
def test_a_running_job_is_followed(small: Organization, owner: User, small_omni: StandIn, quick: None) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=3))
    job = thread.row.messages[1].job
    assert job
    job.state, job.progress = "EXECUTING", "Running query 1 of <2>"
    client = thread.read_by(owner, small_omni)
    page = text_of(client.get(thread.path))
    assert [request.path for request in small_omni.requests] == [f"/api/v1/ai/conversations/{thread.row.id}"]
    assert "Omni is working" not in page
    page = text_of(renew(client, page))
    assert "Running query 1 of &lt;2&gt;" in page
    job.state, job.progress = "COMPLETE", ""
    rewrite(thread, 2, "Done.")
    page = text_of(renew(client, page))
    assert "Done." in page
    assert asks_for(page) == ""
    small_omni.requests.clear()
    assert asks_for(text_of(client.get(thread.path))) == ""


def test_a_job_is_not_polled_faster_than_omni_likes(small: Organization, owner: User, small_omni: StandIn) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=3))
    job = thread.row.messages[1].job
    assert job
    job.state = "EXECUTING"
    client = thread.read_by(owner, small_omni)
    page = text_of(client.get(thread.path))
    assert 'data-fresh-in="1.0"' in page
    for _ in range(5):
        page = text_of(renew(client, page))
    assert [request.path.split("/")[4] for request in small_omni.requests] == ["conversations", "jobs"]
    delays = [float(re.search(r'data-fresh-in="([\d.]+)"', page)[1])]  # type: ignore[index]
    assert delays[0] > 10


def test_a_page_whose_job_alone_was_asked_for_says_so_and_when(
    small: Organization, owner: User, small_omni: StandIn, quick: None
) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=40))
    job = thread.row.messages[1].job
    assert job
    job.state, job.progress, job.completed_at = "EXECUTING", "Running query 1 of 3", None
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    learn_jobs(thread, small_omni)
    # Its thread is fresh for longer than that.
    make_old(timedelta(minutes=2))
    Conversation.objects.update(updated_at=timezone.now() - timedelta(minutes=40))
    page = text_of(client.get(thread.path))
    Job.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
    small_omni.requests.clear()
    renewed = text_of(renew(client, page))
    assert [request.path.split("/")[4] for request in small_omni.requests] == ["jobs"]
    times = re.findall(r'(?:As of|Checked) <time datetime="([^"]+)"', " ".join(renewed.split()))
    assert len(times) == 2
    assert all(timezone.now() - datetime.fromisoformat(time) < timedelta(seconds=30) for time in times)
    assert re.search(r"Asked\s+<time[^>]+>40\sminutes ago", renewed)
    address = f"{thread.path}fresh/?revision=1&count=2&looks=20"
    given_up = text_of(client.get(address, headers={"HX-Request": "true"}))
    assert "this page stopped checking" in given_up
    assert 'href="?refresh=1">Refresh</a>' in given_up.partition('id="running-facts"')[2]
    assert "data-fresh-in" not in given_up


@pytest.mark.django_db(transaction=True)
def test_a_page_of_a_running_answer_counts_down_to_its_next_look(
    page: Page, site: str, small: Organization, small_omni: StandIn
) -> None:
    thread = Thread(small, ago=timedelta(minutes=3))
    thread.go_on("Still there?", None)
    thread.read_by(person("owner"), small_omni)
    sign_in(page, site, at=thread.path)
    facts = page.locator("#running-facts")
    expect(facts).to_contain_text(re.compile(r"Checked \d\d:\d\d:\d\d\s+Next check in [1-5] s"))
    checked = facts.locator("time").last.inner_text()
    expect(facts.locator("time").last).not_to_have_text(checked, timeout=15_000)
    thread.organization.finish(thread.row, "Here it is.", at=datetime.now(UTC))
    expect(page.get_by_text("Here it is.")).to_be_visible(timeout=20_000)
    expect(facts).to_be_hidden()


def test_a_question_without_an_answer_is_looked_at_again(
    small: Organization, owner: User, small_omni: StandIn, quick: None
) -> None:
    thread = Thread(small)
    thread.go_on("Second?", None)
    client = thread.read_by(owner, small_omni)
    page = text_of(client.get(thread.path))
    assert "Omni is working on this answer." in page
    thread.organization.finish(thread.row, "Two.", at=datetime.now(UTC))
    page = text_of(renew(client, page))
    assert "Two." in page
    assert "1 new message" in page


def test_a_page_of_a_running_answer_says_when_it_was_last_checked_and_one_status(
    small: Organization, owner: User, small_omni: StandIn, quick: None
) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=17))
    job = thread.row.messages[1].job
    assert job
    job.state, job.completed_at = "EXECUTING", None
    client = thread.read_by(owner, small_omni)
    client.get(thread.path)
    learn_jobs(thread, small_omni)
    make_old(timedelta(minutes=16))
    thread.row.messages[1].text = "Working on it: two of three"
    page = text_of(client.get(thread.path))
    assert 'data-fresh-in="0.0"' in page
    assert "Omni is working on this answer" in page
    assert "Saving evidence" not in page
    small_omni.requests.clear()
    renewed = text_of(renew(client, page))
    assert "two of three" in renewed
    assert "Omni is working on this answer" in renewed
    assert "Saving evidence" not in renewed
    as_of = re.search(r'As of <time datetime="([^"]+)"', renewed)
    assert as_of
    assert timezone.now() - datetime.fromisoformat(as_of[1]) < timedelta(minutes=1)
    assert 'data-fresh-in="0.0"' not in renewed
    count = len(small_omni.requests)
    renew(client, renewed)
    assert len(small_omni.requests) <= count + 1, "its thread is fresh: only the job is asked"


def test_a_job_that_omni_does_not_show_is_asked_for_once(small: Organization, owner: User, small_omni: StandIn) -> None:
    thread = Thread(small, ("First?", "Working on it"), ago=timedelta(minutes=3))
    small_omni.fail(Fault.status(404), path="/v1/ai/jobs")
    client = thread.read_by(owner, small_omni)
    page = text_of(renew(client, text_of(client.get(thread.path))))
    assert asks_for(page) == ""
    assert "Omni is working" not in text_of(client.get(thread.path))


# In the browser -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_is_new_appears_in_place(
    page: Page, site: str, small: Organization, small_omni: StandIn, dialect: str
) -> None:
    turns = [(f"Question {number}?", "A long answer. " * 60) for number in range(12)]
    thread = Thread(small, *turns)
    reader = person("owner")
    thread.read_by(reader, small_omni).get(thread.path)
    make_old()
    small_omni.fail(Fault.delay(0.7), path="/v1/ai")
    rewrite(thread, 2, "Much longer than before. " * 400)
    thread.go_on("And what is new?", "This is.")
    sign_in(page, site, at=thread.path)
    expect(page.get_by_role("article")).to_have_count(24)
    page.locator("#message-9").evaluate("element => element.scrollIntoView({block: 'start', behavior: 'instant'})")
    page.wait_for_timeout(100)
    before = page.locator("#message-9").bounding_box()
    expect(page.locator("#message-25")).to_be_attached()
    after = page.locator("#message-9").bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) <= 2
    expect(page.locator("#news")).to_have_text("2 new messages, 1 changed")
    assert page.locator("#news").get_attribute("role") == "status"
    page.get_by_role("link", name="2 new messages").click()
    expect(page.locator("#message-25")).to_be_in_viewport()


@pytest.mark.django_db(transaction=True)
def test_a_running_answer_comes_by_itself_unless_nobody_looks(
    page: Page, site: str, small: Organization, small_omni: StandIn, dialect: str, quick: None
) -> None:
    thread = Thread(small, ago=timedelta(minutes=3))
    thread.go_on("Still there?", None)
    thread.read_by(person("owner"), small_omni)
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.nobodyLooks === true})")
    sign_in(page, site, at=thread.path)
    expect(page.get_by_text("Omni is working on this answer")).to_be_visible()
    page.evaluate("window.nobodyLooks = true")
    page.wait_for_timeout(600)
    small_omni.requests.clear()
    page.wait_for_timeout(1200)
    assert small_omni.requests == []
    thread.organization.finish(thread.row, "Here it is.", at=datetime.now(UTC))
    page.evaluate("window.nobodyLooks = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("Here it is.")).to_be_visible()
    expect(page.get_by_text("Omni is working on this answer")).to_be_hidden()


def test_only_lines_that_the_page_has_are_replaced(
    small: Organization, owner: User, small_omni: StandIn, quick: None
) -> None:
    """Once the page shows another answer, it follows that answer's line too."""
    thread = Thread(small, ("First?", "One."), ago=timedelta(minutes=3))
    thread.go_on("Second?", None)
    client = thread.read_by(owner, small_omni)
    page = text_of(client.get(thread.path))
    thread.organization.finish(thread.row, "Two.", at=datetime.now(UTC))
    grown = text_of(renew(client, page))
    assert 'id="capturing" hx-swap-oob="true" hx-get=' in grown
    for shows, positions in ((page, ["2"]), (grown, ["2", "4"])):
        polled = re.search(r'hx-get="([^"]+/standings/[^"]+)"[^>]* hx-include="#count"', shows)
        count = re.search(r'id="count" name="count" value="(\d+)"', shows)
        assert polled
        assert count
        lines = text_of(client.get(f"{unescape(polled[1])}&count={count[1]}", headers={"HX-Request": "true"}))
        assert re.findall(r'id="answer-status-(\d+)"', lines) == positions


@pytest.mark.django_db(transaction=True)
def test_lines_are_followed_while_the_page_grows(
    page: Page, site: str, small: Organization, small_omni: StandIn, dialect: str, quick: None
) -> None:
    """A reply to a request from before the page grew arrives late: no console error, and the page asks again."""
    thread = Thread(small, ("First?", "One."), ago=timedelta(minutes=3))
    thread.go_on("Second?", None)
    thread.read_by(person("owner"), small_omni)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "count=3" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page.route("**/standings/**", hold)
    with page.expect_request(re.compile("/standings/.*count=3")):
        sign_in(page, site, at=thread.path)
    expect(page.get_by_text("Omni is working on this answer")).to_be_visible()
    thread.organization.finish(thread.row, "Two.", at=datetime.now(UTC))
    expect(page.get_by_text("Two.")).to_be_visible()
    with page.expect_request(re.compile("/standings/.*count=4")):
        held[0].continue_()


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_revoked_meanwhile_closes_the_open_page(
    page: Page, site: str, small: Organization, small_omni: StandIn, dialect: str
) -> None:
    thread = Thread(small)
    thread.read_by(person("owner"), small_omni).get(thread.path)
    make_old()
    small.revoke(thread.token)
    sign_in(page, site, at=thread.path)
    expect(page.get_by_role("heading", name="Omni no longer accepts your token")).to_be_visible()
    expect(page.get_by_role("link", name="Replace the token")).to_have_attribute(
        "href", re.compile(re.escape(f"next={thread.path.replace('/', '%2F')}"))
    )
    assert not Conversation.objects.readable_by(User.objects.get()).exists()


@pytest.mark.django_db(transaction=True)
def test_a_page_that_has_to_wait_comes_by_itself(
    page: Page, site: str, small: Organization, small_omni: StandIn, dialect: str, settings: Settings
) -> None:
    thread = Thread(small)
    thread.read_by(person("owner"), small_omni)
    small_omni.fail(Fault.status(429, headers={"Retry-After": "2"}), path="/v1/ai", times=1)
    sign_in(page, site, at=thread.path)
    expect(page.get_by_role("heading", name="Wait a moment")).to_be_visible()
    expect(page.get_by_role("article").first).to_be_visible(timeout=10_000)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious_on_bad_days(
    chromium: Browser, site: str, small: Organization, small_omni: StandIn, dialect: str, scheme: str, width: int
) -> None:
    changed, running = Thread(small, ("First?", "One."), ("Second?", "Two.")), Thread(small, ago=timedelta(minutes=3))
    running.member = changed.member
    running.go_on("Still there?", None)
    client = changed.read_by(person("owner"), small_omni)
    client.get(changed.path)
    client.get("/conversations/")
    rewrite(changed, 2, "Another.")
    del changed.row.messages[3:]
    make_old()
    with chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        sign_in(page, site, at=changed.path)
        expect(page.locator("#news")).not_to_be_empty()
        for summary in page.locator(".earlier-version summary").all():
            summary.click()
        assert_accessible(page, "changed")
        small_omni.fail(Fault.status(503), path="")
        make_old()
        for name, path in (("kept", changed.path), ("kept list", "/conversations/"), ("nothing kept", THREAD)):
            page.goto(site + path)
            expect(page.get_by_text("Omni has a problem (it returned 503).")).to_be_visible()
            assert_accessible(page, name)
        small_omni.recover()
        Instance.objects.all().delete()
        page.goto(site + running.path)
        expect(page.get_by_text("Omni is working on this answer")).to_be_visible()
        assert_accessible(page, "running")
        Conversation.objects.filter(omni_id=running.row.id).delete()
        small_omni.fail(Fault.status(429), path="")
        page.goto(site + running.path)
        expect(page.get_by_role("heading", name="Wait a moment")).to_be_visible()
        assert_accessible(page, "limited")
        page.goto(site + "/credentials/")
        assert_accessible(page, "an empty budget")


@pytest.mark.parametrize("tells_the_end", [True, False])
def test_an_answer_that_a_worker_finds_finished_is_fetched_anew(
    reads: Client, small: Organization, analyst: Member, settings: Settings, tells_the_end: bool
) -> None:
    """The line under an answer never says that it is complete while its text is of the time before."""
    made = small.add_conversation(owner=analyst, name="Forecast", turns=[("First?", "Yes.")])
    began = datetime.now(UTC) - timedelta(minutes=2)
    job = small.ask(made, "Forecast?", "Working on it.", at=began)
    job.state, job.completed_at = "EXECUTING", None
    address = f"/conversations/{made.id}/"
    assert "Working on it." in reads.get(address).content.decode()
    Capture.objects.queue(ApiToken.objects.get(), Conversation.objects.get().messages.all())
    work()
    # The same text again, for now; a list tells of nothing newer.
    assert Job.objects.get(omni_id=job.id).is_running
    job.state, job.completed_at = "COMPLETE", datetime.now(UTC) if tells_the_end else None
    made.messages[-1].text = "It will be five."
    Job.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
    Capture.objects.update(not_before=timezone.now(), leased_until=timezone.now())
    tasks.nudge(tasks.capture)
    work()
    assert not Job.objects.get(omni_id=job.id).is_running
    page = reads.get(address).content.decode()
    if "It will be five." not in page:
        assert 'data-fresh-in="0.0"' in page
        page = renew(reads, page).content.decode()
    assert "It will be five." in page
    # Once is enough.
    assert 'data-fresh-in="0.0"' not in reads.get(address).content.decode()
