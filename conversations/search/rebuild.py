"""Make the search index and the stored facts of all conversations again, in batches, while the site runs."""

import time
from collections import defaultdict
from collections.abc import Callable

from django.db import transaction
from django.db.models import Max

from conversations.models import Conversation, IndexFailure, Message, recency
from conversations.models.question_times import TIMES, set_times
from conversations.search import documents, index

# Conversations of one transaction: while it lasts, nobody else can write if the database is a file.
_BATCH_CONVERSATIONS = 200
# Seconds of indexing between two reports.
_REPORT_SECONDS = 1.0

# Told how many conversations are done, and of how many.
Report = Callable[[int, int], None]


class Stopped(Exception):
    """Indexing stopped because of the database; what is left waits, and workers go on with it."""


def derive(report: Report) -> None:
    """Compute again what the rows hold beside Omni's own values, and mark all conversations to be indexed again."""
    last = Conversation.objects.aggregate(last=Max("pk"))["last"] or 0
    total, done, after = Conversation.objects.count(), 0, 0
    while after < last:
        keys = list(
            Conversation.objects.filter(pk__gt=after, pk__lte=last)
            .order_by("pk")
            .values_list("pk", flat=True)[:_BATCH_CONVERSATIONS]
        )
        if not keys:
            break
        _derive(keys)
        after, done = keys[-1], done + len(keys)
        report(done, total)


@transaction.atomic
def _derive(keys: list[int]) -> None:
    rows = {row.pk: row for row in Conversation.objects.select_for_update().filter(pk__in=keys)}
    threads: dict[int, list[Message]] = defaultdict(list)
    read = ("conversation", "position", "role", "created_at", "revision", *TIMES)
    for message in Message.objects.filter(conversation__in=keys).order_by("conversation", "position").only(*read):
        threads[message.conversation_id].append(message)
    changed, messages = [], []
    for pk, row in rows.items():
        before = row.ends_with_question, row.recency, row.started
        row.ends_with_question = threads[pk][-1].is_question if threads[pk] else None
        row.recency, row.started = recency(row.updated_at, pk), recency(row.created_at, pk)
        messages += set_times(threads[pk])
        if (row.ends_with_question, row.recency, row.started) != before:
            changed.append(row)
    Message.objects.bulk_update(messages, TIMES, batch_size=200)
    Conversation.objects.bulk_update(changed, ["ends_with_question", "recency", "started"], batch_size=200)
    Conversation.objects.filter(pk__in=keys).touch()


def index_waiting(report: Report) -> int:
    """Index all conversations that wait, and drop entries of none; return how many failed. Raises `Stopped`."""
    IndexFailure.objects.try_again()
    total = waiting = Conversation.objects.filter(is_indexed=False).count()
    is_done = False
    while not is_done:
        began, before = time.monotonic(), waiting
        is_done = documents.refresh(seconds=_REPORT_SECONDS)
        waiting = Conversation.objects.filter(is_indexed=False).count()
        if not is_done and (time.monotonic() - began < _REPORT_SECONDS or waiting >= before):
            raise Stopped
        report(max(total - waiting, 0), total)
    index.remove_unused()
    return IndexFailure.objects.count()
