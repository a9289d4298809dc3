"""The site as a company runs it, under load while one thing after another fails: `python -m tests.siege`.

Gunicorn, PostgreSQL, Redis and two workers on this machine, `--readers` people with a token each, `--seconds` long. In
turn a process of gunicorn's and a worker are killed, Redis and PostgreSQL are stopped and started again, and Omni is
away for a fifth of the time. Each reader knows whose words may stand in an answer, and each answer has to be accounted
for: what is neither a page nor told to wait while something is away is an error, and ends it with 1.
"""

import argparse
import atexit
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

import django
import requests

from tests.postgresql import PostgreSQL, postgresql
from tests.programs import free_port

# Started before the settings are read, because they name the database.
_servers = ExitStack()
atexit.register(_servers.close)
database = _servers.enter_context(postgresql())
os.environ["DATABASE_URL"] = os.environ["OMNIVIEWER_TEST_DATABASE"] = database.address
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from conversations.models import Conversation, Star  # noqa: E402
from omniviewer.accounts.models import Credential, User  # noqa: E402
from omniviewer.audit.models import Event  # noqa: E402
from omniviewer.demo.stand_in import Fault, Organization, StandIn  # noqa: E402
from omniviewer.omni import Token, replies  # noqa: E402
from tests.readers import Answer, Reader  # noqa: E402
from tests.saying import say  # noqa: E402
from tests.serving import ROOT, database_environment, serve, start_redis  # noqa: E402

# Seconds: only in a longer siege is Omni asked again before the end, since a failed instance rests for up to a minute.
_LONG = 240
# A page, or a redirect to one.
_PAGES = (200, 302)
# Relative frequency of what a reader asks for, and seconds between two requests.
_HABITS = {"thread": 50, "list": 25, "search": 12, "insights": 5, "export": 8}
_PAUSE = (2.0, 8.0)
# Seconds after the end of a fault in which it may still have effects.
GRACE = 15.0
CONVERSATIONS = 4


class Siege:
    """The faults of a siege, as they happened: (name, start, end), in seconds since the siege began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.faults: list[tuple[str, float, float]] = []
        self.began = 0.0

    @contextmanager
    def fault(self, name: str, at: float) -> Iterator[None]:
        """Wait until that share of the time has passed."""
        time.sleep(max(self.began + at * self.seconds - time.monotonic(), 0))
        since = time.monotonic() - self.began
        yield
        self.faults.append((name, since, time.monotonic() - self.began))

    def excuses(self, answer: Answer) -> str:
        """Return the fault that accounts for a failed reply; "" if none does."""
        # 503: told to wait; 0: the process was killed while it answered.
        if answer.status not in (0, 503, 429):
            return ""
        ended = answer.second + answer.took
        return next(
            (name for name, since, until in self.faults if since - 1 <= ended and answer.second <= until + GRACE), ""
        )


class Field:
    """All running programs of the siege, each of which can be ended and started again."""

    def __init__(self, stack: ExitStack, folder: Path, database: PostgreSQL) -> None:
        self.database = database
        self._folder, self._redis_port = folder, free_port()
        self._more = {
            "CACHE_URL": f"redis://127.0.0.1:{self._redis_port}/0",
            "OMNIVIEWER_RATE_PER_MINUTE": "60",
            "OMNIVIEWER_SYNC": "all",
            "OMNIVIEWER_LOG_LEVEL": "WARNING",
        }
        self.organization = Organization("siege-org")
        self.omni = stack.enter_context(StandIn(self.organization, rate_per_minute=60))
        self.redis = start_redis(self._redis_port, folder)
        self.site = stack.enter_context(serve(folder, self._more, workers=3))
        self.workers = [self._worker(), self._worker()]
        stack.callback(self._end)

    def _worker(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "db_worker", "--no-startup-delay"]
        return subprocess.Popen(command, cwd=ROOT, env=database_environment() | self._more, stderr=subprocess.DEVNULL)

    def _end(self) -> None:
        for process in (*self.workers, self.redis):
            process.kill()
            process.wait()

    def reader(self, number: int) -> tuple[str, requests.Session, list[str]]:
        """Create a reader with an API token, and conversations in which the reader's name stands everywhere."""
        name = f"reader{number:04}"
        member = self.organization.add_member(name, f"{name}@siege.example")
        turns: list[tuple[str, str | None]] = [
            (f"{name} asks for the revenue", f"The revenue, **{name}**, was {number}."),
            (f"And by month, says {name}?", f"| Month | {name} |\n|---|---|\n| May | {number} |"),
        ]
        made = [
            self.organization.add_conversation(owner=member, name=f"Of {name}", turns=turns)
            for _ in range(CONVERSATIONS)
        ]
        reader = User.objects.create(username=name)
        token = Token(self.organization.personal_token(member))
        identity = replies.Identity("user", "MEMBER", "", str(member.id))
        Credential.objects.connect(reader, "Omni", self.omni.host, token, identity)
        return name, self.site.reader(reader), [str(row.id) for row in made]

    def attack(self, siege: Siege) -> None:
        with siege.fault("a process of gunicorn's killed", 0.15):
            os.kill(self.site.workers[0], signal.SIGKILL)
        with siege.fault("a worker killed", 0.22):
            self.workers[0].kill()
            self.workers[0].wait()
            self.workers[0] = self._worker()
        with siege.fault("Redis away", 0.3):
            self.redis.kill()
            self.redis.wait()
            time.sleep(siege.seconds * 0.03)
            self.redis = start_redis(self._redis_port, self._folder)
        with siege.fault("PostgreSQL away", 0.42):
            self.database.stop()
            time.sleep(siege.seconds * 0.02)
            self.database.start()
        with siege.fault("Omni away", 0.58):
            self.omni.fail(Fault.status(503), path="")
            time.sleep(siege.seconds * 0.2)
            self.omni.recover()


def besiege(seconds: float, count: int, field: Field) -> bool:
    """Attack the site while readers use it, and return whether it held."""
    readers = [field.reader(number) for number in range(count)]
    siege = Siege(seconds)
    siege.began = time.monotonic()
    threads = [
        Reader(field.site.url, name, session, ids, siege.began, siege.began + seconds, habits=_HABITS, pause=_PAUSE)
        for name, session, ids in readers
    ]
    for thread in threads:
        thread.start()
    field.attack(siege)
    for thread in threads:
        thread.join(timeout=seconds + 90)
    # The siege broke this process's connection too.
    connection.close()
    answers = [answer for thread in threads for answer in thread.told.answers]
    late = [answer for answer in answers if answer.second > 0.9 * seconds and seconds >= _LONG]
    rows = Star.objects.values_list("user__username", "conversation__omni_id")
    kept = {(name, str(omni_id)) for name, omni_id in rows}
    wrong = [answer for answer in answers if answer.status not in _PAGES and not siege.excuses(answer)]
    _print(siege, answers, count)
    found = {
        "answers that nothing accounts for": len(wrong),
        "words of somebody else": sum(len(thread.told.foreign) for thread in threads),
        "stars that were taken and lost": len({star for thread in threads for star in thread.stars} - kept),
        "of the last tenth, no page, or not up to date": sum(row.status not in _PAGES or row.is_old for row in late),
        "workers that ended by themselves": sum(process.poll() is not None for process in field.workers),
        "readers who were stuck": sum(thread.is_alive() for thread in threads),
        "refused by Omni's limit": sum(row.status == HTTPStatus.TOO_MANY_REQUESTS for row in field.omni.requests),
    }
    told = {
        "stars": len(kept),
        "conversations read, of those that there are": Conversation.objects.exclude(fetched_at=None).count(),
        "rows of the audit log": Event.objects.count(),
        "requests to Omni": len(field.omni.requests),
        "tracebacks in the log": field.site.log.count("Traceback"),
        "MB that gunicorn's processes hold": sum(map(_resident, field.site.workers)) // 1024,
    }
    for name, value in (found | told).items():
        say(f"{name:<52}{value:>9,}")
    for answer in wrong[:10]:
        say(f"  {answer}")
    return not any(found.values())


def _resident(pid: int) -> int:
    """Return the resident memory of a process in KB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def _print(siege: Siege, answers: list[Answer], count: int) -> None:
    rate = len(answers) / siege.seconds
    say(f"{count} readers, {siege.seconds:.0f} s: {len(answers):,} answers, {rate:.1f} a second")
    for name, since, until in siege.faults:
        told = Counter(row.status for row in answers if row.status not in _PAGES and siege.excuses(row) == name)
        say(f"  {name:<34}{since:>6.0f} to {until:>4.0f} s   told to wait or broken off: {dict(told) or 'nobody'}")
    for what in ("thread", "list", "search", "insights", "export", "star"):
        taken = sorted(row.took * 1000 for row in answers if row.what == what and row.status in _PAGES)
        if taken:
            half, most, nearly_all = (
                taken[min(int(len(taken) * share), len(taken) - 1)] for share in (0.5, 0.95, 0.99)
            )
            say(
                f"  {what:<10}{len(taken):>7,} answers; median {half:>5.0f} ms, 95 of 100 {most:>5.0f}, "
                f"99 of 100 {nearly_all:>5.0f}"
            )
    old = sum(row.is_old for row in answers)
    say(f"  by status: {dict(Counter(row.status for row in answers))}; {old:,} said that they were not up to date")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--readers", type=int, default=200)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniviewer-siege-")))
        call_command("migrate", verbosity=0)
        return 0 if besiege(options.seconds, options.readers, Field(stack, folder, database)) else 1


if __name__ == "__main__":
    sys.exit(main())
