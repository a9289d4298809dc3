"""Signing in through a proxy that names the user: believed from where it should come, and from nowhere else."""

import contextlib
import hashlib
import http.client
import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils.http import urlencode
from pytest_django import Settings

from omniviewer.accounts.models import Identity, User
from omniviewer.accounts.sign_in import proxy
from omniviewer.audit.models import Event
from omniviewer.environment import Environment
from tests.conftest import EXAMPLE, PASSWORD, text_of
from tests.programs import free_port, need
from tests.serving import Site, serve

MESSAGE = f"/conversations/{EXAMPLE}/messages/3/?ticket=ABC-1"
SECRET = "a secret that nobody guesses"
PROXY, STRANGER = "10.1.2.3", "192.0.2.9"


@pytest.fixture
def behind_proxy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("NETWORKS", "10.1.0.0/16, fd00::/8")
    place = settings.MIDDLEWARE.index("omniviewer.accounts.sessions.expire") + 1
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:place],
        "omniviewer.accounts.sign_in.proxy.proxy_user",
        *settings.MIDDLEWARE[place:],
    ]
    settings.PROXY_HEADER = "X-Forwarded-User"
    settings.PROXY_EMAIL_HEADER = "X-Forwarded-Email"
    settings.PROXY_NAME_HEADER = "X-Forwarded-Name"
    settings.PROXY_GROUPS_HEADER = "X-Forwarded-Groups"
    settings.TRUSTED_PROXIES = Environment().networks("NETWORKS")
    settings.PROXY_SECRET = SECRET
    settings.LOCAL_LOGIN = False
    return settings


def ask(client: Client, address: str = "/credentials/", by: str = PROXY, **headers: str) -> Any:
    return client.get(address, REMOTE_ADDR=by, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.django_db
def test_it_works(behind_proxy: Settings) -> None:
    client = Client()
    answer = ask(
        client,
        MESSAGE,
        x_forwarded_user="sam",
        x_forwarded_email="sam@example.com",
        x_forwarded_name="Sam van Ortega",
        x_forwarded_groups="analysts",
    )
    assert answer.status_code == 403
    assert "Connect Omni first" in text_of(answer)
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("sam", "Sam van Ortega", "sam@example.com")
    assert not user.has_usable_password()
    assert (Identity.objects.get().issuer, Identity.objects.get().subject) == ("proxy", "sam")
    key = client.session.session_key
    assert (
        ask(
            client,
            x_forwarded_user="sam",
            x_forwarded_email="sam@example.com",
            x_forwarded_name="Sam van Ortega",
            x_forwarded_groups="analysts",
        ).status_code
        == 200
    )
    assert client.session.session_key == key


TRUSTED: list[tuple[str, dict[str, str], bool]] = [
    (PROXY, {}, True),
    ("::ffff:10.1.2.3", {}, True),
    ("fd00::1", {}, True),
    ("10.2.0.1", {}, False),
    (STRANGER, {}, False),
    ("fe80::1", {}, False),
    ("", {}, False),
    ("nonsense", {}, False),
    (STRANGER, {"x_omniviewer_proxy_secret": SECRET}, True),
    ("", {"x_omniviewer_proxy_secret": SECRET}, True),
    (STRANGER, {"x_omniviewer_proxy_secret": SECRET + "x"}, False),
    (STRANGER, {"x_omniviewer_proxy_secret": ""}, False),
    (STRANGER, {"x_forwarded_for": PROXY}, False),
    (STRANGER, {"x_real_ip": PROXY, "forwarded": f"for={PROXY}"}, False),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("by", "sent", "is_trusted"), TRUSTED)
def test_whom_it_believes(
    behind_proxy: Settings,
    caplog: pytest.LogCaptureFixture,
    by: str,
    sent: dict[str, str],
    is_trusted: bool,
) -> None:
    answer = ask(Client(), by=by, x_forwarded_user="sam", **sent)
    assert answer.status_code == (200 if is_trusted else 302)
    assert User.objects.exists() is is_trusted
    warned = [line for line in caplog.records if line.name == "omniviewer.accounts"]
    assert [line.getMessage() for line in warned] == ([] if is_trusted else ["proxy header from elsewhere"])
    assert "sam" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.django_db
def test_without_a_secret_an_empty_one_is_none(behind_proxy: Settings) -> None:
    behind_proxy.PROXY_SECRET = ""
    assert ask(Client(), by=STRANGER, x_forwarded_user="sam", x_omniviewer_proxy_secret="").status_code == 302


@pytest.mark.django_db
def test_a_socket_is_trusted_only_where_that_is_said(behind_proxy: Settings) -> None:
    behind_proxy.TRUSTED_PROXIES = ["unix"]
    assert ask(Client(), by="", x_forwarded_user="sam").status_code == 200
    assert ask(Client(), by=PROXY, x_forwarded_user="sam").status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("by", [PROXY, STRANGER])
def test_nothing_behind_it_sees_the_headers(behind_proxy: Settings, by: str) -> None:
    sent = {"x_forwarded_user": "sam", "x_forwarded_groups": "a", "x_omniviewer_proxy_secret": "wrong"}
    request = ask(Client(), by=by, **sent).wsgi_request
    for name in sent:
        assert f"HTTP_{name.upper()}" not in request.META
        assert name.replace("_", "-") not in request.headers


@pytest.mark.django_db
def test_another_user_ends_the_session_of_the_first(behind_proxy: Settings) -> None:
    client = Client()
    ask(client, x_forwarded_user="sam")
    session = client.session
    session["of the first"] = "secret"
    session.save()
    assert ask(client, x_forwarded_user="ana").wsgi_request.user.username == "ana"
    assert client.session.session_key != session.session_key
    assert "of the first" not in client.session
    assert not client.session.exists(str(session.session_key))


@pytest.mark.django_db
def test_nobody_ends_it_too(behind_proxy: Settings) -> None:
    client = Client()
    ask(client, x_forwarded_user="sam")
    answer = ask(client, MESSAGE)
    assert answer.status_code == 302
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_a_cookie_alone_gets_nothing_past_the_proxy(behind_proxy: Settings) -> None:
    client = Client()
    ask(client, x_forwarded_user="sam")
    assert ask(client, by=STRANGER).status_code == 302
    assert ask(client, x_forwarded_user="sam").status_code == 200


@pytest.mark.django_db
def test_a_session_of_another_kind_is_left_alone(behind_proxy: Settings) -> None:
    behind_proxy.LOCAL_LOGIN = True
    User.objects.create_user("admin", password=PASSWORD)
    client = Client()
    client.post("/sign-in/", {"username": "admin", "password": PASSWORD})
    assert ask(client).wsgi_request.user.username == "admin"
    assert ask(client, x_forwarded_user="sam").wsgi_request.user.username == "admin"
    assert ask(client, by=STRANGER).wsgi_request.user.username == "admin"


@pytest.mark.django_db
def test_a_name_is_not_a_username_of_ours(behind_proxy: Settings) -> None:
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    answer = ask(Client(), x_forwarded_user="admin")
    assert answer.wsgi_request.user != admin
    assert not answer.wsgi_request.user.is_staff


@pytest.mark.django_db
def test_what_it_says_of_groups_counts_at_once(behind_proxy: Settings) -> None:
    behind_proxy.ALLOWED_GROUPS, behind_proxy.STAFF_GROUP = ["analysts"], "platform"
    client = Client()
    assert ask(client, x_forwarded_user="sam", x_forwarded_groups="sales").status_code == 403
    assert ask(client, x_forwarded_user="sam", x_forwarded_groups="analysts, platform").status_code == 200
    assert User.objects.get().is_staff
    assert ask(client, x_forwarded_user="sam", x_forwarded_groups="analysts").status_code == 200
    assert not User.objects.get().is_staff
    answer = ask(client, MESSAGE, x_forwarded_user="sam", x_forwarded_groups="")
    assert answer.status_code == 403
    assert f'href="/sign-in/?{urlencode({"next": MESSAGE})}"' in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert "none of the groups" in text_of(answer)
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_the_audit_log_tells_who_came_in_and_who_did_not(behind_proxy: Settings) -> None:
    behind_proxy.ALLOWED_GROUPS = ["analysts"]
    client = Client()
    ask(client, x_forwarded_user="sam", x_forwarded_groups="analysts")
    ask(client, x_forwarded_user="sam", x_forwarded_groups="sales")
    ask(Client(), x_forwarded_user="ana", x_forwarded_groups="sales")
    assert list(Event.objects.order_by("pk").values_list("who", "kind", "result", "by")) == [
        ("sam", "signed-in", "ok", "proxy"),
        ("sam", "signed-out", "not-named", "proxy"),
        ("sam", "refused", "group", "proxy"),
        ("", "refused", "group", "proxy"),
    ]


@pytest.mark.django_db
def test_who_is_deactivated_is_told_so(behind_proxy: Settings) -> None:
    client = Client()
    ask(client, x_forwarded_user="sam")
    User.objects.update(is_active=False)
    answer = ask(client, x_forwarded_user="sam")
    assert answer.status_code == 403
    assert "has been deactivated" in text_of(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["sam,ana", "x" * 151, "sam\x00", "sam\x1b[0m", "sam\u202e"])
def test_a_name_that_makes_no_sense_is_nobody(
    behind_proxy: Settings, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    sent = name.encode().decode("latin-1")
    answer = Client().get("/credentials/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_USER=sent)
    assert answer.status_code == 302
    assert not User.objects.exists()
    assert "proxy header makes no sense" in caplog.text
    assert name not in caplog.text


@pytest.mark.django_db
def test_names_in_other_scripts_are_names(behind_proxy: Settings) -> None:
    Client().get("/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_USER="zoë@example.com".encode().decode("latin-1"))
    assert (User.objects.get().username, User.objects.get().email) == ("zoë", "")
    assert Identity.objects.get().subject == "zoë@example.com"


@pytest.mark.django_db
def test_whom_the_proxy_does_not_name_is_told_where_to_go(behind_proxy: Settings) -> None:
    page = text_of(ask(Client(), "/sign-in/"))
    assert "Your company’s proxy signs people in, but it did not say who you are" in page
    assert "Password" not in page


@pytest.mark.django_db
def test_signing_out_leads_to_the_proxy(behind_proxy: Settings) -> None:
    behind_proxy.PROXY_SIGN_OUT_URL = "/oauth2/sign_out"
    client = Client()
    ask(client, x_forwarded_user="sam")
    answer: Any = client.post("/sign-out/", REMOTE_ADDR=PROXY, headers={"X-Forwarded-User": "sam"})
    assert 'href="/oauth2/sign_out"' in text_of(answer)
    assert "_auth_user_id" not in client.session


# Behind a real one ----------------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /auth {{ internal; proxy_pass http://127.0.0.1:{auth}; proxy_pass_request_body off; }}
        location / {{
            auth_request /auth;
            auth_request_set $who $upstream_http_x_auth_request_user;
            error_page 401 = @nobody;
            proxy_pass {site};
            proxy_set_header Host localhost;
            proxy_set_header X-Auth-Request-User $who;
            {how}
        }}
        location @nobody {{ return 302 /company-sign-in?rd=$request_uri; }}
    }}
}}
"""


class _Company(BaseHTTPRequestHandler):
    """A server that knows people by a cookie, as an oauth2-proxy does."""

    def do_GET(self) -> None:
        cookies = dict(pair.split("=", 1) for pair in self.headers.get("Cookie", "").split("; ") if "=" in pair)
        self.send_response(202 if "company" in cookies else 401)
        if "company" in cookies:
            self.send_header("X-Auth-Request-User", cookies["company"])
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


@contextlib.contextmanager
def nginx(folder: Path, site: Site, how: str) -> Iterator[str]:
    """Run nginx until the block ends, and yield its address."""
    program = need("nginx", "nginx", "/usr/sbin/nginx")
    folder.mkdir(mode=0o755)
    company = ThreadingHTTPServer(("127.0.0.1", 0), _Company)
    threading.Thread(target=company.serve_forever, daemon=True).start()
    port = free_port()
    text = NGINX.format(folder=folder, port=port, auth=company.server_port, site=site.url, how=how)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + text)
    command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    server = subprocess.Popen(command)
    try:
        for _ in range(100):
            with contextlib.suppress(requests.RequestException):
                requests.get(f"http://127.0.0.1:{port}/", timeout=5, allow_redirects=False)
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)
        company.shutdown()
        company.server_close()


WAYS = {
    "by its secret": (
        f'proxy_set_header X-Omniviewer-Proxy-Secret "{SECRET}";',
        {"OMNIVIEWER_PROXY_SECRET": SECRET},
    ),
    # Another address of the same machine.
    "by its address": ("proxy_bind 127.0.0.2;", {"OMNIVIEWER_TRUSTED_PROXIES": "127.0.0.2"}),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_behind_nginx(tmp_path: Path, way: str) -> None:
    how, variables = WAYS[way]
    environment = {
        "OMNIVIEWER_PROXY_HEADER": "X-Auth-Request-User",
        "OMNIVIEWER_LOCAL_LOGIN": "false",
        **variables,
    }
    with serve(tmp_path, environment, workers=1) as site, nginx(tmp_path / "nginx", site, how) as outside:

        def get(base: str, address: str = MESSAGE, cookies: str = "", **headers: str) -> requests.Response:
            sent = {"Cookie": cookies, **{name.replace("_", "-"): value for name, value in headers.items()}}
            return requests.get(base + address, headers=sent, timeout=20, allow_redirects=False)

        # Through the proxy, a stranger is sent to the company's sign-in, and a known person straight through.
        stranger = get(outside)
        assert stranger.headers["Location"] == f"{outside}/company-sign-in?rd={MESSAGE}"
        answer = get(outside, cookies="company=sam")
        assert answer.status_code == 403
        assert "Connect Omni first" in answer.text
        assert User.objects.get().username == "sam"
        session = answer.headers["Set-Cookie"].split(";")[0]

        # The proxy overwrites the header that a client adds.
        forged = get(outside, "/credentials/", f"company=sam; {session}", X_Auth_Request_User="boss")
        assert forged.status_code == 200
        assert 'Signed in as <strong dir="auto">sam</strong>' in forged.text

        # Past the proxy, the same header, its other spellings, the cookie, and a guessed secret get nothing.
        for sent in (
            {"X_Auth_Request_User": "sam"},
            {"X_Auth_Request_User": "sam", "X_Omniviewer_Proxy_Secret": "guessed"},
            {"X_Auth_Request_User": "sam", "X_Forwarded_For": "127.0.0.2", "X_Real_IP": "127.0.0.2"},
        ):
            past = get(site.url, cookies=session, **sent)
            assert past.status_code == 302
            assert past.headers["Location"].startswith("/sign-in/?next=")
        underscored = http.client.HTTPConnection("127.0.0.1", int(site.url.rsplit(":", 1)[1]), timeout=20)
        with contextlib.closing(underscored):
            spelled = {"X_Auth_Request_User": "sam", "X_Omniviewer_Proxy_Secret": SECRET}
            underscored.request("GET", "/credentials/", headers=spelled)
            assert underscored.getresponse().status == 302
        assert User.objects.count() == 1
        assert site.log.count("proxy header from elsewhere") == 3
        assert SECRET not in site.log


@pytest.mark.django_db
def test_the_log_says_so_once_a_request(behind_proxy: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ask(Client(), by=STRANGER, x_forwarded_user="a", x_forwarded_email="b", x_forwarded_groups="c")
    assert caplog.text.count("proxy header from elsewhere") == 1


# As different proxies write it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ("a, b,c", {"a", "b", "c"}),
        ('"a","b c" , d', {"a", "b c", "d"}),
        ("a|b", {"a", "b"}),
        ("Sales, EMEA|a", {"Sales, EMEA", "a"}),
        ('"a, b",c', {"a, b", "c"}),
        ("", set()),
        (" , , ", set()),
        ("| |", set()),
        ('"', set()),
    ],
)
def test_groups_are_separated_as_proxies_do(written: str, groups: set[str]) -> None:
    assert proxy._groups(written) - {","} == groups


@pytest.mark.django_db
def test_a_name_with_capital_letters_is_the_same_person(behind_proxy: Settings) -> None:
    """The subject is a name from a proxy's header, which people type with capital letters or without."""
    first = ask(Client(), x_forwarded_user="Sam.Ortega@example.com").wsgi_request.user
    again = ask(Client(), x_forwarded_user="sam.ortega@EXAMPLE.com").wsgi_request.user
    assert first == again
    assert Identity.objects.count() == 1


@pytest.mark.django_db
def test_people_whose_names_differed_in_case_alone_stay_two(behind_proxy: Settings) -> None:
    from tests.conftest import person

    for subject in ("SAM", "Sam"):
        Identity.objects.create(user=person(subject), issuer="proxy", subject=subject)
    assert ask(Client(), x_forwarded_user="SAM").wsgi_request.user.username == "SAM"
    assert ask(Client(), x_forwarded_user="Sam").wsgi_request.user.username == "Sam"
    assert ask(Client(), x_forwarded_user="sam").wsgi_request.user.username not in ("SAM", "Sam")


@pytest.mark.django_db
def test_the_directory_signs_nobody_in(behind_proxy: Settings) -> None:
    """A proxy may name its own service account at the address that takes the directory's token."""
    behind_proxy.SCIM_TOKEN_HASHES = [hashlib.sha256(b"a token").hexdigest()]
    client = Client()
    for token, status in (("a token", 200), ("another", 401)):
        answer = ask(client, "/scim/v2/Users", X_Forwarded_User="scim-client", Authorization=f"Bearer {token}")
        assert answer.status_code == status
    assert not User.objects.exists()
    assert not Event.objects.filter(kind="signed-in").exists()
    assert "sessionid" not in client.cookies
