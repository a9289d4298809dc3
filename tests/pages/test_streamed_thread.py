"""A long thread that nobody has read yet: sent while it is rendered, and then the same as any other."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast
from unittest import mock

import pytest
from django.db import DatabaseError, InterfaceError
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from conversations import rendering
from conversations.archive import threads
from conversations.models import MANY_TO_RENDER, Message
from conversations.pages import finished_thread, streamed_thread
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db

TURNS = [(f"What of week {n}?", f"**Week {n}** closed with {n} orders. <script>{n}</script>") for n in range(60)]


@pytest.fixture
def long(small: Organization, analyst: Member) -> InOmni:
    return small.add_conversation(owner=analyst, name="Long", turns=TURNS)


def pieces(reads: Client, address: str) -> Iterator[bytes]:
    page = reads.get(address)
    assert isinstance(page, StreamingHttpResponse), page
    return cast("Iterator[bytes]", iter(page))


def rendered() -> int:
    return Message.objects.filter(renderer=rendering.RENDERER).count()


def messages(page: bytes) -> bytes:
    return page.partition(b'<div id="messages"')[2].partition(b'<div id="running"')[0]


def without_token(page: bytes) -> bytes:
    """Return the page without what differs in each: the tokens of its forms."""
    before, *rest = page.split(b'name="csrfmiddlewaretoken" value="')
    return before + b"".join(part.partition(b'"')[2] for part in rest)


def test_it_works(reads: Client, long: InOmni) -> None:
    page = pieces(reads, thread(long))
    with mock.patch.object(rendering.Allowance, "render_answer", side_effect=AssertionError("too early")):
        first = next(page)
    assert b"What of week 59?" in first.partition(b"<title>")[2].partition(b"</title>")[0]
    assert b"Week" not in first
    second = next(page)
    assert b"<strong>Week 0</strong>" in second
    assert b"Week 59" not in second
    # A reader who leaves now costs nothing more, and leaves nothing half done.
    assert rendered() == 0
    whole = b"".join([first, second, *page])
    assert rendered() == Message.objects.count() == 2 * len(TURNS)
    assert whole.count(b'class="message answer"') == len(TURNS)
    assert whole.rstrip().endswith(b"</html>")
    assert b"<script>59" not in whole
    # From now on it is a page like any other, of the same bytes.
    again = reads.get(thread(long))
    assert not again.streaming
    assert without_token(again.content) == without_token(whole)


def test_a_reader_who_leaves_early_loses_nothing(reads: Client, long: InOmni) -> None:
    page = reads.get(thread(long))
    begun = iter(page)
    assert b"Week 0" in next(begun) + next(begun)
    del begun, page
    assert b"Week 59" in b"".join(pieces(reads, thread(long)))


def test_one_message_of_it_is_focused(reads: Client, long: InOmni) -> None:
    whole = b"".join(pieces(reads, f"{thread(long)}messages/90/"))
    assert whole.count(b'autofocus aria-current="true"') == 1
    assert b'id="message-90"' in whole.partition(b'is-focused"')[2][:40]
    assert without_token(reads.get(f"{thread(long)}messages/90/").content) == without_token(whole)


def test_its_times_are_in_the_readers_zone(reads: Client, long: InOmni) -> None:
    reads.cookies["time_zone"] = "Pacific%2FAuckland"
    streamed = messages(b"".join(pieces(reads, thread(long))))
    assert messages(reads.get(thread(long)).content) == streamed
    with mock.patch.object(finished_thread, "get", return_value=None):
        assert messages(reads.get(thread(long)).content) == streamed
    del reads.cookies["time_zone"]
    assert messages(reads.get(thread(long)).content) != streamed


def test_it_is_not_kept_beyond_a_time_that_passed_while_it_was_sent(reads: Client, long: InOmni) -> None:
    now = timezone.now()
    opened = threads.open(User.objects.get(username="owner"), long.id)
    key = finished_thread.Key(opened)
    made = finished_thread.FinishedThread(b"x", 1)
    finished_thread.store(key, made, [None, now + timedelta(seconds=1)], now - timedelta(seconds=5))
    assert finished_thread.get(key)
    other = finished_thread.Key(opened, "other")
    finished_thread.store(other, made, [now - timedelta(seconds=1)], now - timedelta(seconds=5))
    assert finished_thread.get(other) is None


def test_words_are_highlighted_in_it_at_once(reads: Client, long: InOmni) -> None:
    page = reads.get(f"{thread(long)}?find=week")
    assert not page.streaming
    assert page.content.count(b"<mark") == 2 * len(TURNS)


@pytest.mark.parametrize("kind", [DatabaseError, InterfaceError])
def test_a_database_that_takes_no_html_costs_nobody_the_page(
    reads: Client, long: InOmni, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    with mock.patch.object(Message, "store_html", side_effect=kind("disk full of secrets")):
        whole = b"".join(pieces(reads, thread(long)))
    assert whole.rstrip().endswith(b"</html>")
    assert f"could not be stored: {kind.__name__}" in caplog.text
    assert "secrets" not in caplog.text


def test_a_short_one_comes_whole(reads: Client, small: Organization, analyst: Member) -> None:
    short = small.add_conversation(owner=analyst, name="Short", turns=TURNS[: MANY_TO_RENDER // 2 - 1])
    page = reads.get(thread(short))
    assert not page.streaming
    assert rendered() == Message.objects.count() == MANY_TO_RENDER - 2


def test_only_its_head_is_asked_for(reads: Client, long: InOmni) -> None:
    page = reads.head(thread(long))
    assert page.status_code == 200
    assert list(page) == []
    assert rendered() == 0


@pytest.mark.django_db(transaction=True)
def test_its_search_works_while_its_messages_are_still_being_sent(
    page: Page, site: str, reads: Client, long: InOmni, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered_at_once = streamed_thread.render_messages

    def slowly(*context: Any) -> bytes:
        time.sleep(0.4)
        return rendered_at_once(*context)

    monkeypatch.setattr(streamed_thread, "render_messages", slowly)
    sign_in(page, site, at="/credentials/")
    page.goto(f"{site}/conversations/{long.id}/", wait_until="commit")
    box = page.get_by_label("Find in this conversation")
    expect(box).to_be_visible()
    expect(page.locator("#message-1")).to_be_visible()
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some((one) => one.name.includes('find_early'))"
    )
    page.keyboard.press("f")
    page.keyboard.type("#33")
    assert page.evaluate("document.readyState") == "loading", "the page came too soon for this to be seen"
    expect(box).to_have_value("#33")
    page.wait_for_load_state("domcontentloaded")
    expect(box).to_have_value("#33")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site}/conversations/{long.id}/messages/33/")
