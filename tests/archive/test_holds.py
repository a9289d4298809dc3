"""Holds: what an administrator has named is deleted by no path, and shown to nobody who could not read it before."""

import ast
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from conversations import tasks
from conversations.archive import removal
from conversations.models import (
    Access,
    Action,
    Conversation,
    EarlierMessage,
    Hold,
    Job,
    Message,
    Owner,
    TicketReference,
    Walk,
    marked,
)
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread
from tests.conftest import PASSWORD, credential_for, shown_ago, signed_in, text_of

pytestmark = pytest.mark.django_db

ADD = "/admin/conversations/hold/add/"
LONG_AGO = 31 * DAY


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_user("boss", password=PASSWORD, is_staff=True)


@pytest.fixture
def found(small: Organization, analyst: Member) -> InOmni:
    return answered(small, analyst, ages=[DAY])


@pytest.fixture
def other(small: Organization, ben: Member) -> InOmni:
    return small.add_conversation(owner=ben, name="Margins", turns=[("Why?", "So.")])


@pytest.fixture
def lead(colleague: User, small: Organization, small_omni: StandIn, found: InOmni, other: InOmni) -> Client:
    """Return the colleague's client, whose organization key alone was shown two conversations."""
    credential_for(colleague, small_omni, small.organization_key(), "The key")
    client = signed_in(colleague)
    client.get("/conversations/")
    client.get(f"{thread(found)}?ticket=SUP-17")
    client.get(f"{thread(found)}messages/2/evidence/")
    client.get(thread(other))
    return client


def hold(boss: User, instance: str, kind: str, typed: str, reason: str = "Case 7") -> Any:
    form = {"instance_name": instance, "kind": kind, "typed": typed, "reason": reason}
    return signed_in(boss).post(ADD, form, follow=True)


def held_in_every_way(boss: User, kind: str, host: str, found: InOmni, analyst: Member) -> Hold:
    typed = {"conversation": f"https://bi.example{thread(found)}", "person": str(analyst.id), "ticket": "sup-17"}
    hold(boss, host, kind, typed[kind])
    return Hold.objects.get()


def lift(boss: User, row: Hold, because: str = "The case is closed") -> Any:
    return signed_in(boss).post(f"/admin/conversations/hold/{row.pk}/change/", {"lifted_because": because})


def names() -> set[str]:
    return {row.name or row.last_prompt for row in Conversation.objects.all()}


KINDS = pytest.mark.parametrize("kind", Hold.Kind.values)


# Setting and lifting --------------------------------------------------------------------------------------


@KINDS
def test_it_works(boss: User, lead: Client, small_omni: StandIn, found: InOmni, analyst: Member, kind: str) -> None:
    """The night deletes what Omni shows to nobody any more, but for what is held; once it is lifted, that too."""
    row = held_in_every_way(boss, kind, small_omni.host, found, analyst)
    assert [name.omni_id for name in row.conversations] == [found.id]
    for conversation in (found.id, *Conversation.objects.exclude(omni_id=found.id).values_list("omni_id", flat=True)):
        small_omni.organization.remove(conversation)
    shown_ago(LONG_AGO)
    tasks.nightly.call()
    assert names() == {"Orders by month"}
    assert Job.objects.exclude(kept_at=None).exists()
    assert lift(boss, row).status_code == 302
    tasks.nightly.call()
    assert names() == set()


def test_each_act_is_an_event(boss: User, lead: Client, small_omni: StandIn, found: InOmni, analyst: Member) -> None:
    page = text_of(hold(boss, small_omni.host, "person", "ANN@small.example"))
    lead_hold = Hold.objects.get()
    assert f"Hold {lead_hold.pk} on person {analyst.id} of {small_omni.host} names 1 conversation now." in page
    lift(boss, lead_hold)
    events = Event.objects.filter(kind__startswith="hold-").order_by("pk")
    told = list(events.values_list("who", "kind", "whom", "instance", "fields"))
    about = (str(analyst.id), small_omni.host, f"hold {lead_hold.pk}")
    assert told == [("boss", "hold-set", *about), ("boss", "hold-lifted", *about)]
    lead_hold.refresh_from_db()
    assert (lead_hold.lifted_by, lead_hold.lifted_because) == (boss, "The case is closed")


@pytest.mark.parametrize(
    ("kind", "typed", "sentence"),
    [
        ("conversation", "Orders by month", "This contains no conversation id"),
        (
            "conversation",
            "https://x.omniapp.co/jobs/660e8400-e29b-41d4-a716-446655440001",
            "contains no conversation id",
        ),
        ("conversation", "660e8400-e29b-41d4-a716-4466554400ee", "No conversation with this id is stored"),
        ("person", "nobody@small.example", "Nobody with this e-mail address or id is known"),
        ("ticket", "no ticket", "This is not a valid ticket name here."),
        ("ticket", "", "This field is required."),
        ("everything", "all", "Select a valid choice."),
    ],
)
def test_a_hold_on_nothing_is_refused(
    boss: User, lead: Client, small_omni: StandIn, kind: str, typed: str, sentence: str
) -> None:
    assert sentence in text_of(hold(boss, small_omni.host, kind, typed))
    assert not Hold.objects.exists()


def test_what_is_held_is_not_held_twice(boss: User, lead: Client, small_omni: StandIn) -> None:
    hold(boss, small_omni.host, "ticket", "SUP-17")
    assert "This is held already: hold" in text_of(hold(boss, small_omni.host, "ticket", "SUP-17"))
    assert lift(boss, Hold.objects.get()).status_code == 302
    hold(boss, small_omni.host, "ticket", "SUP-17")
    assert Hold.objects.count() == 2


def test_lifting_needs_a_reason_and_happens_once(boss: User, lead: Client, small_omni: StandIn) -> None:
    hold(boss, small_omni.host, "ticket", "SUP-17")
    row = Hold.objects.get()
    assert "This field is required." in text_of(lift(boss, row, ""))
    assert Hold.objects.standing().exists()
    lift(boss, row)
    assert lift(boss, row, "Again").status_code == 403
    row.refresh_from_db()
    assert row.lifted_because == "The case is closed"
    staff = signed_in(boss)
    assert staff.post(f"/admin/conversations/hold/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get("/admin/conversations/hold/").status_code == 200


def test_only_staff_set_holds(lead: Client, small_omni: StandIn, stranger: User) -> None:
    stranger.is_auditor = True
    stranger.save()
    form = {"instance_name": small_omni.host, "kind": "ticket", "typed": "SUP-17", "reason": "Mine"}
    for client in (lead, signed_in(stranger), Client()):
        assert client.get(ADD).status_code == 302
        client.post(ADD, form)
    assert not Hold.objects.exists()


def test_stored_data_names_it(boss: User, lead: Client, small_omni: StandIn, stranger: User) -> None:
    assert "There are no holds" in text_of(signed_in(boss).get("/stored/"))
    hold(boss, small_omni.host, "ticket", "SUP-17", "Audit <b>2026</b>")
    page = text_of(signed_in(boss).get("/stored/"))
    assert f"<code>SUP-17</code> of {small_omni.host}. Audit &lt;b&gt;2026&lt;/b&gt; Set by boss," in page
    assert 'href="/admin/conversations/hold/"' in page
    stranger.is_auditor = True
    stranger.save()
    page = text_of(signed_in(stranger).get("/stored/"))
    assert "SUP-17" in page
    assert 'href="/admin/conversations/hold/"' not in page


def test_a_person_is_held_by_each_of_their_ids(reads: Client, small_omni: StandIn, boss: User) -> None:
    """Lists and threads may name the same person by two ids, both of which Omni told their own token."""
    ApiToken.objects.update(membership_id="m-1", omni_user_id="u-1")
    assert Owner.known_as("u-1") == {Owner(small_omni.host, "m-1"), Owner(small_omni.host, "u-1")}
    hold(boss, small_omni.host, "person", "m-1")
    assert set(Hold.objects.values_list("name", flat=True)) == {"m-1", "u-1"}


@pytest.mark.parametrize("held", ["u-1", "m-1"])
def test_a_hold_follows_when_lists_name_the_person_by_another_id(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, boss: User, found: InOmni, held: str
) -> None:
    """A thread names its owner by one id, lists by the other: neither slips out of a hold on the other."""
    reads.get(thread(found))
    unlisted = Conversation.objects.create(instance=small_omni.host, omni_id=uuid4(), owner_id="u-1")
    Conversation.objects.filter(omni_id=found.id).update(owner_id="u-1")
    ApiToken.objects.update(membership_id="m-1")
    Hold.objects.create(instance=small_omni.host, kind="person", name=held, reason="Case 7", set_by=boss)
    newer = small.add_conversation(owner=analyst, name="Newer", turns=[("Why?", "So.")])
    reads.get("/conversations/")
    Walk.objects.update(checked_at=timezone.now() - timedelta(minutes=6), not_before=timezone.now())
    tasks.sync.call()
    assert Conversation.objects.get(omni_id=found.id).owner_id == "m-1"
    rows = Hold.objects.standing().order_by("name")
    assert list(rows.values_list("name", "reason", "set_by")) == [(name, "Case 7", boss.pk) for name in ("m-1", "u-1")]
    assert set(rows.conversations().values_list("omni_id", flat=True)) == {found.id, newer.id, unlisted.omni_id}
    assert Event.objects.get(kind="hold-set").whom == ({"u-1", "m-1"} - {held}).pop()


def test_a_hold_follows_when_a_thread_names_the_person_by_another_id(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member, boss: User, found: InOmni
) -> None:
    """A hold that is set on the id that threads tell holds what lists name by the other one."""
    small.owner_ids = "user"
    Hold.objects.create(
        instance=small_omni.host, kind="person", name=str(analyst.user_id), reason="Case 7", set_by=boss
    )
    reads.get("/conversations/")
    Conversation.objects.filter(omni_id=found.id).update(owner_id="m-1")
    assert not Hold.objects.standing().conversations().exists()
    reads.get(thread(found))
    assert {hold.name for hold in Hold.objects.standing()} == {"m-1", str(analyst.user_id)}
    assert Hold.objects.standing().conversations().get().omni_id == found.id
    assert Event.objects.get(kind="hold-set").whom == "m-1"


def test_a_hold_that_was_lifted_follows_nobody(boss: User, small_omni: StandIn) -> None:
    row = Hold.objects.create(instance=small_omni.host, kind="person", name="u-1", reason="Case 7")
    assert not Hold.objects.all().follow_people("elsewhere.example", [("u-1", "m-1")])
    assert not Hold.objects.all().follow_people(small_omni.host, [("u-2", "m-2"), ("m-1",)])
    row.lift(boss, "Closed")
    assert not Hold.objects.all().follow_people(small_omni.host, [("u-1", "m-1")])


@pytest.mark.parametrize("how", ["connected", "replaced"])
def test_a_hold_follows_when_a_token_tells_both_ids(
    owner: User, client: Client, small: Organization, small_omni: StandIn, analyst: Member, how: str
) -> None:
    Hold.objects.create(instance=small_omni.host, kind="person", name=str(analyst.user_id), reason="Case 7")
    client.force_login(owner)
    token = small.personal_token(analyst)
    if how == "connected":
        form = {"instance_address": small_omni.url, "token": token, "label": "Mine"}
        client.post("/credentials/connect/", form)
    else:
        pk = credential_for(owner, small_omni, small.organization_key()).pk
        client.post(f"/credentials/{pk}/token/", {"token": token})
    assert set(Hold.objects.standing().values_list("name", flat=True)) == {str(analyst.user_id), str(analyst.id)}


def test_another_instance_is_not_held(boss: User, lead: Client, small_omni: StandIn, found: InOmni) -> None:
    hold(boss, small_omni.host, "conversation", str(found.id))
    Hold.objects.update(instance="elsewhere.omniapp.co")
    assert not Hold.objects.get().conversations.exists()


# Every path that deletes ----------------------------------------------------------------------------------


@KINDS
def test_removing_the_credential_keeps_it_for_nobody(
    boss: User, lead: Client, colleague: User, small_omni: StandIn, found: InOmni, analyst: Member, kind: str
) -> None:
    row = held_in_every_way(boss, kind, small_omni.host, found, analyst)
    address = f"/credentials/{Credential.objects.get().pk}/remove/"
    page = text_of(lead.get(address))
    assert "<strong>1 stored conversation</strong>" in page
    assert "An administrator has put a hold on 1 conversation that only this token can read here" in page
    lead.post(address)
    assert names() == {"Orders by month"}
    assert not Access.objects.exists()
    assert not ApiToken.objects.exists()
    for reader in (lead, signed_in(boss)):
        assert reader.get(thread(found)).status_code == 403
        assert "Orders by month" not in text_of(reader.get("/conversations/"))
    tasks.hourly.call()
    assert names() == {"Orders by month"}
    lift(boss, row)
    tasks.hourly.call()
    assert names() == set()
    assert Event.objects.filter(kind="forgotten", conversation_id=found.id).exists()


def test_once_lifted_what_somebody_reads_again_stays(
    boss: User, lead: Client, colleague: User, small: Organization, small_omni: StandIn, found: InOmni, owner: User
) -> None:
    hold(boss, small_omni.host, "ticket", "SUP-17")
    lead.post(f"/credentials/{Credential.objects.get().pk}/remove/")
    credential_for(owner, small_omni, small.organization_key())
    signed_in(owner).get(thread(found))
    lift(boss, Hold.objects.get())
    tasks.hourly.call()
    assert names() == {"Orders by month"}
    assert TicketReference.objects.exists()


def test_offboarding_says_so_and_keeps_it(
    boss: User, lead: Client, colleague: User, small_omni: StandIn, found: InOmni
) -> None:
    hold(boss, small_omni.host, "conversation", str(found.id))
    out = StringIO()
    call_command("offboard", "colleague", "--no-input", stdout=out)
    assert "What goes with this: 1 stored conversation." in out.getvalue()
    assert "1 stored under a hold" in out.getvalue()
    assert names() == {"Orders by month"}


@KINDS
@pytest.mark.parametrize("named", ["conversation", "person"])
def test_forget_refuses_and_names_the_hold(
    boss: User, lead: Client, small_omni: StandIn, found: InOmni, analyst: Member, kind: str, named: str
) -> None:
    row = held_in_every_way(boss, kind, small_omni.host, found, analyst)
    for dry in ([], ["--dry-run"]):
        with pytest.raises(CommandError, match=rf"hold {row.pk} on {kind} .*Nothing was changed") as refused:
            call_command("forget", str(found.id if named == "conversation" else analyst.id), "--no-input", *dry)
        assert "An administrator can lift a hold under /admin/" in str(refused.value)
    assert names() == {"Orders by month", "Margins"}
    lift(boss, row)
    call_command("forget", str(found.id), "--no-input", stdout=StringIO())
    assert names() == {"Margins"}


@KINDS
@pytest.mark.parametrize("known_by", ["its conversation", "its message"])
def test_evidence_stays(
    boss: User,
    lead: Client,
    small_omni: StandIn,
    found: InOmni,
    analyst: Member,
    kind: str,
    known_by: str,
    settings: LazySettings,
) -> None:
    """Omni does not name the conversation of every job, and a job may be known before the message that it made."""
    if known_by == "its message":
        Job.objects.update(conversation_id=None)
    else:
        Message.objects.update(job_id=None)
    settings.KEEP_DAYS = 15
    Job.objects.update(kept_at=timezone.now() - timedelta(days=16))
    row = held_in_every_way(boss, kind, small_omni.host, found, analyst)
    out = StringIO()
    call_command("prune_evidence", "--dry-run", stdout=out)
    call_command("prune_evidence", stdout=out)
    assert out.getvalue().startswith("The evidence of 0 answers")
    assert Action.objects.exists()
    lift(boss, row)
    call_command("prune_evidence", stdout=out)
    assert not Action.objects.exists()


def test_its_tickets_stay(boss: User, lead: Client, small_omni: StandIn, found: InOmni) -> None:
    hold(boss, small_omni.host, "ticket", "SUP-17")
    answer = lead.post(f"{thread(found)}tickets/remove/", {"ticket": "SUP-17"})
    assert answer.status_code == 422
    assert "This conversation is on hold, so its tickets cannot be removed." in text_of(answer)
    assert TicketReference.objects.exists()
    lift(boss, Hold.objects.get())
    assert lead.post(f"{thread(found)}tickets/remove/", {"ticket": "SUP-17"}).status_code == 200
    assert not TicketReference.objects.exists()


@pytest.mark.parametrize("is_held", [True, False])
def test_unfinished_wordings_stay(
    boss: User,
    lead: Client,
    small: Organization,
    small_omni: StandIn,
    found: InOmni,
    is_held: bool,
) -> None:
    """Omni returns another text while the answer's job runs: elsewhere, that is no wording that anybody is told of."""
    if is_held:
        hold(boss, small_omni.host, "conversation", str(found.id))
    Job.objects.update(state="EXECUTING")
    found.messages[1].text = "Some, and more."
    Access.objects.update(fetched_at=timezone.now() - DAY, is_behind=True)
    lead.get(f"{thread(found)}fresh/", {"looks": "1"}, headers={"HX-Request": "true"})
    assert Message.objects.filter(text="Some, and more.").exists()
    assert EarlierMessage.objects.filter(text="Some.").exists() is is_held


def test_what_is_held_is_captured(boss: User, lead: Client, small_omni: StandIn, other: InOmni) -> None:
    assert other.id not in marked().values_list("omni_id", flat=True)
    hold(boss, small_omni.host, "conversation", str(other.id))
    assert other.id in marked().values_list("omni_id", flat=True)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="test_postgresql.py runs it there")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_held_first", [True, False])
def test_a_hold_and_a_deletion_wait_for_each_other(
    boss: User, lead: Client, small_omni: StandIn, found: InOmni, is_held_first: bool
) -> None:
    """Whichever comes first is seen by the other: nothing is deleted while a hold on it stands."""

    def set_hold() -> None:
        made = Hold.objects.create(
            instance=small_omni.host, kind=Hold.Kind.CONVERSATION, name=str(found.id), reason="Case 7", set_by=boss
        )
        made.wait()

    def delete() -> None:
        removal.delete(Conversation.objects.filter(omni_id=found.id))

    def at_once(work: Callable[[], None]) -> None:
        try:
            with transaction.atomic():
                work()
        finally:
            connection.close()

    first, second = (set_hold, delete) if is_held_first else (delete, set_hold)
    with transaction.atomic():
        first()
        later = threading.Thread(target=at_once, args=[second])
        later.start()
        later.join(0.5)
        assert later.is_alive()
    later.join(10)
    assert not later.is_alive()
    assert Hold.objects.exists()
    assert Conversation.objects.filter(omni_id=found.id).exists() is is_held_first


def test_conversations_are_deleted_in_one_place() -> None:
    """Nothing else deletes conversations, messages or jobs: a new path would miss the holds."""
    root = Path(__file__).resolve().parents[2]
    names = ("Conversation", "Message", "messages", "jobs", "Job.", "Action", "Chart")
    found: Counter[str] = Counter()
    for path in [*(root / "conversations").rglob("*.py"), *(root / "omniviewer").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            is_deletion = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "delete"
            if is_deletion and any(name in ast.unparse(node) for name in names):
                found[path.relative_to(root).as_posix()] += 1
    assert found == {
        "conversations/archive/removal.py": 3,
        # A newer reply of Omni's in place of an older one, and drafts, which `keep` leaves alone while there is a hold.
        "conversations/models/message.py": 2,
        # Newer evidence in place of older; and what `kept_before` names.
        "conversations/models/evidence.py": 3,
    }
