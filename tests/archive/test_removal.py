"""Removing a credential: what it says before, what goes and how, and handing it over to somebody else instead."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult

from conversations import tasks
from conversations.archive import removal
from conversations.models import Access, Conversation, HandOver, Job, Message, Removal, Walk
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.audit.models import Event
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.conftest import credential_for, person, signed_in, text_of

pytestmark = pytest.mark.django_db

COUNT = 7


@pytest.fixture
def found(small: Organization, analyst: Member) -> InOmni:
    return answered(small, analyst, ages=[DAY])


@pytest.fixture
def many(small: Organization, ben: Member, found: InOmni) -> list[InOmni]:
    return [small.add_conversation(owner=ben, name=f"No. {n}", turns=[("Q?", "A.")]) for n in range(COUNT - 1)]


@pytest.fixture
def lead(colleague: User, small: Organization, small_omni: StandIn, many: list[InOmni], found: InOmni) -> Client:
    """Return the colleague's client, the only one with an organization key, which was shown seven conversations."""
    credential_for(colleague, small_omni, small.organization_key(), "The key")
    client = signed_in(colleague)
    client.get("/conversations/")
    client.get(f"{thread(found)}?ticket=SUP-17")
    client.get(f"{thread(found)}messages/2/evidence/")
    for row in many[:3]:
        client.get(thread(row))
    return client


@pytest.fixture
def bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have removal go by two conversations at a time, and leave all of it to a worker."""
    monkeypatch.setattr(removal, "BATCH_CONVERSATIONS", 2)
    monkeypatch.setattr("conversations.tasks._AT_ONCE_SECONDS", -1)


def key_of(user: User) -> int:
    return Credential.objects.get(owner=user).pk


def page(client: Client, address: str = "/credentials/") -> str:
    return text_of(client.get(address))


def events() -> list[tuple[str, str, str]]:
    kinds = ["credential-removed", "handed-over"]
    return list(Event.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", "who", "whom"))


# Confirmation, and the rows that go -----------------------------------------------------------------------


def test_it_says_what_will_be_lost(lead: Client, colleague: User) -> None:
    Job.objects.update(finished_at="2026-01-01T00:00:00Z")
    said = page(lead, f"/credentials/{key_of(colleague)}/remove/")
    assert f"<strong>{COUNT} stored conversations</strong>" in said
    assert "<strong>the evidence of 1 answer</strong> that Omni no longer has: it cannot be fetched again" in said
    assert "1 link to tickets" in said
    assert "Or hand the conversations over to a colleague" in said


def test_a_few_go_at_once(lead: Client, colleague: User) -> None:
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    assert not Conversation.objects.exists()
    assert not Job.objects.exists()
    assert not ApiToken.objects.exists()
    assert "conversations dealt with" not in page(lead).lower()


@pytest.mark.usefixtures("bits")
def test_many_go_by_a_worker_with_progress(lead: Client, colleague: User) -> None:
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    token = ApiToken.objects.get()
    assert token.ciphertext == ""  # The secret goes first.
    assert not Walk.objects.exists()
    assert f"could read: 2 of {COUNT} conversations." in page(lead)
    # Nobody can read the conversations from now on.
    assert "No. 1" not in page(lead, "/conversations/")
    removal.run(-1)
    assert f"4 of {COUNT}" in page(lead, "/credentials/removals/")
    work()
    assert not Conversation.objects.exists()
    assert not ApiToken.objects.exists()
    assert "Done." in page(lead, "/credentials/removals/")


@pytest.mark.usefixtures("bits")
def test_a_token_without_its_secret_is_no_fault_of_the_keys(lead: Client, colleague: User) -> None:
    """While it is removed, neither the probe nor the rotation of keys stumbles over it."""
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    assert ApiToken.objects.get().ciphertext == ""
    assert "encryption keys: ok" in Client().get("/readyz").content.decode()
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert out.getvalue() == "0 tokens encrypted under the first key.\n"


@pytest.mark.usefixtures("bits")
def test_progress_is_that_of_who_removed_it_alone(lead: Client, colleague: User, stranger: User) -> None:
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    other = signed_in(stranger)
    for address in ("/credentials/", "/credentials/removals/"):
        assert "could read" not in page(other, address)


@pytest.mark.usefixtures("bits")
def test_connecting_the_token_again_stops_it(
    lead: Client, colleague: User, small: Organization, small_omni: StandIn, found: InOmni
) -> None:
    key = Credential.objects.get(owner=colleague).api_token.token.reveal()
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    credential_for(colleague, small_omni, key)
    work()
    assert Access.objects.count() == COUNT - 2
    assert not Removal.objects.exists()
    assert ApiToken.objects.get().token.reveal() == key
    assert "could read" not in page(lead)
    assert lead.get(thread(found)).status_code == 200


@pytest.mark.usefixtures("bits")
def test_a_worker_that_is_killed_leaves_the_rest_to_the_next(lead: Client, colleague: User) -> None:
    """Each batch is a transaction of its own; the hourly task continues if no page nudges a worker."""
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    DBTaskResult.objects.all().delete()
    tasks.hourly.call()
    assert not ApiToken.objects.exists()


def test_a_batch_costs_the_same_however_many_there_are(
    lead: Client, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH_CONVERSATIONS", 2)
    monkeypatch.setattr("conversations.tasks._AT_ONCE_SECONDS", -1)
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    costs = []
    while True:
        with CaptureQueriesContext(database) as asked:
            goes_on = removal.run(-1)
        costs.append(len(asked))
        if not goes_on:
            break
    assert len(costs) == COUNT // 2 + 1
    assert max(costs) <= 30


def test_nothing_is_lost_that_another_holds(lead: Client, colleague: User, owner: User, small_omni: StandIn) -> None:
    key = Credential.objects.get(owner=colleague).api_token.token.reveal()
    credential_for(owner, small_omni, key)
    said = page(lead, f"/credentials/{key_of(colleague)}/remove/")
    assert "No stored conversation is deleted with it." in said
    assert "Or hand the conversations over to a colleague" not in said
    lead.post(f"/credentials/{key_of(colleague)}/remove/")
    assert Conversation.objects.count() == COUNT


@pytest.mark.usefixtures("bits")
def test_what_a_replaced_token_was_shown_goes_over_in_batches(
    lead: Client, colleague: User, small: Organization
) -> None:
    lead.post(f"/credentials/{key_of(colleague)}/token/", {"token": small.organization_key()})
    assert "Handing over what only a removed token" in page(lead)
    work()
    token = ApiToken.objects.get()
    assert Access.objects.filter(api_token=token).count() == COUNT == Conversation.objects.count()
    assert Job.objects.exclude(kept_at=None).count() == 1


@pytest.mark.usefixtures("bits")
def test_a_token_that_is_replaced_twice_loses_nothing(lead: Client, colleague: User, small: Organization) -> None:
    """The token is replaced again before the first replacement is done, and then by the first token."""
    first = Credential.objects.get(owner=colleague).api_token.token.reveal()
    for token in (small.organization_key(), small.organization_key(), first):
        lead.post(f"/credentials/{key_of(colleague)}/token/", {"token": token})
    work()
    assert Access.objects.count() == COUNT == Conversation.objects.count()
    assert ApiToken.objects.count() == 1
    assert not Removal.objects.exists()


@pytest.mark.usefixtures("bits")
def test_what_is_handed_over_twice_comes_to_the_last(lead: Client, colleague: User, small: Organization) -> None:
    """The token in between has the older row, so its removal waits for the rows still to come to it."""
    between, last = (ApiToken.objects.create(instance="x.example", digest=digest) for digest in "bl")
    first = Credential.objects.get(owner=colleague).api_token
    ApiToken.objects.filter(pk=between.pk).update(instance=first.instance)
    Access.objects.filter(api_token=first).update(api_token=last)
    Credential.objects.filter(owner=colleague).update(api_token=first)
    for token, heir in ((last, between), (between, first)):
        Removal.objects.begin(token, colleague, heir)
    work_off()
    assert Access.objects.filter(api_token=first).count() == COUNT == Conversation.objects.count()
    assert ApiToken.objects.get() == first


def work_off() -> None:
    while removal.run(-1):
        pass
    removal.run(1)


# Handing over ---------------------------------------------------------------------------------------------


@pytest.fixture
def successor(owner: User) -> Client:
    owner.email = "owner@company.example"
    owner.save()
    return signed_in(owner)


def offer(client: Client, giver: User, name: str = "owner@company.example") -> Any:
    return client.post(f"/credentials/{key_of(giver)}/hand-over/", {"name": name})


def take_over(client: Client, key: Credential | str) -> str:
    found = HandOver.objects.get()
    data = {"accept": "", "credential": key.pk if isinstance(key, Credential) else key}
    answer = client.post(f"/credentials/offers/{found.pk}/", data, follow=True)
    assert answer.status_code == 200
    return text_of(answer)


def test_somebody_else_takes_over(
    lead: Client,
    colleague: User,
    owner: User,
    successor: Client,
    small: Organization,
    small_omni: StandIn,
    found: InOmni,
) -> None:
    offer(lead, colleague)
    assert "When owner@company.example signs in here" in page(lead)
    assert "Offered to <strong>owner@company.example</strong>" in page(lead)
    assert "offers you their stored conversations" in page(successor)
    assert "You need an organization key of your own" in page(successor)
    own = credential_for(owner, small_omni, small.organization_key(), "Mine")
    assert "Take over" in page(successor)
    said = take_over(successor, own)
    assert "Handed over to Mine." in said
    assert not Credential.objects.filter(owner=colleague).exists()
    assert not HandOver.objects.exists()
    assert ApiToken.objects.get() == own.api_token
    assert Conversation.objects.count() == COUNT
    # No right was handed over, so Omni is asked.
    small_omni.requests.clear()
    assert successor.get(thread(found)).status_code == 200
    assert any(str(found.id) in row.path for row in small_omni.requests)
    assert events() == [("handed-over", "owner", "colleague"), ("credential-removed", "colleague", "")]


def test_no_right_goes_over(
    lead: Client,
    colleague: User,
    owner: User,
    successor: Client,
    small: Organization,
    small_omni: StandIn,
    many: list[InOmni],
) -> None:
    """A conversation that Omni does not show to the new key stays closed, as to a stranger."""
    own = credential_for(owner, small_omni, small.organization_key())
    offer(lead, colleague)
    take_over(successor, own)
    hidden = Access.objects.exclude(opened_at=None).values_list("conversation__omni_id", flat=True)
    closed = [row for row in many if row.id not in set(hidden)]
    assert closed
    small.remove(closed[0].id)
    assert Conversation.objects.filter(omni_id=closed[0].id).exists()
    assert successor.get(thread(closed[0])).status_code == 404
    assert not set(Access.objects.filter(conversation__omni_id=closed[0].id).values_list("listed_at", "opened_at")) - {
        (None, None)
    }


def test_a_personal_token_cannot_take_over(
    lead: Client,
    colleague: User,
    owner: User,
    successor: Client,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
) -> None:
    own = credential_for(owner, small_omni, small.personal_token(analyst), "Mine")
    offer(lead, colleague)
    assert "Take over" not in page(successor)
    assert "Nothing was handed over. Mine: Omni does not recognize this as an organization key." in take_over(
        successor, own
    )
    assert Credential.objects.filter(owner=colleague).exists()


def test_a_key_that_is_shown_less_cannot_take_over(
    lead: Client,
    colleague: User,
    owner: User,
    successor: Client,
    small: Organization,
    small_omni: StandIn,
    many: list[InOmni],
) -> None:
    key = small.organization_key()
    own = credential_for(owner, small_omni, key, "Mine")
    offer(lead, colleague)
    small.permissions.deny("thread", token=key)
    assert "This key cannot read a conversation that your colleague’s key can read." in take_over(successor, own)
    assert Credential.objects.filter(owner=colleague).exists()
    assert Conversation.objects.count() == COUNT


def test_what_omni_has_deleted_meanwhile_is_no_obstacle(
    lead: Client,
    colleague: User,
    owner: User,
    successor: Client,
    small: Organization,
    small_omni: StandIn,
    found: InOmni,
) -> None:
    own = credential_for(owner, small_omni, small.organization_key(), "Mine")
    offer(lead, colleague)
    small.remove(found.id)
    assert "Handed over to Mine." in take_over(successor, own)


def test_while_omni_is_away_nothing_is_handed_over(
    lead: Client, colleague: User, owner: User, successor: Client, small: Organization, small_omni: StandIn
) -> None:
    own = credential_for(owner, small_omni, small.organization_key())
    offer(lead, colleague)
    small_omni.fail(Fault.status(503))
    assert "Nothing was handed over. Omni" in take_over(successor, own)
    assert Credential.objects.filter(owner=colleague).exists()


@pytest.mark.parametrize("wrong", ["", "x", "0", "999999999999999999999999", "-1"])
def test_no_such_key_takes_nothing_over(lead: Client, colleague: User, successor: Client, wrong: str) -> None:
    offer(lead, colleague)
    assert "Choose an organization key of your own." in take_over(successor, wrong)


def test_with_the_key_of_somebody_else_nobody_takes_over(
    lead: Client, colleague: User, successor: Client, stranger: User, small: Organization, small_omni: StandIn
) -> None:
    other = credential_for(stranger, small_omni, small.organization_key())
    offer(lead, colleague)
    assert "Choose an organization key of your own." in take_over(successor, other)


def test_an_offer_is_withdrawn_or_declined(lead: Client, colleague: User, successor: Client) -> None:
    offer(lead, colleague)
    lead.post(f"/credentials/{key_of(colleague)}/hand-over/", {"withdraw": ""})
    assert "offers you their stored conversations" not in page(successor)
    offer(lead, colleague)
    successor.post(f"/credentials/offers/{HandOver.objects.get().pk}/", {"decline": ""})
    assert not HandOver.objects.exists()
    assert Credential.objects.filter(owner=colleague).exists()


def test_nobody_else_answers_an_offer(lead: Client, colleague: User, successor: Client, stranger: User) -> None:
    offer(lead, colleague)
    found = HandOver.objects.get()
    for client in (lead, signed_in(stranger)):
        assert client.post(f"/credentials/offers/{found.pk}/", {"decline": ""}).status_code == 404
    assert HandOver.objects.exists()


def test_it_does_not_tell_who_signs_in_here(lead: Client, colleague: User, owner: User) -> None:
    """An unknown name, a deactivated person's and an active one's get the same reply."""
    gone = person("gone")
    gone.is_active = False
    gone.save()
    answers = set()
    for name in ("owner", "nobody", "gone"):
        answer = lead.post(f"/credentials/{key_of(colleague)}/hand-over/", {"name": name}, follow=True)
        # "owner:me" stands in a link of every page.
        answers.add(text_of(answer).replace("owner:me", "").replace(name, "NAME"))
    assert len(answers) == 1


def test_to_oneself_or_nobody_is_an_error(lead: Client, colleague: User) -> None:
    for name, says in (("colleague", "That is you"), ("", "This field is required"), (" ", "This field is required")):
        answer = offer(lead, colleague, name)
        assert answer.status_code == 422
        assert says in text_of(answer)
    assert not HandOver.objects.exists()


def test_a_personal_token_is_not_offered(reads: Client, owner: User, found: InOmni) -> None:
    reads.get(thread(found))
    assert "Or hand the conversations over to a colleague" not in page(reads, f"/credentials/{key_of(owner)}/remove/")
    assert offer(reads, owner, "colleague").status_code == 422


# By an administrator --------------------------------------------------------------------------------------


def offboard(*arguments: str) -> str:
    out = StringIO()
    call_command("offboard", *arguments, "--no-input", stdout=out)
    return out.getvalue()


def test_offboarding_says_what_is_lost_and_removes_it(lead: Client) -> None:
    told = offboard("colleague")
    assert f"What goes with this: {COUNT} stored conversations, 1 ticket link." in told
    assert not Conversation.objects.exists()
    assert not ApiToken.objects.exists()


def test_offboarding_hands_over(lead: Client, owner: User, small: Organization, small_omni: StandIn) -> None:
    own = credential_for(owner, small_omni, small.organization_key())
    told = offboard("colleague", "--hand-over-to", "owner")
    assert "is handed over to owner." in told
    assert "What goes with this" not in told
    assert Conversation.objects.count() == COUNT
    assert ApiToken.objects.get() == own.api_token
    assert ("handed-over", "colleague", "owner") in events()


def test_offboarding_hands_over_to_nobody_unproven(
    lead: Client, colleague: User, owner: User, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    for name, says in (
        ("owner", "owner has no organization key for"),
        ("nobody", "is not one active person here"),
        ("colleague", "is not one active person here"),
    ):
        with pytest.raises(CommandError, match=says):
            offboard("colleague", "--hand-over-to", name)
    colleague.refresh_from_db()
    assert colleague.is_active
    assert Message.objects.exists()
