"""Measure the insights of a large archive, by hand: `python -m tests.benchmark_insights [MESSAGES] [jobs] [profile]`.

The archive is that of `tests.benchmark_search`, without its search index; with `jobs`, a job made every answer, and its
outcome is stored. The reader holds an organization key and may read all of it; nothing is asked of Omni.
`OMNIVIEWER_TEST_DATABASE` measures PostgreSQL, or keeps a filled SQLite file for the next run. `profile` prints the
slowest statements and functions of one page instead.
"""

import cProfile
import gc
import os
import pstats
import random
import statistics
import sys
import time
from datetime import timedelta
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings, setup_test_environment  # noqa: E402
from django.utils import timezone  # noqa: E402

from conversations.models import Conversation, Job, JobAccess, Message  # noqa: E402
from omniviewer.accounts.models import Credential, User  # noqa: E402
from tests import benchmark_search  # noqa: E402
from tests.conftest import signed_in  # noqa: E402
from tests.saying import say  # noqa: E402

PAGES = {name: address for name, address in benchmark_search.PAGES.items() if name.startswith("insights")} | {
    "insights, all time": "/insights/?period=all",
    "insights, one owner": f"/insights/?since=2025-11-21&until=2026-11-20&owner={benchmark_search.OWNERS[7]}",
}
ROUNDS = 7
_BATCH = 2000
_TOPICS = [f"Topic {number}" for number in range(1, 13)]
_STATES = ["COMPLETE"] * 94 + ["FAILED"] * 4 + ["CANCELLED"] * 2


def fill(count: int, *, with_jobs: bool) -> Client:
    client, credential = benchmark_search.reader()
    draw = random.Random(17)  # noqa: S311
    conversations = count // benchmark_search.MESSAGES_EACH
    for begin in range(0, conversations, _BATCH):
        with transaction.atomic():
            rows = benchmark_search.store(credential, draw, range(begin, min(begin + _BATCH, conversations)))
            said = list(benchmark_search.messages(draw, rows))
            if with_jobs:
                _name_jobs(said)
            Message.objects.bulk_create(said, batch_size=2000)
            if with_jobs:
                _store_jobs(draw, credential, said)
    # Without an entry in the search index, and none to make.
    Conversation.objects.update(is_indexed=True)
    benchmark_search.walked(conversations)
    benchmark_search.analyze()
    return client


def _name_jobs(said: list[Message]) -> None:
    for message in said:
        if message.is_answer:
            message.job_id = UUID(int=message.conversation.omni_id.int * 100 + message.position)


def _store_jobs(draw: random.Random, credential: Credential, said: list[Message]) -> None:
    jobs, accesses, now = [], [], timezone.now()
    for message in said:
        if message.job_id is None:
            continue
        topic, state, of = draw.choice(_TOPICS), draw.choice(_STATES), message.conversation
        job = Job(instance=of.instance, omni_id=message.job_id, conversation_id=of.omni_id, topic=topic, state=state)
        job.asked_at = now
        jobs.append(job)
        access = JobAccess(api_token=credential.api_token, conversation=of, job_id=message.job_id, shown_at=now)
        access.at = message.created_at or now
        accesses.append(access)
    Job.objects.bulk_create(jobs, batch_size=2000)
    JobAccess.objects.bulk_create(accesses, batch_size=2000)


def measure(client: Client) -> None:
    say(f"{connection.vendor}, {Message.objects.count():,} messages, {Job.objects.count():,} jobs")
    say(f"{'':24}{'median':>10}{'highest':>10}{'CPU':>10}{'statements':>12}   in statements   bytes   (seconds)")
    # Freeze start-up objects, as each process of the deployed site does.
    gc.collect()
    gc.freeze()
    for name, address in PAGES.items():
        taken, used = [], []
        for _ in range(ROUNDS + 1):
            began, begun = time.perf_counter(), time.process_time()
            answer = client.get(address)
            taken.append(time.perf_counter() - began)
            used.append(time.process_time() - begun)
            assert answer.status_code == 200, (name, answer.status_code)
        taken, used = taken[1:], used[1:]
        with CaptureQueriesContext(connection) as made:
            client.get(address)
        within = sum(float(query["time"]) for query in made.captured_queries)
        say(
            f"{name:24}{statistics.median(taken):>10.3f}{max(taken):>10.3f}{statistics.median(used):>10.3f}"
            f"{len(made):>12}{within:>16.3f}{len(answer.content):>8,}"
        )


def profile(client: Client, address: str) -> None:
    """Print the slowest statements and functions of a page."""
    client.get(address)
    with CaptureQueriesContext(connection) as made:
        client.get(address)
    for query in sorted(made.captured_queries, key=lambda one: -float(one["time"]))[:8]:
        say(f"{query['time']} s: {query['sql'][:2500]}")
    with cProfile.Profile() as profiler:
        client.get(address)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def main() -> None:
    words = sys.argv[1:]
    count = next((int(word) for word in words if word.isdecimal()), 1_000_000)
    setup_test_environment()
    call_command("migrate", verbosity=0)
    with override_settings(FRESH_FOR=timedelta(days=36500), ACCESS_TTL=timedelta(days=36500), SYNC="off"):
        if Message.objects.exists():
            client = signed_in(User.objects.get(username="benchmark"))
        else:
            began = time.perf_counter()
            client = fill(count, with_jobs="jobs" in words)
            say(f"filled in {time.perf_counter() - began:.0f} s")
        if "profile" in words:
            profile(client, PAGES["insights, a year"])
        else:
            measure(client)


if __name__ == "__main__":
    main()
