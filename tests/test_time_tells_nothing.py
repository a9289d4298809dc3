"""How much others have here costs a reader of few conversations nothing: not even the time tells of it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from conversations import searching
from conversations.models import Access, Conversation, Job, Message
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, work
from tests.conftest import credential_for, one_dialect, person

pytestmark = [
    one_dialect,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone counts its instructions"),
]
ASKED = [
    "",
    "asked:30d",
    "hour:12",
    "weekday:mon",
    "from:30d",
    "owner:ann",
    "topic:orders",
    "state:answered",
    "state:failed",
    "has:chart",
    "has:rows",
    "has:ticket",
    "ticket:ABC-1",
    "is:unread",
    "is:starred",
    "in:query orders",
    "orders",
    '"orders by month"',
    "orders -month",
    "ord*",
    "-asked:30d orders",
]
# Hundreds of instructions: a tenth of what one instruction a conversation of the others would be.
MOST_MORE = 12


def _steps(client: Client, path: str, query: dict[str, str]) -> int:
    """Return how many hundreds of instructions SQLite runs for a page, when it is asked for again."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    client.get(path, query)
    connection.connection.set_progress_handler(step, 100)
    try:
        assert client.get(path, query).status_code == 200
    finally:
        connection.connection.set_progress_handler(None, 0)
    return count


def _others(like: Conversation, omni: StandIn, token: str) -> None:
    """Store many more that somebody else was shown, each with the same question, answer and job."""
    other = credential_for(person("other"), omni, token).api_token
    access, messages = like.accesses.get(), list(like.messages.all())
    job = Job.objects.filter(conversation_id=like.omni_id).first()
    now = timezone.now()
    for _ in range(1200):
        like.pk, like.omni_id, like.indexed_as, like._state.adding = None, uuid4(), None, True
        like.updated_at = (like.updated_at or now) - timedelta(seconds=1)
        # Each has a number of its own in the search.
        like.recency -= 1 << 21
        like.save()
        new_job = uuid4()
        for row in messages:
            row.pk, row.conversation = None, like
            row.job_id = new_job if row.job_id else None
        Message.objects.bulk_create(messages)
        access.pk, access.conversation, access.api_token = None, like, other
        access._state.adding = True
        access.recency -= 1
        Access.objects.bulk_create([access])
        if job:
            job.pk, job.omni_id, job.conversation_id, job._state.adding = None, new_job, like.omni_id, True
            Job.objects.bulk_create([job])
    assert searching.refresh(seconds=60)
    assert not Conversation.objects.filter(is_indexed=False).exists()


def test_what_others_have_costs_a_reader_of_two_nothing(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    for _ in range(2):
        found = answered(small, analyst, ages=[timedelta(days=1)])
    thread = f"/conversations/{found.id}/"
    reads.get("/conversations/")
    work()
    pages = [("/conversations/", {"q": typed}) for typed in ASKED]
    pages += [("/insights/", {"period": "all"}), ("/insights/", {}), (thread, {})]
    before = [_steps(reads, *page) for page in pages]
    _others(Conversation.objects.get(omni_id=found.id), small_omni, small.organization_key())
    after = [_steps(reads, *page) for page in pages]
    told = list(zip(pages, before, after, strict=True))
    assert [(page, one, two) for page, one, two in told if two > one + MOST_MORE] == []
