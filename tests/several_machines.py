"""Two machines behind one nginx, while people read: `python -m tests.several_machines`.

Each has a site and a worker; they share a PostgreSQL, a Redis and an Omni that allows a token 60 requests a minute.
`--readers` people list, search, open, star and follow links, while a site is killed, both are restarted in turn, one is
drained, and a worker is killed. It ends by itself after some two minutes, and with 1 if anything was lost.
"""

import argparse
import atexit
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.postgresql import postgresql
from tests.programs import free_port

# Started before the settings are read, because they name the database.
_servers = ExitStack()
atexit.register(_servers.close)
database = _servers.enter_context(postgresql())
os.environ["DATABASE_URL"] = os.environ["OMNIVIEWER_TEST_DATABASE"] = database.address
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django_tasks_db.models import DBTaskResult  # noqa: E402

from conversations.models import Access, Action, JobAccess, Star  # noqa: E402
from omniviewer.accounts.encryption import digest  # noqa: E402
from omniviewer.accounts.models import ApiToken, Credential, User  # noqa: E402
from omniviewer.omni import Token, replies  # noqa: E402
from tests.conftest import signed_in  # noqa: E402
from tests.machines import Machine, Proxy, shared_variables  # noqa: E402
from tests.omni_process import OmniProcess, OmniReader, Request, omni_process  # noqa: E402
from tests.readers import Answer, Reader  # noqa: E402
from tests.saying import say  # noqa: E402
from tests.serving import start_redis  # noqa: E402

_HABITS = {"thread": 40, "list": 20, "search": 12, "deep link": 15, "evidence": 13}
_PAUSE = (1.0, 5.0)
_PER_MINUTE = 60
# Seconds for which nginx leaves a site alone that did not answer, and a little: the pause between two restarts.
_FAIL_TIMEOUT = 6.0
# Seconds within which the same request counts as sent twice.
_TWICE_SECONDS = 2.0
# Number of readers who hold the same token.
_SHARE_A_TOKEN = 10


class Scraper(threading.Thread):
    """Adds up the counters of both sites as Prometheus does: a counter that fell has begun anew."""

    def __init__(self, machines: list[Machine]) -> None:
        super().__init__(daemon=True)
        self.sums: Counter[str] = Counter()
        self._machines, self._last = machines, dict[tuple[int, str, str], float]()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(1.0):
            self.scrape()

    def scrape(self) -> None:
        for machine in self._machines:
            try:
                told = machine.metrics()
            except requests.RequestException:
                continue
            for family in text_string_to_metric_families(told):
                for sample in family.samples:
                    if sample.name in ("omniviewer_upstream_requests_total", "omniviewer_page_seconds_count"):
                        key = machine.port, sample.name, str(sorted(sample.labels.items()))
                        before = self._last.get(key, 0.0)
                        self.sums[sample.name] += round(sample.value - (before if sample.value >= before else 0.0))
                        self._last[key] = sample.value

    def end(self) -> None:
        self._ended.set()
        self.join()
        self.scrape()


class Trial:
    """The two machines, their readers, and what was done to them when, in seconds since the beginning."""

    def __init__(self, stack: ExitStack, folder: Path, omni: OmniProcess) -> None:
        port = free_port()
        redis = start_redis(port, folder)
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        variables = shared_variables(database.address, port) | {
            "OMNIVIEWER_BEHIND_PROXY": "true",
            "OMNIVIEWER_RATE_PER_MINUTE": str(_PER_MINUTE),
            "OMNIVIEWER_SYNC": "all",
            "OMNIVIEWER_CAPTURE": "all",
            "OMNIVIEWER_FRESH_FOR": "5s",
        }
        self.machines = [Machine(folder / name, variables) for name in ("one", "two")]
        for machine in self.machines:
            stack.callback(machine.close)
            machine.start_site(wait=False)
        for machine in self.machines:
            machine.wait()
            machine.start_worker()
        self.proxy = Proxy(folder / "nginx", self.machines)
        stack.callback(self.proxy.close)
        self.omni, self.acts = omni, list[tuple[str, float, float]]()
        self.began, self.started_at = time.monotonic(), time.time()

    @contextmanager
    def act(self, name: str) -> Iterator[None]:
        since = time.monotonic() - self.began
        yield
        self.acts.append((name, since, time.monotonic() - self.began))

    def restart(self, machine: Machine) -> None:
        machine.end(machine.site)
        machine.start_site()
        time.sleep(_FAIL_TIMEOUT)

    def run(self, readers: list[Reader], scraper: Scraper) -> None:
        """Have people read, and the counters added up, from the beginning to the end of all acts."""
        self.began, self.started_at = time.monotonic(), time.time()
        for thread in (*readers, scraper):
            thread.start()
        self._act()
        for reader in readers:
            reader.stop()
        for reader in readers:
            reader.join(timeout=90)

    def _act(self) -> None:
        one, two = self.machines
        time.sleep(20)
        with self.act("site 1 killed, started again after 6 s"):
            one.end(one.site, kill=True)
            time.sleep(6)
            one.start_site()
            time.sleep(_FAIL_TIMEOUT)
        with self.act("both sites restarted, one after the other"):
            self.restart(one)
            self.restart(two)
        with self.act("site 2 drained, restarted, put back"):
            self.proxy.drain(two)
            time.sleep(3)
            self.restart(two)
            self.proxy.drain()
            time.sleep(3)
        with self.act("worker 1 killed, started again after 6 s"):
            one.end(one.worker, kill=True)
            time.sleep(6)
            one.start_worker()
            time.sleep(4)

    def reader(self, username: str, person: OmniReader) -> Reader:
        """Create a user who reads with that person's token."""
        user = User.objects.create(username=username)
        identity = replies.Identity("user", "MEMBER", "", person.member)
        Credential.objects.connect(user, "Omni", self.omni.host, Token(person.token), identity)
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.proxy.certificate)
        cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME]
        session.cookies.set(settings.SESSION_COOKIE_NAME, cookie.value)
        return Reader(
            self.proxy.url,
            person.name,
            session,
            person.conversations,
            self.began,
            habits=_HABITS,
            pause=_PAUSE,
            stars=0.3,
            seed=username,
        )


def is_lost(answer: Answer) -> bool:
    """Return whether it is neither a page nor told to wait until the token's budget has room."""
    is_page = answer.status in (200, 302) and "/sign-in/" not in answer.location
    return not (is_page or answer.is_limited)


def wait_for_the_rest(shared: str, seconds: float) -> int:
    """Wait until the workers have read and captured all, but for the shared token; return how much is left."""
    until = time.monotonic() + seconds
    while True:
        connection.close()
        others = ApiToken.objects.exclude(digest=digest(Token(shared)))
        left = Access.objects.behind().filter(api_token__in=others).count()
        left += sum(JobAccess.objects.to_capture(token).count() for token in others)
        if not left or time.monotonic() > until:
            return left
        time.sleep(1)


def sent_twice(asked: list[Request], since: float) -> list[str]:
    """Return the addresses of requests that followed the same one, with the same token, too soon for a reason."""
    last: dict[tuple[str, str], float] = {}
    found = []
    for row in sorted(asked, key=lambda row: row.at):
        before = last.get((row.token, row.address))
        if before is not None and row.at - before < _TWICE_SECONDS:
            found.append(f"{row.address} at {before - since:.2f} s, and {row.at - before:.2f} s later")
        last[row.token, row.address] = row.at
    return found


def evidence_asked_twice(trial: Trial, asked: list[Request]) -> int:
    """Count results of jobs that were asked for again with the same token, though the first asker lived."""
    kills = [trial.started_at + since for name, since, _ in trial.acts if "killed" in name]
    first: dict[tuple[str, str], float] = {}
    count = 0
    for row in sorted(asked, key=lambda row: row.at):
        if re.search(r"/jobs/[^/]+/result", row.address):
            at = first.setdefault((row.token, row.address), row.at)
            was_killed = any(0 <= kill - at < _TWICE_SECONDS for kill in kills)
            count += at != row.at and not was_killed
    return count


def most_in_a_minute(asked: list[Request]) -> int:
    """Return the most requests with one token within any 60 seconds."""
    most = 0
    for token in {row.token for row in asked}:
        times = sorted(row.at for row in asked if row.token == token)
        first = 0
        for number, at in enumerate(times):
            while times[first] <= at - 60:
                first += 1
            most = max(most, number - first + 1)
    return most


def tell(trial: Trial, readers: list[Reader], scraper: Scraper, left: int) -> bool:
    """Print the tables; return whether nothing was lost."""
    answers = [answer for reader in readers for answer in reader.told.answers]
    passed = trial.proxy.requests()
    say(f"{len(readers)} readers: {len(answers):,} requests, statuses {dict(Counter(row.status for row in answers))}")
    say(f"{'':<48}{'seconds':>12}{'requests':>10}{'passed on':>10}{'lost':>6}{'in hand':>9}{'95 of 100':>11}")
    all_lost = 0
    killed = 0
    for name, since, until in [("nothing", 0.0, trial.acts[0][1]), *trial.acts]:
        inside = [row for row in answers if since <= row.second + row.took and row.second <= until]
        begin = trial.started_at + since
        logged = [row for row in passed if begin <= float(row["at"]) <= trial.started_at + until]
        on = sum("," in row["sites"] for row in logged)
        # A reply that broke off: what changes something is sent to one site alone.
        in_hand = sum(row["status"] == "502" and "," not in row["sites"] for row in logged)
        lost = sum(is_lost(row) for row in inside)
        took = sorted(row.took for row in inside)
        slow = took[int(len(took) * 0.95)] if took else 0.0
        said = f"{name:<48}{since:>6.0f}-{until:<5.0f}{len(inside):>10,}{on:>10,}{lost:>6}{in_hand:>9}"
        say(f"{said}{slow * 1000:>8.0f} ms")
        if "site 1 killed" in name:
            killed = min(lost, in_hand)
        all_lost += lost
    asked = trial.omni.end()
    rows = set(Star.objects.values_list("user__username", "conversation__omni_id"))
    kept = {(name.partition("-")[0], str(omni_id)) for name, omni_id in rows}
    failed = DBTaskResult.objects.failed().count()
    twice = sent_twice(asked, trial.started_at)
    # A look for what is new, and the first page of the walk through all, each with steps of its own.
    lists = [row for row in twice if "/conversations?" in row]
    counted = scraper.sums["omniviewer_upstream_requests_total"]
    wrong = {
        "requests lost, beyond those that change something in the hands of a killed site": all_lost - killed,
        "readers signed out": sum("/sign-in/" in row.location for row in answers),
        "words of somebody else": sum(len(reader.told.foreign) for reader in readers),
        "stars taken and lost": len({star for reader in readers for star in reader.stars} - kept),
        "requests that Omni refused (429)": sum(row.status == 429 for row in asked),
        "requests above 60 in any minute of any token": max(most_in_a_minute(asked) - _PER_MINUTE, 0),
        "the same thread, job or evidence asked for twice within 2 s": len(twice) - len(lists),
        "evidence asked for twice, but for what a killed process was asking for": evidence_asked_twice(trial, asked),
        "conversations left to be read, answers left to be captured": left,
        "tasks that failed": failed,
        "tracebacks in the logs": sum(
            machine.log(name).count("Traceback") for machine in trial.machines for name in ("serve", "worker")
        ),
    }
    told = {
        "told to wait for the budget of the token that ten share": sum(row.is_limited for row in answers),
        "lists asked for twice within 2 s: by a reader, and by the background as it begins": len(lists),
        "stars": len(kept),
        "evidence stored": Action.objects.count(),
        "requests to Omni": len(asked),
        "requests to Omni, by /metrics of both sites": counted,
        "most requests in a minute of any token": most_in_a_minute(asked),
        "pages, by /metrics of both sites": scraper.sums["omniviewer_page_seconds_count"],
        "requests that reached a site, by nginx": sum(row["sites"] != "" for row in passed),
    }
    for name, value in (wrong | told).items():
        say(f"{name:<84}{value:>8,}")
    for row in [*twice, *(answer for answer in answers if is_lost(answer))][:20]:
        say(f"  {row}")
    return not any(wrong.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="Where logs are to stay.")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniviewer-machines-")))
        folder.mkdir(exist_ok=True)
        call_command("migrate", verbosity=0)
        omni = stack.enter_context(omni_process(folder, readers=options.readers, rate=_PER_MINUTE))
        trial = Trial(stack, folder, omni)
        scraper = Scraper(trial.machines)
        # The first ones share a token, whose budget is then in use all the time.
        people = [omni.readers[max(0, number - _SHARE_A_TOKEN + 1)] for number in range(options.readers)]
        readers = [trial.reader(f"{person.name}-{number}", person) for number, person in enumerate(people)]
        connection.close()
        trial.run(readers, scraper)
        left = wait_for_the_rest(omni.readers[0].token, 180)
        scraper.end()
        return 0 if tell(trial, readers, scraper, left) else 1


if __name__ == "__main__":
    sys.exit(main())
