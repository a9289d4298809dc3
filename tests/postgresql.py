"""A PostgreSQL of the tests' own: in a folder that goes with it, on a free port of this machine, for nobody else."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import need
from tests.serving import free_port

# Nothing here has to outlive a crash, so nothing waits for the disk.
_HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=60")


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database; its server ends with the block. Skipped where there is no PostgreSQL."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    programs = Path(need("PostgreSQL", *map(str, newest_first), "initdb")).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="omniviewer-postgresql-"))
    try:
        who = _unprivileged(folder)
        data, port = folder / "data", free_port()
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "tests", "-A", "trust"]
        initdb += ["-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False, **who)
        assert done.returncode == 0, done.stdout + done.stderr
        options = [f"listen_addresses=127.0.0.1 port={port} unix_socket_directories=", *_HASTY]
        settings = [word for option in options for setting in option.split(" ") for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *settings], cwd=folder, stdout=log, stderr=log, **who
            )
        try:
            _wait_for(programs, port, server, folder / "log")
            yield f"postgres://tests@127.0.0.1:{port}/postgres"
        finally:
            # "Fast": who is still connected is disconnected.
            server.send_signal(2)
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as nobody."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_for(programs: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    is_ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        if subprocess.run(is_ready, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not answer within 30 seconds: {log.read_text()}")
