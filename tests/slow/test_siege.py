"""A short siege: `python -m tests.siege` is the whole one, whose figures stand in .docs/security.md."""

import re
import subprocess
import sys

from tests.programs import need
from tests.serving import ROOT


def test_it_holds() -> None:
    """Sixty readers for 40 seconds, everything failing in turn: `tests.siege` says what is checked."""
    need("Redis", "redis-server")
    command = [sys.executable, "-m", "tests.siege", "--seconds", "40", "--readers", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    print(done.stdout)  # noqa: T201
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    answers = re.search(r"60 readers, 40 s: ([\d,]+) answers", done.stdout)
    assert answers
    assert int(answers[1].replace(",", "")) > 200
