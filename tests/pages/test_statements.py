"""Budgets of statements: the most that each main page may send to the database, stored and read a second time."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from conversations.archive import sync
from conversations.search import documents
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import credential_for, text_of

pytestmark = pytest.mark.django_db
LIST, SEARCH, EVIDENCE = 8, 14, 8
# Names of people, for readers with an organization key; and the tickets of the rows.
OF_PEOPLE, OF_TICKETS = 1, 1


@pytest.fixture
def made(small: Organization, analyst: Member, reads: Client) -> InOmni:
    """Return the newest of sixty conversations, all of which are synced."""
    for number in range(59):
        small.add_conversation(owner=analyst, name=f"No. {number}", turns=[("How many orders?", "Some.")])
    made = answered(small, analyst, ages=[1 * DAY])
    with override_settings(SYNC="all"):
        sync.begin_walks()
        while sync.run_next(60):
            pass
    reads.get(thread(made))
    work()
    assert documents.refresh(seconds=60)
    return made


def statements(reads: Client, address: str) -> list[str]:
    """Return the statements of reading an address the second time, without the savepoints of the tests' own."""
    reads.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert reads.get(address).status_code == 200
    return [row["sql"][:200] for row in captured.captured_queries if "SAVEPOINT" not in row["sql"]]


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("/conversations/", LIST),
        ("/conversations/?q=orders", SEARCH),
        ("/conversations/?q=orders+state:answered", SEARCH),
        ("/conversations/?q=nothinglikethis", SEARCH),
    ],
)
def test_it_works(reads: Client, made: InOmni, address: str, most: int) -> None:
    found = statements(reads, address)
    assert len(found) <= most, found


def test_evidence(reads: Client, made: InOmni) -> None:
    found = statements(reads, f"{thread(made)}messages/2/evidence/")
    assert len(found) <= EVIDENCE, found
    assert "1,030" in text_of(reads.get(f"{thread(made)}messages/2/evidence/"))


def test_an_organization_key(
    reads: Client, made: InOmni, colleague: User, small_omni: StandIn, small: Organization
) -> None:
    credential_for(colleague, small_omni, small.organization_key())
    client = Client()
    client.force_login(colleague)
    with override_settings(SYNC="all"):
        sync.begin_walks()
        while sync.run_next(60):
            pass
    reads.get(thread(made), {"ticket": "ABC-1"})
    assert documents.refresh(seconds=60)
    found = statements(client, "/conversations/")
    assert len(found) <= LIST + 2 * OF_PEOPLE + OF_TICKETS, found
