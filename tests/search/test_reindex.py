"""The search index and all that is computed from stored rows can be made again, while people search."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from conversations.models import Conversation, IndexFailure, Message
from conversations.search import documents, index, rebuild
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread
from tests.conftest import text_of

pytestmark = pytest.mark.django_db(transaction=True)

DERIVED = ("recency", "started", "ends_with_question", "facts", "message_count", "last_answer_took", "indexed_revision")
TIMES = ("quarter", "answer_took", "answered_in")


@pytest.fixture
def filled(reads: Client, small: Organization, analyst: Member) -> Client:
    made = [answered(small, analyst, ages=[timedelta(days=3), timedelta(days=2)]) for _ in range(3)]
    made.append(small.add_conversation(owner=analyst, name="Open", turns=[("How many tapirs?", None)]))
    for row in made:
        reads.get(thread(row))
    reads.get(f"{thread(made[0])}messages/2/evidence/")
    documents.refresh(seconds=10)
    return reads


def found(client: Client, word: str) -> int:
    return text_of(client.get("/conversations/", {"q": word})).count('class="row-title"')


def derived() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    conversations = Conversation.objects.order_by("pk").values_list("pk", "is_indexed", *DERIVED)
    return list(conversations), list(Message.objects.order_by("pk").values_list("pk", *TIMES))


def lose_everything_derived() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM conversations_words")
    Conversation.objects.update(
        recency=1, started=2, ends_with_question=None, facts="", message_count=None, last_answer_took=5
    )
    Message.objects.update(quarter=1, answer_took=None, answered_in=3)


def reindex(*words: str) -> str:
    said = StringIO()
    call_command("reindex", *words, stdout=said, stderr=said)
    return said.getvalue()


def test_it_works(filled: Client) -> None:
    before = derived()
    lose_everything_derived()
    said = reindex()
    assert "Reading is done: 4 conversations." in said
    assert "Indexing is done: 4 conversations." in said
    assert derived() == before
    assert found(filled, "orders") == 3
    assert found(filled, "tapirs state:unanswered") == 1


def test_searches_find_what_was_indexed_until_it_is_indexed_again(filled: Client) -> None:
    rebuild.derive(lambda _done, _total: None)
    assert not Conversation.objects.filter(is_indexed=True).exists()
    assert found(filled, "orders") == 3


def test_what_was_interrupted_goes_on(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_everything_derived()
    monkeypatch.setattr(rebuild, "_BATCH_CONVERSATIONS", 1)
    monkeypatch.setattr(rebuild, "_REPORT_SECONDS", 0)
    monkeypatch.setattr(documents, "_BATCH_CONVERSATIONS", 1)

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    rebuild.derive(lambda _done, _total: None)
    with pytest.raises(KeyboardInterrupt):
        rebuild.index_waiting(stop)
    indexed = set(Conversation.objects.filter(is_indexed=True).values_list("pk", flat=True))
    assert len(indexed) == 2
    put, seen = index.put, []

    def see(rows: Any, old: Any) -> None:
        seen.extend(rows)
        put(rows, old)

    monkeypatch.setattr(index, "put", see)
    assert "Indexing is done: 2 conversations." in reindex("--rest")
    assert len(seen) == 2
    assert found(filled, "orders") == 3


def test_entries_of_no_conversation_go(filled: Client) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("INSERT INTO conversations_words (rowid, name, facts) VALUES (7, 'ghost', '')")
        else:
            cursor.execute("INSERT INTO conversations_words VALUES (7, false, 'ghost', '', '', '', '')")
    reindex("--rest")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM conversations_words ORDER BY rowid")
        entries = [rowid for (rowid,) in cursor.fetchall()]
    assert entries == list(Conversation.objects.order_by("indexed_as").values_list("indexed_as", flat=True))


def test_one_that_failed_is_tried_at_once(filled: Client) -> None:
    row = Conversation.objects.order_by("pk")[0]
    IndexFailure.objects.create(conversation=row, not_before=timezone.now() + timedelta(hours=9))
    reindex()
    assert not IndexFailure.objects.exists()


def test_one_that_fails_again_is_told(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put = index.put

    def refuse_tapirs(rows: Any, old: Any) -> None:
        if any("tapirs" in row.places["question"] for row in rows):
            raise ValueError("no tapirs")
        put(rows, old)

    monkeypatch.setattr(index, "put", refuse_tapirs)
    assert "1 could not be indexed: staff see which under “Stored data”." in reindex()
    assert found(filled, "orders") == 3


def test_a_database_that_is_away_ends_it(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_rows: Any, _old: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(index, "put", away)
    with pytest.raises(CommandError, match=r"Run omniviewer reindex --rest to go on"):
        reindex()
