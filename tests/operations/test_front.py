"""Headers about addresses from clients and proxies, through gunicorn: the site's own address, and the client's."""

import http.client
import json
import re
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client, RequestFactory
from playwright.sync_api import BrowserContext, expect
from pytest_django.fixtures import Settings

from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import StandIn
from omniviewer.operations import front
from tests.conftest import EXAMPLE, PASSWORD, credential_for
from tests.operations.test_house import PRODUCTION, manage
from tests.serving import Site, serve

THREAD = f"/conversations/{EXAMPLE}/"
PREFIX = "/team/omniviewer"
# Headers by which some server, proxy or framework lets a client claim the site's address or the path.
CLAIMS = {
    "SCRIPT_NAME": "/conversations",
    "Script_Name": "/conversations",
    "SCRIPT-NAME": "/conversations",
    "PATH_INFO": "/admin/",
    "X-Script-Name": "/evil",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Host": "evil.example",
    "X-Original-URL": "/admin/",
    "X-Rewrite-URL": "/admin/",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Ssl": "on",
    "REMOTE_USER": "boss",
}


@pytest.fixture
def reader(omni: StandIn, owner: User) -> User:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    return owner


def without_csrf(page: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("behind_proxy", ["false", "true"])
def test_no_header_says_where_the_site_is(tmp_path: Path, reader: User, behind_proxy: str) -> None:
    with serve(tmp_path, workers=1, OMNIVIEWER_BEHIND_PROXY=behind_proxy) as site:
        browser = site.reader(reader)
        list_page = without_csrf(browser.get(f"{site.url}/conversations/").text)
        asked = len(lines_of(site))
        for name, value in CLAIMS.items():
            answer = browser.get(f"{site.url}{THREAD}", headers={name: value}, timeout=20, allow_redirects=False)
            assert answer.status_code == 200, name
            assert f'href="{THREAD}messages/2/"' in answer.text, name
            assert not re.search(
                r'(href|action|src|hx-get)="(https?://evil|/evil|/conversations/conversations)', answer.text
            )
            asked += 1
            assert [line["route"] for line in lines_of(site)[asked - 1 :]] == ["conversations/<uuid:omni_id>/"], name
        # A later reader gets no links with another address from the cache either.
        other = site.reader(reader).get(f"{site.url}{THREAD}").text
        assert set(re.findall(r'href="(/[^"]*)messages/2/"', other)) == {THREAD}
        assert without_csrf(browser.get(f"{site.url}/conversations/").text).count("<article") == list_page.count(
            "<article"
        )


def lines_of(site: Site) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in site.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "page"]


@pytest.mark.django_db(transaction=True)
def test_https_is_a_trusted_proxys_to_say(tmp_path: Path) -> None:
    """`OMNIVIEWER_FORWARDED_ALLOW_IPS` names another peer than the one that connects, so its headers do not count."""
    secure = {"X-Forwarded-Proto": "https", "Host": "omniviewer.example.com"}
    environment = {**PRODUCTION, "OMNIVIEWER_DEMO": "false", "OMNIVIEWER_BEHIND_PROXY": "true"}
    answers = []
    for allowed in ("127.0.0.0/8", "10.1.0.0/16,192.0.2.7", "*"):
        with serve(tmp_path, environment, workers=1, OMNIVIEWER_FORWARDED_ALLOW_IPS=allowed) as site:
            answers.append(
                requests.get(f"{site.url}/conversations/", headers=secure, timeout=20, allow_redirects=False)
            )
    assert [answer.status_code for answer in answers] == [302, 301, 302]


@pytest.mark.parametrize(("peer", "counts"), [("10.1.2.3", True), ("10.2.0.1", False), ("", True), ("x", False)])
def test_addresses_are_a_trusted_proxys_to_say(settings: Settings, peer: str, counts: bool) -> None:
    settings.BEHIND_PROXY = True
    settings.FORWARDED_ALLOW_IPS = [ip_network("10.1.0.0/16")]
    seen = []
    middleware = front.forwarded_headers(lambda request: seen.append(str(front.client_address(request))))  # type: ignore[arg-type,return-value]
    middleware(RequestFactory().get("/", headers={"X-Forwarded-For": "198.51.100.9"}, REMOTE_ADDR=peer))
    assert (seen == ["198.51.100.9"]) is counts


# Below a path ---------------------------------------------------------------------------------------------


@pytest.fixture
def below(tmp_path: Path, reader: User) -> Iterator[Site]:
    with serve(tmp_path, workers=1, OMNIVIEWER_URL_PREFIX=PREFIX) as site:
        yield site


@pytest.mark.django_db(transaction=True)
def test_every_link_stays_below_the_prefix(below: Site, reader: User) -> None:
    """Follow every address that a page names, two pages deep."""
    browser = below.reader(reader)
    reader.is_staff = reader.is_superuser = True
    reader.save()
    todo = [f"{PREFIX}/", f"{PREFIX}{THREAD}messages/2/evidence/", f"{PREFIX}/insights/", f"{PREFIX}/open?q=x"]
    seen: set[str] = set()
    for depth in (0, 1):
        found: list[str] = []
        for path in todo:
            route = re.sub(r"[0-9a-f-]{36}|\?.*|\d+", "", path)
            if route in seen:
                continue
            seen.add(route)
            answer = browser.get(below.url + path, timeout=30)
            assert answer.status_code in (200, 422), path
            assert urlsplit(answer.url).path.startswith(f"{PREFIX}/"), (path, answer.url)
            if not answer.headers["Content-Type"].startswith("text/html"):
                continue
            named = re.findall(r'\s(?:href|src|action|formaction|hx-get|hx-post|srcset)="([^"#][^"]*)"', answer.text)
            named = [urljoin(urlsplit(answer.url).path, each.replace("&amp;", "&")) for each in named]
            own = [each for each in named if each.startswith("/")]
            assert [each for each in own if not each.startswith(f"{PREFIX}/")] == [], path
            found += [
                each for each in own if "sign-out" not in each and "/continue/" not in each and "/admin/" not in each
            ]
        todo = found if depth == 0 else []
        todo = [
            each for each in todo if not re.search(r"appearance|/star/|tickets/|/sync/|keep/|selected|all-read", each)
        ]
    assert len(seen) > 15


@pytest.mark.django_db(transaction=True)
def test_a_browser_signs_in_and_reads_below_the_prefix(below: Site, reader: User, context: BrowserContext) -> None:
    # The deployed site does not know the tests' fast password hash.
    reader.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt of one reader", 1000)
    reader.save()
    page = context.new_page()
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{below.url}{PREFIX}{THREAD}messages/2/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{below.url}{PREFIX}{THREAD}messages/2/")
    expect(page.locator("#message-2")).to_be_focused()
    cookies = {cookie["name"]: cookie["path"] for cookie in context.cookies()}
    assert cookies["session"] == cookies["csrf"] == cookies["time_zone"] == f"{PREFIX}/"
    page.get_by_role("link", name="← Conversations").click()
    expect(page).to_have_url(re.compile(rf"{PREFIX}/conversations/"))
    page.get_by_role("combobox", name="Search questions").fill("revenue state:done")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"{PREFIX}/conversations/\?q="))
    assert refused == []


@pytest.mark.django_db(transaction=True)
def test_nothing_but_the_probes_answers_outside_the_prefix(below: Site, reader: User) -> None:
    browser = below.reader(reader)
    for path in ("/conversations/", "/admin/", "/sign-in/", "/", PREFIX, f"{PREFIX}evil/", f"{PREFIX}{PREFIX}/admin/"):
        answer = browser.get(below.url + path, timeout=20, allow_redirects=False)
        assert answer.status_code == 404, path
    for path in ("/healthz", "/readyz", f"{PREFIX}/healthz", f"{PREFIX}/readyz"):
        assert requests.get(below.url + path, timeout=20).status_code == 200, path
    assert {line["route"] for line in lines_of(below)} <= {"unknown", "admin/(?P<url>.*)$"}


def test_the_cookies_name_fits_their_path() -> None:
    """A browser drops a `__Host-` cookie whose path is not `/`."""
    code = "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_PATH, s.PUBLIC_URL)"
    told = {}
    for url in ("https://host.example", "https://host.example/omni/"):
        told[url] = manage(
            "shell",
            "-v",
            "0",
            "-c",
            code,
            env={**PRODUCTION, "OMNIVIEWER_ALLOWED_HOSTS": "host.example", "OMNIVIEWER_PUBLIC_URL": url},
        ).stdout.split()
    assert told["https://host.example"] == ["__Host-session", "/", "https://host.example"]
    assert told["https://host.example/omni/"] == ["__Secure-session", "/omni/", "https://host.example"]


def test_without_a_prefix_a_page_is_where_it_was(db: None) -> None:
    assert Client().get("/sign-in/").status_code == 200
    assert Client().get(f"{PREFIX}/sign-in/").status_code == 404


# Cookies --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_odd_cookies_cost_no_time(tmp_path: Path) -> None:
    """Up to 100 fields of 8 KB each arrive as one header."""
    cookies = [("Cookie", 'a="' + "\\" * 8000 + '"')] * 20
    with serve(tmp_path, workers=1) as site:
        connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
        began = time.monotonic()
        connection.putrequest("GET", "/sign-in/")
        for name, value in cookies:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 400
        assert time.monotonic() - began < 2
        connection.close()
        kept = 'other="' + "\\054" * 80 + '"'
        assert requests.get(f"{site.url}/sign-in/", headers={"Cookie": kept}, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("version", "is_mended"),
    [((3, 11, 9), False), ((3, 11, 10), True), ((3, 12, 5), False), ((3, 12, 6), True), ((3, 13, 0), True)],
)
def test_a_python_with_known_faults_is_told_of(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], is_mended: bool
) -> None:
    class Version(tuple[int, ...]):
        major, minor, micro = version

    monkeypatch.setattr(sys, "version_info", Version(version))
    told = front.check_python(None)
    monkeypatch.undo()
    assert (told == []) is is_mended


# One client -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind_proxy", "forwarded", "network"),
    [
        (False, "203.0.113.7", "198.51.100.4"),
        (True, "203.0.113.7", "203.0.113.7"),
        (True, "203.0.113.7:5123", "203.0.113.7"),
        (True, "10.0.0.1, 203.0.113.7:80", "203.0.113.7"),
        (True, "::ffff:203.0.113.7", "203.0.113.7"),
        (True, "[::ffff:203.0.113.7]:99", "203.0.113.7"),
        (True, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (True, "[2001:db8:1:2::ffff]:443", "2001:db8:1:2::/64"),
        (True, "fe80::1%eth0", "fe80::/64"),
        (True, "unknown", ""),
        (True, "", "198.51.100.4"),
    ],
)
def test_a_client_is_one_by_its_network(settings: Settings, behind_proxy: bool, forwarded: str, network: str) -> None:
    settings.BEHIND_PROXY = behind_proxy
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="198.51.100.4")
    assert front.client_network(request) == network
