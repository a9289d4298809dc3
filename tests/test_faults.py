"""The fault table: each row made to happen, where nothing is kept and where a conversation is."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.test import Client
from pytest_django import Settings

from conversations.models import Conversation, EarlierMessage, Instance, Message, TokenBudget
from conversations.omni import client
from omniviewer.accounts.models import Credential
from omniviewer.demo.stand_in import StandIn
from tests.conftest import EXAMPLE, text_of
from tests.faults import KEPT, NEW, NOTHING, PAGE, ROWS, Row, table

THREAD = f"/conversations/{EXAMPLE}/"
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row.name))
Break = Callable[[Row], None]


@pytest.fixture
def break_it(omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Break]:
    """Makes a row happen from now on."""
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
            Credential.objects.update(instance=host)
            Conversation.objects.update(instance=host)

        yield happen


def visible(answer: object) -> str:
    return text_of(answer).replace("&#x27;", "’").replace("'", "’")


@each_row
def test_where_nothing_is_kept(
    owner_reads: Client, omni: StandIn, break_it: Break, caplog: pytest.LogCaptureFixture, row: Row
) -> None:
    break_it(row)
    with caplog.at_level(logging.DEBUG):
        answer = owner_reads.get(THREAD)
    assert answer.status_code == row.status
    assert row.sentence in visible(answer)
    if row.stays == NEW:
        assert "<article" in visible(answer)
    else:
        assert "<article" not in visible(answer)
        assert 'class="button button-primary"' in visible(answer)
    assert_logged(caplog, omni, row)


@each_row
def test_where_a_conversation_is_kept(
    owner_reads: Client, omni: StandIn, break_it: Break, caplog: pytest.LogCaptureFixture, row: Row
) -> None:
    owner_reads.get(THREAD)
    before = set(Message.objects.values_list("text", flat=True))
    assert len(before) == 4
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


@pytest.mark.parametrize("dialect", ["reference"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.fault], ids=lambda row: re.sub(r"\W+", "-", row.name))
def test_it_recovers_by_itself(owner_reads: Client, omni: StandIn, break_it: Break, row: Row) -> None:
    """Once Omni is well again, and what is said to wait for is over, so is the page: but for a token it rejected."""
    owner_reads.get(THREAD)
    break_it(row)
    owner_reads.get(THREAD + "?refresh=1", follow=True)
    omni.recover()
    TokenBudget.objects.update(blocked_until=None)
    Instance.objects.update(rests_until=None)
    answer = owner_reads.get(THREAD + "?refresh=1", follow=True)
    assert answer.status_code == (403 if row.log == "401" else 200)
    assert (visible(answer).count("<article") == 4) is (row.log != "401")


def test_the_table_for_people_is_that_of_the_tests() -> None:
    assert PAGE.read_text() == table(), "python -m tests.faults > .readme/faults.md"
