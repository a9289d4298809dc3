"""A model of the access rule: whatever happens at Omni and here, a reader is shown what their own token was sent.

Every text at Omni carries a marker of its own. The oracle knows nothing of the code: it reads the log of replies that
the stand-in sent, and says of each marker on a page whether the rule lets this reader see it.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from pytest_django import Settings

from conversations import archive, connection, searching
from conversations.omni import Token
from omniviewer.accounts.models import ApiToken
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation, Member
from omniviewer.demo.stand_in.permissions import Route
from omniviewer.demo.stand_in.routes import Answer
from tests.conftest import credential_for, person, signed_in

pytestmark = pytest.mark.parametrize("dialect", ["reference", "sdk"])
# Sequences in a run of the suite, over both dialects; more of them by hand.
SEQUENCES = int(os.environ.get("OMNIVIEWER_ACCESS_SEQUENCES", "200"))
STEPS = 12
TTL, GRACE, OMNI_KEEPS = timedelta(hours=24), timedelta(days=7), timedelta(days=14)
# A marker as Omni has it, or as one token is shown it in another wording; and a word that is searched beside each, so
# that what was typed into the search is not taken for what it found.
MARKER = re.compile(r"m\d{4}(?:w\d+)*x")
TOKENS = ("omni_org_model-org_1", "omni_pat_model-org_2", "omni_pat_model-org_3")
# Tokens by reader: two readers share one, and one of them holds two.
HOLDS = ((0,), (1,), (1, 2))
REFUSALS = (403, 404, 410)
Kind = Literal["name", "question", "answer", "evidence", "topic"]
SHORT, DAY, LONG = timedelta(hours=5), timedelta(hours=25), timedelta(hours=340)


class Reply(NamedTuple):
    at: datetime
    token: str
    route: str
    id: UUID | None
    status: int
    markers: frozenset[str]
    listed: frozenset[UUID]


class Text(NamedTuple):
    """What carries a marker at Omni."""

    kind: Kind
    conversation: UUID
    job: UUID | None


class Recording(StandIn):
    """A stand-in that remembers what it sent."""

    def __init__(self, organization: Organization, dialect: str) -> None:
        super().__init__(organization, dialect, rate_per_minute=1_000_000)
        self.replies: list[Reply] = []

    def answer(self, method: str, path: str, query: dict[str, str], token: str) -> Answer:
        said = super().answer(method, path, query, token)
        found = re.fullmatch(r"/api/v1/ai/(conversations|jobs)(?:/([0-9a-f-]{36}))?(?:/(result|vis))?", path)
        if found:
            kind, wanted, part = found.groups()
            route = part or ("job" if kind == "jobs" else "thread" if wanted else "list")
            text = said.payload().decode(errors="replace") if said.status == 200 else ""
            listed = frozenset(UUID(key) for key in re.findall(r'"id": "([0-9a-f-]{36})"', text) if route == "list")
            self.replies.append(
                Reply(
                    timezone.now(),
                    token,
                    route,
                    UUID(wanted) if wanted else None,
                    said.status,
                    frozenset(MARKER.findall(text)),
                    listed,
                )
            )
        return said


@dataclass
class Rights:
    """What the rule lets the holders of one token see of one conversation, by the replies to that token so far."""

    told: set[str] = field(default_factory=set)
    listed_at: datetime | None = None
    is_open: bool = False
    confirmed_at: datetime | None = None
    messages: set[str] = field(default_factory=set)

    def take(self, reply: Reply, conversation: UUID) -> None:
        if reply.status == 401:
            self.told, self.messages = set(), set()
            self.listed_at = self.confirmed_at = None
            self.is_open = False
        elif reply.route == "list" and reply.status == 200:
            if conversation not in reply.listed:
                self.listed_at = self.confirmed_at = None
                return
            # A right that has run out is opened by the thread route alone.
            self.is_open &= self.confirmed_at is not None and reply.at - self.confirmed_at <= TTL
            self.listed_at = self.confirmed_at = reply.at
            self.told |= reply.markers
        elif reply.route == "thread" and reply.id == conversation:
            if reply.status == 200:
                self.is_open, self.confirmed_at = True, reply.at
                self.told |= reply.markers
                self.messages |= reply.markers
            elif reply.status in REFUSALS:
                self.is_open = False
                self.messages = set()


@dataclass
class JobRights:
    """Likewise of one job."""

    is_shown: bool = False
    refused: set[str] = field(default_factory=set)

    def take(self, reply: Reply, job: UUID, done_at: datetime) -> None:
        if reply.status == 401:
            self.is_shown = False
        elif reply.id == job and reply.route in ("job", "result"):
            if reply.status == 200:
                self.is_shown = True
                self.refused.discard(reply.route)
            elif reply.status in REFUSALS and (reply.status != 404 or reply.at - done_at < OMNI_KEEPS):
                self.refused.add(reply.route)


class Stage(NamedTuple):
    """What every sequence begins with."""

    omni: Recording
    clients: list[Client]
    set_clock: Callable[[timedelta], None]


def members_of(organization: Organization) -> Member:
    """Fill an organization with its people and tokens, the same in every sequence; return the owner of all."""
    owner = organization.add_member("Ann Analyst", "ann@model.example")
    organization.organization_key(TOKENS[0])
    for token in TOKENS[1:]:
        organization.personal_token(owner, token)
    return owner


tokens, readers, places = st.sampled_from(range(3)), st.sampled_from(range(3)), st.sampled_from(range(2))
routes: st.SearchStrategy[Route] = st.sampled_from(["list", "thread", "job", "result"])


class Model(RuleBasedStateMachine):
    looked_at: ClassVar[Counter[str]] = Counter()

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.omni, self.clients, self._set_clock = stage
        self.numbers = itertools.count(1)
        self.texts: dict[str, Text] = {}
        self.done: dict[UUID, datetime] = {}
        self.ahead, self.is_down = timedelta(), False
        self.undo = transaction.atomic()
        self.undo.__enter__()
        cache.clear()
        self._set_clock(self.ahead)
        organization = Organization("model-org")
        self.omni.organization = organization
        self.omni.recover()
        self.omni.replies.clear()
        self.omni.requests.clear()
        owner = members_of(organization)
        self.owner = owner
        self.conversations: list[Conversation] = []
        for _ in range(2):
            row = organization.add_conversation(owner=owner, name="", turns=[])
            row.name = self.text("name", row)
            self.conversations.append(row)
            self.add_turn(row, timezone.now() - timedelta(hours=2, minutes=30))

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    # At Omni -----------------------------------------------------------------------------------------------------

    def text(self, kind: Kind, row: Conversation, job: UUID | None = None) -> str:
        marker = f"m{next(self.numbers):04}x"
        self.texts[marker] = Text(kind, row.id, job)
        return f"{marker} {marker.replace('m', 'k')}"

    def add_turn(self, row: Conversation, at: datetime) -> None:
        job = self.omni.organization.ask(row, self.text("question", row), self.text("answer", row), at=at)
        table = [["Month", "Orders"], ["2026-01", self.text("evidence", row, job.id)], ["2026-02", "20"]]
        query = {"table": self.text("evidence", row, job.id).split()[0], "fields": ["orders.month"]}
        step = self.text("evidence", row, job.id), self.text("evidence", row, job.id)
        job.actions = (Step("generate_query", *step, query, table),)
        job.topic = self.text("topic", row, job.id)
        assert job.completed_at
        self.done[job.id] = job.completed_at

    def id_for(self, route: Route, place: int) -> UUID:
        row = self.conversations[place]
        return row.jobs[0].id if route in ("job", "result") else row.id

    @initialize(denied=st.lists(st.tuples(routes, tokens, places), max_size=3))
    def some_are_refused(self, denied: list[tuple[Route, int, int]]) -> None:
        for route, token, place in denied:
            self.deny(route, token, place, 404)

    @rule(route=routes, token=tokens, place=places, status=st.sampled_from(REFUSALS))
    def deny(self, route: Route, token: int, place: int, status: int) -> None:
        wanted = self.id_for(route, place)
        self.omni.organization.permissions.deny(route, token=TOKENS[token], id=wanted, status=status)

    @rule(route=routes, token=tokens, place=places)
    def allow(self, route: Route, token: int, place: int) -> None:
        self.omni.organization.permissions.allow(route, token=TOKENS[token], id=self.id_for(route, place))

    @rule(place=places, number=st.integers(0, 3), is_redacted=st.booleans(), is_told=st.booleans())
    def change_message(self, place: int, number: int, is_redacted: bool, is_told: bool) -> None:
        row = self.conversations[place]
        message = row.messages[number % len(row.messages)]
        kind: Kind = "question" if message.role == "user" else "answer"
        message.text = "Redacted." if is_redacted else self.text(kind, row)
        if is_told:
            row.updated_at = timezone.now()

    @rule(place=places)
    def ask_again(self, place: int) -> None:
        self.add_turn(self.conversations[place], timezone.now() - timedelta(minutes=2))

    @rule(place=places)
    def rename(self, place: int) -> None:
        row = self.conversations[place]
        row.name, row.updated_at = self.text("name", row), timezone.now()

    @rule(token=tokens)
    def reword(self, token: int) -> None:
        """Every text for this token, whatever it was told before."""
        number = next(self.numbers)

        def change(text: str) -> str:
            return re.sub(r"([mk]\d{4}(?:w\d+)*)x", rf"\1w{number}x", text)

        self.omni.organization.permissions.reword(TOKENS[token], change)

    @rule(token=tokens)
    def revoke(self, token: int) -> None:
        self.omni.organization.revoke(TOKENS[token])

    @precondition(lambda self: not self.is_down)
    @rule(token=tokens)
    def accept_again(self, token: int) -> None:
        """At Omni, and its holders enter it anew."""
        if token:
            self.omni.organization.personal_token(self.owner, TOKENS[token])
        else:
            self.omni.organization.organization_key(TOKENS[token])
        identity = connection.identify(self.omni.host, Token(TOKENS[token]))
        ApiToken.accept(self.omni.host, Token(TOKENS[token]), identity)

    @precondition(lambda self: not self.is_down)
    @rule()
    def go_down(self) -> None:
        self.is_down = True
        self.omni.fail(Fault.status(503), path="")

    @precondition(lambda self: self.is_down)
    @rule()
    def come_up(self) -> None:
        self.is_down = False
        self.omni.recover()
        self.move(timedelta(minutes=5))  # until an instance that failed is asked again

    @rule(by=st.sampled_from([SHORT, DAY, LONG]))
    def move(self, by: timedelta) -> None:
        """The clock. All of hours, five at a time: no sequence comes near an end of a time by less than an hour."""
        self.ahead += by
        self._set_clock(self.ahead)

    # Here --------------------------------------------------------------------------------------------------------

    @rule(reader=readers)
    def look_at_list(self, reader: int) -> None:
        self.read(reader, "/conversations/?refresh=1", "/conversations/")

    @rule(reader=readers, place=places, is_refreshed=st.booleans())
    def open_thread(self, reader: int, place: int, is_refreshed: bool) -> None:
        path = f"/conversations/{self.conversations[place].id}/"
        self.read(reader, *([f"{path}?refresh=1"] if is_refreshed else []), path)

    @rule(reader=readers, place=places)
    def look_at_evidence(self, reader: int, place: int) -> None:
        self.read(reader, f"/conversations/{self.conversations[place].id}/messages/2/evidence/")

    @rule(reader=readers, place=places)
    def export(self, reader: int, place: int) -> None:
        self.read(reader, f"/conversations/{self.conversations[place].id}.md")

    @rule(reader=readers, data=st.data())
    def search(self, reader: int, data: st.DataObject) -> None:
        sent = sorted({marker for reply in self.omni.replies for marker in reply.markers})
        marker = data.draw(st.sampled_from(sent or sorted(self.texts)))
        page = self.read(reader, f"/conversations/?q={marker.replace('m', 'k')}")
        if re.search(r'href="/conversations/[0-9a-f-]{36}/', page):
            # That it was found tells of the word.
            assert self.may_see(reader, marker), f"reader {reader} found {marker}, {self.origin(marker)}"
            self.looked_at["found"] += 1

    @rule()
    def sync(self) -> None:
        archive.begin_walks()
        while archive.sync_next():
            pass
        searching.refresh(seconds=5)

    def read(self, reader: int, *paths: str) -> str:
        page = ""
        for path in paths:
            answer: Any = self.clients[reader].get(path)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            page = body.decode()
            assert answer.status_code in (200, 302, 403, 404, 503), (path, answer.status_code)
            for marker in sorted(set(MARKER.findall(page))):
                origin = self.origin(marker)
                assert self.may_see(reader, marker), f"reader {reader} is shown {marker}, {origin}, at {path}"
                self.looked_at[origin.kind] += 1
        return page

    # The oracle --------------------------------------------------------------------------------------------------

    def origin(self, marker: str) -> Text:
        return self.texts[marker[:5] + "x"]

    def may_see(self, reader: int, marker: str) -> bool:
        return any(self.token_shows(TOKENS[token], marker) for token in HOLDS[reader])

    def token_shows(self, token: str, marker: str) -> bool:
        text = self.origin(marker)
        own = [reply for reply in self.omni.replies if reply.token == token]
        rights = Rights()
        for reply in own:
            rights.take(reply, text.conversation)
        is_open = rights.is_open and self.is_recent(rights.confirmed_at)
        if text.job is None:
            is_row = text.kind in ("name", "question") and marker in rights.told
            return (is_row and (is_open or self.is_recent(rights.listed_at))) or (is_open and marker in rights.messages)
        done_at, job = self.done[text.job], JobRights()
        for reply in own:
            job.take(reply, text.job, done_at)
        if text.kind == "topic" and job.is_shown and "job" not in job.refused:
            return is_open
        is_over = timezone.now() - done_at >= OMNI_KEEPS
        return is_open and not job.refused and (job.is_shown or is_over)

    def is_recent(self, moment: datetime | None) -> bool:
        return moment is not None and timezone.now() - moment <= (GRACE if self.is_down else TTL)


@pytest.fixture
def stage(db: None, dialect: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    settings.SYNC = settings.CAPTURE = "all"
    settings.SESSION_COOKIE_AGE = int(timedelta(days=3650).total_seconds())
    organization = Organization("model-org")
    members_of(organization)
    with Recording(organization, dialect) as omni:

        def set_clock(ahead: timedelta) -> None:
            monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + ahead)
            omni._now = datetime.now(UTC) + ahead

        clients = []
        for number, held in enumerate(HOLDS):
            user = person(f"reader {number}")
            for token in held:
                credential_for(user, omni, TOKENS[token], f"Token {token}")
            clients.append(signed_in(user))
        yield Stage(omni, clients, set_clock)


def test_a_reader_is_shown_only_what_their_own_token_was_sent(stage: Stage) -> None:
    Model.looked_at.clear()
    run_state_machine_as_test(
        lambda: Model(stage),
        settings=hypothesis_settings(
            max_examples=max(SEQUENCES // 2, 1),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"markers on pages that were held against the rule: {dict(Model.looked_at)}")  # noqa: T201
    # Else it would prove nothing.
    assert all(Model.looked_at[kind] >= SEQUENCES // 20 for kind in ("name", "question", "answer", "evidence", "topic"))


def test_a_result_that_was_refused_stays_refused_whatever_the_job_route_says(stage: Stage) -> None:
    """Both routes refuse, another token's evidence is stored, then the job route alone answers."""
    model = Model(stage)
    try:
        model.deny("job", 1, 0, 404)
        model.deny("result", 1, 0, 404)
        model.look_at_evidence(1, 0)
        model.look_at_evidence(0, 0)
        model.allow("job", 1, 0)
        model.look_at_evidence(1, 0)
    finally:
        model.teardown()
