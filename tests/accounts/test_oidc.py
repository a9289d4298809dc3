"""Signing in with an OpenID provider: a real one, reached over HTTP by the deployed site and by a real browser.

The site is at `localhost` and the provider at `127.0.0.1`: to a browser these are two sites, as in a company.
"""

import base64
import contextlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import jwt
import pytest
import requests
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.contrib.sessions.models import Session
from django.test import RequestFactory
from django.utils import timezone
from django.utils.crypto import salted_hmac
from playwright.sync_api import BrowserContext, expect
from pytest_django import DjangoDbBlocker, Settings

from omniviewer.accounts.models import Identity, User
from omniviewer.accounts.session_store import SessionStore
from omniviewer.accounts.sign_in import oidc
from omniviewer.accounts.sign_in.pending import PendingSignIns
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import StandIn
from tests import provider as providers
from tests.accounts.test_sign_in import stored, walk_anonymously
from tests.conftest import EXAMPLE, NOW, assert_accessible, credential_for
from tests.programs import free_port
from tests.provider import OpenIDProvider
from tests.serving import Site, database_environment, serve

pytestmark = pytest.mark.django_db(transaction=True)
Until = Callable[[str], bool]
MESSAGE = f"/conversations/{EXAMPLE}/messages/3/?ticket=ABC-1"


def account(number: int, **claims: Any) -> dict[str, Any]:
    return {
        "sub": f"subject-{number}",
        "email": f"person{number}@example.com",
        "email_verified": True,
        "preferred_username": f"person{number}",
        "given_name": "Sam",
        "family_name": f"Nr {number}",
        "groups": ["analysts"],
        **claims,
    }


ACCOUNTS = {
    "sam": account(1, preferred_username="sam", given_name="Sam", family_name="Ortega"),
    "boss": account(2, groups=["analysts", "platform"]),
    "outsider": account(3, groups=["sales"]),
    "groupless": account(4, groups=None),
    "unverified": account(5, email_verified=False),
    "elsewhere": account(6, email="x@example.com.evil.example"),
    "silent": account(7, email=None),
    "namesake": account(8, preferred_username="sam", email="person1@example.com"),
}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(
    port: int, tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Site, OpenIDProvider]]:
    """Run the site as deployed behind the provider, for all tests of this module."""
    with (
        django_db_blocker.unblock(),
        providers.run(ACCOUNTS, [f"http://localhost:{port}"]) as provider,
        serve(tmp_path_factory.mktemp("oidc"), environment_for(provider), port=port) as site,
    ):
        yield site, provider


def environment_for(provider: OpenIDProvider) -> dict[str, str]:
    return {
        "OMNIVIEWER_OIDC_ISSUER": provider.issuer,
        "OMNIVIEWER_OIDC_CLIENT_ID": providers.CLIENT_ID,
        "OMNIVIEWER_OIDC_CLIENT_SECRET": providers.CLIENT_SECRET,
        "OMNIVIEWER_OIDC_NAME": "Example Ltd",
        "OMNIVIEWER_LOCAL_LOGIN": "false",
        "OMNIVIEWER_ALLOWED_GROUPS": "analysts,support",
        "OMNIVIEWER_ALLOWED_EMAIL_DOMAINS": "example.com",
        "OMNIVIEWER_STAFF_GROUP": "platform",
    }


@pytest.fixture
def provider(served: tuple[Site, OpenIDProvider]) -> Iterator[OpenIDProvider]:
    served[1].be_honest()
    yield served[1]
    served[1].be_honest()


@pytest.fixture
def site(served: tuple[Site, OpenIDProvider], port: int) -> str:
    return f"http://localhost:{port}"


@pytest.fixture
def log(served: tuple[Site, OpenIDProvider]) -> Callable[[], str]:
    before = len(served[0].log)
    return lambda: served[0].log[before:]


class Visitor:
    """A person with a browser without scripts, which follows redirects as far as told."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.browser = requests.Session()
        self.browser.trust_env = False

    def go(self, address: str, until: Until = lambda _: False, **form: str) -> requests.Response:
        """Follow redirects, and return the last answer, or the first that leads to an address where `until` is true."""
        answer = self._ask(urljoin(self.site, address), form)
        for _ in range(15):
            if "Submitting Callback" in answer.text:  # a form of the provider's that sends itself
                fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
                answer = self._ask(re.findall(r'action="([^"]+)"', answer.text)[0], fields)
            if not answer.is_redirect:
                return answer
            address = urljoin(answer.url, answer.headers["Location"])
            if until(address):
                return answer
            answer = self._ask(address, {})
        raise AssertionError(f"It goes in a circle, at {address}")

    def _ask(self, address: str, form: dict[str, str]) -> requests.Response:
        if form:
            return self.browser.post(address, data=form, timeout=20, allow_redirects=False)
        return self.browser.get(address, timeout=20, allow_redirects=False)

    def sign_in(self, name: str, at: str = MESSAGE, until: Until = lambda _: False) -> requests.Response:
        """Go from the address `at` to the provider, sign in under this name there, and come back."""
        asked = self.go(at)
        assert "Company sign-in" in asked.text, asked.text
        return self.go(asked.url, until, name=name)


@pytest.fixture
def visitor(site: str) -> Visitor:
    return Visitor(site)


def path(answer: requests.Response) -> str:
    parts = urlsplit(answer.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# The way in -----------------------------------------------------------------------------------------------


def test_it_works(visitor: Visitor, provider: OpenIDProvider) -> None:
    page = visitor.sign_in("sam")
    assert path(page) == MESSAGE
    assert "Connect Omni first" in page.text
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("sam", "Sam Ortega", "person1@example.com")
    assert not user.has_usable_password()
    assert not user.is_staff
    identity = Identity.objects.get()
    assert (identity.user, identity.issuer, identity.subject) == (user, provider.issuer, "subject-1")


def test_no_page_stands_in_between_and_the_request_is_a_strict_one(visitor: Visitor, provider: OpenIDProvider) -> None:
    answer = visitor.go(MESSAGE, until=lambda address: address.startswith(provider.issuer))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert (asked["response_type"], asked["client_id"]) == ("code", providers.CLIENT_ID)
    assert asked["redirect_uri"] == f"{visitor.site}/sign-in/oidc/callback/"
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 16
    again = Visitor(visitor.site).go(MESSAGE, until=lambda address: address.startswith(provider.issuer))
    other = parse_qs(urlsplit(again.headers["Location"]).query)
    assert not {other[name][0] for name in ("state", "nonce", "code_challenge")} & set(asked.values())


def test_nobody_changes_the_request_by_a_link(visitor: Visitor, provider: OpenIDProvider) -> None:
    crafted = f"/sign-in/oidc/?{urlencode({'auth_params': 'prompt=none&claims=x', 'scope': 'offline_access'})}"
    answer = visitor.go(crafted, until=lambda address: address.startswith(provider.issuer))
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert "prompt" not in asked
    assert "claims" not in asked
    assert "offline_access" not in asked["scope"][0]


def test_nobody_comes_in_under_a_session_key_of_somebody_elses(visitor: Visitor, provider: OpenIDProvider) -> None:
    planted = SessionStore()
    planted.create()
    visitor.browser.cookies.set("session", str(planted.session_key), domain="localhost.local", path="/")
    visitor.sign_in("sam")
    assert visitor.browser.cookies["session"] != planted.session_key


def test_who_is_signed_in_does_not_go_there_again(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    provider.asked.clear()
    assert path(visitor.go("/sign-in/?next=/credentials/")) == "/credentials/"
    assert path(visitor.go("/sign-in/oidc/?next=/credentials/")) == "/credentials/"
    assert provider.asked == []


def test_two_windows_that_set_out_at_once_both_arrive(visitor: Visitor, provider: OpenIDProvider) -> None:
    one = visitor.go("/credentials/")
    other = visitor.go(MESSAGE)
    assert path(visitor.go(one.url, name="sam")) == "/credentials/"
    assert path(visitor.go(other.url, name="sam")) == MESSAGE


def test_passwords_are_not_looked_at(visitor: Visitor, provider: OpenIDProvider) -> None:
    User.objects.create_user("local", password="correct horse battery")
    visitor.go("/credentials/")
    csrf = {"csrfmiddlewaretoken": "x" * 32}
    answer = visitor.browser.post(
        f"{visitor.site}/sign-in/", data={"username": "local", "password": "correct horse battery", **csrf}, timeout=20
    )
    assert answer.status_code == 403
    assert visitor.go("/credentials/").url.startswith(provider.issuer)


# Identity -------------------------------------------------------------------------------------------------


def test_another_email_keeps_the_account(
    visitor: Visitor, provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in("sam")
    married = {"email": "sam.smith@example.com", "family_name": "Smith", "preferred_username": "ssmith"}
    provider.lies["/me"] = lambda claims: {**claims, **married}
    Visitor(visitor.site).sign_in("sam")
    user = User.objects.get()
    assert (user.email, user.get_full_name(), user.username) == ("sam.smith@example.com", "Sam Smith", "sam")


def test_the_same_name_and_email_are_not_the_same_person(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    Visitor(visitor.site).sign_in("namesake")
    assert User.objects.count() == Identity.objects.count() == 2
    assert set(User.objects.values_list("email", flat=True)) == {"person1@example.com"}
    assert set(User.objects.values_list("username", flat=True)) == {"sam", "person1"}


def test_nobody_becomes_a_local_user_by_name_or_email(visitor: Visitor, provider: OpenIDProvider) -> None:
    local = User.objects.create_superuser("sam", email="person1@example.com", password="correct horse battery")
    visitor.sign_in("sam")
    assert Identity.objects.get().user != local
    local.refresh_from_db()
    assert local.check_password("correct horse battery")


def test_two_issuers_with_the_same_subject_are_two_users(
    visitor: Visitor, provider: OpenIDProvider, tmp_path: Path
) -> None:
    visitor.sign_in("sam")
    port = free_port()
    with providers.run(ACCOUNTS, [f"http://localhost:{port}"]) as another:
        environment = {
            "OMNIVIEWER_OIDC_ISSUER": another.issuer,
            "OMNIVIEWER_OIDC_CLIENT_ID": providers.CLIENT_ID,
            "OMNIVIEWER_OIDC_CLIENT_SECRET": providers.CLIENT_SECRET,
            "OMNIVIEWER_LOCAL_LOGIN": "false",
        }
        with serve(tmp_path, environment, port=port):
            assert path(Visitor(f"http://localhost:{port}").sign_in("sam")) == MESSAGE
    assert User.objects.count() == 2
    assert set(Identity.objects.values_list("issuer", "subject")) == {
        (provider.issuer, "subject-1"),
        (another.issuer, "subject-1"),
    }


def test_the_group_of_staff_is_read_anew_each_time(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("boss")
    assert User.objects.get().is_staff
    assert visitor.go("/admin/").status_code == 200
    provider.lies["/me"] = lambda claims: {**claims, "groups": "analysts"}
    Visitor(visitor.site).sign_in("boss")
    assert not User.objects.get().is_staff
    assert visitor.go("/admin/").status_code == 403


# Refused admission ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("outsider", "none of the groups"),
        ("groupless", "none of the groups"),
        ("unverified", "has not been verified"),
        ("elsewhere", "belongs to a domain that may not"),
        ("silent", "did not send your e-mail address"),
    ],
)
def test_who_may_not_enter_is_told_why(visitor: Visitor, provider: OpenIDProvider, name: str, sentence: str) -> None:
    page = visitor.sign_in(name)
    assert page.status_code == 403
    assert sentence in page.text
    assert f'href="/sign-in/oidc/?again=1&amp;next={urlencode({"": MESSAGE})[1:]}"' in page.text
    assert not User.objects.exists()
    assert "Company sign-in" in Visitor(visitor.site).go("/credentials/").text


OVERAGE: dict[str, dict[str, Any]] = {
    "names": {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}},
    "flag": {"hasgroups": True},
}


@pytest.mark.parametrize("how", OVERAGE)
def test_too_many_groups_to_say_which_are_not_none(
    visitor: Visitor, provider: OpenIDProvider, how: str, log: Callable[[], str]
) -> None:
    """With unknown groups nobody new may enter, and nobody is put out or demoted: the last sign-in's groups stay."""
    visitor.sign_in("boss")
    provider.lies["/me"] = lambda claims: {**without("groups")(claims), **OVERAGE[how]}
    page = Visitor(visitor.site).sign_in("boss")
    assert page.status_code == 403
    assert "did not say which groups you are in" in page.text
    assert visitor.go("/admin/").status_code == 200
    assert User.objects.get().is_staff
    assert list(Event.objects.filter(kind="refused").values_list("who", "result")) == [("person2", "groups-unknown")]
    assert "did not say which groups" in Visitor(visitor.site).sign_in("sam").text


def test_groups_that_are_named_count_whatever_else_is_elsewhere(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.lies["/me"] = lambda claims: {**claims, **OVERAGE["names"]}
    assert path(visitor.sign_in("sam")) == MESSAGE
    provider.lies["/me"] = lambda claims: {**without("groups")(claims), "_claim_names": {"address": "src1"}}
    assert "none of the groups" in Visitor(visitor.site).sign_in("sam").text


def test_a_string_of_groups_is_one_group(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.lies["/me"] = lambda claims: {**claims, "groups": "sales, analysts"}
    assert "none of the groups" in visitor.sign_in("sam").text
    provider.lies["/me"] = lambda claims: {**claims, "groups": "analysts"}
    assert path(Visitor(visitor.site).sign_in("sam")) == MESSAGE


def test_another_account_can_be_used_then(visitor: Visitor, provider: OpenIDProvider) -> None:
    refused = visitor.sign_in("outsider")
    link = re.search(r'href="(/sign-in/oidc/\?again=1[^"]*)"', refused.text)
    assert link
    done = visitor.sign_in("sam", at=link[1].replace("&amp;", "&"))
    assert path(done) == MESSAGE, done.text


def test_who_has_lost_the_group_does_not_come_back_in(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    provider.lies["/me"] = lambda claims: {**claims, "groups": ["sales"]}
    assert Visitor(visitor.site).sign_in("sam").status_code == 403


def test_who_was_deactivated_is_told_so_and_is_out_at_once(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    user = User.objects.get()
    user.is_active = False
    user.save()
    page = visitor.go(MESSAGE)
    assert page.status_code == 403
    assert "has been deactivated" in page.text
    user.is_active = True
    user.save()
    before = visitor.browser.cookies["session"]
    visitor.browser.cookies.clear(domain="127.0.0.1")
    visitor.browser.cookies.set("session", before, domain="localhost.local", path="/")
    assert visitor.go(MESSAGE).url.startswith(provider.issuer)


def test_who_cancels_is_told_so_and_keeps_the_address(visitor: Visitor, provider: OpenIDProvider) -> None:
    asked = visitor.go(MESSAGE)
    page = visitor.go(asked.url, name="", cancel="1")
    assert page.status_code == 403
    assert "You did not complete" in page.text
    assert urlencode({"next": MESSAGE}) in page.text


@pytest.mark.parametrize("error", ["server_error", "<script>"])
def test_an_error_of_the_providers_is_told_as_such(
    visitor: Visitor, provider: OpenIDProvider, log: Callable[[], str], error: str
) -> None:
    back = visitor.sign_in("sam", until=lambda address: "/callback/" in address).headers["Location"]
    page = visitor.go(re.sub(r"code=[^&]+", urlencode({"error": error}), back))
    assert page.status_code == 403
    assert "returned an error" in page.text
    assert "<script>" not in page.text.replace("<script type", "") + log()


def test_who_only_passes_by_stores_nothing(visitor: Visitor, provider: OpenIDProvider) -> None:
    before = stored()
    visitor.go(MESSAGE)
    walked = walk_anonymously(visitor.site, database_environment() | environment_for(provider))
    assert {"/sign-in/oidc/", "/sign-in/oidc/callback/"} <= set(walked)
    assert stored() == before
    visitor.sign_in("sam")
    assert [round(hours_left(row)) for row in Session.objects.all()] == [24]


def hours_left(session: Session) -> float:
    return (session.expire_date - timezone.now()).total_seconds() / 3600


def test_the_audit_log_tells_who_came_in_and_who_did_not(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    provider.lies["/me"] = lambda claims: {**claims, "groups": ["sales"]}
    Visitor(visitor.site).sign_in("sam")
    Visitor(visitor.site).sign_in("boss")
    LIES["another nonce"](provider)
    Visitor(visitor.site).sign_in("sam")
    events = Event.objects.order_by("pk").values_list("who", "kind", "result", "by", "ticket")
    assert list(events) == [
        ("sam", "signed-in", "ok", "oidc", ""),
        ("sam", "opened", "no-credential", "", "ABC-1"),
        ("sam", "refused", "group", "oidc", ""),
        ("", "refused", "group", "oidc", ""),
        ("", "refused", "invalid", "oidc", ""),
    ]


def test_the_signed_token_says_who_it_is_and_nothing_else_does(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.lies["/me"] = lambda claims: {**claims, "iss": "https://evil.example", "aud": "x", "exp": 1}
    visitor.sign_in("sam")
    assert Identity.objects.get().issuer == provider.issuer


def test_an_address_is_verified_only_by_whom_it_is_told(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.change_id_token(lambda claims: {**claims, "email": "a@example.org", "email_verified": True})
    provider.lies["/me"] = lambda claims: (
        {name: value for name, value in claims.items() if name != "email_verified"} | {"email": "typed@example.com"}
    )
    page = visitor.sign_in("sam")
    assert page.status_code == 403
    assert "has not been verified" in page.text


def test_who_is_refused_is_out_everywhere_and_staff_no_more(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("boss")
    assert visitor.go("/admin/").status_code == 200
    provider.lies["/me"] = lambda claims: {**claims, "groups": ["sales"]}
    assert Visitor(visitor.site).sign_in("boss").status_code == 403
    assert not User.objects.get().is_staff
    assert "Company sign-in" in Visitor(visitor.site).go("/admin/").text
    visitor.browser.cookies.clear(domain="127.0.0.1")
    assert visitor.go("/admin/", until=lambda address: address.startswith(provider.issuer)).is_redirect


def test_two_cold_tabs_both_arrive(visitor: Visitor, provider: OpenIDProvider) -> None:
    """Both tabs were opened before the first had its cookie."""
    other = Visitor(visitor.site)
    back, there = visitor.sign_in("sam", until=at_callback), other.sign_in("sam", "/credentials/", until=at_callback)
    visitor.browser.cookies.update(other.browser.cookies)
    assert path(visitor.go(there.headers["Location"])) == "/credentials/"
    assert path(visitor.go(back.headers["Location"])) == MESSAGE


def at_callback(address: str) -> bool:
    return "/callback/" in address


def test_a_browser_without_the_cookie_loses_no_address(visitor: Visitor, provider: OpenIDProvider) -> None:
    first, second = Visitor(visitor.site), Visitor(visitor.site)
    back = first.sign_in("sam", until=at_callback).headers["Location"]
    second.go("/credentials/")
    page = second.go(back)
    assert page.status_code == 403
    assert urlencode({"next": MESSAGE}) in page.text
    forged = re.sub(r"state=[^&]+", urlencode({"state": "x.Imh0dHBzOi8vZXZpbC5leGFtcGxlLyI:a:b"}), back)
    assert "evil.example" not in second.go(forged).text


PENDING = re.compile(r"sign-in-[\w-]{22}")


def pending(visitor: Visitor) -> dict[str, str]:
    """Return the cookies of sign-ins that were begun in this browser."""
    return {cookie.name: cookie.value or "" for cookie in visitor.browser.cookies if PENDING.fullmatch(cookie.name)}


def test_a_sign_in_that_is_begun_stands_in_a_cookie_that_nobody_can_read(
    visitor: Visitor, provider: OpenIDProvider
) -> None:
    answer = visitor.go(MESSAGE, until=lambda address: address.startswith(provider.issuer))
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    [(name, value)] = pending(visitor).items()
    assert len(name) + len(value) < 420
    assert asked["nonce"][0] not in value
    assert asked["nonce"][0].encode() not in base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    [cookie] = [cookie for cookie in visitor.browser.cookies if cookie.name == name]
    assert cookie.path == "/sign-in/oidc/"
    assert 595 <= (cookie.expires or 0) - time.time() <= 600
    [told] = [line for line in answer.raw.headers.getlist("Set-Cookie") if line.startswith(name)]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in told.split(";")}


def test_it_goes_with_the_way_back_whatever_comes_of_it(visitor: Visitor, provider: OpenIDProvider) -> None:
    assert path(visitor.sign_in("sam")) == MESSAGE
    assert pending(visitor) == {}
    assert "after-sign-in" not in visitor.browser.cookies
    other = Visitor(visitor.site)
    assert other.sign_in("outsider").status_code == 403
    assert pending(other) == {}


def test_who_sets_out_again_and_again_has_so_many_cookies_and_no_more(
    visitor: Visitor, provider: OpenIDProvider
) -> None:
    backs = []
    for number in range(13):
        target = f"/conversations/?search={number}{'x' * 1200}"
        answer = visitor.go(f"/sign-in/oidc/?{urlencode({'next': target})}", until=lambda address: "/auth" in address)
        backs.append(answer.headers["Location"])
    assert len(pending(visitor)) == 10
    headers = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.browser.cookies)
    assert len(headers) < 7_000
    asked = visitor.go(backs[-1])
    assert path(visitor.go(asked.url, name="sam")).startswith("/conversations/?search=12xxx")
    # The first cookies are gone, but the wanted address is still known.
    assert "search=0xxx" in visitor.go(backs[0]).url


def test_a_long_address_is_not_lost_on_the_way(visitor: Visitor, provider: OpenIDProvider) -> None:
    target = f"/conversations/?search={secrets.token_hex(950)}"
    asked = visitor.go(f"/sign-in/oidc/?{urlencode({'next': target})}")
    answer = visitor.go(asked.url, name="sam", until=lambda address: "/conversations/" in address)
    assert answer.headers["Location"] == target


@pytest.mark.parametrize("change", ["another's name", "cut", "another letter", "nothing", "old", "letters"])
def test_a_cookie_that_is_not_as_it_was_made_signs_nobody_in(
    visitor: Visitor, provider: OpenIDProvider, log: Callable[[], str], change: str
) -> None:
    back = visitor.sign_in("sam", until=at_callback).headers["Location"]
    [(name, value)] = pending(visitor).items()
    other = Visitor(visitor.site)
    other.go(MESSAGE)
    keys = salted_hmac("omniviewer.accounts.sign_in.pending", "", algorithm="sha256").digest()
    fernet = Fernet(base64.urlsafe_b64encode(keys))
    # The site's own form, so that the attempts below fail for the reason under test.
    whole = value.encode() + b"=" * (-len(value) % 4)
    assert fernet.decrypt(whole)
    changed = {
        "another's name": next(iter(pending(other).values())),
        "cut": value[:-5],
        "another letter": value[:50] + ("A" if value[50] != "A" else "B") + value[51:],
        "nothing": "",
        "old": fernet.encrypt_at_time(fernet.decrypt(whole), int(time.time()) - 601).decode(),
        "letters": "ü%00" * 100,
    }[change]
    visitor.browser.cookies.clear(domain="localhost.local", path="/sign-in/oidc/", name=name)
    page = requests.get(back, headers={"Cookie": f"{name}={changed}".encode()}, timeout=20, allow_redirects=False)
    assert page.status_code == 403
    assert "Start again" in page.text
    assert urlencode({"next": MESSAGE}) in page.text
    assert f"{name}=" in page.headers["Set-Cookie"]
    assert not User.objects.exists()
    assert "Traceback" not in log()


def test_a_cookie_that_is_put_back_serves_nobody_once_more(
    visitor: Visitor, provider: OpenIDProvider, log: Callable[[], str]
) -> None:
    """The provider accepts each code only once."""
    back = visitor.sign_in("sam", until=at_callback).headers["Location"]
    kept = pending(visitor)
    assert path(visitor.go(back)) == MESSAGE
    page = requests.get(back, cookies=kept, timeout=20, allow_redirects=False)
    assert page.status_code == 403
    assert "returned an error" in page.text
    assert "the provider says invalid_grant" in log()
    assert "session" not in page.cookies


def test_signing_in_again_renews_the_session_key(visitor: Visitor, provider: OpenIDProvider) -> None:
    visitor.sign_in("sam")
    before = visitor.browser.cookies["session"]
    visitor.sign_in("sam", at="/sign-in/oidc/?again=1")
    assert visitor.browser.cookies["session"] != before


def test_a_link_to_another_name_of_the_site_sets_out_from_the_public_one(
    provider: OpenIDProvider, port: int, tmp_path: Path
) -> None:
    environment = {
        "OMNIVIEWER_OIDC_ISSUER": provider.issuer,
        "OMNIVIEWER_OIDC_CLIENT_ID": providers.CLIENT_ID,
        "OMNIVIEWER_OIDC_CLIENT_SECRET": providers.CLIENT_SECRET,
        "OMNIVIEWER_LOCAL_LOGIN": "false",
        "OMNIVIEWER_PUBLIC_URL": f"http://localhost:{port}",
    }
    with serve(tmp_path, environment, workers=1) as site:
        by_number = Visitor(site.url)
        answer = by_number.go(MESSAGE, until=lambda address: address.startswith("http://localhost"))
        query = urlencode({"next": MESSAGE})
        assert answer.headers["Location"] == f"http://localhost:{port}/sign-in/oidc/?{query}&led-there=1"
        # Only the host name counts, in any case: a proxy may leave out the port, or send its own.
        for host in ("LocalHost", "localhost:443", f"localhost.:{port}"):
            headers = {"Host": host}
            told = requests.get(f"{site.url}/sign-in/oidc/", headers=headers, timeout=30, allow_redirects=False)
            assert told.headers["Location"].startswith(provider.issuer), host
        # A proxy that sends another name causes no redirect loop, but a page that names the difference.
        back = requests.get(f"{site.url}/sign-in/oidc/?{query}&led-there=1", timeout=30, allow_redirects=False)
        assert back.status_code == 502
        assert f"address is set to http://localhost:{port}, but your request arrived for 127.0.0.1:" in back.text
        assert "must pass the browser’s Host header on" in back.text


# Tampered requests and tokens -----------------------------------------------------------------------------


def expire(claims: dict[str, Any]) -> dict[str, Any]:
    return {**claims, "exp": int(time.time()) - 120, "iat": int(time.time()) - 3720}


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def lie_of_nonces(of: OpenIDProvider) -> None:
    """Have the signed nonce be another sign-in's; the right nonce is in the unsigned userinfo."""
    of.change_id_token(lambda claims: {**claims, "nonce": "another"})
    of.lies["/me"] = lambda claims: {**claims, "nonce": of.nonce}


def sign_with_another_key(of: OpenIDProvider) -> None:
    """Sign with another key, while the provider's own keys have no ids."""
    of.change_id_token(dict, key=OTHER_KEY)
    of.lies["/jwks"] = lambda said: {"keys": [without("kid")(key) for key in said["keys"]]}


def publish_a_secret(of: OpenIDProvider) -> None:
    """Have the provider's public list of keys hold a secret one, with which anybody could sign."""
    secret = b"a secret that stands in public, long enough"
    public = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    of.change_id_token(dict, key=secret, algorithm="HS256")
    of.lies["/jwks"] = lambda said: {"keys": [*said["keys"], public]}


OTHER_KEY = providers.new_key()
LIES: dict[str, Callable[[OpenIDProvider], None]] = {
    "another nonce": lambda of: of.change_id_token(lambda claims: {**claims, "nonce": "another"}),
    "no nonce": lambda of: of.change_id_token(without("nonce")),
    "another issuer": lambda of: of.change_id_token(lambda claims: {**claims, "iss": "https://evil.example"}),
    "another audience": lambda of: of.change_id_token(lambda claims: {**claims, "aud": "another-client"}),
    "another audience, though we asked": lambda of: of.change_id_token(
        lambda claims: {**claims, "aud": "another-client", "azp": providers.CLIENT_ID}
    ),
    "a second audience": lambda of: of.change_id_token(
        lambda claims: {**without("azp")(claims), "aud": [providers.CLIENT_ID, "another-client"]}
    ),
    "a second audience that asked": lambda of: of.change_id_token(
        lambda claims: {**claims, "aud": ["another-client", providers.CLIENT_ID], "azp": "another-client"}
    ),
    "a second audience, and nobody that asked": lambda of: of.change_id_token(
        lambda claims: {**claims, "aud": [providers.CLIENT_ID, "x"], "azp": None}
    ),
    "a list of parties": lambda of: of.change_id_token(lambda claims: {**claims, "azp": [providers.CLIENT_ID]}),
    "a nameless key of somebody else's": sign_with_another_key,
    "a key for encryption": lambda of: of.lies.update(
        {"/jwks": lambda said: {"keys": [{**key, "use": "enc"} for key in said["keys"]]}}
    ),
    "another party": lambda of: of.change_id_token(lambda claims: {**claims, "azp": "another-client"}),
    "expired": lambda of: of.change_id_token(expire),
    "no expiry": lambda of: of.change_id_token(without("exp")),
    "no subject": lambda of: of.change_id_token(without("sub")),
    "another key": lambda of: of.change_id_token(dict, key=OTHER_KEY),
    "an unknown key": lambda of: of.change_id_token(dict, key=OTHER_KEY, kid="another"),
    "a shared secret": lambda of: of.change_id_token(dict, key=providers.CLIENT_SECRET * 2, algorithm="HS256"),
    "a published secret": publish_a_secret,
    "no signature": lambda of: of.lies.update(
        {"/token": lambda reply: {**reply, "id_token": providers.unsigned({"sub": "subject-1", "iss": of.issuer})}}
    ),
    "no token": lambda of: of.lies.update({"/token": without("id_token")}),
    "no access token": lambda of: of.lies.update({"/token": without("access_token")}),
    "not a token": lambda of: of.lies.update({"/token": lambda reply: {**reply, "id_token": "a.b.c"}}),
    "a number": lambda of: of.lies.update({"/token": lambda reply: {**reply, "id_token": 7}}),
    "another access token's hash": lambda of: of.change_id_token(lambda claims: {**claims, "at_hash": "A" * 22}),
    "odd expiry": lambda of: of.lies.update({"/token": lambda reply: {**reply, "expires_in": "soon"}}),
    "somebody else's userinfo": lambda of: of.lies.update({"/me": lambda claims: {**claims, "sub": "subject-2"}}),
    "userinfo that says a nonce": lie_of_nonces,
    "no keys": lambda of: of.lies.update({"/jwks": lambda _: {}}),
    "a list of keys": lambda of: of.lies.update({"/jwks": lambda _: {"keys": [1, {}]}}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_reply_that_cannot_be_trusted_signs_nobody_in(
    visitor: Visitor, provider: OpenIDProvider, log: Callable[[], str], lie: str
) -> None:
    LIES[lie](provider)
    page = visitor.sign_in("sam")
    assert page.status_code == 403
    assert ("returned an error" if lie == "no access token" else "could not be verified") in page.text
    assert urlencode({"next": MESSAGE}) in page.text
    assert not User.objects.exists()
    told = log()
    assert "sign-in failed" in told
    assert "Traceback" not in told
    assert not re.search(r"eyJ|subject-1|person1", told)
    provider.be_honest()
    assert "Company sign-in" in Visitor(visitor.site).go("/credentials/").text


AUDIENCES: dict[str, dict[str, Any]] = {
    "a list of us alone": {"aud": [providers.CLIENT_ID]},
    "us twice": {"aud": [providers.CLIENT_ID, providers.CLIENT_ID]},
    "a second one, and we asked": {"aud": [providers.CLIENT_ID, "an-api"], "azp": providers.CLIENT_ID},
}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_id_token_may_have_other_audiences_if_it_was_made_for_us(
    visitor: Visitor, provider: OpenIDProvider, audience: str
) -> None:
    provider.change_id_token(lambda claims: {**without("azp")(claims), **AUDIENCES[audience]})
    assert path(visitor.sign_in("sam")) == MESSAGE


def public_part(key: Any) -> dict[str, Any]:
    return providers._jwk(key.public_key())


def reader_of_keys(*made: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda said: {"keys": [make(key) for key in said["keys"] for make in made]}


KEYS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "without a name": reader_of_keys(without("kid")),
    "without an algorithm": reader_of_keys(without("alg")),
    "without a use": reader_of_keys(without("use")),
    "several without a name": reader_of_keys(
        lambda _: without("kid")(public_part(OTHER_KEY)), lambda _: {"kty": "EC"}, without("kid")
    ),
    "of the same name": reader_of_keys(lambda _: public_part(OTHER_KEY), dict),
    "with one of an unknown kind": reader_of_keys(lambda _: {"kty": "new", "kid": "of-the-provider"}, dict),
}


@pytest.mark.parametrize("keys", KEYS)
def test_the_key_that_signed_is_found(visitor: Visitor, provider: OpenIDProvider, keys: str) -> None:
    provider.lies["/jwks"] = KEYS[keys]
    assert path(visitor.sign_in("sam")) == MESSAGE


def test_a_key_without_an_algorithm_fits_whatever_it_can_sign(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.lies["/jwks"] = reader_of_keys(without("alg"))
    provider.change_id_token(dict, algorithm="PS256")
    assert path(visitor.sign_in("sam")) == MESSAGE


SIGNING_KEYS: dict[str, tuple[Any, type[Any]]] = {
    "ES256": (ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm),
}


@pytest.mark.parametrize("algorithm", SIGNING_KEYS)
def test_other_kinds_of_keys_sign_too(visitor: Visitor, provider: OpenIDProvider, algorithm: str) -> None:
    key, kind = SIGNING_KEYS[algorithm]
    provider.lies["/jwks"] = lambda said: {"keys": [*said["keys"], kind.to_jwk(key.public_key(), as_dict=True)]}
    provider.change_id_token(dict, key=key, algorithm=algorithm)
    assert path(visitor.sign_in("sam")) == MESSAGE


def test_the_header_may_say_more_than_the_key(visitor: Visitor, provider: OpenIDProvider) -> None:
    provider.change_id_token(dict, further={"x5c": ["A" * 4_000], "provider.example/version": 2})
    assert path(visitor.sign_in("sam")) == MESSAGE


def test_a_header_that_asks_for_an_unknown_extension_is_refused(visitor: Visitor, provider: OpenIDProvider) -> None:
    """RFC 7515, 4.1.11: who does not understand what `crit` names has to reject the token."""
    provider.change_id_token(dict, further={"crit": ["exotic"], "exotic": True})
    assert "could not be verified" in visitor.sign_in("sam").text


@pytest.mark.parametrize("reply", [{"expires_in": 20}, {"expires_in": None}, {"token_type": "unheard-of"}])
def test_how_long_the_access_token_lives_does_not_matter(
    visitor: Visitor, provider: OpenIDProvider, reply: dict[str, Any]
) -> None:
    """It is used at once, and never again. Keycloak's lives for one minute."""
    provider.lies["/token"] = lambda said: {**said, **reply}
    assert path(visitor.sign_in("sam")) == MESSAGE


def test_who_is_refused_as_another_signs_out_as_before(visitor: Visitor, provider: OpenIDProvider) -> None:
    """Somebody signed in tries another account: the provider is told of the first when they sign out."""
    home = visitor.sign_in("sam", at="/credentials/")
    visitor.browser.cookies.clear(domain="127.0.0.1")
    assert visitor.sign_in("outsider", at="/sign-in/oidc/?again=1").status_code == 403
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', home.text)
    assert csrf
    told = re.search(r"id_token_hint=([^&\"]+)", visitor.go("/sign-out/", csrfmiddlewaretoken=csrf[1]).text)
    assert told
    assert jwt.decode(told[1], options={"verify_signature": False})["sub"] == "subject-1"


@pytest.mark.parametrize("change", ["another state", "no state", "a state of somebody else's", "used twice"])
def test_the_state_is_of_this_browser_and_good_for_once(
    visitor: Visitor, provider: OpenIDProvider, site: str, change: str
) -> None:
    back = visitor.sign_in("sam", until=lambda address: "/callback/" in address).headers["Location"]
    if change == "a state of somebody else's":
        visitor = Visitor(site)
        visitor.go(MESSAGE)
    elif change == "used twice":
        visitor = Visitor(site)
        back = visitor.sign_in("outsider", until=lambda address: "/callback/" in address).headers["Location"]
        assert "none of the groups" in visitor.go(back).text
    else:
        back = re.sub(r"state=[^&]+", "state=another" if change == "another state" else "", back)
    page = visitor.go(back)
    assert page.status_code == 403
    assert "Start again" in page.text
    assert urlencode({"next": MESSAGE}) in page.text
    assert "/sign-in/" in visitor.go("/credentials/", until=lambda address: "/sign-in/" in address).headers["Location"]


def test_a_code_that_the_provider_does_not_know_signs_nobody_in(
    visitor: Visitor, provider: OpenIDProvider, log: Callable[[], str]
) -> None:
    back = visitor.sign_in("sam", until=lambda address: "/callback/" in address).headers["Location"]
    page = visitor.go(re.sub(r"code=[^&]+", "code=guessed", back))
    assert page.status_code == 403
    assert "returned an error" in page.text
    assert "the provider says invalid_grant" in log()


def test_a_provider_that_calls_itself_something_else_is_not_believed(visitor: Visitor, tmp_path: Path) -> None:
    port = free_port()
    with providers.run(ACCOUNTS, [f"http://localhost:{port}"]) as liar:
        liar.lies["/.well-known/openid-configuration"] = lambda said: {**said, "issuer": "https://evil.example"}
        environment = {
            "OMNIVIEWER_OIDC_ISSUER": liar.issuer,
            "OMNIVIEWER_OIDC_CLIENT_ID": "x",
            "OMNIVIEWER_OIDC_CLIENT_SECRET": "y",
            "OMNIVIEWER_LOCAL_LOGIN": "false",
        }
        with serve(tmp_path, environment, port=port) as site:
            page = Visitor(f"http://localhost:{port}").go(MESSAGE)
            assert page.status_code == 503
            assert page.url.startswith("http://localhost")
            assert "identity provider away" in site.log


# A provider that is away ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["/token", "/me", "/jwks"])
def test_a_provider_that_is_away_is_told_as_such(visitor: Visitor, provider: OpenIDProvider, at: str) -> None:
    asked = visitor.go(MESSAGE)
    provider.silent.add(at)
    page = visitor.go(asked.url, name="sam")
    assert page.status_code == 503
    assert urlencode({"next": MESSAGE}) in page.text


class Dripping(BaseHTTPRequestHandler):
    """A provider that is never silent for long, and never done."""

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


def test_a_provider_that_drips_is_given_up(
    rf: RequestFactory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_EXCHANGE_SECONDS", 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.OIDC_ISSUER = f"http://127.0.0.1:{server.server_port}"
        request = rf.get("/sign-in/oidc/")
        begun = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            oidc.start(request, "", PendingSignIns(request, oidc.BEGIN), by_person=True)
        assert time.monotonic() - begun < 4
        server.shutdown()


# The way out ----------------------------------------------------------------------------------------------


def test_signing_out_is_offered_at_the_provider_too(visitor: Visitor, provider: OpenIDProvider) -> None:
    home = visitor.sign_in("sam", at="/credentials/")
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', home.text)
    assert csrf
    page = visitor.go("/sign-out/", csrfmiddlewaretoken=csrf[1])
    assert "You are signed out" in page.text
    link = re.search(r'<a class="button button-primary" href="([^"]+)"', page.text)
    assert link
    address = link[1].replace("&amp;", "&")
    assert address.startswith(f"{provider.issuer}/session/end?")
    assert set(parse_qs(urlsplit(address).query)) == {"client_id", "post_logout_redirect_uri", "id_token_hint"}
    assert path(visitor.go("/signed-out/")) == "/signed-out/"
    assert visitor.go("/credentials/", until=lambda address: address.startswith(provider.issuer)).is_redirect


# In a browser ---------------------------------------------------------------------------------------------


def test_from_a_cold_link_to_the_very_message_and_out_again(
    context: BrowserContext, site: str, provider: OpenIDProvider, sample: Any
) -> None:
    """A support engineer follows a link in a ticket, signs in, connects Omni, and arrives at the message."""
    with StandIn(sample, rate_per_minute=10_000, now=NOW) as omni:
        page = context.new_page()
        page.goto(site + MESSAGE)
        page.get_by_label("Name").fill("sam")
        page.get_by_role("button", name="Continue").click()
        expect(page).to_have_url(site + MESSAGE)
        page.get_by_role("link", name="Connect Omni").click()
        page.get_by_label("Instance address").fill(omni.host)
        page.get_by_label("Token", exact=True).fill(omni.organization.demo_tokens["analyst"])
        page.get_by_role("button", name="Connect").click()
        expect(page).to_have_url(site + MESSAGE)
        expect(page.locator("#message-3")).to_be_focused()
        expect(page.locator("#message-3")).to_be_in_viewport()

        # On another day, signed out, the link works without a form, because the provider still knows the reader.
        # No page is open then, which would lead to the sign-in by itself.
        page.goto("about:blank")
        context.clear_cookies(domain="localhost")
        page.goto(site + MESSAGE)
        expect(page).to_have_url(site + MESSAGE)
        expect(page.locator("#message-3")).to_be_focused()

        page.locator(".site-header [data-menu] summary").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(re.compile(re.escape(provider.issuer)))
        page.get_by_role("button", name=re.compile("yes", re.I)).click()
        expect(page).to_have_url(f"{site}/signed-out/")
        expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        page.goto(site + MESSAGE)
        expect(page.get_by_role("heading", name="Company sign-in")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_whoever_is_refused_sees_why_and_can_be_somebody_else(
    context: BrowserContext, site: str, provider: OpenIDProvider, width: int
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site + MESSAGE)
    page.get_by_label("Name").fill("outsider")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your account is in none of the groups that may use Omniviewer.")).to_be_visible()
    assert_accessible(page, "refused")
    page.get_by_role("link", name="Use another account").click()
    page.get_by_label("Name").fill("sam")
    page.keyboard.press("Enter")
    expect(page).to_have_url(site + MESSAGE)
    expect(page.get_by_role("heading", name="Connect Omni first")).to_be_visible()


def test_a_page_left_open_leads_back_to_signing_in_when_the_session_has_ended(
    context: BrowserContext, site: str, provider: OpenIDProvider, sample: Any
) -> None:
    """The whole page, not a part of it, goes to the provider, which still knows the reader, and comes back."""
    with StandIn(sample, rate_per_minute=10_000, now=NOW) as omni:
        page = context.new_page()
        page.goto(f"{site}/conversations/")
        page.get_by_label("Name").fill("sam")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Connect Omni first")).to_be_visible()
        credential_for(User.objects.get(), omni, omni.organization.demo_tokens["analyst"])
        page.goto(site + MESSAGE)
        expect(page.locator("#message-3")).to_be_focused()
        User.objects.get().end_sessions()
        with page.expect_request(lambda asked: asked.url.startswith(provider.issuer) and asked.is_navigation_request()):
            page.evaluate("htmx.ajax('GET', location.pathname.replace(/messages.*/, 'fresh/?looks=1'), '#freshness')")
        expect(page).to_have_url(site + MESSAGE)
        expect(page.locator("#message-3")).to_be_visible()
