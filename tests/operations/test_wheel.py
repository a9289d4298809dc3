"""The installed package: `omniviewer` runs everything from an empty folder, by what the wheel carries alone."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests

from omniviewer import locations
from tests.demo_process import read_until, site_of, stop
from tests.operations.test_house import PRODUCTION, ROOT, manage
from tests.programs import free_port
from tests.wheel import Installed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def demo(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    """Start a demo at the beginning: it fills its archive while the other tests run."""
    process = installed.start(tmp_path_factory.mktemp("demo"), "demo", "--no-browser", "--port", str(free_port()))
    yield process
    if process.poll() is None:
        stop(process)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds nothing but a file of settings."""
    lines = [*(f"{name}={value}" for name, value in PRODUCTION.items()), "OMNIVIEWER_BEHIND_PROXY=true"]
    (tmp_path / "site.env").write_text("\n".join(lines))
    (tmp_path / "site.env").chmod(0o600)
    return tmp_path


def test_it_carries_every_file_of_the_checkout(demo: object, installed: Installed) -> None:
    with ZipFile(installed.wheel) as wheel:
        carried = {name for name in wheel.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    moved = {"templates": "omniviewer/templates", "static": "omniviewer/static", ".docs": "omniviewer/docs"}
    expected = set()
    for path in listed.stdout.splitlines():
        top, _, rest = path.partition("/")
        if top in ("omniviewer", "conversations", *moved) and path != "conversations/README.md":
            expected.add(f"{moved.get(top, top)}/{rest}")
    assert carried == expected


def test_it_runs_from_an_empty_folder(demo: object, installed: Installed, folder: Path) -> None:
    before = installed.files()
    variables = {"OMNIVIEWER_SETTINGS_FILE": "site.env"}
    said = installed.run(folder, "version", **variables)
    assert re.search(r"^omniviewer: \d+\.\d+", said)
    assert f"\ndocumentation: {installed.packages}/omniviewer/docs\n" in said
    assert re.search(r"^database: SQLite 3\.\d+\.\d+$", said, re.M)
    assert re.search(r"^migrations: \d+ not applied, .* first: run omniviewer migrate$", said, re.M)
    installed.run(folder, "migrate", "-v", "0", **variables)
    assert installed.run(folder, "version", **variables).endswith("\nmigrations: applied\n")
    refused = installed.start(folder, "serve", **variables).communicate(timeout=60)[0]
    assert refused == (
        "Omniviewer does not start: the static files are not collected: run omniviewer collectstatic, and restart.\n"
    )
    installed.run(folder, "collectstatic", "--noinput", "-v", "0", **variables)
    installed.run(folder, "check", "--deploy", "--database", "default", **variables)
    assert installed.run(folder, "worker", "--batch", "--no-startup-delay", **variables)
    _serves(installed, folder, variables)
    assert {path.name for path in folder.iterdir()} == {"site.env", ".data", ".static", ".bundles"}
    assert installed.files() == before


def _serves(installed: Installed, folder: Path, variables: dict[str, str]) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    server = installed.start(folder, "serve", "--bind", f"127.0.0.1:{port}", "--workers", "2", **variables)
    try:
        _wait_for(f"{site}/healthz")
        headers = {"Host": PRODUCTION["OMNIVIEWER_ALLOWED_HOSTS"], "X-Forwarded-Proto": "https"}
        assert requests.get(f"{site}/readyz", timeout=10).text.startswith("ready\n")
        page = requests.get(f"{site}/sign-in/", headers=headers, timeout=10)
        assert (page.status_code, "Sign in" in page.text) == (200, True)
        _has_style(site, page.text, headers)
        keeper, worker = _below(server.pid, "embedded_worker")
        assert all(line.startswith(str(installed.bin)) for line in (keeper, worker))
    finally:
        said = stop(server)
    assert "Shutting down" in said or server.returncode == 0, said


def _has_style(site: str, page: str, headers: dict[str, str]) -> None:
    [link] = re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="([^"]+/site[.\w]*\.css)"', page)
    style = requests.get(site + link, headers=headers, timeout=10)
    assert style.headers["Content-Type"].startswith("text/css")
    assert "--" in style.text
    assert "@import" not in style.text


def _wait_for(address: str) -> None:
    for _ in range(150):
        try:
            assert requests.get(address, timeout=30).text == "ok\n"
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{address} does not answer")


def _below(pid: int, word: str) -> list[str]:
    """Return the command lines of a process's descendants that hold a word."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    lines = [Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in children]
    return [*(line for line in lines if word in line), *(line for child in children for line in _below(child, word))]


def test_the_demo_runs_from_an_empty_folder(demo: "subprocess.Popen[str]", installed: Installed) -> None:
    site = site_of(read_until(demo, "Ctrl-C"))
    page = requests.get(f"{site}/sign-in/", timeout=20)
    assert "Continue as" in page.text
    _has_style(site, page.text, {})
    assert not [
        name for name in installed.files() if name.startswith((".demo", "omniviewer/.")) or name.endswith("sqlite3")
    ]
    stop(demo)


def test_the_same_commands_stand_in_a_checkout(tmp_path: Path) -> None:
    beside = {**PRODUCTION, "OMNIVIEWER_FOLDER": str(tmp_path / "new")}
    done = manage("version", env=beside)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\ndocumentation: {ROOT}/.docs\n" in done.stdout
    assert done.stdout.endswith("first: run omniviewer migrate\n")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".data"]
    as_module = subprocess.run(
        [sys.executable, "-m", "omniviewer", "worker", "--help"],
        cwd=ROOT,
        env={**Installed.environment(), **beside},
        capture_output=True,
        text=True,
        check=True,
    )
    assert as_module.stdout.startswith("usage: omniviewer worker ")


def test_version_tells_the_programs_even_where_a_setting_is_wrong() -> None:
    done = manage("version", env={**PRODUCTION, "OMNIVIEWER_SYNC": "sometimes"})
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "omniviewer",
        "python",
        "django",
        "documentation",
    ]
    assert done.stderr == (
        "Omniviewer does not start: OMNIVIEWER_SYNC is 'sometimes': it has to be one of all, list, off.\n"
    )


def test_a_database_that_is_away_is_said() -> None:
    port = free_port()
    done = manage("version", env={**PRODUCTION, "DATABASE_URL": f"postgres://bi:secret@127.0.0.1:{port}/bi"})
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == [
        "database: PostgreSQL, cannot be queried (OperationalError)",
        "migrations: not known",
    ]


def test_the_file_of_settings_is_named_by_the_environment_alone(tmp_path: Path) -> None:
    file = tmp_path / "omniviewer.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in PRODUCTION.items()))
    beside = {"OMNIVIEWER_FOLDER": str(tmp_path), "OMNIVIEWER_SETTINGS_FILE": str(file)}
    assert manage("check", env=beside).returncode == 0
    file.write_text(f"{file.read_text()}OMNIVIEWER_SETTINGS_FILE=/etc/other.env\n")
    done = manage("check", env=beside)
    assert done.stderr == (
        f"Omniviewer does not start: OMNIVIEWER_SETTINGS_FILE stands in {file}: it says where that file is. Set it in "
        "the environment.\n"
    )


def test_folders_of_a_checkout_stand_beside_the_package() -> None:
    assert locations.packaged("templates") == ROOT / "templates"
    assert locations.packaged("docs") == ROOT / ".docs"
    assert locations.own_folder() == ROOT
