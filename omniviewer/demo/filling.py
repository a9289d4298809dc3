"""Filling the demo's archive with all that its tokens may see, before its people come: lists, threads, evidence, index.

The background worker would do it too, but leaves most of a token's budget to readers, and takes what Omni drops after
its 14 days for gone. Nothing that is stored already is asked for again.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from conversations.archive import evidence, list_walk, people, sync, threads
from conversations.archive.evidence import Inquiry
from conversations.models import Access, Job, JobAccess, Message, Reader
from conversations.search import documents
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.demo import traces
from omniviewer.omni import NotVisible

_T = TypeVar("_T")
# Requests whose replies are stored in one transaction: together they hold up another writer for a moment only.
_BATCH = 10
# More than an index of the whole sample takes.
_INDEX_SECONDS = 60.0
# Longer than SQLite has a waiting writer sleep between two tries: it would find the database locked each time.
_PAUSE_SECONDS = 0.12
# To count takes some milliseconds.
_REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """How far the filling has come: threads and answers that are stored, out of all that are known of."""

    conversations: int = 0
    all_conversations: int = 0
    answers: int = 0
    all_answers: int = 0

    def __str__(self) -> str:
        threads = f"{self.conversations} of {self.all_conversations} conversations"
        return f"{threads}, {self.answers} of {self.all_answers} answers"


class Filling(threading.Thread):
    """Fills the archive in the background, and calls `report` whenever it has come further.

    `failure` tells afterwards why Omni could not be asked, if so; the background worker goes on from there.
    """

    def __init__(self, newcomers: Sequence[User], report: Callable[[Progress], None]) -> None:
        """Take the people who have just begun, and leave what they would have left by now."""
        super().__init__(name="filling", daemon=True)
        self._newcomers = newcomers
        self._report, self._reported_at = report, 0.0
        self._stopping = threading.Event()
        self._beside = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._fill()
        except Exception as error:  # noqa: BLE001  (the demo goes on; its user is told)
            self.failure = error
        finally:
            connections.close_all()

    def stop(self) -> None:
        """End after the requests under way."""
        self._stopping.set()
        self.join()

    def go_on_beside(self) -> None:
        """Leave the database to others for a moment after each transaction, from now on."""
        self._beside.set()

    @property
    def is_stopped(self) -> bool:
        return self._stopping.is_set()

    @property
    def is_complete(self) -> bool:
        return not (self.is_alive() or self.failure or self._stopping.is_set())

    def _fill(self) -> None:
        sync.begin_walks()
        # An organization's key first: what it was shown is stored, and costs another token less.
        tokens = sorted(ApiToken.objects.at_work(), key=lambda token: not token.sees_organization)
        for token in tokens:
            self._read_list(token)
        self._read_threads(tokens)
        for user in self._newcomers:
            traces.leave(user)
        self._capture_evidence(tokens)
        # An answer that ended meanwhile left its conversation behind.
        self._read_threads(tokens)
        self._capture_evidence(tokens)
        if not self._stopping.is_set():
            documents.refresh(seconds=_INDEX_SECONDS)

    def _read_list(self, token: ApiToken) -> None:
        walk = list_walk.walk_of(token)
        if walk.has_seen_all:
            return
        while not self._stopping.is_set():
            walk = list_walk.go_on(walk, Urgency.WAITING)
            if walk.began_at is None:
                break
        while people.are_due(token) and not self._stopping.is_set():
            people.fetch(token, Urgency.WAITING)
        self._tell()

    def _read_threads(self, tokens: Sequence[ApiToken]) -> None:
        for token in tokens:
            self._each(self._threads_due(token), partial(_read, token))
            sync.update_counts(token)

    def _capture_evidence(self, tokens: Sequence[ApiToken]) -> None:
        for token in tokens:
            self._each(list(_unsettled(token)), partial(_capture, token))
            self._each(list(JobAccess.objects.due(token).select_related("conversation")), _ask_about)
        for token in tokens:
            sync.update_counts(token)

    def _threads_due(self, token: ApiToken) -> list[Access]:
        return list(Access.objects.due(token).select_related("conversation"))

    def _each(self, rows: Sequence[_T], work: Callable[[_T], None]) -> None:
        """Do the work for each of the rows, some in each transaction: to commit each takes longer than the work."""
        for start in range(0, len(rows), _BATCH):
            if self._stopping.is_set():
                return
            with transaction.atomic():
                for row in rows[start : start + _BATCH]:
                    # A refusal is stored, and says that there is nothing to fetch.
                    with contextlib.suppress(NotVisible):
                        work(row)
            self._tell()
            if self._beside.is_set():
                self._stopping.wait(_PAUSE_SECONDS)

    def _tell(self) -> None:
        if time.monotonic() - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = time.monotonic()
            self._report(count())


def count() -> Progress:
    """Return how much is stored, through all of the demo's tokens together."""
    accesses = Access.objects.filter(listed_at__isnull=False)
    conversations = accesses.values("conversation").distinct()
    answers = Message.objects.exclude(job_id=None)
    return Progress(
        conversations.filter(is_behind=False, opened_at__isnull=False).count(),
        conversations.count(),
        answers.filter(Exists(_jobs())).count(),
        answers.count(),
    )


def _jobs() -> QuerySet[Job]:
    """Return the jobs of outer messages of which all is stored that there is, or that still run."""
    same = Job.objects.filter(instance=OuterRef("conversation__instance"), omni_id=OuterRef("job_id"))
    return same.settled() | same.running()


def _read(token: ApiToken, access: Access) -> None:
    access.api_token = token
    threads.read_ahead(access, timezone.now())


def _unsettled(token: ApiToken) -> QuerySet[Message]:
    """Return the answers that the token was shown and whose evidence is not stored, the newest first."""
    shown = Message.objects.shown_through(Access.objects.opened_to(Reader.through(token)))
    return shown.exclude(job_id=None).exclude(Exists(_jobs())).select_related("conversation").order_by("-created_at")


def _capture(token: ApiToken, message: Message) -> None:
    if message.job_id:
        evidence.fetch_missing(
            Inquiry(token, message.conversation, message.job_id, message.created_at), Urgency.WAITING
        )


def _ask_about(row: JobAccess) -> None:
    evidence.fetch_job(Inquiry(row.api_token, row.conversation, row.job_id, row.at), Urgency.WAITING)
