"""Programs that tests need, and where they may listen. Knows nothing of Django."""

import contextlib
import os
import shutil
import socket
from typing import NoReturn

import pytest


def need(program: str, *names: str) -> str:
    """Return the path of a program. If it is missing, skip the test, or fail it if all programs are required."""
    for name in names or (program,):
        if path := shutil.which(name):
            return path
    return missing(program)


def missing(what: str) -> NoReturn:
    """Skip a test by the name of what it needs and this machine lacks, or fail it where all is required."""
    if os.environ.get("OMNIVIEWER_REQUIRE") == "all":
        pytest.fail(f"{what} is missing, and OMNIVIEWER_REQUIRE=all")
    pytest.skip(f"{what} is missing")


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many ports, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
