"""Whatever Omni answers, no page is a 500 and no stored message is lost."""

from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conversations.archive import people
from conversations.models import Conversation, EarlierMessage, Instance, Job, Message
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action, Member
from tests.conftest import EXAMPLE, credential_for, one_dialect

pytestmark = [pytest.mark.both_dialects, pytest.mark.slow]

THREAD = f"/conversations/{EXAMPLE}/"
WORDS = [f"Well-formed {number}" for number in range(6)]
NAMES = [
    "id",
    "messages",
    "role",
    "content",
    "text",
    "timestamp",
    "createdAt",
    "updatedAt",
    "name",
    "jobId",
    "omniChatUrl",
]
NAMES += ["data", "records", "pageInfo", "nextCursor", "hasNextPage", "totalRecords", "lastPrompt", "lastUserPrompt"]
text = st.text(st.characters(codec=None), max_size=40)
plain = st.none() | st.booleans() | st.integers() | st.floats() | text | st.just(EXAMPLE) | st.datetimes().map(str)
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | text, inner, max_size=5),
    max_leaves=20,
)
# Changes to a reply: the place, and the value to put there; `...` removes the value.
changes = st.lists(st.tuples(st.integers(0, 10**6), anything | st.just(...)), min_size=1, max_size=4)
many = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
some = settings(many, max_examples=20)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a JSON value, as its container and the key in it."""
    keys = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
    found = [(value, key) for key in keys]
    return found + [place for key in keys for place in places(value[key])]


def mutate(reply: Any, wanted: list[tuple[int, Any]]) -> Any:
    for number, instead in wanted:
        known = places(reply)
        if not known:
            break
        container, key = known[number % len(known)]
        if instead is ...:
            del container[key]
        else:
            container[key] = instead
    return reply


def texts() -> set[str]:
    current = Message.objects.values_list("text", flat=True)
    return {text for text in [*current, *EarlierMessage.objects.values_list("text", flat=True)] if text.strip()}


def look(client: Client, address: str) -> None:
    """Check for no exception (the test client raises it), no 500, and no loss of stored text."""
    before = texts()
    Instance.objects.all().delete()
    for answer in (client.get(address + "?refresh=1", follow=True), client.get(address)):
        assert answer.status_code in (200, 404, 503), answer.status_code
    assert before <= texts()


def check_any_json(client: Client, omni: StandIn, address: str) -> None:
    client.get(address)

    @many
    @given(anything)
    def check(reply: Any) -> None:
        omni.recover()
        omni.fail(Fault.body(reply), path="/v1/ai")
        look(client, address)

    check()


def check_any_change(client: Client, omni: StandIn, address: str) -> None:
    client.get(address)

    @many
    @given(changes)
    def check(wanted: list[tuple[int, Any]]) -> None:
        omni.recover()
        omni.fail(Fault.edit(lambda reply: mutate(reply, wanted)), path="/v1/ai")
        look(client, address)

    check()


@pytest.fixture
def listed(small: Organization, analyst: Member) -> None:
    """Add a short list, so that each change hits a row that is shown, and a page costs little."""
    for words in WORDS:
        small.add_conversation(owner=analyst, name=words, turns=[("How many?", "Ten.")])


@one_dialect
def test_any_json_for_a_thread(owner_reads: Client, omni: StandIn) -> None:
    check_any_json(owner_reads, omni, THREAD)


@one_dialect
def test_any_json_for_a_list(listed: None, reads: Client, small_omni: StandIn) -> None:
    check_any_json(reads, small_omni, "/conversations/")


def test_any_change_to_a_thread(owner_reads: Client, omni: StandIn) -> None:
    check_any_change(owner_reads, omni, THREAD)


def test_any_change_to_a_list(listed: None, reads: Client, small_omni: StandIn) -> None:
    check_any_change(reads, small_omni, "/conversations/")


@one_dialect
def test_any_bytes(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)

    @many
    @given(st.binary(max_size=200))
    def check(body: bytes) -> None:
        omni.recover()
        omni.fail(Fault.body(body), path="/v1/ai")
        look(owner_reads, THREAD)

    check()


# One place holds anything, and the rest is well-formed: the rest is shown ----------------------------------


def spoiled(rows: list[Any], place: int, inner: int, instead: Any) -> None:
    """Put anything in the place of one entry, or of one place within it."""
    within = [(container, key) for container, key in places(rows[place])]
    container, key = [(rows, place), *within][inner % (len(within) + 1)]
    if instead is not ...:
        container[key] = instead
    elif container is not rows:
        del container[key]


spoils = st.tuples(st.integers(0, len(WORDS) - 1), st.just(0) | st.integers(0, 10**3), anything | st.just(...))


def shown_but_one(page: str, place: int) -> bool:
    return all(words in page for number, words in enumerate(WORDS) if number != place)


def test_anything_in_one_message_hides_no_other(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    turns = list(zip(WORDS[::2], WORDS[1::2], strict=True))
    found = small.add_conversation(owner=analyst, name="Named", turns=turns)

    @some
    @given(spoils)
    def check(spoil: tuple[int, int, Any]) -> None:
        def change(reply: Any) -> Any:
            spoiled(reply["messages"], *spoil)
            return reply

        small_omni.recover()
        small_omni.fail(Fault.edit(change), path="/v1/ai/conversations/")
        answer = reads.get(f"/conversations/{found.id}/?refresh=1", follow=True)
        assert answer.status_code == 200
        assert shown_but_one(answer.content.decode(), spoil[0])

    check()


@one_dialect
def test_anything_beside_the_messages_hides_none(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    turns = list(zip(WORDS[::2], WORDS[1::2], strict=True))
    found = small.add_conversation(owner=analyst, name="Named", turns=turns)

    @some
    @given(st.sampled_from(["id", "name", "createdAt", "updatedAt", "userId", "organizationId", "surprise"]), anything)
    def check(name: str, instead: Any) -> None:
        # A changed id is refused: it belongs to another conversation.
        assume(name != "messages" and not (name == "id" and isinstance(instead, str) and instead.strip()))
        small_omni.recover()
        small_omni.fail(Fault.edit(lambda reply: {**reply, name: instead}), path="/v1/ai/conversations/")
        answer = reads.get(f"/conversations/{found.id}/?refresh=1", follow=True)
        assert answer.status_code == 200
        assert all(words in answer.content.decode() for words in WORDS)

    check()


def test_anything_in_one_row_hides_no_other(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    for words in reversed(WORDS):
        small.add_conversation(owner=analyst, name=words, turns=[("How many?", "Ten.")])

    @some
    @given(spoils)
    def check(spoil: tuple[int, int, Any]) -> None:
        def change(reply: Any) -> Any:
            spoiled(reply.get("data") or reply["records"], *spoil)
            return reply

        Conversation.objects.all().delete()
        small_omni.recover()
        small_omni.fail(Fault.edit(change), path="/v1/ai/conversations")
        answer = reads.get("/conversations/?refresh=1", follow=True)
        assert answer.status_code == 200
        assert shown_but_one(answer.content.decode(), spoil[0])

    check()


@one_dialect
def test_anything_in_one_action_hides_no_other(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = small.add_conversation(owner=analyst, name="Named", turns=[("How many?", "Ten.")])
    rows = [("Region", "Sum"), ("North", "1"), ("South", "2")]
    found.jobs[0].actions = tuple(
        Action("generate_query", words, "Query", {"table": "t"}, rows, error={"message": "m"}, status=status)
        for words, status in zip(WORDS, ["success", "error"] * 3, strict=True)
    )
    reads.get(f"/conversations/{found.id}/")

    @some
    @given(spoils)
    def check(spoil: tuple[int, int, Any]) -> None:
        def change(reply: Any) -> Any:
            spoiled(reply["actions"], *spoil)
            return reply

        Job.objects.all().delete()
        small_omni.recover()
        small_omni.fail(Fault.edit(change), path=f"/v1/ai/jobs/{found.jobs[0].id}/result")
        answer = reads.get(f"/conversations/{found.id}/messages/2/evidence/")
        assert answer.status_code == 200
        assert shown_but_one(answer.content.decode(), spoil[0])

    check()


@one_dialect
def test_anything_in_one_person_hides_no_other(colleague: User, small: Organization, small_omni: StandIn) -> None:
    for words in WORDS:
        small.add_member(words, f"{words[-1]}@small.example")
    token = credential_for(colleague, small_omni, small.organization_key()).api_token

    @some
    @given(spoils)
    def check(spoil: tuple[int, int, Any]) -> None:
        def change(reply: Any) -> Any:
            if reply["Resources"]:
                spoiled(reply["Resources"], *spoil)
            return reply

        small_omni.recover()
        small_omni.fail(Fault.edit(change), path="/scim")
        token.members_asked_at = None
        assert shown_but_one(" ".join(row.name for row in people.members(token)), spoil[0])

    check()
