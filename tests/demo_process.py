"""`manage.py demo` as its user runs it: a process of its own, in a copy of the project."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def copy_project(target: Path) -> Path:
    """Copy the project as a fresh clone has it: its files, and nothing generated from them."""
    ignored = shutil.ignore_patterns(
        ".venv", ".git", ".demo", ".data", ".static", "__pycache__", "*.egg-info", ".*_cache"
    )
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def start(checkout: Path, *options: str) -> subprocess.Popen[str]:
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMNIVIEWER_", "DJANGO_", "DATABASE"))
    }
    command = [sys.executable, "manage.py", "demo", *options]
    return subprocess.Popen(
        command,
        cwd=checkout,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], last: str) -> str:
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        if last in line:
            return said
    return said


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> str:
    process.send_signal(how)
    rest, _ = process.communicate(timeout=60)
    return rest


@contextlib.contextmanager
def running(checkout: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a demo until the block ends; yield it with what it said up to its address."""
    process = start(checkout, *options)
    try:
        yield process, read_until(process, "Ctrl-C")
    finally:
        if process.poll() is None:
            stop(process)


def site_of(said: str) -> str:
    found = re.search(r"Omniviewer runs at\s+(http://127\.0\.0\.1:\d+)/", said)
    assert found, said
    return found.group(1)
