"""Announcements: who sees them, where, for how long, and what a page pays for them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import Page, expect

from omniviewer.accounts import announcements
from omniviewer.accounts.announcements import Announcement
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import PASSWORD, assert_accessible, sign_in, signed_in, text_of

HOUR = timedelta(hours=1)
ADD = "/admin/accounts/announcement/add/"


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_user("boss", password=PASSWORD, is_staff=True)


def announce(text: str = "Omni is being upgraded.", **values: Any) -> Announcement:
    return Announcement.objects.create(text=text, **values)


def form(**values: Any) -> dict[str, Any]:
    now = timezone.localtime() - HOUR
    at = {"starts_at_0": f"{now:%Y-%m-%d}", "starts_at_1": f"{now:%H:%M:%S}"}
    return {"text": "Omni is being upgraded.", "level": "info", **at, "ends_at_0": "", "ends_at_1": "", **values}


def test_it_works(boss: User, owner: User) -> None:
    """Staff write it; every page shows it, those of the administration and of errors too; before signing in none."""
    assert signed_in(boss).post(ADD, form()).status_code == 302
    for address in ("/conversations/", "/credentials/", "/insights/", "/activity/", "/nowhere/"):
        assert "Omni is being upgraded." in text_of(signed_in(owner).get(address)), address
    assert text_of(signed_in(boss).get("/admin/")).count("Omni is being upgraded.") == 1
    assert "Omni is being upgraded." not in text_of(Client().get("/sign-in/"))
    assert list(Event.objects.values_list("who", "kind", "fields")) == [
        ("boss", "announced", f"announcement {Announcement.objects.get().pk}: added")
    ]


def test_one_for_everybody_is_on_the_page_to_sign_in(owner: User) -> None:
    announce(is_public=True, level="warning")
    page = text_of(Client().get("/sign-in/"))
    assert "<strong>Warning:</strong>" in page
    assert "Omni is being upgraded." in page
    announce("For information", is_public=True)
    assert "/dismiss/" not in text_of(Client().get("/sign-in/"))


@pytest.mark.parametrize(
    ("starts", "ends", "is_shown"),
    [(-HOUR, None, True), (-HOUR, HOUR, True), (HOUR, None, False), (-2 * HOUR, -HOUR, False)],
)
def test_its_time(owner: User, starts: timedelta, ends: timedelta | None, is_shown: bool) -> None:
    now = timezone.now()
    announce(starts_at=now + starts, ends_at=now + ends if ends else None)
    assert ("Omni is being upgraded." in text_of(signed_in(owner).get("/credentials/"))) is is_shown


def test_it_begins_and_ends_without_being_read_again(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    announce(starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    client = signed_in(owner)
    seen = []
    for hours in (0, 1.5, 3):
        monkeypatch.setattr(timezone, "now", lambda hours=hours: now + hours * HOUR)
        seen.append("Omni is being upgraded." in text_of(client.get("/credentials/")))
    assert seen == [False, True, False]


def test_who_dismisses_it_sees_it_no_more(owner: User, colleague: User) -> None:
    row, other = announce(), announce("Another one")
    client = signed_in(owner)
    answer = client.post(f"/announcements/{row.pk}/dismiss/", {"next": "/credentials/?a=1"})
    assert (answer.status_code, answer["Location"]) == (302, "/credentials/?a=1")
    for again in (client, signed_in(owner)):
        page = text_of(again.get("/credentials/"))
        assert "Omni is being upgraded." not in page
        assert "Another one" in page
    assert "Omni is being upgraded." in text_of(signed_in(colleague).get("/credentials/"))
    row.delete()
    client.post(f"/announcements/{other.pk}/dismiss/")
    owner.refresh_from_db()
    assert owner.dismissed == [other.pk], "what is gone is forgotten"


def test_a_warning_stays(owner: User) -> None:
    row = announce(level="warning")
    client = signed_in(owner)
    assert "/dismiss/" not in text_of(client.get("/credentials/"))
    assert client.post(f"/announcements/{row.pk}/dismiss/").status_code == 404
    assert client.post(f"/announcements/{row.pk + 7}/dismiss/").status_code == 404
    assert "Omni is being upgraded." in text_of(client.get("/credentials/"))
    assert Client().post(f"/announcements/{row.pk}/dismiss/").status_code == 302
    evil = announce("For information")
    assert client.post(f"/announcements/{evil.pk}/dismiss/", {"next": "//evil.example"})["Location"] == "/"


def test_what_is_written_is_text(owner: User) -> None:
    announce("<b>Bold</b> {token} {0} {{ user }} \u202eevil", link="https://status.example.com/?a=1&b={2}")
    page = text_of(signed_in(owner).get("/credentials/"))
    assert "&lt;b&gt;Bold&lt;/b&gt; {token} {0} {{ user }}" in page
    assert 'href="https://status.example.com/?a=1&amp;b={2}"' in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"text": ""}, "This field is required."),
        ({"text": "x" * 501}, "at most 500 characters"),
        ({"link": "http://status.example.com"}, "Enter a valid URL."),
        ({"link": "javascript:alert(1)"}, "Enter a valid URL."),
        ({"level": "loud"}, "Select a valid choice."),
        ({"ends_at_0": "2020-01-01", "ends_at_1": "00:00"}, "This must be later than “From”."),
        ({"starts_at_0": "soon"}, "Enter a valid date."),
    ],
)
def test_what_makes_no_sense_is_refused(boss: User, values: dict[str, str], sentence: str) -> None:
    assert sentence in text_of(signed_in(boss).post(ADD, form(**values)))
    assert not Announcement.objects.exists()


def test_staff_alone_announce_and_every_change_is_an_event(boss: User, owner: User) -> None:
    row = announce()
    address = f"/admin/accounts/announcement/{row.pk}/"
    for client in (signed_in(owner), Client()):
        assert client.post(f"{address}change/", form(text="Mine")).status_code == 302
    staff = signed_in(boss)
    staff.post(f"{address}change/", form(text="Done", level="warning"))
    assert "Done" in text_of(signed_in(owner).get("/credentials/"))
    staff.post(f"{address}delete/", {"post": "yes"})
    assert "Done" not in text_of(signed_in(owner).get("/credentials/"))
    told = list(Event.objects.filter(kind="announced").order_by("pk").values_list("who", "fields"))
    assert [who for who, _ in told] == ["boss", "boss"]
    assert told[0][1].startswith(f"announcement {row.pk}: text, level")
    assert told[1][1] == f"announcement {row.pk}: deleted"


def test_the_newest_three_are_shown_warnings_first(owner: User) -> None:
    now = timezone.now()
    for number in range(5):
        announce(f"No. {number}", starts_at=now - number * HOUR, level="warning" if number == 4 else "info")
    page = text_of(signed_in(owner).get("/credentials/"))
    places = [page.index(f"No. {number}") for number in (4, 0, 1)]
    assert places == sorted(places)
    assert "No. 2" not in page
    assert "No. 3" not in page


def test_a_stored_thread_costs_no_statement_more(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small.add_conversation(owner=analyst, name="Returns", turns=[("Why?", "Because.")], with_jobs=False)

    def statements() -> int:
        for _ in range(3):
            reads.get(thread(made))
        with CaptureQueriesContext(connection) as captured:
            page = text_of(reads.get(thread(made)))
        assert ("Omni is being upgraded." in page) is Announcement.objects.exists()
        return len([row for row in captured.captured_queries if "SAVEPOINT" not in row["sql"]])

    before = statements()
    announce()
    assert statements() == before
    monkeypatch.setattr(announcements, "_REREAD_SECONDS", -1.0)
    announcements.forget()
    assert statements() == before + 1, "while a process reads them anew"


def test_while_the_database_has_no_such_table_pages_go_on(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site of this version may run for a moment before the upgrade of its database."""
    announce()
    signed_in(owner).get("/credentials/")
    monkeypatch.setattr(Announcement._meta, "db_table", "accounts_nowhere")
    announcements.forget()
    assert "Omni is being upgraded." in text_of(signed_in(owner).get("/credentials/"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_can_be_read_and_dismissed(page: Page, site: str, owner: User, boss: User, theme: str, width: int) -> None:
    announce("Omni is being upgraded. " * 8, link="https://status.example.com/", is_public=True)
    announce("The search is slow today: see the status page.", level="warning")
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto(f"{site}/sign-in/")
    expect(page.get_by_role("complementary", name="Announcements")).to_contain_text("Omni is being upgraded.")
    assert_accessible(page, "sign-in")
    sign_in(page, site, at="/credentials/")
    aside = page.get_by_role("complementary", name="Announcements")
    expect(aside).to_contain_text("Warning: The search is slow today")
    assert aside.bounding_box()["y"] == 0  # type: ignore[index]
    assert_accessible(page, f"{theme} {width}")
    button = page.get_by_role("button", name="Dismiss this announcement")
    box = button.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 24
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Omni is being upgraded.")).to_have_count(0)
    expect(page).to_have_url(f"{site}/credentials/")
    expect(aside).to_contain_text("The search is slow today")
    page.context.clear_cookies()
    sign_in(page, site, "boss", at="/admin/")
    expect(page.get_by_role("complementary", name="Announcements")).to_contain_text("Omni is being upgraded.")
    assert_accessible(page, f"administration {theme} {width}")
