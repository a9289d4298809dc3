"""The insights: what they count, that every number is that of the list it opens, and that they tell nobody more."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

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
from conversations.search import finder, narrowing
from omniviewer.accounts.models import ApiToken, User
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
# Session, user and credentials: 3; the list's state: 1; counts: 4; queued work: 1; people and coverage: 3.
MAX_STATEMENTS = 12


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
    assert "every conversation is read" in page
    assert [row for row in numbers(lead, MARCH, "Conversations and questions") if row[2] != "0"] == [
        ["5 Mar", "1", "1"],
        ["3 Mar", "1", "1"],
        ["2 Mar", "2", "3"],
    ]
    assert numbers(lead, MARCH, "Time to answer") == [
        ["3 Mar", "10 s", "10 s", "1"],
        ["2 Mar", "10 s", "1 min 40 s", "3"],
    ]
    assert numbers(lead, MARCH, "Failed and unanswered") == [["5 Mar", "1", "0"]]


@pytest.mark.both_dialects
def test_people_go_by_their_names(lead: Client, dialect: str) -> None:
    found = numbers(lead, MARCH, "People")
    # The other dialect does not tell the owner of a conversation.
    everybody = [["Ann Analyst", "1", "3"], ["Ben Buyer", "2", "2"]]
    assert found == (everybody if dialect == "reference" else [["Not told by Omni", "3", "5"]])


def test_every_number_of_conversations_is_that_of_its_list(lead: Client) -> None:
    checked = 0
    for title, (head, *rows) in tables(lead, MARCH).items():
        for row in rows:
            for (column, _), (text, address) in zip(head[1:], row[1:], strict=True):
                if not address:
                    assert text == "0" or (title, row[0][0]) == ("People", "Not told by Omni"), (title, row)
                    continue
                found = listed(lead, address)
                assert found, (title, row)
                if column in ("Conversations", "Unanswered", "Failed", "Cancelled", "Running"):
                    assert len(found) == int(text), (title, row[0], column)
                checked += 1
    assert checked >= 15


@pytest.mark.slow
def test_every_mark_opens_what_stands_in_the_table(lead: Client) -> None:
    page = lead.get(MARCH).content.decode()
    marks = re.findall(r'<a href="([^"]+)" tabindex="-1"><title>([^<]*)</title>', page)
    assert marks
    for address, said in marks:
        _, count, measure = re.fullmatch(r"(.+): ([\d.]+)(?: sec)? (.+)", said).groups()  # type: ignore[union-attr]
        if measure in ("conversations", "unanswered", "failed"):
            assert len(listed(lead, unescape(address))) == int(count), said
    assert any(said == "2 Mar: 3 questions" for _, said in marks)
    assert any(said == "5 Mar: 1 unanswered" for _, said in marks)


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
    assert "Known for 0 of 4 answers" in page
    assert "Topics" not in tables(lead, MARCH)
    for found, place in ((week[0], 2), (week[1], 2)):
        lead.get(f"/conversations/{found.id}/messages/{place}/evidence/")
    page = text_of(lead.get(MARCH))
    assert "Known for 2 of 4 answers: those whose evidence was captured." in page
    (_, [name, (count, address)]) = tables(lead, MARCH)["Topics"]
    assert (name[0], count) == ("Order Items", "2")
    assert len(listed(lead, address)) == 2
    assert found_by(lead, 'topic:"=order"') == []
    assert len(found_by(lead, "topic:order")) == 2
    trouble = tables(lead, MARCH)["Failed and unanswered"]
    assert [text for text, _ in trouble[2]] == ["2 Mar", "0", "1"]
    assert listed(lead, trouble[2][2][1]) == [str(week[1].id)]


def test_an_answer_from_before_its_question_took_no_time(reads: Client, small: Organization, analyst: Member) -> None:
    """Clocks differ: such an answer is left out, instead of counting as negative time."""
    ask(small, analyst, MONDAY, took=30)
    ask(small, analyst, MONDAY, took=-300)
    reads.get("/conversations/")
    read_all()
    assert numbers(reads, MARCH, "Time to answer") == [["2 Mar", "30 s", "30 s", "1"]]


def test_an_answer_that_comes_later_is_counted(lead: Client, week: list[InOmni], small: Organization) -> None:
    assert numbers(lead, MARCH, "Failed and unanswered") == [["5 Mar", "1", "0"]]
    assert len(numbers(lead, MARCH, "Time to answer")) == 2
    small.finish(week[2], "Yes.", at=MONDAY + 3 * DAY + timedelta(seconds=40))
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    assert "Failed and unanswered" not in tables(lead, MARCH)
    assert numbers(lead, MARCH, "Time to answer")[0] == ["5 Mar", "40 s", "40 s", "1"]
    small.ask(week[0], "And now?", None, at=MONDAY + 4 * DAY)
    Walk.objects.update(checked_at=timezone.now() - DAY / 2, not_before=timezone.now())
    read_all()
    # Each day counts the conversations that were asked something then, and are unanswered now.
    found = [row[:2] for row in numbers(lead, MARCH, "Failed and unanswered")]
    assert found == [["6 Mar", "1"], ["3 Mar", "1"], ["2 Mar", "1"]]


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
    assert "Known for 0 of 4 answers" in page


@pytest.mark.parametrize(
    ("address", "sum_"),
    [
        ("/insights/?since=2026-03-02&until=2026-03-02", "3 questions in 2 conversations, on 2 March 2026,"),
        ("/insights/?since=2026-03&until=2026-03-03", "4 questions in 2 conversations, 1 March 2026 to 3 March 2026,"),
        ("/insights/?period=all", "5 questions in 3 conversations, 2 March 2026 to"),
        ("/insights/?since=0001&until=9998", "5 questions in 3 conversations, 2 March 2026 to"),
        (f"{MARCH}&owner=nobody", "Nobody that Omni shows you is called “nobody”."),
    ],
)
def test_the_period_and_the_owner_are_filters(lead: Client, address: str, sum_: str) -> None:
    assert sum_ in text_of(lead.get(address))


def test_an_owner_goes_along_into_the_lists(lead: Client, week: list[InOmni], ben: Member) -> None:
    assert "2 questions in 2 conversations" in text_of(lead.get(f"{MARCH}&owner=ben"))
    activity = tables(lead, f"{MARCH}&owner=ben")["Conversations and questions"]
    opened = [listed(lead, row[1][1]) for row in activity[1:] if row[1][1]]
    assert opened == [[str(week[2].id)], [str(week[1].id)]]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/insights/?period=fortnight", "“fortnight” is no period: the last 30 days are shown."),
        ("/insights/?since=marsh", "From “marsh” to “” is no time: each takes a day (2026-10-03)"),
        ("/insights/?since=2026-03-09&until=2026-03-01", "From “2026-03-09” to “2026-03-01” is no time"),
        ("/insights/?since=2026-03-09&until=x%00y", "is no time"),
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
    [(62, "Day", 62), (63, "Week", 10), (400, "Week", 58), (401, "Month", 14), (4000, "Year", 12)],
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
    head, *found = tables(reads, f"/insights/?since={first.date()}")["Conversations and questions"]
    assert head[0][0] == key
    # One more week, month or year, if the first and the last are incomplete.
    assert rows <= len(found) <= rows + 1
    assert sum(int(row[2][0]) for row in found) == 2
    assert sum(len(listed(reads, row[1][1])) for row in found if row[1][1]) == 2


def test_nothing_asked_is_said(lead: Client) -> None:
    page = text_of(lead.get("/insights/?since=2025-01-01&until=2025-01-31"))
    assert "Nothing was asked in this time" in page
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
    assert "Nothing was asked in this time" in nothing
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
    assert "out of 0 of 3 conversations: the rest is not read yet" in page
    assert "Nothing was asked in this time" in page


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
    assert "“asked:” takes a day (2026-10-03)" in page


@pytest.mark.parametrize("typed", ["asked:0001", "asked:9999", "-asked:0001-01-01", "asked:0001..9999"])
def test_far_away_times_are_no_error(lead: Client, typed: str) -> None:
    lead.cookies["time_zone"] = "Pacific%2FKiritimati"
    assert lead.get("/conversations/", {"q": typed}).status_code == 200
    lead.cookies["time_zone"] = "America%2FLos_Angeles"
    assert lead.get("/conversations/", {"q": typed}).status_code == 200


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
    const charts = [...document.querySelectorAll("svg.pygal-chart")].filter(chart => chart.checkVisibility());
    if (!charts.length) return ["no chart"];
    return charts.flatMap(chart => {
        const paper = getComputedStyle(chart.querySelector(".background")).fill;
        const texts = [...chart.querySelectorAll("text")].filter(text => text.textContent.trim());
        const marks = [...chart.querySelectorAll(".series .dot, .series rect")];
        const faint = (found, least) => found.filter(one => contrast(getComputedStyle(one).fill, paper) < least);
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
    page.get_by_text("The numbers of Conversations and questions").click()
    expect(page.get_by_role("region", name="Conversations and questions, as a table")).to_be_visible()
    mark = page.locator("svg:visible a", has_text="2 Mar: 3 questions").first
    mark.locator("circle").click()
    expect(page).to_have_url(re.compile("asked%3A2026-03-02|asked:2026-03-02"))
    expect(page.locator(".row-title")).to_have_text(["First", "Second"])
    page.go_back()
    expect(page.get_by_role("heading", name="Insights")).to_be_visible()


def test_the_periods_are_named_as_people_name_them(lead: Client) -> None:
    page = text_of(lead.get("/insights/?period=1y"))
    assert '<option value="1y" selected>Last 12 months</option>' in page
    assert '<option value="7d">Last 7 days</option>' in page
    assert "the last a year" not in page
    assert "“2y” is no period: the last 30 days are shown." in text_of(lead.get("/insights/?period=2y"))


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
    assert "out of 1 of 3 conversations" in page
    # A day with no known questions shows no zero: there may be questions in conversations not read yet.
    counted = numbers(client, MARCH, "Conversations and questions")
    assert [row for row in counted if row[1] != "–"] == [["3 Mar", "1", "1"], ["2 Mar", "1", "2"]]
    assert "Where nothing is drawn, nothing is known yet." in page


def test_no_failure_is_no_zero_where_no_outcome_is_known(lead: Client, week: list[InOmni], small_omni: StandIn) -> None:
    small_omni._now = MONDAY + 4 * DAY
    week[1].jobs[0].state = "FAILED"
    trouble = numbers(lead, MARCH, "Failed and unanswered")
    assert trouble == [["5 Mar", "1", "0"]]
    page = lead.get(MARCH).content.decode()
    drawn = page[page.index('id="trouble"') : page.index('id="hours"')]
    # Days with nothing but answers of unknown outcome have no point for failures.
    assert ">2 Mar: 0 failed" not in drawn
    assert ">2 Mar: 0 unanswered" in drawn
    assert ">5 Mar: 0 failed" in drawn
    lead.get(f"/conversations/{week[1].id}/messages/2/evidence/")
    page = lead.get(MARCH).content.decode()
    assert ">2 Mar: 1 failed" in page
    assert ">3 Mar: 0 failed" not in page


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
