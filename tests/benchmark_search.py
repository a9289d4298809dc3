"""Measure list and search as the archive grows, by hand: `python -m tests.benchmark_search [MESSAGES ...]`.

Generates conversations of ten messages, measures, generates more and measures again, at 1,000, 10,000, 100,000 and
1,000,000 messages. Everything runs through the site's own pages, as a reader with an organization key who may read all
of it; nothing is asked of Omni. Seconds differ from machine to machine, so growth is told as a ratio within one run.
`OMNIVIEWER_TEST_DATABASE` (an empty one) measures PostgreSQL.
"""

import gc
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings, setup_test_environment  # noqa: E402
from django.utils import timezone  # noqa: E402

from conversations.models import Access, Conversation, Message, Walk, recency  # noqa: E402
from conversations.models.question_times import set_times  # noqa: E402
from conversations.search import documents  # noqa: E402
from omniviewer.accounts.models import ApiToken, Credential, User  # noqa: E402
from omniviewer.omni import Token, replies  # noqa: E402
from tests.conftest import signed_in  # noqa: E402

SIZES = [1_000, 10_000, 100_000, 1_000_000]
MESSAGES_EACH = 10
OWNERS = [str(UUID(int=number)) for number in range(1, 201)]
ROUNDS = 20
_BATCH = 1000
_NEWEST = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
# Each filter below fills a page even at ten thousand messages, so that pages of the same length are compared.
# Some words stand in every conversation, most in few, as in any language.
_COMMON = ["revenue", "orders", "region", "month", "rate", "by", "the", "customers", "growth", "total"]
_WORDS = [f"{first}{second}{third}" for first in "bcdfglmnprst" for second in "aeiou" for third in "mnrst"]
PAGES = {
    "list": "/conversations/",
    "list, far down": "/conversations/?before={deep}",
    "list, oldest first": "/conversations/?sort=oldest",
    "list, latest start": "/conversations/?sort=started",
    "of one owner": f"/conversations/?q=owner:{OWNERS[7]}",
    "unanswered": "/conversations/?q=state:unanswered",
    "asked on one day": "/conversations/?q=asked:2026-08-10",
    "asked in a quarter": "/conversations/?q=asked:2026-Q3",
    "of one month": "/conversations/?q=on:2026-11",
    "starred": "/conversations/?q=is:starred",
    "unread": "/conversations/?q=is:unread",
    "a common word": "/conversations/?q=revenue",
    "two common words": "/conversations/?q=revenue+growth",
    "a rare word": "/conversations/?q=needle",
    "no such word": "/conversations/?q=nosuchword",
    "a phrase": "/conversations/?q=%22growth+rate%22",
    "a prefix": "/conversations/?q=rev*",
    "without a word": "/conversations/?q=revenue+-orders",
    "a word of an owner": f"/conversations/?q=revenue+owner:{OWNERS[7]}",
    "a word, far down": "/conversations/?q=revenue&before={deep}",
    "a word, latest start": "/conversations/?q=revenue&sort=started",
    "list, most messages first": "/conversations/?sort=messages",
    "a word, best match": "/conversations/?q=revenue&sort=match",
    "facets": "/conversations/facets/",
    "facets of a word": "/conversations/facets/?q=revenue",
    "completion": "/conversations/complete/?q=topic:",
    "insights, 30 days": "/insights/?since=2026-10-22&until=2026-11-20",
    "insights, a year": "/insights/?since=2025-11-21&until=2026-11-20",
    "a thread": "/conversations/{thread}/",
    "a thread from a hit": "/conversations/{thread}/?q=revenue",
}
SEARCHES = [name for name in PAGES if "word" in name or "phrase" in name or "prefix" in name]


def text(draw: random.Random, length: int) -> str:
    words = [
        draw.choice(_COMMON) if draw.random() < 0.2 else f"{draw.choice(_WORDS)}{draw.choice(_WORDS)}"
        for _ in range(length)
    ]
    if draw.random() < 0.02:
        words[:2] = ["growth", "rate"]
    return " ".join(words)


def grow(credential: Credential, begin: int, end: int) -> None:
    """Store conversations number `begin` to `end`, each older than the one before, with accesses and documents."""
    draw = random.Random(begin)  # noqa: S311
    for first in range(begin, end, _BATCH):
        rows = store(credential, draw, range(first, min(first + _BATCH, end)))
        Message.objects.bulk_create(messages(draw, rows), batch_size=2000)
    with override_settings():
        documents._BATCH_CONVERSATIONS = 500
        documents.refresh(seconds=100_000)


def store(credential: Credential, draw: random.Random, numbers: range) -> list[Conversation]:
    """Store conversations with these numbers and an access to each, and return them; their messages are to follow."""
    rows, now = [], timezone.now()
    for number in numbers:
        at = _NEWEST - timedelta(minutes=17 * number % (60 * 24 * 1000), seconds=number % 60)
        row = Conversation(instance=credential.instance, omni_id=UUID(int=10**6 + number), name=text(draw, 4))
        row.created_at, row.updated_at, row.fetched_at = at - timedelta(hours=3), at, now
        row.owner_id = OWNERS[7 if number % 10 == 0 else number % len(OWNERS)]
        row.revision, row.ends_with_question = 1, _ends_with_question(row)
        row.recency, row.started = recency(at, number), recency(row.created_at, number)
        rows.append(row)
    Conversation.objects.bulk_create(rows)
    show((credential.api_token, row) for row in rows)
    return rows


def show(pairs: Iterable[tuple[ApiToken, Conversation]]) -> None:
    """Store that each token was shown this conversation, in the list and whole."""
    now = timezone.now()
    told = {"listed_at": now, "opened_at": now, "confirmed_at": now, "fetched_at": now, "revision_since": now}
    Access.objects.bulk_create(
        Access(
            api_token=token,
            conversation=row,
            name=row.name,
            owner_id=row.owner_id,
            updated_at=row.updated_at,
            recency=row.recency,
            read_of=row.updated_at,
            revision=1,
            is_behind=False,
            **told,
        )
        for token, row in pairs
    )


def messages(draw: random.Random, rows: list[Conversation]) -> Iterator[Message]:
    for row in rows:
        count = MESSAGES_EACH - (1 if _ends_with_question(row) else 0)
        thread = []
        for position in range(1, count + 1):
            is_question = position % 2 == 1
            said = text(draw, 6 if is_question else 25)
            if row.omni_id.int % 20_000 == 0 and position == 2:
                said += " needle"
            at = (row.created_at or _NEWEST) + timedelta(minutes=position)
            if not is_question:
                at -= timedelta(milliseconds=draw.randrange(55_000))
            role = "user" if is_question else "assistant"
            thread.append(Message(conversation=row, position=position, role=role, text=said, created_at=at, revision=1))
        set_times(thread)
        yield from thread


def _ends_with_question(row: Conversation) -> bool:
    return row.omni_id.int % 20 == 0


def reader() -> tuple[Client, Credential]:
    user = User.objects.create_user("benchmark")
    identity = replies.Identity("organization", "ORG_ADMIN", "u", OWNERS[0])
    credential = Credential.objects.connect(user, "Omni", "omni.example", Token("omni_org_benchmark"), identity)
    token = credential.api_token
    token.note_members_asked()
    now = timezone.now()
    Walk.objects.create(api_token=token, checked_at=now, walked_at=now, newest=now, counted_at=now, paused_at=now)
    Walk.objects.create(api_token=token, member=OWNERS[7], checked_at=now, walked_at=now)
    return signed_in(user), credential


def measure(client: Client, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each page, `ROUNDS` times in turn; print queries if their number differs."""
    walked(count)
    rows = Conversation.objects.order_by("-recency")
    places = {"deep": rows[int(count * 0.9)].recency, "thread": rows[count // 3].omni_id}
    analyze()
    # Freeze start-up objects, as each process of the deployed site does.
    gc.collect()
    gc.freeze()
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    for turn in range(ROUNDS + 1):
        for name, address in PAGES.items():
            began = time.perf_counter()
            answer = client.get(address.format(**places), headers=_headers(name))
            if turn:
                taken[name].append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, (name, answer.status_code)
    return taken


def _headers(name: str) -> dict[str, str]:
    """Return the header of a part of a page, which is asked for by a script."""
    return {"HX-Request": "true"} if name.startswith(("facets", "completion")) else {}


def walked(count: int) -> None:
    """Store that Omni's whole list was walked, and all of it read."""
    Walk.objects.filter(member="").update(total=count, listed=count, read=count)


def analyze() -> None:
    """Have the database learn how its rows are distributed."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def queries(client: Client, count: int) -> dict[str, int]:
    rows = Conversation.objects.order_by("-recency")
    places = {"deep": rows[int(count * 0.9)].recency, "thread": rows[count // 3].omni_id}
    found = {}
    for name, address in PAGES.items():
        with CaptureQueriesContext(connection) as made:
            client.get(address.format(**places), headers=_headers(name))
        found[name] = len(made)
    return found


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    setup_test_environment()
    call_command("migrate", verbosity=0)
    with override_settings(FRESH_FOR=timedelta(days=1), SYNC="off"):
        client, credential = reader()
        results: dict[int, dict[str, list[float]]] = {}
        counts: dict[int, dict[str, int]] = {}
        done = 0
        for size in sizes:
            began = time.perf_counter()
            grow(credential, done, size // MESSAGES_EACH)
            done = size // MESSAGES_EACH
            _say(f"{size:,} messages: generated in {time.perf_counter() - began:.0f} s")
            results[size], counts[size] = measure(client, done), queries(client, done)
    _table(results, counts)


def _table(results: dict[int, dict[str, list[float]]], counts: dict[int, dict[str, int]]) -> None:
    sizes = list(results)
    base = 10_000 if 10_000 in sizes else sizes[0]
    heads = "".join(f"{size:>12,}" for size in sizes)
    _say(f"{connection.vendor}: median milliseconds (95th percentile), by messages")
    _say(f"{'':24}{heads}   {sizes[-1]:,} to {base:,}   queries")
    for name in PAGES:
        cells = "".join(f"{_median(results[size][name]):>6.1f} ({_p95(results[size][name]):>3.0f})" for size in sizes)
        ratio = _median(results[sizes[-1]][name]) / _median(results[base][name])
        made = "–".join(str(number) for number in sorted({counts[size][name] for size in sizes}))
        _say(f"{name:24}{cells}   {ratio:>10.2f}   {made:>14}")
    everything = [taken for name in SEARCHES for taken in results[sizes[-1]][name]]
    _say(f"searches at {sizes[-1]:,} messages: 95th percentile {_p95(everything):.0f} ms of {len(everything)}")


def _median(taken: list[float]) -> float:
    return statistics.median(taken)


def _p95(taken: list[float]) -> float:
    return sorted(taken)[max(int(len(taken) * 0.95) - 1, 0)]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
