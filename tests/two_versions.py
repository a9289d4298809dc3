"""A site of an earlier version beside one of this, on one database: `python -m tests.two_versions [COMMIT]`.

The earlier program makes the database, and people read with it. Its worker ends, this program migrates under its site,
and then both sites are read from for a while, as during a rolling upgrade. It prints what each answered when, ends by
itself after a minute, and with 1 if anything was not answered. Needs this project's history; by default the commit is
the last one before `conversations.0022`, which the changelog says may go on.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import django
import requests

# Sets the variables of the settings, which both versions share.
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.machines import shared_variables  # noqa: E402
from tests.omni_process import OmniProcess, omni_process  # noqa: E402
from tests.postgresql import postgresql  # noqa: E402
from tests.programs import free_port  # noqa: E402
from tests.readers import Reader  # noqa: E402
from tests.saying import say  # noqa: E402
from tests.serving import start_redis  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BEFORE_LIST_COLUMNS = "dd78f23"
_HABITS = {"thread": 40, "list": 20, "search": 12, "deep link": 10, "evidence": 10, "insights": 5, "export": 5}
_PAUSE = (0.3, 1.5)
_READERS = 12


class Program:
    """One version of the program, in a folder of its own, with the settings of all."""

    def __init__(self, source: Path, folder: Path, variables: dict[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.source, self.folder, self.port = source, folder, free_port()
        rest = {name: value for name, value in os.environ.items() if not name.startswith("OMNIVIEWER_")}
        # The packages, but not this checkout, which is among them by a hook that `-S` leaves out.
        paths = f"{source}{os.pathsep}{sysconfig.get_path('purelib')}"
        self._environment = rest | variables | {"DJANGO_SETTINGS_MODULE": "omniviewer.settings", "PYTHONPATH": paths}

    def run(self, *words: str) -> str:
        command = [sys.executable, "-S", "manage.py", *words]
        done = subprocess.run(
            command, cwd=self.source, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def started(self, *command: str, log: str) -> Iterator["subprocess.Popen[bytes]"]:
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-S", *command], cwd=self.source, env=self._environment, stdout=file, stderr=file
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)

    @contextmanager
    def served(self) -> Iterator[None]:
        options = ["--bind", f"127.0.0.1:{self.port}", "--workers", "1", "--threads", "8"]
        command = ["-m", "gunicorn", "-c", "python:omniviewer.serving", "omniviewer.wsgi", *options]
        with self.started(*command, log="site.log"):
            until = time.monotonic() + 60
            while True:
                try:
                    requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5)
                    break
                except requests.RequestException:
                    assert time.monotonic() < until, self.log
                    time.sleep(0.2)
            yield

    @property
    def log(self) -> str:
        return (self.folder / "site.log").read_text()


def main(commit: str) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniviewer-versions-")))
        source = folder / "earlier"
        source.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x"], cwd=source, input=archive.stdout, check=True)
        database = stack.enter_context(postgresql())
        redis_port = free_port()
        redis = start_redis(redis_port, folder)
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        omni = stack.enter_context(omni_process(folder, readers=_READERS, rate=600))
        variables = shared_variables(database.address, redis_port) | {"OMNIVIEWER_SYNC": "all"}
        earlier = Program(source, folder / "one", variables)
        present = Program(ROOT, folder / "two", variables)
        return 0 if _upgrade(earlier, present, omni) else 1


def _upgrade(earlier: Program, present: Program, omni: OmniProcess) -> bool:
    earlier.run("migrate", "-v", "0")
    keys = json.loads(earlier.run("shell", "-c", omni.creating_readers).splitlines()[-1])
    began = time.monotonic()
    phases = []

    def note(name: str) -> None:
        phases.append((name, time.monotonic() - began))

    def reader(program: Program, number: int) -> Reader:
        person = omni.readers[number]
        session = requests.Session()
        session.cookies.set("session", keys[number])
        url = f"http://127.0.0.1:{program.port}"
        return Reader(url, person.name, session, person.conversations, began, habits=_HABITS, pause=_PAUSE)

    with ExitStack() as stack:
        stack.enter_context(earlier.served())
        old = [reader(earlier, number) for number in range(_READERS // 2)]
        new = [reader(present, number) for number in range(_READERS // 2, _READERS)]
        note("the earlier version alone")
        with earlier.started("manage.py", "db_worker", log="worker.log"):
            for thread in old:
                thread.start()
            time.sleep(12)
        note("while this version migrates, without a worker")
        present.run("migrate", "-v", "0")
        time.sleep(1)
        note("both versions, with a worker of this one")
        stack.enter_context(present.served())
        with present.started("manage.py", "db_worker", log="worker.log"):
            for thread in new:
                thread.start()
            time.sleep(20)
            for thread in (*old, *new):
                thread.stop()
            for thread in (*old, *new):
                thread.join(timeout=60)
        note("")
    return _tell(phases, {"earlier": old, "this": new}, {"earlier": earlier, "this": present})


def _tell(phases: list[tuple[str, float]], readers: dict[str, list[Reader]], programs: dict[str, Program]) -> bool:
    wrong = 0
    for (name, since), (_, until) in pairwise(phases):
        for version, threads in readers.items():
            answers = [row for thread in threads for row in thread.told.answers if since <= row.second < until]
            if answers:
                statuses = dict(sorted(Counter(row.status for row in answers).items()))
                bad = Counter(row.what for row in answers if row.status not in (200, 302))
                wrong += bad.total()
                say(f"{name:<48}{since:>5.0f}-{until:<5.0f}{version:>8} version: {statuses} {dict(bad) or ''}")
    for version, program in programs.items():
        say(f"tracebacks in the log of the {version} version: {program.log.count('Traceback')}")
        wrong += program.log.count("Traceback")
    foreign = sum(len(thread.told.foreign) for threads in readers.values() for thread in threads)
    say(f"words of somebody else: {foreign}")
    return not (wrong or foreign)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else BEFORE_LIST_COLUMNS))
