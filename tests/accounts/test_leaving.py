"""People who leave: what goes with them, their own data as a file, and their erasure."""

import json
import stat
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import Error, connection, models, transaction
from django.test import Client
from django.utils import timezone

from conversations.archive import offboarding, personal_data
from conversations.archive.erasure import HeldMeanwhile, Person
from conversations.archive.personal_data import RELATIONS
from conversations.models import (
    Access,
    Conversation,
    Hold,
    Job,
    Member,
    Message,
    Owner,
    SearchExport,
    Star,
    TicketReference,
    Visit,
)
from omniviewer.accounts.models import ApiToken, Credential, Identity, User
from omniviewer.audit.models import Event
from omniviewer.command_line import main
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member as InOrganization
from omniviewer.operations.backup.tables import Table
from tests import every_table
from tests.captured import DAY, answered, thread
from tests.conftest import PASSWORD, credential_for, signed_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def found(small: Organization, analyst: InOrganization) -> InOmni:
    return answered(small, analyst, ages=[DAY])


@pytest.fixture
def leaver(owner: User, reads: Client, found: InOmni) -> User:
    """Return the owner, who has left something in every table, as far as pages make it."""
    owner.email = "ann@small.example"
    owner.is_staff = True
    owner.save()
    owner.groups.add(Group.objects.create(name="Analysts"))
    Identity.objects.create(user=owner, issuer="https://id.example", subject="subject-7")
    Client().post("/sign-in/", {"username": "owner", "password": PASSWORD})
    reads.get("/conversations/")
    reads.get(f"{thread(found)}?ticket=SUP-17")
    reads.get(f"{thread(found)}messages/2/evidence/")
    reads.post(f"{thread(found)}star/", {"starred": "1"})
    SearchExport.objects.create(owner=owner, query="orders")
    return owner


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def rows_of(user: User) -> dict[str, int]:
    return {relation.name: relation.rows(user).count() for relation in RELATIONS}


# Every column that refers to a person ---------------------------------------------------------------------


def test_no_column_that_refers_to_people_is_forgotten() -> None:
    """A new table has to say whether its rows go when somebody leaves, and what of it a person's own file tells."""
    refers = {
        f"{model._meta.label}.{column.name}"
        for model in apps.get_models(include_auto_created=True)
        for column in model._meta.local_fields
        if isinstance(column, models.ForeignKey) and column.related_model is User
    }
    assert {relation.name for relation in RELATIONS} == refers


def test_every_row_goes_or_has_a_reason_to_stay(owner: User, colleague: User) -> None:
    """Rows of values of any kind in each of these tables, of the leaver and of somebody else."""
    for relation in RELATIONS:
        _fill(relation.model)
    mine, others = rows_of(owner), rows_of(colleague)
    assert set(mine.values()) == set(others.values()) == {1}
    offboarding.end(owner)
    kept = {relation.name for relation in RELATIONS if relation.because}
    left = rows_of(owner)
    assert {name for name, count in left.items() if count} == kept
    # The offer to them was of the leaver's own credential.
    assert rows_of(colleague) == others | {"conversations.HandOver.offered_to": 0}


def _fill(model: type[models.Model]) -> None:
    """Store two rows of the model, and of those that it refers to, where there are none."""
    for column in model._meta.local_fields:
        if isinstance(column, models.ForeignKey) and column.related_model._base_manager.count() < 2:
            _fill(column.related_model)
    if model._base_manager.count() < 2:
        every_table.fill([Table(model._meta.db_table, model)])


def test_the_file_tells_no_secret() -> None:
    for relation in RELATIONS:
        assert not [name for name in relation.told if "ciphertext" in name or "digest" in name or "key" in name]


# Offboarding ----------------------------------------------------------------------------------------------


def test_it_works(leaver: User, reads: Client) -> None:
    told = run("offboard", "owner", "--no-input")
    for line in (
        "accounts_credential: 1 deleted",
        "conversations_star: 1 deleted",
        "conversations_visit: 1 deleted",
        "conversations_searchexport: 1 deleted",
        "accounts_user_groups: 1 deleted",
        "accounts_identity: 1 kept: refuses them if they come again",
        "conversations_ticketreference: 1 kept",
    ):
        assert f"  {line}" in told, told
    assert "django_session: 2 deleted" in told
    assert not Session.objects.exists()
    leaver.refresh_from_db()
    assert (leaver.is_active, leaver.is_staff, leaver.has_usable_password()) == (False, False, False)
    assert reads.get("/credentials/").status_code == 302
    assert not ApiToken.objects.exists()
    assert Event.objects.get(kind="person-offboarded").whom == "owner"


def test_each_table_is_told_once(leaver: User) -> None:
    tables = [line.split(":")[0] for line in run("offboard", "owner", "--dry-run").splitlines() if line[:2] == "  "]
    assert "  conversations_hold" in tables
    assert len(tables) == len(set(tables))


def test_a_dry_run_says_the_same_and_changes_nothing(leaver: User, reads: Client) -> None:
    before = rows_of(leaver)
    told = run("offboard", "owner", "--dry-run")
    assert told.endswith("Nothing was changed.\n")
    assert rows_of(leaver) == before
    leaver.refresh_from_db()
    assert leaver.is_active
    assert reads.get("/credentials/").status_code == 200
    done = run("offboard", "owner", "--no-input")
    lines = [line for line in done.splitlines() if line.startswith("  ")]
    assert [line for line in told.splitlines() if line.startswith("  ")] == lines


def test_once_more_changes_nothing(leaver: User) -> None:
    run("offboard", "owner", "--no-input")
    events = Event.objects.count()
    told = run("offboard", "owner", "--no-input")
    assert not [line for line in told.splitlines() if line.endswith("deleted") and ": 0 " not in line]
    assert Event.objects.count() == events


def test_others_stay_signed_in(leaver: User, colleague: User) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "colleague", "password": PASSWORD})
    run("offboard", "owner", "--no-input")
    assert client.get("/credentials/").status_code == 200


# A person's own data --------------------------------------------------------------------------------------


def told_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_file_holds_what_is_theirs(leaver: User, reads: Client, found: InOmni, tmp_path: Path) -> None:
    path = tmp_path / "ann.json"
    secret = Credential.objects.get().api_token
    said = run("person_data", "owner", str(path))
    assert f"{path}: 1 conversations," in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = told_of(path)
    assert told["accounts.User"]["email"] == "ann@small.example"
    assert {row["by"] for row in told["sessions"]} == {"password", ""}
    assert told["accounts.Credential.owner"][0]["api_token__instance"] == secret.instance
    assert told["conversations.Star.user"][0]["conversation__omni_id"] == str(found.id)
    assert told["accounts.User_groups.user"] == [{"group__name": "Analysts"}]
    assert {"opened", "signed-in"} <= {row["kind"] for row in told["audit.Event.user"]}
    [conversation] = told["conversations"]
    assert [row["text"] for row in conversation["messages"]] == [row.text for row in found.messages]
    assert conversation["tickets"] == ["SUP-17"]
    assert conversation["answers"][0]["query_count"] == 1
    text = path.read_text()
    for hidden in (secret.token.reveal(), secret.ciphertext, secret.digest, leaver.password, str(leaver.sessions_key)):
        assert hidden not in text
    assert Event.objects.get(kind="person-told").whom == "owner"


def test_the_file_holds_nothing_of_others(
    leaver: User,
    reads: Client,
    colleague: User,
    small: Organization,
    small_omni: StandIn,
    ben: InOrganization,
    tmp_path: Path,
) -> None:
    credential_for(colleague, small_omni, small.organization_key())
    other = small.add_conversation(owner=ben, name="Margins", turns=[("Why the margins?", "So.")])
    client = signed_in(colleague)
    client.get(thread(other))
    client.post(f"{thread(other)}star/", {"starred": "1"})
    path = tmp_path / "ann.json"
    run("person_data", "owner", str(path))
    assert "margins" not in path.read_text().lower()
    assert str(other.id) not in path.read_text()
    assert "colleague" not in path.read_text()
    theirs = tmp_path / "colleague.json"
    run("person_data", "colleague", str(theirs))
    assert told_of(theirs)["conversations"] == []


def test_the_file_replaces_none(leaver: User, tmp_path: Path) -> None:
    path = tmp_path / "ann.json"
    path.write_text("mine")
    with pytest.raises(CommandError, match=r"exists: name another file\. Nothing was written\."):
        run("person_data", "owner", str(path))
    assert path.read_text() == "mine"
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        run("person_data", "owner", str(tmp_path / "nowhere" / "ann.json"))
    with pytest.raises(CommandError, match="cannot be written: "):
        run("person_data", "owner", "/proc/ann.json")


@pytest.mark.parametrize("command", ["person_data", "erase"])
def test_a_name_has_to_be_one_persons(leaver: User, tmp_path: Path, command: str) -> None:
    rest = [str(tmp_path / "x.json")] if command == "person_data" else ["--no-input"]
    for name in ("nobody", "", "  "):
        with pytest.raises(CommandError, match="Nobody here has"):
            run(command, name, *rest)
    User.objects.create(username="other", email="ANN@small.example")
    with pytest.raises(CommandError, match="more than one person here: use a username"):
        run(command, "ann@small.example", *rest)
    assert not (tmp_path / "x.json").exists()
    assert User.objects.filter(username="owner", is_active=True).exists()


def test_commands_may_be_written_with_hyphens(leaver: User, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "ann.json"
    main(["omniviewer", "person-data", "owner", str(path)])
    assert told_of(path)["accounts.User"]["username"] == "owner"


# Erasure --------------------------------------------------------------------------------------------------


def test_erasure_leaves_no_name(leaver: User, reads: Client, found: InOmni, colleague: User) -> None:
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    signed_in(boss).post("/admin/accounts/user/", {"action": "sign_out_everywhere", "_selected_action": leaver.pk})
    for cache in ("threads", "pages"):
        caches[cache].set("of-the-leaver", "words")
    told = run("erase", "owner", "--no-input")
    assert caches["threads"].get("of-the-leaver") is caches["pages"].get("of-the-leaver") is None
    assert "Stored conversations that they own there: 1." in told
    assert "  conversations_conversation: 1 deleted" in told
    assert "  audit_event, about them: 1 kept: with a pseudonym" in told
    assert not Conversation.objects.exists()
    assert not User.objects.filter(pk=leaver.pk).exists()
    for model in apps.get_models():
        if model._meta.db_table in ("django_session", "django_tasks_database_dbtaskresult"):
            continue
        for row in model._default_manager.values():
            words = " ".join(str(value) for value in row.values()).lower()
            assert "ann@small.example" not in words, model
            assert "subject-7" not in words, model
            assert not {"owner"} & {str(value) for value in row.values()}, (model, row)
    pseudonyms = set(Event.objects.exclude(who="").values_list("who", flat=True)) - {"boss"}
    assert len(pseudonyms) == 1
    [pseudonym] = pseudonyms
    assert pseudonym.startswith("erased-")
    assert pseudonym in told
    removed = Event.objects.get(kind="person-removed")
    assert (removed.whom, removed.by) == (pseudonym, "command")
    assert Event.objects.get(kind="sessions-ended").whom == pseudonym
    assert Event.objects.get(kind="sessions-ended").who == "boss"


@pytest.mark.parametrize("left", ["offboarded", "without a credential", "with another token"])
def test_erasure_after_leaving_finds_their_conversations(
    owner: User,
    reads: Client,
    found: InOmni,
    colleague: User,
    small: Organization,
    small_omni: StandIn,
    left: str,
    tmp_path: Path,
) -> None:
    """Only their personal token told who they were in Omni; an organization key of a colleague still reads them."""
    reads.get(thread(found))
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(found))
    credential = Credential.objects.get(owner=owner)
    if left == "offboarded":
        run("offboard", "owner", "--no-input")
    elif left == "without a credential":
        reads.post(f"/credentials/{credential.pk}/remove/")
    else:
        reads.post(f"/credentials/{credential.pk}/token/", {"token": small.organization_key()})
    assert not ApiToken.objects.filter(credentials__owner=owner, scope="user").exists()
    assert ": 1 conversations," in run("person_data", "owner", str(tmp_path / "ann.json"))
    assert "Stored conversations that they own there: 1." in run("erase", "owner", "--no-input")
    assert not Conversation.objects.exists()


def test_an_erasure_that_was_interrupted_goes_on(
    owner: User, reads: Client, found: InOmni, colleague: User, small: Organization, small_omni: StandIn
) -> None:
    reads.get(thread(found))
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(found))
    row = Conversation.objects.get()
    other = Conversation.objects.create(instance=row.instance, omni_id=uuid4(), owner_id="u-7")
    person = Person.of(owner, [Owner(row.instance, "u-7")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conversations.archive.removal.forget", lambda _rows: [])
        with pytest.raises(HeldMeanwhile):
            person.erase()
    assert Conversation.objects.count() == 2
    told = run("erase", "owner", "--no-input")
    assert f"The person u-7 of {other.instance}, in Omni." in told
    assert not Conversation.objects.exists()


def test_whom_nobody_knows_in_omni_is_named(
    owner: User, colleague: User, small: Organization, small_omni: StandIn, found: InOmni, tmp_path: Path
) -> None:
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(found))
    row = Conversation.objects.get()
    for said in (run("erase", "owner", "--dry-run"), run("person_data", "owner", str(tmp_path / "a.json"))):
        assert "Nobody knows here who they are in Omni" in said
        assert "--omni-id INSTANCE/ID" in said
    named = [f"--omni-id={row.instance}/{row.owner_id}", f"--omni-id={row.instance}/another"]
    assert ": 1 conversations," in run("person_data", "owner", str(tmp_path / "b.json"), *named)
    for wrong in ("", "/", "x", f"{row.instance}/", "/x", "a b/x", "ftp://omni.example/x"):
        with pytest.raises(CommandError, match=r"is no INSTANCE/ID, such as .* Nothing was changed"):
            run("erase", "owner", "--no-input", f"--omni-id={wrong}")
    told = run("erase", "owner", "--no-input", *named)
    assert "Nobody knows" not in told
    assert not Conversation.objects.exists()


def test_erasure_asks_and_can_be_tried(leaver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows_of(leaver)
    told = run("erase", "owner", "--dry-run")
    assert "  conversations_conversation: 1 deleted" in told
    assert told.endswith("Nothing was changed.\n")
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match="Not confirmed"):
        run("erase", "owner")
    assert rows_of(leaver) == before
    assert User.objects.get(pk=leaver.pk).is_active
    assert Conversation.objects.exists()


@pytest.mark.parametrize("kind", Hold.Kind.values)
def test_erasure_respects_holds(
    leaver: User, found: InOmni, small_omni: StandIn, analyst: InOrganization, kind: str
) -> None:
    name = {"conversation": str(found.id), "person": str(analyst.id), "ticket": "SUP-17"}[kind]
    hold = Hold.objects.create(instance=small_omni.host, kind=kind, name=name, reason="Case 7")
    with pytest.raises(CommandError, match=rf"\(hold {hold.pk} on {kind} .*Nothing was changed"):
        run("erase", "owner", "--no-input")
    assert User.objects.get(pk=leaver.pk).is_active
    assert Message.objects.exists()
    hold.lift(leaver, "Closed")
    run("erase", "owner", "--no-input")
    assert not Message.objects.exists()
    hold.refresh_from_db()
    assert (hold.name == name) is (kind != "person")


def test_what_they_added_for_others_stays_without_the_name(
    leaver: User, colleague: User, small: Organization, small_omni: StandIn, ben: InOrganization
) -> None:
    other = small.add_conversation(owner=ben, name="Margins", turns=[("Why?", "So.")])
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(other))
    row = Conversation.objects.get(omni_id=other.id)
    reference = TicketReference.objects.create(conversation=row, ticket="SUP-18", added_by=leaver)
    Star.objects.create(user=leaver, conversation=row)
    Visit.objects.create(user=leaver, conversation=row)
    run("erase", "owner", "--no-input")
    reference.refresh_from_db()
    assert reference.added_by is None
    assert Access.objects.get(conversation=row).api_token.credentials.get().owner == colleague
    assert not Star.objects.exists()
    assert text_of(signed_in(colleague).get(thread(other))).count("SUP-18")


def test_who_is_in_omni_is_by_address_and_own_tokens_alone(
    owner: User, colleague: User, small: Organization, small_omni: StandIn, analyst: InOrganization
) -> None:
    """An organization key sees everybody's conversations, and makes nobody their owner."""
    credential_for(colleague, small_omni, small.organization_key())
    token = ApiToken.objects.get()
    ApiToken.objects.update(membership_id="m-1", omni_user_id="u-1")
    assert personal_data.omni_people(colleague) == set()
    Member.objects.create(api_token=token, omni_id=str(analyst.id), name="Ann", email="ann@small.example")
    assert personal_data.omni_people(owner) == set()
    owner.email = "Ann@Small.example"
    assert {row.id for row in personal_data.omni_people(owner)} == {str(analyst.id)}


@pytest.mark.parametrize(
    "change",
    [
        "who = 'somebody'",
        "whom = 'somebody'",
        "kind = 'searched'",
        "who = 'erased-1', kind = 'searched'",
        "who = 'erased-1', at = '2020-01-01T00:00:00Z'",
        "address = NULL",
        "user_id = 7",
    ],
)
def test_the_log_takes_no_other_change(owner: User, change: str) -> None:
    Event.objects.create(kind="opened", user=owner, who="owner", address="192.0.2.7")
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_event SET {change}")  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_event SET who = 'erased-1', address = NULL, user_id = NULL")
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_event SET who = 'erased-2'")
    assert Event.objects.get().who == "erased-1"


def test_the_administrations_own_log_forgets_the_name_too(leaver: User) -> None:
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    form = {
        "username": "owner",
        "email": "",
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    identity = leaver.identities.get()
    inline = {"identities-TOTAL_FORMS": 1, "identities-INITIAL_FORMS": 1, "identities-0-id": identity.pk}
    signed_in(boss).post(
        f"/admin/accounts/user/{leaver.pk}/change/", {**form, **inline, "identities-0-user": leaver.pk}
    )
    assert LogEntry.objects.get().object_repr == "owner"
    LogEntry.objects.update(change_message='[{"deleted": {"name": "identity", "object": "subject-7 of https://id"}}]')
    run("erase", "owner", "--no-input")
    assert LogEntry.objects.get().object_repr.startswith("erased-")
    assert "subject-7" not in LogEntry.objects.get().change_message


def test_the_administrations_log_of_their_holds_forgets_them(
    leaver: User, small_omni: StandIn, analyst: InOrganization
) -> None:
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    form = {"instance_name": small_omni.host, "kind": "person", "typed": str(analyst.id), "reason": "Case 7"}
    signed_in(boss).post("/admin/conversations/hold/add/", form)
    for hold in Hold.objects.all():
        signed_in(boss).post(f"/admin/conversations/hold/{hold.pk}/change/", {"lifted_because": "Closed"})
    assert LogEntry.objects.filter(object_repr__contains=str(analyst.id)).exists()
    run("erase", "owner", "--no-input")
    assert LogEntry.objects.filter(object_repr__contains="erased-").exists()
    assert not LogEntry.objects.filter(object_repr__contains=str(analyst.id)).exists()


@pytest.mark.parametrize("column", ["username", "email"])
def test_who_has_a_name_like_a_pseudonym_is_not_half_erased(leaver: User, column: str) -> None:
    User.objects.update(**{column: "Erased-7@small.example"})
    before = rows_of(leaver)
    with pytest.raises(CommandError, match=r"begins with “erased-”.*Nothing was changed"):
        run("erase", "Erased-7@small.example", "--no-input")
    assert rows_of(leaver) == before
    assert Conversation.objects.exists()


def test_an_administrators_file_tells_nothing_of_others(leaver: User, small_omni: StandIn, tmp_path: Path) -> None:
    set_by = {"kind": "person", "instance": small_omni.host, "set_by": leaver, "lifted_by": leaver}
    Hold.objects.create(name="m-77", reason="Bob's case", lifted_because="Bob left", lifted_at=timezone.now(), **set_by)
    of_people = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=leaver, content_type=of_people, object_id="7", object_repr="bob", action_flag=2, change_message="bob-7"
    )
    run("person_data", "owner", str(tmp_path / "ann.json"))
    assert not [word for word in ("m-77", "Bob", "bob") if word in (tmp_path / "ann.json").read_text()]
    told = told_of(tmp_path / "ann.json")
    assert told["conversations.Hold.set_by"][0]["kind"] == "person"


def test_the_file_holds_answers_whose_conversation_omni_did_not_name(leaver: User, tmp_path: Path) -> None:
    Job.objects.update(conversation_id=None)
    run("person_data", "owner", str(tmp_path / "ann.json"))
    [conversation] = told_of(tmp_path / "ann.json")["conversations"]
    assert conversation["answers"][0]["query_count"] == 1


def test_old_sessions_tell_their_times(owner: User, tmp_path: Path) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    path = tmp_path / "owner.json"
    run("person_data", "owner", str(path))
    [row] = told_of(path)["sessions"]
    assert row["by"] == "password"
    assert row["began"] <= row["last_seen"] < row["ends"]
    assert Session.objects.get().pk not in path.read_text()
    assert timedelta(0) < Session.objects.get().expire_date - timezone.now()
