"""An upgrade from the last release loses nothing, and gives nobody what their own token was not shown."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.crypto import salted_hmac
from pytest_django import DjangoDbBlocker

from conversations import tasks
from conversations.models import (
    Access,
    Capture,
    Conversation,
    EarlierMessage,
    Job,
    JobAccess,
    Member,
    Message,
    Reader,
    SeenRevision,
    Walk,
)
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from tests.captured import answered, thread, work
from tests.conftest import signed_in, text_of

LAST_RELEASE = [("conversations", "0009_questions_by_time"), ("accounts", "0002_signing_in")]
# Models of the last release whose rows stay as they were.
SAME = (
    ("accounts", "User"),
    *(
        ("conversations", name)
        for name in (
            "Conversation",
            "Message",
            "EarlierMessage",
            "Job",
            "Action",
            "Chart",
            "Star",
            "TicketReference",
            "Visit",
            "ReadUntil",
        )
    ),
)
# Columns that are new, or have moved to another table.
OTHERWISE = {"is_indexed", "read_of", "is_behind", "refused_to"}
NOW = datetime.now(UTC).replace(microsecond=0)
LISTED, EARLIER = NOW - timedelta(hours=1), NOW - timedelta(hours=2)


def digest(token: str) -> str:
    return salted_hmac("omniviewer.token", token, algorithm="sha256").hexdigest()


@dataclass
class LastRelease:
    """A database of the last release, and the instance that its tokens are for."""

    omni: StandIn
    organization: Organization
    models: Any
    found: list[InOmni] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def model(self, name: str, app: str = "conversations") -> Any:
        return self.models.get_model(app, name)

    def person(self, name: str) -> Any:
        return self.model("User", "accounts").objects.create(username=name, password="!")

    def credential(self, owner: Any, label: str, token: str, **values: Any) -> Any:
        keys = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
        told = {"instance": self.omni.host, "ciphertext": keys.encrypt(token.encode()).decode(), "checked_at": EARLIER}
        return self.model("Credential", "accounts").objects.create(owner=owner, label=label, **told | values)

    def access(self, credential: Any, conversation: Any, token: str, listed_at: datetime | None = LISTED) -> None:
        self.model("Access").objects.create(
            credential=credential,
            conversation=conversation,
            token=digest(token),
            listed_at=listed_at,
            confirmed_at=listed_at or EARLIER,
            since=EARLIER,
        )

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        models = ((name, self.models.get_model(app, name)) for app, name in SAME)
        return {name: list(model.objects.order_by("pk").values()) for name, model in models}


def fill(old: LastRelease) -> None:
    """Add three people with one organization key, two personal tokens, and all past faults."""
    ann, ben = (old.organization.add_member(name, f"{name}@small.example") for name in ("Ann", "Ben"))
    old.tokens = {
        "key": old.organization.organization_key(),
        "ann": old.organization.personal_token(ann),
        "ben": old.organization.personal_token(ben),
        "revoked": "omni_pat_revoked",
        "replaced": "omni_pat_replaced",
    }
    key, of_ann, of_ben = old.tokens["key"], old.tokens["ann"], old.tokens["ben"]
    ages = [timedelta(days=20), timedelta(days=2)]
    old.found = [answered(old.organization, owner, ages=ages) for owner in (ann, ann, ben)]
    first, second, third = (_conversation(old, row) for row in old.found)

    lea, lou, max_, amy, bob, ron = (old.person(name) for name in ("lea", "lou", "max", "amy", "bob", "ron"))
    of_organization = {"scope": "organization", "role": "ORG_ADMIN"}
    lea_one = old.credential(lea, "Omni", key, is_default=True, **of_organization)
    lea_two = old.credential(lea, "The same again", key, **of_organization)
    lou_one = old.credential(lou, "Key", key, is_default=True, **of_organization)
    max_one = old.credential(max_, "Key", key, is_default=True, **of_organization)
    amy_last = old.credential(amy, "The key too", key, **of_organization)
    amy_one = old.credential(amy, "Mine", of_ann, is_default=True, scope="user", membership_id=str(ann.id))
    bob_one = old.credential(bob, "Mine", of_ben, is_default=True, scope="user", membership_id=str(ben.id))
    ron_one = old.credential(ron, "Rejected", old.tokens["revoked"], is_default=True, rejected_at=NOW)
    # Accepted later for one holder than for the other, and rejected since: Omni's last word counts.
    old.credential(max_, "Rejected too", old.tokens["revoked"], checked_at=LISTED)
    lost = Fernet(Fernet.generate_key()).encrypt(b"omni_pat_lost").decode()
    old.credential(ron, "Lost key", "", ciphertext=lost)
    old.credential(ron, "Lost key too", "", ciphertext=lost)

    for credential, at in ((lea_one, LISTED), (lea_two, EARLIER), (max_one, None)):
        for row in (first, second, third):
            old.access(credential, row, key, at)
    old.access(amy_one, first, of_ann)
    # Listed to the token that Amy's credential held before, later than to her own.
    old.access(amy_last, second, key, EARLIER)
    old.access(lou_one, first, old.tokens["replaced"], NOW)
    old.access(bob_one, second, old.tokens["replaced"])
    old.access(bob_one, third, of_ben)
    old.access(ron_one, first, old.tokens["revoked"])

    walks, people, captures = (old.model(name).objects for name in ("Walk", "Member", "Capture"))
    for credential, token, at in ((lea_one, key, EARLIER), (lou_one, key, LISTED), (max_one, "", None)):
        made = {"token": digest(token) if token else "", "checked_at": at, "walked_at": at, "cursor": str(at)}
        walks.create(credential=credential, **made)
        people.create(credential=credential, omni_id=str(ann.id), name="Ann")
    walks.create(credential=lea_one, member=str(ann.id), token=digest(key), checked_at=LISTED)
    walks.create(credential=bob_one, token=digest(old.tokens["replaced"]), checked_at=LISTED)
    people.create(credential=lea_two, omni_id=str(ben.id), name="Ben")

    jobs = [message.job for row in old.found for message in row.messages if message.job]
    wanted = {"not_before": NOW, "leased_until": NOW, "expires_at": NOW + timedelta(days=12)}
    captures.create(conversation=first, job_id=jobs[1].id, credential=lea_two, **wanted)
    captures.create(conversation=second, job_id=jobs[3].id, credential=None, **wanted)
    captures.create(conversation=third, job_id=uuid4(), credential=bob_one, **wanted)
    for conversation, job, refused_to in zip((first, second, third), jobs[1::2], ("ann", "", "ben"), strict=True):
        kept = old.model("Job").objects.create(
            instance=old.omni.host,
            omni_id=job.id,
            conversation_id=conversation.omni_id,
            state="COMPLETE",
            kept_at=None if refused_to else NOW,
            refused_to=digest(old.tokens[refused_to]) if refused_to else "",
            asked_at=NOW,
        )
        old.model("Action").objects.create(job=kept, number=1, is_query=True, csv=b"packed", body=b"{}")
        old.model("Chart").objects.create(job=kept, png=b"a picture")
    old.model("Reading").objects.create(conversation=first, not_before=NOW, tries=2)
    for user in (lea, amy):
        old.model("Star").objects.create(user=user, conversation=first)
        old.model("Visit").objects.create(user=user, conversation=second, seen=NOW)
        old.model("ReadUntil").objects.create(user=user)
    old.model("TicketReference").objects.create(conversation=first, ticket="ABC-1", added_by=lea)


def _conversation(old: LastRelease, found: InOmni) -> Any:
    row = old.model("Conversation").objects.create(
        instance=old.omni.host,
        omni_id=found.id,
        name=found.name,
        last_prompt=found.last_prompt,
        owner_id=f"of {found.owner.name}",
        created_at=found.created_at,
        updated_at=found.updated_at,
        recency=int(found.updated_at.timestamp() * 1000) << 20,
        fetched_at=LISTED,
        revision=2,
        version="as it was",
        is_behind=False,
        is_indexed=True,
    )
    for position, message in enumerate(found.messages, start=1):
        old.model("Message").objects.create(
            conversation=row,
            position=position,
            role=message.role,
            text=message.text,
            html=f"<p>{message.text}</p>",
            created_at=message.created_at,
            job_id=message.job.id if message.job else None,
            omni_chat_url=message.chat_url or "",
            revision=2 if position == 2 else 1,
        )
    old.model("EarlierMessage").objects.create(
        conversation=row, position=2, role="assistant", text="As it was before.", replaced_at=EARLIER
    )
    return row


@pytest.fixture(scope="module")
def upgraded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[LastRelease]:
    """Return a database of the last release, filled and upgraded once for all tests of this file."""
    organization = Organization("upgrade")
    with django_db_blocker.unblock(), StandIn(organization, rate_per_minute=10_000) as omni:
        executor = MigrationExecutor(connection)
        executor.migrate(LAST_RELEASE)
        models = MigrationExecutor(connection).loader.project_state(LAST_RELEASE).apps
        old = LastRelease(omni, organization, models)
        try:
            fill(old)
            old.before = old.rows()
        finally:
            call_command("migrate", verbosity=0)
        with django_db_blocker.block():
            yield old
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def old(upgraded: LastRelease, db: None) -> LastRelease:
    upgraded.omni.requests.clear()
    return upgraded


def token(old: LastRelease, name: str) -> ApiToken:
    return ApiToken.objects.get(digest=digest(old.tokens[name]))


def ids(old: LastRelease, *places: int) -> set[UUID]:
    return {old.found[place].id for place in places}


def listed(name: str) -> set[UUID]:
    rows = Access.objects.rows_of(Reader.for_user(User.objects.get(username=name)))
    return set(rows.values_list("conversation__omni_id", flat=True))


def readable(name: str) -> set[UUID]:
    found = Conversation.objects.readable_by(User.objects.get(username=name))
    return set(found.values_list("omni_id", flat=True))


def test_it_works(old: LastRelease) -> None:
    page = text_of(signed_in(User.objects.get(username="lea")).get("/conversations/"))
    assert page.count("Orders by month") >= len(old.found)


@pytest.mark.parametrize("name", [name for _, name in SAME])
def test_every_row_is_still_there_and_the_same(old: LastRelease, name: str) -> None:
    models: dict[str, Any] = {"User": User}
    from conversations import models as present

    model = models.get(name) or getattr(present, name, None)
    if model is None:
        from conversations.models import visit

        model = getattr(visit, name)
    rows = list(model.objects.order_by("pk").values())
    assert len(rows) == len(old.before[name]) > 0
    for row, before in zip(rows, old.before[name], strict=True):
        assert {column: row[column] for column in before if column not in OTHERWISE} == {
            column: value for column, value in before.items() if column not in OTHERWISE
        }


def test_each_token_is_one_row_that_its_holders_share(old: LastRelease) -> None:
    assert ApiToken.objects.count() == 3 + 1 + 2
    held = token(old, "key").credentials
    assert sorted(held.values_list("owner__username", flat=True)) == ["amy", "lea", "lea", "lou", "max"]
    assert token(old, "key").token.reveal() == old.tokens["key"]
    assert token(old, "key").sees_organization
    undecryptable = ApiToken.objects.filter(digest__startswith="undecryptable")
    assert sorted(undecryptable.values_list("credentials__label", flat=True)) == ["Lost key", "Lost key too"]


def test_credentials_keep_their_order_and_their_default(old: LastRelease) -> None:
    amy, lea = (Credential.objects.filter(owner__username=name).order_by("order") for name in ("amy", "lea"))
    assert [row.label for row in amy] == ["Mine", "The key too"]
    assert [row.label for row in lea] == ["Omni", "The same again"]
    assert [row.is_default for row in amy] == [True, False]


def test_accesses_are_one_for_each_token_and_conversation(old: LastRelease) -> None:
    pairs = list(Access.objects.values_list("api_token", "conversation"))
    assert len(pairs) == len(set(pairs)) == 3 + 1 + 2 + 1
    of_key = Access.objects.filter(api_token=token(old, "key"))
    assert {row.listed_at for row in of_key} == {LISTED}
    assert {(row.name, row.updated_at) for row in of_key} == {(row.name, row.updated_at) for row in old.found}
    assert {row.recency for row in of_key} == {row["recency"] for row in old.before["Conversation"]}


def test_a_reply_to_another_token_takes_the_place_of_none_to_this_one(old: LastRelease) -> None:
    """Two credentials share an API token; the later access came from the token that one of them held before."""
    first = Access.objects.get(api_token=token(old, "key"), conversation__omni_id=old.found[0].id)
    assert first.listed_at == LISTED


def test_a_row_is_for_those_whose_own_token_was_listed_it(old: LastRelease) -> None:
    for name in ("lea", "lou", "max"):
        assert listed(name) == ids(old, 0, 1, 2)
    assert listed("amy") == ids(old, 0, 1, 2)
    assert listed("bob") == ids(old, 2)
    assert listed("ron") == set()


def test_messages_are_for_nobody_until_the_thread_route_answers_their_token(old: LastRelease) -> None:
    address = thread(old.found[2])
    assert all(readable(name) == set() for name in ("lea", "lou", "max", "amy", "bob", "ron"))
    bob, lea = (signed_in(User.objects.get(username=name)) for name in ("bob", "lea"))
    assert "How many orders in month 1?" in text_of(bob.get(address))
    assert [request.token for request in old.omni.requests] == [old.tokens["ben"]]
    assert readable("bob") == ids(old, 2)
    assert readable("lea") == set()
    old.organization.permissions.deny("thread", token=old.tokens["key"])
    try:
        assert lea.get(address).status_code == 404
    finally:
        old.organization.permissions.allow("thread", token=old.tokens["key"])
    assert readable("lou") == set()


def test_earlier_messages_are_for_nobody_whose_token_is_not_known_to_have_been_shown_them(old: LastRelease) -> None:
    assert not SeenRevision.objects.exists()
    assert EarlierMessage.objects.count() == len(old.found)
    address = thread(old.found[0])
    page = text_of(signed_in(User.objects.get(username="lea")).get(address))
    assert "As it was before." not in page
    assert Message.objects.filter(conversation__omni_id=old.found[0].id).count() == len(old.found[0].messages)


def test_a_refused_job_stays_refused_to_its_token_alone(old: LastRelease) -> None:
    rows = JobAccess.objects.refused()
    assert {(row.api_token_id, row.conversation.omni_id) for row in rows.select_related("conversation")} == {
        (token(old, "ann").pk, old.found[0].id),
        (token(old, "ben").pk, old.found[2].id),
    }
    address = f"{thread(old.found[2])}messages/4/"
    assert "Omni does not show this job" in text_of(signed_in(User.objects.get(username="bob")).get(address))
    assert "Omni does not show this job" not in text_of(signed_in(User.objects.get(username="lea")).get(address))


def test_evidence_is_for_nobody_until_a_route_of_the_job_answers_their_token(old: LastRelease) -> None:
    lea = User.objects.get(username="lea")
    signed_in(lea).get(thread(old.found[1]))
    assert not JobAccess.objects.visible_to(Reader.for_user(lea)).exists()


def test_walks_and_people_are_one_for_each_token(old: LastRelease) -> None:
    walks = Walk.objects.filter(api_token=token(old, "key")).order_by("member")
    assert [(row.member, row.checked_at) for row in walks] == [
        ("", LISTED),
        (str(old.organization.members[0].id), LISTED),
    ]
    # The old walk went through the list as another API token saw it, so a new walk begins.
    assert not Walk.objects.filter(api_token=token(old, "ben")).exists()
    assert sorted(Member.objects.values_list("api_token", "name")) == [
        (token(old, "key").pk, "Ann"),
        (token(old, "key").pk, "Ben"),
    ]


def test_what_was_to_be_captured_still_is_with_a_token_that_was_shown_it(old: LastRelease) -> None:
    rows = Capture.objects.order_by("pk")
    key, ben = token(old, "key").pk, token(old, "ben").pk
    assert [(row.api_token_id, row.conversation.omni_id) for row in rows] == [
        (key, old.found[0].id),
        (key, old.found[1].id),
        (ben, old.found[2].id),
    ]


def test_it_is_captured_once_the_thread_route_has_answered_that_token(old: LastRelease) -> None:
    tasks.nudge(tasks.capture)
    work()
    key, ben = old.tokens["key"], old.tokens["ben"]
    assert {request.token for request in old.omni.requests} == {key, ben}
    job = Job.objects.get(conversation_id=old.found[0].id)
    assert job.kept_at
    assert JobAccess.objects.get(job_id=job.omni_id, api_token=token(old, "key")).shown_at
    assert readable("lea") == ids(old, 0, 1)


def test_a_rejected_token_proves_nothing_of_what_it_was_shown_before(old: LastRelease) -> None:
    found = token(old, "revoked")
    assert found.rejected_at == found.rights_since == NOW


def test_the_background_fetches_all_of_it_anew_with_each_token(old: LastRelease, settings: Any) -> None:
    settings.SYNC = "all"
    ApiToken.objects.filter(digest__startswith="undecryptable").update(rejected_at=NOW)
    tasks.nudge_sync()
    work()
    assert readable("lea") == readable("lou") == ids(old, 0, 1, 2)
    assert readable("amy") == ids(old, 0, 1, 2)
    assert readable("bob") == ids(old, 2)
    assert not Access.objects.filter(is_behind=True, api_token__rejected_at=None, listed_at__isnull=False).exists()
