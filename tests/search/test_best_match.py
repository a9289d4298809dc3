"""The order by best match."""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from conversations.models import Access, JobAccess
from conversations.search import documents, finder
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import text_of


def order(client: Client, typed: str, **more: str) -> list[str]:
    page = text_of(client.get("/conversations/", {"q": typed, "sort": "match", **more}))
    return [re.sub(r"<[^>]*>", "", title).strip() for title in re.findall(r'class="row-title"[^>]*>(.*?)</a>', page)]


@pytest.fixture
def corpus(reads: Client, small: Organization, analyst: Member) -> dict[str, InOmni]:
    """Return conversations with “walrus” in one place each, and two words in one of them; the best is the oldest."""
    texts = {
        "Walrus walk": [("How many?", "Five.")],
        "Asked": [("How many walrus?", "Five.")],
        "Both answered": [("How many?", "One walrus, one seal.")],
        "Answered": [("How many?", "One walrus.")],
    }
    made = {name: small.add_conversation(owner=analyst, name=name, turns=turns) for name, turns in texts.items()}
    reads.get("/conversations/")
    for row in made.values():
        reads.get(thread(row))
    return made


def test_it_works(reads: Client, corpus: dict[str, InOmni]) -> None:
    assert order(reads, "walrus") == ["Walrus walk", "Asked", "Answered", "Both answered"]
    page = text_of(reads.get("/conversations/?q=walrus"))
    assert "sort=match" in page
    assert "Sort by best match" in page
    assert 'title="Sort by last activity"' in text_of(reads.get("/conversations/?q=walrus&sort=match"))


@pytest.mark.parametrize("few", [0, 2000])
def test_readers_of_few_and_of_many_get_the_same(
    reads: Client, corpus: dict[str, InOmni], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(finder, "FEW_ROWS", few)
    assert order(reads, "walrus") == ["Walrus walk", "Asked", "Answered", "Both answered"]
    assert order(reads, "walrus in:answer") == ["Answered", "Both answered"]
    assert order(reads, "wal*") == ["Walrus walk", "Asked", "Answered", "Both answered"]
    assert order(reads, '"one walrus"') == ["Answered", "Both answered"]
    assert order(reads, "walrus -seal") == ["Walrus walk", "Asked", "Answered"]


def test_equal_matches_come_newest_first(reads: Client, small: Organization, analyst: Member) -> None:
    for number in range(4):
        small.add_conversation(owner=analyst, name=f"Walrus {number}", turns=[("How many?", "Five.")])
    assert order(reads, "walrus") == [f"Walrus {number}" for number in (3, 2, 1, 0)]


def test_more_words_count_more(reads: Client, small: Organization, analyst: Member) -> None:
    small.add_conversation(owner=analyst, name="Seal of walrus", turns=[("How?", "So.")])
    small.add_conversation(owner=analyst, name="Seal", turns=[("How many walrus?", "Five.")])
    reads.get("/conversations/")
    for row in small.conversations:
        reads.get(thread(row))
    assert order(reads, "walrus seal") == ["Seal of walrus", "Seal"]


def test_without_words_it_is_the_usual_order(reads: Client, corpus: dict[str, InOmni]) -> None:
    assert order(reads, "") == ["Answered", "Both answered", "Asked", "Walrus walk"]
    assert order(reads, "state:answered") == ["Answered", "Both answered", "Asked", "Walrus walk"]
    assert "Sort by best match" not in text_of(reads.get("/conversations/"))


def test_texts_that_the_reader_may_not_know_count_nothing(reads: Client, small: Organization, analyst: Member) -> None:
    found = answered(small, analyst, ages=[])
    with_query, without = (
        answered(small, analyst, ages=[]),
        small.add_conversation(
            owner=analyst, name="Months of orders", turns=[("How many months?", "Five orders a month.")]
        ),
    )
    found.name, with_query.name = "First orders", "Orders of the month"
    reads.get("/conversations/")
    for row in (found, with_query, without):
        reads.get(thread(row))
    work()
    before = order(reads, "orders")
    JobAccess.objects.all().delete()
    Access.objects.update(has_evidence=False)
    assert set(order(reads, "orders")) == set(before)
    # A reader who may see rows alone is answered by their names.
    Access.objects.update(opened_at=None)
    assert order(reads, "orders")


def test_pages_go_on(reads: Client, small: Organization, analyst: Member) -> None:
    for number in range(70):
        small.add_conversation(owner=analyst, name=f"Walrus {number}", turns=[("How many?", "Five.")])
    first, second = order(reads, "walrus"), order(reads, "walrus", before="50")
    assert (len(first), len(second)) == (50, 20)
    assert not set(first) & set(second)


def test_it_costs_no_statement_a_row(
    reads: Client, small: Organization, analyst: Member, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        small.add_conversation(owner=analyst, name=f"Walrus {number}", turns=[("How many?", "Five.")])
    order(reads, "walrus")
    documents.refresh(seconds=60)
    with django_assert_max_num_queries(20):
        order(reads, "walrus")
