"""`check --live`: each part of a deployment is tried against real servers, well and badly set up."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from conversations import live_trials as conversations_trials
from conversations import tasks
from omniviewer.accounts.models import Credential, User
from omniviewer.accounts.sign_in import live_trials as provider_trials
from omniviewer.demo.stand_in import StandIn
from omniviewer.environment import MailServer
from omniviewer.omni import Token, replies
from omniviewer.operations import live, live_echo, live_machine, live_site
from omniviewer.operations.live import Level, Live
from tests import certificates, mail_server
from tests.captured import work
from tests.deployed import Way, behind_nginx, omniviewer, served, started
from tests.operations.test_house import PRODUCTION
from tests.postgresql import postgresql
from tests.programs import free_port
from tests.serving import start_redis

HOUR = timedelta(hours=1)
SITE = {
    **PRODUCTION,
    "OMNIVIEWER_ALLOWED_HOSTS": "localhost",
    "OMNIVIEWER_BEHIND_PROXY": "true",
    "OMNIVIEWER_PROXY_HEADER": "X-Auth-Request-User",
    "OMNIVIEWER_TRUSTED_PROXIES": "127.0.0.0/8",
    "OMNIVIEWER_LOCAL_LOGIN": "true",
    "OMNIVIEWER_WORKER": "false",
    "OMNIVIEWER_SAML_ENTITY_ID": "https://id.example.com",
    "OMNIVIEWER_SAML_SSO_URL": "https://sso.invalid/",
}
WAYS = {
    "good": Way(),
    "plain": Way(is_plain=True, inside="return 301 https://localhost:{good}$request_uri;"),
    "plain to another port": Way(is_plain=True, inside="return 301 https://localhost$request_uri;"),
    "plain to its own port": Way(is_plain=True, inside="return 301 https://$http_host$request_uri;"),
    "plain to a longer name": Way(is_plain=True, inside="return 301 https://localhost.example.com:{good}$request_uri;"),
    "plain to the front page": Way(is_plain=True, inside="return 301 https://localhost:{good}/;"),
    "plain to no port": Way(is_plain=True, inside="return 301 https://localhost:https$request_uri;"),
    "no scheme": Way({"X-Forwarded-Proto": ""}, inside="proxy_set_header X-Forwarded-Proto '';"),
    "the client's scheme": Way({"X-Forwarded-Proto": "$http_x_forwarded_proto"}),
    "another host": Way({"Host": "127.0.0.1:1"}),
    "the client's address": Way({"X-Forwarded-For": "$http_x_forwarded_for"}),
    "no address": Way({"X-Forwarded-For": '""'}),
    "the client's name": Way({"X-Auth-Request-User": "$http_x_auth_request_user"}),
    "no headers": Way(inside="proxy_hide_header Content-Security-Policy; proxy_hide_header X-Content-Type-Options;"),
    "no HSTS": Way(inside="proxy_hide_header Strict-Transport-Security;"),
    "open cookies": Way(inside="proxy_cookie_flags ~ nosecure;"),
    "no static files": Way(beside="location /static/ { return 404; }"),
    "another site": Way(inside='return 200 "welcome to nginx";'),
    "the site is away": Way(beside="location /sign-in { proxy_pass http://127.0.0.1:1; }"),
    "a sign-in before it": Way(inside="return 302 https://id.example.com/?rd=$request_uri;"),
    "no token": Way({"Authorization": '""'}),
    "open plain": Way({"X-Forwarded-Proto": "https"}, is_plain=True),
}


def findings(trial: live.Trial, run: Live | None = None) -> list[tuple[Level, str]]:
    """Return level and text of each finding, which always says what to do unless all is well."""
    found = [finding for _, finding in live.run(run or Live(has_tables=True), [trial], [])]
    assert all(finding.advice for finding in found if finding.level != Level.OK)
    return [(finding.level, f"{finding.found}. {finding.advice}") for finding in found]


def wrong(trial: live.Trial, run: Live | None = None) -> list[tuple[Level, str]]:
    return [found for found in findings(trial, run) if found[0] != Level.OK]


@pytest.fixture(autouse=True)
def only_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `findings` make one trial, and not all that the apps added."""
    if live._added:
        monkeypatch.setattr(live, "_added", [])


# The public address ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.write(tmp_path_factory.mktemp("tls") / "site.pem")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[dict[str, int]]:
    folder = tmp_path_factory.mktemp("deployed")
    late = certificates.write(certificate.with_name("late.pem"), days=5)
    unknown = certificates.write(folder / "unknown.pem")
    ways = {**WAYS, "ends soon": Way(certificate=late), "unknown": Way(certificate=unknown)}
    variables = SITE | {"OMNIVIEWER_SAML_CERTIFICATE": certificates.setting()}
    with served(folder, variables) as site, behind_nginx(folder / "nginx", site, certificate, ways) as ports:
        yield ports


@pytest.fixture
def public(settings: Settings, ports: dict[str, int], certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Have this process's settings be those of the deployed site."""
    settings.DEBUG = settings.DEMO = False
    settings.SECRET_KEY = PRODUCTION["OMNIVIEWER_SECRET_KEY"]
    settings.BEHIND_PROXY, settings.PROXY_HEADER = True, "X-Auth-Request-User"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr(live_echo._SIGNER, "key", settings.SECRET_KEY)
    return settings


def at(public: Settings, ports: dict[str, int], way: str, plain: str = "plain") -> list[tuple[Level, str]]:
    public.PUBLIC_URL = f"https://localhost:{ports[way]}"
    return findings(live_site.SITE, Live(http_port=ports[plain]))


def test_a_good_proxy_passes(public: Settings, ports: dict[str, int]) -> None:
    found = at(public, ports, "good")
    assert [level for level, _ in found] == [Level.OK] * 4, found
    assert "the proxy passes on host, scheme and the client's address (127.0.0.1)" in found[1][1]
    assert "secure cookies and stylesheet" in found[2][1]
    assert "http leads to https" in found[3][1]


@pytest.mark.parametrize(
    ("way", "level", "said"),
    [
        ("no scheme", "fail", r"takes a request over https for one over http.*set X-Forwarded-Proto on every request"),
        ("the client's scheme", "fail", r"or believes what a client says of it"),
        ("another host", "fail", r"the proxy passes the host on as 127\.0\.0\.1:1"),
        ("the client's address", "fail", r"a client chooses the address that it is known by"),
        ("no address", "warn", r"all clients have one address"),
        ("the client's name", "fail", r"a client can send X-Auth-Request-User, and be anybody"),
        ("no headers", "fail", r"do not arrive: Content-Security-Policy, X-Content-Type-Options"),
        ("no HSTS", "warn", r"Strict-Transport-Security.*Set OMNIVIEWER_HSTS_SECONDS"),
        ("open cookies", "fail", r"cookies may go over http: __Host-"),
        ("no static files", "fail", r"pages have no stylesheet.*collectstatic"),
        ("another site", "fail", r"another site answers \(200\)"),
        ("the site is away", "fail", r"the proxy does not reach the site \(502\)"),
        ("a sign-in before it", "warn", r"asks people to sign in first \(302\)"),
        ("unknown", "fail", r"its certificate is not trusted here.*REQUESTS_CA_BUNDLE"),
    ],
)
def test_each_mistake_of_a_proxy_is_found(
    public: Settings, ports: dict[str, int], way: str, level: str, said: str
) -> None:
    found = [text for grade, text in at(public, ports, way) if grade == level]
    assert any(re.search(said, text) for text in found), found


@pytest.mark.parametrize(
    ("way", "level", "said"),
    [
        ("good", "ok", "arrive with their token"),
        ("no token", "fail", "the token does not arrive. Have the proxy pass on the header Authorization"),
        ("a sign-in before it", "fail", "without asking for a sign-in"),
        ("nobody", "fail", "cannot be reached"),
    ],
)
def test_the_addresses_of_scim_are_tried(
    public: Settings, ports: dict[str, int], way: str, level: str, said: str
) -> None:
    public.PUBLIC_URL = f"https://localhost:{ports.get(way) or free_port()}"
    assert findings(live_site.SCIM) == []
    public.SCIM_TOKEN_HASHES = ["0" * 64]
    [(grade, text)] = findings(live_site.SCIM)
    assert (grade, said in text) == (level, True), text
    assert f"{public.PUBLIC_URL}/scim/v2" in text


def test_a_certificate_that_ends_soon_is_found(
    public: Settings, ports: dict[str, int], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("late.pem")))
    found = at(public, ports, "ends soon")
    assert found[0][0] == Level.WARN
    assert "Renew it" in found[0][1]


def test_pages_over_http_are_found(public: Settings, ports: dict[str, int]) -> None:
    *_, (level, text) = at(public, ports, "good", plain="open plain")
    assert (level, "answers 200 without https" in text) == (Level.FAIL, True)
    *_, last = at(public, ports | {"nobody": free_port()}, "good", plain="nobody")
    assert last[1].startswith("nothing answers over http")


@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("plain to ")])
def test_a_redirect_that_misses_the_site_is_found(public: Settings, ports: dict[str, int], way: str) -> None:
    *_, (level, text) = at(public, ports, "good", plain=way)
    assert (level, "and the site is at https://localhost:" in text) == (Level.FAIL, True), text
    assert "OMNIVIEWER_PUBLIC_URL, with its port" in text


def test_another_key_is_another_site(public: Settings, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_echo._SIGNER, "key", "another key, as long and as random as the first")
    [*_, (level, text)] = at(public, ports, "good")
    assert (level, "with another key" in text) == (Level.FAIL, True)


def test_an_address_that_is_not_known_or_not_there_is_said(public: Settings) -> None:
    public.PUBLIC_URL, public.ALLOWED_HOSTS = "", ["*"]
    assert findings(live_site.SITE) == [(Level.WARN, "not tried: no setting tells where the site is. Set "
                                         "OMNIVIEWER_PUBLIC_URL.")]  # fmt: skip
    public.PUBLIC_URL = f"https://localhost:{free_port()}"
    [(level, text)] = findings(live_site.SITE)
    assert (level, "cannot be reached: the connection was refused" in text) == (Level.FAIL, True)


def test_the_site_tells_nobody_else_what_reached_it(settings: Settings) -> None:
    client = Client()
    asked = {"Host": "testserver", live_echo.HEADER: live_echo.question()}
    assert client.get("/sign-in/", headers=asked).json()["host"] == "testserver"
    for value in ("", "x", live_echo.question()[:-1], "a:b:c"):
        answer = client.get("/sign-in/", headers={live_echo.HEADER: value})
        assert answer["Content-Type"].startswith("text/html")


# E-mail ---------------------------------------------------------------------------------------------------


@pytest.fixture
def server(certificate: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[mail_server.MailServer]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    settings.MAIL_FROM = "omniviewer@example.com"
    with mail_server.running(certificate) as running:
        settings.MAIL_SERVER = MailServer("smtp+tls", "localhost", running.port, mail_server.NAME, mail_server.PASSWORD)
        yield running


def mail(run: Live | None = None) -> tuple[Level, str]:
    [found] = findings(live_machine.MAIL, run)
    return found


def test_a_mail_server_is_asked_and_sent_nothing(server: mail_server.MailServer) -> None:
    assert mail() == (Level.OK, f"localhost:{server.port} took the connection, and nothing was sent. ")
    assert server.commands == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]
    assert mail(Live(send_to="ann@example.com"))[0] == Level.OK
    [received] = server.received
    assert "To: ann@example.com" in received


def test_each_mistake_about_e_mail_is_found(
    server: mail_server.MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refuses.add("ann@")
    assert "it refused the address" in mail(Live(send_to="ann@example.com"))[1]
    server.offers = ["AUTH PLAIN"]
    assert "does not offer STARTTLS" in mail()[1]
    settings.MAIL_SERVER = replace(settings.MAIL_SERVER, scheme="smtp")
    assert mail()[0] == Level.OK
    monkeypatch.setattr(live_machine, "is_loopback", lambda _host: False)
    assert (mail()[0], "smtp+tls:// (STARTTLS)" in mail()[1]) == (Level.WARN, True)
    settings.MAIL_SERVER = replace(settings.MAIL_SERVER, password="a wrong password that the server repeats")
    level, text = mail()
    assert (level, text.partition(". ")[0]) == (
        Level.FAIL,
        f"localhost:{server.port}: it does not take this name and password (535)",
    )
    assert "wrong password that" not in text
    settings.MAIL_SERVER = replace(settings.MAIL_SERVER, port=free_port())
    assert "the connection was refused" in mail()[1]
    settings.MAIL_SERVER = None
    assert mail() == (Level.OK, "no server is set, and nothing is sent. ")
    assert mail(Live(send_to="ann@example.com"))[0] == Level.FAIL


def test_a_mail_server_that_is_not_trusted_is_found(
    server: mail_server.MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "its certificate is not trusted here" in mail()[1]


# Providers, Omni, clocks ----------------------------------------------------------------------------------


class _Answers(ThreadingHTTPServer):
    """Answers by path with JSON, or with a status; its clock is `ahead`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.ahead = timedelta()
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: _Answers

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.headers.get('Authorization')}")
        answer = self.server.answers.get(self.path.partition("?")[0], 404)
        body = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
        self.send_response_only(answer if isinstance(answer, int) else 200)
        self.send_header("Date", format_datetime(datetime.now(UTC) + self.server.ahead, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[_Answers]:
    with _Answers() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def openid(answers: _Answers, settings: Settings) -> _Answers:
    settings.OIDC_ISSUER = answers.url
    settings.PUBLIC_URL = "https://bi.example.com"
    answers.answers["/.well-known/openid-configuration"] = {
        "issuer": answers.url,
        "authorization_endpoint": f"{answers.url}/authorize",
        "token_endpoint": f"{answers.url}/token",
        "jwks_uri": f"{answers.url}/keys",
    }
    answers.answers["/keys"] = {"keys": [{"kty": "RSA"}]}
    return answers


OPENID, SAML = provider_trials.TRIALS
WORKER, OMNI = conversations_trials.TRIALS


def test_an_openid_provider_is_asked(openid: _Answers) -> None:
    [(level, text)] = findings(OPENID)
    assert level == Level.OK
    assert "https://bi.example.com/sign-in/oidc/callback/" in text


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/.well-known/openid-configuration", 404, "it answers 404"),
        ("/.well-known/openid-configuration", b"<html>", "something else than a JSON object"),
        ("/.well-known/openid-configuration", {"issuer": "https://other.example.com"}, "calls itself 'https://other"),
        ("/keys", {"keys": []}, "it publishes no key"),
        ("/keys", 500, "it answers 500"),
    ],
)
def test_each_mistake_of_an_openid_provider_is_found(openid: _Answers, path: str, answer: Any, said: str) -> None:
    openid.answers[path] = answer
    [(level, text)] = findings(OPENID)
    assert (level, said in text) == (Level.FAIL, True), text


def test_a_provider_that_lacks_an_endpoint_or_is_away_is_found(openid: _Answers, settings: Settings) -> None:
    del openid.answers["/.well-known/openid-configuration"]["token_endpoint"]
    assert "lacks token_endpoint" in findings(OPENID)[0][1]
    settings.OIDC_ISSUER = f"http://127.0.0.1:{free_port()}"
    assert "the connection was refused" in findings(OPENID)[0][1]
    settings.OIDC_ISSUER = ""
    assert findings(OPENID) == []


def test_a_saml_provider_is_looked_at(answers: _Answers, settings: Settings) -> None:
    settings.SAML_ENTITY_ID, settings.SAML_SSO_URL = "https://id.example.com", f"{answers.url}/sso"
    settings.SAML_CERTIFICATE = certificates.setting()
    answers.answers["/sso"] = {}
    assert [level for level, _ in findings(SAML)] == [Level.OK, Level.OK]
    settings.SAML_CERTIFICATE = certificates.setting(days=10)
    assert "Ask for the next one" in wrong(SAML)[0][1]
    settings.SAML_CERTIFICATE = certificates.setting()
    answers.answers["/sso"] = 503
    assert "answers 503" in wrong(SAML)[0][1]
    settings.SAML_SSO_URL = f"http://127.0.0.1:{free_port()}/"
    assert "cannot be reached from here: the connection was refused" in wrong(SAML)[0][1]


def test_this_sites_metadata_are_asked_for(public: Settings, ports: dict[str, int], answers: _Answers) -> None:
    public.SAML_ENTITY_ID, public.SAML_SSO_URL = "https://id.example.com", f"{answers.url}/sso"
    public.SAML_CERTIFICATE = certificates.setting()
    public.PUBLIC_URL = f"https://localhost:{ports['good']}"
    assert f"at {public.PUBLIC_URL}/sign-in/saml/company/metadata/" in findings(SAML)[-1][1]
    assert wrong(SAML) == []
    public.PUBLIC_URL = f"https://localhost:{ports['the site is away']}"
    assert "it answers 502" in wrong(SAML)[0][1]
    public.PUBLIC_URL = f"https://localhost:{free_port()}"
    assert "cannot be reached: the connection was refused" in wrong(SAML)[0][1]


def test_an_instance_of_omni_is_asked_without_a_token(omni: StandIn, settings: Settings) -> None:
    omni.requests.clear()
    assert findings(OMNI, Live(instances=[omni.host])) == [(Level.OK, f"{omni.host} answers, and wants a token. ")]
    assert len(omni.requests) == 1


def test_each_mistake_about_omni_is_found(answers: _Answers, settings: Settings) -> None:
    host = answers.url.removeprefix("http://")
    assert "answers 404, where Omni answers 401" in wrong(OMNI, Live(instances=[host]))[0][1]
    answers.answers["/api/v1/ai/conversations"] = 503
    assert "has a problem (503)" in wrong(OMNI, Live(instances=[host]))[0][1]
    assert set(answers.asked) == {"GET None"}
    assert "the connection was refused" in wrong(OMNI, Live(instances=[f"127.0.0.1:{free_port()}"]))[0][1]
    assert "under these hosts only" in wrong(OMNI, Live(instances=["bi.example.org"]))[0][1]
    assert "Name yours: --instance" in wrong(OMNI, Live())[0][1]
    settings.OMNI_HOSTS = ["omni.invalid"]
    assert "If it only stands for the hosts below it" in wrong(OMNI, Live())[0][1]
    assert wrong(OMNI, Live(instances=["bi.omni.invalid"]))[0][0] == Level.FAIL


def test_an_instance_within_the_company_has_to_be_allowed(
    answers: _Answers, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads to this machine stands for one that leads into the company's network."""
    settings.DEMO = False
    settings.OMNI_HOSTS = ["localhost.localdomain"]
    monkeypatch.setattr("omniviewer.omni.addresses.base_url", lambda _host: f"{answers.url}/api")
    found = wrong(OMNI, Live(instances=["localhost.localdomain"]))
    assert answers.asked == []
    assert "Set OMNIVIEWER_OMNI_NETWORKS" in found[0][1]
    assert not conversations_trials._may_reach("10.1.2.3", is_local=False)
    settings.OMNI_NETWORKS = [ip_network("10.0.0.0/8")]
    assert conversations_trials._may_reach("10.1.2.3", is_local=False)


@pytest.mark.django_db
def test_instances_of_stored_tokens_are_asked_too(answers: _Answers, owner: User) -> None:
    host = answers.url.removeprefix("http://")
    identity = replies.Identity("personal", "", "u", "m")
    Credential.objects.connect(owner, "Omni", host, Token("omni_pat_x"), identity)
    answers.answers["/api/v1/ai/conversations"] = 401
    assert findings(OMNI) == [(Level.OK, f"{host} answers, and wants a token. ")]
    assert answers.asked == ["GET None"]


@pytest.mark.parametrize(
    ("ahead", "level", "said"),
    [
        (timedelta(seconds=1), Level.OK, "as 127.0.0.1"),
        (timedelta(seconds=20), Level.WARN, "seconds behind 127.0.0.1"),
        (HOUR, Level.FAIL, "seconds behind 127.0.0.1"),
        (-HOUR, Level.FAIL, "seconds ahead of 127.0.0.1"),
    ],
)
@pytest.mark.django_db
def test_a_clock_that_is_off_is_found(answers: _Answers, ahead: timedelta, level: Level, said: str) -> None:
    answers.ahead = ahead
    run = Live(instances=[answers.url.removeprefix("http://")])
    findings(OMNI, run)
    [*_, found] = [found for found in findings(live_machine.CLOCK, run) if "127.0.0.1" in found[1]]
    assert (found[0], said in found[1]) == (level, True), found
    if ahead >= HOUR or ahead <= -HOUR:
        assert re.search(r"\b3(599|600|601) seconds", found[1])


@pytest.mark.django_db
def test_a_clock_that_nobody_is_there_to_compare_with_is_said() -> None:
    if connection.vendor == "sqlite":
        assert "compared with nobody's" in wrong(live_machine.CLOCK)[0][1]
    else:
        assert findings(live_machine.CLOCK) == [(Level.OK, "as the database has it. ")]


# A worker, files, disk ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_takes_a_task_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations_trials, "_PATIENCE_SECONDS", 0.5)
    assert "none took a task" in wrong(WORKER)[0][1]
    assert not DBTaskResult.objects.exists()
    monkeypatch.setattr(time, "sleep", lambda _seconds: work())
    assert findings(WORKER)[0][0] == Level.OK
    assert not DBTaskResult.objects.ready().exists()


@pytest.mark.django_db(transaction=True)
def test_workers_that_are_busy_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations_trials, "_PATIENCE_SECONDS", 0.3)
    tasks.sync.enqueue()
    DBTaskResult.objects.update(status="RUNNING", started_at=datetime.now(UTC))
    assert [(level, "1 tasks run" in text) for level, text in wrong(WORKER)] == [(Level.WARN, True)]


@pytest.mark.django_db
def test_parts_files_disk_and_time_zone(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Live()
    names = {name for name, _ in live.run(run, live_machine.FIRST, [])}
    assert {"database", "migrations", "cache", "encryption keys", "files", "time zone", "e-mail"} <= names
    assert run.has_tables
    settings.SETTINGS_FILE = tmp_path / ".env"
    settings.SETTINGS_FILE.touch()
    settings.SETTINGS_FILE.chmod(0o644)
    told = [text for _, text in wrong(live_machine.FILES)]
    assert [f"chmod 600 {tmp_path}/.env." in text for text in told].count(True) == 1
    if connection.vendor == "sqlite":
        for free, level in [(10 * 2**20, Level.FAIL), (2**30, Level.WARN)]:
            usage = SimpleNamespace(free=free)
            monkeypatch.setattr("shutil.disk_usage", lambda _folder, usage=usage: usage)
            assert wrong(live_machine.DISK)[0][0] == level
    else:
        settings.TIME_ZONE = "Europe/Nowhere"
        assert "PostgreSQL does not know Europe/Nowhere" in wrong(live_machine.TIME_ZONE)[0][1]


@pytest.mark.django_db
def test_what_needs_tables_waits_for_them() -> None:
    assert findings(WORKER, Live()) == [
        (Level.WARN, "not tried without the database and its tables. Mend these first.")
    ]


def test_a_fault_of_a_trial_stops_no_other() -> None:
    def broken(_live: Live) -> Iterator[live.Finding]:
        raise KeyError("a secret")
        yield

    [(level, text)] = findings(live.Trial("broken", broken))
    assert (level, "KeyError" in text, "a secret" in text) == (Level.FAIL, True, False)


def test_options_of_live_need_it() -> None:
    with pytest.raises(CommandError, match="add --live"):
        call_command("check", send_to="ann@example.com")


# The whole ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_whole_deployment_passes_and_tells_no_secret(tmp_path: Path, certificate: Path) -> None:
    """PostgreSQL, Redis, site, worker, nginx and mail server: all well, and then each away."""
    of_database, redis_port = "the-password-of-postgres", free_port()
    folder = tmp_path / "site"
    folder.mkdir(mode=0o700)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql())
        # As the guide creates it.
        options = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        address = database.database("site", options=options)
        redis = start_redis(redis_port, tmp_path)
        stack.callback(redis.kill)
        mails = stack.enter_context(mail_server.running(certificate))
        variables = {
            **SITE,
            "OMNIVIEWER_SAML_CERTIFICATE": certificates.setting(),
            "DATABASE_URL": address.replace("tests@", f"tests:{of_database}@"),
            "CACHE_URL": f"redis://127.0.0.1:{redis_port}/0",
            "OMNIVIEWER_EMAIL_URL": mails.url(),
            "OMNIVIEWER_EMAIL_FROM": "omniviewer@example.com",
            "OMNIVIEWER_METRICS_TOKEN": "what the scrape may show",
            "REQUESTS_CA_BUNDLE": str(certificate),
            "SSL_CERT_FILE": str(certificate),
        }
        assert omniviewer(folder, variables, "migrate", "-v", "0").returncode == 0
        site = stack.enter_context(served(folder, variables))
        worker = stack.enter_context(started(folder, variables, "worker", "--no-startup-delay"))
        ports = stack.enter_context(behind_nginx(tmp_path / "nginx", site, certificate, {"good": Way()}))
        variables["OMNIVIEWER_PUBLIC_URL"] = f"https://localhost:{ports['good']}"
        done = omniviewer(folder, variables, "check", "--live", "--send-to", "ann@example.com")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert {line.split()[0] for line in lines} <= {"ok", "warn"}
        for name in ("database: PostgreSQL", "cache: keeps", "worker: one took", "clock: as the database", "e-mail:"):
            assert any(line.startswith(f"ok    {name}") for line in lines), (name, done.stdout)
        assert len(mails.received) == 1
        assert [line for line in lines if line.startswith("warn")] == [
            "warn  SAML provider: https://sso.invalid/ cannot be reached from here: there is no such host. See that "
            "browsers reach it.",
            "warn  Omni: no instance is known yet, so none was tried. Name yours: --instance acme.omniapp.co.",
        ]
        redis.kill()
        worker.terminate()
        gone = omniviewer(folder, variables, "check", "--live")
        assert gone.returncode == 1
        assert "fail  cache: " in gone.stdout
        assert "fail  worker: none took a task" in gone.stdout
        database.stop()
        away = omniviewer(folder, variables, "check", "--live")
        stack.callback(database.start)
        assert "fail  database: cannot be queried (OperationalError)" in away.stdout
        assert "warn  worker: not tried without" in away.stdout
        said = "".join(run.stdout + run.stderr for run in (done, gone, away))
        known = [of_database, mail_server.PASSWORD, *(SITE[f"OMNIVIEWER_{name}"] for name in _KEYS)]
        assert not [secret for secret in [*known, "what the scrape may show"] if secret in said]


_KEYS = ("SECRET_KEY", "ENCRYPTION_KEYS")
