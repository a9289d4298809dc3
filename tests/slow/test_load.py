"""Fifty readers on one token for half a minute, with Omni's real limit: two processes, one SQLite file.

`OMNIVIEWER_LOAD_SECONDS` makes it longer for a look by hand. What it measured is printed with `pytest -rP`.
"""

import os
import random
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import requests

from omniviewer.accounts.models import Credential
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.omni import Token, replies
from tests.conftest import person
from tests.serving import Site, serve

SECONDS = float(os.environ.get("OMNIVIEWER_LOAD_SECONDS", "30"))
READERS = 50
LIMIT = 60
# The longest wait, in seconds, for the page of a conversation that nobody has opened yet.
PATIENCE = 100.0


@dataclass
class Seen:
    """The results of one reader."""

    statuses: Counter[int] = field(default_factory=Counter)
    pages: int = 0
    renewed: int = 0
    waits: list[float] = field(default_factory=list)
    never_served: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Reader(threading.Thread):
    """A reader who opens the list and its threads, half of them shared with others, and renews what the page renews."""

    def __init__(self, site: Site, session: requests.Session, ids: list[str], number: int, until: float) -> None:
        super().__init__(daemon=True)
        self.seen = Seen()
        self._site, self._session, self._ids, self._until = site, session, ids, until
        self._random = random.Random(number)  # noqa: S311

    def run(self) -> None:
        while time.monotonic() < self._until:
            # Some conversations are read by everybody, most by few.
            place = int(self._random.paretovariate(0.8)) - 1
            path = "/conversations/"
            if self._random.random() > 0.2:
                path += f"{self._ids[place % len(self._ids)]}/"
            page = self._open(path)
            self._renew(page)
            time.sleep(self._random.uniform(0.5, 3.0))

    def _open(self, path: str) -> str:
        """Return the page as a browser gets it that retries when told to."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            asked = time.monotonic()
            answer = self._session.get(self._site.url + path, timeout=60)
            self.seen.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                self.seen.pages += 1
                self.seen.seconds.append(time.monotonic() - asked)
                self.seen.waits.append(time.monotonic() - began)
                return answer.text
            if answer.status_code != 429:
                break
            time.sleep(int(answer.headers["Retry-After"]))
        self.seen.never_served.append(path)
        return ""

    def _renew(self, page: str) -> None:
        found = re.search(r'hx-get="([^"]+)"[^>]* data-fresh-in="0\.0"', page)
        if found:
            address = self._site.url + unescape(found.group(1))
            answer = self._session.get(address, headers={"HX-Request": "true"}, timeout=60)
            self.seen.statuses[answer.status_code] += 1
            self.seen.renewed += 1


@pytest.mark.django_db(transaction=True)
def test_fifty_readers_on_one_token(sample: Organization, tmp_path: Path) -> None:
    token = sample.demo_tokens["lead"]
    # The stand-in shares this machine with fifty readers.
    serving = serve(tmp_path, OMNIVIEWER_RATE_PER_MINUTE=str(LIMIT), OMNIVIEWER_OMNI_TIMEOUT="60")
    with StandIn(sample, rate_per_minute=LIMIT) as omni, serving as site:
        sessions = []
        for number in range(READERS):
            somebody = person(f"reader-{number}")
            identity = replies.Identity("organization", "ORG_ADMIN", "", "")
            Credential.objects.connect(somebody, "Omni", omni.host, Token(token), identity)
            sessions.append(site.reader(somebody))
        ids = [str(row.id) for row in sample.conversations[:65]]
        until = time.monotonic() + SECONDS
        readers = [Reader(site, session, ids, number, until) for number, session in enumerate(sessions)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout=SECONDS + PATIENCE + 60)
        log = site.log
    assert not any(reader.is_alive() for reader in readers)
    all_seen = [reader.seen for reader in readers]
    _print(all_seen, omni)

    assert Counter(request.status for request in omni.requests).keys() == {200}, "Omni had to refuse"
    busiest = _most_within(omni, timedelta(minutes=1))
    assert busiest <= LIMIT * 0.9
    statuses = sum((seen.statuses for seen in all_seen), Counter[int]())
    told = [line for line in log.splitlines() if '"status": 5' in line or '"level": "INFO"' not in line]
    assert statuses.keys() <= {200, 429}, "\n".join(told[:50])
    assert [seen.never_served for seen in all_seen if seen.never_served] == []
    assert min(seen.pages for seen in all_seen) >= 1
    assert "Traceback" not in log


def _most_within(omni: StandIn, span: timedelta) -> int:
    times = sorted(request.at for request in omni.requests)
    return max(sum(start <= at < start + span for at in times[place:]) for place, start in enumerate(times))


def _print(all_seen: list[Seen], omni: StandIn) -> None:
    pages = sum(seen.pages for seen in all_seen)
    seconds = sorted(second for seen in all_seen for second in seen.seconds)
    waits = sorted(wait for seen in all_seen for wait in seen.waits)
    statuses = sum((seen.statuses for seen in all_seen), Counter[int]())
    told = {
        "pages": pages,
        "renewals": sum(seen.renewed for seen in all_seen),
        "answers by status": dict(statuses),
        "requests to Omni": len(omni.requests),
        "of them refused": sum(request.status == 429 for request in omni.requests),
        "most within a minute": _most_within(omni, timedelta(minutes=1)),
        "requests to Omni a page": round(len(omni.requests) / pages, 3),
        "a page, median s": round(seconds[len(seconds) // 2], 3),
        "a page, 99th of 100, s": round(seconds[int(len(seconds) * 0.99)], 3),
        "the longest wait for a page, s": round(waits[-1], 1),
        "pages that had to be waited for": sum(wait > 5 for wait in waits),
    }
    for name, value in told.items():
        sys.stdout.write(f"{name:<34}{value}\n")
