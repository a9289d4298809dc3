"""Seconds until the demo's address stands, and until its archive is filled: `python -m tests.benchmark_demo`.

First with an empty database, then with the filled one, in a copy of the project. Beside the seconds stands the CPU time
of the demo's own process, which other load on the machine does not lengthen.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.demo_process import copy_project, read_until, running

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = copy_project(Path(folder) / "omniviewer")
        for name in ("first start", "second start"):
            began = time.monotonic()
            with running(checkout, "--no-browser") as (process, said):
                address = time.monotonic() - began
                if "The archive is filled" not in said:
                    read_until(process, "The archive is filled")
                filled = max(time.monotonic() - began, address)
                print(f"{name}: address {address:.1f} s, filled {filled:.1f} s, CPU {cpu_seconds(process):.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
