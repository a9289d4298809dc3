"""Each right is proven by its own route, to the API token that asked: the rules, one test each.

Two readers: the owner, with the personal token of the one who asked, and a colleague with an organization key. What
the instance answers to each token, on each route, is said by `deny` and `allow`.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from conversations import tasks
from conversations.archive import capture, list_walk, live_answer, threads
from conversations.archive import evidence as archive_evidence
from conversations.archive.evidence import Inquiry
from conversations.archive.outcomes import CannotShow, Fetch
from conversations.models import (
    Access,
    Action,
    Capture,
    Conversation,
    EarlierMessage,
    Job,
    JobAccess,
    Message,
    Reader,
    Walk,
)
from conversations.search import shown_row
from conversations.search.shown_row import Part
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import CannotAsk, replies
from tests.captured import answered, thread, work
from tests.conftest import credential_for, person, shown_ago, signed_in, text_of

DAY = timedelta(days=1)
LAPSED = settings.ACCESS_TTL + timedelta(minutes=1)
THREAD = re.compile(r"/v1/ai/conversations/[0-9a-f-]{36}$")
HTMX = {"HX-Request": "true"}
Clock = Callable[[timedelta], None]


@pytest.fixture
def found(small: Organization, analyst: Member) -> InOmni:
    """Return a conversation of one question, answered by a job with rows."""
    return answered(small, analyst, ages=[DAY])


@pytest.fixture
def own(small: Organization, analyst: Member) -> str:
    return small.personal_token(analyst)


@pytest.fixture
def key(small: Organization) -> str:
    return small.organization_key()


@pytest.fixture
def reads(owner: User, small_omni: StandIn, own: str) -> Client:
    """Return the owner's client."""
    credential_for(owner, small_omni, own)
    return signed_in(owner)


@pytest.fixture
def colleague_reads(colleague: User, small_omni: StandIn, key: str) -> Client:
    """Return the colleague's client."""
    credential_for(colleague, small_omni, key)
    return signed_in(colleague)


def evidence(found: InOmni) -> str:
    return f"{thread(found)}messages/2/evidence/"


def asked(omni: StandIn, token: str = "") -> list[str]:
    """Return the routes requested with this token or any: "list", "thread", "job", "result", "chart"."""
    routes = []
    for request in omni.requests:
        path = request.path.removeprefix("/api")
        if path.startswith("/scim/"):
            continue
        last = path.rsplit("/", 1)[-1]
        is_job = path.startswith("/v1/ai/jobs/")
        name = {"result": "result", "visualization": "chart"}.get(last, "chart" if "chart" in path else "job")
        route = name if is_job else "thread" if THREAD.search(path) else "list"
        routes += [route] * (token in ("", request.token))
    return routes


def may_read(user: User) -> bool:
    return Conversation.objects.readable_by(user).exists()


def has_row(user: User) -> bool:
    return Access.objects.rows_of(Reader.for_user(user)).exists()


def finds(client: Client, words: str) -> bool:
    """Return whether a search for these words shows anything."""
    return 'class="row-title"' in text_of(client.get("/conversations/", {"q": words}))


def shows_rows(client: Client, found: InOmni) -> bool:
    """Return whether the page of the evidence shows the rows of its query."""
    return "1,030" in text_of(client.get(evidence(found)))


def rewrite(found: InOmni, text: str) -> None:
    found.messages[1].text = text


# Rows -----------------------------------------------------------------------------------------------------


def test_a_list_reply_shows_the_row(colleague_reads: Client, colleague: User, found: InOmni) -> None:
    assert not has_row(colleague)
    assert "Orders by month" in text_of(colleague_reads.get("/conversations/"))
    assert has_row(colleague)


def test_a_list_reply_to_another_token_shows_nothing(
    reads: Client, colleague_reads: Client, colleague: User, small: Organization, key: str, found: InOmni
) -> None:
    small.permissions.deny("list", token=key)
    reads.get("/conversations/")
    assert "Orders by month" not in text_of(colleague_reads.get("/conversations/"))
    assert not has_row(colleague)


def test_a_row_says_what_its_own_token_was_told(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    small.permissions.reword(key, lambda text: text.replace("Orders", "Something"))
    colleague_reads.get("/conversations/")
    reads.get("/conversations/")
    reads.get(thread(found))
    page = text_of(colleague_reads.get("/conversations/"))
    assert "Something by month" in page
    assert "Orders by month" not in page
    assert "Orders by month" in text_of(reads.get("/conversations/"))


def test_a_row_ends_when_a_list_leaves_it_out(
    colleague_reads: Client, colleague: User, small: Organization, key: str, found: InOmni
) -> None:
    colleague_reads.get("/conversations/")
    small.permissions.deny("list", token=key)
    colleague_reads.get("/conversations/?refresh=1")
    assert not has_row(colleague)


def test_a_row_ends_with_its_time(colleague_reads: Client, colleague: User, found: InOmni) -> None:
    colleague_reads.get("/conversations/")
    shown_ago(LAPSED)
    assert not has_row(colleague)


# Messages -------------------------------------------------------------------------------------------------


def test_a_row_opens_no_messages(
    reads: Client, colleague_reads: Client, colleague: User, small: Organization, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=key)
    colleague_reads.get("/conversations/")
    assert has_row(colleague)
    assert not may_read(colleague)
    assert colleague_reads.get(thread(found)).status_code == 404


def test_the_first_opening_by_a_token_asks_omni_first(
    reads: Client, colleague_reads: Client, small_omni: StandIn, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small_omni.requests.clear()
    assert colleague_reads.get(thread(found)).status_code == 200
    assert asked(small_omni, key) == ["thread"]


def test_a_thread_reply_opens_the_messages(reads: Client, owner: User, small_omni: StandIn, found: InOmni) -> None:
    reads.get(thread(found))
    assert may_read(owner)
    small_omni.stop()
    assert reads.get(thread(found)).status_code == 200


def test_a_list_reply_renews_the_messages(
    reads: Client, owner: User, small_omni: StandIn, clock: Clock, found: InOmni
) -> None:
    reads.get(thread(found))
    clock(settings.ACCESS_TTL - timedelta(hours=1))
    signed_in(owner).get("/conversations/?refresh=1")
    clock(LAPSED)
    assert may_read(owner)
    small_omni.requests.clear()
    assert signed_in(owner).get(thread(found)).status_code == 200
    assert asked(small_omni) == []


def test_once_the_messages_have_run_out_a_list_reply_does_not_renew_them(
    reads: Client, owner: User, small_omni: StandIn, clock: Clock, found: InOmni
) -> None:
    reads.get(thread(found))
    clock(LAPSED)
    signed_in(owner).get("/conversations/?refresh=1")
    assert has_row(owner)
    assert not may_read(owner)
    small_omni.requests.clear()
    assert signed_in(owner).get(thread(found)).status_code == 200
    assert asked(small_omni) == ["thread"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_ends_the_messages(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, found: InOmni, status: int
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=own, status=status)
    assert reads.get(thread(found) + "?refresh=1").status_code == 404
    assert not may_read(owner)
    # A thread reply does not prove the list's right: without its messages, nothing may be seen.
    assert not has_row(owner)
    small_omni.stop()
    assert reads.get(thread(found)).status_code == 503


def test_no_list_reply_undoes_a_refusal(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    reads.get("/conversations/?refresh=1")
    assert has_row(owner)
    assert not may_read(owner)
    small_omni.stop()
    assert "How many orders" not in text_of(reads.get(thread(found)))


def test_another_reply_of_the_thread_route_undoes_a_refusal(
    reads: Client, owner: User, small: Organization, own: str, found: InOmni
) -> None:
    reads.get("/conversations/")
    small.permissions.deny("thread", token=own)
    assert reads.get(thread(found)).status_code == 404
    assert Access.objects.get().refused_at is not None
    small.permissions.allow("thread", token=own)
    assert reads.get(thread(found)).status_code == 200
    assert may_read(owner)
    assert Access.objects.get().refused_at is None


def test_nobody_elses_reply_undoes_a_refusal(
    reads: Client, colleague_reads: Client, owner: User, small: Organization, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    colleague_reads.get(thread(found))
    assert not may_read(owner)


def test_a_refusal_to_one_token_ends_nothing_of_another(
    reads: Client, colleague_reads: Client, colleague: User, small: Organization, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    colleague_reads.get(thread(found))
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    assert may_read(colleague)


def test_a_refused_thread_is_not_fetched_in_the_background_until_it_changes(
    reads: Client, small: Organization, small_omni: StandIn, own: str, found: InOmni, settings: Any
) -> None:
    settings.SYNC = "all"
    small.permissions.deny("thread", token=own)
    tasks.nudge_sync()
    work()
    assert asked(small_omni).count("thread") == 1
    for count in (1, 2):
        Walk.objects.update(checked_at=timezone.now() - timedelta(minutes=6), not_before=timezone.now())
        tasks.nudge_sync()
        work()
        assert asked(small_omni).count("thread") == count
        found.updated_at += timedelta(hours=1)


def test_a_list_that_leaves_it_out_ends_the_messages_until_the_thread_route_answers(
    reads: Client, owner: User, small: Organization, own: str, found: InOmni
) -> None:
    reads.get("/conversations/")
    reads.get(thread(found))
    small.permissions.deny("list", token=own)
    reads.get("/conversations/?refresh=1")
    assert not may_read(owner)
    assert reads.get(thread(found)).status_code == 200
    assert may_read(owner)


def test_the_search_looks_into_messages_by_their_own_right(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    rewrite(found, "An okapi.")
    reads.get(thread(found))
    small.permissions.deny("thread", token=key)
    colleague_reads.get("/conversations/")
    assert finds(reads, "okapi")
    assert not finds(colleague_reads, "okapi")
    assert finds(colleague_reads, "month")


def test_insights_count_what_may_be_read_and_no_rows(
    reads: Client, colleague_reads: Client, colleague: User, small: Organization, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=key)
    colleague_reads.get("/conversations/")
    assert "1 question" in text_of(reads.get("/insights/"))
    assert "1 question" not in text_of(colleague_reads.get("/insights/"))


def test_a_file_is_made_of_messages_by_their_own_right(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=key)
    colleague_reads.get("/conversations/")
    address = f"/conversations/{found.id}.md"
    assert reads.get(address).status_code == 200
    assert colleague_reads.get(address).status_code == 404


def test_a_question_of_that_time_is_found_by_the_right_to_the_messages(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=key)
    colleague_reads.get("/conversations/")
    assert finds(reads, "asked:7d")
    assert not finds(colleague_reads, "asked:7d")


def test_a_question_of_that_time_is_not_found_once_the_messages_have_run_out(
    reads: Client, owner: User, clock: Clock, found: InOmni
) -> None:
    reads.get(thread(found))
    assert finds(reads, "asked:7d")
    clock(LAPSED)
    later = signed_in(owner)
    later.get("/conversations/?refresh=1")
    assert has_row(owner)
    assert not finds(later, "asked:7d")


def test_a_list_that_leaves_it_out_ends_no_row_of_another_token(
    reads: Client, colleague_reads: Client, colleague: User, small: Organization, own: str, found: InOmni
) -> None:
    colleague_reads.get("/conversations/")
    reads.get("/conversations/")
    small.permissions.deny("list", token=own)
    reads.get("/conversations/?refresh=1")
    assert has_row(colleague)


def test_a_row_is_not_found_by_the_name_that_another_token_was_told(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    small.permissions.reword(key, lambda text: text.replace("Orders", "Something"))
    for client in (colleague_reads, reads):
        client.get("/conversations/")
        client.get(thread(found))
    assert finds(reads, "in:name orders")
    assert not finds(colleague_reads, "in:name orders")


# Revisions ------------------------------------------------------------------------------------------------


def test_a_token_is_shown_the_revision_that_its_own_fetch_held(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    reads.get(thread(found))
    rewrite(found, "A later okapi.")
    colleague_reads.get(thread(found))
    assert "A later okapi." in text_of(colleague_reads.get(thread(found)))
    for address in (thread(found), f"{thread(found)}messages/2/", f"/conversations/{found.id}.md"):
        page = text_of(reads.get(address))
        assert "okapi" not in page
        assert "Some." in page


def test_the_search_finds_nothing_that_was_written_after_the_tokens_own_fetch(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    reads.get(thread(found))
    rewrite(found, "A later okapi.")
    colleague_reads.get(thread(found))
    assert finds(colleague_reads, "okapi")
    assert not finds(reads, "okapi")
    reads.get(thread(found) + "?refresh=1")
    assert finds(reads, "okapi")


def test_a_message_that_came_later_is_not_shown(reads: Client, colleague_reads: Client, found: InOmni) -> None:
    reads.get(thread(found))
    found.messages.append(found.messages[0])
    colleague_reads.get(thread(found))
    assert text_of(colleague_reads.get(thread(found))).count("<article") == 3
    assert text_of(reads.get(thread(found))).count("<article") == 2
    assert reads.get(f"{thread(found)}messages/3/").status_code == 404


def test_nor_what_became_of_its_job(reads: Client, colleague_reads: Client, small: Organization, found: InOmni) -> None:
    reads.get(thread(found))
    small.ask(found, "Later?", "Later.", at=timezone.now() - timedelta(hours=1))
    colleague_reads.get(thread(found))
    lines = {
        client: text_of(client.get(f"{thread(found)}standings/?version=x&count=4&looks=1", headers=HTMX))
        for client in (reads, colleague_reads)
    }
    assert 'id="answer-status-4"' in lines[colleague_reads]
    assert 'id="answer-status-2"' in lines[reads]
    assert 'id="answer-status-4"' not in lines[reads]


def test_a_message_that_went_away_is_still_shown_until_the_token_is_told(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    reads.get(thread(found))
    kept = found.messages.pop()
    colleague_reads.get(thread(found))
    assert text_of(colleague_reads.get(thread(found))).count("<article") == 1
    assert text_of(reads.get(thread(found))).count("<article") == 2
    found.messages.append(kept)


def test_a_question_that_came_later_is_not_found_by_its_time(
    reads: Client, colleague_reads: Client, small: Organization, found: InOmni
) -> None:
    reads.get(thread(found))
    at = timezone.now() - timedelta(days=20)
    small.ask(found, "Another?", "Another.", at=at)
    colleague_reads.get(thread(found))
    assert finds(colleague_reads, f"asked:{at:%Y-%m-%d}")
    assert not finds(reads, f"asked:{at:%Y-%m-%d}")


def test_a_wording_that_nobody_had_read_before_it_was_replaced_is_shown(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    """A thread fetched in the background is rendered on reading, when another API token may have seen a newer text."""
    token = ApiToken.objects.get(scope="user")
    threads.fetch(token, UUID(str(found.id)), timezone.now(), Fetch.ALWAYS, Urgency.AHEAD)
    rewrite(found, "Redacted.")
    colleague_reads.get(thread(found))
    assert "<p>Some.</p>" in text_of(reads.get(thread(found)))


def test_nor_is_it_blank_among_the_earlier_wordings(reads: Client, found: InOmni) -> None:
    token = ApiToken.objects.get()
    threads.fetch(token, UUID(str(found.id)), timezone.now(), Fetch.ALWAYS, Urgency.AHEAD)
    rewrite(found, "Redacted.")
    threads.fetch(token, UUID(str(found.id)), timezone.now(), Fetch.ALWAYS, Urgency.AHEAD)
    page = text_of(reads.get(thread(found)))
    assert "<p>Redacted.</p>" in page
    assert "<p>Some.</p>" in page


def test_an_earlier_wording_is_for_tokens_that_were_shown_it(
    reads: Client, colleague_reads: Client, small: Organization, found: InOmni
) -> None:
    reads.get(thread(found))
    rewrite(found, "Redacted.")
    colleague_reads.get(thread(found))
    reads.get(thread(found) + "?refresh=1")
    assert EarlierMessage.objects.get().text == "Some."
    assert "Some." in text_of(reads.get(thread(found)))
    assert "Some." not in text_of(colleague_reads.get(thread(found)))


def test_of_several_wordings_a_token_is_shown_those_that_it_was_shown_then(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    for number, client in enumerate((reads, colleague_reads, reads, colleague_reads), start=1):
        rewrite(found, f"Wording number {number}.")
        client.get(thread(found) + "?refresh=1")
    ours, theirs = (text_of(client.get(thread(found))) for client in (reads, colleague_reads))
    assert [number for number in range(1, 5) if f"Wording number {number}." in ours] == [1, 3]
    assert [number for number in range(1, 5) if f"Wording number {number}." in theirs] == [2, 4]


def test_a_refusal_takes_the_earlier_wordings_away(reads: Client, small: Organization, own: str, found: InOmni) -> None:
    reads.get(thread(found))
    rewrite(found, "Redacted.")
    reads.get(thread(found) + "?refresh=1")
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    small.permissions.allow("thread", token=own)
    page = text_of(reads.get(thread(found)))
    assert "Redacted." in page
    assert "Some." not in page


def test_a_reply_without_messages_after_a_refusal_brings_none_back(
    reads: Client, small: Organization, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    small.permissions.allow("thread", token=own)
    small_omni.fail(Fault.edit(lambda reply: {**reply, "messages": None}), path="/v1/ai/conversations/")
    answer = reads.get(thread(found))
    assert answer.status_code == 200
    assert "<article" not in text_of(answer)


def test_a_token_that_was_shown_no_messages_is_shown_none_of_anothers(
    reads: Client, colleague_reads: Client, small_omni: StandIn, found: InOmni
) -> None:
    small_omni.fail(Fault.edit(lambda reply: {**reply, "messages": None}), path="/v1/ai/conversations/")
    assert reads.get(thread(found)).status_code == 200
    small_omni.recover()
    assert "How many orders" in text_of(colleague_reads.get(thread(found)))
    for address in (thread(found), f"{thread(found)}print/", f"/conversations/{found.id}.md"):
        assert "How many orders" not in text_of(reads.get(address))


def test_tokens_that_are_shown_other_texts_each_see_their_own(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    rewrite(found, "A secret okapi.")
    small.permissions.reword(key, lambda text: text.replace("secret", "[redacted]"))
    for _ in range(2):
        reads.get(thread(found) + "?refresh=1")
        colleague_reads.get(thread(found) + "?refresh=1")
        assert "secret" in text_of(reads.get(thread(found)))
        assert "secret" not in text_of(colleague_reads.get(thread(found)))
    assert Conversation.objects.get().revision == 2
    assert EarlierMessage.objects.count() == 1


# Evidence -------------------------------------------------------------------------------------------------


def test_a_result_reply_opens_the_evidence(reads: Client, small_omni: StandIn, found: InOmni) -> None:
    assert shows_rows(reads, found)
    small_omni.stop()
    assert shows_rows(reads, found)


def test_evidence_that_another_token_captured_is_asked_for_by_one_small_request(
    reads: Client, colleague_reads: Client, small_omni: StandIn, key: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    colleague_reads.get(thread(found))
    small_omni.requests.clear()
    assert shows_rows(colleague_reads, found)
    assert asked(small_omni, key) == ["job"]


def test_so_is_what_is_queued_to_be_captured(
    reads: Client, colleague_reads: Client, colleague: User, small_omni: StandIn, key: str, found: InOmni
) -> None:
    reads.get(thread(found))
    work()
    assert Job.objects.get().kept_at
    colleague_reads.get(thread(found))
    small_omni.requests.clear()
    work()
    assert asked(small_omni) == asked(small_omni, key) == ["job"]
    small_omni.stop()
    assert shows_rows(colleague_reads, found)


def test_evidence_that_another_token_captured_is_not_shown_without_a_reply_to_the_own(
    reads: Client, colleague_reads: Client, small_omni: StandIn, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    colleague_reads.get(thread(found))
    small_omni.stop()
    for address in (evidence(found), thread(found), f"/conversations/{found.id}.md", f"{thread(found)}print/"):
        assert "1,030" not in text_of(colleague_reads.get(address))


def test_a_refused_job_shows_nothing_that_another_token_captured(
    reads: Client, colleague_reads: Client, small: Organization, small_omni: StandIn, key: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("job", "result", token=key)
    assert not shows_rows(colleague_reads, found)
    assert "Omni does not show this job" in text_of(colleague_reads.get(thread(found)))
    small_omni.stop()
    assert not shows_rows(colleague_reads, found)


def test_nobody_elses_reply_undoes_a_refused_job(
    reads: Client, colleague_reads: Client, small: Organization, small_omni: StandIn, key: str, found: InOmni
) -> None:
    small.permissions.deny("job", "result", token=key)
    assert not shows_rows(colleague_reads, found)
    assert shows_rows(reads, found)
    small_omni.stop()
    assert not shows_rows(colleague_reads, found)


def test_a_refused_job_is_shown_once_its_own_route_answers_the_token(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("job", token=key)
    assert not shows_rows(colleague_reads, found)
    small.permissions.allow("job", token=key)
    assert shows_rows(colleague_reads, found)


def test_a_job_whose_result_is_refused_shows_no_rows(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    small.permissions.deny("result", token=key)
    assert not shows_rows(colleague_reads, found)
    assert shows_rows(reads, found)
    assert "1,030" not in text_of(colleague_reads.get(f"{thread(found)}messages/2/queries/1/"))


def test_a_refused_result_stays_refused_whatever_the_job_route_says(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    """Both routes refuse, another token's evidence is stored, then only the job route answers."""
    small.permissions.deny("job", "result", token=key)
    assert not shows_rows(colleague_reads, found)
    assert shows_rows(reads, found)
    small.permissions.allow("job", token=key)
    assert not shows_rows(colleague_reads, found)


def test_a_refused_result_is_remembered_though_the_job_route_fails(
    reads: Client,
    colleague_reads: Client,
    owner: User,
    colleague: User,
    small: Organization,
    small_omni: StandIn,
    clock: Clock,
    key: str,
    found: InOmni,
) -> None:
    colleague_reads.get(thread(found))
    conversation, job_id = Conversation.objects.get(), found.jobs[0].id
    token = ApiToken.objects.exclude(scope="user").get()
    archive_evidence.fetch_job(Inquiry(token, conversation, UUID(str(job_id)), None), Urgency.WAITING)
    small.permissions.deny("result", token=key, status=403)
    small_omni.fail(Fault.status(503), path=f"/v1/ai/jobs/{job_id}")
    small_omni.fail(Fault(), path=f"/v1/ai/jobs/{job_id}/result")
    colleague_reads.get(evidence(found))
    small_omni.recover()
    # A failed instance rests for up to a minute.
    clock(timedelta(minutes=2))
    assert shows_rows(signed_in(owner), found)
    small_omni.stop()
    assert not shows_rows(signed_in(colleague), found)


def test_whatever_evidence_there_is_none_of_it_is_shown_through_a_row(
    reads: Client, owner: User, clock: Clock, small: Organization, own: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    clock(LAPSED)
    small.permissions.deny("thread", token=own)
    later = signed_in(owner)
    later.get("/conversations/?refresh=1")
    page = text_of(later.get("/conversations/?q=orders"))
    assert "<mark>Orders</mark> by month" in page
    assert 'class="row-role"' not in page
    assert not finds(later, "topic:orders")
    assert not finds(later, "in:query orders")


def test_what_became_of_a_job_is_not_told_to_a_token_that_was_refused_it(
    reads: Client, colleague_reads: Client, small: Organization, key: str, analyst: Member
) -> None:
    failed = answered(small, analyst, ages=[DAY], state="FAILED", error="No column okapi.")
    small.permissions.deny("job", "result", token=key)
    reads.get(evidence(failed))
    colleague_reads.get(evidence(failed))
    assert "No column okapi." in text_of(reads.get(thread(failed)))
    for address in (thread(failed), evidence(failed), f"{thread(failed)}print/", f"/conversations/{failed.id}.md"):
        page = text_of(colleague_reads.get(address))
        assert "okapi" not in page
        assert "Topic" not in page


def test_evidence_ends_with_the_messages(
    reads: Client, owner: User, small: Organization, own: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    assert reads.get(evidence(found)).status_code == 404
    assert not JobAccess.objects.visible_to(Reader.for_user(owner)).exists()


def test_the_search_looks_into_queries_by_their_own_right(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("job", "result", token=key)
    colleague_reads.get(thread(found))
    colleague_reads.get(evidence(found))
    assert finds(reads, "in:query counting") or finds(reads, "in:query orders")
    assert not finds(colleague_reads, "in:query counting")
    assert not finds(colleague_reads, "in:query orders")
    assert finds(reads, "topic:orders")
    assert not finds(colleague_reads, "topic:orders")


def test_a_refusal_that_comes_later_takes_the_queries_out_of_the_search(
    reads: Client, small: Organization, own: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    assert finds(reads, "topic:orders")
    access = Access.objects.get()
    JobAccess.objects.refuse(access.api_token, access.conversation, Job.objects.get().omni_id, "job")
    assert not finds(reads, "topic:orders")


def test_after_fourteen_days_the_right_to_the_messages_decides(
    reads: Client, colleague_reads: Client, colleague: User, small_omni: StandIn, clock: Clock, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    clock(timedelta(days=14))
    later = signed_in(colleague)
    later.get(thread(found))
    small_omni.requests.clear()
    assert shows_rows(later, found)
    assert asked(small_omni) == []


def test_the_search_keeps_to_a_refusal_in_time_after_fourteen_days(
    reads: Client,
    colleague_reads: Client,
    owner: User,
    colleague: User,
    small: Organization,
    clock: Clock,
    key: str,
    found: InOmni,
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("job", "result", token=key)
    assert not shows_rows(colleague_reads, found)
    clock(timedelta(days=14))
    for user, is_found in ((owner, True), (colleague, False)):
        later = signed_in(user)
        later.get(thread(found) + "?refresh=1")
        assert finds(later, "topic:orders") is is_found


def test_the_background_asks_about_no_job_of_messages_that_may_not_be_read(
    reads: Client, small: Organization, own: str, clock: Clock, found: InOmni
) -> None:
    reads.get(thread(found))
    token = ApiToken.objects.get()
    assert JobAccess.objects.due(token).exists()
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    assert not JobAccess.objects.due(token).exists()


def test_nor_about_one_that_omni_has_dropped(reads: Client, clock: Clock, found: InOmni) -> None:
    reads.get(thread(found))
    clock(timedelta(days=14))
    assert not JobAccess.objects.due(ApiToken.objects.get()).exists()


@pytest.mark.parametrize("ask", [archive_evidence.fetch_job, archive_evidence.fetch_result])
def test_two_tokens_that_ask_at_the_same_moment_are_each_answered_by_omni(
    reads: Client,
    colleague_reads: Client,
    small_omni: StandIn,
    own: str,
    key: str,
    found: InOmni,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Inquiry, Urgency], None],
) -> None:
    """The clock stands still, so a request that shared the other's answer would be satisfied with it."""
    for client in (reads, colleague_reads):
        client.get(thread(found))
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    conversation = Conversation.objects.get()
    job_id = Message.objects.get(position=2).job_id
    assert job_id
    small_omni.requests.clear()
    for token in ApiToken.objects.all():
        ask(Inquiry(token, conversation, job_id, None), Urgency.WAITING)
    assert len(asked(small_omni, own)) == len(asked(small_omni, key)) == 1
    assert JobAccess.objects.filter(shown_at=moment).count() == 2


def test_evidence_is_visible_by_a_reply_of_its_own_route_alone(
    reads: Client, owner: User, small: Organization, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    reader = Reader.for_user(owner)
    assert not JobAccess.objects.visible_to(reader).exists()
    small.permissions.deny("result", token=own)
    reads.get(evidence(found))
    assert JobAccess.objects.get().shown_at
    assert not JobAccess.objects.visible_to(reader).exists()
    assert "1 topic" not in text_of(reads.get("/insights/"))


def test_a_link_to_a_job_asks_its_route_which_opens_the_evidence(
    reads: Client, colleague_reads: Client, owner: User, found: InOmni
) -> None:
    colleague_reads.get(thread(found))
    job_id = Message.objects.get(position=2).job_id
    assert reads.get(f"/jobs/{job_id}/").status_code == 302
    assert JobAccess.objects.visible_to(Reader.for_user(owner)).exists()


def test_and_whose_refusal_ends_that_right(
    reads: Client, owner: User, small: Organization, own: str, clock: Clock, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    job_id = Message.objects.get(position=2).job_id
    clock(LAPSED)
    small.permissions.deny("job", token=own)
    later = signed_in(owner)
    assert later.get(f"/jobs/{job_id}/").status_code == 404
    small.permissions.deny("result", token=own)
    later.get(thread(found))
    assert may_read(owner)
    assert not JobAccess.objects.visible_to(Reader.for_user(owner)).exists()
    assert not shows_rows(later, found)


def test_a_refusal_to_a_stranger_leaves_nothing_behind(
    colleague_reads: Client, stranger: User, small: Organization, small_omni: StandIn, ben: Member, found: InOmni
) -> None:
    colleague_reads.get(thread(found))
    credential_for(stranger, small_omni, small.personal_token(ben))
    job_id = Message.objects.get(position=2).job_id
    assert signed_in(stranger).get(f"/jobs/{job_id}/").status_code == 404
    assert not JobAccess.objects.filter(api_token__credentials__owner=stranger).exists()


def test_the_messages_of_one_token_open_no_evidence_of_another(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, key: str, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    credential_for(owner, small_omni, key, "Key")
    small.permissions.deny("thread", token=own)
    small.permissions.deny("job", "result", token=key)
    reads.get(thread(found) + "?refresh=1")
    assert may_read(owner)
    assert not JobAccess.objects.visible_to(Reader.for_user(owner)).exists()


def test_the_search_looks_into_queries_once_the_job_is_shown(
    reads: Client, colleague_reads: Client, found: InOmni
) -> None:
    assert shows_rows(reads, found)
    assert finds(reads, "topic:orders")
    colleague_reads.get(thread(found))
    assert not finds(colleague_reads, "topic:orders")
    assert shows_rows(colleague_reads, found)
    assert finds(colleague_reads, "topic:orders")


def test_but_for_a_token_that_was_refused_in_time(
    reads: Client,
    colleague_reads: Client,
    colleague: User,
    small: Organization,
    clock: Clock,
    key: str,
    found: InOmni,
) -> None:
    assert shows_rows(reads, found)
    small.permissions.deny("job", "result", token=key)
    assert not shows_rows(colleague_reads, found)
    clock(timedelta(days=14))
    later = signed_in(colleague)
    assert later.get(thread(found)).status_code == 200
    assert not shows_rows(later, found)


def test_of_a_job_that_omni_has_dropped_404_says_nothing_of_rights(
    reads: Client, owner: User, clock: Clock, found: InOmni
) -> None:
    clock(timedelta(days=14))
    assert "Omni has deleted this evidence" in text_of(signed_in(owner).get(evidence(found)))
    assert not JobAccess.objects.refused().exists()


def test_but_403_does(reads: Client, owner: User, small: Organization, clock: Clock, own: str, found: InOmni) -> None:
    clock(timedelta(days=14))
    small.permissions.deny("job", "result", token=own, status=403)
    signed_in(owner).get(evidence(found))
    assert JobAccess.objects.refused().count() == 1


def test_a_job_of_another_conversation_is_no_evidence_of_this_one(
    reads: Client, small: Organization, analyst: Member, ben: Member, small_omni: StandIn, found: InOmni
) -> None:
    theirs = answered(small, ben, ages=[DAY])
    lead = person("lead")
    credential_for(lead, small_omni, small.organization_key())
    assert "1,030" in text_of(signed_in(lead).get(evidence(theirs)))
    found.messages[1].job = theirs.messages[1].job
    assert not shows_rows(reads, found)


# Tokens ---------------------------------------------------------------------------------------------------


def test_holders_of_one_token_share_what_it_was_shown(
    reads: Client, stranger: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    credential_for(stranger, small_omni, own)
    small_omni.requests.clear()
    assert signed_in(stranger).get(thread(found)).status_code == 200
    assert asked(small_omni) == []
    assert ApiToken.objects.count() == Access.objects.count() == 1


def test_401_ends_every_right_of_all_who_hold_the_token(
    reads: Client, owner: User, stranger: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    credential_for(stranger, small_omni, own)
    reads.get("/conversations/")
    assert shows_rows(reads, found)
    small_omni.fail(Fault.status(401), times=1)
    reads.get(thread(found) + "?refresh=1")
    for user in (owner, stranger):
        assert not may_read(user)
        assert not has_row(user)
        assert not Conversation.objects.readable_by(Reader.for_user(user)).exists()


def test_401_ends_the_lists_that_were_read_with_the_token(reads: Client, small_omni: StandIn, found: InOmni) -> None:
    reads.get("/conversations/")
    assert Walk.objects.exists()
    small_omni.fail(Fault.status(401), times=1)
    reads.get("/conversations/?refresh=1")
    assert not Walk.objects.exists()


def test_401_on_the_way_to_the_evidence_ends_the_page_too(
    reads: Client, small: Organization, own: str, found: InOmni
) -> None:
    reads.get("/conversations/")
    reads.get(thread(found))
    small.revoke(own)
    answer = reads.get(evidence(found))
    assert answer.status_code != 200
    for words in ("Orders by month", "How many orders"):
        assert words not in text_of(answer)


def test_401_while_an_answer_is_being_written_ends_the_page_too(
    reads: Client, owner: User, small: Organization, own: str, analyst: Member
) -> None:
    running = answered(small, analyst, ages=[timedelta(minutes=1)], state="EXECUTING")
    running.messages[1].text = ""
    reads.get(thread(running))
    small.revoke(own)
    with pytest.raises(CannotShow):
        live_answer.renew(owner, UUID(str(running.id)))


def test_a_list_reply_to_a_token_that_was_rejected_meanwhile_is_not_stored(reads: Client, found: InOmni) -> None:
    token = ApiToken.objects.get()
    walk = list_walk.walk_of(token)
    ApiToken.objects.get().reject()
    list_walk.check(walk, Urgency.WAITING, looked_at=timezone.now())
    assert not Access.objects.exists()


def test_a_reply_to_a_token_that_was_rejected_meanwhile_is_not_stored(reads: Client, found: InOmni) -> None:
    token = ApiToken.objects.get()
    reply = replies.Conversation(UUID(str(found.id)), None, None, None, None, None, ())
    token.reject()
    with pytest.raises(CannotAsk):
        threads.store(token, reply, timezone.now())
    assert not Access.objects.exists()


def test_what_was_proven_before_a_401_counts_for_nothing_once_the_token_is_accepted_again(
    reads: Client, owner: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get("/conversations/")
    assert shows_rows(reads, found)
    small_omni.fail(Fault.status(401), times=1)
    reads.get(thread(found) + "?refresh=1")
    small_omni.recover()
    credential_for(owner, small_omni, own, "Again")
    assert not may_read(owner)
    assert not has_row(owner)
    reads.get("/conversations/?refresh=1")
    assert has_row(owner)
    assert not may_read(owner)
    reads.get(thread(found))
    assert may_read(owner)
    assert not JobAccess.objects.visible_to(Reader.for_user(owner)).exists()
    assert not finds(reads, "topic:orders")
    small_omni.stop()
    assert not shows_rows(reads, found)


def test_a_name_from_before_a_401_is_not_shown_again(
    reads: Client, owner: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get("/conversations/")
    reads.get(thread(found))
    found.name = "Renamed"
    small_omni.fail(Fault.status(401), times=1)
    reads.get(thread(found) + "?refresh=1")
    small_omni.recover()
    credential_for(owner, small_omni, own, "Again")
    # The thread route does not tell the name.
    page = text_of(reads.get(thread(found)))
    assert "How many orders" in page
    assert "Orders by month" not in page


def test_an_earlier_wording_from_before_a_401_is_not_shown_again(
    reads: Client, owner: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    rewrite(found, "Redacted.")
    reads.get(thread(found) + "?refresh=1")
    assert "Some." in text_of(reads.get(thread(found)))
    small_omni.fail(Fault.status(401), times=1)
    reads.get(thread(found) + "?refresh=1")
    small_omni.recover()
    credential_for(owner, small_omni, own, "Again")
    page = text_of(reads.get(thread(found)))
    assert "Redacted." in page
    assert "Some." not in page


def test_while_omni_cannot_be_asked_a_right_is_stretched_to_the_grace(
    reads: Client, small_omni: StandIn, found: InOmni
) -> None:
    reads.get(thread(found))
    small_omni.fail(Fault.status(503))
    shown_ago(settings.ACCESS_GRACE - timedelta(hours=1))
    page = text_of(reads.get(thread(found)))
    assert "Not up to date." in page
    assert "How many orders" in page
    shown_ago(settings.ACCESS_GRACE + timedelta(hours=1))
    assert reads.get(thread(found)).status_code == 503


def test_no_grace_stretches_a_right_that_was_refused_or_never_proven(
    reads: Client, colleague_reads: Client, small: Organization, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    colleague_reads.get("/conversations/")
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    small_omni.stop()
    assert reads.get(thread(found)).status_code == colleague_reads.get(thread(found)).status_code == 503


def test_a_reader_with_two_tokens_reads_through_the_one_that_may(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, key: str, found: InOmni
) -> None:
    credential_for(owner, small_omni, key, "Key")
    small.permissions.deny("thread", token=own)
    assert reads.get(thread(found)).status_code == 200
    access = Access.objects.messages_of(Reader.for_user(owner)).get()
    assert access.api_token == Credential.objects.get(label="Key").api_token


def test_the_search_of_a_reader_with_two_tokens_looks_through_the_one_that_may_read_the_messages(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, key: str, found: InOmni
) -> None:
    rewrite(found, "An okapi.")
    credential_for(owner, small_omni, key, "Key")
    small.permissions.deny("thread", token=own)
    reads.get("/conversations/")
    reads.get(thread(found))
    assert Access.objects.rows_of(Reader.for_user(owner)).count() == 2
    assert finds(reads, "okapi")


def test_a_reader_with_two_tokens_sees_it_once_in_the_list(
    reads: Client, owner: User, small_omni: StandIn, key: str, found: InOmni
) -> None:
    credential_for(owner, small_omni, key, "Key")
    reads.get("/conversations/")
    assert Access.objects.count() == 2
    assert text_of(reads.get("/conversations/")).count('class="row-title"') == 1


def test_a_reader_with_two_tokens_sees_evidence_through_one_that_may_read_the_messages(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, key: str, found: InOmni
) -> None:
    credential_for(owner, small_omni, key, "Key")
    small.permissions.deny("job", "result", token=own)
    reads.get(thread(found))
    assert not shows_rows(reads, found)
    # The key may read the messages now as well.
    threads.fetch(
        Credential.objects.get(label="Key").api_token,
        UUID(str(found.id)),
        timezone.now(),
        Fetch.ALWAYS,
        Urgency.WAITING,
    )
    assert shows_rows(reads, found)


# Capture --------------------------------------------------------------------------------------------------


def test_what_is_to_be_captured_is_asked_for_with_the_readers_own_token(
    colleague_reads: Client, small_omni: StandIn, key: str, found: InOmni
) -> None:
    colleague_reads.get(thread(found))
    work()
    assert set(asked(small_omni)) == set(asked(small_omni, key))
    assert Action.objects.filter(is_query=True).count() == 1
    assert not Capture.objects.exists()


def test_what_was_refused_is_not_queued_again_for_that_token(
    reads: Client, colleague_reads: Client, small: Organization, key: str, found: InOmni
) -> None:
    small.permissions.deny("job", "result", token=key)
    colleague_reads.get(thread(found))
    work()
    colleague_reads.get(thread(found))
    assert not Capture.objects.exists()
    reads.get(thread(found))
    assert Capture.objects.count() == 1


def test_nothing_is_captured_with_a_token_that_may_no_longer_read_the_messages(
    reads: Client, small: Organization, small_omni: StandIn, own: str, found: InOmni
) -> None:
    reads.get(thread(found))
    small.permissions.deny("thread", token=own)
    reads.get(thread(found) + "?refresh=1")
    small_omni.requests.clear()
    work()
    assert asked(small_omni) == []
    assert not Capture.objects.exists()


def test_what_waits_to_be_captured_outlasts_the_right_to_the_messages(
    reads: Client, owner: User, small_omni: StandIn, clock: Clock, found: InOmni
) -> None:
    reads.get(thread(found))
    clock(LAPSED)
    signed_in(owner).get("/conversations/?refresh=1")
    assert not may_read(owner)
    small_omni.requests.clear()
    work()
    assert asked(small_omni)[:2] == ["thread", "result"]
    assert Job.objects.get().kept_at


def test_nothing_is_captured_with_a_token_that_was_rejected(
    reads: Client, owner: User, small_omni: StandIn, found: InOmni
) -> None:
    reads.get(thread(found))
    ApiToken.objects.get().reject()
    small_omni.requests.clear()
    work()
    assert asked(small_omni) == []


def test_nothing_is_captured_for_who_has_left(reads: Client, owner: User, small_omni: StandIn, found: InOmni) -> None:
    reads.get(thread(found))
    owner.is_active = False
    owner.save()
    small_omni.requests.clear()
    work()
    assert asked(small_omni) == []


def test_nothing_is_queued_that_nobody_may_ask_for(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    """Evidence that Omni drops soon is queued at night, but not for people who have left."""
    reads.get(thread(answered(small, analyst, ages=[12 * DAY])))
    Capture.objects.all().delete()
    assert capture.queue_expiring(everything=True) == 1
    Capture.objects.all().delete()
    owner.is_active = False
    owner.save()
    assert capture.queue_expiring(everything=True) == 0


def test_jobs_of_messages_that_the_token_was_not_shown_are_not_queued(
    reads: Client, colleague_reads: Client, owner: User, small: Organization, found: InOmni
) -> None:
    reads.get(thread(found))
    small.ask(found, "Later?", "Later.", at=timezone.now() - timedelta(hours=1))
    colleague_reads.get(thread(found))
    Capture.objects.all().delete()
    assert tasks.queue_captures(owner, Conversation.objects.all()) == 1


def test_a_job_of_another_conversation_is_not_queued(
    reads: Client, colleague_reads: Client, small: Organization, ben: Member, found: InOmni
) -> None:
    theirs = answered(small, ben, ages=[DAY])
    assert shows_rows(colleague_reads, theirs)
    found.messages[1].job = theirs.messages[1].job
    reads.get(thread(found))
    assert not Capture.objects.filter(conversation__omni_id=found.id).exists()


# Credentials ----------------------------------------------------------------------------------------------


def test_removing_the_last_credential_of_a_token_removes_what_it_alone_could_read(
    reads: Client, owner: User, stranger: User, small_omni: StandIn, own: str, found: InOmni
) -> None:
    credential_for(stranger, small_omni, own)
    assert shows_rows(reads, found)
    for user, is_left in ((owner, True), (stranger, False)):
        credential = Credential.objects.get(owner=user)
        signed_in(user).post(f"/credentials/{credential.pk}/remove/")
        assert Conversation.objects.exists() == Job.objects.exists() == ApiToken.objects.exists() == is_left


def test_removing_it_leaves_what_another_token_is_shown(
    reads: Client, colleague_reads: Client, colleague: User, owner: User, found: InOmni
) -> None:
    reads.get(thread(found))
    colleague_reads.get("/conversations/")
    reads.post(f"/credentials/{Credential.objects.get(owner=owner).pk}/remove/")
    assert Message.objects.exists()
    assert not may_read(owner)
    assert has_row(colleague)
    assert not may_read(colleague)


def test_another_token_in_its_place_has_to_be_shown_everything_again(
    reads: Client, owner: User, small: Organization, small_omni: StandIn, own: str, analyst: Member, found: InOmni
) -> None:
    reads.get("/conversations/")
    assert shows_rows(reads, found)
    credential = Credential.objects.get()
    other = small.personal_token(analyst)
    reads.post(f"/credentials/{credential.pk}/token/", {"token": other})
    assert Credential.objects.get().api_token_id != credential.api_token_id
    assert Conversation.objects.count() == 1
    assert not has_row(owner)
    assert not may_read(owner)
    small_omni.stop()
    assert reads.get(thread(found)).status_code == 503


def test_another_token_in_its_place_ends_nothing_of_others_who_hold_it(
    reads: Client,
    owner: User,
    stranger: User,
    small: Organization,
    small_omni: StandIn,
    own: str,
    analyst: Member,
    found: InOmni,
) -> None:
    credential_for(stranger, small_omni, own)
    reads.get("/conversations/")
    reads.get(thread(found))
    credential = Credential.objects.get(owner=owner)
    reads.post(f"/credentials/{credential.pk}/token/", {"token": small.personal_token(analyst)})
    assert not may_read(owner)
    assert may_read(stranger)


def test_a_token_that_nobody_holds_goes_with_what_it_alone_could_read(
    reads: Client,
    colleague_reads: Client,
    owner: User,
    colleague: User,
    small: Organization,
    analyst: Member,
    found: InOmni,
) -> None:
    """A token loses its last holder, as when a person is deleted: within the hour its secret is gone too."""
    ben = small.add_member("Ben Buyer", "ben@small.example")
    others = small.add_conversation(owner=ben, name="Others", turns=[("Q?", "A.")])
    reads.get(thread(found))
    colleague_reads.get(thread(others))
    colleague.delete()
    assert ApiToken.objects.count() == 2
    tasks.hourly.call()
    assert [token.scope for token in ApiToken.objects.all()] == ["user"]
    assert [row.omni_id for row in Conversation.objects.all()] == [found.id]
    assert may_read(owner)


def test_what_is_prepared_says_the_same_of_every_token(owner: User) -> None:
    """Prepared queries of a thread and of the list apply each limit of each token, as those do that are built anew."""
    now = timezone.now()
    moments = [None, now - 8 * DAY, now - 2 * DAY, now - timedelta(hours=2), now - timedelta(minutes=1), now + DAY]
    rejected = [None, now - timedelta(hours=3), now - timedelta(minutes=30)]
    conversation = Conversation.objects.create(instance="omni.example", omni_id=UUID(int=1))
    tokens = [
        ApiToken.objects.create(instance="omni.example", digest=str(number), rights_since=moment)
        for number, moment in enumerate(rejected)
    ]
    shown, listed = set(), set()
    for opened_at in moments:
        for confirmed_at in moments:
            Access.objects.all().delete()
            for token in tokens:
                Access.objects.create(
                    api_token=token,
                    conversation=conversation,
                    opened_at=opened_at,
                    confirmed_at=confirmed_at,
                    listed_at=moments[moments.index(confirmed_at) - token.pk % 3],
                )
            for some in ((), tokens[:1], tokens[1:], tokens, tokens[::-1]):
                reader = Reader(owner, tuple(some))
                for asked in (reader, reader.stretched(tokens[:2])):
                    built = Access.objects.messages_of(asked).filter(conversation=conversation)
                    prepared = threads._readable(asked, conversation.omni_id)
                    assert {row.pk for row in prepared} == {row.pk for row in built}
                    shown |= {(row.api_token_id, opened_at, confirmed_at) for row in prepared}
                    rows = shown_row.load(asked, Access.objects.rows_of(asked).each_once(asked)).rows
                    assert shown_row.part(asked, Part("recency", is_down=True, most=9)).rows == rows
                    keys = [row.access_key for row in rows]
                    assert shown_row.part(asked, Part("recency", is_down=False, most=9), keys=keys).rows == rows
                    listed |= {(row.token_key, row.shows_messages, opened_at, confirmed_at) for row in rows}
    assert len(shown) > 20
    assert len(listed) > len(shown)
