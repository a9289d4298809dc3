"""Fifteen tasks of an analyst, each in three actions at most besides typing.

An action is a click, a tap, a scroll or a key that is no typed text. Where nothing else is said, they are done as by
somebody who knows neither keys nor filters by name. All of them are done in one browser, one after the other.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from conversations.models import Star
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import credential_for, sign_in, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
MOST_ACTIONS = 3
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# In the middle of a month in which nothing else was asked.
LONG_AGO = (datetime.now(UTC) - timedelta(days=150)).replace(day=15, hour=12)
WIDE = f"| {' | '.join(f'Column {n}' for n in range(14))} |\n|{'---|' * 14}\n| {' | '.join(['1,234'] * 14)} |"


class Hands:
    """A browser's page, and how often something was done to it besides typing."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site, self.actions = page, site, 0

    def open(self, path: str = "/conversations/") -> None:
        """Begin at this page, which is no action of the task."""
        self.page.goto(f"{self.site}{path}")
        self.page.wait_for_load_state()
        self.actions = 0

    def click(self, what: Locator, *, with_shift: bool = False) -> None:
        """Click on something, after a scroll where it is not in sight."""
        expect(what).to_be_visible()
        try:
            expect(what).to_be_in_viewport(timeout=1000)
        except AssertionError:
            self.actions += 1
        what.click(modifiers=["Shift"] if with_shift else [])
        self.actions += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.actions += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def search(self, text: str) -> None:
        """Search with the keyboard: one key to the box, and one behind the text."""
        self.press("/")
        self.type(text)
        self.press("Enter")

    def facet(self, name: str) -> Locator:
        text = self.page.locator(".facet-text").get_by_text(name, exact=True)
        return self.page.locator(".facet a").filter(has=text)


@pytest.fixture
def library(small: Organization, small_omni: StandIn, owner: User, analyst: Member, ben: Member) -> dict[str, InOmni]:
    """Return conversations of two people by name, read and captured for a reader of all."""
    now = datetime.now(UTC)
    made = {
        "failed": answered(small, analyst, ages=[2 * DAY], state="FAILED", error="A field is missing."),
        "failed long ago": answered(small, analyst, ages=[40 * DAY], state="FAILED", error="A field is missing."),
        "evidence": answered(small, ben, ages=[3 * HOUR]),
    }
    made["wide"] = small.add_conversation(owner=ben, name="Wide table", turns=[])
    small.ask(made["wide"], "All columns?", f"Here.\n\n{WIDE}", at=now - 5 * HOUR)
    made["walrus"] = small.add_conversation(
        owner=analyst, name="Mammals", turns=[("Of what?", "Of seals."), ("How many walrus?", "Seven walrus.")]
    )
    made["long"] = small.add_conversation(
        owner=ben,
        name="Long",
        turns=[(f"What of week {n}?", f"Week {n}.") for n in range(1, 201)],
        started_at=now - DAY,
    )
    made["old"] = small.add_conversation(
        owner=ben, name="The oldest", turns=[("At first?", "Yes.")], started_at=LONG_AGO
    )
    for number in range(24):
        small.add_conversation(
            owner=ben,
            name=f"Filler {number}",
            turns=[("And?", "No.")],
            started_at=now - timedelta(days=3, hours=number),
        )
    made["running"] = small.add_conversation(owner=analyst, name="In progress", turns=[])
    small.ask(made["running"], "Forecast?", None, at=now - timedelta(minutes=1))
    credential_for(owner, small_omni, small.organization_key())
    client = signed_in(owner)
    client.get("/conversations/")
    for one in small.conversations:
        client.get(thread(one))
    client.get(f"{thread(made['evidence'])}messages/2/chart.png")
    work()
    client.get("/conversations/")
    return made


def failed_answers_of_a_topic_last_week(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.facet("Failed"))
    hands.click(hands.facet("orders"))
    hands.click(hands.page.get_by_role("link", name="Last 7 days"))
    expect(hands.page.locator(".row")).to_have_count(1)


def questions_of_a_person_about_a_word(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.page.get_by_role("combobox"))
    hands.type("walrus ann")
    hands.click(hands.page.locator(".completions").get_by_role("option", name="Ann Analyst"))
    hands.click(hands.page.locator(".row-hits a", has_text="Question #3"))
    expect(hands.page.locator("#message-3")).to_be_focused()


def an_answer_with_query_rows_and_chart(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.page.locator(".row-marks a").first)
    expect(hands.page.get_by_role("img", name="Chart of Orders by month").first).to_be_in_viewport()
    hands.click(hands.page.get_by_role("tab", name="Rows"))
    expect(hands.page.locator(".rows-table").first).to_be_in_viewport()
    hands.click(hands.page.get_by_role("tab", name="Query"))
    expect(hands.page.locator(".query-fields").first).to_be_in_viewport()


def a_wide_table(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.search("wide")
    hands.click(hands.page.locator(".row-title").first)
    table = hands.page.locator("#message-2 .table-scroll")
    expect(table).to_be_visible()
    assert table.evaluate("frame => frame.clientWidth") > 600


def an_answer_for_a_ticket(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open(thread(made["evidence"]))
    hands.press("c")
    expect(hands.page.get_by_text("Copied: paste it into the ticket")).to_be_visible()


def an_export_of_a_search(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.page.get_by_role("combobox"))
    hands.type("filler")
    hands.press("Enter")
    expect(hands.page.locator(".list-sum")).to_contain_text("24 conversations")
    with hands.page.expect_download() as download:
        hands.click(hands.page.get_by_role("button", name=re.compile("Export all [0-9]+ results")))
        expect(hands.page.get_by_role("heading", name="Export: “filler”")).to_be_visible()
        work()
    assert download.value.suggested_filename.startswith("conversations-")


def four_stars(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    boxes = hands.page.locator(".row-select")
    hands.click(boxes.nth(1))
    hands.click(boxes.nth(4), with_shift=True)
    hands.click(hands.page.get_by_role("button", name="Star", exact=True))
    expect(hands.page.locator(".row-star[aria-pressed=true]")).to_have_count(4)
    Star.objects.all().delete()


def four_stars_by_keyboard(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.type("jsjsjsjs")
    expect(hands.page.locator(".row-star[aria-pressed=true]")).to_have_count(4)


def what_was_asked_in_a_month(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.page.get_by_text("One month"))
    hands.click(hands.page.get_by_role("link", name=f"{LONG_AGO:%b %Y}"))
    expect(hands.page.locator(".row-title")).to_have_text(["The oldest"])


def the_oldest(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.page.get_by_role("link", name="Active"))
    expect(hands.page.locator(".row-title").first).to_have_text("The oldest")


def with_the_keyboard_alone(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.search("walrus")
    expect(hands.page.locator(".row")).to_have_count(1)
    hands.page.wait_for_load_state()
    hands.type("j")
    hands.press("Enter")
    expect(hands.page.locator("#title")).to_have_text("Mammals")
    expect(hands.page.locator("#message-3")).to_be_focused()


def message_333_of_400(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open(thread(made["long"]))
    hands.click(hands.page.get_by_role("link", name="What of week 167?"))
    expect(hands.page.locator("#message-333")).to_be_in_viewport()


def a_word_in_it(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open(thread(made["long"]))
    hands.press("f")
    hands.type("week 167")
    hands.press("Enter")
    # The second Enter may come before the page that the first one asked for: then that is asked for again.
    expect(hands.page.locator("mark.is-current").first).to_be_in_viewport(timeout=20_000)


def the_same_place_in_the_list(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    row = hands.page.locator(".row-title").nth(25)
    title = row.inner_text()
    hands.click(row)
    hands.click(hands.page.get_by_role("link", name="← Conversations"))
    expect(hands.page.locator(".row").filter(has_text=title).first).to_be_in_viewport()


def an_answer_that_is_running(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.open()
    hands.click(hands.facet("Unanswered"))
    hands.click(hands.page.locator(".row-title").first)
    expect(hands.page.locator("#running")).to_contain_text("answer")


def on_a_phone(hands: Hands, made: dict[str, InOmni]) -> None:
    hands.page.set_viewport_size({"width": 390, "height": 844})
    hands.open()
    hands.click(hands.page.locator(".row-title").nth(2))
    expect(hands.page.get_by_role("article").first).to_be_in_viewport()
    hands.page.set_viewport_size({"width": 1280, "height": 900})


TASKS: list[Callable[[Hands, dict[str, InOmni]], None]] = [
    failed_answers_of_a_topic_last_week,
    questions_of_a_person_about_a_word,
    an_answer_with_query_rows_and_chart,
    a_wide_table,
    an_answer_for_a_ticket,
    an_export_of_a_search,
    four_stars,
    four_stars_by_keyboard,
    what_was_asked_in_a_month,
    the_oldest,
    with_the_keyboard_alone,
    message_333_of_400,
    a_word_in_it,
    the_same_place_in_the_list,
    an_answer_that_is_running,
    on_a_phone,
]


def test_all_of_them(page: Page, site: str, library: dict[str, InOmni], owner: User) -> None:
    page.context.add_cookies([{"name": "time_zone", "value": "Europe%2FBerlin", "url": site}])
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, site)
    hands = Hands(page, site)
    for task in TASKS:
        task(hands, library)
        assert hands.actions <= MOST_ACTIONS, (task.__name__, hands.actions)
