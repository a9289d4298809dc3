"""The warnings of `manage.py check --deploy` for each mistake in the settings.

`python -m tests.deploy_mistakes` writes the table `.docs/deploy-checks.md`; a test compares it with the site.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from tests.programs import free_port

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / ".docs/deploy-checks.md"
KEYS = Fernet.generate_key().decode()
NEEDED = {
    "OMNIVIEWER_SECRET_KEY": "rQ8v7yJm2LhXw5ZpT3nKc9Ds6Gf1BaVeUi4Mo0SxRtYqPlHgNjWkEzC8dF5A",
    "OMNIVIEWER_ENCRYPTION_KEYS": KEYS,
    "OMNIVIEWER_ALLOWED_HOSTS": "bi.example.com",
    "OMNIVIEWER_BEHIND_PROXY": "true",
}
OIDC: dict[str, str | None] = {
    "OMNIVIEWER_OIDC_ISSUER": "https://id.example.com",
    "OMNIVIEWER_OIDC_CLIENT_ID": "omniviewer",
    "OMNIVIEWER_OIDC_CLIENT_SECRET": "a secret that nobody guesses",
}
PLAIN = ("manage.py", "check", "--deploy")
# Runs `manage.py` as if by an older Python.
OLD_PYTHON = """
import sys
from collections import namedtuple
import django; django.setup()
from django.core.management import execute_from_command_line
# Libraries that are loaded by now have seen the real version.
sys.version_info = namedtuple("V", "major minor micro releaselevel serial")(3, 12, 4, "final", 0)
execute_from_command_line(["manage.py", "check", "--deploy"])
"""
# Simulates a full disk: no file can take another byte.
FULL_DISK = """
import resource, sys
import django; django.setup()
from django.core.management import execute_from_command_line
from django.db import connection
connection.ensure_connection()
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
execute_from_command_line(["manage.py", "check", "--deploy", "--database", "default"])
"""
A_TOKEN = """
import django; django.setup()
from omniviewer.omni import Token, replies
from omniviewer.accounts.models import Credential, User
identity = replies.Identity("organization", "ORG_ADMIN", "u", "m")
Credential.objects.connect(User.objects.create(username="x"), "Omni", "omni.example", Token("omni_org_x"), identity)
"""
A_TASK_THAT_WAITS = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from conversations import tasks
DBTaskResult.objects.all().delete()
tasks.sync.using(run_after=timezone.now() - timedelta(minutes=6)).enqueue()
"""


class Copy:
    """A copy of the site in a folder of its own, with its static files and tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("omniviewer", "conversations", "static", "templates"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        shutil.copy(ROOT / "manage.py", folder)
        self.run({}, "manage.py", "migrate", "-v", "0")
        self.run({}, "manage.py", "collectstatic", "--noinput", "-v", "0")

    def run(self, variables: dict[str, str | None], *command: str) -> str:
        """Return what the command says on standard error."""
        ours = ("OMNIVIEWER_", "DJANGO_", "DATABASE_URL", "CACHE_URL", "PROMETHEUS_")
        rest = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        given = {name: value for name, value in {**NEEDED, **variables}.items() if value is not None}
        environment = rest | {"DJANGO_SETTINGS_MODULE": "omniviewer.settings", **given}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        return done.stderr


def nothing(_copy: Copy) -> None:
    pass


@dataclass(frozen=True)
class Mistake:
    """A mistake that `prepare` makes in a copy of the site, and that `command` finds."""

    what: str
    variables: dict[str, str | None] = field(default_factory=dict)
    prepare: Callable[[Copy], object] = nothing
    command: tuple[str, ...] = PLAIN


def _asks_database(
    what: str, variables: dict[str, str | None] | None = None, prepare: Callable[[Copy], object] = nothing
) -> Mistake:
    return Mistake(what, variables or {}, prepare, (*PLAIN, "--database", "default"))


def _key_file(copy: Copy) -> None:
    (copy.folder / ".env").touch(mode=0o600)
    (copy.folder / ".env").chmod(0o640)


def _no_manifest(copy: Copy) -> None:
    (copy.folder / ".static/staticfiles.json").unlink()


MISTAKES = [
    Mistake("`.env` can be read by the group", prepare=_key_file),
    Mistake(
        "The database can be read by everybody",
        prepare=lambda copy: (copy.folder / ".data/omniviewer.sqlite3").chmod(0o644),
    ),
    Mistake("Python lacks fixes", command=("-c", OLD_PYTHON)),
    Mistake("`OMNIVIEWER_DEBUG=true`", {"OMNIVIEWER_DEBUG": "true"}),
    Mistake("`OMNIVIEWER_DEMO=true`", {"OMNIVIEWER_DEMO": "true"}),
    Mistake("`OMNIVIEWER_HSTS_SECONDS=0`", {"OMNIVIEWER_HSTS_SECONDS": "0"}),
    Mistake("`OMNIVIEWER_SECRET_KEY` has fewer than 50 characters", {"OMNIVIEWER_SECRET_KEY": "k3Xv9Qw1" * 5}),
    Mistake("`OMNIVIEWER_SECRET_KEY` is one letter, many times", {"OMNIVIEWER_SECRET_KEY": "x" * 60}),
    Mistake("A key in `OMNIVIEWER_SECRET_KEYS_BEFORE` is short", {"OMNIVIEWER_SECRET_KEYS_BEFORE": "k3Xv9Qw1" * 5}),
    Mistake("`OMNIVIEWER_BEHIND_PROXY` is not set", {"OMNIVIEWER_BEHIND_PROXY": None}),
    Mistake("Single sign-on, and no groups or domains", {**OIDC, "OMNIVIEWER_LOCAL_LOGIN": "true"}),
    Mistake("Single sign-on, and no staff group", {**OIDC, "OMNIVIEWER_ALLOWED_GROUPS": "analysts"}),
    Mistake("SQLite, and Redis on another machine", {"CACHE_URL": "redis://cache.example.com:6379/0"}),
    Mistake("The folder `static` is missing", prepare=lambda copy: shutil.rmtree(copy.folder / "static")),
    _asks_database("The database is away", {"DATABASE_URL": f"postgres://bi@127.0.0.1:{free_port()}/bi"}),
    _asks_database("Migrations are missing", prepare=lambda copy: (copy.folder / ".data/omniviewer.sqlite3").unlink()),
    _asks_database("Static files were not collected", prepare=_no_manifest),
    _asks_database("Redis is away", {"CACHE_URL": f"redis://127.0.0.1:{free_port()}/0"}),
    Mistake(
        "The disk takes no more",
        {"OMNIVIEWER_METRICS_TOKEN": "what the scrape may show"},
        command=("-c", FULL_DISK),
    ),
    _asks_database(
        "No key decrypts what is stored",
        {"OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode()},
        lambda copy: copy.run({}, "-c", A_TOKEN),
    ),
    _asks_database("No worker runs", prepare=lambda copy: copy.run({}, "-c", A_TASK_THAT_WAITS)),
]


def said_of(mistake: Mistake, clean: Path) -> list[tuple[str, str, str]]:
    """Return level, id and sentence of each message."""
    with tempfile.TemporaryDirectory(prefix="omniviewer-check-") as folder:
        copy = Copy.__new__(Copy)
        copy.folder = Path(folder) / "site"
        shutil.copytree(clean, copy.folder)
        mistake.prepare(copy)
        said = copy.run(mistake.variables, *mistake.command)
        return list(messages(said.replace(str(copy.folder), "…")))


def messages(text: str) -> Iterator[tuple[str, str, str]]:
    level = ""
    for line in text.splitlines():
        if head := re.fullmatch(r"(ERRORS|WARNINGS|INFOS|CRITICALS):", line):
            level = head[1].removesuffix("S").capitalize()
        elif found := re.fullmatch(r"\S+: \((\S+)\) (.*)", line):
            yield level, found[1], found[2]


def table() -> str:
    with tempfile.TemporaryDirectory(prefix="omniviewer-check-") as folder:
        clean = Copy(Path(folder) / "site")
        of_machine = set(messages(clean.run({}, *PLAIN, "--database", "default")))
        assert {number for _, number, _ in of_machine} <= {"omniviewer.W001"}, of_machine
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda mistake: said_of(mistake, clean.folder), MISTAKES))
    lines = []
    for mistake, told in zip(MISTAKES, found, strict=True):
        own = [row for row in told if row not in of_machine]
        lines += [f"| {mistake.what} | `{number}` | {level} | {_plain(said)} |" for level, number, said in own]
        if not own:
            lines.append(f"| {mistake.what} | | | nothing |")
    head = [
        "# What `manage.py check --deploy` says",
        "",
        "Made by `python -m tests.deploy_mistakes`; the tests hold it against the site.",
        "",
        "The command fails with an error, and with a warning where `--fail-level WARNING` says so. What has the ids",
        "`omniviewer.E002` and `omniviewer.W002` is what `/readyz` says too: it is asked for by `--database default`.",
        "So are `omniviewer.E003` (the encoding of a PostgreSQL database is not UTF8) and `omniviewer.W007` (its",
        "`LC_CTYPE` is C or POSIX), which `tests/operations/test_encoding.py` holds.",
        "Settings that are wrong by themselves stop every process: see [settings-mistakes.md](settings-mistakes.md).",
        "",
        "| What is wrong | Id | Level | What it says |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *lines, ""])


def _plain(sentence: str) -> str:
    sentence = re.sub(r"^migrations: \d+ ", "migrations: N ", sentence)  # more with each version
    return sentence.replace("|", "&#124;").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(table()) if "--print" in sys.argv else TABLE.write_text(table())
