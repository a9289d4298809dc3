"""No token leaks: not by a page, an error report, a log, a database export, or a redirect of Omni's."""

import hashlib
import io
import json
import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import Token
from tests.captured import answered, thread, work
from tests.conftest import credential_for, signed_in, text_of

# A secret that does not look like one of Omni's tokens.
SECRET = "q7Zp-planted-4f9a81c2e6"


@pytest.fixture
def planted(owner: User, small: Organization, small_omni: StandIn, analyst: Member) -> Credential:
    return credential_for(owner, small_omni, small.personal_token(analyst, SECRET))


def everything(client: Client, small: Organization) -> list[Any]:
    """Return every page, of a reader and of staff, that could hold a token."""
    found = small.conversations[0]
    paths = ["/conversations/", thread(found), f"{thread(found)}messages/2/evidence/", "/credentials/", "/activity/"]
    paths += [f"/credentials/{Credential.objects.get().pk}/", f"/credentials/{Credential.objects.get().pk}/token/"]
    paths += [f"/conversations/{found.id}.{kind}" for kind in ("md", "json", "csv", "html", "zip")]
    paths += ["/activity/all/", "/stored/", "/insights/", "/admin/", "/admin/accounts/user/", "/admin/auth/group/"]
    paths += [f"/open?q={SECRET[:6]}", "/nowhere/"]
    return [client.get(path) for path in paths]


def body(answer: Any) -> bytes:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    sent: bytes = content + repr(dict(answer.headers)).encode() + answer.cookies.output().encode()
    return sent


@pytest.mark.both_dialects
def test_it_works(
    planted: Credential, owner: User, small: Organization, analyst: Member, caplog: pytest.LogCaptureFixture
) -> None:
    """Read, kept, captured, exported, administered: the token is in none of it."""
    caplog.set_level(logging.DEBUG)
    answered(small, analyst, ages=[timedelta(days=1)])
    User.objects.update(is_staff=True, is_superuser=True)
    client = signed_in(owner)
    answers = everything(client, small)
    work()
    answers += everything(client, small)
    assert all(SECRET.encode() not in body(answer) for answer in answers)
    assert SECRET not in caplog.text
    assert all(SECRET not in repr(vars(record)) for record in caplog.records)
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    assert '"model": "accounts.credential"' in dump.getvalue()
    assert SECRET not in dump.getvalue()
    assert planted.api_token.token.reveal() == SECRET
    assert SECRET not in repr([planted, planted.api_token.token, vars(planted)])
    assert all(SECRET not in repr(row) for row in DBTaskResult.objects.values())
    assert DBTaskResult.objects.exists()


def test_the_database_holds_it_enciphered_alone(planted: Credential, small: Organization, owner: User) -> None:
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            for row in cursor.fetchall():
                if any(SECRET in str(bytes(cell) if isinstance(cell, memoryview) else cell) for cell in row):
                    found.append(table)
    assert found == []


def test_it_cannot_be_pickled_or_put_into_json_by_accident() -> None:
    assert SECRET not in f"{Token(SECRET)} {Token(SECRET)!r} {[Token(SECRET)]} {{'token': {Token(SECRET)}}}"
    with pytest.raises(TypeError):
        json.dumps({"token": Token(SECRET)})
    with pytest.raises(TypeError):
        pickle.dumps(Token(SECRET))


@pytest.mark.parametrize("debug", [True, False], ids=["development", "deployed"])
def test_a_fault_in_the_middle_of_a_request_tells_no_token(
    planted: Credential,
    owner: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
) -> None:
    """The page shows frames and variables, as in development, with the request's header among them."""
    settings.DEBUG = debug

    def fail(self: object, request: requests.PreparedRequest, **_more: object) -> None:
        sent = str(request.headers["Authorization"])
        assert SECRET in sent
        said = [dict(request.headers), sent.encode()]
        raise RuntimeError("a fault of our own", len(said))

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", fail)
    client = signed_in(owner)
    client.raise_request_exception = False
    answer = client.get("/conversations/?refresh=1")
    assert answer.status_code == 500
    assert SECRET.encode() not in body(answer)
    assert (b"a fault of our own" in answer.content) is debug
    assert SECRET not in caplog.text


def test_nor_does_one_while_it_is_being_connected(
    owner: User, small: Organization, small_omni: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True

    def fail(_host: str, token: Token) -> None:
        said = [token.reveal()]
        raise RuntimeError("a fault of our own", len(said))

    monkeypatch.setattr("conversations.archive.credentials.identify", fail)
    client = signed_in(owner)
    client.raise_request_exception = False
    fields = {"instance_address": small_omni.url, "token": SECRET, "label": "Mine"}
    answer = client.post("/credentials/connect/", fields)
    assert answer.status_code == 500
    assert b"a fault of our own" in answer.content
    assert SECRET.encode() not in body(answer)


def test_a_page_that_fails_shows_no_setting_that_is_secret(
    owner: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    monkeypatch.setattr("conversations.pages.list_forms.ListForm.query", lambda _: 1 / 0)
    client = signed_in(owner)
    client.raise_request_exception = False
    page = client.get("/admin/nothing/").content + client.get("/conversations/").content
    assert b"division by zero" in page
    for secret in (settings.SECRET_KEY, *settings.ENCRYPTION_KEYS):
        assert secret.encode() not in page


def test_omni_cannot_lead_it_elsewhere(planted: Credential, owner: User, small_omni: StandIn) -> None:
    """No redirect is followed, whatever its host."""
    with StandIn(Organization("evil"), dialect="reference") as evil:
        small_omni.fail(Fault.redirect(f"{evil.url}/api/v1/whoami"), path="")
        signed_in(owner).get("/conversations/?refresh=1")
        assert evil.requests == []


def test_a_cache_holds_no_token(planted: Credential, owner: User, small: Organization, analyst: Member) -> None:
    answered(small, analyst, ages=[timedelta(days=1)])
    everything(signed_in(owner), small)
    stored = pickle.dumps(getattr(cache, "_cache", {}))
    assert SECRET.encode() not in stored
    assert SECRET.encode() not in repr(list(getattr(cache, "_cache", {}))).encode()


def test_what_names_a_token_elsewhere_cannot_be_turned_back(planted: Credential) -> None:
    """The budget and shared answers know a token by a digest under the site's key, which nobody else can make."""
    digest = planted.api_token.digest
    assert SECRET not in digest
    assert digest not in {
        hashlib.new(name, SECRET.encode()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
    }


def test_keys_rotate_without_an_hour_in_which_tokens_cannot_be_read(planted: Credential, settings: Settings) -> None:
    old, new = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    assert Credential.objects.get().api_token.token.reveal() == SECRET
    call_command("rotate_keys", verbosity=0)
    assert Credential.objects.get().api_token.token.reveal() == SECRET
    settings.ENCRYPTION_KEYS = [new]
    assert Credential.objects.get().api_token.token.reveal() == SECRET


def test_a_wrong_key_is_said_and_loses_nothing(planted: Credential, owner: User, settings: Settings) -> None:
    right = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    before = Credential.objects.get().api_token.ciphertext
    client = signed_in(owner)
    page = text_of(client.get("/conversations/?refresh=1"))
    assert "The stored token cannot be decrypted" in page
    assert client.get("/credentials/").status_code == 200
    with pytest.raises(CommandError, match="key"):
        call_command("rotate_keys", verbosity=0)
    settings.ENCRYPTION_KEYS = right
    assert Credential.objects.get().api_token.ciphertext == before
    assert Credential.objects.get().api_token.token.reveal() == SECRET


def test_referrers_stay_on_this_site(planted: Credential, owner: User) -> None:
    answer = signed_in(owner).get("/conversations/")
    assert answer["Referrer-Policy"] == "same-origin"


def test_a_colleague_sees_nothing_of_it(planted: Credential, colleague: User) -> None:
    for path in ("", "token/", "remove/"):
        assert signed_in(colleague).get(f"/credentials/{planted.pk}/{path}").status_code == 404
