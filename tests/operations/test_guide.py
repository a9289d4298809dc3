"""The blocks of `.docs/deployment.md`: shells understand them, and none leaves out what its task needs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deployed import omniviewer
from tests.operations.test_deploy import COMPOSE, DEPLOY, GUIDE, ours, output_of
from tests.operations.test_house import PRODUCTION
from tests.programs import free_port, need
from tests.serving import ROOT, start_redis

FLUSH = re.compile(r"^omniviewer-site shell .*flushdb.*$|^docker compose .* redis-cli flushall \| grep -x OK$", re.M)
PARTS = ("With systemd", "With containers")


def blocks(part: str, heading: str) -> list[str]:
    """Return the shell's blocks below a heading of the part."""
    [text] = re.findall(rf"^## {part}\n(.*?)(?=^## )", GUIDE, re.M | re.S)
    [section] = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    return re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)


# Text -------------------------------------------------------------------------------------------------------


def test_docker_and_podman_build_from_the_same_files() -> None:
    assert (DEPLOY / "Containerfile.dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def test_http_leads_to_the_port_that_https_is_on() -> None:
    [command] = re.findall(r"`sed -i '([^`]+)' /etc/nginx/conf\.d/omniviewer\.conf`", GUIDE)
    before = (DEPLOY / "nginx/omniviewer.conf").read_text()
    text = output_of("sed", command, str(DEPLOY / "nginx/omniviewer.conf"))
    changed = [new for old, new in zip(before.splitlines(), text.splitlines(), strict=True) if old != new]
    assert [line.strip() for line in changed] == [
        "return 301 https://$host:8443$request_uri;",
        "listen 8443 ssl http2;",
        "listen [::]:8443 ssl http2;",
    ]


def test_shells_understand_the_guide(tmp_path: Path) -> None:
    found = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S)
    assert len(found) > 20
    for block in found:
        script = tmp_path / "script"
        script.write_text(block)
        output_of("sh", "-n", str(script))
        output_of("bash", "-n", str(script))
    output_of("sh", "-n", str(DEPLOY / "omniviewer-site"))


def test_blocks_can_be_pasted_as_they_stand_in_the_file() -> None:
    # In a list a block is indented: no here-document would find its end, and settings would have blanks before them.
    assert re.findall(r"^ +```", GUIDE, re.M) == []
    for path in [*(ROOT / ".docs").glob("*.md"), ROOT / "README.md"]:
        for indent, block in re.findall(r"^( *)```sh\n(.*?)^ *```$", path.read_text(), re.M | re.S):
            assert not (indent and "<<" in block), path


def test_no_backup_replaces_another_of_its_day() -> None:
    unit = (DEPLOY / "systemd/omniviewer-backup.service").read_text().replace("%%", "%")
    names = re.findall(r"omniviewer-\$+\(date \+([^)]*)\)\.backup", unit + GUIDE.replace("\\%", "%"))
    assert len(names) == 2
    assert set(names) == {"%FT%H%M%S"}
    assert "--force" not in unit


# Upgrade, the way back, restore -----------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_an_upgrade_that_is_run_again_keeps_its_way_back(part: str) -> None:
    keep, change = blocks(part, "Upgrade")
    assert "$KEPT/database.dump" in keep
    assert "$KEPT" not in change
    assert "check --live" in change
    # Nothing of the old version is replaced before all of it is kept.
    assert not re.search(r"\bmigrate\b|pip install|up --detach|-t localhost/omniviewer ", keep)


@pytest.mark.parametrize("part", PARTS)
def test_what_is_kept_is_what_the_way_back_takes(part: str) -> None:
    keep, _ = blocks(part, "Upgrade")
    [back] = blocks(part, "Back to the version before")
    taken = set(re.findall(r"\$KEPT/([\w.-]+)|(localhost/omniviewer:\$\(basename \$KEPT\))", back))
    kept = set(re.findall(r"\$KEPT/([\w.-]*)|(localhost/omniviewer:\$\(basename \$KEPT\))", keep))
    assert len(taken) >= 2
    copied = {("omniviewer-site", "")} if "cp -a /usr/local/sbin/omniviewer-site $KEPT/" in keep else set()
    assert taken <= kept | copied


def test_the_way_back_has_the_static_files_of_the_version_before() -> None:
    [back] = blocks("With systemd", "Back to the version before")
    lines = back.splitlines()
    collected = lines.index("omniviewer-site collectstatic --noinput")
    assert lines.index("cp -a $KEPT/programs /opt/omniviewer") < collected
    assert collected < next(number for number, line in enumerate(lines) if line.startswith("systemctl start"))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("heading", ["Back to the version before", "Restore a backup"])
def test_other_rows_come_with_an_empty_cache(part: str, heading: str) -> None:
    block = blocks(part, heading)[0]
    [flush] = FLUSH.finditer(block)
    assert re.search(r"pg_restore|omniviewer-site restore /|migrate restore /", block[: flush.start()])
    assert not re.search(r"start omniviewer|up --detach", block[: flush.start()])
    assert block.startswith(("( set -e\n", "export FILE="))


def test_an_upgrade_leaves_the_file_of_nginx_to_its_owner() -> None:
    text = "".join(blocks("With systemd", "Upgrade"))
    assert "cp .deploy/nginx" not in text
    assert "reload nginx" not in text
    assert "\ndiff /etc/nginx/conf.d/omniviewer.conf .deploy/nginx/omniviewer.conf\n" in text


def test_an_upgrade_builds_every_image_of_ours() -> None:
    keep, change = blocks("With containers", "Upgrade")
    assert " -t localhost/omniviewer:new ." in keep
    assert "\ndocker tag localhost/omniviewer:new localhost/omniviewer\n" in change
    assert {service["image"] for service in ours()} == {"localhost/omniviewer:latest"}
    assert re.findall(r"docker build .*-t (\S+)", "\n".join(blocks("With containers", "1. Build the image"))) == [
        "localhost/omniviewer"
    ]
    # The file of trusted authorities is made anew too, as step 2 made it.
    for block in (change, *blocks("With containers", "2. Make the secrets")):
        assert re.search(r"^cat /etc/ssl/certs/ca-certificates\.crt \S*authority\.crt > \S*trusted\.crt$", block, re.M)
    assert COMPOSE["x-omniviewer"]["environment"]["REQUESTS_CA_BUNDLE"] == "/run/secrets/trusted.crt"


# Blocks that are run -----------------------------------------------------------------------------------------


@pytest.mark.programs
def test_the_cache_is_emptied_or_the_block_ends(tmp_path: Path) -> None:
    [step] = blocks("With systemd", "2. Make a user, a database and the settings")
    [address] = re.findall(r"^CACHE_URL=(.*)$", step, re.M)
    [flush] = {line for line in FLUSH.findall(GUIDE) if line.startswith("omniviewer-site")}
    _, *words = re.findall(r"'[^']*'|\S+", flush)
    port = free_port()
    client = need("redis-cli")
    server = start_redis(port, tmp_path)
    try:
        output_of(client, "-p", str(port), "config", "set", "requirepass", "a password")
        address = address.replace("$REDIS_PASSWORD", "a%20password").replace("6379", str(port))
        # Sites that were set up before have no user in it.
        sites = [address, address.replace("default", "")]
        for site in sites:
            cli = (client, "--no-auth-warning", "-p", str(port), "-a", "a password")
            output_of(*cli, "set", "page", "of other rows")
            done = omniviewer(tmp_path, {**PRODUCTION, "CACHE_URL": site}, *[word.strip("'") for word in words])
            assert done.returncode == 0, done.stderr
            assert output_of(*cli, "dbsize") == "0\n"
        # `redis-cli -u` understands the address of step 2 as well.
        assert output_of(client, "--no-auth-warning", "-u", address, "ping") == "PONG\n"
        wrong = {**PRODUCTION, "CACHE_URL": address.replace("a%20password", "another")}
        done = omniviewer(tmp_path, wrong, *[word.strip("'") for word in words])
        assert done.returncode != 0
    finally:
        server.kill()
        server.wait()


@pytest.mark.programs
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_secrets_of_containers_are_whole_or_made_again(shell: str, tmp_path: Path) -> None:
    [step] = blocks("With containers", "2. Make the secrets")
    programs, authorities = tmp_path / "programs", tmp_path / "authorities.crt"
    programs.mkdir()
    (tmp_path / ".deploy").mkdir()
    step = step.replace("/etc/ssl/certs/ca-certificates.crt", str(authorities))

    def run() -> int:
        env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        return subprocess.run([shell], input=step, text=True, cwd=tmp_path, env=env, check=False).returncode

    # Owners are root's to give.
    need("openssl")
    program(programs / "chown", "exit 0")
    without_owner = '[ "$3" != -o ] || { mode=$2; shift 6; set -- -m "$mode" "$@"; }'
    program(programs / "install", f'{without_owner}\nexec {need("install")} "$@"')
    secrets = tmp_path / ".deploy/secrets"
    assert run() != 0
    assert not (secrets / "site.env").exists()
    authorities.write_text("the public authorities\n")
    assert run() == 0
    settings = dict(line.split("=", 1) for line in (secrets / "site.env").read_text().splitlines())
    assert settings["OMNIVIEWER_PUBLIC_URL"] == "https://omniviewer.localhost"
    password = (secrets / "database_password").read_text()
    assert settings["DATABASE_URL"] == f"postgres://omniviewer:{password}@database/omniviewer"
    assert (secrets / "trusted.crt").read_text().startswith("the public authorities\n-----BEGIN CERTIFICATE")
    for part in COMPOSE["secrets"].values():
        assert (secrets / Path(part["file"]).name).is_file()
    assert (secrets / "site.env").stat().st_mode & 0o777 == 0o600
    written = (secrets / "site.env").read_text()
    assert run() == 0
    assert (secrets / "site.env").read_text() == written


def program(path: Path, script: str) -> None:
    """Write a program that stands in for another one of that name."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
