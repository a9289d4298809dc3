"""A PostgreSQL of the tests' own: in a folder that goes with it, on a free port of this machine, for nobody else."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.programs import free_port, need

# Nothing here has to outlive a crash, so nothing waits for the disk.
_HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200")


class PostgreSQL:
    """A running PostgreSQL server. `address` is that of an empty database."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder, self._port = programs, folder, free_port()
        self._who = _unprivileged(folder)
        self.address = f"postgres://tests@127.0.0.1:{self._port}/postgres"
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "tests", "-A", "trust"]
        initdb += ["-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False, **self._who)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = [f"listen_addresses=127.0.0.1 port={self._port} unix_socket_directories=", *_HASTY]
        settings = [word for option in options for setting in option.split(" ") for word in ("-c", setting)]
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), *settings]
        log = self._folder / "log"
        with log.open("ab") as written:
            self._server: subprocess.Popen[bytes] = subprocess.Popen(
                command, cwd=self._folder, stdout=written, stderr=written, **self._who
            )
        _wait_for(self._programs, self._port, self._server, log)

    def database(self, name: str, *, is_new: bool = True, options: str = "") -> str:
        """Return the address of a further database, which is created unless it is known to be there.

        `options` are those of `CREATE DATABASE`.
        """
        if is_new:
            psql = [str(self._programs / "psql"), "-h", "127.0.0.1", "-p", str(self._port), "-U", "tests", "-q"]
            subprocess.run([*psql, "-c", f"CREATE DATABASE {name} {options}", "postgres"], check=True)
        return self.address.removesuffix("postgres") + name

    def stop(self) -> None:
        """Stop the server in its "fast" mode, which disconnects all clients."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(timeout=60)


@contextlib.contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Yield a running server, which ends with the block. Skip the test if PostgreSQL is missing."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    programs = Path(need("PostgreSQL", *map(str, newest_first), "initdb")).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="omniviewer-postgresql-"))
    try:
        server = PostgreSQL(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return options to run PostgreSQL as nobody, because it refuses to run as root."""
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
