"""The search and the list once more, on PostgreSQL: the other tests run on SQLite, the embedded default."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.postgresql import postgresql
from tests.serving import ROOT

# What asks the database something of its own kind.
FILES = ("tests/test_search.py", "tests/test_list.py", "tests/test_insights.py")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as address:
        yield address


def on_postgresql(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    """This very suite, in a process of its own."""
    ours = ("PYTEST_", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env=environment | {"OMNIVIEWER_TEST_DATABASE": database},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_works(database: str) -> None:
    # What Omni’s other dialect says is no different to the database.
    done = on_postgresql(database, *FILES, "-k", "not sdk")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout, re.M)
    assert passed, done.stdout
    assert int(passed[1]) >= 60
