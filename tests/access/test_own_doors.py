"""The site’s own doors: forms of others, frames, caches, methods, fields that nobody offered, names of people and files."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from pytest_django import Settings

from conversations.models import Star
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.accounts.test_sign_in import VALUES, addresses
from tests.conftest import EXAMPLE, credential_for, person, signed_in, text_of
from tests.operations.test_house import PRODUCTION, manage
from tests.serving import serve

# Addresses that accept forms: a POST to any other one changes nothing.
FORMS = {
    "/conversations/selected/",
    "/conversations/all-read/",
    "/exports/",
    "/exports/1/remove/",
    "/credentials/1/sync/",
    f"/conversations/{EXAMPLE}/messages/1/evidence/keep/",
    f"/conversations/{EXAMPLE}/star/",
    f"/conversations/{EXAMPLE}/tickets/",
    f"/conversations/{EXAMPLE}/tickets/remove/",
    "/credentials/connect/",
    "/credentials/1/",
    "/credentials/1/token/",
    "/credentials/1/default/",
    "/credentials/1/remove/",
    "/credentials/1/hand-over/",
    "/credentials/offers/1/",
    "/sign-in/",
    "/sign-out/",
    "/announcements/1/dismiss/",
    "/appearance/",
    "/admin/login/",
    "/admin/logout/",
    "/demo/continue/",
}
# Headers that may make a cache, a proxy or a framework mistake one request for another.
POISON = {
    "X-Forwarded-Host": "evil.example",
    "X-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-HTTP-Host-Override": "evil.example",
    "Forwarded": "host=evil.example;proto=http",
    "X-Original-URL": "/admin/",
    "X-Rewrite-URL": "/admin/",
    "X-Forwarded-Prefix": "/evil.example",
    "X-Forwarded-Scheme": "http",
    "X-Forwarded-Port": "6666",
    "X-Wap-Profile": "http://evil.example/",
}


@pytest.fixture
def everywhere(db: None) -> list[str]:
    found = list(addresses())
    assert set(found) >= FORMS
    return found


def answers(client: Client, paths: list[str], method: str, **more: Any) -> dict[str, Any]:
    return {path: getattr(client, method)(path, **more) for path in paths}


def test_a_form_of_another_site_does_nothing(owner: User, everywhere: list[str]) -> None:
    """No address accepts a form without a CSRF token of this site."""
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    for path, answer in answers(strict, everywhere, "post", data={"starred": "1"}).items():
        # A directory's addresses take a token and no cookie: without one, they are nowhere.
        expected = (404,) if path.startswith("/scim/") else (403,) if path in FORMS else (403, 405)
        assert answer.status_code in expected, path
    assert not Star.objects.exists()
    assert strict.get("/credentials/").status_code == 200  # and still signed in


def test_no_page_stands_in_a_frame_or_in_a_cache(owner: User, everywhere: list[str]) -> None:
    for client in (Client(), signed_in(owner)):
        for path, answer in answers(client, everywhere, "get").items():
            told = answer.headers
            assert told["X-Frame-Options"] == "DENY", path
            policy = told["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy or "sandbox" in policy, path
            assert "no-store" in told["Cache-Control"], path
            assert "private" in told["Cache-Control"], path
            assert told["X-Content-Type-Options"] == "nosniff", path
            assert told["Cross-Origin-Resource-Policy"] == "same-origin", path
            assert "Access-Control-Allow-Origin" not in told, path


BEYOND = [2**31, 2**63 - 1, 2**63, 10**30, 10**5000]


@pytest.mark.parametrize(
    "number", BEYOND, ids=lambda number: f"{len(str(number))} digits" if number < 10**40 else "5001"
)
@pytest.mark.slow
def test_numbers_beyond_all_counting_lead_nowhere(owner_reads: Client, number: int) -> None:
    """Such a number leads nowhere in every address and every parameter, as a page and as a part of one."""
    owner_reads.get(f"/conversations/{EXAMPLE}/")
    owner_reads.raise_request_exception = False
    text = str(number) if number < 10**40 else "1" + "0" * 5000
    mark = "7531"
    numbered = [path for path in addresses(values={**VALUES, "number": mark}) if mark in path]
    assert len(numbered) > 12
    for headers in ({}, {"HX-Request": "true"}):
        for path in numbered:
            for method in ("GET", "POST"):
                status = owner_reads.generic(method, path.replace(mark, text), headers=headers).status_code
                assert status in (302, 404, 405), (method, path, status)
        for path in (
            "conversations/",
            "conversations/fresh/",
            "conversations/facets/",
            "conversations/complete/",
            f"conversations/{EXAMPLE}/fresh/",
            f"conversations/{EXAMPLE}/neighbours/",
            "activity/",
            "insights/",
            "insights/questions/",
            "insights/csv/",
        ):
            for name in ("before", "after", "credential", "revision", "count", "looks", "shown", "sort", "rows"):
                query = {"looks": "1", name: text}
                assert owner_reads.get(f"/{path}", query, headers=headers).status_code < 500, (path, name)
        rows = f"/conversations/{EXAMPLE}/messages/2/queries/1/"
        assert owner_reads.get(rows, {"rows": text, "sort": text}, headers=headers).status_code < 500


def test_nothing_that_a_cache_leaves_out_of_its_key_shows(owner: User, everywhere: list[str]) -> None:
    for client in (Client(), signed_in(owner)):
        for path, answer in answers(client, everywhere, "get", headers=POISON).items():
            plain = client.get(path)
            assert answer.status_code == plain.status_code, path
            body = b"" if answer.streaming else answer.content
            assert b"evil.example" not in body + repr(dict(answer.headers)).encode(), path


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace", "options"])
def test_other_methods_do_nothing(owner: User, everywhere: list[str], method: str) -> None:
    for path, answer in answers(signed_in(owner), everywhere, method).items():
        assert answer.status_code in (302, 301, 400, 403, 404, 405, 422, 429) or (
            answer.status_code == 200 and method == "options"
        ), (path, answer.status_code)
        assert b"TRACE" not in (b"" if answer.streaming else answer.content)
    assert User.objects.filter(pk=owner.pk, is_active=True).exists()


@pytest.mark.parametrize(
    "way", [{"X-HTTP-Method-Override": "POST"}, {"X-HTTP-Method": "DELETE"}, {"X-Method-Override": "PUT"}]
)
def test_a_get_stays_a_get(owner: User, omni: StandIn, dialect: str, way: dict[str, str]) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    client = signed_in(owner)
    client.get(f"/conversations/{EXAMPLE}/")
    for path in FORMS - {"/demo/continue/"}:
        client.get(path.replace("/1/", f"/{credential.pk}/", 1) + "?_method=POST&starred=1&do=pause", headers=way)
    assert not Star.objects.exists()
    assert Credential.objects.filter(pk=credential.pk).exists()
    assert client.get("/credentials/").status_code == 200


EXTRA = {
    "owner": "2", "owner_id": "2", "user": "2", "is_staff": "1", "is_superuser": "1", "is_active": "0", "scope": "organization",
    "role": "ORG_ADMIN", "membership_id": "x", "order": "7", "api_token": "2", "ciphertext": "x", "rejected_at": "", "instance": "evil.example",
    "checked_at": "2020-01-01", "id": "77", "pk": "77", "username": "root", "password": "x", "groups": "1",
}  # fmt: skip


def test_fields_that_nobody_offered_are_not_taken(owner: User, colleague: User, omni: StandIn, dialect: str) -> None:
    client = signed_in(owner)
    token = omni.organization.demo_tokens["analyst"]
    client.post("/credentials/connect/", {**EXTRA, "instance_address": omni.url, "token": token, "label": "Mine"})
    mine = Credential.objects.get()

    def stored() -> dict[str, object]:
        said = {name: getattr(mine.api_token, name) for name in ("scope", "role", "instance", "membership_id")}
        return {"owner_id": mine.owner_id, "order": mine.order, **said}

    kept = stored()
    assert kept["owner_id"] == owner.pk
    assert kept["scope"] == "user"
    assert kept["instance"] == omni.host
    client.post(f"/credentials/{mine.pk}/", {**EXTRA, "label": "Renamed"})
    client.post(f"/credentials/{mine.pk}/token/", {**EXTRA, "token": token})
    mine.refresh_from_db()
    assert mine.label == "Renamed"
    assert stored() == kept
    assert mine.api_token.ciphertext != "x"
    client.post("/appearance/", {**EXTRA, "theme": "dark", "next": "/"})
    client.post("/conversations/all-read/", EXTRA)
    owner.refresh_from_db()
    assert (owner.username, owner.is_staff, owner.is_superuser, owner.is_active) == ("owner", False, False, True)
    assert not colleague.credentials.exists()


def test_signing_in_tells_nobody_who_there_is(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is the same, and a password is hashed for unknown names as well as for known ones."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    gone = person("gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    pages, costs = {}, {}
    for name in ("owner", "gone", "nobody-at-all", "owner@example.com", "OWNER"):
        hashed.clear()
        page = text_of(Client().post("/sign-in/", {"username": name, "password": "wrong wrong wrong"}))
        pages[name], costs[name] = page.replace(f'value="{name}"', ""), len(hashed)
    assert len(set(pages.values())) == 1
    assert set(costs.values()) == {1}


@pytest.mark.parametrize(
    "name",
    ['a"; filename="evil.exe', "a\r\nSet-Cookie: x=y", "../../etc/passwd", "..\\..\\boot.ini", "CON", "nul.txt", "\u202egpj.exe",
     "a/b\\c:d*e?f<g>h|i", "é" * 300, "\0", ".htaccess", "-rf", "%0d%0aX: y", "=cmd|calc", "💥" * 50],
)  # fmt: skip
def test_file_names_are_safe_everywhere(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, name: str
) -> None:
    made = small.add_conversation(owner=analyst, name=name, turns=[("Is it?", "It is.")])
    reads.get("/conversations/")
    for extension in ("md", "json", "csv", "html", "zip"):
        told = reads.get(f"/conversations/{made.id}.{extension}")["Content-Disposition"]
        assert re.fullmatch(rf'attachment; filename="[a-z0-9][a-z0-9-]{{0,90}}\.{extension}"', told), told


# As it is deployed ------------------------------------------------------------------------------------------

# The rules of Mozilla's HTTP Observatory (https://developer.mozilla.org/observatory/docs/tests_and_scoring), as far as
# they concern headers, with the points of each. The score starts at 100; less than that is a finding.
Rule = tuple[str, int, int]


def observatory(secure: requests.Response, plain: requests.Response) -> list[Rule]:
    """Return each rule, with the points that it gives if it is kept and costs if not."""
    told = secure.headers
    policy = dict(part.strip().partition(" ")[::2] for part in told.get("Content-Security-Policy", "").split(";"))
    cookies = told.get("Set-Cookie", "")
    sources = " ".join(policy.values())
    age = re.search(r"max-age=(\d+)", told.get("Strict-Transport-Security", ""))
    kept = {
        ("csp: no unsafe source, default-src 'none'", 10, -25): "unsafe" not in sources
        and policy.get("default-src") == "'none'" and "http:" not in sources and "data:" not in sources and "*" not in sources,
        ("cookies: secure, httponly, samesite", 5, -40): all(
            word in cookies for word in ("Secure", "HttpOnly", "SameSite", "__Host-")
        ),
        ("cross-origin resource sharing: none", 0, -50): "Access-Control-Allow-Origin" not in told,
        ("redirection: to https on the same host first", 0, -20): plain.status_code == 301
        and plain.headers["Location"].startswith("https://omniviewer.example.com/"),
        ("referrer policy: private", 5, -5): told.get("Referrer-Policy") in ("same-origin", "no-referrer", "strict-origin"),
        ("strict transport security: six months at least", 0, -20): bool(age) and int(age[1]) >= 15_768_000,  # type: ignore[index]
        ("subresource integrity: all scripts from here", 0, -5): not re.search(r'<script[^>]+src="(?!/)', secure.text),
        ("x-content-type-options: nosniff", 0, -5): told.get("X-Content-Type-Options") == "nosniff",
        ("frames: by the csp", 5, -20): policy.get("frame-ancestors") == "'none'",
        ("cross-origin resource policy: same origin", 10, 0): told.get("Cross-Origin-Resource-Policy") == "same-origin",
    }  # fmt: skip
    return [(name, gives if is_kept else takes, gives) for (name, gives, takes), is_kept in kept.items()]


@pytest.mark.django_db(transaction=True)
def test_the_observatory_would_find_nothing(tmp_path: Path) -> None:
    environment = {**PRODUCTION, "OMNIVIEWER_DEMO": "false", "OMNIVIEWER_BEHIND_PROXY": "true"}
    assert manage("collectstatic", "--noinput", env=environment).returncode == 0
    host = {"Host": "omniviewer.example.com"}
    with serve(tmp_path, environment, workers=1) as site:
        secure = requests.get(f"{site.url}/sign-in/", headers={**host, "X-Forwarded-Proto": "https"}, timeout=20)
        plain = requests.get(f"{site.url}/sign-in/", headers=host, timeout=20, allow_redirects=False)
        slow = requests.get(
            f"{site.url}/static/css/base.css", headers={**host, "X-Forwarded-Proto": "https"}, timeout=20
        )
    rules = observatory(secure, plain)
    score = 100 + sum(points for _, points, _ in rules)
    print(f"Observatory's rules: {score} points; {len(rules)} rules kept")  # noqa: T201
    assert [name for name, points, gives in rules if points != gives] == []
    assert score == 135
    assert slow.headers["X-Content-Type-Options"] == "nosniff"
    assert "gunicorn" not in secure.headers.get("Server", "") or "/" not in secure.headers["Server"]


def test_a_deployment_that_names_its_address_says_no_other(owner: User, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://omniviewer.example.com"
    page = text_of(signed_in(owner).get("/credentials/", headers=POISON))
    assert "evil.example" not in page
