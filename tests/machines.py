"""Several machines on this one: each a folder, a site and workers of its own, with an nginx of `.deploy/` before them.

They share what the variables of the settings name, and nothing else.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tests import certificates
from tests.deployed import environment
from tests.programs import free_port, free_ports, need

ROOT = Path(__file__).resolve().parent.parent
METRICS_TOKEN = "who reads the counts of this machine"
DEPLOY = ROOT / ".deploy"
_NGINX = """
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format told escape=json '{{"method": "$request_method", "path": "$uri", "status": "$status", '
        '"sites": "$upstream_addr", "statuses": "$upstream_status", "seconds": "$request_time", "at": "$msec"}}';
    access_log {folder}/access.log told;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/upstream.conf; include {folder}/omniviewer.conf;
}}
"""


def shared_variables(database: str, redis_port: int) -> dict[str, str]:
    """Return the settings that all machines have in common: those of the tests, without a worker beside the site."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("OMNIVIEWER_")}
    ours.pop("OMNIVIEWER_TEST_DATABASE", None)
    return ours | {
        "DATABASE_URL": database,
        "CACHE_URL": f"redis://127.0.0.1:{redis_port}/0",
        "OMNIVIEWER_WORKER": "false",
        "OMNIVIEWER_METRICS_TOKEN": METRICS_TOKEN,
    }


class Machine:
    """A machine with a site and workers. `clock`: by how many seconds its clock is ahead of this one's."""

    def __init__(self, folder: Path, variables: Mapping[str, str], *, clock: int = 0, workers: int = 2) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder, self.variables, self.port = folder, dict(variables), free_port()
        self._clock, self._processes = clock, workers
        self.site: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self, name: str = "serve") -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, name: str = "serve") -> list[dict[str, Any]]:
        """Return the log's lines in JSON, but for those of pages."""
        lines = [json.loads(line) for line in self.log(name).splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] != "page"]

    def start_site(self, *, wait: bool = True, until: Collection[int] = (200,)) -> None:
        options = ["--bind", f"127.0.0.1:{self.port}", "--workers", str(self._processes), "--backlog", "512"]
        self.site = self._start("serve", *options, "--worker-tmp-dir", str(self.folder))
        if wait:
            self.wait(until)

    def start_worker(self) -> None:
        self.worker = self._start("worker", "--no-startup-delay")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `omniviewer` to its end."""
        command = [*self._faked(), sys.executable, "-m", "omniviewer", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment(), capture_output=True, text=True, check=False, timeout=120
        )

    def wait(self, until: Collection[int] = (200,)) -> None:
        """Wait until `/readyz` answers with one of these statuses."""
        for _ in range(600):
            assert self.site is not None
            assert self.site.poll() is None, self.log()[-3000:]
            with contextlib.suppress(requests.RequestException):
                if self.ready()[0] in until:
                    return
            time.sleep(0.1)
        raise AssertionError(f"/readyz answers {self.ready()} after a minute: {self.log()[-3000:]}")

    def ready(self) -> tuple[int, dict[str, str]]:
        """Return the status of `/readyz`, and its lines; the first is named "state"."""
        answer = requests.get(f"{self.url}/readyz", timeout=30)
        state, *lines = answer.text.strip().split("\n")
        return answer.status_code, {"state": state} | dict(line.split(": ", 1) for line in lines)

    def metrics(self) -> str:
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        return requests.get(f"{self.url}/metrics", headers=headers, timeout=10).text

    def is_healthy(self) -> bool:
        return requests.get(f"{self.url}/healthz", timeout=10).status_code == 200

    def end(self, process: "subprocess.Popen[bytes] | None", *, kill: bool = False) -> float:
        """End the site or the worker, with SIGKILL all its processes at once; return the seconds that it took."""
        if process is None or process.poll() is not None:
            return 0.0
        began = time.monotonic()
        if kill:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        process.wait(timeout=60)
        return time.monotonic() - began

    def close(self) -> None:
        for process in (self.site, self.worker):
            self.end(process, kill=True)

    def _faked(self) -> list[str]:
        return [need("faketime"), "-f", f"{self._clock:+d}s"] if self._clock else []

    def _environment(self) -> dict[str, str]:
        return environment(self.folder, self.variables) | {"NO_FAKE_STAT": "1"}

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        command = [*self._faked(), sys.executable, "-m", "omniviewer", *words]
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            # A session of its own, so that all its processes can be killed at once.
            return subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )


class Proxy:
    """An nginx with `.deploy/nginx/omniviewer.conf` and `upstream-several.conf`, before these sites."""

    def __init__(self, folder: Path, machines: Sequence[Machine]) -> None:
        self._folder, self._machines = folder, machines
        folder.mkdir(mode=0o755)
        self.port, plain = free_ports(2)
        self.certificate = certificates.write(folder / "site.crt")
        (folder / "site.key").write_bytes(self.certificate.read_bytes())
        text = (DEPLOY / "nginx/omniviewer.conf").read_text()
        text = re.sub(r"\n *listen \[::\][^\n]*", "", text).replace("omniviewer.example.com", "localhost")
        text = text.replace("listen 443 ", f"listen 127.0.0.1:{self.port} ").replace("listen 80;", f"listen {plain};")
        text = text.replace("/etc/omniviewer/tls/", f"{folder}/")
        (folder / "omniviewer.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, user=user))
        self._write_upstream(())
        program = need("nginx", "nginx", "/usr/sbin/nginx")
        self._process = subprocess.Popen(
            [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def drain(self, *machines: Machine) -> None:
        """Send requests to all but these machines, from now on."""
        self._write_upstream(machines)
        self._process.send_signal(signal.SIGHUP)

    def requests(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self._folder / "access.log").read_text().splitlines()]

    def errors(self) -> str:
        return (self._folder / "error.log").read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def _write_upstream(self, drained: Collection[Machine]) -> None:
        text = (DEPLOY / "nginx/upstream-several.conf").read_text()
        addresses = re.findall(r"server (10\.[\d.:]+)", text)
        assert len(addresses) == len(self._machines)
        for address, machine in zip(addresses, self._machines, strict=True):
            down = " down" if machine in drained else ""
            text = re.sub(rf"server {address}([^;]*);", rf"server 127.0.0.1:{machine.port}\1{down};", text)
        (self._folder / "upstream.conf").write_text(text)
