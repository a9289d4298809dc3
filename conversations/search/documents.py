"""Search documents of conversations: the name, questions and answers, queries, and facts.

A failure affects only its conversation: it is stored (`IndexFailure`), and tried again later.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import BooleanField, Case, Exists, OuterRef, QuerySet, When

from conversations.models import (
    Action,
    Conversation,
    IndexFailure,
    Job,
    Message,
    Outcome,
    TicketReference,
    settle_evidence,
)
from conversations.search import index, list_facts
from conversations.search.question import BREAK, PLACES, Document, Fact, Question
from conversations.search.shown_row import ShownRows
from conversations.search.tokens import words
from omniviewer.operations import metrics
from omniviewer.operations.database_errors import named

_log = logging.getLogger("omniviewer.search")
# Conversations of one transaction: while it lasts, nobody else can write if the database is a file.
_BATCH_CONVERSATIONS = 20
# Longest time for which a page waits for the facts of its rows.
_SHOWN_SECONDS = 0.25
# Most characters of one conversation that are searched: more than any person reads.
_MAX_CHARS = 4_000_000


def refresh(*, seconds: float, among: Collection[int] | None = None) -> bool:
    """Index changed conversations for so many seconds, newest first; return whether all are done. Raises nothing.

    `among`: keys of the only conversations to look at; None for all.
    """
    until = time.monotonic() + seconds
    try:
        while _waiting(among).exists() and _index_some(among):
            if time.monotonic() > until:
                return False
    except Exception as error:  # noqa: BLE001  (the page goes on with what was indexed before)
        _log.warning("indexing stopped", extra={"because": named(error)})
        return False
    return True


def index_shown(shown: ShownRows) -> bool:
    """Index those that wait among the rows of a page, for a short time, so that it shows their facts as they are now.

    Return whether any waited.
    """
    columns = [shown.column(name) for name in ("pk", "shows_messages", "is_indexed")]
    waiting = [pk for pk, shows_messages, is_indexed in zip(*columns, strict=True) if shows_messages and not is_indexed]
    if waiting:
        refresh(seconds=_SHOWN_SECONDS, among=waiting)
    return bool(waiting)


def forget(conversations: Iterable[Conversation]) -> None:
    """Remove conversations that are being deleted from the index."""
    index.remove(row.indexed_as for row in conversations if row.indexed_as is not None)


def _waiting(among: Collection[int] | None) -> QuerySet[Conversation]:
    rows = Conversation.objects.filter(is_indexed=False)
    if among is not None:
        # Look them up by key, not by the index of all conversations that wait.
        is_waiting = Case(When(is_indexed=False, then=True), default=False, output_field=BooleanField())
        rows = Conversation.objects.alias(is_waiting=is_waiting).filter(pk__in=among, is_waiting=True)
    return rows.exclude(Exists(IndexFailure.objects.resting().filter(conversation=OuterRef("pk"))))


def _index_some(among: Collection[int] | None) -> bool:
    """Index the newest that wait; return False if there are none that no other worker holds."""
    some = list(_waiting(among).order_by("-recency").values_list("pk", flat=True)[:_BATCH_CONVERSATIONS])
    try:
        return _index(some)
    except Exception as error:
        if _is_the_databases(error):
            raise
    # At least one of them failed: index them one by one, so that the others go on.
    for pk in some:
        try:
            _index([pk])
        except Exception as error:
            if _is_the_databases(error):
                raise
            reason = named(error)
            _log.warning("conversation not indexed", extra={"conversation": pk, "because": reason})
            metrics.index_failed(reason)
            IndexFailure.objects.record(pk, reason)
    return True


def _is_the_databases(error: Exception) -> bool:
    """Return whether the error is the database's own (away, busy, full), and not due to the data that was to be stored.

    PostgreSQL reports data beyond a limit (class 54) by the same kind of error.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not (getattr(error.__cause__, "sqlstate", None) or "").startswith("54")


@transaction.atomic
def _index(keys: Sequence[int]) -> bool:
    waiting = Conversation.objects.filter(pk__in=keys, is_indexed=False).order_by("-recency")
    if connection.features.has_select_for_update_skip_locked:
        waiting = waiting.select_for_update(skip_locked=True)
    rows = list(waiting)
    if not rows:
        return False
    old = [row.indexed_as for row in rows if row.indexed_as is not None]
    for row in rows:
        row.indexed_as, row.is_indexed, row.indexed_revision = row.recency, True, row.revision
    index.put(list(_documents(rows)), old)
    Conversation.objects.filter(pk__in=[row.pk for row in rows]).update(indexed_as=None)
    Conversation.objects.bulk_update(rows, ["indexed_as", "is_indexed", "indexed_revision", *list_facts.COLUMNS])
    settle_evidence([row.pk for row in rows])
    IndexFailure.objects.filter(conversation__in=rows).delete()
    return True


def _documents(rows: Sequence[Conversation]) -> Iterator[Document]:
    said: dict[int, list[tuple[str, str, UUID | None]]] = defaultdict(list)
    answer_took: dict[int, int | None] = {}
    of_these = Message.objects.filter(conversation__in=rows).order_by("conversation", "position")
    for pk, role, text, job_id, took in of_these.values_list(
        "conversation_id", "role", "text", "job_id", "answer_took"
    ):
        said[pk].append((role, text, job_id))
        if role == Message.Role.USER:
            answer_took[pk] = took
    ids = {(row.instance, job_id) for row in rows for *_, job_id in said[row.pk] if job_id}
    jobs = _jobs(ids)
    linked = set(TicketReference.objects.filter(conversation__in=rows).values_list("conversation_id", flat=True))
    for row in rows:
        thread = said[row.pk]
        theirs = [jobs[key] for *_, job_id in thread if (key := (row.instance, job_id)) in jobs]
        theirs = [(job, queries) for job, queries in theirs if job.may_belong_to(row.instance, row.omni_id)]
        facts = _facts(thread, theirs) | _last_outcome(thread, theirs)
        told = facts | {Fact("topic", job.topic) for job, _ in theirs if job.topic}
        list_facts.store(row, told, len(thread), answer_took.get(row.pk))
        facts |= {fact for job, _ in theirs for fact in Fact.of_topic(job.topic)}
        facts |= {Fact("has", "ticket")} if row.pk in linked else set()
        yield Document(row.indexed_as or 0, _places(row, thread, theirs), frozenset(facts))


def _jobs(ids: Collection[tuple[str, UUID]]) -> dict[tuple[str, UUID | None], tuple[Job, list[str]]]:
    """Return the jobs with these ids, by instance and id, each with the texts of its queries."""
    jobs = {job.pk: job for job in Job.objects.with_ids(ids)}
    queries: dict[int, list[str]] = defaultdict(list)
    for action in Action.objects.filter(job__in=jobs, is_query=True).in_turn():
        queries[action.job_id].append(action.name)
        queries[action.job_id].append("\n".join(_strings(action.query)))
    return {(job.instance, job.omni_id): (job, queries[pk]) for pk, job in jobs.items()}


def _strings(value: Any) -> Iterator[str]:
    """Yield every text in a query, including names of fields, however deep JSON nests it."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += [*found.values(), *found]
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str):
            yield found
        elif found is not None:
            yield json.dumps(found)


def _places(
    row: Conversation, thread: Sequence[tuple[str, str, UUID | None]], jobs: Sequence[tuple[Job, list[str]]]
) -> dict[str, str]:
    asked = [text for role, text, _ in thread if role == Message.Role.USER]
    answered = [text for role, text, _ in thread if role != Message.Role.USER]
    queries = [text for job, found in jobs for text in (job.topic, *found)]
    # If only the list has named the conversation, its last question is all that is known.
    texts = {"name": [row.name], "question": asked or [row.last_prompt], "answer": answered, "query": queries}
    return {place: _folded(texts[place]) for place in PLACES}


def _folded(texts: Iterable[str]) -> str:
    left = _MAX_CHARS
    parts = []
    for text in texts:
        parts.append(" ".join(word.text for word in words(text[:left])))
        left = max(left - len(text), 0)
    return f" {BREAK} ".join(part for part in parts if part)


def _facts(thread: Sequence[tuple[str, str, UUID | None]], jobs: Sequence[tuple[Job, list[str]]]) -> set[Fact]:
    """Return the states of a conversation's answers, and what kinds of evidence it has."""
    facts = set()
    if thread:
        facts.add(Fact("state", Outcome.UNANSWERED if thread[-1][0] == Message.Role.USER else Outcome.ANSWERED))
    for job, queries in jobs:
        if job.outcome and job.outcome.is_told_by_job:
            facts.add(Fact("state", job.outcome))
        if job.has_chart:
            facts.add(Fact("has", "chart"))
        if queries and job.row_count:
            facts.add(Fact("has", "rows"))
    return facts


def _last_outcome(thread: Sequence[tuple[str, str, UUID | None]], jobs: Sequence[tuple[Job, list[str]]]) -> set[Fact]:
    """Return the fact that the last answer is complete, if its job says so."""
    last = thread[-1][2] if thread else None
    is_complete = any(job.omni_id == last and job.outcome is Outcome.ANSWERED for job, _ in jobs)
    return {list_facts.COMPLETE} if is_complete else set()


def says(texts: dict[str, str], question: Question) -> bool:
    """Return whether these texts, by place, match the question's texts, as the index would tell."""
    places = {
        place: f" {_folded([text])} "
        for place, text in texts.items()
        if not question.places or place in question.places
    }
    for text in question.texts:
        wanted = f" {' '.join(text.words)}{'' if text.is_prefix else ' '}"
        if any(wanted in said for said in places.values()) is text.is_negated:
            return False
    return True
