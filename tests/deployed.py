"""A deployment on this machine: the site by `omniviewer serve`, and an nginx before it that ends TLS, well or badly."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.programs import free_port, free_ports, need

ROOT = Path(__file__).resolve().parent.parent
_OURS = ("OMNIVIEWER_", "DJANGO_", "DATABASE_URL", "CACHE_URL", "PROMETHEUS_")
_CONFIGURATION = """
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    {servers}
}}
"""
GOOD = {
    "Host": "$http_host",
    "X-Forwarded-Proto": "$scheme",
    "X-Forwarded-For": "$remote_addr",
    "X-Auth-Request-User": '""',
}


@dataclass(frozen=True)
class Way:
    """A way to set nginx up: headers that differ from the good ones, and lines in its location or beside it."""

    headers: Mapping[str, str] | None = None
    inside: str = ""
    beside: str = ""
    certificate: Path | None = None
    is_plain: bool = False


def environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return rest | {"OMNIVIEWER_FOLDER": str(folder), **variables}


def omniviewer(folder: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omniviewer", *words]
    env = environment(folder, variables)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def started(folder: Path, variables: Mapping[str, str], *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of `omniviewer` until the block ends."""
    command = [sys.executable, "-m", "omniviewer", *words]
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(folder, variables), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def served(folder: Path, variables: Mapping[str, str]) -> Iterator[int]:
    """Serve the site until the block ends; yield its port."""
    done = omniviewer(folder, variables, "collectstatic", "--noinput", "-v", "0")
    assert done.returncode == 0, done.stderr
    port = free_port()
    with started(folder, variables, "serve", "--bind", f"127.0.0.1:{port}") as process:
        _wait_for(f"http://127.0.0.1:{port}/healthz", process)
        yield port


@contextlib.contextmanager
def behind_nginx(folder: Path, site: int, certificate: Path, ways: Mapping[str, Way]) -> Iterator[dict[str, int]]:
    """Run nginx until the block ends; yield the port of each way to set it up."""
    program = need("nginx", "nginx", "/usr/sbin/nginx")
    folder.mkdir(mode=0o755)
    ports = dict(zip(ways, free_ports(len(ways)), strict=True))
    servers = "\n".join(_server(way, ports[name], site) for name, way in ways.items())
    for name, port in ports.items():
        # A way leads to another by its name.
        servers = servers.replace(f"{{{name}}}", str(port))
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(folder=folder, user=user, certificate=certificate, servers=servers)
    (folder / "nginx.conf").write_text(text)
    command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command) as server:
        try:
            _wait_for(f"http://127.0.0.1:{next(iter(ports.values()))}/", server)
            yield ports
        finally:
            server.terminate()


def _server(way: Way, port: int, site: int) -> str:
    headers = GOOD | dict(way.headers or {})
    lines = [f"proxy_set_header {name} {value};" for name, value in headers.items() if value]
    own = f"ssl_certificate {way.certificate}; ssl_certificate_key {way.certificate};" if way.certificate else ""
    return f"""
    server {{
        listen 127.0.0.1:{port}{"" if way.is_plain else " ssl"}; {own}
        location / {{ proxy_pass http://127.0.0.1:{site}; {" ".join(lines)} {way.inside} }}
        {way.beside}
    }}"""


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None
        with contextlib.suppress(requests.ConnectionError):
            requests.get(address, timeout=5, allow_redirects=False)
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
