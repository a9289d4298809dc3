"""Whatever Omni answers and becomes, a reader is shown only what it showed a token of theirs in time.

The oracle knows nothing of the code under test: it records each reply that the stand-in sends, and derives the rights
from these alone. Each text at Omni carries a marker of its own, so that a page tells by itself what it shows.

By hand, 2,000 sequences instead of 200: `MODEL_SEQUENCES=2000 pytest -n 0 tests/test_access_model.py`.
"""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as site
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pytest_django import Settings

from conversations import archive
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.permissions import Route
from omniviewer.demo.stand_in.routes import Answer
from tests.conftest import credential_for, signed_in

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "200"))
STEPS = 16
# The number of the text in letters, then the token that it is worded for ("a": none) and that wording's version.
MARKER = re.compile(r"qz[a-j]{5}[a-z][a-z]zq")
ROWS = re.compile(r'<a[^>]+href="/conversations/([0-9a-f-]{36})/')
KEPT = timedelta(days=14)
REFUSALS = (403, 404, 410)
TOKENS, READERS, CONVERSATIONS = st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)
# Places of the tokens that each reader holds: the first holds two, and shares one with the second.
HELD = ((1, 0), (1,), (2,))
CLOCK_MOVES = [
    timedelta(minutes=2),
    timedelta(hours=20),
    site.ACCESS_TTL + timedelta(minutes=10),
    site.ACCESS_GRACE + timedelta(minutes=10),
    KEPT + timedelta(hours=1),
]


@dataclass
class Shown:
    """What replies showed one token of one conversation."""

    listed_at: datetime | None = None
    row: set[str] = field(default_factory=set)
    is_open: bool = False
    confirmed_at: datetime | None = None
    messages: set[str] = field(default_factory=set)
    earlier: set[str] = field(default_factory=set)


@dataclass
class JobShown:
    """What the job and result routes answered one token about one job."""

    was_shown: bool = False
    refused: set[str] = field(default_factory=set)


class Oracle:
    """Rights by the replies that were sent, and by nothing else."""

    def __init__(self) -> None:
        self.is_down = False
        self.jobs: dict[str, tuple[str, datetime]] = {}
        self._shown: dict[tuple[str, str], Shown] = {}
        self._jobs_shown: dict[tuple[str, str], JobShown] = {}
        self._evidence: dict[tuple[str, str], set[str]] = {}

    def of(self, token: str, conversation: str) -> Shown:
        return self._shown.setdefault((token, conversation), Shown())

    def _job(self, token: str, job: str) -> JobShown:
        return self._jobs_shown.setdefault((token, job), JobShown())

    def reply(self, token: str, path: str, answer: Answer, now: datetime) -> None:
        """Take in a reply as it is sent."""
        if answer.status == 401:
            self._shown = {key: row for key, row in self._shown.items() if key[0] != token}
            self._jobs_shown = {key: row for key, row in self._jobs_shown.items() if key[0] != token}
            return
        parts = path.split("/v1/ai/", 1)[-1].split("/")
        body = answer.payload().decode(errors="replace")
        match parts:
            case ["conversations"] if answer.status == 200:
                said = json.loads(body)
                for row in said.get("data", said.get("records")):
                    self._listed(self.of(token, row["id"]), set(MARKER.findall(json.dumps(row))), now)
            case ["conversations", conversation]:
                self._thread(self.of(token, conversation), answer.status, set(MARKER.findall(body)), now)
            case ["jobs", job, *rest] if rest in ([], ["result"]):
                self._answered(token, job, rest[0] if rest else "job", answer.status, body, now)

    @staticmethod
    def _listed(shown: Shown, markers: set[str], now: datetime) -> None:
        if shown.is_open and shown.confirmed_at and now - shown.confirmed_at > site.ACCESS_TTL:
            shown.is_open = False
        shown.listed_at = shown.confirmed_at = now
        shown.row = markers

    @staticmethod
    def _thread(shown: Shown, status: int, markers: set[str], now: datetime) -> None:
        if status == 200:
            shown.earlier |= shown.messages | markers
            shown.messages, shown.confirmed_at, shown.is_open = markers, now, True
        elif status in REFUSALS:
            shown.is_open, shown.earlier = False, set()

    def _answered(self, token: str, job: str, route: str, status: int, body: str, now: datetime) -> None:
        told = self._job(token, job)
        if status == 200:
            told.was_shown = True
            told.refused.discard(route)
            self._evidence.setdefault((job, route), set()).update(MARKER.findall(body))
        elif status in REFUSALS and now - self.jobs[job][1] < KEPT:
            told.refused.add(route)

    def _is_recent(self, at: datetime | None, now: datetime) -> bool:
        return at is not None and now - at <= (site.ACCESS_GRACE if self.is_down else site.ACCESS_TTL)

    def may_read(self, token: str, conversation: str, now: datetime) -> bool:
        shown = self.of(token, conversation)
        return shown.is_open and self._is_recent(shown.confirmed_at, now)

    def may_see_row(self, token: str, conversation: str, now: datetime) -> bool:
        shown = self.of(token, conversation)
        return self._is_recent(shown.listed_at, now) or self.may_read(token, conversation, now)

    def allowed(self, token: str, conversation: str, now: datetime, *, earlier: bool = True) -> set[str]:
        """Return the markers of a conversation that this token's holders may be shown now."""
        shown = self.of(token, conversation)
        markers: set[str] = set()
        if self.may_see_row(token, conversation, now):
            markers |= shown.row
        if self.may_read(token, conversation, now):
            markers |= shown.messages | (shown.earlier if earlier else set())
            for job, (of, done_at) in self.jobs.items():
                if of == conversation:
                    markers |= self._allowed_evidence(token, job, is_over=now - done_at >= KEPT)
        return markers

    def _allowed_evidence(self, token: str, job: str, *, is_over: bool) -> set[str]:
        told = self._job(token, job)
        by_job, by_result = (self._evidence.get((job, route), set()) for route in ("job", "result"))
        if (told.was_shown or is_over) and not told.refused:
            return by_job | by_result
        return by_job if told.was_shown and "job" not in told.refused else set()


class Recording(StandIn):
    """The stand-in, with the oracle reading along."""

    def __init__(self, organization: Organization, oracle: Oracle) -> None:
        super().__init__(organization, rate_per_minute=1_000_000)
        self.oracle = oracle

    def answer(self, method: str, path: str, query: dict[str, str], token: str) -> Answer:
        said = super().answer(method, path, query, token)
        self.oracle.reply(token, path, said, self._now or datetime.now(UTC))
        return said


class Machine(RuleBasedStateMachine):
    """Three tokens of one organization, three readers, three conversations."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = timedelta()
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._number = 0
        self._wordings = [0, 0, 0]
        self._undo = transaction.atomic()
        self._undo.__enter__()
        cache.clear()
        self._patch = pytest.MonkeyPatch()
        self.oracle = Oracle()
        self.organization = Organization("small-org")
        self.omni = Recording(self.organization, self.oracle)
        self._set_clock(timedelta())
        self.omni.start()
        ann = self.organization.add_member("Ann Analyst", "ann@small.example")
        pats = [self.organization.personal_token(ann) for _ in range(2)]
        self.tokens = [self.organization.organization_key(), *pats]
        for place, token in enumerate(self.tokens):
            self.organization.permissions.reword(token, partial(self._worded, place))
        self.found = []
        for _ in range(3):
            conversation = self.organization.add_conversation(
                owner=ann,
                name=f"Name {self._marker()}",
                turns=[],
                started_at=self._began - timedelta(hours=5),
            )
            self.found.append(conversation)
            self._ask(conversation, self._began - timedelta(hours=4) + timedelta(minutes=len(self.found)))
        self.users = [User.objects.create_user(f"reader{place}") for place in range(3)]
        for user, held in zip(self.users, HELD, strict=True):
            for place in held:
                credential_for(user, self.omni, self.tokens[place], f"Omni {place}")

    def teardown(self) -> None:
        self.omni.stop()
        self._patch.undo()
        transaction.set_rollback(True)
        self._undo.__exit__(None, None, None)
        cache.clear()

    # How Omni changes ------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        return timezone.now()

    def _set_clock(self, ahead: timedelta) -> None:
        self._ahead = ahead
        began = self._began
        self._patch.setattr(timezone, "now", lambda: datetime.now(UTC) + ahead)
        self.omni._now = began + ahead + (datetime.now(UTC) - began)

    def _marker(self) -> str:
        self._number += 1
        return "qz" + "".join(chr(ord("a") + int(digit)) for digit in f"{self._number:05}") + "aazq"

    def _worded(self, place: int, text: str) -> str:
        version = self._wordings[place]
        if not version:
            return text
        return MARKER.sub(lambda m: m.group()[:7] + chr(ord("b") + place) + chr(ord("a") + version) + "zq", text)

    def _ask(self, conversation: InOmni, at: datetime) -> None:
        job = self.organization.ask(conversation, f"Question {self._marker()}", f"Answer {self._marker()}", at=at)
        job.topic = f"Topic {self._marker()}"
        rows = [["Product", "Revenue"], [f"Cell {self._marker()}", "12"], [f"Cell {self._marker()}", "30"]]
        query = {"table": "orders", "fields": [f"orders.{self._marker()}"]}
        job.actions = (Action("generate_query", "Ran it", f"Query {self._marker()}", query, rows, 2),)
        assert job.completed_at
        self.oracle.jobs[str(job.id)] = (str(conversation.id), job.completed_at)

    @rule(place=CONVERSATIONS)
    def new_turn(self, place: int) -> None:
        self._ask(self.found[place], self._now - timedelta(seconds=60))

    @rule(place=CONVERSATIONS, message=st.integers(0, 1), is_told=st.booleans())
    def change_message(self, place: int, message: int, is_told: bool) -> None:
        conversation = self.found[place]
        conversation.messages[message].text = f"Redacted {self._marker()}"
        if is_told:
            conversation.updated_at = self._now

    @rule(place=CONVERSATIONS)
    def rename(self, place: int) -> None:
        self.found[place].name = f"Name {self._marker()}"
        self.found[place].updated_at = self._now

    @rule(
        token=TOKENS,
        place=CONVERSATIONS,
        route=st.sampled_from(["list", "thread", "thread", "job", "result"]),
        status=st.sampled_from(REFUSALS),
    )
    def deny(self, token: int, place: int, route: Route, status: int) -> None:
        for wanted in self._ids(route, place):
            self.organization.permissions.deny(route, token=self.tokens[token], id=wanted, status=status)

    @rule(token=TOKENS, place=CONVERSATIONS, route=st.sampled_from(["list", "thread", "job", "result"]))
    def allow(self, token: int, place: int, route: Route) -> None:
        for wanted in self._ids(route, place):
            self.organization.permissions.allow(route, token=self.tokens[token], id=wanted)

    def _ids(self, route: Route, place: int) -> list[UUID]:
        conversation = self.found[place]
        return [conversation.id] if route in ("list", "thread") else [job.id for job in conversation.jobs]

    @rule(token=TOKENS)
    def reword(self, token: int) -> None:
        self._wordings[token] += 1

    @rule(token=TOKENS)
    def revoke(self, token: int) -> None:
        self.organization.revoke(self.tokens[token])

    @precondition(lambda self: not self.oracle.is_down)
    @rule(token=TOKENS)
    def accept_again(self, token: int) -> None:
        """The same secret works again, and its holders connect anew."""
        secret = self.tokens[token]
        if self.organization.knows(secret):
            return
        owner = self.organization.members[0] if token else None
        self.organization._add_token(secret, owner)
        for number, (user, held) in enumerate(zip(self.users, HELD, strict=True)):
            if token in held:
                user.credentials.filter(label=f"Omni {token}").update(label=f"Old {self._number} {number}")
                self._number += 1
                credential_for(user, self.omni, secret, f"Omni {token}")

    @rule(by=st.sampled_from(CLOCK_MOVES))
    def move_clock(self, by: timedelta) -> None:
        self._set_clock(self._ahead + by)

    @rule(status=st.sampled_from([429, 500, 503]))
    def go_down(self, status: int) -> None:
        self.oracle.is_down = True
        self.omni.fail(Fault.status(status))

    @precondition(lambda self: self.oracle.is_down)
    @rule()
    def come_up(self) -> None:
        self.oracle.is_down = False
        self.omni.recover()
        # An instance that failed is left alone for up to a minute.
        self._set_clock(self._ahead + timedelta(minutes=2))

    # What readers and the background do ---------------------------------------------------------------------------

    def _allowed(self, reader: int, conversation: InOmni, *, earlier: bool = True) -> set[str]:
        now, key = self._now, str(conversation.id)
        held = (self.tokens[place] for place in HELD[reader])
        return set().union(*(self.oracle.allowed(token, key, now, earlier=earlier) for token in held))

    def _get(self, reader: int, address: str, echoed: str = "", **headers: str) -> tuple[int, set[str], str]:
        """Read an address: nothing in the answer but what the reader may be shown."""
        client: Client = signed_in(self.users[reader])
        answer: Any = client.get(address, headers=headers, follow=True)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        page = content.decode(errors="replace")
        markers = set(MARKER.findall(page)) - {echoed}
        allowed = set().union(*(self._allowed(reader, conversation) for conversation in self.found))
        assert markers <= allowed, f"{address} for reader {reader}: {sorted(markers - allowed)}"
        return answer.status_code, markers, page

    @rule(reader=READERS, refresh=st.booleans())
    def read_list(self, reader: int, refresh: bool) -> None:
        _, _, page = self._get(reader, f"/conversations/{'?refresh=1' if refresh else ''}")
        self._check_rows(reader, page)

    def _check_rows(self, reader: int, page: str) -> set[str]:
        shown, now = set(ROWS.findall(page)), self._now
        may = {
            str(row.id)
            for row in self.found
            if any(self.oracle.may_see_row(self.tokens[place], str(row.id), now) for place in HELD[reader])
        }
        assert shown <= may
        return shown

    @rule(reader=READERS, place=CONVERSATIONS, refresh=st.booleans())
    def read_thread(self, reader: int, place: int, refresh: bool) -> None:
        conversation = self.found[place]
        status, markers, _ = self._get(reader, f"/conversations/{conversation.id}/{'?refresh=1' if refresh else ''}")
        now, key = self._now, str(conversation.id)
        readable = [
            self.oracle.of(self.tokens[held], key).messages
            for held in HELD[reader]
            if self.oracle.may_read(self.tokens[held], key, now)
        ]
        assert (status == 200) == bool(readable), (status, readable)
        if status == 200:
            # All of the thread as one of the reader's tokens was last shown it.
            assert any(told <= markers for told in readable)

    @rule(reader=READERS, place=CONVERSATIONS, which=st.sampled_from(["list", "thread"]))
    def read_fragment(self, reader: int, place: int, which: str) -> None:
        key = self.found[place].id
        address = "/conversations/fresh/" if which == "list" else f"/conversations/{key}/fresh/"
        self._get(reader, address, HX_Request="true")

    @rule(reader=READERS, place=CONVERSATIONS, position=st.sampled_from([2, 2, 4]))
    def read_evidence(self, reader: int, place: int, position: int) -> None:
        self._get(reader, f"/conversations/{self.found[place].id}/messages/{position}/evidence/")

    @rule(reader=READERS, place=CONVERSATIONS, number=st.integers(0, 200), wording=st.booleans())
    def search(self, reader: int, place: int, number: int, wording: bool) -> None:
        """Look for a word of a conversation: by a text that is there or was, as any token is shown it."""
        texts = self._texts(self.found[place])
        word = texts[number % len(texts)]
        if wording:
            word = self._worded(number % 3, word)
        _, _, page = self._get(reader, f"/conversations/?q={word}", echoed=word)
        shown = self._check_rows(reader, page)
        may = {str(row.id) for row in self.found if word in self._allowed(reader, row)}
        assert shown <= may, f"reader {reader} finds {word} in what they may not see"

    @staticmethod
    def _texts(conversation: InOmni) -> list[str]:
        texts = [conversation.name or "", *(message.text for message in conversation.messages)]
        cells = [str(cell) for job in conversation.jobs for row in job.actions[0].rows or () for cell in row]
        queries = [f"{job.actions[0].query_name} {job.actions[0].query} {job.topic}" for job in conversation.jobs]
        return MARKER.findall(" ".join([*texts, *cells, *queries]))

    @rule(reader=READERS, place=CONVERSATIONS, extension=st.sampled_from(["md", "json"]))
    def export(self, reader: int, place: int, extension: str) -> None:
        self._get(reader, f"/conversations/{self.found[place].id}.{extension}")

    @rule(reader=READERS)
    def read_insights(self, reader: int) -> None:
        self._get(reader, "/insights/")

    @rule(steps=st.sampled_from([1, 4]))
    def sync(self, steps: int) -> None:
        archive.begin_walks()
        for _ in range(steps):
            if not archive.sync_next(seconds=0):
                break

    @rule(reader=READERS, place=CONVERSATIONS)
    def capture(self, reader: int, place: int) -> None:
        self._get(reader, f"/conversations/{self.found[place].id}/bundle/")
        for _ in range(3):
            if not archive.capture_next():
                break


@pytest.mark.django_db
def test_a_reader_is_shown_only_what_omni_showed_a_token_of_theirs(settings: Settings) -> None:
    settings.SYNC, settings.CAPTURE = "all", "all"
    run_state_machine_as_test(Machine, settings=SETTINGS)


SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
