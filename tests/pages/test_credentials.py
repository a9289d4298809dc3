"""Connecting Omni: attempts, messages, and stored rows."""

import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from conversations import tasks
from conversations.models import Access, Conversation, SentRequest, TokenBudget
from omniviewer.accounts.models import ApiToken, Credential, FailedSignIn, User
from omniviewer.accounts.session_store import SessionStore
from omniviewer.accounts.sign_in import throttle
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from tests.conftest import EXAMPLE, credential_for, person, signed_in, text_of


def connect(client: Client, omni: StandIn, token: str, **fields: str) -> Any:
    return client.post("/credentials/connect/", {"instance_address": omni.url, "token": token, **fields})


@pytest.mark.both_dialects
def test_it_works(owner: User, omni: StandIn) -> None:
    answer = connect(signed_in(owner), omni, omni.organization.demo_tokens["analyst"], label="Mine")
    assert answer["Location"] == "/conversations/"
    credential = Credential.objects.get()
    assert (credential.owner, credential.label, credential.instance) == (owner, "Mine", omni.host)
    assert credential.api_token.scope == "user"
    assert credential.is_default


def test_it_says_what_a_personal_token_sees(owner: User, omni: StandIn) -> None:
    client = signed_in(owner)
    connect(client, omni, omni.organization.demo_tokens["analyst"])
    page = text_of(client.get("/credentials/"))
    assert "Personal token (member)" in page
    assert "sees only its owner’s conversations" in page


def test_it_says_what_an_organization_key_sees(owner: User, omni: StandIn) -> None:
    client = signed_in(owner)
    connect(client, omni, omni.organization.demo_tokens["lead"])
    page = text_of(client.get("/credentials/"))
    assert "Organization key" in page
    assert "sees every conversation in the organization" in page


@pytest.mark.parametrize("form", ["{url}/api", "{url}/", "{url}/api/v1/ai/conversations?pageSize=5", " {url} "])
def test_it_takes_the_address_in_any_form(owner: User, omni: StandIn, form: str) -> None:
    fields = {"instance_address": form.format(url=omni.url), "token": omni.organization.demo_tokens["analyst"]}
    signed_in(owner).post("/credentials/connect/", fields)
    assert Credential.objects.get().instance == omni.host


@pytest.mark.parametrize("form", ["Bearer {}", "Authorization: Bearer {}", "  {}\n"])
def test_it_takes_the_token_as_people_paste_it(owner: User, omni: StandIn, form: str) -> None:
    connect(signed_in(owner), omni, form.format(omni.organization.demo_tokens["analyst"]))
    assert Credential.objects.get().api_token.token.reveal() == omni.organization.demo_tokens["analyst"]


def test_it_goes_back_to_the_page_that_needed_it(owner: User, omni: StandIn) -> None:
    client = signed_in(owner)
    page = client.get(f"/conversations/{EXAMPLE}/messages/2/")
    assert page.status_code == 403
    link = re.search(r'href="(/credentials/connect/\?next=[^"]+)"', page.content.decode())
    assert link
    fields = {"instance_address": omni.url, "token": omni.organization.demo_tokens["analyst"]}
    assert client.post(link.group(1), fields)["Location"] == f"/conversations/{EXAMPLE}/messages/2/"


@pytest.mark.both_dialects
def test_an_older_instance_without_whoami_is_asked_for_its_list(
    owner: User, sample: Organization, dialect: str
) -> None:
    with StandIn(sample, dialect=dialect, whoami=False) as omni:
        assert connect(signed_in(owner), omni, sample.demo_tokens["analyst"]).status_code == 302
        assert Credential.objects.get().api_token.scope == ""
        assert connect(signed_in(owner), omni, sample.demo_tokens["revoked"]).status_code == 422


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault.status(401), "Omni rejected this token"),
        (Fault.status(500), "Omni has a problem (it returned 500)"),
        (Fault.status(429), "limit of requests per minute"),
        (Fault.status(400), "did not accept the request (it returned 400)"),
        (Fault.html(200), "does not speak Omni&#x27;s API"),
        (Fault.status(404), "does not speak Omni&#x27;s API"),
        (Fault.redirect("https://example.com/"), "does not speak Omni&#x27;s API (it returned 302)"),
        (Fault.body({"hello": "world"}), "not in the form that Omni documents"),
        (Fault.body([1, 2]), "not in the form that Omni documents"),
        (Fault.empty(), "does not speak Omni&#x27;s API"),
        (Fault.truncated_json(), "does not speak Omni&#x27;s API"),
        (Fault.cut(after=20), "broke off before its reply was complete"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_says_what_is_wrong_and_keeps_the_form(owner: User, omni: StandIn, fault: Fault, sentence: str) -> None:
    omni.fail(fault, path="")
    token = omni.organization.demo_tokens["analyst"]
    answer = connect(signed_in(owner), omni, token, label="My own name")
    assert answer.status_code == 422
    page = text_of(answer)
    assert sentence in page
    assert f'value="{omni.url}"' in page
    assert 'value="My own name"' in page
    assert token not in page.split("Demo tokens to try")[0]
    assert not Credential.objects.exists()


def test_it_says_that_nothing_answers(owner: User, omni: StandIn) -> None:
    omni.stop()
    page = text_of(connect(signed_in(owner), omni, omni.organization.demo_tokens["analyst"]))
    assert "Omni cannot be reached: the connection was refused." in page


def test_it_says_that_omni_is_too_slow(owner: User, omni: StandIn, settings: Settings) -> None:
    settings.OMNI_TIMEOUT = 0.3
    omni.fail(Fault.delay(1.0), path="")
    page = text_of(connect(signed_in(owner), omni, omni.organization.demo_tokens["analyst"]))
    assert "Omni did not reply in time." in page


def test_it_refuses_addresses_that_are_no_omni_without_asking_them(owner: User, omni: StandIn) -> None:
    answer = signed_in(owner).post("/credentials/connect/", {"instance_address": "https://x.test", "token": "a" * 20})
    assert "connects to Omni instances under these hosts only" in text_of(answer)
    assert omni.requests == []


@pytest.mark.parametrize("token", ["", "short", "two words here", "umlaut-ü-token", "a" * 3000, "line\nbreak-in-it"])
def test_it_refuses_what_is_no_token(owner: User, omni: StandIn, token: str) -> None:
    answer = connect(signed_in(owner), omni, token)
    assert answer.status_code == 422
    assert omni.requests == []
    assert not token or f'value="{token}"' not in text_of(answer)


def test_the_same_token_is_not_connected_twice(owner: User, omni: StandIn) -> None:
    client = signed_in(owner)
    connect(client, omni, omni.organization.demo_tokens["analyst"], label="First")
    page = text_of(connect(client, omni, omni.organization.demo_tokens["analyst"], label="Second"))
    assert "already connected this token, as “First”" in page
    assert Credential.objects.count() == 1


def test_several_stand_beside_each_other_and_one_is_asked_first(owner: User, omni: StandIn) -> None:
    client = signed_in(owner)
    connect(client, omni, omni.organization.demo_tokens["analyst"])
    connect(client, omni, omni.organization.demo_tokens["lead"])
    first, second = Credential.objects.order_by("pk")
    assert first.label != second.label
    assert (first.is_default, second.is_default) == (True, False)
    client.post(f"/credentials/{second.pk}/default/")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_default, second.is_default) == (False, True)


def test_connecting_in_two_windows_at_once_is_told_so(
    owner: User, omni: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(owner)
    connect(client, omni, omni.organization.demo_tokens["analyst"], label="Same")
    monkeypatch.setattr(
        "conversations.pages.credential_forms.LabelForm.clean_label", lambda form: form.cleaned_data["label"]
    )
    answer = connect(client, omni, omni.organization.demo_tokens["lead"], label="Same")
    assert answer.status_code == 422
    assert "You already have a credential with this name." in text_of(answer)
    assert Credential.objects.count() == 1


def test_one_is_renamed(owner: User, omni: StandIn) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "Before")
    credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Taken")
    client = signed_in(owner)
    assert "already have a credential with this name" in text_of(
        client.post(f"/credentials/{credential.pk}/", {"label": "Taken"})
    )
    client.post(f"/credentials/{credential.pk}/", {"label": "After"})
    credential.refresh_from_db()
    assert credential.label == "After"


def test_a_token_is_replaced_only_by_one_that_omni_accepts(owner: User, omni: StandIn) -> None:
    tokens = omni.organization.demo_tokens
    credential = credential_for(owner, omni, tokens["analyst"])
    client = signed_in(owner)
    client.get(f"/conversations/{EXAMPLE}/")
    page = client.post(f"/credentials/{credential.pk}/token/", {"token": tokens["revoked"]})
    assert "Omni rejected this token" in text_of(page)
    assert tokens["revoked"] not in text_of(page)
    credential.refresh_from_db()
    assert credential.api_token.token.reveal() == tokens["analyst"]
    answer = client.post(f"/credentials/{credential.pk}/token/?next=/chat/{EXAMPLE}", {"token": tokens["support"]})
    assert answer["Location"] == f"/chat/{EXAMPLE}"
    credential.refresh_from_db()
    assert credential.api_token.token.reveal() == tokens["support"]


def test_a_replaced_token_has_to_be_shown_everything_again(owner: User, omni: StandIn) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    client = signed_in(owner)
    assert client.get(f"/conversations/{EXAMPLE}/").status_code == 200
    client.post(f"/credentials/{credential.pk}/token/", {"token": omni.organization.demo_tokens["support"]})
    assert client.get(f"/conversations/{EXAMPLE}/").status_code == 404


def test_removing_asks_first_and_says_what_goes(owner: User, omni: StandIn) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    client = signed_in(owner)
    client.get(f"/conversations/{EXAMPLE}/")
    page = text_of(client.get(f"/credentials/{credential.pk}/remove/"))
    assert "<strong>1 stored conversation</strong>" in page
    assert Credential.objects.exists()
    client.post(f"/credentials/{credential.pk}/remove/")
    assert not Credential.objects.exists()
    assert not Conversation.objects.exists()
    assert not Access.objects.exists()


def test_removing_leaves_what_others_may_read(owner: User, colleague: User, omni: StandIn) -> None:
    mine = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    credential_for(colleague, omni, omni.organization.demo_tokens["lead"])
    signed_in(owner).get(f"/conversations/{EXAMPLE}/")
    signed_in(colleague).get(f"/conversations/{EXAMPLE}/")
    assert "No stored conversation is deleted with it" in text_of(
        signed_in(owner).get(f"/credentials/{mine.pk}/remove/")
    )
    signed_in(owner).post(f"/credentials/{mine.pk}/remove/")
    omni.requests.clear()
    assert signed_in(colleague).get(f"/conversations/{EXAMPLE}/").status_code == 200
    assert omni.requests == []


def test_removing_the_default_makes_the_next_one_the_default(owner: User, omni: StandIn) -> None:
    first = credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "First")
    second = credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Second")
    signed_in(owner).post(f"/credentials/{first.pk}/remove/")
    second.refresh_from_db()
    assert second.is_default


@pytest.mark.parametrize("page", ["", "token/", "remove/"])
def test_nobody_touches_anothers(owner: User, stranger: User, omni: StandIn, page: str) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    assert signed_in(stranger).get(f"/credentials/{credential.pk}/{page}").status_code == 404
    assert signed_in(stranger).post(f"/credentials/{credential.pk}/{page}", {"label": "x"}).status_code == 404
    assert signed_in(stranger).post(f"/credentials/{credential.pk}/default/").status_code == 404
    assert Credential.objects.get() == credential


def test_tokens_are_stored_encrypted_and_shown_nowhere(owner: User, omni: StandIn) -> None:
    token = omni.organization.demo_tokens["analyst"]
    credential = credential_for(owner, omni, token)
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_credential")
        assert token not in str(cursor.fetchall())
    client = signed_in(owner)
    for page in ("", "connect/", f"{credential.pk}/", f"{credential.pk}/token/", f"{credential.pk}/remove/"):
        shown = text_of(client.get(f"/credentials/{page}"))
        own = shown.split("Demo tokens to try")[0]
        assert token not in own, page
        assert credential.api_token.ciphertext not in shown, page
    assert token not in repr(credential.api_token.token) + str(credential.api_token.token) + repr(credential)


def test_keys_rotate(owner: User, omni: StandIn, settings: Settings) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    old, new = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = [new]
    credential.refresh_from_db()
    assert credential.api_token.token.reveal() == omni.organization.demo_tokens["analyst"]


def test_the_signing_key_rotates_and_a_token_stays_the_same(
    owner: User, colleague: User, omni: StandIn, settings: Settings
) -> None:
    """The token's digest depends on the signing key, yet a new key must not lead to a second row for the token."""
    token, old = omni.organization.demo_tokens["lead"], settings.SECRET_KEY
    first = credential_for(owner, omni, token)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key, of at least 32 characters", [old]
    assert "You have already connected this token" in text_of(connect(signed_in(owner), omni, token))
    second = credential_for(colleague, omni, token)
    assert second.api_token == first.api_token
    call_command("rotate_keys")
    settings.SECRET_KEY_FALLBACKS = []
    third = credential_for(person("third"), omni, token)
    assert third.api_token == first.api_token
    assert ApiToken.objects.count() == 1


def test_a_missing_key_loses_nothing_and_says_so(owner: User, omni: StandIn, settings: Settings) -> None:
    credential = credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="1 could not be decrypted"):
        call_command("rotate_keys")
    answer = signed_in(owner).get("/conversations/")
    assert answer.status_code == 503
    assert "The stored token cannot be decrypted" in text_of(answer)
    settings.ENCRYPTION_KEYS = old
    credential.refresh_from_db()
    assert credential.api_token.token.reveal() == omni.organization.demo_tokens["analyst"]
    assert credential.rejected_at is None


# Guessing at tokens ---------------------------------------------------------------------------------------


def test_so_many_tokens_and_no_more_are_tried(owner: User, colleague: User, omni: StandIn) -> None:
    """All attempts count, wrong and right, new and replaced; a form that does not ask Omni does not count."""
    reader = signed_in(owner)
    right = omni.organization.demo_tokens["analyst"]
    for _ in range(12):
        assert connect(reader, omni, "short").status_code == 422
    assert connect(reader, omni, right).status_code == 302
    credential = Credential.objects.get()
    for number in range(5):
        assert connect(reader, omni, f"guessed-token-{number}").status_code == 422
        replaced = reader.post(f"/credentials/{credential.pk}/token/", {"token": f"guessed-token-{number}"})
        assert replaced.status_code == (422 if number < 4 else 429)
    omni.requests.clear()
    for answer in (
        connect(reader, omni, omni.organization.demo_tokens["lead"]),
        reader.post(f"/credentials/{credential.pk}/token/", {"token": right}),
    ):
        assert answer.status_code == 429
        assert "You have tried too many tokens. Try again in 10 minutes." in text_of(answer)
    assert omni.requests == []
    assert connect(signed_in(colleague), omni, right).status_code == 302
    FailedSignIn.objects.update(at=timezone.now() - throttle.TOKEN_WINDOW - timedelta(seconds=1))
    assert reader.post(f"/credentials/{credential.pk}/token/", {"token": right}).status_code == 302


def test_one_token_of_a_person_is_tried_at_a_time(owner: User, colleague: User, omni: StandIn) -> None:
    right = omni.organization.demo_tokens["analyst"]
    with throttle.trying_token(owner):
        answer = connect(signed_in(owner), omni, right)
        assert answer.status_code == 429
        assert "Another of your tokens is being checked" in text_of(answer)
        assert connect(signed_in(colleague), omni, right).status_code == 302
    assert connect(signed_in(owner), omni, right).status_code == 302


def test_a_try_whose_process_ended_holds_nobody_up_for_long(owner: User, omni: StandIn, settings: Settings) -> None:
    trying = throttle.trying_token(owner)
    trying.__enter__()
    FailedSignIn.objects.update(at=timezone.now() - timedelta(seconds=2 * settings.OMNI_TIMEOUT + 6))
    assert connect(signed_in(owner), omni, omni.organization.demo_tokens["analyst"]).status_code == 302


def test_what_no_longer_counts_is_deleted_every_hour(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get("/conversations/")
    Client().post("/sign-in/", {"username": "owner", "password": "wrong"})
    expired = SessionStore()
    expired.set_expiry(timedelta(seconds=-1))
    expired.create()
    blocked = TokenBudget.objects.create(token="b" * 64, blocked_until=timezone.now() + timedelta(minutes=2))
    tasks.hourly.call()
    assert set(TokenBudget.objects.values_list("token", flat=True)) > {blocked.token}, "those of this minute count"
    assert FailedSignIn.objects.exists()
    assert not Session.objects.filter(expire_date__lt=timezone.now()).exists()
    SentRequest.objects.update(sent_at=0)
    FailedSignIn.objects.update(at=timezone.now() - timedelta(hours=1))
    tasks.hourly.call()
    assert not SentRequest.objects.exists()
    assert not FailedSignIn.objects.exists()
    assert list(TokenBudget.objects.all()) == [blocked]
    [again] = DBTaskResult.objects.filter(task_path="conversations.tasks.hourly", status="READY")
    assert timedelta(0) < again.run_after - timezone.now() <= timedelta(hours=1)
