"""Whatever Omni answers and becomes, a reader is shown what it showed a token of theirs in time, and nothing else.

The oracle knows nothing of the code under test: it records each reply that the stand-in sends, and derives the rights
from these alone. Each text at Omni carries a marker of its own, so that a page tells by itself what it shows. Every
reading is held against two bounds: nothing that no token of the reader was shown in time, and nothing left out that one
was certainly shown.

By hand, 2,000 sequences instead of 100: `MODEL_SEQUENCES=2000 pytest -n 0 tests/access/test_access_model.py`.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.conf import settings as site
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pytest_django import Settings

from conversations.archive import capture as archive_capture
from conversations.archive import insights
from conversations.archive import sync as archive_sync
from conversations.archive.outcomes import CannotShow
from conversations.search.syntax import Asked
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.permissions import Route
from omniviewer.demo.stand_in.routes import Answer
from tests.conftest import credential_for

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "100"))
STEPS = 5
# The text's number in letters, the token that it is worded for ("a": none), and the version of that wording.
MARKER = re.compile(r"qz[a-j]{5}[a-z][a-z]zq")
ROWS = re.compile(r'class="row-title"\s+href="/conversations/([0-9a-f-]{36})/')
KEPT = timedelta(days=14)
REFUSALS = (403, 404, 410)
TOKENS = ("omni_org_model-org_1", "omni_pat_model-org_2", "omni_pat_model-org_3")
# Indexes of the tokens that each reader holds: the first holds two, and shares one with the second.
HELD = ((1, 0), (1,), (2,))
CLOCK_MOVES = [
    timedelta(minutes=2),
    timedelta(hours=20),
    site.ACCESS_TTL + timedelta(minutes=10),
    site.ACCESS_GRACE + timedelta(minutes=10),
    KEPT + timedelta(hours=1),
]
# Parts of a job's evidence that the search indexes, and all parts.
SEARCHED = {"topic", "field", "query"}
EVIDENCE = {*SEARCHED, "cell"}


def number_of(marker: str) -> str:
    """Return the part of a marker that is the same in every wording of its text."""
    return marker[:7]


@dataclass
class Shown:
    """The parts of a conversation that one API token was shown. `sure_*`: lower bounds, until a reply ends them."""

    listed_at: datetime | None = None
    row: set[str] = field(default_factory=set)
    is_open: bool = False
    confirmed_at: datetime | None = None
    messages: set[str] = field(default_factory=set)
    earlier: set[str] = field(default_factory=set)
    sure_row: datetime | None = None
    sure_messages: datetime | None = None
    # The markers of the revision that the token was last shown; None if there is none.
    revision: frozenset[str] | None = None


@dataclass
class JobShown:
    """The answers of the job and result routes to one API token about one job."""

    was_shown: bool = False
    refused: set[str] = field(default_factory=set)


class Oracle:
    """A model of the rights, derived from the replies that were sent and from nothing else."""

    def __init__(self) -> None:
        self.is_down = False
        # By job id: its conversation, and when it was done.
        self.jobs: dict[str, tuple[str, datetime]] = {}
        # By text number: "name", "question", "answer" or a part of a job's evidence.
        self.kinds: dict[str, str] = {}
        self._shown: dict[tuple[str, str], Shown] = {}
        self._jobs_shown: dict[tuple[str, str], JobShown] = {}
        self._evidence: dict[tuple[str, str], set[str]] = {}
        # By conversation: messages of the latest revision that any token was shown.
        self._latest: dict[str, frozenset[str]] = {}

    def shown(self, token: str, conversation: str) -> Shown:
        return self._shown.setdefault((token, conversation), Shown())

    def _job(self, token: str, job: str) -> JobShown:
        return self._jobs_shown.setdefault((token, job), JobShown())

    def of_kind(self, markers: set[str], *kinds: str) -> set[str]:
        return {marker for marker in markers if self.kinds[number_of(marker)] in kinds}

    # Replies ----------------------------------------------------------------------------------------------------

    def reply(self, token: str, path: str, answer: Answer, now: datetime) -> None:
        """Take in a reply as it is sent."""
        if answer.status == 401:
            self._shown = {key: row for key, row in self._shown.items() if key[0] != token}
            for (holder, _), told in self._jobs_shown.items():
                told.was_shown &= holder != token
            return
        parts = path.split("/v1/ai/", 1)[-1].split("/")
        body = answer.payload().decode(errors="replace")
        match parts:
            case ["conversations"] if answer.status == 200:
                self._listed(token, json.loads(body), now)
            case ["conversations", conversation]:
                markers = self.of_kind(set(MARKER.findall(body)), "name", "question", "answer")
                self._thread(token, conversation, answer.status, markers, now)
            case ["jobs", job, *rest] if rest in ([], ["result"]):
                self._answered(token, job, rest[0] if rest else "job", answer.status, body, now)

    def _listed(self, token: str, reply: dict[str, Any], now: datetime) -> None:
        """Take in a list, which is all on one page here."""
        rows = {row["id"]: row for row in reply.get("data") or reply.get("records") or ()}
        for (holder, conversation), shown in self._shown.items():
            if holder == token and conversation not in rows:
                shown.sure_row = shown.sure_messages = None
        for conversation, row in rows.items():
            shown = self.shown(token, conversation)
            if shown.confirmed_at and now - shown.confirmed_at > site.ACCESS_TTL:
                shown.is_open = False
            is_sure = shown.sure_messages and now - shown.sure_messages <= site.ACCESS_TTL
            shown.sure_messages = now if is_sure else None
            shown.listed_at = shown.confirmed_at = shown.sure_row = now
            shown.row = set(MARKER.findall(json.dumps(row)))

    def _thread(self, token: str, conversation: str, status: int, markers: set[str], now: datetime) -> None:
        shown = self.shown(token, conversation)
        if status == 200:
            said = frozenset(self.of_kind(markers, "question", "answer"))
            if shown.revision != said or said == self._latest.get(conversation):
                self._latest[conversation] = said
            shown.earlier |= shown.messages | markers
            shown.messages, shown.revision, shown.is_open = markers, said, True
            shown.confirmed_at = shown.sure_messages = now
        elif status in REFUSALS:
            shown.is_open, shown.sure_messages, shown.revision = False, None, None
            shown.messages, shown.earlier = set(), set()

    def _answered(self, token: str, job: str, route: str, status: int, body: str, now: datetime) -> None:
        told = self._job(token, job)
        if status == 200:
            told.was_shown = True
            told.refused.discard(route)
            markers = self.of_kind(set(MARKER.findall(body)), *EVIDENCE)
            self._evidence.setdefault((job, route), set()).update(markers)
        elif status in REFUSALS and not (status == 404 and self._is_over(job, now)):
            told.refused.add(route)

    # Rights -----------------------------------------------------------------------------------------------------

    def _is_over(self, job: str, now: datetime) -> bool:
        return now - self.jobs[job][1] >= KEPT

    def _is_recent(self, at: datetime | None, now: datetime) -> bool:
        return at is not None and now - at <= (site.ACCESS_GRACE if self.is_down else site.ACCESS_TTL)

    def may_read(self, token: str, conversation: str, now: datetime) -> bool:
        shown = self.shown(token, conversation)
        return shown.is_open and self._is_recent(shown.confirmed_at, now)

    def may_see_row(self, token: str, conversation: str, now: datetime) -> bool:
        shown = self.shown(token, conversation)
        return self._is_recent(shown.listed_at, now) or self.may_read(token, conversation, now)

    def has_to_read(self, token: str, conversation: str, now: datetime) -> bool:
        at = self.shown(token, conversation).sure_messages
        return at is not None and now - at <= site.ACCESS_TTL

    def has_to_see_row(self, token: str, conversation: str, now: datetime) -> bool:
        at = self.shown(token, conversation).sure_row
        return (at is not None and now - at <= site.ACCESS_TTL) or self.has_to_read(token, conversation, now)

    def is_at_latest(self, token: str, conversation: str) -> bool:
        """Return whether the token was shown the messages as they were last stored: those alone are searched."""
        revision = self.shown(token, conversation).revision
        return revision is not None and revision == self._latest.get(conversation)

    def allowed(self, token: str, conversation: str, now: datetime) -> set[str]:
        """Return the markers of a conversation that this token's holders may be shown now."""
        shown = self.shown(token, conversation)
        markers: set[str] = set()
        if self.may_see_row(token, conversation, now):
            markers |= shown.row
        if self.may_read(token, conversation, now):
            markers |= shown.messages | shown.earlier
            for job in self.jobs_of(conversation):
                markers |= self._allowed_evidence(token, job, now)
        return markers

    def jobs_of(self, conversation: str) -> list[str]:
        return [job for job, (whose, _) in self.jobs.items() if whose == conversation]

    def _allowed_evidence(self, token: str, job: str, now: datetime) -> set[str]:
        told = self._job(token, job)
        by_job, by_result = (self._evidence.get((job, route), set()) for route in ("job", "result"))
        if (told.was_shown or self._is_over(job, now)) and not told.refused:
            return by_job | by_result
        return by_job if told.was_shown and "job" not in told.refused else set()

    def is_shown_job(self, token: str, job: str) -> bool:
        told = self._job(token, job)
        return told.was_shown and not told.refused

    def evidence(self, job: str, route: str) -> set[str]:
        """Return what the route told anybody: it is stored."""
        return self._evidence.get((job, route), set())


class Recording(StandIn):
    """A stand-in that reports each reply to the oracle of the sequence."""

    oracle = Oracle()

    def answer(self, method: str, path: str, query: dict[str, str], token: str) -> Answer:
        said = super().answer(method, path, query, token)
        self.oracle.reply(token, path, said, self._now or datetime.now(UTC))
        return said


def organization() -> Organization:
    """Return one of a person with two personal tokens, and a key of the organization."""
    made = Organization("model-org")
    ann = made.add_member("Ann Analyst", "ann@small.example")
    made.organization_key(TOKENS[0])
    for token in TOKENS[1:]:
        made.personal_token(ann, token)
    return made


class World:
    """The readers, connected to one stand-in. All sequences share them, because creating them takes long."""

    def __init__(self, omni: Recording) -> None:
        self.omni = omni
        self.handler = ClientHandler(enforce_csrf_checks=False)
        self.users = [User.objects.create_user(f"reader{place}") for place in range(len(HELD))]
        for user, held in zip(self.users, HELD, strict=True):
            for place in held:
                credential_for(user, omni, TOKENS[place], f"Omni {place}")

    @contextmanager
    def fresh(self, organization: Organization, oracle: Oracle) -> Iterator[None]:
        """Have the stand-in speak for another organization, until all that came of it is undone."""
        self.omni.organization, self.omni.oracle = organization, oracle
        cache.clear()
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
        self.omni.recover()
        self.omni.requests.clear()


# Steps, as the name of a method and its arguments; those that stand here twice are drawn more often. ---------------

READERS, TOKEN_PLACES = st.integers(0, len(HELD) - 1), st.integers(0, len(TOKENS) - 1)
# Mostly the first conversation, so that effects accumulate there.
PLACES = st.sampled_from([0, 0, 0, 1])
ROUTES: Any = st.sampled_from(["list", "thread", "job", "result"])
JOB_ROUTES: Any = st.sampled_from(["job", "result"])
STATUSES = st.sampled_from(REFUSALS)
NUMBERS = st.integers(0, 999)
FORMS = ["{}", "{}", "in:query {}", "in:answer {}", "topic:{}", "-{}", "-topic:{}", "has:rows {}", "state:answered {}"]


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


AT_OMNI = st.one_of(
    step("add_turn", PLACES),
    step("change_message", PLACES, st.integers(0, 1), st.booleans()),
    step("rename", PLACES),
    step("deny", TOKEN_PLACES, PLACES, ROUTES, STATUSES),
    step("allow", TOKEN_PLACES, PLACES, ROUTES),
    step("reword", TOKEN_PLACES),
    step("revoke", TOKEN_PLACES),
    step("accept_again", TOKEN_PLACES),
    step("move_clock", st.sampled_from(CLOCK_MOVES)),
    step("go_down", st.sampled_from([429, 500, 503])),
    step("come_up"),
)
READINGS = st.one_of(
    step("read_list", READERS, st.booleans()),
    step("read_thread", READERS, PLACES, st.booleans()),
    step("read_fragment", READERS, PLACES, st.sampled_from(["list", "thread"])),
    step("read_evidence", READERS, PLACES, st.sampled_from([2, 2, 4])),
    step("search", READERS, PLACES, NUMBERS, st.sampled_from(FORMS)),
    step("export", READERS, PLACES, st.sampled_from(["md", "json", "csv"])),
    step("read_insights", READERS),
    step("sync", st.sampled_from([1, 4])),
    step("capture", READERS, PLACES),
)
# Sequences of steps in which a right is proven, ends and is asked for again.
STORIES = st.one_of(
    step("be_refused", READERS, PLACES, ROUTES, STATUSES, NUMBERS),
    step("be_refused", READERS, PLACES, st.just("thread"), STATUSES, NUMBERS),
    step("be_refused_evidence", READERS, PLACES, st.lists(JOB_ROUTES, min_size=1, max_size=2), STATUSES, NUMBERS),
    step("be_overtaken", READERS, READERS, PLACES, st.integers(0, 1), NUMBERS),
    step("see_wordings", READERS, PLACES, st.booleans()),
    step("be_rejected", READERS, PLACES, st.booleans(), NUMBERS),
    step("let_lapse", READERS, PLACES, st.sampled_from(CLOCK_MOVES), NUMBERS),
)
ANY_STEP = st.one_of(AT_OMNI, READINGS, STORIES)


class Machine(RuleBasedStateMachine):
    """Three tokens of one organization, three readers, two conversations."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self._ahead = timedelta()
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._number = 0
        self._wordings = [0, 0, 0]
        self._clients: dict[int, Client] = {}
        self._patch = pytest.MonkeyPatch()
        self.oracle = Oracle()
        self.organization = organization()
        self._fresh = self.world.fresh(self.organization, self.oracle)
        self._fresh.__enter__()
        self._set_clock(timedelta())
        for place, token in enumerate(TOKENS):
            self.organization.permissions.reword(token, partial(self._worded, place))
        self.found = []
        for hours in (4, 3):
            conversation = self.organization.add_conversation(
                owner=self.organization.members[0],
                name=f"Name {self._marker('name')}",
                turns=[],
                started_at=self._began - timedelta(hours=5),
            )
            self.found.append(conversation)
            self._ask(conversation, self._began - timedelta(hours=hours))

    def teardown(self) -> None:
        self._patch.undo()
        self._fresh.__exit__(None, None, None)

    @rule(step=ANY_STEP)
    def do(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        getattr(self, name)(*arguments)

    # How Omni changes ------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        return timezone.now()

    def _set_clock(self, ahead: timedelta) -> None:
        self._ahead = ahead
        self._patch.setattr(timezone, "now", lambda: datetime.now(UTC) + ahead)
        self.world.omni._now = self._began + ahead + (datetime.now(UTC) - self._began)

    def _marker(self, kind: str) -> str:
        self._number += 1
        marker = "qz" + "".join(chr(ord("a") + int(digit)) for digit in f"{self._number:05}") + "aazq"
        self.oracle.kinds[number_of(marker)] = kind
        return marker

    def _worded(self, place: int, text: str) -> str:
        version = self._wordings[place]
        if not version:
            return text
        ending = chr(ord("b") + place) + chr(ord("a") + version) + "zq"
        return MARKER.sub(lambda found: number_of(found.group()) + ending, text)

    def _ask(self, conversation: InOmni, at: datetime) -> None:
        question, answer = (f"{kind.title()} {self._marker(kind)}" for kind in ("question", "answer"))
        job = self.organization.ask(conversation, question, answer, at=at)
        job.topic = f"Topic {self._marker('topic')}"
        rows = [["Product", "Revenue"], [f"Cell {self._marker('cell')}", "12"], [f"Cell {self._marker('cell')}", "30"]]
        query = {"table": "orders", "fields": [f"orders.{self._marker('field')}"]}
        job.actions = (Action("generate_query", "Ran it", f"Query {self._marker('query')}", query, rows, 2),)
        assert job.completed_at
        self.oracle.jobs[str(job.id)] = (str(conversation.id), job.completed_at)

    def add_turn(self, place: int) -> None:
        self._ask(self.found[place], self._now - timedelta(seconds=60))

    def change_message(self, place: int, message: int, is_told: bool) -> None:
        conversation = self.found[place]
        conversation.messages[message].text = f"Redacted {self._marker(('question', 'answer')[message])}"
        if is_told:
            conversation.updated_at = self._now

    def rename(self, place: int) -> None:
        self.found[place].name = f"Name {self._marker('name')}"
        self.found[place].updated_at = self._now

    def deny(self, token: int, place: int, route: Route, status: int) -> None:
        for wanted in self._ids(route, place):
            self.organization.permissions.deny(route, token=TOKENS[token], id=wanted, status=status)

    def allow(self, token: int, place: int, route: Route) -> None:
        for wanted in self._ids(route, place):
            self.organization.permissions.allow(route, token=TOKENS[token], id=wanted)

    def _ids(self, route: Route, place: int) -> list[UUID]:
        conversation = self.found[place]
        return [conversation.id] if route in ("list", "thread") else [job.id for job in conversation.jobs]

    def reword(self, token: int) -> None:
        self._wordings[token] += 1

    def revoke(self, token: int) -> None:
        self.organization.revoke(TOKENS[token])

    def accept_again(self, token: int) -> None:
        """Accept a revoked token again, and connect its holders anew."""
        secret = TOKENS[token]
        if self.oracle.is_down or self.organization.knows(secret):
            return
        self.organization._add_token(secret, self.organization.members[0] if token else None)
        for number, (user, held) in enumerate(zip(self.world.users, HELD, strict=True)):
            if token in held:
                user.credentials.filter(label=f"Omni {token}").update(label=f"Old {self._number} {number}")
                self._number += 1
                credential_for(user, self.world.omni, secret, f"Omni {token}")

    def move_clock(self, by: timedelta) -> None:
        self._set_clock(self._ahead + by)
        # The readers' sessions may have ended.
        self._clients.clear()

    def go_down(self, status: int) -> None:
        self.oracle.is_down = True
        self.world.omni.fail(Fault.status(status))

    def come_up(self) -> None:
        if self.oracle.is_down:
            self.oracle.is_down = False
            self.world.omni.recover()
            # A failed instance rests for up to a minute.
            self.move_clock(timedelta(minutes=2))

    # Actions of readers and of the background ---------------------------------------------------------------------

    def _held(self, reader: int) -> list[str]:
        return [TOKENS[place] for place in HELD[reader]]

    def _allowed(self, reader: int, conversation: InOmni) -> set[str]:
        now, key = self._now, str(conversation.id)
        return set[str]().union(*(self.oracle.allowed(token, key, now) for token in self._held(reader)))

    def _all_allowed(self, reader: int) -> set[str]:
        return set[str]().union(*(self._allowed(reader, conversation) for conversation in self.found))

    def _best(self, reader: int, conversation: InOmni) -> str | None:
        """Return the token through which the reader is shown the messages, where that is certain."""
        now, key = self._now, str(conversation.id)
        for token in self._held(reader):
            if self.oracle.may_read(token, key, now):
                return token if self.oracle.has_to_read(token, key, now) else None
        return None

    def _client(self, reader: int) -> Client:
        if reader not in self._clients:
            client = self._clients[reader] = Client()
            # Share one handler: each client would build a middleware chain of its own.
            client.handler = self.world.handler
            client.force_login(self.world.users[reader])
        return self._clients[reader]

    def _get(self, reader: int, address: str, echoed: str = "", **headers: str) -> tuple[int, set[str], str]:
        """Read an address: nothing in the answer but what the reader may be shown."""
        answer: Any = self._client(reader).get(address, headers=headers)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        page = content.decode(errors="replace")
        markers = set(MARKER.findall(page)) - {echoed}
        allowed = self._all_allowed(reader)
        assert markers <= allowed, f"{address} for reader {reader}: {sorted(markers - allowed)}"
        return answer.status_code, markers, page

    def read_list(self, reader: int, is_newer: bool) -> None:
        if is_newer:
            self._get(reader, "/conversations/?refresh=1")
        _, markers, page = self._get(reader, "/conversations/")
        shown = self._rows(reader, page)
        now = self._now
        for conversation in self.found:
            key = str(conversation.id)
            if any(self.oracle.has_to_see_row(token, key, now) for token in self._held(reader)):
                assert key in shown, f"reader {reader} misses a row"
                # A thread without a name shows its last question instead.
                named = [self._named(token, key) for token in self._held(reader)]
                assert not all(named) or markers & set().union(*named), "a row without its name"

    def _named(self, token: str, key: str) -> set[str]:
        return self.oracle.of_kind(self.oracle.shown(token, key).row, "name")

    def _rows(self, reader: int, page: str) -> set[str]:
        """Return the conversations on a page of the list: each stands there once, and may be seen."""
        shown, now = ROWS.findall(page), self._now
        assert len(shown) == len(set(shown)), "a row stands there twice"
        may = {
            str(row.id)
            for row in self.found
            if any(self.oracle.may_see_row(token, str(row.id), now) for token in self._held(reader))
        }
        assert set(shown) <= may, f"reader {reader} sees a row"
        return set(shown)

    def _check_messages(self, reader: int, conversation: InOmni, status: int, markers: set[str]) -> None:
        """Check that the page holds the whole thread as one of the reader's tokens was last shown it, or nothing."""
        now, key = self._now, str(conversation.id)
        readable = [token for token in self._held(reader) if self.oracle.may_read(token, key, now)]
        if any(self.oracle.has_to_read(token, key, now) for token in readable):
            assert status == 200, f"reader {reader} is not shown a thread: {status}"
        if status == 200:
            told = [self.oracle.shown(token, key).revision or frozenset() for token in readable]
            assert any(messages <= markers for messages in told), f"reader {reader} is shown a part of a thread"
        else:
            assert not markers

    def read_thread(self, reader: int, place: int, is_newer: bool) -> None:
        conversation = self.found[place]
        address = f"/conversations/{conversation.id}/"
        if is_newer:
            self._get(reader, f"{address}?refresh=1")
        status, markers, _ = self._get(reader, address)
        self._check_messages(reader, conversation, status, markers)
        best = self._best(reader, conversation)
        if best is not None:
            shown = self.oracle.shown(best, str(conversation.id))
            earlier = self.oracle.of_kind(shown.earlier, "question", "answer")
            assert earlier <= markers, f"reader {reader} misses earlier wordings: {sorted(earlier - markers)}"

    def read_fragment(self, reader: int, place: int, which: str) -> None:
        address = "/conversations/fresh/" if which == "list" else f"/conversations/{self.found[place].id}/fresh/"
        self._get(reader, address, **{"HX-Request": "true"})

    def read_evidence(self, reader: int, place: int, position: int) -> None:
        conversation = self.found[place]
        _, markers, _ = self._get(reader, f"/conversations/{conversation.id}/messages/{position}/evidence/")
        if position > 2:
            return
        now, key, job = self._now, str(conversation.id), str(conversation.jobs[0].id)
        tokens = [token for token in self._held(reader) if self.oracle.has_to_read(token, key, now)]
        if any(self.oracle.is_shown_job(token, job) for token in tokens):
            cells = self.oracle.of_kind(self.oracle.evidence(job, "result"), "cell")
            assert cells <= markers, f"reader {reader} misses rows"

    def search(self, reader: int, place: int, number: int, form: str) -> None:
        """Look for a word of a conversation: by a text that is there or was, as any token is shown it."""
        texts = self._texts(self.found[place])
        word = texts[number % len(texts)]
        if number % 4 == 0:
            word = self._worded(number % 3, word)
        _, _, page = self._get(reader, f"/conversations/?q={form.format(word)}", echoed=word)
        shown = self._rows(reader, page)
        if shown:
            counted = re.search(r'class="list-sum">\s*(\d+) conversation', page)
            assert counted, "no count above the rows"
            assert int(counted[1]) == len(shown), "the count is not that of the rows"
        for conversation in self.found:
            key = str(conversation.id)
            allowed = word in self._allowed(reader, conversation)
            if form.startswith("-"):
                # Words that the reader may not see must not hide a row either: that would reveal them.
                sees = any(self.oracle.has_to_see_row(token, key, self._now) for token in self._held(reader))
                if sees and not allowed:
                    assert key in shown, f"{form} {word} hides a row from reader {reader}"
            elif key in shown:
                assert allowed, f"reader {reader} finds {word} in what they may not see"
            elif self._has_to_find(reader, conversation, word, form):
                raise AssertionError(f"reader {reader} does not find {form} {word}")

    def _has_to_find(self, reader: int, conversation: InOmni, word: str, form: str) -> bool:
        key, kind = str(conversation.id), self.oracle.kinds[number_of(word)]
        best = self._best(reader, conversation)
        if best is None or not self.oracle.is_at_latest(best, key):
            return False
        jobs = self.oracle.jobs_of(key)
        sees_evidence = all(self.oracle.is_shown_job(best, job) for job in jobs)
        is_stored = all(self.oracle.evidence(job, "result") for job in jobs)
        if kind in ("question", "answer"):
            is_there = word in self.oracle.shown(best, key).messages
            places = {"{}", "state:answered {}", f"in:{kind} {{}}"}
            return is_there and (form in places or (form == "has:rows {}" and sees_evidence and is_stored))
        if kind in SEARCHED and sees_evidence:
            is_there = any(word in self.oracle.evidence(job, "result") for job in jobs)
            places = {"{}", "in:query {}", *(["topic:{}"] if kind == "topic" else [])}
            return is_there and form in places
        return False

    @staticmethod
    def _texts(conversation: InOmni) -> list[str]:
        texts = [conversation.name or "", *(message.text for message in conversation.messages)]
        cells = [str(cell) for job in conversation.jobs for row in job.actions[0].rows or () for cell in row]
        queries = [f"{job.actions[0].query_name} {job.actions[0].query} {job.topic}" for job in conversation.jobs]
        return MARKER.findall(" ".join([*texts, *cells, *queries]))

    def export(self, reader: int, place: int, extension: str) -> None:
        conversation = self.found[place]
        status, markers, _ = self._get(reader, f"/conversations/{conversation.id}.{extension}")
        self._check_messages(reader, conversation, status, markers)

    def read_insights(self, reader: int) -> None:
        """Count, as the page of the insights does before it draws what it counted."""
        user = self.world.users[reader]
        try:
            found = insights.compute(user, list(Credential.objects.owned_by(user)), None, Asked())
        except CannotShow:
            assert not any(self._best(reader, conversation) for conversation in self.found)
            return
        now, least, most = self._now, 0, 0
        topics, has_to_know = set(MARKER.findall(str(found.topics))), set[str]()
        assert topics <= self._all_allowed(reader), f"insights of reader {reader}: {sorted(topics)}"
        for conversation in self.found:
            key = str(conversation.id)
            asked = {
                token: self.oracle.of_kind(set(self.oracle.shown(token, key).messages), "question")
                for token in self._held(reader)
                if self.oracle.may_read(token, key, now)
            }
            most += max(map(len, asked.values()), default=0)
            best = self._best(reader, conversation)
            if best is not None and self.oracle.is_at_latest(best, key):
                least += len(asked[best])
                jobs = [job for job in self.oracle.jobs_of(key) if self.oracle.is_shown_job(best, job)]
                has_to_know |= set().union(*(self.oracle.evidence(job, "result") for job in jobs[:1]))
        assert least <= found.total.questions <= most, f"insights of reader {reader}: {found.total.questions} questions"
        assert self.oracle.of_kind(has_to_know, "topic") <= topics, f"insights of reader {reader} miss a topic"

    def sync(self, steps: int) -> None:
        archive_sync.begin_walks()
        for _ in range(steps):
            if not archive_sync.run_next(seconds=0):
                break

    def capture(self, reader: int, place: int) -> None:
        self._get(reader, f"/conversations/{self.found[place].id}/bundle/")
        for _ in range(3):
            if not archive_capture.run_next():
                break

    # Stories ------------------------------------------------------------------------------------------------------

    def _look(self, reader: int, place: int, number: int) -> None:
        """Read wherever something of a conversation may be shown."""
        self.read_thread(reader, place, is_newer=False)
        self.read_evidence(reader, place, 2)
        self.search(reader, place, number, FORMS[number % len(FORMS)])
        self.read_insights(reader)

    def be_refused(self, reader: int, place: int, route: Route, status: int, number: int) -> None:
        """A right is proven, then its own route refuses; and is asked again, or the list is."""
        self.read_evidence(reader, place, 2)
        for token in HELD[reader]:
            self.deny(token, place, route, status)
        if route == "thread":
            self.read_thread(reader, place, is_newer=True)
        if number % 2 or route == "list":
            self.read_list(reader, is_newer=True)
        self._look(reader, place, number)

    def be_refused_evidence(self, reader: int, place: int, routes: list[Route], status: int, number: int) -> None:
        """One route of the job after the other refuses, with the evidence opened in between."""
        for route in routes:
            for token in HELD[reader]:
                self.deny(token, place, route, status)
            self.read_evidence(reader, place, 2)
        # Another reader has the evidence stored.
        self.read_evidence(number % len(HELD), place, 2)
        self._look(reader, place, number)

    def be_overtaken(self, reader: int, other: int, place: int, message: int, number: int) -> None:
        """Another reader is shown a later wording."""
        self.read_evidence(reader, place, 2)
        self.change_message(place, message, is_told=False)
        self.read_thread(other, place, is_newer=True)
        self._look(reader, place, number)

    def see_wordings(self, reader: int, place: int, is_refused: bool) -> None:
        """Two wordings are shown to a reader; a refusal between them ends what was seen before."""
        self.read_thread(reader, place, is_newer=False)
        self.change_message(place, 1, is_told=False)
        self.read_thread(reader, place, is_newer=True)
        if is_refused:
            for token in HELD[reader]:
                self.deny(token, place, "thread", 404)
            self.read_thread(reader, place, is_newer=True)
            for token in HELD[reader]:
                self.allow(token, place, "thread")
        self.read_thread(reader, place, is_newer=False)

    def be_rejected(self, reader: int, place: int, is_changed: bool, number: int) -> None:
        """Omni rejects the reader's tokens, then accepts them again: all that they were shown before is over."""
        self.read_evidence(reader, place, 2)
        for token in HELD[reader]:
            self.revoke(token)
        self.read_thread(reader, place, is_newer=True)
        if is_changed:
            self.change_message(place, 1, is_told=True)
        for token in HELD[reader]:
            self.accept_again(token)
        self._look(reader, place, number)

    def let_lapse(self, reader: int, place: int, by: timedelta, number: int) -> None:
        """Time passes after a right was proven; the list may be asked first, or Omni be away."""
        self.read_evidence(reader, place, 2)
        self.move_clock(by)
        if number % 3 == 0:
            self.read_list(reader, is_newer=True)
        elif number % 3 == 1:
            self.go_down(503)
        self._look(reader, place, number)


@pytest.mark.slow
@pytest.mark.django_db
def test_a_reader_is_shown_what_omni_showed_a_token_of_theirs_and_nothing_else(settings: Settings) -> None:
    settings.SYNC, settings.CAPTURE = "all", "all"
    with Recording(organization(), rate_per_minute=1_000_000) as omni:
        Machine.world = World(omni)
        run_state_machine_as_test(Machine, settings=SETTINGS)


SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
