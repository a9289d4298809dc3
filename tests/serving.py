"""The site as it is deployed: gunicorn with several processes, on the database of the test that starts it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from django.conf import settings
from django.db import connection
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from omniviewer.accounts.models import User
from tests import watching
from tests.conftest import signed_in
from tests.programs import free_port, need

ROOT = Path(__file__).resolve().parent.parent


class Site:
    """A running site: its address, its output on standard error so far, and its processes."""

    def __init__(self, url: str, log: Path, pid: int) -> None:
        self.url = url
        self._log = log
        self.pid = pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def workers(self) -> list[int]:
        """Process ids of gunicorn's own."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def reader(self, user: User) -> requests.Session:
        """A browser in which `user` is signed in."""
        session = requests.Session()
        session.trust_env = False
        # Retry as browsers do if the server closes a kept-open connection just as a request is sent.
        retries = Retry(total=3, allowed_methods=["GET"], respect_retry_after_header=False)
        session.mount("http://", HTTPAdapter(max_retries=retries))
        cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME]
        session.cookies.set(settings.SESSION_COOKIE_NAME, cookie.value)
        return session

    def get_all(self, reader: requests.Session, paths: list[str]) -> list[requests.Response]:
        """Get all pages at the same time."""

        def get(path: str) -> requests.Response:
            return requests.get(self.url + path, cookies=reader.cookies, timeout=60, allow_redirects=False)

        with ThreadPoolExecutor(len(paths)) as pool:
            return list(pool.map(get, paths))


@contextlib.contextmanager
def serve(
    folder: Path,
    variables: dict[str, str] | None = None,
    *,
    workers: int = 2,
    threads: int = 8,
    port: int | None = None,
    **environment: str,
) -> Iterator[Site]:
    """Run the site until the block ends. `variables`, `environment`: settings that differ from the tests'."""
    port = port or free_port()
    log = folder / "gunicorn.log"
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "omniviewer.settings",
        "DATABASE_URL": _database_url(),
        "OMNIVIEWER_LOG_LEVEL": "INFO",
        "OMNIVIEWER_WORKER": "false",
        **(variables or {}),
        **environment,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:omniviewer.serving", "omniviewer.wsgi"]
    command += ["--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(workers), "--threads", str(threads), "--backlog", "512"]
    command += ["--worker-tmp-dir", str(folder)]
    with log.open("wb") as written:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=written, stderr=written)
    try:
        _wait_for(port, server, log)
        yield Site(f"http://127.0.0.1:{port}", log, server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)
        watching.look("lines", log.read_text(errors="replace"))


def database_environment() -> dict[str, str]:
    """Return the environment for a separate process that works on the test's database."""
    return os.environ | {"DJANGO_SETTINGS_MODULE": "omniviewer.settings", "DATABASE_URL": _database_url()}


def _database_url() -> str:
    of_test = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{of_test['NAME']}"
    return re.sub(r"/[^/]*$", f"/{of_test['NAME']}", os.environ["DATABASE_URL"])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(requests.RequestException):
            requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
            return
        time.sleep(0.1)
    raise AssertionError(f"gunicorn did not answer within 30 seconds: {log.read_text()}")


def start_redis(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start a Redis that stores nothing on disk; end it by `kill()`."""
    program = need("Redis", "redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    server.kill()
    raise AssertionError("Redis did not start")
