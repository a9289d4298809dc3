"""Pages of other sites, of the same company or not: what they may have a reader's browser do here, and learn of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext

from conversations.models import TicketReference
from conversations.models.ticket import MAX_LINKED, MAX_LINKED_HOURLY, MAX_REFERENCES
from omniviewer.accounts import sessions
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.conftest import EXAMPLE, sign_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"
CLICK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1"}
SCRIPTED = {name: value for name, value in CLICK.items() if name != "Sec-Fetch-User"}
FOREIGN = ["same-site", "cross-site", "something new"]


def events() -> list[tuple[Any, ...]]:
    return list(Event.objects.exclude(kind="signed-in").order_by("pk").values_list("kind", "result", "position"))


@pytest.mark.parametrize("site", FOREIGN)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "HX-Request": "true"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"},
        {"Sec-Fetch-Mode": "navigate"},
        {**CLICK, "Sec-Purpose": "prefetch;prerender"},
    ],
    ids=lambda how: " ".join(how.values()) or "nothing",
)
def test_nothing_is_fetched_or_embedded(owner_reads: Client, omni: StandIn, site: str, how: dict[str, str]) -> None:
    for path in ("/conversations/?q=revenue", THREAD, f"{THREAD}messages/2/chart.png", "/insights/", "/sign-in/"):
        answer = owner_reads.get(path, headers={"Sec-Fetch-Site": site, **how})
        assert answer.status_code == 403, path
        assert answer.content == b"This is for pages of this site alone."
    assert events() == []
    assert omni.requests == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site", **CLICK}, {"Sec-Fetch-Site": "none", **CLICK}, {}]
)
def test_a_link_leads_here_from_everywhere(owner_reads: Client, headers: dict[str, str]) -> None:
    assert owner_reads.get(f"{THREAD}?ticket=ABC-1", headers=headers).status_code == 200
    assert list(TicketReference.objects.values_list("ticket", "is_by_hand")) == [("ABC-1", False)]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", **SCRIPTED}, 200),
        ({"Sec-Fetch-Site": "same-site", **SCRIPTED}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 200),
        ({"Sec-Fetch-Site": "same-origin", **CLICK, "Sec-Purpose": "prefetch"}, 200),
        ({"Sec-Fetch-Site": "none", **CLICK, "Purpose": "prefetch"}, 200),
        ({"HX-Request": "true"}, 200),
    ],
)
def test_what_no_person_began_writes_no_ticket(owner_reads: Client, headers: dict[str, str], status: int) -> None:
    answer = owner_reads.get(f"{THREAD}?ticket=ABC-1", headers=headers)
    assert answer.status_code == status
    assert 'name="ticket" value="ABC-1"' in text_of(answer), "it is proposed"
    assert not TicketReference.objects.exists()


@pytest.mark.slow
def test_links_are_bounded(reads: Client, small: Organization, analyst: Member, owner: User) -> None:
    """Links are bounded for each conversation, with room left for those by hand, and for each person and hour."""
    threads = [small.add_conversation(owner=analyst, name=f"{number}", turns=[("One?", "Two.")]) for number in range(4)]
    reads.get(f"/conversations/{threads[0].id}/")
    for number in range(MAX_LINKED + 5):
        reads.get(f"/conversations/{threads[0].id}/?ticket=ABC-{number}")
    assert TicketReference.objects.count() == MAX_LINKED < MAX_REFERENCES
    reads.post(f"/conversations/{threads[0].id}/tickets/", {"ticket": "BY-1"})
    assert TicketReference.objects.filter(is_by_hand=True).count() == 1
    for thread in threads[1:]:
        for number in range(MAX_LINKED):
            reads.get(f"/conversations/{thread.id}/?ticket=ABC-{number}")
    assert TicketReference.objects.filter(is_by_hand=False).count() == MAX_LINKED_HOURLY
    TicketReference.objects.update(added_at=timezone.now() - timedelta(hours=2))
    reads.get(f"/conversations/{threads[3].id}/?ticket=NEW-1")
    assert TicketReference.objects.filter(ticket="NEW-1").exists()


def test_removing_a_ticket_is_an_event(owner_reads: Client) -> None:
    owner_reads.get(f"{THREAD}?ticket=ABC-1")
    for _ in range(2):  # the second removes nothing
        owner_reads.post(f"{THREAD}tickets/remove/", {"ticket": "ABC-1"})
    rows = Event.objects.filter(kind="ticket-removed").values_list("who", "conversation_id", "ticket")
    assert [(who, str(of), ticket) for who, of, ticket in rows] == [("owner", EXAMPLE, "ABC-1")]
    assert "Removed a ticket" in owner_reads.get("/activity/").content.decode()


# Without the page that they belong to ---------------------------------------------------------------------

PARTS = [
    f"{THREAD}fresh/?revision=0&count=0&looks=1",
    f"{THREAD}messages/2/evidence/",
    f"{THREAD}messages/2/charts/",
    f"{THREAD}messages/2/evidence/keep/",
    f"{THREAD}standings/?count=2&looks=1",
    f"{THREAD}bundle/",
]


@pytest.mark.parametrize("path", PARTS)
def test_a_part_that_comes_first_is_opened(owner_reads: Client, omni: StandIn, path: str) -> None:
    part = {"HX-Request": "true"}
    assert owner_reads.get(path, headers=part).status_code == 200
    assert [event[:2] for event in events() if event[0] == "opened"] == [("opened", "ok")]
    for again in PARTS:
        owner_reads.get(again, headers=part)
    assert len([event for event in events() if event[0] == "opened"]) == 1, "of one conversation, once a session"


@pytest.mark.parametrize("path", PARTS)
def test_a_part_of_what_was_opened_is_no_event(owner_reads: Client, omni: StandIn, path: str) -> None:
    owner_reads.get(THREAD)
    owner_reads.get(path, headers={"HX-Request": "true"})
    assert len([event for event in events() if event[0] == "opened"]) == 1
    Event.objects.all().forget(10)
    other = Client()
    other.force_login(User.objects.get(username="owner"))
    other.get(path, headers={"HX-Request": "true"})
    assert len([event for event in events() if event[0] == "opened"]) == 1, "in another session it is one"
    later = Client()
    later.force_login(User.objects.get(username="owner"))
    session = later.session
    session[sessions._BEGAN] = int(time.time()) + 5
    session.save()
    later.get(path, headers={"HX-Request": "true"})
    assert len([event for event in events() if event[0] == "opened"]) == 2, "that of an earlier session does not count"


@pytest.mark.parametrize("name", ["queries/{}.svg", "queries/{}-1.svg", "chart.png", "queries/{}/"])
def test_a_picture_by_itself_is_opened(owner_reads: Client, omni: StandIn, name: str) -> None:
    # The documented example is from 2025: set the clock back to its time.
    row = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    omni._now = row.updated_at + timedelta(hours=1)
    found = []
    for position in (2, 4, 6):
        for number in (1, 2, 3):
            Event.objects.all().forget(10)
            path = f"{THREAD}messages/{position}/{name.format(number)}"
            answer = owner_reads.get(path, headers={"HX-Request": "true"} if name.endswith("/") else {})
            opened = [event for event in events() if event[0] == "opened"]
            if answer.status_code == 200:
                found.append(opened)
            else:
                assert opened == []
    assert found
    assert all(len(opened) == 1 and opened[0][1] == "ok" for opened in found)


def test_a_picture_that_is_not_shown_is_refused_in_the_log(stranger_reads: Client, omni: StandIn) -> None:
    for name in ("chart.png", "queries/1.svg"):
        assert stranger_reads.get(f"{THREAD}messages/2/{name}").status_code == 404
    assert events() == [("opened", "not-shown", 2)] * 2


def test_a_search_that_is_a_part_is_one(owner_reads: Client, omni: StandIn) -> None:
    part = {"HX-Request": "true"}
    owner_reads.get("/conversations/fresh/?looks=1", headers=part)
    assert events() == []
    for _ in range(2):
        owner_reads.get("/conversations/fresh/?looks=1&q=revenue", headers=part)
    assert events() == [("searched", "ok", None)]


@contextmanager
def serving(bodies: dict[str, str]) -> Iterator[int]:
    """Serve another site on this machine, and yield its port."""

    class Neighbour(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>x</title>{bodies.get(self.path.strip('/'), '')}".encode())

        def log_message(self, *_args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Neighbour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


# In a browser ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"], ids=["same-site", "cross-site"])
def test_a_browser_follows_links_and_embeds_nothing(
    context: BrowserContext, site: str, name: str, owner_reads: Client, omni: StandIn
) -> None:
    """The page of another host holds a link, a picture and a script that goes there."""
    page = context.new_page()
    sign_in(page, site, at="/conversations/")
    neighbour = context.new_page()
    bodies = {
        "script": f'<meta http-equiv="refresh" content="0;url={site}{THREAD}?ticket=EVIL-1">',
        "link": f'<a href="{site}{THREAD}?ticket=ABC-1">link</a><img src="{site}/conversations/?q=revenue" alt="">',
    }
    with serving(bodies) as port:
        host = f"http://{name}:{port}"
        neighbour.goto(f"{host}/script")
        neighbour.wait_for_url("**ticket=EVIL-1")
        assert "EVIL-1" in neighbour.content()
        assert not TicketReference.objects.exists()
        neighbour.goto(f"{host}/link", wait_until="networkidle")
        assert neighbour.locator("img").evaluate("picture => picture.naturalWidth") == 0
        assert not Event.objects.filter(kind="searched").exists()
        neighbour.get_by_role("link", name="link").click()
        neighbour.wait_for_url("**ticket=ABC-1")
        assert list(TicketReference.objects.values_list("ticket", flat=True)) == ["ABC-1"]
