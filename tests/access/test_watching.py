"""The watch over the whole suite finds each kind of leak: otherwise finding nothing would prove nothing."""

import logging
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.test.utils import override_settings
from django.urls import path

from omniviewer.accounts.models import User
from tests import watching
from tests.watching import TOKEN

PLANTED = "omni_pat_small-org_77"
urlpatterns = [
    path("said/", lambda _request: HttpResponse(f"<p>{PLANTED}")),
    path("header/", lambda _request: HttpResponse(headers={"X-Said": PLANTED})),
    path("streamed/", lambda _request: StreamingHttpResponse(iter(["<p>", PLANTED]))),
]


@pytest.fixture
def seen() -> Iterator[list[str]]:
    """Return the tokens found so far, and forget them afterwards, so that they do not fail this test."""
    assert watching.found == []
    yield watching.found
    watching.found.clear()


def test_a_statement(db: None, seen: list[str]) -> None:
    User.objects.filter(username=PLANTED).exists()
    assert [row.split(":")[0] for row in seen] == ["statements"]
    assert connection.vendor


def test_a_line_of_a_log(seen: list[str]) -> None:
    logging.getLogger("omniviewer.anything").warning("sent %s", PLANTED)
    assert [row.split(":")[0] for row in seen] == ["lines"]


def test_a_cached_value(seen: list[str]) -> None:
    cache.set("anything", {"token": PLANTED})
    cache.set(PLANTED, 1)
    assert len(seen) == 2


@pytest.mark.parametrize("address", ["/said/", "/header/", "/streamed/"])
def test_an_answer(db: None, seen: list[str], address: str) -> None:
    with override_settings(ROOT_URLCONF="tests.access.test_watching", MIDDLEWARE=[]):
        answer = Client().get(address)
        if answer.streaming:
            b"".join(getattr(answer, "streaming_content", []))
    assert [row.split(":")[0] for row in seen] == ["answers"]


def test_it_is_what_the_tests_organizations_give_out() -> None:
    from omniviewer.demo.stand_in import Organization

    small = Organization("small-org")
    for token in (small.organization_key(), small.personal_token(small.add_member("A", "a@small.example"))):
        assert TOKEN.fullmatch(token)
