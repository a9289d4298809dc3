"""Programs that tests need, and where they may listen. Knows nothing of Django."""

import os
import shutil
import socket

import pytest


def need(program: str, *names: str) -> str:
    """The path of a program that a test needs: skipped by name where it is missing, failed where all are required."""
    for name in names or (program,):
        if path := shutil.which(name):
            return path
    if os.environ.get("OMNIVIEWER_REQUIRE") == "all":
        pytest.fail(f"{program} is missing, and OMNIVIEWER_REQUIRE=all")
    pytest.skip(f"{program} is missing")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
