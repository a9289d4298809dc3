"""Finished threads: few statements, and never anything that a reader would not be shown anew (see tests.as_new)."""

from collections.abc import Callable
from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.models import Access, Capture, Conversation, Job, JobAccess, Message
from omniviewer.accounts.models import ApiToken
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import replies
from tests import as_new
from tests.captured import DAY, answered, thread, work
from tests.conftest import text_of, whole

pytestmark = pytest.mark.django_db
# Session, user, tokens, access with conversation, visit, star, audit row, tickets.
MOST_STATEMENTS = 5


@pytest.fixture
def made(small: Organization, analyst: Member, reads: Client) -> InOmni:
    """Return a conversation with two answers whose evidence is captured, opened twice."""
    made = answered(small, analyst, ages=[2 * DAY, 1 * DAY])
    reads.get(thread(made))
    work()
    reads.get(thread(made))
    return made


@pytest.mark.parametrize("place", ["", "messages/2/", "?ticket=ABC-1", "messages/2/?ticket=ABC-1"])
def test_it_works(reads: Client, made: InOmni, place: str) -> None:
    reads.get(f"{thread(made)}{place}")
    with CaptureQueriesContext(connection) as captured:
        reads.get(f"{thread(made)}{place}")
    # The savepoint is the tests' own: without their transaction there is none.
    made_here = [row["sql"][:160] for row in captured.captured_queries if "SAVEPOINT" not in row["sql"]]
    assert len(made_here) <= MOST_STATEMENTS + 2 * ("ticket" in place), made_here
    compared = len(as_new.compared)
    reads.get(f"{thread(made)}{place}")
    assert len(as_new.compared) == compared + 1


def told(job: Job, state: str) -> None:
    own = {"id": str(job.omni_id), "state": state, "conversationId": str(job.conversation_id), "topicName": "returns"}
    Job.learn(job.instance, replies.job(own, job.omni_id))


def queue_again(job: Job, token: ApiToken) -> None:
    Job.objects.filter(pk=job.pk).update(kept_at=None, has_chart=None)
    assert Capture.objects.queue(token, Conversation.objects.get().messages.all())


def refuse(route: str) -> Callable[[Job, ApiToken], None]:
    return lambda job, token: JobAccess.objects.refuse(token, Conversation.objects.get(), job.omni_id, route)


CHANGES: dict[str, Callable[[Job, ApiToken], object]] = {
    "the job failed": lambda job, _: told(job, "FAILED"),
    "the job runs": lambda job, _: told(job, "EXECUTING"),
    "the job route refuses": refuse("job"),
    "the result route refuses": refuse("result"),
    "a capture is queued": queue_again,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_shown_at_once(reads: Client, made: InOmni, change: str) -> None:
    before = text_of(reads.get(thread(made)))
    with mock.patch("conversations.tasks.queue_capture", return_value=0):
        CHANGES[change](Job.objects.latest("pk"), Access.objects.get().api_token)
        assert text_of(reads.get(thread(made))) != before
        reads.get(thread(made))


def test_what_time_alone_changes_is_shown_in_time(reads: Client, small: Organization, analyst: Member) -> None:
    made = answered(small, analyst, ages=[14 * DAY - timedelta(seconds=30)])
    with mock.patch("conversations.tasks.queue_capture", return_value=0):
        reads.get(thread(made))
        compared = len(as_new.compared)
        assert "Omni keeps this until" in text_of(reads.get(thread(made)))
        assert len(as_new.compared) == compared + 1
        later = timezone.now() + timedelta(minutes=3)
        with (
            mock.patch("django.utils.timezone.now", return_value=later),
            mock.patch("django.core.cache.backends.locmem.time.time", return_value=later.timestamp()),
        ):
            assert "Omni has deleted this evidence" in text_of(reads.get(thread(made)))
        assert len(as_new.compared) == compared + 1


def test_a_message_costs_little_beside_its_text(reads: Client, small: Organization, analyst: Member) -> None:
    """Buttons that work only with a script are put there by it, so the HTML does not hold them for each message."""
    began = timezone.now() - timedelta(days=30)
    turns = [(f"Question {number}?", f"Answer {number}.") for number in range(50)]
    made = small.add_conversation(owner=analyst, name="Long", turns=turns, started_at=began)
    page = whole(reads.get(thread(made))).decode()
    messages = page.split('<div id="messages">')[1].split('<div id="end"')[0]
    texts = sum(len(html) for html in Message.objects.values_list("html", flat=True))
    assert (len(messages) - texts) / 100 < 0.7 * 1024
