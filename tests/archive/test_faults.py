"""The fault table: each row made to happen, where nothing is kept and where a conversation is."""

import contextlib
import itertools
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations.archive import lists
from conversations.models import Access, Conversation, EarlierMessage, Instance, Message, TokenBudget, Walk
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.omni import Client as Omni
from omniviewer.omni import Token, client
from tests.conftest import EXAMPLE, credential_for, one_dialect, signed_in, text_of
from tests.faults import CLOCK_ROWS, KEPT, LIST_ROWS, NEW, NOTHING, PAGE, ROWS, STORED, Row, table

pytestmark = pytest.mark.both_dialects

THREAD = f"/conversations/{EXAMPLE}/"
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row.name))
Break = Callable[[Row], None]


@pytest.fixture
def break_it(omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Break]:
    """Yield a function that makes a row's fault happen from now on."""
    from tests.faults import listening

    settings.OMNI_TIMEOUT = 0.8
    settings.MAX_BODY = 1024 * 1024
    settings.OMNI_HOSTS = [*settings.OMNI_HOSTS, "invalid"]
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.3)
    with ExitStack() as stack:

        def happen(row: Row) -> None:
            if row.fault:
                omni.fail(row.fault, path="")
            if row.elsewhere == "wrong certificate":
                # Loopback is reached over http otherwise.
                monkeypatch.setattr(client, "base_url", lambda instance: f"https://{instance}/api")
            host = stack.enter_context(listening(row.elsewhere, omni))
            ApiToken.objects.update(instance=host)
            Conversation.objects.update(instance=host)

        yield happen


def visible(answer: object) -> str:
    """Return the text that a reader sees, without the marks that isolate the direction of Omni's words."""
    return re.sub("</?bdi>", "", text_of(answer)).replace("&#x27;", "’").replace("'", "’")


@each_row
def test_where_nothing_is_kept(
    owner_reads: Client, omni: StandIn, break_it: Break, caplog: pytest.LogCaptureFixture, row: Row
) -> None:
    # A zone west of Greenwich, where the first hours of year 1 in UTC lie before the calendar begins.
    owner_reads.cookies["time_zone"] = "America%2FNew_York"
    break_it(row)
    with caplog.at_level(logging.DEBUG):
        answer = owner_reads.get(THREAD)
    assert answer.status_code == row.status
    assert row.sentence in visible(answer)
    if row.stays == NEW:
        assert "<article" in visible(answer)
    else:
        assert "<article" not in visible(answer)
        assert ('class="button button-primary"' in visible(answer)) is (row.stays != STORED)
    assert_logged(caplog, omni, row)


@each_row
def test_where_a_conversation_is_kept(
    owner_reads: Client, omni: StandIn, break_it: Break, caplog: pytest.LogCaptureFixture, row: Row
) -> None:
    owner_reads.get(THREAD)
    before = set(Message.objects.values_list("text", flat=True))
    assert len(before) == 4
    # A zone west of Greenwich, where the first hours of year 1 in UTC lie before the calendar begins.
    owner_reads.cookies["time_zone"] = "America%2FNew_York"
    break_it(row)
    with caplog.at_level(logging.DEBUG):
        answer = owner_reads.get(THREAD + "?refresh=1", follow=True)
    assert (row.when_kept or row.sentence) in visible(answer)
    match row.stays:
        case str() if row.stays == KEPT:
            assert answer.status_code == 200
            assert "Not up to date." in visible(answer)
            assert visible(answer).count("<article") == 4
            assert "Sunglasses" in visible(answer)
        case str() if row.stays == STORED:
            assert answer.status_code == 200
            assert visible(answer).count("<article") == 4
        case str() if row.stays == NEW:
            assert answer.status_code == 200
            assert "Not up to date." not in visible(answer)
        case _:
            assert row.stays == NOTHING
            assert "<article" not in visible(answer)
            assert "Sunglasses" not in visible(answer)
    after = set(Message.objects.values_list("text", flat=True)) | set(
        EarlierMessage.objects.values_list("text", flat=True)
    )
    assert before <= after, "a stored message was lost"
    assert_logged(caplog, omni, row)


def assert_logged(caplog: pytest.LogCaptureFixture, omni: StandIn, row: Row) -> None:
    outcomes = [record.__dict__["outcome"] for record in caplog.records if record.name == "omniviewer.upstream"]
    assert outcomes == [row.log]
    for record in caplog.records:
        whole = f"{record.getMessage()} {record.__dict__}"
        assert omni.organization.demo_tokens["analyst"] not in whole
        assert "Sunglasses" not in whole


@one_dialect
@pytest.mark.parametrize("row", [row for row in ROWS if row.fault], ids=lambda row: re.sub(r"\W+", "-", row.name))
def test_it_recovers_by_itself(owner_reads: Client, omni: StandIn, break_it: Break, row: Row) -> None:
    """Once Omni works again and the waiting time is over, so does the page, unless Omni rejected the token."""
    owner_reads.get(THREAD)
    break_it(row)
    owner_reads.get(THREAD + "?refresh=1", follow=True)
    omni.recover()
    TokenBudget.objects.update(blocked_until=None)
    Instance.objects.update(rests_until=None)
    answer = owner_reads.get(THREAD + "?refresh=1", follow=True)
    assert answer.status_code == (403 if row.log == "401" else 200)
    assert (visible(answer).count("<article") == 4) is (row.log != "401")


# Lists ----------------------------------------------------------------------------------------------------


def older(client: Client, page: str) -> Any:
    found = re.search(r'rel="next" href="([^"]+)"', page)
    assert found
    return client.get("/conversations/" + unescape(found.group(1)))


def test_a_cursor_that_repeats(colleague_reads: Client, omni: StandIn) -> None:
    sentence, _ = LIST_ROWS["A cursor that repeats"]
    page = text_of(colleague_reads.get("/conversations/"))
    cursor = Walk.objects.get().cursor

    def repeat(reply: Any) -> Any:
        reply["pageInfo"] |= {"hasNextPage": True, "nextCursor": cursor}
        return reply

    omni.fail(Fault.edit(repeat), path="/v1/ai")
    while 'rel="next"' in page:
        answer = older(colleague_reads, page)
        page = text_of(answer)
    assert sentence in visible(answer)
    assert Access.objects.count() == 200
    assert len(omni.requests) < 6


def test_a_list_that_never_ends(colleague_reads: Client, omni: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_MAX_PAGES", 1)
    numbers = itertools.count()
    real = Omni(omni.host, Token(omni.organization.demo_tokens["lead"]), timeout=5, max_body=10**7)
    first = real._get("/v1/ai/conversations", {"pageSize": 100})

    def go_on() -> Any:
        return {**first, "pageInfo": first["pageInfo"] | {"hasNextPage": True, "nextCursor": f"cursor-{next(numbers)}"}}

    older = re.search(r'rel="next"\s+href="([^"]+)"', text_of(colleague_reads.get("/conversations/")))
    assert older
    address = f"/conversations/{unescape(older[1])}"
    for _ in range(8):
        # The stand-in knows no such cursor, so have it answer with its first page instead.
        omni.recover()
        omni.fail(Fault.body(go_on()), path="/v1/ai")
        page = text_of(colleague_reads.get(address))
    assert LIST_ROWS["A list that never ends"][0] in page
    assert page.count('class="row') > 50
    asked = len(omni.requests)
    colleague_reads.get(address)
    assert len(omni.requests) == asked


def test_a_list_that_changes_between_pages(owner: User, small: Organization, small_omni: StandIn) -> None:
    member = small.add_member("Ana", "ana@small.example")
    began = datetime.now(UTC) - timedelta(days=1)
    rows = [
        small.add_conversation(
            owner=member, name=f"No {n}", turns=[("a", "b")], started_at=began + timedelta(minutes=n)
        )
        for n in range(60)
    ]
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    first = text_of(client.get("/conversations/"))
    assert "No 5<" not in first
    small.ask(rows[5], "And now?", "This.", at=datetime.now(UTC))
    second = text_of(older(client, first))
    assert "No 4<" in second
    Walk.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    kept = text_of(client.get("/conversations/"))
    asked = re.search(r'hx-get="([^"]+)" hx-trigger="fresh"', kept)
    assert asked
    renewed = text_of(client.get(unescape(asked.group(1)), headers={"HX-Request": "true"}))
    assert LIST_ROWS["A list that changes between pages"][0] in renewed
    assert "No 5<" in renewed


def test_people_without_end(colleague_reads: Client, omni: StandIn) -> None:
    numbers = itertools.count()

    def one_more(reply: Any) -> Any:
        person = {"id": str(uuid4()), "displayName": f"Person {next(numbers)}", "userName": "p@example.com"}
        return {**reply, "Resources": [person], "totalResults": 10**9}

    omni.fail(Fault.edit(one_more), path="/scim")
    page = text_of(colleague_reads.get("/conversations/"))
    assert LIST_ROWS["People without end"][0] in page
    assert "Person 9" in page
    # A reader waits for no more pages than these.
    assert sum("scim" in request.path for request in omni.requests) == 10


# Clocks ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def our_clock(off_by: timedelta) -> Iterator[None]:
    with mock.patch("django.utils.timezone.now", side_effect=lambda: datetime.now(UTC) + off_by):
        yield


@pytest.mark.parametrize("name", [name for name in CLOCK_ROWS if name.startswith("Our")])
def test_our_clock(owner_reads: Client, omni: StandIn, settings: Settings, name: str) -> None:
    """Data stored while the clock was wrong stays, and does not count as fresh for longer."""
    sentence, _ = CLOCK_ROWS[name]
    settings.SESSION_COOKIE_AGE, settings.SESSION_IDLE = 86400 * 14, 86400 * 14  # of what is kept, not of who is there
    owner_reads.force_login(User.objects.get())
    with our_clock(timedelta(days=1 if "ahead" in name else -1)):
        assert owner_reads.get(THREAD).status_code == 200
        assert owner_reads.get("/conversations/").status_code == 200
    omni.requests.clear()
    page = text_of(owner_reads.get(THREAD))
    assert sentence in page
    assert page.count("<article") == 4
    # Ahead: replies dated in the future do not count. Behind: they are over a day old, past their time.
    assert len(omni.requests) == 1
    assert "data-fresh-in" not in page
    assert "data-fresh-in" in text_of(owner_reads.get("/conversations/")) or len(omni.requests) == 2
    Access.objects.update(confirmed_at=timezone.now() + timedelta(days=1))
    omni.fail(Fault.status(503), path="")
    assert text_of(owner_reads.get(THREAD)).count("<article") == 4, "not blank because Omni is down"


@pytest.mark.parametrize("name", [name for name in CLOCK_ROWS if name.startswith("Omni")])
def test_omnis_clock(owner: User, small: Organization, small_omni: StandIn, name: str) -> None:
    sentence, _ = CLOCK_ROWS[name]
    off_by = timedelta(days=1, minutes=5) if "ahead" in name else timedelta(days=-1, minutes=-5)
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="Made", turns=[("a", "b")], started_at=datetime.now(UTC) + off_by)
    credential_for(owner, small_omni, small.personal_token(member))
    day = "Tomorrow" if "ahead" in name else "Yesterday"
    for path, says in (("/conversations/", day), (f"/conversations/{made.id}/", sentence)):
        answer = signed_in(owner).get(path)
        assert answer.status_code == 200
        assert says in text_of(answer).replace("\N{NO-BREAK SPACE}", " ")
    assert text_of(answer).count("<article") == 2


def test_every_row_has_its_test() -> None:
    code = Path(__file__).read_text()
    for name in LIST_ROWS:
        assert f'LIST_ROWS["{name}"]' in code


def test_the_table_for_people_is_that_of_the_tests() -> None:
    assert PAGE.read_text() == table(), "python -m tests.faults > .readme/faults.md"
