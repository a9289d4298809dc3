"""An Omni for readers in a process of its own: `python -m tests.omni_process READERS RATE SECONDS FILE`.

It prints its host, and each reader's name, token and conversations, as one line of JSON, takes so many seconds for each
answer, and writes all requests to the file. Knows nothing of Django.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action

# Seconds between two writings of the requests.
_WRITTEN_EVERY_SECONDS = 0.25
ROOT = Path(__file__).resolve().parent.parent
CONVERSATIONS = 4
# The first person has more, to use up the budget of a token.
CONVERSATIONS_OF_FIRST = 40
# A program for `manage.py shell`, of this version or an earlier one.
_CREATE_READERS = """
import json
from django.test import Client
from omniviewer.accounts.models import Credential, User
from omniviewer.omni import Token, replies
keys = []
for name, token, member in json.loads('''{}'''):
    user = User.objects.create(username=name)
    identity = replies.Identity("user", "MEMBER", "", member)
    Credential.objects.connect(user, "Omni", "{}", Token(token), identity)
    client = Client()
    client.force_login(user)
    keys.append(client.cookies["session"].value)
print(json.dumps(keys))
"""


@dataclass(frozen=True)
class OmniReader:
    """A person in Omni: name, token, membership id, and the ids of their conversations."""

    name: str
    token: str
    member: str
    conversations: list[str]


@dataclass(frozen=True)
class Request:
    """A request as Omni saw it: token, address, status, and when, in seconds since 1970."""

    token: str
    address: str
    status: int
    at: float


class OmniProcess:
    """The running process."""

    def __init__(self, host: str, readers: list[OmniReader], file: Path, process: "subprocess.Popen[str]") -> None:
        self.host, self.readers = host, readers
        self._file, self._process = file, process

    @property
    def creating_readers(self) -> str:
        """Return a program that creates the readers in a site, each with token and session, and prints these keys."""
        rows = [(row.name, row.token, row.member) for row in self.readers]
        return _CREATE_READERS.format(json.dumps(rows), self.host)

    def requests(self) -> list[Request]:
        """Return all requests so far."""
        if self._process.poll() is None:
            time.sleep(2 * _WRITTEN_EVERY_SECONDS)
        return [Request(*row) for row in json.loads(self._file.read_text())]

    def end(self) -> list[Request]:
        self._process.terminate()
        self._process.wait(timeout=30)
        return self.requests()


@contextlib.contextmanager
def omni_process(folder: Path, *, readers: int, rate: int = 60, seconds: float = 0.1) -> Iterator[OmniProcess]:
    file = folder / "omni.json"
    command = [sys.executable, "-m", "tests.omni_process", str(readers), str(rate), str(seconds), str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            yield OmniProcess(told["host"], [OmniReader(**row) for row in told["readers"]], file, process)
        finally:
            process.terminate()


def _reader(organization: Organization, number: int) -> OmniReader:
    """Add a person with conversations in which their name stands everywhere, with evidence."""
    name = f"reader{number:04}"
    member = organization.add_member(name, f"{name}@machines.example")
    ids = []
    for _ in range(CONVERSATIONS if number else CONVERSATIONS_OF_FIRST):
        found = organization.add_conversation(owner=member, name=f"Of {name}", turns=[])
        for age, question in ((3, "the revenue"), (2, "the revenue by month")):
            at = datetime.now(UTC) - timedelta(hours=age)
            job = organization.ask(found, f"{name} asks for {question}", f"It was **{number}**, {name}.", at=at)
            query = {"table": "orders", "fields": ["orders.month", "orders.count"]}
            rows = [["Month", "Orders"], ["2026-01", f"{number}"], ["2026-02", "1,030"]]
            job.actions = (Action("generate_query", "Counting", "Orders by month", query, rows),)
            job.topic = "orders"
        ids.append(str(found.id))
    return OmniReader(name, organization.personal_token(member), str(member.id), ids)


def main(count: int, rate: int, seconds: float, file: Path) -> None:
    organization = Organization("machines-org")
    omni = StandIn(organization, rate_per_minute=rate)
    readers = [_reader(organization, number) for number in range(count)]
    omni.fail(Fault(wait=seconds))
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended = threading.Event()
    with omni:
        sys.stdout.write(json.dumps({"host": omni.host, "readers": [vars(row) for row in readers]}) + "\n")
        sys.stdout.flush()
        while not ended.wait(_WRITTEN_EVERY_SECONDS):
            _write(omni, file)
    _write(omni, file)


def _write(omni: StandIn, file: Path) -> None:
    rows = [
        (row.token, f"{row.path}?{sorted(row.query.items())}", row.status, row.at.timestamp())
        for row in list(omni.requests)
    ]
    new = file.with_suffix(".new")
    new.write_text(json.dumps(rows))
    new.replace(file)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
