"""Signing in and out; every page but the public ones asks for it."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from omniviewer.accounts.models import User
from tests.conftest import EXAMPLE, signed_in

PUBLIC = {"/sign-in/", "/appearance/", "/demo/continue/"}
VALUES = {"uuid": EXAMPLE, "pk": "1", "position": "1", "app_label": "accounts", "content_type_id": "1"}


def addresses(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Every address of the site, with values filled in."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + "".join(
            VALUES.get(part.lstrip("<").split(":")[0], "1") if part.endswith(">") else part
            for part in str(entry.pattern).replace("<", "\0<").replace(">", ">\0").split("\0")
        )
        if isinstance(entry, URLResolver):
            if "admin" not in path:
                yield from addresses(entry, path)
        elif isinstance(entry, URLPattern):
            yield path


def test_it_works(owner: User) -> None:
    client = Client()
    answer = client.post("/sign-in/", {"username": "owner", "password": "correct horse battery"})
    assert answer.status_code == 302
    assert answer["Location"] == "/conversations/"
    assert client.get("/credentials/").status_code == 200


def test_it_goes_on_to_the_page_that_was_asked_for(owner: User) -> None:
    client = Client()
    asked = f"/conversations/{EXAMPLE}/messages/2/?ticket=ABC-1"
    to_sign_in = client.get(asked)["Location"]
    page = client.get(to_sign_in).content.decode()
    assert f'name="next" value="{asked}"' in page
    answer = client.post(to_sign_in, {"username": "owner", "password": "correct horse battery", "next": asked})
    assert answer["Location"] == asked


@pytest.mark.parametrize("target", ["https://example.com/", "//example.com", "javascript:alert(1)", "/\\example.com"])
def test_it_goes_nowhere_else(owner: User, target: str) -> None:
    fields = {"username": "owner", "password": "correct horse battery", "next": target}
    assert Client().post("/sign-in/", fields)["Location"] == "/conversations/"
    assert Client().post("/appearance/", {"theme": "dark", "next": target})["Location"] == "/"


def test_it_says_that_a_password_is_wrong(owner: User) -> None:
    answer = Client().post("/sign-in/", {"username": "owner", "password": "wrong"})
    page = answer.content.decode()
    assert "Please enter a correct username and password" in page
    assert "owner" in page
    assert 'value="wrong"' not in page


def test_signing_out_is_a_post_and_ends_the_session(owner: User) -> None:
    client = signed_in(owner)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/credentials/")["Location"].startswith("/sign-in/")


def test_a_stranger_is_asked_to_sign_in_everywhere(db: None) -> None:
    walked = set(addresses())
    assert len(walked) > 10
    assert walked >= PUBLIC
    for address in walked - PUBLIC - {"/"}:
        answer = Client().get(address)
        assert answer.status_code in (302, 301, 405), address
        if answer.status_code != 405:
            assert "/sign-in/" in answer["Location"] or address.startswith("/chat/"), address
        assert Client().post(address).status_code in (302, 403, 405), address


def test_the_admin_has_no_door_of_its_own(db: None) -> None:
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0].startswith("/sign-in/?next=")


def test_pages_are_kept_by_no_cache_and_found_by_no_robot(owner: User) -> None:
    answer = signed_in(owner).get("/credentials/")
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Referrer-Policy"] == "same-origin"


def test_the_content_security_policy_is_strict(owner: User) -> None:
    policy = signed_in(owner).get("/credentials/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_the_theme_is_remembered_and_forgotten(db: None) -> None:
    client = Client()
    client.post("/appearance/", {"theme": "dark", "next": "/sign-in/"})
    assert 'data-theme="dark"' in client.get("/sign-in/").content.decode()
    client.post("/appearance/", {"theme": "", "next": "/sign-in/"})
    assert "data-theme=" not in client.get("/sign-in/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-theme=" not in client.get("/sign-in/").content.decode()


def test_the_one_click_people_exist_in_the_demo_alone(owner: User) -> None:
    assert settings.DEMO
    assert Client().post("/demo/continue/", {"person": "owner"}).status_code == 404


def test_an_expired_form_is_told_so_and_changes_nothing(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"username": "owner", "password": "correct horse battery"})
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()
    assert "_auth_user_id" not in strict.session


@pytest.mark.parametrize(
    ("address", "host", "status", "sentence"),
    [("/nowhere", "testserver", 404, "Page not found"), ("/sign-in/", "evil.example", 400, "Bad request")],
)
def test_wrong_addresses_get_a_page_too(db: None, address: str, host: str, status: int, sentence: str) -> None:
    answer = Client().get(address, headers={"host": host})
    assert answer.status_code == status
    assert sentence in answer.content.decode()


def test_a_fault_of_our_own_is_a_page_that_stands_alone(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniviewer.accounts.models.CredentialQuerySet.of", lambda *_: 1 / 0)
    client = signed_in(owner)
    client.raise_request_exception = False
    answer = client.get("/credentials/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
