"""Parsing of the search box: dates, filters and their controls, and the notice about anything else."""

from datetime import UTC, date, datetime

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations.pages.list_forms import FiltersForm
from conversations.search import date_words, syntax
from conversations.search.syntax import FILTERS, MAX_TERMS

TODAY = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"
    monkeypatch.setattr(timezone, "now", lambda: TODAY)


def test_it_works() -> None:
    asked = syntax.read('returns "order items" -draft rev* state:failed -owner:ann')
    assert [(text.words, text.is_prefix, text.is_negated) for text in asked.texts] == [
        (("returns",), False, False),
        (("order", "items"), False, False),
        (("draft",), False, True),
        (("rev",), True, False),
    ]
    assert [str(row) for row in asked.filters] == ["state:failed", "-owner:ann"]
    assert asked.odd == ()


@pytest.mark.parametrize(
    ("value", "first", "end"),
    [
        ("today", date(2026, 3, 31), date(2026, 4, 1)),
        ("yesterday", date(2026, 3, 30), date(2026, 3, 31)),
        ("1d", date(2026, 3, 31), date(2026, 4, 1)),
        ("7d", date(2026, 3, 25), date(2026, 4, 1)),
        ("2w", date(2026, 3, 18), date(2026, 4, 1)),
        ("1m", date(2026, 3, 1), date(2026, 4, 1)),
        ("1y", date(2025, 4, 1), date(2026, 4, 1)),
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("2026-Q3", date(2026, 7, 1), date(2026, 10, 1)),
        ("2026-q4", date(2026, 10, 1), date(2027, 1, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026-2", date(2026, 2, 1), date(2026, 3, 1)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 3, 1)),
    ],
)
def test_a_date_is_a_span_of_days(value: str, first: date, end: date) -> None:
    assert date_words.days(value) == (first, end)
    asked = syntax.read(f"on:{value}")
    assert (asked.since, asked.until) == (
        datetime(first.year, first.month, first.day, tzinfo=UTC),
        datetime(end.year, end.month, end.day, tzinfo=UTC),
    )
    assert syntax.read(f"from:{value}").since == asked.since
    assert syntax.read(f"from:{value}").until is None
    assert syntax.read(f"to:{value}").until == asked.until
    assert syntax.read(f"to:{value}").since is None


@pytest.mark.parametrize(
    ("value", "first", "end"),
    [
        ("last week", date(2026, 3, 23), date(2026, 3, 30)),
        ("lastweek", date(2026, 3, 23), date(2026, 3, 30)),
        ("last-week", date(2026, 3, 23), date(2026, 3, 30)),
        ("This Week", date(2026, 3, 30), date(2026, 4, 6)),
        ("last month", date(2026, 2, 1), date(2026, 3, 1)),
        ("last quarter", date(2025, 10, 1), date(2026, 1, 1)),
        ("thisyear", date(2026, 1, 1), date(2027, 1, 1)),
        ("last 7 days", date(2026, 3, 25), date(2026, 4, 1)),
        ("past 2 weeks", date(2026, 3, 18), date(2026, 4, 1)),
        ("past month", date(2026, 3, 1), date(2026, 4, 1)),
        ("3 days ago", date(2026, 3, 28), date(2026, 3, 29)),
        ("2 months ago", date(2026, 1, 1), date(2026, 2, 1)),
        ("tuesday", date(2026, 3, 31), date(2026, 4, 1)),
        ("last tuesday", date(2026, 3, 24), date(2026, 3, 25)),
        ("fri", date(2026, 3, 27), date(2026, 3, 28)),
        ("1.9.2025", date(2025, 9, 1), date(2025, 9, 2)),
        ("31.12.25", date(2025, 12, 31), date(2026, 1, 1)),
        ("09/01/2025", date(2025, 9, 1), date(2025, 9, 2)),
        ("25/01/2025", date(2025, 1, 25), date(2025, 1, 26)),
        ("02-03-2026", date(2026, 3, 2), date(2026, 3, 3)),
        ("2025/9/1", date(2025, 9, 1), date(2025, 9, 2)),
        ("20250901", date(2025, 9, 1), date(2025, 9, 2)),
        ("09/2025", date(2025, 9, 1), date(2025, 10, 1)),
        ("1 Sep 2025", date(2025, 9, 1), date(2025, 9, 2)),
        ("1st September", date(2025, 9, 1), date(2025, 9, 2)),
        ("Sept. 1, 2025", date(2025, 9, 1), date(2025, 9, 2)),
        ("September", date(2025, 9, 1), date(2025, 10, 1)),
        ("March", date(2026, 3, 1), date(2026, 4, 1)),
        ("Dec 2025", date(2025, 12, 1), date(2026, 1, 1)),
        ("Q3 2025", date(2025, 7, 1), date(2025, 10, 1)),
        ("2025Q3", date(2025, 7, 1), date(2025, 10, 1)),
        ("1.9.2025..last week", date(2025, 9, 1), date(2026, 3, 30)),
    ],
)
def test_a_date_is_understood_as_people_write_it(value: str, first: date, end: date) -> None:
    assert date_words.days(value) == (first, end)
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, end)]
    for typed in (f'on:"{value}" x', f"x on:{value}", f"on:{value} x"):
        if ".." in value and '"' not in typed:
            continue
        asked = syntax.read(typed)
        assert [asked.since, asked.until] == midnights, typed
        # None of the filter's words is searched for.
        assert [text.words for text in asked.texts] == [("x",)], typed
        assert asked.plain == "x"
        # The page's address has the same meaning.
        assert syntax.read(" ".join([asked.plain, *map(str, asked.filters)])).since == asked.since


def test_a_doubtful_date_is_told_as_it_was_read() -> None:
    assert syntax.read("from:09/01/2025").odd == (
        "“09/01/2025” was read as 1 September 2025. Between slashes the month comes first; 2025-09-01 is unambiguous.",
    )
    assert syntax.read("to:4-3-2026").odd == (
        "“4-3-2026” was read as 4 March 2026. Between dashes the day comes first; 2026-03-04 is unambiguous.",
    )
    for value in ("1.9.2025", "5/5/2025", "25/01/2025", "01/25/2025", "2025-09-01", "lastweek"):
        assert syntax.read(f"from:{value}").odd == ()


def test_what_follows_a_time_is_a_word_again() -> None:
    for typed in ("from:last week revenue", "revenue from:last week", "from: 7d revenue", "from:May 2025 revenue"):
        asked = syntax.read(typed)
        assert [text.words for text in asked.texts] == [("revenue",)], typed
        assert asked.since, typed
    assert [text.words for text in syntax.read("last week").texts] == [("last",), ("week",)]
    assert [text.words for text in syntax.read("state:failed last week").texts] == [("last",), ("week",)]


@pytest.mark.parametrize("typed", ["from:soon", "state:broken", "hour:99", "-to:2026", "in:", "topic:***"])
def test_a_filter_that_was_left_out_is_not_applied(typed: str) -> None:
    asked = syntax.read(typed)
    assert not asked.filters
    assert not asked.is_nonsense
    assert "was ignored" in asked.odd[0]
    assert syntax.read("***").is_nonsense


@pytest.mark.parametrize(
    ("typed", "begun"),
    [
        ("reven", "reven*"),
        ("reven -draft state:failed", "reven* -draft state:failed"),
        ('"order it" x', '"order it"* x'),
        ('"order it', '"order it"*'),
        ("rev* reg", "rev* reg*"),
        ("returns", "return*"),
        ("Deliveries boxes pricing shipped", "Deliver* boxe* pric* shipp*"),
        ("business status analysis", "business* status* analysis*"),
        ("used sing red", "used* sing* red*"),
        ('"two orders"', '"two orders"*'),
        ("order_items.totals größen 1989s", "order_items.totals* größen* 1989s*"),
    ],
)
def test_beginnings_widen_what_may_be_widened(typed: str, begun: str) -> None:
    found = syntax.read(typed).beginnings
    assert found
    assert found.typed == begun


@pytest.mark.parametrize("typed", ["", "x", "rev*", "-draft", "state:failed", "***", "from:soon"])
def test_where_nothing_may_be_widened_there_are_none(typed: str) -> None:
    assert syntax.read(typed).beginnings is None


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "2026-13",
        "2026-02-30",
        "2026-Q5",
        "0",
        "d",
        "-7d",
        "7 d",
        "٧d",
        "99999d",
        "1.5m",
        "31/02/2026",
        "2026-00",
        "1.13.2026x",
    ],
)
def test_no_date_is_said(value: str) -> None:
    assert date_words.days(value) is None
    asked = syntax.read(f'from:"{value}"')
    assert not asked.filters
    assert asked.odd[0].startswith(f"“{value}” is not a date, so “from:” was ignored. Try 2026-10-03, ")


def test_several_dates_bound_each_other() -> None:
    asked = syntax.read("from:2026-01 to:2026-02 from:2026-01-15")
    assert asked.since == datetime(2026, 1, 15, tzinfo=UTC)
    assert asked.until == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("foo:bar", "“foo:” is not a filter: it was searched as a word."),
        (
            "state:broken",
            "“state:” takes failed, cancelled, running, unanswered, answered or complete; “broken” was ignored.",
        ),
        ("has:", "“has:” needs a value right after it, without a space: it was ignored."),
        ("-from:7d x", "“-from:” cannot be negated: it was ignored."),
        ("in:question", "“in:” says where to look for words, but there are no words."),
        ('x "open', "A quotation mark is not closed: everything after it was searched as one phrase."),
        ("a*b", "A * works only at the end of a word: elsewhere it was ignored."),
        ("a OR b", "OR was searched as a word: all words have to match, and - excludes one."),
        ("(( x", "“((” contains nothing to search for."),
        ("x " * 600, "Only the first 1,000 characters were used."),
        ("x " * (MAX_TERMS + 1), f"Only the first {MAX_TERMS} words and filters were used."),
    ],
)
def test_what_is_not_understood_is_said(typed: str, said: str) -> None:
    assert said in syntax.read(typed).odd


def test_nothing_is_said_of_what_is_understood() -> None:
    values = {
        "from": "7d",
        "to": "2026",
        "on": "today",
        "in": "query",
        "state": "failed",
        "has": "rows",
        "is": "unread",
    }
    values |= {
        "asked": "2026-10-03..2026-10-09",
        "is": "unread",
        "weekday": "mon",
        "hour": "23",
        "owner": "me",
        "topic": "orders",
        "ticket": "ABC-1",
    }
    assert values.keys() == set(FILTERS)
    asked = syntax.read("x " + " ".join(f"{name}:{value}" for name, value in values.items()))
    assert asked.odd == ()
    assert {row.name: row.value for row in asked.filters} == values


CONTROLS = {
    "owner": ("Ann Analyst", 'owner:"Ann Analyst"'),
    "since": ("7d", "from:7d"),
    "until": ("2026-10", "to:2026-10"),
    "day": ("yesterday", "on:yesterday"),
    "state": ("failed", "state:failed"),
    "topic": ("order items", 'topic:"order items"'),
    "has": ("chart", "has:chart"),
    "linked": ("ABC-123", "ticket:ABC-123"),
    "only": ("starred", "is:starred"),
    "place": ("query", "in:query"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_each_control_stands_for_a_filter_in_the_text(reads: Client, control: str) -> None:
    value, text = CONTROLS[control]
    name = text.partition(":")[0]
    assert FiltersForm({control: value}).text("walrus") == f"walrus {text}"
    # The control replaces the filter in the text, or removes it.
    assert FiltersForm({control: value}).text(f"{name}:other walrus is:unread") in (
        f"walrus is:unread {text}",
        f"walrus {text}",
    )
    assert FiltersForm({control: ""}).text(f"walrus {text}") == "walrus"
    # The page sets the control as the text says.
    answer = reads.get("/conversations/", {"q": "walrus", control: value})
    assert answer.status_code == 302
    page = reads.get(answer["Location"])
    assert page.status_code == 200
    assert f'name="{control}"' in page.content.decode()
    assert page.context["asked"].values(name) == [value]
    assert value in (*page.context["chosen"].values(), page.context["owner"])


def test_controls_cover_every_filter_that_is_named_to_readers() -> None:
    covered = {text.partition(":")[0] for _, text in CONTROLS.values()}
    assert set(FILTERS) - covered == {"asked", "hour", "weekday"}
    assert set(FiltersForm.base_fields) == set(CONTROLS)
