"""Two instances that use the same ids: neither says anything of the other's conversations, jobs or people."""

import html
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from conversations.archive import jobs, people, threads
from conversations.archive.outcomes import Fetch
from conversations.models import Conversation, Job, Member, Message, Star
from conversations.models.evidence import drop_kept_before
from conversations.models.storage import stored
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from tests.captured import answered
from tests.conftest import credential_for, signed_in, text_of

DAY = timedelta(days=1)


@pytest.fixture
def other() -> Organization:
    """Return a second organization, on another instance."""
    return Organization("other-org")


@pytest.fixture
def other_omni(other: Organization, dialect: str) -> Iterator[StandIn]:
    with StandIn(other, dialect=dialect, rate_per_minute=10_000) as stand_in:
        yield stand_in


@pytest.fixture
def pair(small: Organization, other: Organization) -> list[InOmni]:
    """Return a conversation on each instance; the jobs of their only answers have the same id."""
    made = []
    for organization, name in ((small, "Ann Analyst"), (other, "Olaf Other")):
        member = organization.add_member(name, f"{name[:3].lower()}@x.example")
        row = answered(organization, member, ages=[12 * DAY])
        made.append(row)
    first, second = (row.messages[1].job for row in made)
    assert first
    assert second
    second.id = first.id
    second.topic = "elsewhere"
    return made


@pytest.fixture
def reader(
    owner: User, pair: list[InOmni], small: Organization, other: Organization, small_omni: StandIn, other_omni: StandIn
) -> User:
    """Return the owner, whose first credential is for the first instance; the second's conversation was read first."""
    credential_for(owner, small_omni, small.organization_key(), "First")
    credential_for(owner, other_omni, other.organization_key(), "Second")
    client = signed_in(owner)
    for row in reversed(pair):
        assert client.get(f"/conversations/{row.id}/").status_code == 200
    return owner


def test_a_job_leads_to_the_answer_on_the_readers_first_instance(reader: User, pair: list[InOmni]) -> None:
    job = pair[0].messages[1].job
    assert job
    assert Message.objects.filter(job_id=job.id).count() == 2
    for place in (0, 1):
        assert jobs.locate(reader, job.id).conversation_id == pair[place].id
        second = Credential.objects.get(label="Second")
        signed_in(reader).post(f"/credentials/{second.pk}/default/")


def test_jobs_are_looked_up_with_their_instance(reader: User, pair: list[InOmni]) -> None:
    job = pair[0].messages[1].job
    assert job
    for instance in Conversation.objects.values_list("instance", flat=True):
        Job.objects.get_or_create(instance=instance, omni_id=job.id, defaults={"asked_at": timezone.now()})
    (first, second) = Conversation.objects.order_by("pk").values_list("instance", flat=True)
    assert [row.instance for row in Job.objects.with_ids([(first, job.id)])] == [first]
    assert {row.instance for row in Job.objects.with_ids([(first, job.id), (second, job.id)])} == {first, second}
    assert not Job.objects.with_ids([])


def test_what_is_captured_of_one_is_still_expiring_on_the_other(reader: User, pair: list[InOmni]) -> None:
    job = pair[0].messages[1].job
    assert job
    kept, left = Conversation.objects.order_by("pk").values_list("instance", flat=True)
    Job.objects.update_or_create(
        instance=kept, omni_id=job.id, defaults={"asked_at": timezone.now(), "kept_at": timezone.now()}
    )
    Job.objects.filter(instance=left).update(kept_at=None)
    assert {row.instance: row.expiring for row in stored()} == {kept: 0, left: 1}


def test_what_is_dropped_of_one_leaves_the_others_index_alone(reader: User, pair: list[InOmni]) -> None:
    one, another = Conversation.objects.order_by("pk")
    Conversation.objects.filter(pk=another.pk).update(omni_id=one.omni_id)
    Conversation.objects.update(is_indexed=True)
    now = timezone.now()
    job = pair[0].messages[1].job
    assert job
    Job.objects.update_or_create(
        instance=one.instance,
        omni_id=job.id,
        defaults={"asked_at": now, "kept_at": now - 40 * DAY, "conversation_id": one.omni_id},
    )
    assert drop_kept_before(now - 30 * DAY, most=10) == 1
    assert dict(Conversation.objects.values_list("pk", "is_indexed")) == {one.pk: False, another.pk: True}


def test_people_are_named_as_their_own_instance_does(reader: User, pair: list[InOmni]) -> None:
    owner_id = Conversation.objects.get(omni_id=pair[0].id).owner_id
    Member.objects.all().delete()
    for token in ApiToken.objects.all():
        named = "Ann Analyst" if token.credentials.get().label == "First" else "Somebody Else"
        Member.objects.create(api_token=token, omni_id=owner_id, name=named, email="x@x.example")
    for page in (f"/conversations/{pair[0].id}/", f"/conversations/{pair[0].id}/print/", "/conversations/"):
        said = text_of(signed_in(reader).get(page))
        assert "Ann Analyst" in said
        rows = said.partition('id="listed"')[2].partition("<aside")[0] or said
        assert "Somebody Else" not in rows


@pytest.fixture
def namesakes(small: Organization, other: Organization) -> list[InOmni]:
    """Return a conversation on each instance, with the same id, of two people with the same id."""
    ann = small.add_member("Ann Analyst", "ann@small.example")
    olaf = other.add_member("Olaf Other", "olaf@other.example", id=ann.id)
    one = small.add_conversation(owner=ann, name="Of Ann", turns=[("Walrus?", "Seal.")])
    return [one, other.add_conversation(owner=olaf, name="Of Olaf", id=one.id, turns=[("Walrus?", "Seal.")])]


@pytest.fixture
def of_both(
    owner: User,
    namesakes: list[InOmni],
    small: Organization,
    other: Organization,
    small_omni: StandIn,
    other_omni: StandIn,
) -> Client:
    """Return the owner's client, which reads both instances with organization keys and has read all of both."""
    for organization, omni in ((small, small_omni), (other, other_omni)):
        token = credential_for(owner, omni, organization.organization_key(), organization.name).api_token
        people.members(token)
        threads.open(owner, namesakes[0].id, instance=omni.host)
    client = signed_in(owner)
    client.get("/conversations/")
    return client


def titles(answer: Any) -> list[str]:
    return re.findall(r"Of (?:Ann|Olaf)(?=</a>)", answer.content.decode())


def test_an_owner_is_one_instances(of_both: Client, namesakes: list[InOmni], other_omni: StandIn) -> None:
    member = namesakes[0].owner.id
    for typed, found in {
        "owner:ann": ["Of Ann"],
        "owner:olaf@": ["Of Olaf"],
        "-owner:olaf": ["Of Ann"],
        f"owner:{member}": ["Of Olaf", "Of Ann"],
        f"owner:{member}@{other_omni.host}": ["Of Olaf"],
        f"-owner:{member}@{other_omni.host}": ["Of Ann"],
        f"owner:{member}@elsewhere.example": [],
        "owner:me": [],
    }.items():
        page = of_both.get("/conversations/", {"q": typed})
        assert sorted(titles(page)) == sorted(found), typed
    choices = text_of(of_both.get("/conversations/"))
    assert f'<option value="{member}@{other_omni.host}">Olaf Other ' in choices
    said = text_of(of_both.get(f"/conversations/?q=owner:{member}@{other_omni.host}"))
    assert '<bdi class="chip-meaning">Olaf Other</bdi>' in said
    assert f'<option value="{member}@{other_omni.host}" selected>Olaf Other ' in said


def test_insights_count_each_instances_people(of_both: Client, namesakes: list[InOmni]) -> None:
    page = of_both.get("/insights/?period=all").content.decode()
    table = page.partition('id="people"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    for name, title in (("Ann Analyst", "Of Ann"), ("Olaf Other", "Of Olaf")):
        row = next(row for row in table.split("<tr") if name in row)
        address = html.unescape(re.findall(r'href="([^"]+)"', row)[0])
        assert titles(of_both.get(address)) == [title]
        assert (
            text_of(of_both.get("/insights/", {"period": "all", "owner": name.split()[0]})).count(f"{name}</bdi>") == 1
        )


def test_the_thread_leads_to_the_conversations_of_who_asked(of_both: Client, namesakes: list[InOmni]) -> None:
    page = text_of(of_both.get(f"/conversations/{namesakes[0].id}/"))
    address = html.unescape(next(iter(re.findall(r'Asked by</dt>\s*<dd>\s*<a href="([^"]+)"', page))))
    assert titles(of_both.get(address)) == ["Of Ann"]


def test_what_is_chosen_is_of_one_instance(of_both: Client, namesakes: list[InOmni]) -> None:
    page = text_of(of_both.get("/conversations/"))
    boxes = re.findall(r'name="conversation" value="([^"]+)"', page)
    assert len(set(boxes)) == 2
    olafs = boxes[titles(of_both.get("/conversations/")).index("Of Olaf")]
    by_id = str(namesakes[0].id)
    for chosen, found in {olafs: ["Of Olaf"], by_id: ["Of Ann"], f"elsewhere.example/{by_id}": []}.items():
        Star.objects.all().delete()
        of_both.post("/conversations/selected/", {"do": "star", "conversation": [chosen, "no id"]})
        assert titles(of_both.get("/conversations/?q=is:starred")) == found
        zipped = of_both.post("/conversations/selected/", {"do": "export", "conversation": [chosen]})
        if found:
            with zipfile.ZipFile(io.BytesIO(b"".join(zipped))) as written:
                assert [json.loads(written.read(name))["name"] for name in written.namelist()[1::2]] == found


def test_a_conversation_is_opened_on_the_instance_that_is_asked_for(
    of_both: Client, namesakes: list[InOmni], owner: User, other_omni: StandIn
) -> None:
    for instance, title in (("", "Of Ann"), (other_omni.host, "Of Olaf")):
        for when in Fetch:
            found = threads.open(owner, namesakes[0].id, instance=instance, when=when)
            assert found.conversation.name == title
    other_omni.fail(Fault.status(503))
    found = threads.open(owner, namesakes[0].id, instance=other_omni.host, when=Fetch.ALWAYS)
    assert (found.conversation.name, bool(found.notice)) == ("Of Olaf", True)
