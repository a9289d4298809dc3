"""SCIM: the company's directory tells of people and groups, in the words of Entra ID and of Okta."""

import hashlib
import json
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from pytest_django import Settings

from conversations.models import Conversation, Hold
from omniviewer.accounts.models import Credential, FailedSignIn, Identity, User
from omniviewer.accounts.provisioning import ProvisionedGroup, ProvisionedUser
from omniviewer.accounts.sign_in import admission, oidc, throttle
from omniviewer.accounts.sign_in.admission import Person, Refused, admit
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import credential_for, signed_in

# An id of nobody, the same in every run.
NOBODY = "0b3e9ad1-7a7b-4a53-9d5f-53d5c3b7f0aa"

pytestmark = pytest.mark.django_db

TOKEN, NEXT = "a token of the directory's", "the one that follows it"
ISSUER = "https://id.example.com"
ENTRA = ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
OBJECT_ID = "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
ANN = {
    "schemas": ENTRA,
    "externalId": OBJECT_ID,
    "userName": "Ann.Analyst@corp.example",
    "active": True,
    "emails": [{"primary": True, "type": "work", "value": "ann@corp.example"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Ann Analyst", "familyName": "Analyst", "givenName": "Ann"},
    "roles": [],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "BI"},
}


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture(autouse=True)
def directory(settings: Settings) -> None:
    # Modules that read the settings as they are imported keep the tests' own.
    assert get_resolver().url_patterns
    settings.SCIM_TOKEN_HASHES = [digest(TOKEN), digest(NEXT)]
    settings.OIDC_ISSUER = ISSUER


def ask(method: str, path: str, body: Any = None, token: str = TOKEN, **headers: str) -> Any:
    """Send a request as a directory does, and return the answer with what it says as `told`."""
    data = body if isinstance(body, str) else json.dumps(body)
    sent = {"Authorization": f"Bearer {token}", **headers} if token else headers
    answer: Any = Client().generic(
        method, f"/scim/v2/{path}", data if body is not None else "", "application/scim+json", headers=sent
    )
    if answer.content and answer["Content-Type"] == "application/scim+json":
        answer.told = json.loads(answer.content)
    return answer


def made(**but: Any) -> dict[str, Any]:
    answer = ask("POST", "Users", ANN | but)
    assert answer.status_code == 201, answer.content
    return answer.told  # type: ignore[no-any-return]


def changed(scim_id: str, *operations: dict[str, Any], path: str = "Users") -> Any:
    return ask("PATCH", f"{path}/{scim_id}", {"schemas": [PATCH], "Operations": list(operations)})


def ann() -> User:
    return ProvisionedUser.objects.get(external_id=OBJECT_ID).user


def sign_in_as(subject: str, **said: Any) -> User:
    return admit(Person(issuer=ISSUER, subject=subject, usernames=("somebody",), **said))


def error(answer: Any, status: int, kind: str = "") -> str:
    assert answer.status_code == status, answer.content
    assert answer.told["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.told["status"] == str(status)
    assert answer.told.get("scimType", "") == kind
    return str(answer.told["detail"])


# People ---------------------------------------------------------------------------------------------------


def test_it_works() -> None:
    """A directory names somebody, finds them, changes them, and they sign in as the same person."""
    told = made()
    assert told["userName"] == "Ann.Analyst@corp.example"
    assert told["active"] is True
    assert told["emails"] == [{"value": "ann@corp.example", "type": "work", "primary": True}]
    assert told["meta"]["location"] == f"http://testserver/scim/v2/Users/{told['id']}"
    user = ann()
    assert (user.username, user.first_name, user.last_name) == ("Ann.Analyst", "Ann", "Analyst")
    assert not user.has_usable_password()
    assert (user.is_staff, user.is_superuser) == (False, False)
    found = ask("GET", 'Users?filter=userName eq "ann.analyst@CORP.example"&startIndex=1&count=100').told
    assert (found["totalResults"], found["itemsPerPage"], found["Resources"][0]["id"]) == (1, 1, told["id"])
    assert sign_in_as(OBJECT_ID) == user
    assert list(Event.objects.order_by("pk").values_list("kind", "whom", "by")) == [
        ("person-added", "Ann.Analyst", "scim")
    ]


def test_who_has_signed_in_already_is_that_person() -> None:
    before = sign_in_as(OBJECT_ID)
    made()
    assert ann() == before
    assert User.objects.count() == 1
    assert Event.objects.get().fields == "named by the directory"


def test_nobody_is_taken_for_another_by_name_or_address(owner: User) -> None:
    """Neither a username here nor an e-mail address makes a person of the directory somebody who is here."""
    owner.email = "ann@corp.example"
    owner.save()
    told = made(userName="owner")
    assert ann() != owner
    assert ask("GET", 'Users?filter=userName eq "owner"').told["Resources"][0]["id"] == told["id"]
    changed(told["id"], {"op": "replace", "value": {"active": False}})
    owner.refresh_from_db()
    assert owner.is_active


@pytest.mark.parametrize(
    ("operation", "column", "value"),
    [
        ({"op": "Replace", "path": 'emails[type eq "work"].value', "value": "n@x.example"}, "email", "n@x.example"),
        ({"op": "Add", "path": 'emails[primary eq "True"].value', "value": "n@x.example"}, "email", "n@x.example"),
        ({"op": "Replace", "path": 'emails[type eq "home"].value', "value": "x@y.de"}, "email", "ann@corp.example"),
        ({"op": "Replace", "path": "emails", "value": [{"value": "b@x.de", "type": "other"}]}, "email", "b@x.de"),
        ({"op": "Remove", "path": 'emails[type eq "work"].value'}, "email", ""),
        ({"op": "Add", "path": 'emails[type eq "home"]', "value": {"value": "x@y.de"}}, "email", "ann@corp.example"),
        ({"op": "Add", "path": 'emails[type eq "work"]', "value": {"value": "n@x.de"}}, "email", "n@x.de"),
        ({"op": "remove", "path": "emails"}, "email", ""),
        ({"op": "Replace", "path": "name.familyName", "value": "Married"}, "last_name", "Married"),
        ({"op": "Add", "value": {"name.familyName": "Married"}}, "last_name", "Married"),
        ({"op": "replace", "value": {"name": {"familyName": "Married"}}}, "last_name", "Married"),
        ({"op": "remove", "path": "name.familyName"}, "last_name", ""),
        ({"op": "replace", "path": "displayName", "value": "Anna Best"}, "first_name", "Anna"),
        ({"op": "replace", "path": f"{ENTRA[0]}:name.givenName", "value": "Anna"}, "first_name", "Anna"),
        ({"op": "Add", "path": f"{ENTRA[1]}:department", "value": "BI"}, "first_name", "Ann"),
        ({"op": "Replace", "path": f"{ENTRA[1]}:manager", "value": {"value": "1"}}, "first_name", "Ann"),
        ({"op": "Add", "path": "title", "value": "Analyst"}, "first_name", "Ann"),
        ({"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "123"}, "first_name", "Ann"),
        ({"op": "replace", "value": {ENTRA[1]: {"department": "BI"}, "name.givenName": "Anna"}}, "first_name", "Anna"),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)  # fmt: skip
def test_changes_of_a_person(operation: dict[str, Any], column: str, value: str) -> None:
    answer = changed(made()["id"], operation)
    assert answer.status_code == 200, answer.content
    assert getattr(ann(), column) == value


DEACTIVATIONS = [
    {"op": "Replace", "path": "active", "value": "False"},
    {"op": "replace", "path": "active", "value": False},
    {"op": "Replace", "value": {"active": "False"}},
    {"op": "replace", "value": {"active": False}},
    {"op": "Add", "path": f"{ENTRA[0]}:active", "value": "false"},
]


@pytest.mark.parametrize("operation", DEACTIVATIONS, ids=json.dumps)
def test_a_person_who_is_deactivated_is_offboarded(
    operation: dict[str, Any], small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    """At once: sessions end, tokens go with what only they could read, and the door is shut."""
    scim_id = made()["id"]
    user = sign_in_as(OBJECT_ID)
    found = answered(small, analyst, ages=[DAY])
    credential_for(user, small_omni, small.personal_token(analyst))
    client = signed_in(user)
    client.get(thread(found))
    assert Conversation.objects.exists()
    answer = changed(scim_id, operation)
    assert (answer.status_code, answer.told["active"]) == (200, False)
    assert client.get("/credentials/").status_code == 302
    assert not Credential.objects.exists()
    work()
    assert not Conversation.objects.exists()
    with pytest.raises(Refused, match="inactive"):
        sign_in_as(OBJECT_ID)
    events = list(Event.objects.filter(kind__in=["credential-removed", "person-offboarded"]).values_list("kind", "by"))
    assert sorted(events) == [("credential-removed", "scim"), ("person-offboarded", "scim")]
    again = changed(scim_id, operation)
    assert again.told["active"] is False
    assert Event.objects.filter(kind="person-offboarded").count() == 1


def test_deactivation_respects_holds(small: Organization, small_omni: StandIn, analyst: Member) -> None:
    scim_id = made()["id"]
    found: InOmni = answered(small, analyst, ages=[DAY])
    credential_for(ann(), small_omni, small.personal_token(analyst))
    signed_in(ann()).get(thread(found))
    Hold.objects.create(instance=small_omni.host, kind="conversation", name=str(found.id), reason="Case 7")
    assert ask("DELETE", f"Users/{scim_id}").status_code == 204
    work()
    assert Conversation.objects.count() == 1


def test_a_person_who_comes_back_is_the_same() -> None:
    scim_id = made()["id"]
    changed(scim_id, {"op": "replace", "value": {"active": False}})
    answer = changed(scim_id, {"op": "Replace", "path": "active", "value": "True"})
    assert answer.told["active"] is True
    assert sign_in_as(OBJECT_ID) == ann()


def test_whom_staff_deactivated_the_directory_does_not_readmit_by_saying_the_same() -> None:
    scim_id = made()["id"]
    user = ann()
    user.is_active = False
    user.save()
    assert ask("PUT", f"Users/{scim_id}", ANN).told["active"] is False
    assert changed(scim_id, {"op": "replace", "value": {"active": True}}).told["active"] is False
    changed(scim_id, {"op": "replace", "value": {"active": False}})
    assert changed(scim_id, {"op": "replace", "value": {"active": True}}).told["active"] is True


def test_naming_somebody_whom_staff_deactivated_readmits_nobody() -> None:
    user = sign_in_as(OBJECT_ID)
    user.is_active = False
    user.save()
    assert made()["active"] is False


def test_a_deleted_person_is_deactivated_and_may_come_back() -> None:
    first = made()
    assert ask("DELETE", f"Users/{first['id']}").status_code == 204
    user = User.objects.get()
    assert not user.is_active
    error(ask("GET", f"Users/{first['id']}"), 404)
    error(ask("DELETE", f"Users/{first['id']}"), 404)
    assert ask("GET", "Users").told["totalResults"] == 0
    other = made(externalId="another-object", emails=[])
    assert other["id"] != first["id"], "the name of somebody deleted may be given to another"
    assert ProvisionedUser.objects.get(external_id="another-object").user != user
    ask("DELETE", f"Users/{other['id']}")
    again = made()
    assert ann() == user
    assert again["active"] is True
    assert again["id"] != first["id"]


@pytest.mark.parametrize("role", [False, True])
def test_deletion_offboards_whom_staff_have_readmitted(role: bool, settings: Settings) -> None:
    settings.STAFF_GROUP = "BI admins"
    told = made()
    group(members=[member(told["id"])])
    changed(told["id"], {"op": "replace", "value": {"active": False}})
    user = ann()
    user.is_active, user.is_staff = not role, role
    user.save()
    assert ask("DELETE", f"Users/{told['id']}").status_code == 204
    user.refresh_from_db()
    assert (user.is_active, user.is_staff) == (False, False)


def test_the_first_word_on_somebody_blanks_nothing() -> None:
    user = sign_in_as(OBJECT_ID, first_name="Ann", last_name="Old", email="ann@corp.example", email_is_verified=True)
    body = {name: value for name, value in ANN.items() if name not in ("name", "emails")}
    assert ask("POST", "Users", body | {"name": {"familyName": "Married"}}).status_code == 201
    user.refresh_from_db()
    assert (user.first_name, user.last_name, user.email) == ("Ann", "Married", "ann@corp.example")


def test_one_named_as_inactive_is() -> None:
    assert made(active=False)["active"] is False
    with pytest.raises(Refused, match="inactive"):
        sign_in_as(OBJECT_ID)


def test_a_whole_person_replaces_what_was_told() -> None:
    """Okta sends the whole person."""
    scim_id = made()["id"]
    whole = {"schemas": ENTRA[:1], "userName": "ann@corp.example", "name": {"givenName": "Anna"}, "active": True}
    answer = ask("PUT", f"Users/{scim_id}", whole)
    assert answer.status_code == 200
    assert (ann().first_name, ann().last_name, ann().email) == ("Anna", "", "")
    assert answer.told["userName"] == "ann@corp.example"
    assert answer.told["externalId"] == OBJECT_ID
    last = Event.objects.order_by("pk").last()
    assert last
    assert (last.kind, last.fields) == ("person-changed", "userName, name, email")
    ask("PUT", f"Users/{scim_id}", whole)
    assert Event.objects.order_by("pk").last() == last, "the same once more is no change"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "invalidSyntax"),
        ("[]", "invalidSyntax"),
        ("[" * 100_000, "invalidSyntax"),
        ({**ANN, "userName": ""}, "invalidValue"),
        ({"externalId": "x"}, "invalidValue"),
        ({**ANN, "externalId": ""}, "invalidValue"),
        ({**ANN, "externalId": "a\x00b"}, "invalidValue"),
        ({**ANN, "userName": "a\ud800"}, "invalidValue"),
        ({**ANN, "name": {"givenName": "\udfff"}}, "invalidValue"),
        ({**ANN, "emails": [{"value": "\udc00@corp.example"}]}, "invalidValue"),
        ({**ANN, "userName": "x" * 255}, "invalidValue"),
        ({**ANN, "userName": 7}, "invalidValue"),
        ({**ANN, "active": "yes"}, "invalidValue"),
        ({**ANN, "active": None}, "invalidValue"),
        ({**ANN, "emails": "ann"}, ""),
        ({**ANN, "emails": ["ann"]}, "invalidValue"),
        ({**ANN, "name": "Ann"}, "invalidValue"),
    ],
    ids=lambda value: str(value)[-50:],
)
def test_a_person_who_makes_no_sense_is_refused(body: Any, kind: str) -> None:
    answer = ask("POST", "Users", body)
    if not kind:  # an address that is none is not stored
        assert answer.status_code == 201
        assert ann().email == ""
        return
    error(answer, 400, kind)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "invalidSyntax"),
        ({"Operations": []}, "invalidSyntax"),
        ({"Operations": "all"}, "invalidSyntax"),
        ({"Operations": ["x"]}, "invalidSyntax"),
        ({"Operations": [{"op": "move", "path": "active", "value": True}]}, "invalidSyntax"),
        ({"Operations": [{"op": "remove"}]}, "noTarget"),
        ({"Operations": [{"op": "replace", "value": "x"}]}, "invalidValue"),
        ({"Operations": [{"op": "replace", "path": "emails[", "value": "x"}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "a b", "value": "x"}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "active", "value": "perhaps"}]}, "invalidValue"),
        ({"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
        ({"Operations": [{"op": "replace", "path": "userName", "value": ""}]}, "invalidValue"),
        ({"Operations": [{"op": "add", "path": "title", "value": "x"}] * 1001}, "invalidSyntax"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_change_that_makes_no_sense_changes_nothing(body: Any, kind: str) -> None:
    scim_id = made()["id"]
    before = ask("GET", f"Users/{scim_id}").told
    error(ask("PATCH", f"Users/{scim_id}", body), 400, kind)
    assert ask("GET", f"Users/{scim_id}").told == before


def test_of_several_changes_all_are_done_or_none() -> None:
    scim_id = made()["id"]
    made(userName="ben@corp.example", externalId="ben")
    ok, not_ok = (
        {"op": "replace", "path": "name.givenName", "value": "Anna"},
        {
            "op": "replace",
            "path": "userName",
            "value": "BEN@corp.example",
        },
    )
    assert error(changed(scim_id, ok, not_ok), 409, "uniqueness") == "userName is that of another person."
    assert ann().first_name == "Ann"


@pytest.mark.parametrize(
    "but",
    [
        {"externalId": "other"},
        {"userName": "other"},
        {"userName": "ANN.analyst@corp.example", "externalId": "other"},
    ],
    ids=str,
)
def test_nobody_is_named_twice(but: dict[str, str]) -> None:
    made()
    error(ask("POST", "Users", ANN | but), 409, "uniqueness")
    assert User.objects.count() == 1


@pytest.mark.parametrize("has", ["signed in", "a token", "neither"])
def test_who_somebody_is_at_sign_in_may_change_only_before(
    has: str, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    """Else the directory's token would be a key to read as anybody with."""
    scim_id = made()["id"]
    if has == "signed in":
        Client().force_login(ann())
    elif has == "a token":
        credential_for(ann(), small_omni, small.personal_token(analyst))
    answer = changed(scim_id, {"op": "replace", "path": "externalId", "value": "another-object"})
    if has == "neither":
        assert answer.status_code == 200
        assert sign_in_as("another-object") == ProvisionedUser.objects.get().user
        return
    error(answer, 400, "mutability")
    assert Identity.objects.get().subject == OBJECT_ID


@pytest.mark.parametrize("name", ["0a21f0f28d2aann@corp.example", "ben@corp.example", "stranger"], ids=str)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_leaver_who_is_renamed_is_offboarded(name: str, method: str, settings: Settings) -> None:
    """Entra ID puts an id before the name of somebody deleted: a refused name must not keep their sessions open."""
    settings.SCIM_SUBJECT = "userName"
    sign_in_as("stranger")
    made(userName="ben@corp.example", externalId="ben", emails=[])
    scim_id = made()["id"]
    client = signed_in(ann())
    if method == "PUT":
        answer = ask("PUT", f"Users/{scim_id}", ANN | {"userName": name, "active": False})
    else:
        renamed = {"op": "Replace", "path": "userName", "value": name}
        answer = changed(scim_id, renamed, {"op": "Replace", "path": "active", "value": "False"})
    assert (answer.status_code, answer.told["active"], answer.told["userName"]) == (200, False, ANN["userName"])
    assert client.get("/credentials/").status_code == 302
    assert not ann().is_active
    assert set(Identity.objects.values_list("subject", flat=True)) == {ANN["userName"], "ben@corp.example", "stranger"}


def test_capital_letters_make_no_other_subject_of_a_name_that_a_proxy_gives(settings: Settings) -> None:
    settings.OIDC_ISSUER, settings.PROXY_HEADER, settings.SCIM_SUBJECT = "", "X-User", "userName"
    scim_id = made()["id"]
    user = admit(Person(issuer="proxy", subject="ann.analyst@CORP.example", ignores_case=True))
    signed_in(user)
    answer = changed(scim_id, {"op": "replace", "path": "userName", "value": "ANN.ANALYST@corp.example"})
    assert (answer.status_code, answer.told["userName"]) == (200, "ANN.ANALYST@corp.example")
    assert admit(Person(issuer="proxy", subject="ann.analyst@corp.example", ignores_case=True)) == user
    error(changed(scim_id, {"op": "replace", "path": "userName", "value": "other@corp.example"}), 400, "mutability")


def test_nobody_becomes_another_by_a_change_of_subject() -> None:
    stranger = sign_in_as("a stranger")
    scim_id = made()["id"]
    error(changed(scim_id, {"op": "replace", "path": "externalId", "value": "a stranger"}), 409, "uniqueness")
    assert sign_in_as("a stranger") == stranger


@pytest.mark.parametrize("way", ["saml", "proxy"])
def test_each_way_to_sign_in_finds_them(way: str, settings: Settings) -> None:
    settings.OIDC_ISSUER = ""
    if way == "saml":
        settings.SAML_ENTITY_ID, issuer, subject = "https://idp.example", "saml:https://idp.example", OBJECT_ID
    else:
        settings.PROXY_HEADER, settings.SCIM_SUBJECT = "X-User", "userName"
        issuer, subject = "proxy", "ANN.ANALYST@corp.example"
    made()
    assert admit(Person(issuer=issuer, subject=subject, ignores_case=way == "proxy")) == ann()
    assert Identity.objects.count() == 1


def test_entra_id_says_who_somebody_is_by_another_claim(settings: Settings) -> None:
    """Its `sub` differs for each application; the userinfo cannot say another `oid` than the signed token."""
    settings.OIDC_SUBJECT_CLAIM = "oid"
    made()
    signed = {"iss": ISSUER, "sub": "of this application", "oid": OBJECT_ID}
    said = oidc._joined(signed, {"sub": "of this application", "oid": "somebody else's", "given_name": "Anna"})
    assert admit(oidc._person(said)) == ann()
    assert ann().first_name == "Anna"
    with pytest.raises(Refused, match="no-subject"):
        admit(oidc._person({"iss": ISSUER, "sub": "of this application"}))


# Finding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('userName eq "ann.analyst@corp.example"', 1),
        ('USERNAME EQ "ANN.ANALYST@corp.example"', 1),
        (f'{ENTRA[0]}:userName eq "ann.analyst@corp.example"', 1),
        (f'externalId eq "{OBJECT_ID}"', 1),
        (f'externalId eq "{OBJECT_ID.upper()}"', 0),
        ('emails[type eq "work"].value eq "ANN@corp.example"', 1),
        ('emails.value eq "ann@corp.example"', 1),
        ("active eq true", 1),
        ('active eq "False"', 0),
        ('userName eq "no\\"body"', 0),
        ('userName eq "CORP\\ann"', 0),
        ('id eq "x"', 0),
        (f'id eq "{NOBODY}"', 0),
        ('userName eq "CORP\\\\xavier"', 0),
        ('active eq "true"', 1),
        ('active eq "FALSE"', 0),
        ('userName eq ""', 0),
        ('userName eq "\\u0000"', 0),
        ("", 1),
    ],
)
def test_filters(query: str, found: int) -> None:
    made()
    answer = ask("GET", f"Users?filter={query.replace('%', '%25').replace(' ', '%20')}".replace("\\", "%5C"))
    assert answer.status_code == 200, answer.content
    assert answer.told["totalResults"] == found


@pytest.mark.parametrize(
    "query",
    [
        'userName sw "a"',
        "userName eq ann",
        'title eq "x"',
        'userName eq "a" or userName eq "b"',
        "x",
        '"',
        'userName eq "a%09b"',
        'userName eq "\\ud800"',
        'externalId eq "x\\uDFFFy"',
    ],
)
def test_other_filters_are_refused(query: str) -> None:
    error(ask("GET", f"Users?filter={query.replace(' ', '%20')}"), 400, "invalidFilter")
    error(ask("GET", f"Groups?filter={query.replace(' ', '%20')}"), 400, "invalidFilter")


def test_pages() -> None:
    for number in range(5):
        made(userName=f"{number}@corp.example", externalId=f"{number}", emails=[])

    def names(query: str) -> list[str]:
        return [row["userName"][0] for row in ask("GET", f"Users?{query}").told["Resources"]]

    assert names("startIndex=1&count=2") == ["0", "1"]
    assert names("startIndex=3&count=2") == ["2", "3"]
    assert names("startIndex=5&count=2") == ["4"]
    assert names("startIndex=-7&count=1") == ["0"]
    assert names("startIndex=6") == []
    told = ask("GET", "Users?count=0").told
    assert (told["totalResults"], told["itemsPerPage"], told["Resources"]) == (5, 0, [])
    assert names("count=-1") == []
    assert names("startIndex=99999999999999999999") == []
    for query in ("count=all", "startIndex=1.5"):
        error(ask("GET", f"Users?{query}"), 400, "invalidValue")
    assert set(ask("GET", "Users?attributes=userName&count=1").told["Resources"][0]) == {"schemas", "id", "userName"}
    assert "emails" not in ask("GET", "Users?excludedAttributes=emails,name.givenName").told["Resources"][0]


@pytest.mark.parametrize("path", ["Users", "Groups"])
@pytest.mark.parametrize("scim_id", ["x", "1", NOBODY])
def test_what_is_not_there(path: str, scim_id: str) -> None:
    error(ask("GET", f"{path}/{scim_id}"), 404)
    error(ask("PUT", f"{path}/{scim_id}", {"userName": "x", "displayName": "x"}), 404)
    error(ask("PATCH", f"{path}/{scim_id}", {"Operations": [{"op": "replace", "value": {}}]}), 404)
    error(ask("DELETE", f"{path}/{scim_id}"), 404)


def test_nobody_else_is_told_of(owner: User, colleague: User) -> None:
    """The directory sees and changes whom it has named, not an administrator in need or who else is here."""
    made()
    assert ask("GET", "Users").told["totalResults"] == 1
    assert "owner" not in ask("GET", "Users").content.decode()


# Groups ---------------------------------------------------------------------------------------------------


def group(**but: Any) -> dict[str, Any]:
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "BI admins", **but}
    answer = ask("POST", "Groups", body)
    assert answer.status_code == 201, answer.content
    return answer.told  # type: ignore[no-any-return]


def member(scim_id: str) -> dict[str, Any]:
    return {"$ref": None, "value": scim_id}


@pytest.mark.parametrize(
    ("add", "remove"),
    [
        ({"op": "Add", "path": "members", "value": ["them"]}, {"op": "Remove", "path": "members", "value": ["them"]}),
        ({"op": "add", "path": "members", "value": ["them"]}, {"op": "remove", "path": 'members[value eq "ID"]'}),
        ({"op": "replace", "path": "members", "value": ["them"]}, {"op": "replace", "path": "members", "value": []}),
        ({"op": "replace", "value": {"members": ["them"]}}, {"op": "remove", "path": "members"}),
    ],
    ids=json.dumps,
)
def test_members_of_the_group_that_the_settings_name_are_staff(
    add: dict[str, Any], remove: dict[str, Any], settings: Settings
) -> None:
    settings.STAFF_GROUP = "BI admins"
    person, row = made(), group()

    def with_id(operation: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(operation).replace('"them"', json.dumps(member(person["id"]))).replace("ID", person["id"])
        return json.loads(text)  # type: ignore[no-any-return]

    answer = changed(row["id"], with_id(add), path="Groups")
    assert [each["value"] for each in answer.told["members"]] == [person["id"]]
    assert (ann().is_staff, ann().is_superuser) == (True, False)
    assert ask("GET", f"Users/{person['id']}").told["groups"][0]["display"] == "BI admins"
    assert sign_in_as(OBJECT_ID).is_staff, "whatever groups the provider names"
    answer = changed(row["id"], with_id(remove), path="Groups")
    assert answer.told["members"] == []
    assert not ann().is_staff
    events = Event.objects.filter(fields="is_staff").order_by("pk").values_list("kind", "whom", "by")
    assert list(events) == [("person-changed", "Ann.Analyst", "scim")] * 2


@pytest.mark.parametrize("named", ["nothing", "another group"])
def test_no_group_makes_an_administrator_but_the_one_that_settings_name(named: str, settings: Settings) -> None:
    settings.STAFF_GROUP = "" if named == "nothing" else "Others"
    person = made(roles=[{"value": "admin", "primary": True}], entitlements=[{"value": "superuser"}])
    for name in ("BI admins", "Administrators", "staff", "superuser"):
        group(displayName=name, members=[member(person["id"])])
    assert (ann().is_staff, ann().is_superuser, ann().is_auditor) == (False, False, False)
    assert not sign_in_as(OBJECT_ID).is_staff


def test_a_group_is_known_by_its_external_id_too(settings: Settings) -> None:
    """Entra ID names groups by their object ids in its tokens."""
    settings.AUDITOR_GROUP = "7f1b6c1e-0000-4000-8000-000000000007"
    group(externalId="7f1b6c1e-0000-4000-8000-000000000007", members=[member(made()["id"])])
    assert ann().is_auditor
    assert not ann().is_staff


def test_an_external_id_can_be_taken_away_and_a_name_cannot(settings: Settings) -> None:
    settings.STAFF_GROUP = "of the directory"
    row = group(externalId="of the directory", members=[member(made()["id"])])
    assert ann().is_staff
    assert "externalId" not in changed(row["id"], {"op": "remove", "path": "externalId"}, path="Groups").told
    assert not ann().is_staff
    error(changed(row["id"], {"op": "remove", "path": "displayName"}, path="Groups"), 400, "mutability")


def test_another_name_takes_the_role_away(settings: Settings) -> None:
    settings.STAFF_GROUP = "BI admins"
    row = group(members=[member(made()["id"])])
    assert ann().is_staff
    # Okta leaves the path out and names the id too.
    answer = changed(row["id"], {"op": "replace", "value": {"id": row["id"], "displayName": "Analysts"}}, path="Groups")
    assert (answer.status_code, answer.told["displayName"]) == (200, "Analysts")
    assert not ann().is_staff
    changed(row["id"], {"op": "Replace", "path": "displayName", "value": "BI admins"}, path="Groups")
    assert ann().is_staff
    assert ask("DELETE", f"Groups/{row['id']}").status_code == 204
    assert not ann().is_staff
    assert not ProvisionedGroup.objects.exists()


def test_who_leaves_is_no_staff_and_is_again_on_coming_back(settings: Settings) -> None:
    settings.STAFF_GROUP = "BI admins"
    person = made()
    group(members=[member(person["id"])])
    changed(person["id"], {"op": "replace", "value": {"active": False}})
    assert not ann().is_staff
    changed(person["id"], {"op": "replace", "value": {"active": True}})
    assert ann().is_staff


def test_groups_of_the_directory_open_the_door(settings: Settings) -> None:
    """Entra ID names no groups in its tokens from 200 on: then the directory's word counts."""
    settings.ALLOWED_GROUPS = ["Analysts"]
    person = made()
    for groups in (None, frozenset[str]()):
        with pytest.raises(Refused):
            sign_in_as(OBJECT_ID, groups=groups)
    row = group(displayName="Analysts", members=[member(person["id"])])
    for groups in (None, frozenset[str]()):
        assert sign_in_as(OBJECT_ID, groups=groups) == ann()
    changed(row["id"], {"op": "remove", "path": "members"}, path="Groups")
    with pytest.raises(Refused):
        sign_in_as(OBJECT_ID)


def test_groups_that_nobody_knows_take_no_role_away(settings: Settings) -> None:
    """The provider names none of very many groups: those that the directory pushes are not all of them."""
    settings.STAFF_GROUP, settings.AUDITOR_GROUP, settings.ALLOWED_GROUPS = "Admins", "Auditors", ["Analysts"]
    person = made()
    group(displayName="Analysts", members=[member(person["id"])])
    assert sign_in_as(OBJECT_ID, groups=frozenset({"Admins"})).is_staff
    assert sign_in_as(OBJECT_ID, groups=None).is_staff
    assert not sign_in_as(OBJECT_ID).is_staff


def test_changes_of_names_leave_roles_alone(settings: Settings) -> None:
    """A role that was given meanwhile is not taken back by what this request has read before."""
    scim_id = made()["id"]
    stale = ann()
    User.objects.update(is_auditor=True)
    admission.learn(stale, Person(issuer=ISSUER, subject=OBJECT_ID, first_name="Anna", groups=None))
    assert (ann().first_name, ann().is_auditor) == ("Anna", True)
    assert ask("GET", f"Users/{scim_id}").told["name"]["givenName"] == "Anna"


def test_each_change_of_a_group_that_settings_name_is_an_event(settings: Settings) -> None:
    settings.ALLOWED_GROUPS = ["Analysts"]
    person = made()
    row = group(displayName="Analysts", members=[member(person["id"])])
    other = group(displayName="Others", members=[member(person["id"])])
    for path in (row["id"], other["id"]):
        changed(path, {"op": "remove", "path": f'members[value eq "{person["id"]}"]'}, path="Groups")
    events = Event.objects.filter(kind="person-changed").values_list("whom", "fields", "by")
    assert list(events) == [("Ann.Analyst", "groups", "scim")] * 2


def test_removing_no_members_removes_nobody() -> None:
    person = made()
    row = group(members=[member(person["id"])])
    answer = changed(row["id"], {"op": "remove", "path": "members", "value": []}, path="Groups")
    assert [each["value"] for each in answer.told["members"]] == [person["id"]]


def test_a_name_like_an_id_is_not_the_group_of_that_id(settings: Settings) -> None:
    """Else anybody who may name groups in the directory could take the role of another group by its id."""
    settings.STAFF_GROUP = "7f1b6c1e-0000-4000-8000-000000000007"
    group(displayName=settings.STAFF_GROUP, members=[member(made()["id"])])
    assert not ann().is_staff


def test_people_whom_the_directory_has_not_named_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Another attribute than sign-in's makes each person a second one."""
    sentence = "sign-in made a person whom the directory has not named"
    sign_in_as("before the directory")
    assert sentence not in caplog.text
    made()
    sign_in_as(OBJECT_ID)
    assert sentence not in caplog.text
    sign_in_as("another subject")
    assert sentence in caplog.text
    caplog.clear()
    sign_in_as("another subject")
    assert sentence not in caplog.text


def test_a_whole_group_replaces_its_members() -> None:
    first, second = made(), made(userName="ben@corp.example", externalId="ben", emails=[])
    row = group(members=[member(first["id"])])
    answer = ask("PUT", f"Groups/{row['id']}", {"displayName": "BI admins", "members": [member(second["id"])]})
    assert [each["value"] for each in answer.told["members"]] == [second["id"]]
    assert ask("PUT", f"Groups/{row['id']}", {"displayName": "BI admins"}).told["members"] == []
    listed = ask("GET", 'Groups?excludedAttributes=members&filter=displayName eq "bi ADMINS"').told["Resources"]
    assert [each["id"] for each in listed] == [row["id"]]
    assert "members" not in listed[0]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"displayName": ""}, 400, "invalidValue"),
        ({"members": []}, 400, "invalidValue"),
        ({"displayName": "bi ADMINS"}, 409, "uniqueness"),
        ({"displayName": "x", "members": [{"value": "x"}]}, 400, "invalidValue"),
        ({"displayName": "x", "members": [{"value": NOBODY}]}, 400, "invalidValue"),
        ({"displayName": "x" * 256}, 400, "invalidValue"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_group_that_makes_no_sense_is_refused(body: Any, status: int, kind: str) -> None:
    group()
    error(ask("POST", "Groups", body), status, kind)
    assert ProvisionedGroup.objects.count() == 1


# The door -------------------------------------------------------------------------------------------------


def test_without_a_token_there_is_no_such_address(settings: Settings, owner: User) -> None:
    settings.SCIM_TOKEN_HASHES = []
    for path in ("Users", "Groups", "ServiceProviderConfig", "Schemas", "ResourceTypes", f"Users/{NOBODY}"):
        answer = ask("GET", path)
        assert answer.status_code == 404
        assert "scim" not in answer["Content-Type"]


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", digest(TOKEN), f"Bearer {digest(TOKEN)}"]
)
def test_who_carries_no_token_is_told_nothing(header: str, owner: User) -> None:
    sent = {"Authorization": header} if header else {}
    for path in ("Users", "ServiceProviderConfig", "Groups"):
        for client in (Client(), signed_in(owner)):
            answer: Any = client.get(f"/scim/v2/{path}", headers=sent)
            answer.told = json.loads(answer.content)
            error(answer, 401)
            assert answer["WWW-Authenticate"] == 'Bearer realm="SCIM"'
    made_by: Any = Client().post("/scim/v2/Users", json.dumps(ANN), "application/scim+json", headers=sent)
    assert made_by.status_code == 401
    assert not ProvisionedUser.objects.exists()


def test_two_tokens_while_one_takes_over(settings: Settings) -> None:
    assert ask("GET", "Users", token=TOKEN).status_code == 200
    assert ask("GET", "Users", token=NEXT).status_code == 200
    settings.SCIM_TOKEN_HASHES = [digest(NEXT)]
    assert ask("GET", "Users", token=TOKEN).status_code == 401
    assert ask("GET", "Users", token=NEXT).status_code == 200


def test_wrong_tokens_are_slowed_down_and_do_not_lock_the_directory_out() -> None:
    answers = [ask("GET", "Users", token="wrong").status_code for _ in range(25)]
    assert answers == [401] * 20 + [429] * 5
    limited = ask("GET", "Users", token="wrong")
    assert int(limited["Retry-After"]) > 0
    error(limited, 429)
    assert ask("GET", "Users").status_code == 200
    assert Event.objects.filter(kind="refused", by="scim", result="wrong-token").count() == 20
    assert FailedSignIn.objects.filter(name__contains="scim").count() == 0
    throttle.forget()
    with CaptureQueriesContext(connection) as queries:
        ask("GET", "Users", token="wrong")
    assert not [row for row in queries if "INSERT" in row["sql"] or "DELETE" in row["sql"]]


def test_cookies_do_nothing_here(owner: User) -> None:
    """The directory acts by its token: not who is signed in at the browser that a request comes from."""
    client = signed_in(owner)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.post("/scim/v2/Users", json.dumps(ANN), "application/scim+json", headers=headers)
    assert answer.status_code == 201
    assert Event.objects.get(kind="person-added").who == ""


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "Users"), ("DELETE", "Groups"), ("POST", "Schemas"), ("OPTIONS", "Users")]
)
def test_other_methods_are_refused(method: str, path: str) -> None:
    error(ask(method, path, {}), 405)


def test_what_is_too_large_is_refused(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    error(ask("POST", "Users", ANN | {"title": "x" * 2000}), 413)


def test_a_database_that_is_away_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_text: str) -> None:
        raise OperationalError

    monkeypatch.setattr("omniviewer.scim.views.reading.filter_of", away)
    answer = ask("GET", "Users")
    error(answer, 503)
    assert answer["Retry-After"]


def test_what_it_can_do() -> None:
    config = ask("GET", "ServiceProviderConfig").told
    assert config["patch"] == {"supported": True}
    assert config["bulk"]["supported"] is False
    kinds = ask("GET", "ResourceTypes").told
    assert [row["endpoint"] for row in kinds["Resources"]] == ["/Users", "/Groups"]
    assert ask("GET", "ResourceTypes/User").told["schema"] == ENTRA[0]
    schemas = ask("GET", "Schemas").told["Resources"]
    assert [row["id"] for row in schemas] == [ENTRA[0], "urn:ietf:params:scim:schemas:core:2.0:Group"]
    described = {row["name"] for row in ask("GET", f"Schemas/{ENTRA[0]}").told["attributes"]}
    assert set(made()) - {"schemas", "id", "meta"} <= described
    error(ask("GET", "Schemas/urn:none"), 404)
    error(ask("GET", "ResourceTypes/Device"), 404)
    for path in ("Bulk", "Me", ".search", "Users/1/x"):
        error(ask("POST", path, {}), 404)


@pytest.mark.django_db(transaction=True)
def test_the_same_person_named_twice_at_once() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer at a time in")
    answers: list[int] = []

    def name_them() -> None:
        answers.append(ask("POST", "Users", ANN).status_code)
        connection.close()

    threads = [threading.Thread(target=name_them) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [201, 409, 409, 409]


def test_names_of_role_groups_come_from_the_settings_alone(settings: Settings) -> None:
    settings.STAFF_GROUP = settings.AUDITOR_GROUP = ""
    assert admission.role_groups() == frozenset()
