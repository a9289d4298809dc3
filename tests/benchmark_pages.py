"""Measure the time that pages take, by hand: `python -m tests.benchmark_pages`.

Seconds differ from machine to machine, so everything is a ratio within one run: a warm thread of 100 messages to a bare
signed-in view that returns the same bytes from memory; a cold thread to the bare request to Omni (a stand-in on
loopback, which answers at once: a real Omni takes longer, and the ratio is smaller); requests to Omni a page view, over
a day of browsing that is replayed with a clock of its own, beside those of the background sync.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from datetime import time as dt_time
from unittest import mock
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402
from django.urls import path  # noqa: E402

from conversations.archive import sync  # noqa: E402
from conversations.models import Conversation, Walk  # noqa: E402
from omniviewer.accounts.models import User  # noqa: E402
from omniviewer.demo.stand_in import Organization, StandIn, sample_organization  # noqa: E402
from omniviewer.omni import Client as Omni  # noqa: E402
from omniviewer.omni import Token  # noqa: E402
from omniviewer.urls import urlpatterns as the_sites  # noqa: E402
from tests.conftest import credential_for, person, signed_in  # noqa: E402

MESSAGES = 100
ROUNDS = 60
READERS = 20
_same_bytes = b""


def bare(request: HttpRequest) -> HttpResponse:
    """Return the same bytes as the measured page, behind the same middleware, with session and user read."""
    assert request.user.is_authenticated
    return HttpResponse(_same_bytes)


urlpatterns = [*the_sites, path("bare/", bare)]


def main() -> None:
    setup_test_environment()
    call_command("migrate", verbosity=0)
    with override_settings(ROOT_URLCONF=__name__):
        _pages()
    _a_day()
    _a_day(questions=100)


def _pages() -> None:
    global _same_bytes  # noqa: PLW0603  (what the bare view returns)
    organization = Organization("benchmark")
    member = organization.add_member("Ana", "ana@example.com")
    answer = "### Revenue\n\n| Month | Revenue |\n|---|---|\n| January | **$52,430** |\n\n" + "Some words on it. " * 20
    made = organization.add_conversation(
        owner=member,
        name="Long",
        turns=[(f"Question {number}?", answer) for number in range(MESSAGES // 2)],
        started_at=datetime.now(UTC) - timedelta(days=3),
    )
    token = organization.personal_token(member)
    with StandIn(organization, rate_per_minute=10**6) as omni:
        reader = person("benchmark")
        credential_for(reader, omni, token)
        client = signed_in(reader)
        address = f"/conversations/{made.id}/"
        _same_bytes = client.get(address).content
        thread, floor = _alternately(lambda: client.get(address), lambda: client.get("/bare/"))
        _print(f"a warm thread of {MESSAGES} messages", thread, "the same bytes from memory", floor)

        straight = Omni(omni.host, Token(token), timeout=5, max_body=10**8)

        def cold() -> None:
            Conversation.objects.all().delete()
            client.get(address)

        asked, upstream = _alternately(cold, lambda: straight.conversation(UUID(str(made.id))), rounds=15)
        _print(f"a cold thread of {MESSAGES} messages", asked, "the bare request to Omni", upstream)


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
    main()
