"""The names of people of a large organization: all of its pages, within the token's budget."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations.archive import people, sync
from conversations.models import Member, PeopleWalk, Walk
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.omni import replies
from tests.conftest import credential_for, signed_in, text_of

pytestmark = pytest.mark.django_db
USERS, EMBEDDED = "/api/scim/v2/users", "/api/scim/v2/embed/users"


@pytest.fixture
def large(small: Organization) -> Organization:
    """Make 1,234 people and 150 embed users; the last of both have asked something."""
    for number in range(1, 1235):
        small.add_member(f"Person {number:04}", f"p{number}@small.example")
    for number in range(1, 151):
        small.add_member(f"Guest {number:04}", f"g{number}@small.example", embed_external_id=f"guest-{number}")
    for number in (-1, -151):
        small.add_conversation(owner=small.members[number], name=f"Of {number}", turns=[("Walrus?", "Seal.")])
    return small


@pytest.fixture
def reads_all(colleague: User, large: Organization, small_omni: StandIn) -> Client:
    credential_for(colleague, small_omni, large.organization_key())
    return signed_in(colleague)


def starts(omni: StandIn, path: str) -> list[int]:
    """Return the first person's number of each page that was requested, in turn."""
    return [int(request.query["startIndex"]) for request in omni.requests if request.path == path]


def test_it_works(reads_all: Client, large: Organization, small_omni: StandIn) -> None:
    """A reader waits for some of the pages; the next reader gets the missing ones."""
    token = ApiToken.objects.get()
    people.members(token)
    assert starts(small_omni, USERS) == list(range(1, 1000, 100))
    people.members(token)
    assert starts(small_omni, USERS) == list(range(1, 1234, 100))
    assert starts(small_omni, EMBEDDED) == [1, 101]
    people.members(token)
    assert len(starts(small_omni, USERS)) == 13
    assert Member.objects.count() == 1384
    for row in large.conversations:
        assert reads_all.get(f"/conversations/{row.id}/").status_code == 200
    page = text_of(reads_all.get("/conversations/"))
    assert "Person 1234</bdi>" in page
    assert "Guest 0150</bdi>" in page
    assert 'id="control-owner" name="owner" value="" placeholder="Name' in page, "too many for a choice"
    for typed, title in (("guest 0150", "Of -1"), ("p1234@", "Of -151")):
        found = text_of(reads_all.get("/conversations/", {"q": f'owner:"{typed}"'}))
        assert (title in found, found.count('class="row-title"')) == (True, 1), typed


def test_the_background_reads_on_while_it_asks_for_people(
    reads_all: Client, large: Organization, small_omni: StandIn, settings: Settings
) -> None:
    settings.SYNC = "all"
    sync.begin_walks()
    while sync.run_next():
        pass
    paths = [request.path for request in small_omni.requests]
    assert (paths.count(USERS), paths.count(EMBEDDED)) == (13, 2)
    thread = next(place for place, path in enumerate(paths) if path.startswith("/api/v1/ai/conversations/"))
    assert thread < max(place for place, path in enumerate(paths) if path == USERS), "by turns"
    assert Walk.objects.get().read == 2
    assert not PeopleWalk.objects.exists()


def test_it_goes_on_where_the_budget_or_omni_ended_it(
    reads_all: Client, small_omni: StandIn, clock: Callable[[timedelta], None]
) -> None:
    token = ApiToken.objects.get()
    people.fetch(token, Urgency.AHEAD, most=3)
    for fault, seconds in ((Fault.status(503), 120), (Fault.status(429, headers={"Retry-After": "1"}), 300)):
        small_omni.fail(fault, path="/scim")
        assert people.members(token)
        small_omni.recover()
        clock(timedelta(seconds=seconds))
        before = starts(small_omni, USERS)
        people.fetch(token, Urgency.AHEAD, most=1)
        assert starts(small_omni, USERS) == [*before, max(before)]
        assert people.are_due(token)


def test_who_has_left_is_forgotten_once_all_were_told_again(
    reads_all: Client, large: Organization, small_omni: StandIn, clock: Callable[[timedelta], None]
) -> None:
    token = ApiToken.objects.get()
    for _ in range(2):
        people.members(token)
    gone = large.members.pop(700)
    clock(timedelta(days=2))
    people.members(token)
    assert Member.objects.filter(omni_id=gone.id).exists(), "not before the end"
    small_omni.fail(Fault.status(400), path=EMBEDDED.removeprefix("/api"))
    people.members(token)
    assert not people.are_due(token)
    assert not Member.objects.filter(omni_id=gone.id).exists()


def test_a_list_that_breaks_off_takes_nobody_away(
    reads_all: Client, large: Organization, small_omni: StandIn, clock: Callable[[timedelta], None]
) -> None:
    token = ApiToken.objects.get()
    for _ in range(2):
        people.members(token)
    clock(timedelta(days=2))
    people.fetch(token, Urgency.AHEAD, most=4)
    for path in ("/scim/v2/users", "/scim/v2/Users"):
        small_omni.fail(Fault.status(400), path=path)
    people.members(token)
    assert not people.are_due(token)
    assert Member.objects.count() == 1384


def test_a_token_that_is_rejected_begins_anew(reads_all: Client, large: Organization, small_omni: StandIn) -> None:
    token = ApiToken.objects.get()
    people.fetch(token, Urgency.AHEAD, most=2)
    small_omni.fail(Fault.status(401), path="/scim")
    people.members(token)
    assert (Member.objects.count(), PeopleWalk.objects.count()) == (0, 0)


def test_a_list_that_only_repeats_itself_ends(dialect: str) -> None:
    token = ApiToken.objects.create(instance="x.omniapp.co", digest="d", scope="organization")
    walk = PeopleWalk(api_token=token, began_at=timezone.now())
    page = replies.member_page({"Resources": [{"id": "1", "userName": "a@x.example"}], "totalResults": 900})
    assert [people._store_people(walk, token, page) for _ in range(2)] == [False, True]
    untold = replies.member_page({"Resources": [{"id": "2", "userName": "b@x.example"}] * 2})
    assert [people._store_people(walk, token, untold) for _ in range(2)] == [False, True]
    assert {row.email for row in token.members.all()} == {"a@x.example", "b@x.example"}


@pytest.mark.parametrize(
    ("typed", "is_meant"),
    [
        ("bern", True),
        ("kons bern", True),
        ("q.kon", True),
        ("q.kons@small", True),
        ("tant", False),
        ("ette", False),
        ("small", False),
        ("bern zoe", False),
    ],
)
def test_a_name_is_meant_by_how_its_words_begin(
    colleague: User, small: Organization, small_omni: StandIn, typed: str, is_meant: bool
) -> None:
    small.add_member("Bernadette Konstantinos", "q.kons@small.example")
    people.members(credential_for(colleague, small_omni, small.organization_key()).api_token)
    assert bool(people.find(colleague, typed)) is is_meant
