"""Whatever Omni answers, no page is a 500 and no stored message is lost."""

from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.models import EarlierMessage, Instance, Message
from omniviewer.demo.stand_in import Fault, StandIn
from tests.conftest import EXAMPLE

THREAD = f"/conversations/{EXAMPLE}/"
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
# Where in a reply, and what stands there instead; `...` for nothing at all.
changes = st.lists(st.tuples(st.integers(0, 10**6), anything | st.just(...)), min_size=1, max_size=4)
many = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as its container and the key in it."""
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
    """No exception (the test client raises it), no 500, and nothing that was stored is gone."""
    before = texts()
    Instance.objects.all().delete()
    for answer in (client.get(address + "?refresh=1", follow=True), client.get(address)):
        assert answer.status_code in (200, 404, 503), answer.status_code
    assert before <= texts()


@pytest.mark.parametrize("dialect", ["reference"])
@pytest.mark.parametrize("address", [THREAD, "/conversations/"])
def test_any_json(owner_reads: Client, omni: StandIn, address: str) -> None:
    owner_reads.get(address)

    @many
    @given(anything)
    def check(reply: Any) -> None:
        omni.recover()
        omni.fail(Fault.body(reply), path="/v1/ai")
        look(owner_reads, address)

    check()


@pytest.mark.parametrize("address", [THREAD, "/conversations/"])
def test_any_change_to_a_real_reply(owner_reads: Client, omni: StandIn, address: str) -> None:
    owner_reads.get(address)

    @many
    @given(changes)
    def check(wanted: list[tuple[int, Any]]) -> None:
        omni.recover()
        omni.fail(Fault.edit(lambda reply: mutate(reply, wanted)), path="/v1/ai")
        look(owner_reads, address)

    check()


@pytest.mark.parametrize("dialect", ["reference"])
def test_any_bytes(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)

    @many
    @given(st.binary(max_size=200))
    def check(body: bytes) -> None:
        omni.recover()
        omni.fail(Fault.body(body), path="/v1/ai")
        look(owner_reads, THREAD)

    check()
