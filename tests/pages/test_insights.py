"""The insights: what they count, that every number is that of the list it opens, and that they tell nobody more."""

import re
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from pytest_django import Settings

from conversations import tasks
from conversations.models import Access, Job, Walk
from conversations.pages.insights_forms import BLOCKS
from conversations.search import finder, narrowing
from omniviewer.accounts.models import ApiToken, User
from omniviewer.audit.models import Event, Kind
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import work
from tests.conftest import (
    assert_accessible,
    credential_for,
    person,
    shown_ago,
    sign_in,
    signed_in,
    text_of,
)
from tests.search.test_search import found_by

# A Monday in the middle of a UTC day, so that it is Monday in Berlin too.
MONDAY = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MARCH = "/insights/?since=2026-03-01&until=2026-03-31"
# Session, user and credentials: 3; the list's state: 1; counts, and that of the period before: 5; queued work: 1;
# people and coverage: 3.
MAX_STATEMENTS = 13


class Tables(HTMLParser):
    """A parser of figures: rows by title; each row has its label, then (text, address) of each number."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[tuple[str, str]]]] = {}
        self._title = self._address = ""
        self._cell: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr" and self._title:
            self.found[self._title].append([])
        elif tag in ("td", "th", "caption"):
            self._cell, self._address = "", ""
        elif tag == "a" and self._cell is not None:
            self._address = dict(attrs)["href"] or ""

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell += data.replace("\N{NO-BREAK SPACE}", " ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self._title = (self._cell or "").strip()
            self.found[self._title] = []
        elif tag in ("td", "th") and self._title:
            self.found[self._title][-1].append(((self._cell or "").strip(), self._address))
        elif tag == "table":
            self._title = ""
        if tag in ("td", "th", "caption"):
            self._cell = None


def tables(client: Client, address: str) -> dict[str, list[list[tuple[str, str]]]]:
    return Tables(client.get(address).content.decode()).found


def numbers(client: Client, address: str, title: str) -> list[list[str]]:
    """Return a figure's table without its header."""
    return [[text for text, _ in row] for row in tables(client, address)[title][1:]]


def asked(client: Client, address: str) -> list[list[str]]:
    """Return the rows of the outcomes in which something was asked."""
    return [row for row in numbers(client, address, "Conversations by state") if row[1] not in ("0", "–")]


def listed(client: Client, address: str) -> list[str]:
    """Return the ids on all pages of the list at an address."""
    ids: list[str] = []
    while True:
        page = text_of(client.get(address))
        ids += re.findall(r'class="row-title" href="/conversations/([0-9a-f-]{36})/', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if not older:
            return ids
        address = "/conversations/" + unescape(older[1])


def ask(organization: Organization, owner: Member, *times: datetime, name: str = "", took: int = 20) -> InOmni:
    """Add a conversation with a question at each of these times, answered `took` seconds later."""
    made = organization.add_conversation(owner=owner, name=name or "Some", turns=[], started_at=times[0])
    for at in times:
        organization.ask(made, "How many?", "Five.", at=at, took=timedelta(seconds=took))
    return made


def read_all() -> None:
    tasks.nudge_sync()
    work()


@pytest.fixture(autouse=True)
def synced(settings: Settings) -> None:
    settings.SYNC = "all"


@pytest.fixture
def week(small: Organization, small_omni: StandIn, analyst: Member, ben: Member) -> list[InOmni]:
    """Return a Monday with three questions in two conversations, a Tuesday with one, a Thursday with none answered."""
    first = ask(small, analyst, MONDAY, MONDAY + HOUR, MONDAY + DAY, name="First", took=10)
    second = ask(small, ben, MONDAY + 2 * HOUR, name="Second", took=100)
    third = small.add_conversation(owner=ben, name="Third", turns=[("Is it?", None)], started_at=MONDAY + 3 * DAY)
    return [first, second, third]


@pytest.fixture
def lead(week: list[InOmni], small: Organization, small_omni: StandIn, colleague: User) -> Client:
    """Return a client that reads everybody's conversations, all of them synced."""
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    client.get("/conversations/")
    read_all()
    return client


def test_it_works(lead: Client) -> None:
    page = text_of(lead.get(MARCH))
    assert "5 questions in 3 conversations, 1 March 2026 to 31 March 2026, times in UTC" in page
    assert "all conversations included" in " ".join(page.split())
    assert tables(lead, MARCH)["Conversations by state"][0][1:] == [
        (name, "") for name in ("Questions", "Conversations", "Failed", "Unanswered", "Complete", "Unknown")
    ]
    assert asked(lead, MARCH) == [
        ["5 Mar", "1", "1", "0", "1", "0", "0"],
        ["3 Mar", "1", "1", "–", "0", "0", "1"],
        ["2 Mar", "3", "2", "–", "0", "0", "2"],
    ]
    assert numbers(lead, MARCH, "Time to answer") == [
        ["3 Mar", "10 s", "10 s", "1"],
        ["2 Mar", "10 s", "1 min 40 s", "3"],
    ]


@pytest.mark.both_dialects
def test_people_go_by_their_names(lead: Client, dialect: str) -> None:
    found = numbers(lead, MARCH, "People")
    # The other dialect does not tell the owner of a conversation.
    everybody = [["Ann Analyst", "1", "3"], ["Ben Buyer", "2", "2"]]
    assert found == (everybody if dialect == "reference" else [["Not provided by Omni", "3", "5"]])


def test_every_number_of_conversations_is_that_of_its_list(lead: Client) -> None:
    checked = 0
    for title, (head, *rows) in tables(lead, MARCH).items():
        for row in rows:
            for (column, _), (text, address) in zip(head[1:], row[1:], strict=True):
                if not address:
                    assert text in ("0", "–") or (title, row[0][0]) == ("People", "Not provided by Omni"), (title, row)
                    continue
                found = listed(lead, address)
                assert found, (title, row)
                if column in ("Conversations", "Unanswered", "Failed", "Complete", "Unknown"):
                    assert len(found) == int(text), (title, row[0], column)
                checked += 1
    assert checked >= 15


@pytest.mark.slow
def test_every_mark_opens_what_stands_in_the_table(lead: Client) -> None:
    page = lead.get(MARCH).content.decode()
    marks = re.findall(r'<a class="column" href="([^"]+)"><title>([^<]*)</title>', page)
    assert marks
    for address, said in marks:
        count = re.search(r" in (\d+) conversation", said)
        if count:
            assert len(listed(lead, unescape(address))) == int(count[1]), said
    texts = [said.replace("\N{NO-BREAK SPACE}", " ") for _, said in marks]
    assert "2 Mar: 3 questions in 2 conversations, 2 unknown" in texts
    assert "5 Mar: 1 question in 1 conversation, 1 unanswered" in texts
    # Days beside each other share a column where there is no room for more.
    assert "1 Mar – 3 Mar: 4 questions in 2 conversations, 2 unknown" in texts
    assert "3 Mar: median 10 s, 95th percentile 10 s, 1 answers" in texts


def test_the_busiest_hours_are_the_readers_own(lead: Client) -> None:
    head, *rows = tables(lead, MARCH)["Busiest hours"]
    monday = dict(zip([text for text, _ in head], rows[0], strict=True))
    assert [monday[hour][0] for hour in ("10", "11", "12", "13", "14")] == ["0", "1", "1", "1", "0"]
    assert len(listed(lead, monday["12"][1])) == 1
    lead.cookies["time_zone"] = "Asia%2FTokyo"
    head, *rows = tables(lead, MARCH)["Busiest hours"]
    assert [dict(zip([text for text, _ in head], rows[0], strict=True))[hour][0] for hour in ("20", "21", "22")] == [
        "1",
        "1",
        "1",
    ]


def test_topics_and_failures_are_those_that_are_known(
    lead: Client, week: list[InOmni], small_omni: StandIn, small: Organization
) -> None:
    small_omni._now = MONDAY + 4 * DAY
    for found, topic in zip(week, ("Order Items", "Order Items", "Orders"), strict=True):
        for job in found.jobs:
            job.topic = topic
    week[1].jobs[0].state, week[1].jobs[0].error = "FAILED", "No such field"
    page = text_of(lead.get(MARCH))
    assert "State known for 0 of 4 answers with a job." in page
    assert "Topics" not in tables(lead, MARCH)
    for found, place in ((week[0], 2), (week[1], 2)):
        lead.get(f"/conversations/{found.id}/messages/{place}/evidence/")
    page = text_of(lead.get(MARCH))
    assert "State known for 2 of 4 answers with a job." in page
    (_, [name, (count, address), failed, unanswered, (rate, _)]) = tables(lead, MARCH)["Topics"]
    assert (name[0], count, failed[0], unanswered[0], rate) == ("Order Items", "2", "1", "0", "50%")
    assert len(listed(lead, address)) == 2
    assert listed(lead, failed[1]) == [str(week[1].id)]
    assert found_by(lead, 'topic:"=order"') == []
    assert len(found_by(lead, "topic:order")) == 2
    [monday] = [row for row in tables(lead, MARCH)["Conversations by state"] if row[0][0] == "2 Mar"]
    assert [text for text, _ in monday] == ["2 Mar", "3", "2", "1", "0", "0", "1"]
    assert listed(lead, monday[3][1]) == [str(week[1].id)]
    assert listed(lead, monday[6][1]) == [str(week[0].id)]


def test_each_total_says_what_it_counts(
    lead: Client, week: list[InOmni], small_omni: StandIn, small: Organization, ben: Member
) -> None:
    small_omni._now = MONDAY + 4 * DAY
    small.add_conversation(owner=ben, name="Open", turns=[("Is it?", None)], started_at=MONDAY)
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    lead.get(f"/conversations/{week[0].id}/messages/2/evidence/")
    page = " ".join(text_of(lead.get(MARCH)).split())
    assert "0 of 1 conversations; 2 unanswered and 1 unknown left out" in page
    assert "of 4 answers with a known duration" in page
    assert "state known for 1 of 4 answers with a job" in page
    assert "State known for 1 of 4 answers with a job." in page
    [address] = re.findall(r'href="([^"]+)" title="Show those whose state is not known"', page)
    assert set(listed(lead, unescape(address))) == {str(week[0].id), str(week[1].id)}
    for found in week:
        for place in range(2, len(found.messages) + 1, 2):
            lead.get(f"/conversations/{found.id}/messages/{place}/evidence/")
    assert "Show those whose state is not known" not in text_of(lead.get(MARCH))


def test_an_open_question_behind_an_answer_is_told(lead: Client, week: list[InOmni], small: Organization) -> None:
    """The conversation counts as unanswered, and the failure rate counts it too."""
    page = " ".join(text_of(lead.get(MARCH)).split())
    assert 'tile-note">conversations that end with a question<' in page
    small.ask(week[0], "And now?", None, at=MONDAY + 2 * DAY)
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    lead.get(f"/conversations/{week[0].id}/messages/2/evidence/")
    page = " ".join(text_of(lead.get(MARCH)).split())
    assert 'tile-note">conversations that end with a question; 1 with an earlier answer<' in page


@pytest.mark.django_db(transaction=True)
def test_a_card_with_nothing_in_it_leaves_no_half_of_the_page_empty(page: Page, site: str, lead: Client) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, site, "colleague", at=f"{MARCH}&q=First")
    boxes = [page.locator(f"section:has(> * > #{name})").bounding_box() for name in ("questions", "slowest")]
    whole = page.locator(".rankings").bounding_box()
    assert whole
    assert [round(box["width"]) for box in boxes if box] == [round(whole["width"])] * 2


def test_the_days_of_a_named_period_stand_in_its_form(lead: Client) -> None:
    today = timezone.localdate()
    for name, days in (("7d", 6), ("30d", 29)):
        page = text_of(lead.get(f"/insights/?period={name}"))
        assert f'name="since" value="{today - timedelta(days=days)}"' in page
        assert f'name="until" value="{today}"' in page
        sent = f"/insights/?since={today - timedelta(days=days)}&until={today}&period={name}"
        assert f'<input type="hidden" name="period" value="{name}">' in text_of(lead.get(sent))
    changed = text_of(lead.get(f"/insights/?since={today}&until={today}&period=30d"))
    assert 'type="hidden" name="period"' not in changed
    assert 'name="since" value=""' in text_of(lead.get("/insights/?period=all"))


def test_an_answer_from_before_its_question_took_no_time(reads: Client, small: Organization, analyst: Member) -> None:
    """Clocks differ: such an answer is left out, instead of counting as negative time."""
    ask(small, analyst, MONDAY, took=30)
    ask(small, analyst, MONDAY, took=-300)
    reads.get("/conversations/")
    read_all()
    assert numbers(reads, MARCH, "Time to answer") == [["2 Mar", "30 s", "30 s", "1"]]


def test_an_answer_that_comes_later_is_counted(lead: Client, week: list[InOmni], small: Organization) -> None:
    assert [row[4] for row in asked(lead, MARCH)] == ["1", "0", "0"]
    assert len(numbers(lead, MARCH, "Time to answer")) == 2
    small.finish(week[2], "Yes.", at=MONDAY + 3 * DAY + timedelta(seconds=40))
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    assert [row[4] for row in asked(lead, MARCH)] == ["0", "0", "0"]
    assert numbers(lead, MARCH, "Time to answer")[0] == ["5 Mar", "40 s", "40 s", "1"]
    small.ask(week[0], "And now?", None, at=MONDAY + 4 * DAY)
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    # Each day counts the conversations that were asked something then, and are unanswered now.
    found = [[row[0], row[4]] for row in asked(lead, MARCH)]
    assert found == [["6 Mar", "1"], ["5 Mar", "0"], ["3 Mar", "1"], ["2 Mar", "1"]]


def test_a_long_time_in_which_nothing_was_asked_stays_as_it_is(lead: Client) -> None:
    page = text_of(lead.get("/insights/?since=2001&until=2019"))
    assert "0 questions in 0 conversations, 1 January 2001 to 31 December 2019" in page


def test_a_job_of_another_conversation_tells_nothing(lead: Client, week: list[InOmni], small_omni: StandIn) -> None:
    """An answer may name a job of another conversation: that gives no access to the job."""
    small_omni._now = MONDAY + 4 * DAY
    week[0].jobs[0].topic = "Secret plans"
    lead.get(f"/conversations/{week[0].id}/messages/2/evidence/")
    assert "Secret plans" in text_of(lead.get(MARCH))
    Job.objects.filter(topic="Secret plans").update(conversation_id=week[1].id)
    page = text_of(lead.get(MARCH))
    assert "Secret plans" not in page
    assert "State known for 0 of 4 answers with a job." in page


@pytest.mark.parametrize(
    ("address", "sum_"),
    [
        ("/insights/?since=2026-03-02&until=2026-03-02", "3 questions in 2 conversations, on 2 March 2026,"),
        ("/insights/?since=2026-03&until=2026-03-03", "4 questions in 2 conversations, 1 March 2026 to 3 March 2026,"),
        ("/insights/?period=all", "5 questions in 3 conversations, 2 March 2026 to"),
        ("/insights/?since=0001&until=9998", "5 questions in 3 conversations, 2 March 2026 to"),
        (f"{MARCH}&owner=nobody", "Nobody you can see is called “nobody”."),
    ],
)
def test_the_period_and_the_owner_are_filters(lead: Client, address: str, sum_: str) -> None:
    assert sum_ in text_of(lead.get(address))


def test_an_owner_goes_along_into_the_lists(lead: Client, week: list[InOmni], ben: Member) -> None:
    assert "2 questions in 2 conversations" in text_of(lead.get(f"{MARCH}&owner=ben"))
    activity = tables(lead, f"{MARCH}&owner=ben")["Conversations by state"]
    opened = [listed(lead, row[1][1]) for row in activity[1:] if row[1][1]]
    assert opened == [[str(week[2].id)], [str(week[1].id)]]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/insights/?period=fortnight", "“fortnight” is not a period. Showing the last 30 days."),
        ("/insights/?since=marsh", "“marsh” is not a date. Try 2026-10-03, 2026-10, "),
        (
            "/insights/?since=2026-03-09&until=2026-03-01",
            "“2026-03-09” is after “2026-03-01”. Showing the last 30 days.",
        ),
        ("/insights/?since=2026-03-09&until=x%00y", "“x y” is not a date. "),
    ],
)
def test_what_is_not_understood_is_said(lead: Client, address: str, said: str) -> None:
    answer = lead.get(address)
    assert answer.status_code == 200
    assert said in text_of(answer)


def test_a_credential_that_one_does_not_have_is_a_bad_address(lead: Client) -> None:
    assert lead.get("/insights/?credential=999").status_code == 400


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("period", "since", "until", "owner"), st.text(max_size=12) | st.from_regex(r"[0-9]{4}(-[0-9]{2}){0,2}")
        ),
    )
)
def test_no_address_is_an_error(reads: Client, values: dict[str, str]) -> None:
    assert reads.get("/insights/", values).status_code == 200


@pytest.mark.parametrize(
    ("days", "key", "rows"),
    [(31, "Day", 31), (32, "Week", 5), (217, "Week", 31), (218, "Month", 8), (950, "Month", 32), (951, "Year", 3)],
)
def test_long_times_are_told_by_longer_steps(
    reads: Client, small: Organization, analyst: Member, days: int, key: str, rows: int
) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days - 1)
    ask(small, analyst, first)
    ask(small, analyst, today - timedelta(days=days // 2))
    reads.get("/conversations/")
    read_all()
    head, *found = tables(reads, f"/insights/?since={first.date()}")["Conversations by state"]
    assert head[0][0] == key
    # One more week, month or year, if the first and the last are incomplete.
    assert rows <= len(found) <= rows + 1
    assert sum(int(row[1][0]) for row in found) == 2
    assert sum(len(listed(reads, row[1][1])) for row in found if row[1][1]) == 2


def test_nothing_asked_is_said(lead: Client) -> None:
    page = text_of(lead.get("/insights/?since=2025-01-01&until=2025-01-31"))
    assert "No questions from 1 January 2025 to 31 January 2025" in " ".join(page.split())
    assert "<svg" not in page


# Readers ----------------------------------------------------------------------------------------------------


def test_only_what_one_may_read_is_counted(
    lead: Client, week: list[InOmni], small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ann, other = person("ann"), person("other")
    credential_for(ann, small_omni, small.personal_token(analyst))
    credential_for(other, small_omni, small.personal_token(small.add_member("Nora New", "nora@small.example")))
    for reader in (ann, other):
        signed_in(reader).get("/conversations/")
    read_all()
    mine = text_of(signed_in(ann).get(MARCH))
    assert "3 questions in 1 conversation," in mine
    assert "Ben" not in mine
    nothing = text_of(signed_in(other).get(MARCH))
    assert "0 questions in 0 conversations" in nothing
    assert "No questions" in nothing
    for said in ("Ann", "Ben", "of 3", "3 conv"):
        assert said not in nothing


def test_what_ran_out_is_not_counted(lead: Client, small_omni: StandIn) -> None:
    small_omni.requests.clear()
    Access.objects.filter(conversation__name__in=("First", "Some")).update(confirmed_at=timezone.now() - 2 * DAY)
    page = text_of(lead.get(MARCH))
    assert "2 questions in 2 conversations" in page


def test_a_rejected_credential_counts_nothing(lead: Client) -> None:
    ApiToken.objects.update(rejected_at=timezone.now())
    answer = lead.get(MARCH)
    assert answer.status_code == 403
    assert "questions in" not in text_of(answer)


def test_it_is_there_while_omni_is_away(lead: Client, small_omni: StandIn) -> None:
    """While Omni is away, the page stays and shows a notice, as the list does."""
    small_omni.fail(Fault.status(503), path="")
    shown_ago(2 * DAY)
    Walk.objects.update(checked_at=timezone.now() - 2 * DAY)
    page = text_of(lead.get(MARCH))
    assert "5 questions in 3 conversations" in page
    assert "Not up to date." in page


def test_what_is_not_read_yet_is_said(
    week: list[InOmni], small: Organization, small_omni: StandIn, owner: User
) -> None:
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    client.get("/conversations/")
    page = text_of(client.get(MARCH))
    assert "from the 0 of 3 conversations synced so far" in " ".join(page.split())
    assert "No questions" in page


def test_more_of_them_take_no_more_queries(lead: Client, small: Organization, analyst: Member) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            lead.get(MARCH)
        # Without those that begin and end a transaction, which PostgreSQL takes besides.
        return sum(query["sql"].startswith("SELECT") for query in captured.captured_queries)

    lead.get(MARCH)
    before = queries()
    for number in range(30):
        ask(small, analyst, MONDAY + number * HOUR, name=f"No. {number}")
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    assert "35 questions in 33 conversations" in text_of(lead.get(MARCH))
    assert queries() == before
    assert before <= MAX_STATEMENTS


# Questions by their time, in the search ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("asked:2026-03-02", ["First", "Second"]),
        ("asked:2026-03-03", ["First"]),
        ("asked:2026-03-03..2026-03-05", ["Third", "First"]),
        ("-asked:2026-03-03", ["Third", "Second"]),
        # Both filters must fit the same question: Tuesday's was asked at 11.
        ("asked:2026-03-03 hour:12", []),
        ("asked:2026-03-03 hour:11", ["First"]),
        ("hour:12", ["First"]),
        ("hour:12 hour:13", ["First", "Second"]),
        ("weekday:thu", ["Third"]),
        ("weekday:mon -hour:13", ["First"]),
        ("asked:2026-03-02 state:unanswered", []),
    ],
)
def test_questions_are_found_by_their_time(
    lead: Client, typed: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Questions are found by their time with few or many conversations and questions: each case takes another query."""
    for few, most in ((finder.FEW_ROWS, narrowing._MAX_QUESTIONS), (0, narrowing._MAX_QUESTIONS), (0, 0)):
        monkeypatch.setattr(finder, "FEW_ROWS", few)
        monkeypatch.setattr(narrowing, "_MAX_QUESTIONS", most)
        page = text_of(lead.get("/conversations/", {"q": typed}))
        assert re.findall(r'class="row-title"[^>]*>([^<]+?)\s*<', page) == names


@pytest.mark.parametrize("typed", ["asked:2026-03-05..2026-03-01", "asked:2026-03-01..", "asked:..", "asked:a..b..c"])
def test_no_time_is_said(lead: Client, typed: str) -> None:
    page = text_of(lead.get("/conversations/", {"q": typed}))
    assert "is not a date, so “asked:” was ignored." in page


@pytest.mark.parametrize("typed", ["asked:0001", "asked:9999", "-asked:0001-01-01", "asked:0001..9999"])
def test_far_away_times_are_no_error(lead: Client, typed: str) -> None:
    lead.cookies["time_zone"] = "Pacific%2FKiritimati"
    assert lead.get("/conversations/", {"q": typed}).status_code == 200
    lead.cookies["time_zone"] = "America%2FLos_Angeles"
    assert lead.get("/conversations/", {"q": typed}).status_code == 200


# Search queries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "sum_"),
    [
        ("third", "1 question in 1 conversation,"),
        ("first owner:ben", "0 questions in 0 conversations,"),
        ("-second", "4 questions in 2 conversations,"),
        ("state:unanswered", "1 question in 1 conversation,"),
        ("-state:unanswered owner:ben", "1 question in 1 conversation,"),
        # Questions themselves have to match times: of three, one was asked at twelve.
        ("hour:12", "1 question in 1 conversation,"),
        ("hour:12 hour:13", "2 questions in 2 conversations,"),
        ("weekday:mon first", "2 questions in 1 conversation,"),
        ("-hour:12", "2 questions in 2 conversations,"),
        ("has:chart", "0 questions in 0 conversations,"),
        ("???", "0 questions in 0 conversations,"),
        # Nothing is called so, but something begins so.
        ("thir", "1 question in 1 conversation,"),
    ],
)
def test_a_query_narrows_what_is_counted(lead: Client, typed: str, sum_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for few in (finder.FEW_ROWS, 0):
        monkeypatch.setattr(finder, "FEW_ROWS", few)
        monkeypatch.setattr("conversations.archive.insights_scope.FEW_ROWS", few)
        assert sum_ in text_of(lead.get(f"{MARCH}&q={quote(typed)}")), few


@pytest.mark.parametrize(
    "typed",
    [
        "first",
        "owner:ben",
        "owner:ann owner:ben",
        "state:unanswered",
        "state:unanswered state:answered",
        "state:answered -second",
        "hour:12 hour:11",
        "-hour:12",
        "asked:2026-03",
        "thir",
    ],
)
def test_numbers_are_those_of_their_lists_within_a_query(lead: Client, typed: str) -> None:
    """Filters of a cell take the place of the query's own of the same name, where both would widen the list."""
    checked = 0
    for title, (head, *rows) in tables(lead, f"{MARCH}&q={quote(typed)}").items():
        for row in rows:
            for (column, _), (text, address) in zip(head[1:], row[1:], strict=True):
                if address and column in ("Conversations", "Unanswered", "Failed", "Complete", "Unknown"):
                    assert len(listed(lead, address)) == int(text), (title, row, column)
                    checked += 1
                if address and title == "Busiest hours":
                    assert listed(lead, address), (row, column)
    assert checked


def test_a_cell_is_narrower_than_the_query(lead: Client, week: list[InOmni]) -> None:
    head, monday, *_ = tables(lead, f"{MARCH}&q=hour:12+hour:13")["Busiest hours"]
    opened = {hour[0]: listed(lead, cell[1]) for hour, cell in zip(head, monday, strict=True) if cell[1]}
    assert opened == {"12": [str(week[0].id)], "13": [str(week[1].id)]}


def test_one_in_several_states_counts_once(
    lead: Client, week: list[InOmni], small: Organization, small_omni: StandIn, ben: Member
) -> None:
    small_omni._now = MONDAY + 4 * DAY
    week[1].jobs[0].state = "FAILED"
    small.ask(week[1], "Again?", None, at=MONDAY + 3 * HOUR)
    opened = small.add_conversation(owner=ben, name="Open", turns=[("Is it?", None)], started_at=MONDAY)
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    lead.get(f"/conversations/{week[1].id}/messages/2/evidence/")
    read_all()
    assert len(found_by(lead, "state:unanswered")) == 3
    [monday] = [row for row in tables(lead, MARCH)["Conversations by state"] if row[0][0] == "2 Mar"]
    assert [text for text, _ in monday] == ["2 Mar", "5", "3", "1", "1", "0", "1"]
    assert listed(lead, monday[3][1]) == [str(week[1].id)]
    assert listed(lead, monday[4][1]) == [str(opened.id)]
    assert listed(lead, monday[6][1]) == [str(week[0].id)]


def test_a_state_that_no_list_can_tell_has_no_link(lead: Client) -> None:
    """A search takes one of several states: both at once, no query asks for."""
    [thursday] = [
        row for row in tables(lead, f"{MARCH}&q=state:answered")["Conversations by state"] if row[0][0] == "3 Mar"
    ]
    # The list would be that of another query.
    assert (thursday[6][0], bool(thursday[6][1])) == ("1", True)
    assert asked(lead, f"{MARCH}&q=state:unanswered") == [["5 Mar", "1", "1", "0", "1", "0", "0"]]


def test_asked_is_the_period(lead: Client) -> None:
    page = text_of(lead.get("/insights/", {"q": "asked:2026-03-02 owner:ann", "period": "7d"}))
    assert "2 questions in 1 conversation, on 2 March 2026," in page
    assert 'name="since" value="2026-03-02"' in page
    page = text_of(lead.get("/insights/", {"q": "asked:2026-03-02 asked:2026-03-05"}))
    assert "Insights use one “asked:”: the others were left out." in page


def test_more_matches_than_are_counted_are_said(lead: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.archive.insights_scope.MAX_MATCHES", 1)
    monkeypatch.setattr(finder, "FEW_ROWS", 0)
    monkeypatch.setattr(finder, "_FEW_OF_MANY_ROWS", 0)
    page = text_of(lead.get(f"{MARCH}&q=many"))
    assert "More than 1 conversations match: the newest 1 are counted." in page


# The period before ------------------------------------------------------------------------------------------


def changes(client: Client, address: str) -> list[str]:
    found = re.findall(r'<dd class="tile-change[^>]*>(.*?)</dd>', text_of(client.get(address)))
    return [re.sub(r"<[^>]+>", "", text).replace("\N{NO-BREAK SPACE}", " ").strip() for text in found]


def test_a_period_is_compared_with_the_one_before(lead: Client) -> None:
    """Compare Thursday to Saturday with Monday to Wednesday: as many days, up to the period's beginning."""
    found = changes(lead, "/insights/?since=2026-03-05&until=2026-03-07")
    assert found == [
        "▼down 3 fewer, from 4",
        "▼down 1 fewer, from 2",
        "nothing to compare",
        "▲up 1 more, from 0",
        "nothing to compare",
        "nothing to compare",
        "nothing to compare",
    ]
    page = text_of(lead.get("/insights/?since=2026-03-05&until=2026-03-07"))
    assert "Compared with 2 Mar 2026 – 4 Mar 2026." in page
    assert changes(lead, "/insights/?since=2026-03-03&until=2026-03-03")[4:6] == [
        "no change",
        "▼down 1 min 30 s, from 1 min 40 s",
    ]


def test_nothing_to_compare_with_is_said(lead: Client) -> None:
    assert "Nothing to compare with: no questions in the days before." in text_of(lead.get(MARCH))
    assert "Nothing to compare with: there is no earlier period of this length." in text_of(
        lead.get("/insights/?period=all")
    )
    assert changes(lead, MARCH) == changes(lead, "/insights/?period=all") == []


def test_the_period_before_holds_only_what_one_may_read(
    lead: Client, week: list[InOmni], small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    ann = person("ann")
    credential_for(ann, small_omni, small.personal_token(analyst))
    client = signed_in(ann)
    client.get("/conversations/")
    read_all()
    assert changes(client, "/insights/?since=2026-03-03&until=2026-03-03")[0] == "▼down 1 fewer, from 2"
    assert changes(lead, "/insights/?since=2026-03-03&until=2026-03-03")[0] == "▼down 2 fewer, from 3"


# Single questions -------------------------------------------------------------------------------------------

QUESTIONS = "/insights/questions/?since=2026-03-01&until=2026-03-31"


def test_questions_are_ranked(lead: Client, week: list[InOmni]) -> None:
    found = tables(lead, QUESTIONS)
    [how_many] = found["Questions asked most"][1:]
    # Asked twice more, after another question: a follow-up is not counted.
    assert [text for text, _ in how_many] == ["How many?", "2", "2"]
    assert sorted(listed(lead, how_many[1][1])) == sorted(str(made.id) for made in week[:2])
    slowest = found["Slowest answers"][1:]
    assert [text for _, (text, _) in slowest] == ["1 min 40 s", "10 s", "10 s", "10 s"]
    assert slowest[0][0][0].split() == ["How", "many?", "Ben", "Buyer,", "2", "Mar"]
    assert slowest[0][0][1] == f"/conversations/{week[1].id}/messages/2/"
    assert lead.get(slowest[0][0][1]).status_code == 200


def test_wordings_are_compared_as_people_do(lead: Client, small: Organization, analyst: Member) -> None:
    for text in ("how MANY", " How  many?", "How many are there?", "x" * 600, "x" * 600):
        made = small.add_conversation(owner=analyst, name="More", turns=[], started_at=MONDAY)
        small.ask(made, text, "Five.", at=MONDAY, took=timedelta(seconds=5))
        small.ask(made, "And by month?", "Six.", at=MONDAY, took=timedelta(seconds=5))
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    assert [row[:2] for row in numbers(lead, QUESTIONS, "Questions asked most")] == [["How many?", "4"]]


def test_questions_follow_the_query_and_the_rights(
    lead: Client, week: list[InOmni], small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    assert len(numbers(lead, f"{QUESTIONS}&q=second", "Slowest answers")) == 1
    assert len(numbers(lead, f"{QUESTIONS}&q=hour:11", "Slowest answers")) == 2
    assert "None in this period." in text_of(lead.get(f"{QUESTIONS}&q=third"))
    made = small.add_conversation(owner=analyst, name="Again", turns=[], started_at=MONDAY)
    small.ask(made, "How many?", "Five.", at=MONDAY, took=timedelta(seconds=5))
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    ann = person("ann")
    credential_for(ann, small_omni, small.personal_token(analyst))
    client = signed_in(ann)
    client.get("/conversations/")
    read_all()
    [how_many] = numbers(lead, QUESTIONS, "Questions asked most")
    assert how_many[1] == "3"
    [how_many] = numbers(client, QUESTIONS, "Questions asked most")
    assert how_many[1] == "2"
    assert len(numbers(client, QUESTIONS, "Slowest answers")) == 4
    assert "Ben" not in text_of(client.get(QUESTIONS))
    shown_ago(2 * DAY)
    small_omni.fail(Fault.status(403), path="")
    assert "How many?" not in text_of(client.get(QUESTIONS))


def test_the_page_asks_for_them_by_itself_and_works_without(lead: Client) -> None:
    page = lead.get(MARCH).content.decode()
    address = unescape(re.findall(r'class="rankings" hx-get="([^"]+)"', page)[0])
    assert f'href="{escape(address)}">Show the slowest answers' in page
    whole, part = text_of(lead.get(address)), text_of(lead.get(address, headers={"HX-Request": "true"}))
    assert "<h1>Questions</h1>" in whole
    assert part.startswith("<section")
    assert part.strip() in whole


# Files ------------------------------------------------------------------------------------------------------


def lines(client: Client, block: str, more: str = "") -> list[str]:
    answer = client.get(f"{MARCH.replace('?', 'csv/?')}&block={block}{more}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    sent: bytes = answer.getvalue()
    return sent.decode().removeprefix("\ufeff").splitlines()


def test_each_block_is_a_file(lead: Client) -> None:
    assert lines(lead, "summary")[:3] == [
        "Measure,This period,Period before",
        "Questions,5,0",
        "People,2,0",
    ]
    assert '"2026-03-02",3,2,,0,0,2' in lines(lead, "outcomes")
    assert '"2026-03-02",10,100,3' in lines(lead, "time")
    assert lines(lead, "people") == ["Asked by,Conversations,Questions", "Ann Analyst,1,3", "Ben Buyer,2,2"]
    assert lines(lead, "questions") == ["Question,Times,People", '"How many?",2,2']
    assert lines(lead, "slowest")[:2] == [
        "Question,Took,Asked by,Asked at",
        '"How many?",100,Ben Buyer,"2026-03-02T13:00:00Z"',
    ]
    assert lines(lead, "hours")[1].startswith("Monday,0,0,0,0,0,0,0,0,0,0,0,1,1,1,0")
    assert lines(lead, "topics") == ["Topic,Conversations,Failed,Unanswered,Failure rate"]
    assert lines(lead, "people", "&q=second") == ["Asked by,Conversations,Questions", "Ben Buyer,1,1"]


def test_every_block_has_its_link_to_a_file(lead: Client) -> None:
    page = lead.get(MARCH).content.decode() + lead.get(QUESTIONS).content.decode()
    named = set(re.findall(r"/insights/csv/\?[^\"]*block=(\w+)", unescape(page)))
    assert named == set(BLOCKS) - {"topics"}
    assert lead.get("/insights/csv/?block=nonsense").status_code == 404
    assert Event.objects.filter(kind=Kind.EXPORTED).count() == 0
    lines(lead, "people")
    assert Event.objects.filter(kind=Kind.EXPORTED).count() == 1


# In the browser ---------------------------------------------------------------------------------------------

# Contrast below WCAG's minimum in the charts: 4.5 to 1 for text, 3 to 1 for marks.
_FAINT = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const luminance = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrast = (one, other) => {
        const [less, more] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (more + 0.05) / (less + 0.05);
    };
    const charts = [...document.querySelectorAll(".columns, .sparkline")].filter(chart => chart.checkVisibility());
    if (!charts.length) return ["no chart"];
    return charts.flatMap(chart => {
        const paper = getComputedStyle(chart.closest(".card")).backgroundColor;
        const texts = [...chart.querySelectorAll("text")].filter(text => text.textContent.trim());
        const marks = [...chart.querySelectorAll(".part, path")];
        const colours = one => [getComputedStyle(one).fill, getComputedStyle(one).stroke].filter(one => one !== "none");
        const best = one => Math.max(...colours(one).map(colour => contrast(colour, paper)));
        const faint = (found, least) => found.filter(one => best(one) < least);
        return [...faint(texts, 4.5), ...faint(marks, 3)].map(one => one.outerHTML);
    });
}"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_mark_is_clicked(lead: Client, page: Page, site: str, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    sign_in(page, site, "colleague", at="/sign-in/?next=/insights/")
    page.goto(site + MARCH)
    expect(page.get_by_role("heading", name="Insights")).to_be_visible()
    assert_accessible(page, f"insights {width} {scheme}")
    assert page.evaluate(_FAINT) == []
    page.get_by_text("Show Conversations by state as a table").click()
    expect(page.get_by_role("region", name="Conversations by state, as a table")).to_be_visible()
    mark = page.locator(f"svg:visible a[aria-label^='{'2 Mar' if width > 1000 else '1 Mar'}']").first
    mark.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("questions in 2 conversations")
    mark.click()
    expect(page).to_have_url(re.compile("asked(%3A|:)2026-03-0[12]"))
    expect(page.locator(".row-title")).to_have_text(["First", "Second"])
    page.go_back()
    expect(page.get_by_role("heading", name="Insights")).to_be_visible()


def test_the_periods_are_named_as_people_name_them(lead: Client) -> None:
    page = text_of(lead.get("/insights/?period=1y"))
    assert '<a href="/insights/?period=1y" aria-current="true">Last 12 months</a>' in page
    assert '<a href="/insights/?period=7d">Last 7 days</a>' in page
    assert "the last a year" not in page
    assert "“2y” is not a period. Showing the last 30 days." in text_of(lead.get("/insights/?period=2y"))


def test_what_was_read_by_hand_counts_as_read(
    week: list[InOmni], small: Organization, small_omni: StandIn, owner: User
) -> None:
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    client.get("/conversations/")
    client.get(f"/conversations/{week[0].id}/")
    Walk.objects.update(read=0, listed=3, counted_at=timezone.now())
    page = text_of(client.get(MARCH))
    assert "3 questions in 1 conversation" in page
    assert "from the 1 of 3 conversations synced so far" in " ".join(page.split())
    # A day with no known questions shows no zero: there may be questions in conversations not read yet.
    counted = numbers(client, MARCH, "Conversations by state")
    assert [row[:3] for row in counted if row[1] != "–"] == [["3 Mar", "1", "1"], ["2 Mar", "2", "1"]]
    assert "Gaps have no questions, or are not synced yet." in page


def test_no_failure_is_no_zero_where_no_outcome_is_known(lead: Client, week: list[InOmni], small_omni: StandIn) -> None:
    small_omni._now = MONDAY + 4 * DAY
    week[1].jobs[0].state = "FAILED"
    # Days with nothing but answers of unknown outcome say of failures that they are not known.
    assert [(row[0], row[3], row[4]) for row in asked(lead, MARCH)] == [
        ("5 Mar", "0", "1"),
        ("3 Mar", "–", "0"),
        ("2 Mar", "–", "0"),
    ]
    lead.get(f"/conversations/{week[1].id}/messages/2/evidence/")
    assert [(row[0], row[3]) for row in asked(lead, MARCH)] == [("5 Mar", "0"), ("3 Mar", "–"), ("2 Mar", "1")]
    assert "1 failed" in lead.get(MARCH).content.decode()


def test_a_doubtful_date_is_told_as_the_list_tells_it(reads: Client) -> None:
    for since, until, sentences in (
        ("02/03/2026", "2026-03-31", ["“02/03/2026” was read as 3 February 2026."]),
        ("2026-01-01", "5-6-2026", ["“5-6-2026” was read as 5 June 2026."]),
        ("02/03/2026", "05/06/2026", ["“02/03/2026” was read as", "“05/06/2026” was read as 6 May 2026."]),
        ("13/03/2026", "2026-03-31", []),
        ("02/03/2026", "nonsense", []),
    ):
        said = text_of(reads.get("/insights/", {"since": since, "until": until}))
        assert said.count("was read as") == len(sentences), (since, until)
        assert all(sentence in said for sentence in sentences)
    assert "Between slashes the month comes first; 2026-02-03 is unambiguous." in text_of(
        reads.get("/insights/?since=02/03/2026")
    )
