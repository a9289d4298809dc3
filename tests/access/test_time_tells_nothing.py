"""Other people's data costs a reader of few conversations nothing: not even the time reveals it.

Counted in instructions of SQLite's virtual machine, which are the same on every run. By hand, with more of others, and
with the figures: `OTHERS=100000 TRIES=2000 pytest -n 0 -s tests/access/test_time_tells_nothing.py`.
"""

import itertools
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import unquote_plus, urlencode
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from conversations.models import (
    Access,
    Conversation,
    Job,
    JobAccess,
    Member,
    Star,
    TicketReference,
    Visit,
    Walk,
)
from conversations.pages.insights_forms import BLOCKS, PERIODS, InsightsForm
from conversations.pages.list_forms import FiltersForm, ListForm
from conversations.pages.part_forms import FreshForm, RowsForm
from conversations.search import syntax
from omniviewer.accounts.models import Credential, User
from omniviewer.audit.models import Event, Kind
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from tests.accounts.test_sign_in import addresses
from tests.captured import answered, work
from tests.conftest import EXAMPLE, credential_for, person, signed_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone counts its instructions"),
]
OTHERS = int(os.environ.get("OTHERS", "20000"))
TRIES = int(os.environ.get("TRIES", "60"))
HTMX = {"HX-Request": "true"}
# Instructions that a page may take more with others present: far below one for each of their conversations.
MOST_MORE = 100
# Instructions between another's row and no row at all: finding a row in an index takes some.
MOST_APART = 60
# Values for each filter of the search; values from another filter's table are added there.
VALUES = {
    "from": ["30d"],
    "to": ["30d"],
    "on": ["today"],
    "asked": ["30d"],
    "hour": ["12"],
    "weekday": ["mon"],
    "in": [],
    "state": [*syntax.STATES],
    "has": list(syntax.HAS),
    "is": list(syntax.IS),
    "owner": ["me", "ann", "nobody"],
    "topic": ["orders", "=orders", "elsewhere"],
    "ticket": ["ABC-1", "OTHERS-1"],
}
TEXTS = [
    "",
    "orders",
    '"orders by month"',
    "ord*",
    "orders -month",
    "-orders",
    "elsewhere",
    "elsewher",
    *(f"in:{place} orders" for place in syntax.PLACES),
    *(f"in:{place} elsewhere" for place in syntax.PLACES),
    "asked:30d hour:12 weekday:mon",
    "-asked:30d orders",
    "has:chart has:rows topic:orders state:answered",
]
_TURNED = [name for name in syntax.FILTERS if name not in ("in", "from", "to", "on")]
ASKED = [
    *TEXTS,
    *(f"{name}:{value}" for name, values in VALUES.items() for value in values),
    *(f"-{name}:{value}" for name in _TURNED for value in VALUES[name]),
]
# Stands for the id of the reader's own credential.
MINE = "mine"
# Values for each control of a form.
LIST = {
    "q": ["orders"],
    "sort": ["activity", "oldest", "started", "first", "messages", "slowest", "match"],
    "before": ["1"],
    "after": ["1"],
    "credential": [MINE],
}
FILTERS = {
    "owner": "me",
    "state": "failed",
    "topic": "orders",
    "since": "30d",
    "until": "today",
    "day": "today",
    "has": "rows",
    "only": "unread",
    "place": "answer",
    "linked": "OTHERS-1",
}
INSIGHTS = {
    "q": ["orders", "state:failed", "hour:12"],
    "period": [*PERIODS],
    "since": ["7d"],
    "until": ["today"],
    "owner": ["me", "ann"],
    "credential": [MINE],
}
FRESH = {"looks": "1", "count": "9", "revision": "0", "shown": "none"}
ROWS = {"sort": "2", "down": "1", "rows": "300", "filter": "2026"}
THREAD = f"/conversations/{EXAMPLE}/"
MESSAGE = f"{THREAD}messages/1/"
# Requests by address: a query, and `True` for a fragment.
ASKS: dict[str, list[tuple[dict[str, str], bool]]] = {
    "/conversations/": [
        *(({"q": typed}, False) for typed in ASKED),
        *(({"q": q, name: value}, False) for q in ("", "orders") for name, values in LIST.items() for value in values),
        *(({name: value}, False) for name, value in FILTERS.items()),
        ({"ticket": "ABC-1"}, False),
        ({"ticket": "OTHERS-1"}, False),
    ],
    "/conversations/fresh/": [(FRESH, True), ({**FRESH, "q": "orders"}, True)],
    "/conversations/complete/": [
        *(({"q": typed}, True) for typed in ("", "ord", "topic:o", "owner:", "ticket:O", "state:")),
        *(({"q": typed, "titles": ""}, True) for typed in ("ord", "others")),
    ],
    "/conversations/facets/": [({}, True), ({"q": "orders"}, True), ({"q": "state:failed"}, True)],
    "/insights/": [
        *(({"period": period}, False) for period in INSIGHTS["period"]),
        *(({"period": "all", "owner": owner}, False) for owner in INSIGHTS["owner"]),
        *(({"period": "all", "q": typed}, False) for typed in INSIGHTS["q"]),
        ({"since": "7d", "until": "today"}, False),
        ({"credential": MINE}, False),
    ],
    "/insights/questions/": [({"period": "all"}, True), ({"period": "all", "q": "orders"}, True)],
    "/insights/csv/": [({"period": "all", "block": block}, False) for block in BLOCKS],
    THREAD: [({}, False), ({"q": "orders"}, False), ({"find": "orders"}, False), ({"ticket": "ABC-1"}, False)],
    f"{THREAD}fresh/": [(FRESH, True)],
    f"{THREAD}neighbours/": [({}, True), ({"q": "orders"}, True)],
    f"{THREAD}standings/": [(FRESH, True)],
    MESSAGE: [({}, False), ({"q": "is:unread"}, False)],
    f"{MESSAGE}evidence/": [({}, False), ({}, True)],
    f"{MESSAGE}evidence/keep/": [({}, True)],
    f"{MESSAGE}charts/": [({}, True)],
    f"{MESSAGE}queries/1/": [(ROWS, False), ({}, True)],
    "/open": [({"q": THREAD}, False), ({"q": EXAMPLE}, False)],
    "/activity/": [({}, False), ({"before": "1"}, False)],
}
# Addresses of forms, of staff, and of pages without conversations.
ELSEWHERE = {
    "/conversations/selected/", "/conversations/all-read/", f"{THREAD}tickets/", f"{THREAD}tickets/remove/",
    f"{THREAD}star/", "/stored/", "/activity/all/", "/activity/all/csv/", "/sign-in/", "/sign-out/", "/signed-out/",
    "/credentials/1/hand-over/", "/credentials/offers/1/",
    "/exports/", "/exports/1/", "/exports/1/remove/", "/exports/1.zip",
    "/announcements/1/dismiss/", "/scim/v2/ServiceProviderConfig", "/scim/v2/ResourceTypes", "/scim/v2/ResourceTypes/1",
    "/scim/v2/Schemas", "/scim/v2/Schemas/1",
    "/scim/v2/Users", "/scim/v2/Users/1", "/scim/v2/Groups", "/scim/v2/Groups/1", "/scim/v2/1",
    "/appearance/", "/admin/login/", "/admin/logout/", "/admin/password_change/", "/demo/continue/",
}  # fmt: skip
PAGES = [
    (address, query, is_fragment)
    for address in sorted(set(addresses()) - ELSEWHERE)
    for query, is_fragment in ASKS.get(address, [({}, False)])
]


@dataclass(frozen=True)
class World:
    """Two readers of two conversations, one with a personal token and one with an organization key."""

    omni: StandIn
    own: InOmni
    readers: dict[str, Client]

    def path(self, address: str, conversation: UUID | None = None, job: UUID | None = None) -> str:
        """Return the address of the reader's own conversation, or of this one."""
        address = address.replace("messages/1/", "messages/2/")
        conversation, job = conversation or self.own.id, job or self.own.jobs[0].id
        return address.replace(EXAMPLE, str(job if address.startswith("/jobs/") else conversation))


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Create the world once; each test's changes to the database are rolled back."""
    small = Organization("small-org")
    with (
        django_db_blocker.unblock(),
        override_settings(FRESH_FOR=timedelta(days=1)),
        StandIn(small, dialect="reference", rate_per_minute=10_000) as omni,
        transaction.atomic(),
    ):
        analyst = small.add_member("Ann Analyst", "ann@small.example")
        own, _ = (answered(small, analyst, ages=[timedelta(days=1)]) for _ in range(2))
        readers = {}
        for who, token in (("personal", small.personal_token(analyst)), ("key", small.organization_key())):
            user = person(who)
            credential_for(user, omni, token)
            readers[who] = signed_in(user)
            readers[who].get("/conversations/")
            readers[who].get("/conversations/?q=owner:ann")
            for found in small.conversations:
                readers[who].get(f"/conversations/{found.id}/?ticket=ABC-1")
                readers[who].get(f"/conversations/{found.id}/messages/2/evidence/")
                readers[who].get(f"/conversations/{found.id}/messages/2/chart.png")
            work()
            readers[who].post("/conversations/selected/", {"conversation": [str(own.id)], "do": "star"})
            # More than a full page of the reader's own events.
            Event.objects.bulk_create([Event(kind=Kind.SEARCHED, user=user, who=who) for _ in range(60)])
        # Put off the occasional count of what was read: it must not happen while pages are compared.
        Walk.objects.update(counted_at=timezone.now() + timedelta(days=1))
        yield World(omni, own, readers)
        transaction.set_rollback(True)


# Data of other people --------------------------------------------------------------------------------------------

# Primary keys of other people's rows begin here.
_FIRST = 10_000_000


def _copy(row: Model, count: int, **columns: str) -> None:
    """Store so many copies of a row: each column as in that row, or by an expression of the number `n` from 1."""
    table = row._meta.db_table
    names = [column.get_attname_column()[1] or "" for column in row._meta.concrete_fields]
    values = [columns.get(name, f"{table}.{name}") for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608  (ours alone)
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
            f"SELECT {', '.join(values)} FROM numbers CROSS JOIN {table} WHERE {table}.id = %s",
            [row.pk],
        )


def _add_others(world: World, count: int = OTHERS) -> None:
    """Store as many more that somebody else was shown: as new, with the same words and jobs, tickets, stars, visits."""
    user = person("other")
    other = credential_for(user, world.omni, world.omni.organization.organization_key()).api_token
    like = Conversation.objects.get(omni_id=world.own.id)
    key, token, recency = f"{_FIRST} + n", {"api_token_id": str(other.pk)}, "recency - n * 2097152"
    conversation = {"conversation_id": key}
    _copy(like, count, id=key, omni_id=_uuid("n"), recency=recency, started="started - n * 2097152", indexed_as=recency)
    access = Access.objects.filter(conversation=like).first()
    assert access
    _copy(access, count, id=key, **token, **conversation, recency=recency, owner_id="'another'")
    for number, message in enumerate(like.messages.all()):
        job_id = _uuid(f"{_FIRST} + n") if message.job_id else "NULL"
        _copy(message, count, id=f"({key}) * 10 + {number}", **conversation, job_id=job_id)
    job = Job.objects.get(omni_id=world.own.jobs[0].id)
    _copy(job, count, id=key, omni_id=_uuid(f"{_FIRST} + n"), conversation_id=_uuid("n"))
    told = JobAccess.objects.filter(job_id=job.omni_id).first()
    assert told
    _copy(told, count, id=key, job_id=_uuid(f"{_FIRST} + n"), **token, **conversation)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO conversations_words (rowid, name, question, answer, query, facts) "  # noqa: S608
            "SELECT others.indexed_as, said.name, question, answer, query || ' elsewhere', said.facts "
            "FROM conversations_conversation AS others, (SELECT * FROM conversations_words WHERE rowid = %s) AS said "
            f"WHERE others.id > {_FIRST} ORDER BY others.indexed_as",
            [like.indexed_as],
        )
    reference = TicketReference.objects.get(conversation=like)
    _copy(reference, count, id=key, **conversation, added_by_id=str(user.pk))
    _copy(reference, count, id=f"{_FIRST} * 2 + n", **conversation, added_by_id=str(user.pk), ticket="'OTHERS-1'")
    star = Star.objects.filter(conversation=like).first()
    visit = Visit.objects.filter(conversation=like).first()
    event = Event.objects.filter(kind=Kind.OPENED).first()
    assert star
    assert visit
    assert event
    for row in (star, visit):
        _copy(row, count, id=key, **conversation, user_id=str(user.pk))
    _copy(event, count, id=key, conversation_id=_uuid("n"), user_id=str(user.pk), who="'other'")
    Member.objects.bulk_create(
        [Member(api_token=other, omni_id=f"other-{number}", name=f"Ann Other {number}") for number in range(500)]
    )


def _uuid(number: str) -> str:
    """Return the expression of an id, as SQLite keeps it."""
    return f"printf('%%032x', {number})"


# Counting --------------------------------------------------------------------------------------------------------


def _read(client: Client, path: str, query: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Any:
    """Return the answer, which is whole where it is made while it is sent."""
    answer: Any = client.get(path, query or {}, headers=headers or {})
    if answer.streaming:
        answer.whole = b"".join(answer.streaming_content)
    return answer


def _instructions(ask: Callable[[], Any]) -> tuple[int, Any]:
    """Return how many instructions SQLite runs for an answer, and the answer."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.connection.set_progress_handler(step, 1)
    try:
        answer = ask()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return count, answer


@dataclass(frozen=True)
class Cost:
    """A page's instructions, and its queries to the shared index, whose own instructions do not count."""

    instructions: int
    matches: tuple[str, ...] = ()


def _measured(world: World, *, warm: bool = False) -> dict[tuple[str, str], Cost]:
    """Return what each page costs each reader; `warm`: each address is asked for before, so that all is made once."""
    found = {}
    for who, client in world.readers.items():
        asked = list(_asked_by(world, who))
        if warm:
            for path, (query, headers) in {path: about for path, *about in reversed(asked)}.items():
                _read(client, path, query, headers)
        for path, query, headers in asked:
            with CaptureQueriesContext(connection) as made:
                count, answer = _instructions(lambda: _read(client, path, query, headers))  # noqa: B023
            name = unquote_plus(f"{path}{'?' if query else ''}{urlencode(query)}").replace(str(world.own.id), "…")
            assert answer.status_code in (200, 302), (who, name, answer.status_code)
            found[who, name] = Cost(count, tuple(row["sql"] for row in made if " MATCH " in row["sql"]))
        for do in ("export", "star"):
            sent = {"conversation": [str(world.own.id)], "do": do}
            count, answer = _instructions(lambda: b"".join(client.post("/conversations/selected/", sent)))  # noqa: B023
            assert answer.startswith(b"PK") is (do == "export")
            found[who, f"/conversations/selected/ {do}"] = Cost(count)
    return found


def _asked_by(world: World, who: str) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Return pages of this reader: of the one with a key, those that concern people, and one of each address."""
    mine = str(Credential.objects.get(owner__username=who).pk)
    seen = set()
    for address, query, is_fragment in PAGES:
        is_about_people = "owner" in query or "owner:" in query.get("q", "")
        if who == "key" and address in seen and not is_about_people:
            continue
        seen.add(address)
        path = world.path(address).replace("/credentials/1/", f"/credentials/{mine}/")
        values = {name: {MINE: mine}.get(value, world.path(value)) for name, value in query.items()}
        yield path, values, HTMX if is_fragment else {}
    # Each figure of the insights leads to a list: the first of each kind, where a busy machine leaves a drawing out.
    insights = _read(world.readers[who], "/insights/", {"period": "all"}).content.decode()
    links = sorted(set(re.findall(r'href="(/conversations/\?q=[^"]+)"', insights)), reverse=True)
    for link in {re.sub(r"\d+", "", link): link for link in links}.values():
        yield unescape(link), {}, {}


@pytest.fixture(scope="module")
def alone(built: World) -> dict[tuple[str, str], Cost]:
    """Return the cost of each page while nobody else has anything stored."""
    return _measured(built, warm=True)


@pytest.fixture(scope="module")
def crowded(built: World, alone: dict[tuple[str, str], Cost]) -> World:
    began = time.perf_counter()
    _add_others(built)
    print(f"{OTHERS:,} conversations of others in {time.perf_counter() - began:.1f} s")  # noqa: T201
    return built


@pytest.fixture
def world(crowded: World, db: None) -> World:
    """Return the two readers among others; each test's changes to the database are rolled back."""
    return crowded


def test_every_filter_field_and_address_is_asked(db: None) -> None:
    assert set(VALUES) == set(syntax.FILTERS)
    assert set(LIST) == set(ListForm.base_fields)
    assert set(FILTERS) == set(FiltersForm.base_fields)
    assert set(INSIGHTS) == set(InsightsForm.base_fields)
    assert set(FRESH) == set(FreshForm.base_fields)
    assert set(ROWS) == set(RowsForm.base_fields)
    assert set(addresses()) >= ELSEWHERE | set(ASKS)


def test_what_others_have_costs_a_reader_of_two_nothing(world: World, alone: dict[tuple[str, str], Cost]) -> None:
    among = _measured(world)
    for (who, name), cost in among.items():
        print(f"{who:9}{name:75}{alone[who, name].instructions:>9,}{cost.instructions:>12,}")  # noqa: T201
    assert among.keys() == alone.keys()
    before = {page: cost.instructions for page, cost in alone.items()}
    grown = {page: cost for page, cost in among.items() if cost.instructions > before[page] + MOST_MORE}
    assert grown == {}
    assert [page for page, cost in among.items() if cost.matches] == []


def test_what_others_wait_for_in_the_search_costs_nothing(world: World) -> None:
    """A reader's page does not wait while other people's conversations are indexed."""
    client = world.readers["personal"]
    _read(client, "/conversations/", {"q": "orders"})
    before, _ = _instructions(lambda: _read(client, "/conversations/", {"q": "orders"}))
    waiting = Conversation.objects.filter(pk__gt=_FIRST, pk__lte=_FIRST + 1000)
    waiting.update(is_indexed=False)
    after, _ = _instructions(lambda: _read(client, "/conversations/", {"q": "orders"}))
    assert not waiting.filter(is_indexed=True).exists()
    assert after < before + MOST_MORE
    # The reader's own conversation is indexed at once.
    Conversation.objects.filter(omni_id=world.own.id).touch()
    _read(client, "/conversations/", {"q": "orders"})
    assert Conversation.objects.get(omni_id=world.own.id).is_indexed


def test_counting_what_is_read_costs_the_same(world: World) -> None:
    """Now and then a page counts the rows read: a few instructions at most for each row of the reader's own."""
    for who, client in world.readers.items():
        counts = []
        for counted_at in (timezone.now(), None):
            Walk.objects.filter(api_token__credentials__owner__username=who).update(counted_at=counted_at)
            counts.append(_instructions(lambda: _read(client, "/conversations/"))[0])  # noqa: B023
        assert counts[0] < counts[1] < counts[0] + 1000


# Other people's data, and ids that do not exist ------------------------------------------------------------------


def _theirs(number: int) -> tuple[UUID, UUID]:
    """Return the ids of a conversation of the others and of its job."""
    return UUID(int=number), UUID(int=_FIRST + number)


def test_not_yours_and_not_there_cost_the_same(world: World) -> None:
    """Each address with an id, as page and as fragment, takes as many statements and nearly as many instructions."""
    numbers = itertools.count(1)
    apart, compared = {}, 0
    client = world.readers["personal"]
    for address in sorted(addresses()):
        for headers in ({}, HTMX) if EXAMPLE in address else ():
            # Request each only once: that the reader asked before is no secret from them.
            costs = []
            for ids in (_theirs(next(numbers)), (uuid4(), uuid4()), _theirs(next(numbers)), (uuid4(), uuid4())):
                path = world.path(address, *ids)
                with CaptureQueriesContext(connection) as made:
                    count, answer = _instructions(lambda: _read(client, path, FRESH, headers))  # noqa: B023
                costs.append((answer.status_code, len(made), count))
            # The first requests include work that is done only once.
            theirs, nowhere = costs[2:]
            compared += 1
            if theirs[:2] != nowhere[:2] or abs(theirs[2] - nowhere[2]) > MOST_APART:
                apart[address, bool(headers)] = (theirs, nowhere)
    print(f"{compared} addresses and ways compared")  # noqa: T201
    assert apart == {}


def test_titles_in_the_log_cost_the_same_for_those_not_yours_and_those_not_there(world: World) -> None:
    """The page of one's own acts looks up the conversations that one was refused."""
    client, user = world.readers["personal"], User.objects.get(username="personal")
    costs = []
    for ids in ([_theirs(number)[0] for number in range(1000, 1050)], [uuid4() for _ in range(50)]) * 2:
        refused = [Event(kind=Kind.OPENED, user=user, result="not-shown", conversation_id=one) for one in ids]
        Event.objects.bulk_create(refused)
        with CaptureQueriesContext(connection) as made:
            count, answer = _instructions(lambda: _read(client, "/activity/"))
        assert str(ids[0]) in answer.content.decode()
        costs.append((len(made), count))
    # The first requests include work that is done only once.
    theirs, nowhere = costs[2:]
    assert theirs[0] == nowhere[0]
    assert abs(theirs[1] - nowhere[1]) <= MOST_APART, (theirs, nowhere)


# Representative pages that are timed by the wall clock too.
TIMED = [THREAD, f"{MESSAGE}evidence/", f"/jobs/{EXAMPLE}/", f"/conversations/{EXAMPLE}.md"]


def test_not_yours_and_not_there_take_the_same_time(world: World) -> None:
    """Somebody who guesses from the time alone which of the two it was is right no more often than by chance.

    The area under the ROC curve, which is the share of pairs that are ordered rightly: 0.5 is chance, and four standard
    deviations of the Mann-Whitney statistic are what is let through.
    """
    client, draw = world.readers["personal"], random.Random(11)  # noqa: S311
    taken: dict[tuple[str, bool], list[float]] = {(address, there): [] for address in TIMED for there in (True, False)}
    warming_up = 5
    for turn in range(-warming_up, TRIES // 2):
        # In pairs, in random order, so that a gradual slowdown affects both alike.
        for place, address in enumerate(TIMED):
            number = 1 + (turn + warming_up) * len(TIMED) + place
            for is_there in draw.sample([True, False], 2):
                path = world.path(address, *(_theirs(number) if is_there else (uuid4(), uuid4())))
                began = time.perf_counter()
                answer = _read(client, path)
                took = time.perf_counter() - began
                assert answer.status_code == 404
                if turn >= 0:
                    taken[address, is_there].append(took)
    for address in TIMED:
        theirs, nowhere = taken[address, True], taken[address, False]
        share, most = _ordered(theirs, nowhere), 4 * ((TRIES + 1) / (12 * len(theirs) * len(nowhere))) ** 0.5
        medians = [1000 * statistics.median(rows) for rows in (theirs, nowhere)]
        print(f"{address}: {share:.3f} ordered rightly; medians {medians[0]:.2f} and {medians[1]:.2f} ms")  # noqa: T201
        assert abs(share - 0.5) < most, address


def _ordered(first: list[float], second: list[float]) -> float:
    ranked = sorted([(took, True) for took in first] + [(took, False) for took in second])
    ranks = sum(rank for rank, (_, is_first) in enumerate(ranked, start=1) if is_first)
    return (ranks - len(first) * (len(first) + 1) / 2) / (len(first) * len(second))
