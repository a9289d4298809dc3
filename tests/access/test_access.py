"""Omni decides who may see what; what was fetched stays readable while Omni is away; nothing is ever written."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from conversations import rendering
from conversations.archive import threads
from conversations.models import Access, Conversation, Message, Reader
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, StandIn
from omniviewer.omni import replies
from tests.conftest import EXAMPLE, credential_for, member_behind, shown_ago, signed_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"
NOBODYS = "00000000-0000-4000-8000-000000000000"
UNKNOWN = f"/conversations/{NOBODYS}/"


def stretched(user: User) -> Reader:
    """Return the reader, while none of their tokens can be used because Omni is down."""
    reader = Reader.for_user(user)
    return reader.stretched(reader.tokens)


@pytest.mark.both_dialects
def test_it_works(owner_reads: Client, colleague_reads: Client, stranger_reads: Client) -> None:
    assert owner_reads.get(THREAD).status_code == 200
    assert colleague_reads.get(THREAD).status_code == 200
    assert stranger_reads.get(THREAD).status_code == 404


def test_a_second_look_costs_omni_nothing(owner_reads: Client, omni: StandIn) -> None:
    first = owner_reads.get(THREAD)
    omni.requests.clear()
    second = owner_reads.get(THREAD)
    assert omni.requests == []
    assert articles(second) == articles(first) != []


def test_it_says_when_it_was_fetched_and_refreshes(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    Access.objects.update(fetched_at=timezone.now() - timedelta(hours=3))
    page = text_of(owner_reads.get(THREAD))
    assert re.search(r"As of <time [^>]*>(\d+ \w+ \d+, )?\d\d:\d\d</time>", page)
    assert 'href="?refresh=1">Refresh</a>' in page
    omni.requests.clear()
    assert owner_reads.get(THREAD + "?refresh=1")["Location"] == THREAD
    assert len(omni.requests) == 1
    fetched_at = Access.objects.get(conversation__omni_id=EXAMPLE).fetched_at
    assert fetched_at
    assert timezone.now() - fetched_at < timedelta(minutes=1)
    assert f'As of <time datetime="{fetched_at:%Y-%m-%dT%H:%M}' in text_of(owner_reads.get(THREAD))


def test_a_strangers_page_and_an_unknown_one_are_the_same(owner_reads: Client, stranger_reads: Client) -> None:
    owner_reads.get(THREAD)
    kept_but_not_theirs, not_there = stranger_reads.get(THREAD), stranger_reads.get(UNKNOWN)
    assert kept_but_not_theirs.status_code == not_there.status_code == 404
    assert text_of(kept_but_not_theirs).replace(EXAMPLE, "") == text_of(not_there).replace(NOBODYS, "")
    assert "Top 5" not in text_of(kept_but_not_theirs)


def test_what_one_fetched_does_not_open_it_for_another(owner_reads: Client, stranger: User, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    assert not Conversation.objects.readable_by(stranger).exists()
    credential_for(stranger, omni, omni.organization.demo_tokens["support"])
    omni.stop()
    assert signed_in(stranger).get(THREAD).status_code == 503


def test_an_access_past_its_time_is_asked_for_again(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    owner_reads.get(THREAD)
    shown_ago(settings.ACCESS_TTL + timedelta(minutes=1))
    omni.requests.clear()
    assert owner_reads.get(THREAD).status_code == 200
    assert len(omni.requests) == 1
    assert Access.objects.filter(confirmed_at__gt=timezone.now() - timedelta(minutes=1)).count() == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_ends_the_access_at_once(owner_reads: Client, omni: StandIn, status: int) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.status(status), path="/v1/ai/conversations/")
    assert owner_reads.get(THREAD + "?refresh=1").status_code == 404
    omni.stop()
    assert owner_reads.get(THREAD).status_code == 503


def test_a_401_ends_every_reading_with_that_credential(owner_reads: Client, owner: User, omni: StandIn) -> None:
    owner_reads.get("/conversations/")
    owner_reads.get(THREAD)
    assert Conversation.objects.readable_by(owner).count() == 1
    assert Access.objects.rows_of(Reader.for_user(owner)).count() > 40
    omni.fail(Fault.status(401), path="")
    answer = owner_reads.get(THREAD + "?refresh=1")
    assert answer.status_code == 403
    assert "Omni no longer accepts your token" in text_of(answer)
    assert Credential.objects.get().rejected_at is not None
    assert not Access.objects.rows_of(Reader.for_user(owner)).exists()
    assert not Conversation.objects.readable_by(owner).exists()
    assert not Conversation.objects.readable_by(stretched(owner)).exists()
    omni.recover()
    omni.requests.clear()
    assert owner_reads.get(THREAD).status_code == 403
    assert omni.requests == []


@pytest.mark.parametrize("fault", [Fault.status(500), Fault.status(503), Fault.status(429)], ids=["500", "503", "429"])
def test_while_omni_cannot_be_asked_an_access_is_stretched(
    owner_reads: Client, omni: StandIn, settings: Settings, fault: Fault
) -> None:
    owner_reads.get(THREAD)
    shown_ago(settings.ACCESS_GRACE - timedelta(hours=1))
    omni.fail(fault, path="")
    page = text_of(owner_reads.get(THREAD))
    assert "Top 5 Products by Revenue" in page
    assert "Not up to date." in page
    shown_ago(settings.ACCESS_GRACE + timedelta(hours=1))
    assert owner_reads.get(THREAD).status_code == (429 if fault.code == 429 else 503)


@pytest.mark.both_dialects
def test_nonsense_in_place_of_an_answer_stretches_nothing(
    owner_reads: Client, omni: StandIn, settings: Settings
) -> None:
    owner_reads.get(THREAD)
    omni.fail(Fault.html(200), path="")
    assert "Not up to date." in text_of(owner_reads.get(THREAD + "?refresh=1"))
    shown_ago(settings.ACCESS_TTL + timedelta(hours=1))
    assert owner_reads.get(THREAD).status_code == 503


def test_only_what_could_not_be_asked_for_is_stretched(owner: User, omni: StandIn, settings: Settings) -> None:
    """One of two instances is down, the other answers nonsense: only the first one's accesses last longer."""
    with StandIn(omni.organization, rate_per_minute=10_000) as down:
        credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "Nonsense")
        credential_for(owner, down, omni.organization.demo_tokens["analyst"], "Down")
        signed_in(owner).get(THREAD)
        shown_ago(settings.ACCESS_TTL + timedelta(hours=1))
        omni.fail(Fault.html(200), path="")
    assert signed_in(owner).get(THREAD).status_code == 503
    Access.objects.update(api_token=Credential.objects.get(label="Down").api_token)
    assert signed_in(owner).get(THREAD).status_code == 200


def test_the_credential_that_can_see_it_is_found(owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["support"], "First")
    credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Second")
    page = text_of(signed_in(owner).get(THREAD))
    assert 'Read with</dt><dd><a href="/credentials/">Second</a>' in page
    omni.requests.clear()
    signed_in(owner).get(THREAD + "?refresh=1")
    assert [request.token for request in omni.requests] == [omni.organization.demo_tokens["lead"]]


def test_a_rejected_credential_does_not_stand_in_the_way_of_another(owner: User, omni: StandIn) -> None:
    revoked = omni.organization.personal_token(member_behind(omni, "support"))
    credential_for(owner, omni, revoked, "Old")
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "New")
    omni.organization.revoke(revoked)
    assert signed_in(owner).get(THREAD).status_code == 200
    assert Credential.objects.get(label="Old").rejected_at is not None


@pytest.mark.both_dialects
def test_changed_messages_take_the_place_of_the_old_ones(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    before = dict(Message.objects.values_list("position", "pk"))

    def change(reply: dict[str, Any]) -> dict[str, Any]:
        field = "content" if "content" in reply["messages"][1] else "text"
        reply["messages"][1][field] = "Corrected."
        del reply["messages"][3]
        return reply

    omni.fail(Fault.edit(change), path="/v1/ai/conversations/")
    owner_reads.get(THREAD + "?refresh=1")
    page = owner_reads.get(THREAD)
    assert "Corrected." in text_of(page)
    assert len(articles(page)) == 3
    after = dict(Message.objects.values_list("position", "pk"))
    assert after[1] == before[1]
    assert after[2] != before[2]


def test_what_was_asked_for_earlier_does_not_replace_what_was_asked_for_later(owner: User, omni: StandIn) -> None:
    token = credential_for(owner, omni, omni.organization.demo_tokens["analyst"]).api_token
    now = timezone.now()

    def reply(text: str) -> replies.Conversation:
        said = (replies.Message("user", text, None, None, None),)
        return replies.Conversation(UUID(EXAMPLE), None, None, None, None, None, said)

    threads.store(token, reply("later"), now)
    threads.store(token, reply("earlier"), now - timedelta(seconds=3))
    assert Message.objects.get().text == "later"
    threads.store(token, reply("after a clock was set back"), now - timedelta(days=1))
    assert Message.objects.get().text == "after a clock was set back"


def test_an_interrupted_write_keeps_the_old_copy_whole(
    owner_reads: Client, omni: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_reads.get(THREAD)
    before = list(Message.objects.values_list("position", "text"))
    omni.fail(Fault.edit(lambda reply: {**reply, "messages": reply["messages"][:1]}), path="/v1/ai/conversations/")
    monkeypatch.setattr(Access, "shown", lambda *_: 1 / 0)
    owner_reads.raise_request_exception = False
    assert owner_reads.get(THREAD + "?refresh=1").status_code == 500
    assert list(Message.objects.values_list("position", "text")) == before


def test_a_new_renderer_renders_again_on_the_next_read(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    Message.objects.filter(position=2).update(renderer=0, html="<p>made by an older renderer</p>")
    cache.clear()  # its names hold the renderer's version
    omni.requests.clear()
    page = text_of(owner_reads.get(THREAD))
    assert "older renderer" not in page
    assert "Top 5 Products by Revenue" in page
    assert set(Message.objects.values_list("renderer", flat=True)) == {rendering.RENDERER}
    assert omni.requests == []


def test_so_does_asking_again(owner_reads: Client, settings: Settings) -> None:
    owner_reads.get(THREAD)
    Message.objects.update(renderer=0, html="<p>made by an older renderer</p>")
    shown_ago(settings.ACCESS_TTL + timedelta(minutes=1))
    assert "older renderer" not in text_of(owner_reads.get(THREAD))


def test_a_rejected_credential_reads_nothing_whatever_it_was_shown(owner_reads: Client, owner: User) -> None:
    owner_reads.get(THREAD)
    ApiToken.objects.update(rejected_at=timezone.now())
    assert Access.objects.exclude(confirmed_at=None).exists()
    assert not Conversation.objects.readable_by(owner).exists()
    assert not Conversation.objects.readable_by(stretched(owner)).exists()


def test_the_same_id_on_two_instances_are_two_conversations(owner: User, omni: StandIn, dialect: str) -> None:
    with StandIn(omni.organization, dialect=dialect, rate_per_minute=10_000) as other:
        credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "One")
        second = credential_for(owner, other, omni.organization.demo_tokens["analyst"], "Other")
        signed_in(owner).get(THREAD)
        assert Conversation.objects.get().instance == omni.host
        signed_in(owner).post(f"/credentials/{second.pk}/default/")
        omni.stop()
        signed_in(owner).get(THREAD + "?refresh=1")
        assert {row.instance for row in Conversation.objects.all()} == {omni.host, other.host}
        Credential.objects.filter(label="One").delete()
        assert [row.instance for row in Conversation.objects.readable_by(owner)] == [other.host]


def test_nothing_is_ever_written_to_omni(owner_reads: Client, colleague_reads: Client, omni: StandIn) -> None:
    for client in (owner_reads, colleague_reads):
        client.get("/conversations/?refresh=1")
        client.get(THREAD + "?refresh=1")
        client.post(THREAD)
        client.delete(THREAD)
    assert len(omni.requests) > 3
    assert {request.method for request in omni.requests} == {"GET"}


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_pages_are_read_only(owner_reads: Client, method: str) -> None:
    for page in ("/conversations/", THREAD, THREAD + "messages/1/"):
        assert getattr(owner_reads, method)(page).status_code == 405


def articles(answer: Any) -> list[str]:
    return re.findall(r"<article.*?</article>", answer.content.decode(), re.S)


@pytest.mark.parametrize("dialect", ["reference"])
def test_tokens_are_locked_before_conversations(owner_reads: Client) -> None:
    """The list and the thread lock in one order: otherwise, a reader of each deadlock on PostgreSQL."""
    for address in ("/conversations/", f"/conversations/{EXAMPLE}/"):
        Conversation.objects.all().delete()
        with CaptureQueriesContext(connection) as asked:
            owner_reads.get(address)
        statements = [row["sql"] for row in asked]
        stored = next(n for n, sql in enumerate(statements) if 'INTO "conversations_conversation"' in sql)
        locks = [sql for sql in statements[:stored] if 'FROM "accounts_apitoken"' in sql and "EXISTS" in sql]
        assert locks, address


@pytest.mark.skipif(connection.vendor != "postgresql", reason="test_postgresql.py runs it there")
@pytest.mark.parametrize("dialect", ["reference"])
def test_so_does_a_thread_that_is_stored_already(owner_reads: Client) -> None:
    owner_reads.get(THREAD)
    with CaptureQueriesContext(connection) as asked:
        owner_reads.get(f"{THREAD}?refresh=1")
    [locked] = [row["sql"].partition(" FOR UPDATE OF ")[2] for row in asked if " FOR UPDATE OF " in row["sql"]]
    assert locked == '"accounts_apitoken", "conversations_conversation", "conversations_access"'
