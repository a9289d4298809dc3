"""A search query in the words of a page."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from conversations.search import query_words, syntax


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 28, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("supplier", "“supplier”"),
        ('"week 150"', "“week 150”"),
        ('owner:"Ana Lindqvist" supplier', "“supplier”, asked by Ana Lindqvist"),
        ("is:starred has:chart", "starred, with chart"),
        ("-is:starred -has:rows", "not starred, without rows"),
        ('topic:"=order items" -state:failed', "topic order items, not state failed"),
        ('on:"last week"', "active last week: 16–22 November 2026"),
        ("returns in:query", "“returns”, only in queries"),
        ("returns from:7d", "“returns”, active from 22 November 2026"),
    ],
)
def test_a_query_is_a_sentence(typed: str, said: str) -> None:
    assert query_words.sentence(syntax.read(typed)) == said


@pytest.mark.parametrize(
    ("typed", "chip"),
    [
        ('on:"last week"', ("Active", "last week: 16–22 November 2026")),
        ("on:yesterday", ("Active", "yesterday: 27 November 2026")),
        ("on:2026-03-02", ("Active", "2 March 2026")),
        ("on:2026-10", ("Active", "October 2026")),
        ("on:2025", ("Active", "2025")),
        ("on:2026-Q3", ("Active", "1 July – 30 September 2026")),
        ("on:2025-12-30..2026-01-02", ("Active", "30 December 2025 – 2 January 2026")),
        ("asked:2026-10-30..2026-11-28", ("Asked", "30 October – 28 November 2026")),
        ("-asked:2026-10-30", ("Not asked", "30 October 2026")),
        ("to:2026-10", ("Active", "to 31 October 2026")),
        ("-state:failed", ("Not state: failed", "")),
        ("in:question", ("Only in questions", "")),
        ("in:name", ("Only in titles", "")),
    ],
)
def test_a_chip_says_its_days_once(typed: str, chip: tuple[str, str]) -> None:
    assert query_words.chip(syntax.read(typed).filters[0]) == chip
