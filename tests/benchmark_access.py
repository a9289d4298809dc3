"""Rows, bytes and requests of rights that belong to tokens, by hand: `python -m tests.benchmark_access`.

A company of 20,000 conversations: fifty people hold one organization key, two hundred their own tokens. The rows are
written as the sync writes them, without the words of the search. The requests are counted in a company of a hundredth
of the conversations that is really synced, over the stand-in, and multiplied out: threads and jobs by the accesses,
pages of the list by the conversations that a token lists.
"""

import os
import re
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402

from conversations import tasks  # noqa: E402
from conversations.models import Access, Conversation, Job, JobAccess, Message, recency  # noqa: E402
from omniviewer.accounts.models import ApiToken, Credential  # noqa: E402
from omniviewer.demo.stand_in import Organization, StandIn  # noqa: E402
from omniviewer.omni import CONVERSATIONS_A_PAGE, Token, replies  # noqa: E402
from tests.captured import work  # noqa: E402
from tests.conftest import credential_for, person  # noqa: E402

HOLDERS, PEOPLE, CONVERSATIONS, TURNS = 50, 200, 20_000, 2
SMALLER = 100
NOW = datetime.now(UTC).replace(microsecond=0)


def main() -> None:
    setup_test_environment()
    call_command("migrate", verbosity=0)
    _requests()
    call_command("flush", verbosity=0, interactive=False)
    _rows()


def _requests() -> None:
    """Sync a small company, and count its requests by route."""
    people, count = PEOPLE // 10, CONVERSATIONS // SMALLER
    organization = Organization("benchmark")
    members = [organization.add_member(f"Person {n}", f"p{n}@example.com") for n in range(people)]
    for number in range(count):
        organization.add_conversation(
            owner=members[number % people],
            name=f"No. {number}",
            turns=[(f"Question {turn}?", "Answer. " * 20) for turn in range(TURNS)],
            started_at=NOW - timedelta(days=3) + number * timedelta(minutes=1),
        )
    key = organization.organization_key()
    with StandIn(organization, rate_per_minute=10**6) as omni, override_settings(SYNC="all"):
        for number in range(HOLDERS):
            credential_for(person(f"holder-{number}"), omni, key)
        for number, member in enumerate(members):
            credential_for(person(f"person-{number}"), omni, organization.personal_token(member))
        omni.requests.clear()
        tasks.nudge_sync()
        work()
        routes = Counter(_route(request.path, is_of_key=request.token == key) for request in omni.requests)
    sys.stdout.write(f"synced {count:,} conversations of {people} people and {HOLDERS} holders of a key: ")
    sys.stdout.write(", ".join(f"{number:,} {route}" for route, number in sorted(routes.items())) + "\n")
    # One request more for each token than it has pages: the check after a full walk.
    more = (CONVERSATIONS - count) // CONVERSATIONS_A_PAGE
    threads = SMALLER * sum(number for route, number in routes.items() if route.startswith("thread"))
    jobs = SMALLER * sum(number for route, number in routes.items() if route.startswith("job"))
    lists = more + routes["list (key)"] + routes["list"] * PEOPLE // people
    sys.stdout.write(
        f"multiplied out to {CONVERSATIONS:,} conversations of {PEOPLE} people: {lists:,} pages of lists, "
    )
    sys.stdout.write(f"{threads:,} threads, {jobs:,} jobs\n")


def _route(path: str, *, is_of_key: bool) -> str:
    whose = " (key)" if is_of_key else ""
    if "/jobs/" in path:
        return "job" + whose
    if re.search(r"/ai/conversations/.", path):
        return "thread" + whose
    return ("list" if path.endswith("/ai/conversations") else "other") + whose


def _rows() -> None:
    """Write the rows of the company, and measure the file."""
    written = _write_conversations()
    before = _size()
    _write_rights(written)
    counts = f"{Access.objects.count():,} accesses, {JobAccess.objects.count():,} job accesses"
    sys.stdout.write(
        f"{CONVERSATIONS:,} conversations: {counts}; {before:,.0f} MB without them, {_size():,.0f} MB with\n"
    )


def _write_conversations() -> list[Conversation]:
    rows = []
    for number in range(CONVERSATIONS):
        at = NOW - timedelta(minutes=number)
        rows.append(
            Conversation(
                instance="omni.example",
                omni_id=UUID(int=number),
                name=f"Conversation number {number}",
                last_prompt="How many orders were there in the last month?",
                owner_id=f"person-{number % PEOPLE}",
                created_at=at,
                updated_at=at,
                fetched_at=NOW,
                revision=1,
                recency=recency(at, number),
                started=recency(at, number),
            )
        )
    written = Conversation.objects.bulk_create(rows, batch_size=1000)
    text = "There were 1,234 orders, most of them from returning customers. " * 6
    for start in range(0, CONVERSATIONS, 1000):
        messages = [
            Message(
                conversation=row,
                position=position,
                role="user" if position % 2 else "assistant",
                text=text,
                html=f"<p>{text}</p>",
                created_at=row.updated_at,
                revision=1,
                job_id=None if position % 2 else UUID(int=row.pk * 10 + position),
            )
            for row in written[start : start + 1000]
            for position in range(1, 2 * TURNS + 1)
        ]
        Message.objects.bulk_create(messages, batch_size=1000)
        jobs = [
            Job(instance=row.instance, omni_id=UUID(int=row.pk * 10 + turn * 2), asked_at=NOW, state="COMPLETE")
            for row in written[start : start + 1000]
            for turn in range(1, TURNS + 1)
        ]
        Job.objects.bulk_create(jobs, batch_size=1000)
    return written


def _write_rights(written: list[Conversation]) -> None:
    personal = replies.Identity(scope="user", role="MEMBER", user_id="", membership_id="")
    organizations = replies.Identity(scope="organization", role="ORG_ADMIN", user_id="", membership_id="")
    for number in range(HOLDERS):
        owner = person(f"holder-{number}")
        Credential.objects.connect(owner, "Omni", "omni.example", Token("omni_org_key"), organizations)
    key = ApiToken.objects.get()
    for number in range(PEOPLE):
        owner = person(f"person-{number}")
        Credential.objects.connect(owner, "Omni", "omni.example", Token(f"omni_pat_{number}"), personal)
    owners = list(ApiToken.objects.exclude(pk=key.pk).order_by("pk"))
    for start in range(0, CONVERSATIONS, 1000):
        shown = [
            (token, row)
            for place, row in enumerate(written[start : start + 1000], start)
            for token in (key, owners[place % PEOPLE])
        ]
        told = ("name", "last_prompt", "owner_id", "updated_at", "recency")
        proven = {"listed_at": NOW, "opened_at": NOW, "confirmed_at": NOW, "fetched_at": NOW, "revision_since": NOW}
        Access.objects.bulk_create(
            Access(
                api_token=token,
                conversation=row,
                revision=1,
                read_of=row.updated_at,
                is_behind=False,
                has_evidence=True,
                **proven,
                **{name: getattr(row, name) for name in told},
            )
            for token, row in shown
        )
        JobAccess.objects.bulk_create(
            JobAccess(api_token=token, conversation=row, job_id=UUID(int=row.pk * 10 + turn * 2), at=NOW, shown_at=NOW)
            for token, row in shown
            for turn in range(1, TURNS + 1)
        )


def _size() -> float:
    """Return the size of the database in MB, without free pages."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
    return Path(settings.DATABASES["default"]["NAME"]).stat().st_size / 1e6


if __name__ == "__main__":
    main()
