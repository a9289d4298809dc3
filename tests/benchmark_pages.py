"""Measure the time that pages take, by hand: `python -m tests.benchmark_pages [stored] [first] [lists] [day]`.

Seconds differ from machine to machine, so everything is a ratio within one run, against one of two measures:

- the *bare view*, which returns the same bytes from memory to a reader who is signed in, behind the same middleware;
- the *naive view*, which asks Omni (the stand-in on loopback, which answers at once), formats every answer by Markdown
  and bleach, and renders a small template: the page that somebody would write in an afternoon.

`day` replays a day of browsing with a clock of its own, and counts the requests to Omni of pages and of the background
sync apart.
"""

import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as dt_time
from functools import partial
from typing import Any
from unittest import mock

import bleach
import django
import markdown
import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings  # noqa: E402
from django.urls import path  # noqa: E402

from conversations.archive import sync  # noqa: E402
from conversations.models import Conversation, Message, Walk  # noqa: E402
from conversations.search import documents  # noqa: E402
from omniviewer.accounts.models import User  # noqa: E402
from omniviewer.demo.stand_in import Organization, StandIn, sample_organization  # noqa: E402
from omniviewer.urls import urlpatterns as the_sites  # noqa: E402
from tests.conftest import credential_for, person, signed_in  # noqa: E402

ROUNDS = 60
READERS = 20
_ANSWER = "### Revenue\n\n| Month | Revenue |\n|---|---|\n| January | **$52,430** |\n\n" + "Some words on it. " * 20
_NAIVE = Template(
    "<!doctype html><title>{{ name }}</title><h1>{{ name }}</h1>"
    "{% for message in messages %}<article><h2>{{ message.role }}</h2>{{ message.html|safe }}</article>{% endfor %}"
)
_TAGS = {*bleach.ALLOWED_TAGS, "p", "h1", "h2", "h3", "pre", "table", "thead", "tbody", "tr", "th", "td"}
_NUMBERS = itertools.count()
_same_bytes = b""
_naive_reply: Callable[[], requests.Response] | None = None


def bare(request: HttpRequest) -> HttpResponse:
    """Return the same bytes as the measured page, behind the same middleware, with session and user read."""
    assert request.user.is_authenticated
    return HttpResponse(_same_bytes)


def naive(request: HttpRequest) -> HttpResponse:
    """Ask Omni for the thread and format it: requests, markdown, bleach and a template, and nothing stored."""
    assert request.user.is_authenticated
    assert _naive_reply
    told = _naive_reply().json()
    shown = [
        {"role": row["role"], "html": bleach.clean(markdown.markdown(row["content"], extensions=["extra"]), tags=_TAGS)}
        for row in told["messages"]
    ]
    return HttpResponse(_NAIVE.render(Context({"name": told["id"], "messages": shown})))


urlpatterns = [*the_sites, path("bare/", bare), path("naive/", naive)]


def main(wanted: list[str]) -> None:
    # Not `setup_test_environment`: that has every template signal what it renders, which costs as much again.
    call_command("migrate", verbosity=0)
    parts: dict[str, Callable[[], None]] = {"stored": _stored, "first": _first, "lists": _lists, "day": _days}
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"]):
        for name in wanted or parts:
            parts[name]()


@contextmanager
def stored_thread(messages: int) -> Iterator[tuple[Client, str, Callable[[], object]]]:
    """Yield a reader's browser, the address of a thread of so many messages, and what forgets it."""
    global _naive_reply  # noqa: PLW0603  (where the naive view asks)
    organization = Organization(f"benchmark-{messages}")
    member = organization.add_member("Ana", "ana@example.com")
    made = organization.add_conversation(
        owner=member,
        name="Long",
        turns=[(f"Question {number}?", f"{_ANSWER}\n\nNo. {number}.") for number in range(messages // 2)],
        started_at=datetime.now(UTC) - timedelta(days=30),
    )
    token = organization.personal_token(member)
    with StandIn(organization, rate_per_minute=10**6) as omni:
        reader = person(f"benchmark-{next(_NUMBERS)}")
        credential_for(reader, omni, token)
        _naive_reply = partial(
            requests.get,
            f"{omni.url}/api/v1/ai/conversations/{made.id}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        yield signed_in(reader), f"/conversations/{made.id}/", Conversation.objects.all().delete


def _stored() -> None:
    """Measure stored threads, and links into them."""
    for messages in (20, 100, 1000):
        with stored_thread(messages) as (client, address, _):
            _against_bare(client, f"stored thread of {messages}", address)
            texts = sum(map(len, Message.objects.values_list("html", flat=True)))
            beyond = (len(client.get(address).content) - len(_without_messages(client, address)) - texts) / messages
            sys.stdout.write(f"  HTML beyond the text, a message: {beyond:.0f} bytes\n")
            read = partial(client.get, address)
            thread, slow = _alternately(read, partial(client.get, "/naive/"), rounds=15)
            _print("naive view", slow, f"stored thread of {messages}", thread)
    with stored_thread(400) as (client, address, _):
        b"".join(client.get(address))
        links = {
            "deep link": f"{address}messages/333/",
            "link with ?ticket=": f"{address}?ticket=ABC-1",
            "link with ?q= (marks)": f"{address}?q=words",
        }
        for name, link in links.items():
            linked, plain = _alternately(partial(client.get, link), partial(client.get, address))
            _print(f"{name}, 400 messages", linked, "plain", plain)
            _statements(name, client, link)


def _without_messages(client: Client, address: str) -> bytes:
    """Return a thread's page without its messages."""
    before, _, rest = client.get(address).content.partition(b'<div id="messages">')
    return before + rest.partition(b'<div id="running"')[2]


def _first() -> None:
    """Measure the first fetch of a thread: until its last byte, and from Omni's reply until its first."""
    for messages in (20, 100, 1000):
        with stored_thread(messages) as (client, address, forget):
            client.get("/naive/")
            wholes, begins, slow = [], [], []
            for _ in range(15):
                forget()
                whole, begin = _first_fetch(client, address)
                wholes.append(whole)
                begins.append(begin)
                began = time.perf_counter()
                client.get("/naive/")
                slow.append(time.perf_counter() - began)
            _print(f"first fetch of {messages}", statistics.median(wholes), "naive view", statistics.median(slow))
            sys.stdout.write(f"  first byte {1000 * statistics.median(begins):.0f} ms after Omni's reply\n")


def _first_fetch(client: Client, address: str) -> tuple[float, float]:
    """Return the seconds until a page's last byte, and from Omni's reply to its first."""
    replied_at = 0.0
    send = requests.Session.send

    def sent(*args: Any, **kwargs: Any) -> requests.Response:
        nonlocal replied_at
        reply = send(*args, **kwargs)
        replied_at = time.perf_counter()
        return reply

    began = time.perf_counter()
    with mock.patch.object(requests.Session, "send", sent):
        pieces = iter(client.get(address))
        next(pieces)
        begun = time.perf_counter()
        for _ in pieces:
            pass
    return time.perf_counter() - began, begun - replied_at


def _lists() -> None:
    """Measure the list and the search over 10,000 messages in 1,000 conversations."""
    organization = Organization("benchmark-lists")
    member = organization.add_member("Ana", "ana@example.com")
    for number in range(1000):
        turns = [(f"Question {number} on {turn}?", _ANSWER) for turn in range(5)]
        began = datetime.now(UTC) - timedelta(hours=number)
        organization.add_conversation(owner=member, name=f"No. {number}", turns=turns, started_at=began)
    with StandIn(organization, rate_per_minute=10**6) as omni, override_settings(SYNC="all"):
        reader = person("benchmark-lists")
        credential_for(reader, omni, organization.personal_token(member))
        sync.begin_walks()
        while sync.run_next(60):
            pass
        documents.refresh(seconds=600)
        client = signed_in(reader)
        client.get("/conversations/")
        _against_bare(client, "list of 50 rows", "/conversations/")
        _against_bare(client, "search", "/conversations/?q=revenue")
        _against_bare(client, "search for a number", "/conversations/?q=question+77")


def _against_bare(client: Client, name: str, address: str) -> None:
    global _same_bytes  # noqa: PLW0603  (what the bare view returns)
    # Rendered the first time, and what a long thread says of that is gone the next.
    for _ in range(2):
        b"".join(client.get(address))
    _same_bytes = client.get(address).content
    page, floor = _alternately(lambda: client.get(address), lambda: client.get("/bare/"))
    _print(name, page, "bare view", floor)
    _statements(name, client, address)


def _statements(name: str, client: Client, address: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        page = client.get(address)
    sys.stdout.write(f"  {name}: {len(captured)} statements, {len(page.content):,} bytes\n")


def _days() -> None:
    _a_day()
    _a_day(questions=100)


class _Clock:
    """The replay's clock, which the site and the stand-in Omni follow: it ticks whenever it is read."""

    def __init__(self, omni: StandIn, moment: datetime) -> None:
        self._omni = omni
        self.set(moment)

    def set(self, moment: datetime) -> None:
        self.moment = self._omni._now = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


def _a_day(questions: int = 0) -> None:
    """Replay eight working hours of twenty analysts: in a few sittings each they see the list and read threads.

    The background sync takes its turns between page views, within the budget that a deployment has by default. People
    ask so many `questions` in Omni meanwhile, in conversations that they had before.
    """
    noise = random.Random(1)  # noqa: S311
    # Tomorrow, as columns' default times are the real clock's and must be past.
    morning = datetime.combine(datetime.now(UTC) + timedelta(days=1), dt_time(9), UTC)
    sample = sample_organization(morning)
    # The readers of an earlier replay have left.
    User.objects.update(is_active=False)
    views = by_sync = by_pages = 0
    events = [(moment, number, choice) for moment, number, choice in _views(noise, morning)]
    events += [(morning + timedelta(seconds=noise.uniform(0, 8 * 3600)), -1, noise.random()) for _ in range(questions)]
    with (
        ExitStack() as stack,
        StandIn(sample, rate_per_minute=10**6) as omni,
        override_settings(SYNC="all"),
    ):
        clock = _Clock(omni, morning)
        with mock.patch("django.utils.timezone.now", clock):
            readers = []
            for number in range(READERS):
                reader = person(f"analyst-{questions}-{number}")
                token = sample.demo_tokens["analyst" if number % 4 else "lead"]
                credential_for(reader, omni, token, "Omni")
                readers.append((reader, [str(row.id) for row in sample.visible_to(token)]))
            # In the days before, all was read.
            sync.begin_walks()
            _sync_until(clock, morning)
            stack.enter_context(override_settings(RATE_PER_MINUTE=60))
            clients: dict[int, tuple[Client, datetime]] = {}
            for moment, number, choice in sorted(events, key=lambda event: event[0]):
                omni.requests.clear()
                _sync_until(clock, moment)
                by_sync += len(omni.requests)
                omni.requests.clear()
                if number < 0:
                    rows = sample.visible_to(sample.demo_tokens["lead"])
                    sample.ask(rows[int(choice * 30)], "And since then?", "The same.", at=moment)
                    continue
                reader, ids = readers[number]
                client, last_at = clients.get(number, (None, morning))
                if client is None or moment - last_at > timedelta(hours=1):
                    client = signed_in(reader)
                clients[number] = client, moment
                place = min(int(noise.paretovariate(0.9)) - 1, len(ids) - 1)
                page = client.get("/conversations/" if choice < 0.3 else f"/conversations/{ids[place]}/")
                assert page.status_code == 200
                _renew(client, page.content.decode())
                views += 1
                by_pages += len(omni.requests)
    sys.stdout.write(f"{views} page views of {READERS} readers in a day with {questions} new questions: ")
    sys.stdout.write(f"{by_pages} requests to Omni, {by_pages / views:.3f} a page view; ")
    sys.stdout.write(f"{by_sync} by the background sync\n")


def _sync_until(clock: _Clock, moment: datetime) -> None:
    """Let the background sync take the turns that are due by then, each at its time."""
    while (at := Walk.objects.next_at()) is not None and at <= moment:
        clock.set(max(at, clock.moment))
        if not sync.run_next():
            break
    clock.set(max(moment, clock.moment))


def _views(noise: random.Random, morning: datetime) -> list[tuple[datetime, int, float]]:
    views = []
    for number in range(READERS):
        for _ in range(noise.randint(3, 6)):
            moment = morning + timedelta(seconds=noise.uniform(0, 8 * 3600))
            for _ in range(noise.randint(3, 25)):
                views.append((moment, number, noise.random()))
                moment += timedelta(seconds=noise.expovariate(1 / 40))
    return sorted(views, key=lambda view: view[0])


def _renew(client: Client, page: str) -> None:
    from tests.pages.test_fresh import asks_for

    if address := asks_for(page):
        client.get(address, headers={"HX-Request": "true"})


def _alternately(one: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of each, taken in turns, so that other load on the machine affects both alike."""
    took: tuple[list[float], list[float]] = [], []
    for work in (one, other):
        work()
    for _ in range(rounds):
        for work, times in zip((one, other), took, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])


def _print(what: str, seconds: float, against: str, floor: float) -> None:
    sys.stdout.write(
        f"{what}: {seconds * 1000:.1f} ms; {against}: {floor * 1000:.1f} ms; ratio {seconds / floor:.2f}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
