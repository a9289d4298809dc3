"""Signing in and out; every page but the public ones requires it."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from conversations.models import Conversation
from omniviewer.accounts.models import Credential, FailedSignIn, Identity, User
from omniviewer.accounts.sign_in import admission, throttle
from omniviewer.accounts.sign_in.admission import Person, Refused, admit
from omniviewer.accounts.sign_in.claims import groups_in
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import StandIn
from tests.conftest import EXAMPLE, PASSWORD, signed_in, text_of
from tests.operations.test_house import PRODUCTION, manage
from tests.serving import ROOT, serve

PUBLIC = {"/sign-in/", "/sign-out/", "/signed-out/", "/appearance/", "/demo/continue/"}
VALUES = {"uuid": EXAMPLE, "number": "1", "app_label": "accounts", "content_type_id": "1"}


def addresses(
    resolver: URLResolver | None = None,
    prefix: str = "/",
    values: dict[str, str] = VALUES,
    *,
    with_admin: bool = False,
) -> Iterator[str]:
    """Yield every address of the site, with values filled in."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + "".join(
            values.get(part.lstrip("<").split(":")[0], "1") if part.endswith(">") else part
            for part in str(entry.pattern).replace("<", "\0<").replace(">", ">\0").split("\0")
        )
        if isinstance(entry, URLResolver):
            if with_admin or "admin" not in path:
                yield from addresses(entry, path, values, with_admin=with_admin)
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
    # Nowhere, unless a directory has a token.
    of_directories = {address for address in walked if address.startswith("/scim/")}
    assert {Client().get(address).status_code for address in of_directories} == {404}
    for address in walked - PUBLIC - of_directories - {"/"}:
        answer = Client().get(address)
        assert answer.status_code in (302, 301, 405), address
        if answer.status_code != 405:
            assert "/sign-in/" in answer["Location"] or address.startswith("/chat/"), address
        assert Client().post(address).status_code in (302, 403, 405), address


# Parameters that an anonymous GET may carry: an identity provider's reply, a robot's guess, forged values.
QUERIES = (
    "",
    "?next=/conversations/&again=1",
    "?code=x&state=y",
    "?error=access_denied&state=y",
    "?ticket=ABC-1&search=x",
)
COOKIES = {"session": "x" * 32, "sign-in-" + "x" * 22: "gAAAAA", "after-sign-in": "x:y:z", "saml-acs-session": "x" * 32}


def stored() -> dict[str, list[Any]]:
    """Return every row of the database, by table."""
    with connection.cursor() as cursor:
        found = {}
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def walk_anonymously(url: str, environment: dict[str, str]) -> list[str]:
    """Ask a running site, with settings of its own, for each address that they give it; return those with sign-in."""
    program = "import django; django.setup(); from tests.accounts.test_sign_in import addresses; print(*addresses())"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    walked = told.stdout.splitlines()[-1].split()
    for address in walked:
        for query in QUERIES:
            answer = requests.get(f"{url}{address}{query}", cookies=COOKIES, timeout=30, allow_redirects=False)
            assert answer.status_code < 500, address + query
    return [address for address in walked if address.startswith("/sign-in/")]


def test_who_is_not_signed_in_stores_nothing_by_a_get(db: None) -> None:
    """Otherwise anybody, and every robot that follows links, could fill the database."""
    walked = {*addresses(with_admin=True), "/healthz", "/readyz", "/metrics", "/nowhere/"}
    assert len(walked) > 60
    with CaptureQueriesContext(connection) as captured:
        for address in walked:
            for query in QUERIES:
                client = Client()
                for name, value in COOKIES.items():
                    client.cookies[name] = value
                client.get(address + query)
                client.head(address + query)
    reading = ("SELECT", "PRAGMA", "SAVEPOINT", "RELEASE")
    assert [row["sql"] for row in captured if not row["sql"].strip().startswith(reading)] == []
    assert len(captured) > 100


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
    monkeypatch.setattr("omniviewer.accounts.models.CredentialQuerySet.owned_by", lambda *_: 1 / 0)
    client = signed_in(owner)
    client.raise_request_exception = False
    answer = client.get("/credentials/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


# Wrong passwords ------------------------------------------------------------------------------------------


def try_password(password: str, name: str = "owner", address: str = "192.0.2.1") -> Any:
    return Client(REMOTE_ADDR=address).post("/sign-in/", {"username": name, "password": password})


def test_after_five_wrong_passwords_none_is_looked_at(owner: User) -> None:
    for _ in range(5):
        assert try_password("wrong").status_code == 200
    answer = try_password(PASSWORD)
    assert answer.status_code == 429
    assert "Too many wrong passwords. Try again in 15 minutes." in text_of(answer)
    assert "owner" in text_of(answer)


def test_that_ends_by_itself(owner: User) -> None:
    for _ in range(5):
        try_password("wrong")
    FailedSignIn.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert try_password(PASSWORD).status_code == 302


def test_a_right_password_starts_the_count_anew(owner: User) -> None:
    for _ in range(4):
        try_password("wrong")
    assert try_password(PASSWORD).status_code == 302
    for _ in range(4):
        assert try_password("wrong").status_code == 200
    assert try_password(PASSWORD).status_code == 302


def test_who_guesses_elsewhere_does_not_lock_the_owner_out(owner: User) -> None:
    for _ in range(8):
        try_password("wrong", address="198.51.100.7")
    assert try_password(PASSWORD).status_code == 302


def test_guessing_from_many_addresses_is_limited_too(owner: User) -> None:
    for number in range(30):
        try_password("wrong", name="OWNER" if number % 2 else "owner", address=f"198.51.100.{number}")
    assert try_password("wrong", name="Owner", address="203.0.113.9").status_code == 429


def test_guessing_at_many_names_is_limited_too(db: None) -> None:
    for number in range(50):
        try_password("wrong", name=f"name-{number}", address="198.51.100.7")
    assert try_password("wrong", name="another", address="198.51.100.7").status_code == 429
    assert try_password("wrong", name="another", address="198.51.100.8").status_code == 200


def test_ports_and_the_rest_of_an_ipv6_network_are_the_same_client(owner: User, settings: Settings) -> None:
    settings.BEHIND_PROXY = True

    def try_from(forwarded: str) -> int:
        form = {"username": "owner", "password": "wrong"}
        return Client().post("/sign-in/", form, headers={"X-Forwarded-For": forwarded}).status_code

    assert [try_from(f"203.0.113.7:{4000 + number}") for number in range(6)] == [200] * 5 + [429]
    assert [try_from(f"[2001:db8:1:2::{number}]:80") for number in range(6)] == [200] * 5 + [429]
    assert try_from("2001:db8:1:3::1") == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_are_looked_at(owner: User) -> None:
    def try_wrong(_: int) -> int:
        try:
            status: int = try_password("wrong").status_code
        finally:
            connection.close()
        return status

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(try_wrong, range(36)))
    assert set(answers) == {200, 429}
    assert answers.count(200) <= 5
    assert FailedSignIn.objects.count() == answers.count(200), "what was not looked at does not count"


def test_what_was_typed_is_not_kept(owner: User) -> None:
    try_password("wrong", name="my secret, in the wrong box")
    row = FailedSignIn.objects.get()
    assert "secret" not in f"{row.name} {row.address}"
    assert "192" not in row.address


# How long a session lasts ---------------------------------------------------------------------------------


def long_ago(client: Client, **how_long: float) -> None:
    """Set the session's beginning, or its last activity, to that many hours ago."""
    session = client.session
    for name, hours in how_long.items():
        session[name] = int(time.time() - hours * 3600)
    session.save()


@pytest.mark.parametrize(
    ("times", "lasts"),
    [
        ({"began_at": 23.9, "seen_at": 0.1}, True),
        ({"began_at": 24.1, "seen_at": 0.1}, False),
        ({"began_at": 9, "seen_at": 7.9}, True),
        ({"began_at": 9, "seen_at": 8.1}, False),
    ],
)
def test_a_session_ends_in_time(owner: User, times: dict[str, float], lasts: bool) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    long_ago(client, **times)
    answer = client.get(f"/conversations/{EXAMPLE}/?ticket=A-1")
    if lasts:
        assert answer.status_code == 403  # without a credential
    else:
        assert answer["Location"] == f"/sign-in/?next=/conversations/{EXAMPLE}/%3Fticket%3DA-1"
        assert "_auth_user_id" not in client.session


def test_being_there_counts_and_a_page_that_renews_itself_does_not(owner: User) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    long_ago(client, seen_at=7)
    client.get("/conversations/fresh/", headers={"HX-Request": "true"})
    assert time.time() - client.session["seen_at"] > 6 * 3600
    client.get("/credentials/")
    assert time.time() - client.session["seen_at"] < 60


def test_its_length_can_be_set(owner: User, settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE, settings.SESSION_IDLE = 3600, 600
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert client.cookies["session"]["max-age"] == 3600
    long_ago(client, seen_at=0.2)
    assert client.get("/credentials/").status_code == 302


def test_signing_in_changes_the_key_of_the_session(owner: User) -> None:
    client = Client()
    session = client.session
    session["of a stranger"] = "who may know its key"
    session.save()
    client.cookies["session"] = planted = str(session.session_key)
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert client.session.session_key != planted
    assert not session.exists(planted)
    first = client.session.session_key
    client.post("/sign-out/")
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert client.session.session_key != first


@pytest.mark.django_db(transaction=True)
def test_cookies_are_as_closed_as_can_be(tmp_path: Path) -> None:
    """The site as deployed, behind a proxy that ends TLS, sets its cookies with every restriction."""
    # Hash with the site's own settings, which differ from the tests'.
    User.objects.create(username="owner", password=PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000))
    over_tls = {
        "X-Forwarded-Proto": "https",
        "Host": "omniviewer.example.com",
        "Referer": "https://omniviewer.example.com/",
    }
    environment = {**PRODUCTION, "OMNIVIEWER_DEMO": "false", "OMNIVIEWER_BEHIND_PROXY": "true"}
    assert manage("collectstatic", "--noinput", env=environment).returncode == 0
    with serve(tmp_path, environment, workers=1) as site, requests.Session() as browser:
        page = browser.get(f"{site.url}/sign-in/", headers=over_tls, timeout=20)
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
        assert token
        form = {"username": "owner", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        cookie = page.headers["Set-Cookie"]
        sent = {**over_tls, "Cookie": cookie.split(";")[0]}
        answer = requests.post(f"{site.url}/sign-in/", form, headers=sent, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    for name, said in (("__Host-csrf=", cookie), ("__Host-session=", answer.headers["Set-Cookie"])):
        assert name in said
        for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert word in said
        assert "Domain" not in said


def test_staff_sees_who_is_who_and_signs_people_out_everywhere(owner: User) -> None:
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    user = admit(somebody("subject-of-sam"))
    theirs, staff = signed_in(user), signed_in(boss)
    assert "subject-of-sam" in text_of(staff.get(f"/admin/accounts/user/{user.pk}/change/"))
    staff.post("/admin/accounts/user/", {"action": "sign_out_everywhere", "_selected_action": user.pk})
    assert theirs.get("/credentials/").status_code == 302
    assert staff.get("/credentials/").status_code == 200


@pytest.mark.parametrize("way", ["saved", "updated", "end_sessions"])
def test_who_is_deactivated_is_out_everywhere_at_once(owner: User, way: str) -> None:
    clients = [Client(), Client()]
    for client in clients:
        client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
        assert client.get("/credentials/").status_code == 200
    if way == "saved":
        owner.is_active = False
        owner.save(update_fields=["is_active"])
    elif way == "updated":
        User.objects.update(is_active=False)
    else:
        owner.end_sessions()
    for client in clients:
        assert client.get("/credentials/").status_code == 302
    if way == "saved":  # and once they are back, the old sessions are not
        User.objects.update(is_active=True)
        assert clients[0].get("/credentials/").status_code == 302


def test_another_password_ends_the_sessions_of_the_old_one(owner: User) -> None:
    client = signed_in(owner)
    owner.set_password("another horse battery")
    owner.save()
    assert client.get("/credentials/").status_code == 302


def test_without_local_passwords_they_are_not_looked_at_and_end(owner: User, settings: Settings) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    settings.LOCAL_LOGIN = False
    assert client.get("/credentials/").status_code == 302
    assert client.post("/sign-in/", {"username": "owner", "password": PASSWORD}).status_code == 200
    assert client.get("/credentials/").status_code == 302
    assert "Password" not in text_of(client.get("/sign-in/"))


def test_who_is_not_staff_is_told_so_by_the_admin_and_not_sent_in_a_circle(owner: User) -> None:
    answer = signed_in(owner).get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "This page is for staff" in text_of(answer)


def test_staff_who_come_by_the_admins_door_are_let_through(owner: User) -> None:
    User.objects.update(is_staff=True)
    client = signed_in(owner)
    assert client.get("/admin/login/?next=/admin/accounts/user/")["Location"] == "/admin/accounts/user/"
    assert client.get("/admin/login/?next=//evil.example")["Location"] == "/admin/"


def test_a_robot_may_ask_by_head(db: None) -> None:
    assert Client().head("/sign-in/").status_code == 200
    assert Client().head("/signed-out/").status_code == 200


# Offboarding ----------------------------------------------------------------------------------------------


def test_who_leaves_is_signed_out_and_loses_tokens_and_what_only_they_could_read(
    owner: User, owner_reads: Client, colleague_reads: Client, omni: StandIn
) -> None:
    User.objects.filter(pk=owner.pk).update(email="Owner@example.com")
    others = next(row for row in omni.organization.conversations if str(row.id) != EXAMPLE)
    owner_reads.get(f"/conversations/{EXAMPLE}/")
    colleague_reads.get(f"/conversations/{others.id}/")
    done = StringIO()
    call_command("offboard", "owner@EXAMPLE.com", no_input=True, stdout=done)
    assert "owner, Owner@example.com: Omni" in done.getvalue()
    assert "What goes with this: 1 stored conversation." in done.getvalue()
    assert "owner is signed out everywhere, without a token and deactivated." in done.getvalue()
    assert owner_reads.get("/credentials/").status_code == 302
    assert try_password(PASSWORD).status_code == 200
    assert [credential.owner.username for credential in Credential.objects.all()] == ["colleague"]
    assert [row.omni_id for row in Conversation.objects.exclude(fetched_at=None)] == [others.id]
    assert colleague_reads.get(f"/conversations/{others.id}/").status_code == 200


def test_who_is_known_by_single_sign_on_alone_is_found(db: None) -> None:
    admit(somebody("sam@example.com"))
    call_command("offboard", "SAM@example.com", no_input=True, stdout=StringIO())
    assert not User.objects.get().is_active


def test_it_asks_first(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match="Not confirmed"):
        call_command("offboard", "owner", stdout=StringIO())
    assert User.objects.get().is_active
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    call_command("offboard", "owner", stdout=StringIO())
    assert not User.objects.get().is_active


@pytest.mark.parametrize("nobody", ["somebody@example.com", ""])
def test_somebody_unknown_is_told_and_nobody_else_goes(owner: User, nobody: str) -> None:
    with pytest.raises(CommandError, match="Nobody here has"):
        call_command("offboard", nobody, no_input=True)
    assert User.objects.get().is_active


# Admission ------------------------------------------------------------------------------------------------


def somebody(subject: str = "1", **said: Any) -> Person:
    return Person(issuer="https://id.example", subject=subject, **{"usernames": ("sam",), **said})


def test_names_that_are_taken_are_numbered(owner: User) -> None:
    names = [admit(somebody(str(number), usernames=("Owner", ""))).username for number in range(2)]
    assert names == ["0", "1"]
    names = [admit(somebody(f"{number}", usernames=("owner",))).username for number in range(2, 4)]
    assert names == ["2", "3"]


def test_a_name_of_odd_signs_becomes_one_that_django_takes(db: None) -> None:
    names = {"first_name": "A\x00na", "last_name": "\x1bB\x07"}
    user = admit(somebody(subject="a/b", usernames=("", "\u202e<scr\x00ipt>", "x" * 400), **names))
    user.full_clean(exclude=["password"])
    assert (user.username, user.first_name, user.last_name) == ("script", "Ana", "B")


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\x00b", "a\nb"])
def test_without_a_subject_nobody_enters(db: None, subject: str) -> None:
    with pytest.raises(Refused, match="no-subject"):
        admit(somebody(subject))


@pytest.mark.parametrize(
    ("email", "verified", "why"),
    [
        ("sam@example.com", True, None),
        ("sam@EXAMPLE.com", True, None),
        ("sam@sub.example.com", True, "domain"),
        ("sam@example.com@evil.example", True, "domain"),
        ("sam@evilexample.com", True, "domain"),
        ("sam@example.com", False, "email-unverified"),
        ("", True, "no-email"),
    ],
)
def test_domains(db: None, settings: Settings, email: str, verified: bool, why: str | None) -> None:
    settings.ALLOWED_EMAIL_DOMAINS = ["example.com"]
    person = somebody(email=email, email_is_verified=verified)
    if why is None:
        assert admit(person).email == email
    else:
        with pytest.raises(Refused, match=f"^{why}$"):
            admit(person)
        assert not User.objects.exists()


def test_an_unverified_address_is_not_kept(db: None) -> None:
    assert admit(somebody(email="boss@example.com", email_is_verified=False)).email == ""


def test_without_a_group_of_staff_nobody_loses_what_an_admin_gave(db: None, settings: Settings) -> None:
    user = admit(somebody())
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert admit(somebody(groups=frozenset({"x"}))).is_staff
    settings.STAFF_GROUP = "x"
    assert admit(somebody(groups=frozenset({"x"}))).is_staff
    assert not admit(somebody(groups=frozenset({"xx"}))).is_staff


def test_a_group_makes_an_administrator_and_no_superuser_or_an_auditor(db: None, settings: Settings) -> None:
    settings.STAFF_GROUP, settings.AUDITOR_GROUP = "platform", "audit"
    for groups, is_staff, is_auditor in (
        ({"platform"}, True, False),
        ({"audit"}, False, True),
        ({"audit", "platform"}, True, True),
        (set(), False, False),
    ):
        user = admit(somebody(groups=frozenset(groups)))
        assert (user.is_staff, user.is_superuser, user.is_auditor) == (is_staff, False, is_auditor)
    admit(somebody(groups=frozenset({"audit"})))
    settings.ALLOWED_GROUPS = ["analysts"]
    with pytest.raises(Refused, match=r"^group$"):
        admit(somebody(groups=frozenset({"audit"})))
    assert not User.objects.get().is_auditor


def test_an_auditor_reads_the_log_and_the_figures_and_administers_nothing(owner: User) -> None:
    client = signed_in(owner)
    readable = ("/activity/all/", "/activity/all/csv/", "/stored/")
    assert [client.get(address).status_code for address in readable] == [403, 403, 403]
    User.objects.update(is_auditor=True)
    page = text_of(client.get("/activity/all/"))
    assert 'href="/activity/all/"' in page
    assert 'href="/admin/"' not in page
    assert [client.get(address).status_code for address in readable] == [200, 200, 200]
    assert client.get("/admin/", follow=True).status_code == 403


@pytest.mark.parametrize("taken", ["the identity", "the name"])
def test_two_windows_at_first_sight_make_one_user(db: None, monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    """Another process was faster between the check and the insert; the rollback undoes its rows too."""
    looked = admission._free_username
    others = [True]

    def slowly(person: Person) -> str:
        name = looked(person)
        if others.pop() if others else False:
            faster = User.objects.create(username=name)
            if taken == "the identity":
                Identity.objects.create(user=faster, issuer=person.issuer, subject=person.subject)
        return name

    monkeypatch.setattr(admission, "_free_username", slowly)
    user = admit(somebody())
    assert user == User.objects.get()
    assert Identity.objects.get().user == user


# Groups and addresses from the issuer ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "claims", "found"),
    [
        ("groups", {"groups": ["a", " b ", 7, ""]}, {"a", "b"}),
        ("groups", {"groups": "a,b"}, {"a,b"}),
        ("groups", {}, set()),
        ("groups", {"groups": {"a": 1}}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access": ["roles"]}, set()),
        ("resource_access.our.app.roles", {"resource_access": {"our.app": {"roles": ["a"]}}}, {"a"}),
        ("resource_access.x.roles", {"resource_access": {"x": {}}}, set()),
        ("https://example.com/groups", {"https://example.com/groups": ["a"]}, {"a"}),
        ("a.b", {"a.b": ["whole"], "a": {"b": ["within"]}}, {"whole"}),
        ("groups", {"_claim_names": {"groups": "src1"}}, None),
        ("groups", {"groups": None, "hasgroups": "true"}, None),
        ("groups", {"groups": [], "_claim_names": {"groups": "src1"}}, set()),
        ("realm_access.roles", {"_claim_names": {"realm_access": {"roles": "src1"}}}, None),
        ("roles", {"_claim_names": {"groups": "src1"}}, set()),
    ],
)
def test_groups_are_where_the_setting_says(name: str, claims: dict[str, Any], found: set[str] | None) -> None:
    assert groups_in(claims, name) == found


def test_groups_that_nobody_knows_change_nothing(db: None, settings: Settings) -> None:
    settings.STAFF_GROUP = "platform"
    user = admit(somebody(groups=frozenset({"platform"})))
    key = user.sessions_key
    assert admit(somebody(groups=None)).is_staff
    settings.ALLOWED_GROUPS = ["analysts"]
    with pytest.raises(Refused, match="groups-unknown"):
        admit(somebody(groups=None))
    user.refresh_from_db()
    assert (user.is_staff, user.sessions_key) == (True, key)
    with pytest.raises(Refused, match=r"^group$"):
        admit(somebody(groups=frozenset()))
    user.refresh_from_db()
    assert not user.is_staff
    assert user.sessions_key != key


def test_groups_are_compared_letter_by_letter(db: None, settings: Settings) -> None:
    settings.ALLOWED_GROUPS = ["Analysts"]
    with pytest.raises(Refused, match=r"^group$"):
        admit(somebody(groups=frozenset({"analysts"})))


@pytest.mark.parametrize(
    ("email", "may"),
    [
        ("sam@example.com", True),
        ("Sam@EXAMPLE.com", True),
        ("sam@münchen.example", True),
        ("sam@xn--mnchen-3ya.example", True),
        ('"sam@evil.example"@example.com', True),
        ("sam@sub.example.com", False),
        ("sam@evil.example, x@example.com", False),
        ("sam@evil.example <x@example.com", False),
        ("sam@evil.example@example.com", False),
        ("sam@evil.example\n@example.com", False),
        ("@example.com", False),
        ("sam@example.com@", False),
        ("sam@exаmple.com", False),
    ],
)
def test_the_domain_is_that_of_a_whole_address(db: None, settings: Settings, email: str, may: bool) -> None:
    settings.ALLOWED_EMAIL_DOMAINS = ["@Example.com", "München.example"]
    person = somebody(email=email, email_is_verified=True)
    if may:
        assert admit(person).is_active
    else:
        with pytest.raises(Refused, match=r"^domain$"):
            admit(person)


# Capital letters ------------------------------------------------------------------------------------------


def test_a_username_is_typed_with_capital_letters_or_without(owner: User) -> None:
    for name in ("Owner", "OWNER", "owner"):
        answer = Client().post("/sign-in/", {"username": name, "password": PASSWORD})
        assert answer.status_code == 302, name
    Client().post("/sign-in/", {"username": "OWNER", "password": "wrong password"})
    assert Event.objects.filter(kind="refused").values_list("who", "result").get() == ("owner", "wrong-password")


def test_two_names_that_differ_in_case_alone_are_two_people(owner: User) -> None:
    User.objects.create_user("OWNER", password="another long password")
    for name, password, may in (
        ("owner", PASSWORD, True),
        ("OWNER", "another long password", True),
        ("OWNER", PASSWORD, False),
        ("Owner", PASSWORD, False),
    ):
        answer = Client().post("/sign-in/", {"username": name, "password": password})
        assert (answer.status_code == 302) is may, name
