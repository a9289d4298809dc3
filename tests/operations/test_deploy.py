"""The files in `.deploy/`, held against the programs and schemas that will read them, and against the settings."""

import json
import re
import shlex
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.programs import need
from tests.serving import ROOT

DEPLOY = ROOT / ".deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / ".docs/settings.md").read_text(), re.M))
MANIFESTS = [
    (path.name, document)
    for path in sorted((DEPLOY / "kubernetes").iterdir())
    for document in yaml.safe_load_all(path.read_text())
]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text())
GUIDE = (ROOT / ".docs/deployment.md").read_text()


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [document for _, document in MANIFESTS if document["kind"] in kinds]


def output_of(*command: str, folder: Path | None = None) -> str:
    """Run a program that has to succeed; return all that it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# Settings and names -----------------------------------------------------------------------------------------


def test_every_setting_that_is_named_exists() -> None:
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in (*DEPLOY.rglob("*"), ROOT / ".docs/deployment.md")
        if path.is_file()
        for name in re.findall(r"\b(?:OMNIVIEWER_[A-Z_]+|DATABASE_URL|CACHE_URL|PROMETHEUS_\w+)", path.read_text())
        # A variable that a cluster would set, in sentences that say so.
        if name != "OMNIVIEWER_SERVICE_HOST"
    }
    assert len(named) > 20
    assert {(path, name) for path, name in named if name not in SETTINGS} == set()


def test_the_guide_names_every_file() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file() and "secrets" not in path.relative_to(DEPLOY).parts:
            assert str(path.relative_to(DEPLOY)) in GUIDE or f"{path.relative_to(DEPLOY).parent}/" in GUIDE, path
    for name in re.findall(r"\.deploy/[\w./@-]*[\w/](?![\w*-])", GUIDE):
        assert (ROOT / name).exists() or name.startswith((".deploy/secrets", ".deploy/.env")), name


# The image ---------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, list[str]]]:
    """Return the instructions of the Containerfile, each with its words."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.M).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.split()[0], line.split(maxsplit=1)[1].split()) for line in lines]


def last_stage() -> list[tuple[str, list[str]]]:
    begins = max(number for number, (name, _) in enumerate(instructions()) if name == "FROM")
    return instructions()[begins:]


def test_all_that_the_image_copies_exists() -> None:
    kept = {line.removeprefix("!") for line in (ROOT / ".containerignore").read_text().splitlines() if line[:1] == "!"}
    copied = set()
    for name, words in instructions():
        if name == "COPY" and not any(word.startswith("--from=") for word in words):
            copied |= set(words[:-1])
    assert copied == kept
    for path in copied:
        assert (ROOT / path).exists(), path


def test_the_image_runs_as_nobody_that_may_anything() -> None:
    users = [words for name, words in last_stage() if name == "USER"]
    assert users == [["10001:10001"]]
    built = " ".join(word for name, words in last_stage() if name == "RUN" for word in words)
    assert not re.search(r"\b(apt-get|apk|pip|gcc|make|curl)\b", built)
    assert all(name != "ADD" for name, _ in instructions())
    checks = [words for name, words in last_stage() if name == "HEALTHCHECK"]
    assert "/healthz" in " ".join(checks[0])


def test_the_image_starts_commands_that_exist() -> None:
    words = {name: json.loads(" ".join(words)) for name, words in last_stage() if name in ("ENTRYPOINT", "CMD")}
    assert words["ENTRYPOINT"] == ["omniviewer"]
    assert words["CMD"][0] == "serve"
    assert commands() == {"serve", "worker", "migrate", "backup"}


def commands() -> set[str]:
    """Return the commands of `omniviewer` that units, containers and pods run."""
    services = [service["command"][0] for service in ours() if "command" in service]
    pods = [pod["containers"][0]["args"][0] for pod in pods_of_all()]
    starts = re.findall(r"^ExecStart=.*/bin/omniviewer (\w+)", "\n".join(path.read_text() for path in UNITS), re.M)
    assert services
    assert pods
    assert starts
    return {*services, *pods, *starts}


def ours() -> list[dict[str, Any]]:
    return [service for service in COMPOSE["services"].values() if "build" in service]


# Compose -----------------------------------------------------------------------------------------------------


def test_the_compose_file_follows_the_specification() -> None:
    # The schema comes with the package: nothing is fetched.
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    output_of(*check, str(DEPLOY / "compose.yml"))


def test_every_container_is_read_only_and_has_no_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # PostgreSQL's image gives its volume to its own user first.
        assert name == "database" or "cap_add" not in service, name
        assert "restart" in service, name


def test_secrets_are_files_and_every_part_exists() -> None:
    for name, service in COMPOSE["services"].items():
        for secret in service.get("secrets", []):
            assert (secret["source"] if isinstance(secret, dict) else secret) in COMPOSE["secrets"], name
        for value in service.get("environment", {}).values():
            assert str(value).startswith("/run/secrets/") or value == "omniviewer", name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file(), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("depends_on", [])) <= set(COMPOSE["services"]), name
    # A shell on the database's network leads no further.
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in COMPOSE["services"].items() if "ports" in service} == {"proxy"}
    assert ".deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


# Kubernetes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
def test_the_manifests_follow_the_schemas(version: str) -> None:
    for name, document in MANIFESTS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{name}: {error.message}")


def pods_of_all() -> list[dict[str, Any]]:
    return [document["spec"]["template"]["spec"] for document in of_kind("Deployment", "Job")]


def test_every_pod_is_read_only_and_has_no_rights() -> None:
    assert len(pods_of_all()) == 3
    for pod in pods_of_all():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        # The variables of service links begin with OMNIVIEWER_, and the site refuses settings that do not exist.
        assert pod["enableServiceLinks"] is False
        [container] = pod["containers"]
        given = container["securityContext"]
        assert given["readOnlyRootFilesystem"]
        assert given["allowPrivilegeEscalation"] is False
        assert given["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_what_selects_pods_finds_them() -> None:
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in of_kind("Deployment", "Job")]
    selectors = [document["spec"]["selector"] for document in of_kind("Service")]
    selectors += [document["spec"]["selector"]["matchLabels"] for document in of_kind("Deployment")]
    selectors += [document["spec"]["selector"]["matchLabels"] for document in of_kind("PodDisruptionBudget")]
    selectors += [document["spec"]["podSelector"]["matchLabels"] for document in of_kind("NetworkPolicy")]
    assert len(selectors) == 6
    for selector in selectors:
        assert any(selector.items() <= label.items() for label in labels), selector
    [site] = [pod for pod in pods_of_all() if "ports" in pod["containers"][0]]
    [container] = site["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert [port["containerPort"] for port in container["ports"]] == [8000]
    [ingress] = of_kind("Ingress")
    [path] = ingress["spec"]["rules"][0]["http"]["paths"]
    [service] = of_kind("Service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]


def test_settings_and_secrets_are_whole() -> None:
    given = dict(chain.from_iterable(part["data"].items() for part in of_kind("ConfigMap")))
    secret = dict(chain.from_iterable(part["stringData"].items() for part in of_kind("Secret")))
    assert {"OMNIVIEWER_ALLOWED_HOSTS", "OMNIVIEWER_PUBLIC_URL", "OMNIVIEWER_BEHIND_PROXY"} <= set(given)
    assert {"OMNIVIEWER_SECRET_KEY", "OMNIVIEWER_ENCRYPTION_KEYS", "DATABASE_URL"} <= set(secret)
    # `kubectl apply -f` of the folder must not overwrite the real keys by the example's.
    assert [path.suffix for path in (DEPLOY / "kubernetes").iterdir() if "kind: Secret" in path.read_text()] == [
        ".example"
    ]
    for kind, found in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        [document] = of_kind(found)
        for pod in pods_of_all():
            names = [source[kind]["name"] for source in pod["containers"][0]["envFrom"] if kind in source]
            assert names == [document["metadata"]["name"]]


# systemd -----------------------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Return the units with a program that exists here, and names that stand for an instance."""
    found = []
    for path in UNITS:
        copy = tmp_path / path.name.replace("@", "@1")
        copy.write_text(re.sub(r"(?<==)/opt/omniviewer/bin/omniviewer", "/bin/true", path.read_text()))
        found.append(copy)
        if "@" in path.name:
            (tmp_path / path.name).write_text(copy.read_text())
    return found


@pytest.mark.programs
def test_systemd_understands_the_units(units: list[Path]) -> None:
    said = output_of(need("systemd-analyze"), "verify", *map(str, units))
    # The program may have something to say of other units of this machine's.
    assert [line for line in said.splitlines() if "omniviewer" in line] == []


@pytest.mark.programs
def test_systemd_finds_the_services_hardened(units: list[Path]) -> None:
    program = need("systemd-analyze")
    for path in units:
        if path.suffix == ".service":
            # From 0 to 100: an unhardened service has 96.
            output_of(program, "security", "--offline=true", "--threshold=15", "--no-pager", str(path))


def test_units_say_where_the_site_is() -> None:
    for path in UNITS:
        if path.suffix == ".service":
            text = path.read_text()
            assert "OMNIVIEWER_SETTINGS_FILE=/etc/omniviewer/site.env OMNIVIEWER_FOLDER=/var/lib/omniviewer" in text
            assert "User=omniviewer\n" in text
            assert "\nProtectSystem=strict\n" in text
            assert re.search(r"^StateDirectory=omniviewer\b", text, re.M)


# Proxies -----------------------------------------------------------------------------------------------------


def nginx_test(text: str, folder: Path) -> str:
    """Return what nginx says to a configuration of its servers, with ports that anybody may open."""
    key, certificate = folder / "site.key", folder / "site.crt"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=omniviewer.example.com"
    output_of(need("openssl"), *shlex.split(words), "-keyout", str(key), "-out", str(certificate))
    text = text.replace("/etc/omniviewer/tls", str(folder))
    text = re.sub(r"^(\s*listen (?:\[::\]:)?)(80|443)\b", r"\g<1>18\2", text, flags=re.M)
    (folder / "servers.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {folder}; "
        f"proxy_temp_path {folder}/p; include {folder}/servers.conf; }}"
    )
    return output_of(need("nginx"), "-t", "-p", str(folder), "-c", str(folder / "nginx.conf"))


@pytest.mark.programs
@pytest.mark.parametrize("upstream", ["upstream.conf", "upstream-compose.conf", "upstream-several.conf"])
def test_nginx_understands_its_configuration(upstream: str, tmp_path: Path) -> None:
    text = (DEPLOY / "nginx/omniviewer.conf").read_text() + (DEPLOY / "nginx" / upstream).read_text()
    said = nginx_test(text, tmp_path)
    assert "test is successful" in said
    # nginx 1.25 and later know another form for http2, which Debian's does not.
    assert [line for line in said.splitlines() if "[warn]" in line and "http2" not in line] == []


@pytest.mark.programs
def test_caddy_understands_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = need("caddy")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    text = (DEPLOY / "caddy/Caddyfile").read_text()
    if output_of(program, "version").removeprefix("v").startswith("2.6."):
        # As the file itself says of Debian 12.
        text = text.replace("request_buffers 4MB\n\t\t#", "buffer_requests\n\t\tmax_buffer_size 4MB\n\t\t#")
    (tmp_path / "Caddyfile").write_text(text)
    said = output_of(program, "validate", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile"))
    assert "Valid configuration" in said


def test_both_proxies_say_who_asks_and_how() -> None:
    nginx, caddy = (DEPLOY / "nginx/omniviewer.conf").read_text(), (DEPLOY / "caddy/Caddyfile").read_text()
    for header in ("X-Forwarded-Proto", "X-Forwarded-For", "X-Request-ID"):
        assert f"proxy_set_header {header} " in nginx
        assert f"header_up {header} " in caddy
    # As the page about operations has it.
    [types] = re.findall(r"^gzip_types .*$", (ROOT / ".docs/operations.md").read_text(), re.M)
    assert types in nginx


@pytest.mark.programs
@pytest.mark.parametrize("port", [None, "18443"])
def test_the_proxy_of_compose_listens_on_the_port_of_its_variable(port: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    for volume in COMPOSE["services"]["proxy"]["volumes"]:
        source, target, _ = volume.split(":")
        assert Path(target).parent == Path("/etc/omniviewer/nginx")
        (folder / Path(target).name).write_text((DEPLOY / source).read_text())
    assert "/etc/nginx/conf.d:size=1m,mode=1777" in COMPOSE["services"]["proxy"]["tmpfs"]
    name, option, script = COMPOSE["services"]["proxy"]["command"]
    script = re.sub(r"\$\{HTTPS_PORT:-(\d+)\}", port or r"\1", script).replace("$$", "$")
    script = script.replace("/etc/omniviewer/nginx", str(folder)).replace("/etc/nginx/conf.d", str(tmp_path))
    begins, end = script.split("exec ")
    assert (name, option, end) == ("sh", "-ec", "nginx -g 'daemon off;'")
    output_of("sh", "-ec", begins)
    text = (tmp_path / "default.conf").read_text()
    assert "default http://site:8000;" in text
    assert re.findall(r"listen .*ssl", text) == [f"listen {port or 443} ssl", f"listen [::]:{port or 443} ssl"]
    assert f"    return 301 https://$host{':' + port if port else ''}$request_uri;" in text
    assert COMPOSE["services"]["proxy"]["healthcheck"]["test"][-1] == "https://127.0.0.1:${HTTPS_PORT:-443}/healthz"
    assert COMPOSE["services"]["proxy"]["ports"][1].endswith(":${HTTPS_PORT:-443}:${HTTPS_PORT:-443}")
    if port:
        assert "test is successful" in nginx_test(text, tmp_path)
