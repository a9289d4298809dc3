"""Permanent deletion, by the nightly sweep and by `manage.py forget`."""

from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from conversations import tasks
from conversations.archive import list_walk
from conversations.archive.retention import Sweep
from conversations.models import Access, Conversation, Job, Message, Walk
from conversations.search import documents
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread
from tests.conftest import credential_for, shown_ago, signed_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LONG_AGO = 31 * DAY


@pytest.fixture
def found(small: Organization, analyst: Member) -> InOmni:
    return answered(small, analyst, ages=[DAY])


@pytest.fixture
def own(small: Organization, analyst: Member) -> str:
    return small.personal_token(analyst)


@pytest.fixture
def reads(owner: User, small_omni: StandIn, own: str) -> Client:
    credential_for(owner, small_omni, own)
    return signed_in(owner)


@pytest.fixture
def stored(reads: Client, found: InOmni) -> InOmni:
    """Read with the owner's token, its evidence too, linked from a ticket, starred and indexed."""
    reads.get("/conversations/")
    reads.get(f"{thread(found)}?ticket=SUP-17")
    reads.get(f"{thread(found)}messages/2/evidence/")
    reads.post(f"{thread(found)}star/", {"starred": "on"})
    documents.refresh(seconds=10)
    assert Job.objects.exclude(kept_at=None).exists()
    return found


def sweep(*arguments: str) -> str:
    out = StringIO()
    call_command("prune_conversations", *arguments, stdout=out)
    return out.getvalue()


def forget(*arguments: str) -> str:
    out = StringIO()
    call_command("forget", *arguments, "--no-input", stdout=out)
    return out.getvalue()


def mentions(text: str) -> set[str]:
    """Return the tables that mention a text, with evidence unpacked, apart from the audit log."""
    names = set()
    for model in apps.get_models():
        for row in model._default_manager.values():
            whole = " ".join(str(value) for value in row.values()).lower()
            if text.lower() in whole or text.lower().replace("-", "") in whole:
                names.add(model._meta.db_table)
    return names - {"audit_event", "django_session"}


def deleted() -> list[UUID | None]:
    return [row.conversation_id for row in Event.objects.filter(kind="forgotten")]


# The sweep ------------------------------------------------------------------------------------------------


def test_it_works(small: Organization, stored: InOmni) -> None:
    """Nothing is left of a conversation but its line in the audit log."""
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    assert mentions(str(stored.id))
    assert "1 conversation deleted that no API token was shown for 30 days." in sweep()
    assert mentions(str(stored.id)) == set()
    assert mentions("Orders by month") == set()
    assert mentions("SUP-17") == set()
    assert not Job.objects.exists()
    assert deleted() == [stored.id]
    assert Event.objects.get(kind="forgotten").by == "command"


def test_the_night_sweeps(small: Organization, stored: InOmni) -> None:
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    tasks.nightly.call()
    assert not Conversation.objects.exists()


def test_a_job_that_does_not_say_whose_it_is_goes_too(small: Organization, stored: InOmni) -> None:
    Job.objects.update(conversation_id=None)
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    sweep()
    assert not Job.objects.exists()


def test_a_dry_run_deletes_nothing(small: Organization, stored: InOmni, small_omni: StandIn) -> None:
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    small_omni.requests.clear()
    assert "1 conversation shown to no API token for 30 days" in sweep("--dry-run")
    assert Conversation.objects.exists()
    assert small_omni.requests == []
    assert deleted() == []


def test_before_its_time_it_stays(small: Organization, stored: InOmni) -> None:
    small.remove(stored.id)
    shown_ago(29 * DAY)
    assert "0 conversations deleted" in sweep()
    assert Conversation.objects.exists()


def test_the_setting_says_when(small: Organization, stored: InOmni, settings: LazySettings) -> None:
    small.remove(stored.id)
    shown_ago(8 * DAY)
    settings.FORGET_DAYS = 0
    assert sweep() == "OMNIVIEWER_FORGET_DAYS is 0: no conversation is deleted.\n"
    assert Conversation.objects.exists()
    settings.FORGET_DAYS = 7
    sweep()
    assert not Conversation.objects.exists()


def test_each_answer_of_omnis_renews_the_time(reads: Client, stored: InOmni) -> None:
    """A list renews it by its row, a thread by its messages."""
    walk = Walk.objects.get()

    def look_at_list() -> None:
        list_walk.check(walk, Urgency.WAITING, looked_at=timezone.now())

    for look in (look_at_list, lambda: reads.get(thread(stored))):
        shown_ago(LONG_AGO)
        look()
        assert Access.objects.get().shown_at > timezone.now() - DAY


def test_what_omni_still_shows_stays(stored: InOmni) -> None:
    """The list was not read for long, as with background sync off, so Omni is asked for the conversation itself."""
    shown_ago(LONG_AGO)
    told = sweep()
    assert "0 conversations deleted" in told
    assert "1 conversation kept: Omni still shows them." in told
    assert Access.objects.get().shown_at > timezone.now() - DAY
    assert "kept" not in sweep()


def test_what_omni_shows_to_another_token_stays(
    small: Organization, small_omni: StandIn, colleague: User, stored: InOmni
) -> None:
    credential_for(colleague, small_omni, small.organization_key())
    signed_in(colleague).get(thread(stored))
    Access.objects.filter(api_token__credentials__owner__username="owner").update(shown_at=timezone.now() - LONG_AGO)
    sweep()
    assert Message.objects.exists()


@pytest.mark.parametrize("fault", [Fault.status(500), Fault.status(429), Fault.html()])
def test_while_omni_cannot_be_asked_it_stays(
    small: Organization, small_omni: StandIn, stored: InOmni, fault: Fault
) -> None:
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    small_omni.fail(fault, times=20)
    assert "1 conversation kept for now: Omni could not be asked about them." in sweep()
    assert Conversation.objects.exists()


def test_while_omni_is_away_it_stays(small: Organization, small_omni: StandIn, stored: InOmni) -> None:
    shown_ago(LONG_AGO)
    small_omni.stop()
    assert "kept for now" in sweep()
    assert Conversation.objects.exists()


def test_one_that_a_rejected_token_alone_was_shown_goes(small: Organization, stored: InOmni, own: str) -> None:
    """A rejected token may see nothing, whatever it was shown before."""
    small.revoke(own)
    shown_ago(LONG_AGO)
    sweep()
    assert not Conversation.objects.exists()


def test_one_that_nobodys_token_was_shown_goes(stored: InOmni) -> None:
    """Earlier releases left such conversations behind when a person was deleted."""
    Access.objects.all().delete()
    sweep()
    assert not Conversation.objects.exists()
    assert not Job.objects.exists()


def test_a_refusal_is_not_asked_about_again(small: Organization, small_omni: StandIn, stored: InOmni) -> None:
    small.remove(stored.id)
    Access.objects.all().refuse()
    shown_ago(LONG_AGO)
    small_omni.requests.clear()
    sweep()
    assert small_omni.requests == []
    assert not Conversation.objects.exists()


def test_many_go_in_batches_and_by_the_budget(
    small: Organization, small_omni: StandIn, reads: Client, analyst: Member, settings: LazySettings
) -> None:
    """The sweep uses up its share of the budget and leaves the rest to a later turn, which starts by itself."""
    rows = [small.add_conversation(owner=analyst, name=f"No. {n}", turns=[("Q?", "A.")]) for n in range(30)]
    reads.get("/conversations/")
    for row in rows:
        small.remove(row.id)
    shown_ago(LONG_AGO)
    settings.RATE_PER_MINUTE = 30
    told = sweep()
    left = Conversation.objects.count()
    assert 0 < left < 30, told
    assert f"{left} conversation{'s' if left > 1 else ''} kept for now" in told
    again = DBTaskResult.objects.get(task_path=tasks.sweep.module_path)
    assert again.run_after > timezone.now()


def test_somebody_who_is_shown_it_meanwhile_keeps_it(
    small: Organization, stored: InOmni, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Omni shows the conversation to somebody between its refusal and the deletion."""
    small.remove(stored.id)
    shown_ago(LONG_AGO)
    asked = Sweep._may_be_shown

    def then_shown(this: Sweep, conversation: Conversation) -> bool:
        may = asked(this, conversation)
        Access.objects.update(shown_at=timezone.now())
        return may

    monkeypatch.setattr(Sweep, "_may_be_shown", then_shown)
    sweep()
    assert Conversation.objects.exists()
    assert deleted() == []


# By hand --------------------------------------------------------------------------------------------------


def test_a_conversation_is_forgotten_by_its_id(stored: InOmni, found: InOmni, owner: User) -> None:
    told = forget(str(stored.id))
    assert "1 conversation with all that is stored of them." in told
    assert "Omni still lists 1 of them" in told
    assert mentions(str(stored.id)) == set()
    assert deleted() == [stored.id]
    assert owner.credentials.exists()


def test_a_person_here_is_forgotten_once_they_have_left(stored: InOmni, owner: User) -> None:
    owner.email = "owner@company.example"
    owner.save()
    with pytest.raises(CommandError, match="owner can still sign in here or hold a token: run omniviewer offboard"):
        forget("owner@company.example")
    call_command("offboard", "owner", "--no-input", stdout=StringIO())
    told = forget("owner@company.example")
    assert "The account owner" in told
    assert not User.objects.filter(username="owner").exists()
    assert mentions("owner@company.example") == set()
    event = Event.objects.get(kind="person-removed")
    assert (event.whom, event.by) == ("owner", "command")


def test_a_person_in_omni_is_forgotten_with_their_conversations(
    small: Organization, small_omni: StandIn, colleague: User, analyst: Member, ben: Member
) -> None:
    mine = small.add_conversation(owner=analyst, name="Ann's", turns=[("Q?", "A.")])
    other = small.add_conversation(owner=ben, name="Ben's", turns=[("Q?", "A.")])
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    client.get("/conversations/")
    for row in (mine, other):
        client.get(thread(row))
    forget(Conversation.objects.get(omni_id=mine.id).owner_id)
    assert [row.omni_id for row in Conversation.objects.all()] == [other.id]


def test_a_dry_run_of_it_changes_nothing(stored: InOmni) -> None:
    assert "Nothing was changed." in forget(str(stored.id), "--dry-run")
    assert Conversation.objects.exists()


def test_only_of_one_instance(stored: InOmni, small_omni: StandIn) -> None:
    with pytest.raises(CommandError, match="Nothing is stored about"):
        forget(str(stored.id), "--instance", "other.omniapp.co")
    forget(str(stored.id), "--instance", small_omni.host)
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "nobody", "00000000-0000-0000-0000-000000000000", "%", "''"])
def test_a_name_of_nothing_is_an_error(stored: InOmni, name: str) -> None:
    with pytest.raises(CommandError, match="Nothing is stored about"):
        forget(name)
    assert Conversation.objects.exists()
