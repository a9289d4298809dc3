"""What is typed into the search box, as it is understood: dates, filters, their controls; what is said of the rest."""

from datetime import UTC, date, datetime

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conversations import terms
from conversations.forms import FiltersForm
from conversations.terms import FILTERS, MOST_TERMS

TODAY = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"
    monkeypatch.setattr(timezone, "now", lambda: TODAY)


def test_it_works() -> None:
    asked = terms.read('returns "order items" -draft rev* state:failed -owner:ann')
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
    assert terms.days(value) == (first, end)
    asked = terms.read(f"on:{value}")
    assert (asked.since, asked.until) == (
        datetime(first.year, first.month, first.day, tzinfo=UTC),
        datetime(end.year, end.month, end.day, tzinfo=UTC),
    )
    assert terms.read(f"from:{value}").since == asked.since
    assert terms.read(f"from:{value}").until is None
    assert terms.read(f"to:{value}").until == asked.until
    assert terms.read(f"to:{value}").since is None


@pytest.mark.parametrize(
    "value", ["soon", "2026-13", "2026-02-30", "2026-Q5", "0", "d", "-7d", "7 d", "٧d", "99999d", "1.5m"]
)
def test_no_date_is_said(value: str) -> None:
    assert terms.days(value) is None
    asked = terms.read(f'from:"{value}"')
    assert not asked.filters
    assert asked.odd[0].startswith("“from:” takes a day (2026-10-03)")


def test_several_dates_bound_each_other() -> None:
    asked = terms.read("from:2026-01 to:2026-02 from:2026-01-15")
    assert asked.since == datetime(2026, 1, 15, tzinfo=UTC)
    assert asked.until == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("foo:bar", "“foo:” is no filter here: it was searched for as a word."),
        ("state:broken", "“state:” takes failed, cancelled, running, unanswered or answered; “broken” was left out."),
        ("has:", "“has:” needs a value behind it, without a blank: it was left out."),
        ("-from:7d x", "“-from:” cannot be turned around: it was left out."),
        ("in:question", "“in:” says where words are looked for, and there is no word."),
        ('x "open', "A quotation mark is not closed: all that follows it was taken as one phrase."),
        ("a*b", "A * stands for the rest of a word, at its end: elsewhere it was left out."),
        ("a OR b", "OR was searched for as a word: all words are looked for, - leaves one out."),
        ("(( x", "“((” holds nothing that can be searched for."),
        ("x " * 600, "Only the first 1,000 characters are searched for."),
        ("x " * (MOST_TERMS + 1), f"Only the first {MOST_TERMS} words and filters are searched for."),
    ],
)
def test_what_is_not_understood_is_said(typed: str, said: str) -> None:
    assert said in terms.read(typed).odd


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
    asked = terms.read("x " + " ".join(f"{name}:{value}" for name, value in values.items()))
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
    # In the place of what stood there before; and none takes it away.
    assert FiltersForm({control: value}).text(f"{name}:other walrus is:unread") in (
        f"walrus is:unread {text}",
        f"walrus {text}",
    )
    assert FiltersForm({control: ""}).text(f"walrus {text}") == "walrus"
    # The page shows the control as the text has it.
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
