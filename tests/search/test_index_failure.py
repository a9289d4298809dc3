"""A conversation that cannot be indexed stays stored and readable, on SQLite and on PostgreSQL."""

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from pytest_django import Settings

from conversations.models import Action, Conversation, IndexFailure
from conversations.search import documents, index, postgresql
from conversations.search.tokens import MAX_WORD_CHARS, words
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import credential_for, signed_in, text_of
from tests.operations.test_operation import Lines, lines

__all__ = ["lines"]
pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "zebraquagga"


def digests(count: int) -> str:
    return " ".join(hashlib.sha256(f"{SECRET} {number}".encode()).hexdigest() for number in range(count))


@pytest.fixture
def good(small: Organization, analyst: Member) -> InOmni:
    return small.add_conversation(owner=analyst, name="Good", turns=[("How many okapis?", "Ten.")])


@pytest.fixture
def bad(small: Organization, analyst: Member) -> InOmni:
    """Return a conversation with a query in its evidence."""
    made = small.add_conversation(owner=analyst, name="Bad", turns=[(f"What of the {SECRET}?", "Nothing.")])
    made.jobs[0].actions = (Step("generate_query", "Looking", "Q", {"table": SECRET, "fields": []}, [["n"], ["5"]]),)
    return made


def spoil(made: InOmni) -> None:
    """Make the stored query unreadable, and have the conversation indexed again."""
    assert Action.objects.filter(job__conversation_id=made.id, is_query=True).update(body=b"no zlib") == 1
    Conversation.objects.filter(omni_id=made.id).touch()


def found(client: Client, typed: str) -> int:
    answer = client.get("/conversations/", {"q": typed})
    assert answer.status_code == 200, typed
    return text_of(answer).count('class="row-title"')


def test_it_works(
    reads: Client,
    good: InOmni,
    bad: InOmni,
    colleague: User,
    small: Organization,
    small_omni: StandIn,
    clock: Callable[[timedelta], None],
    lines: Lines,
) -> None:
    reads.get(thread(bad))
    reads.get(f"{thread(bad)}messages/2/evidence/")
    assert found(reads, SECRET) == 1
    spoil(bad)
    credential_for(colleague, small_omni, small.organization_key())
    for client in (reads, signed_in(colleague)):
        for address in ("/conversations/", "/conversations/?q=okapis", "/insights/", thread(good), thread(bad)):
            assert client.get(address).status_code == 200, address
        assert found(client, "okapis") == 1
        # The search still finds the text that was indexed before.
        assert found(client, SECRET) == 1
    failure = IndexFailure.objects.get()
    assert (failure.conversation.omni_id, failure.reason, failure.tries) == (bad.id, "error", 1)
    [line] = [line for line in lines() if line["logger"] == "omniviewer.search"]
    assert (line["event"], line["conversation"], line["because"]) == (
        "conversation not indexed",
        failure.conversation_id,
        "error",
    )
    assert SECRET not in json.dumps([line for line in lines() if line["logger"] != "omniviewer.page"])
    # Indexing is tried again later, at growing intervals.
    clock(timedelta(minutes=6))
    assert not IndexFailure.objects.resting().exists()
    documents.refresh(seconds=5)
    assert IndexFailure.objects.get().tries == 2
    clock(timedelta(minutes=13))
    assert IndexFailure.objects.resting().exists()
    # Once the query is readable, the conversation is indexed, and the mark is gone.
    Action.objects.filter(job__conversation_id=bad.id).update(body=b"")
    clock(timedelta(days=1))
    assert documents.refresh(seconds=5)
    assert not IndexFailure.objects.exists()
    assert not Conversation.objects.filter(is_indexed=False).exists()


def test_staff_see_what_is_not_indexed(reads: Client, owner: User, good: InOmni, bad: InOmni) -> None:
    owner.is_staff = True
    owner.save()
    reads.get(thread(bad))
    reads.get(f"{thread(bad)}messages/2/evidence/")
    assert "Not indexed</dt><dd>0" in text_of(reads.get("/stored/"))
    spoil(bad)
    reads.get("/conversations/?q=orders")
    page = text_of(reads.get("/stored/"))
    assert "Not indexed</dt><dd>1" in page
    key = IndexFailure.objects.get().conversation_id
    assert f"Number {key} of " in page
    assert "<code>error</code>, tried 1 time, last just now" in page
    assert SECRET not in page
    assert str(bad.id) not in page


HEAVY = {
    "Thai marks": "\u0e01" + "\u0e47" * 683,
    "Thai marks in turn": ("\u0e01" + "\u0e47" * 400) * 30,
    "Latin marks": "a" + "\u0301\u0489" * 5000,
    "Devanagari marks": "\u0915" + "\u0941\u0951" * 5000,
    "Hebrew marks": "\u05d0" + "\u05b0\u05b4" * 5000,
    "Han with selectors": ("退" + "\U000e0100" * 2000) * 3,
    "a long word": "x" * 100_000 + " " + "é" * 100_000,
    "a long word of four bytes": "\U00010400" * 10_000,
    "digests": digests(17_000),
    "digests of a few": digests(12_000) + " y" * 30,
    "different ideographs": "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(60_000)),
    "different words of four bytes": " ".join(chr(0x10400 + n % 40) * 40 + str(n) for n in range(9_000)),
    "many positions": "one two three " * 20_000,
    "pictures": "🚀👍🏽" * 20_000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
@pytest.mark.slow
def test_every_text_is_indexed(
    reads: Client, good: InOmni, small: Organization, analyst: Member, text: str, settings: Settings
) -> None:
    made = small.add_conversation(owner=analyst, name="Heavy gnu", turns=[("What is this?", f"{text} tail")])
    assert reads.get(thread(made)).status_code == 200
    assert documents.refresh(seconds=60)
    assert not IndexFailure.objects.exists()
    assert found(reads, "okapis") == 1
    assert found(reads, "gnu") == 1
    assert found(reads, text.split(maxsplit=1)[0][:900]) == 1


@pytest.mark.parametrize("typed", [text[:3000] for text in HEAVY.values()], ids=HEAVY)
def test_every_search_query_is_a_page(reads: Client, good: InOmni, typed: str) -> None:
    reads.get(thread(good))
    for form in (typed, f"-{typed}", f'"{typed[:300]}"', f"{typed[:300]}*", f"in:answer {typed}", f"topic:{typed}"):
        assert reads.get("/conversations/", {"q": form}).status_code == 200
        assert reads.get(f"{thread(good)}", {"find": form}).status_code == 200


def test_what_is_cut_off_a_word_is_bounded_by_bytes(dialect: str) -> None:
    for text in HEAVY.values():
        for word in words(text):
            assert len(word.text) <= MAX_WORD_CHARS
            assert len(word.text.encode()) <= 4 * MAX_WORD_CHARS


def test_what_the_database_refuses_is_marked_and_its_text_stands_in_no_log(
    reads: Client,
    good: InOmni,
    small: Organization,
    analyst: Member,
    monkeypatch: pytest.MonkeyPatch,
    lines: Lines,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite refuses no text.")
    # Lift the limit, so that the database itself refuses.
    monkeypatch.setattr(postgresql, "_MAX_VECTOR_BYTES", 10**9)
    made = small.add_conversation(owner=analyst, name="Bad", turns=[("What?", digests(17_000) + f" {SECRET}")])
    for address in (thread(made), "/conversations/", "/conversations/?q=okapis"):
        assert reads.get(address).status_code == 200
    failure = IndexFailure.objects.get()
    assert (failure.conversation.omni_id, failure.reason) == (made.id, "ProgramLimitExceeded (54000)")
    assert found(reads, "okapis") == 1
    assert "conversation not indexed" in [line["event"] for line in lines()]
    assert SECRET not in json.dumps(lines()) + caplog.text


def test_a_database_that_is_away_marks_no_conversation(
    reads: Client, good: InOmni, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """The conversations are not at fault; the page uses what was indexed before."""
    reads.get(thread(good))
    Conversation.objects.all().touch()
    for error in (OperationalError("database is locked"), InterfaceError("connection already closed")):

        def away(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(index, "put", away)
        assert not documents.refresh(seconds=1)
        assert not IndexFailure.objects.exists()
        assert [line["because"] for line in lines() if line["event"] == "indexing stopped"][-1] == type(error).__name__
    monkeypatch.undo()
    logging.getLogger("omniviewer.search").info("it is back")
    assert documents.refresh(seconds=5)
    assert found(reads, "okapis") == 1
