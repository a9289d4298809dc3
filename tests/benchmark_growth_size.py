"""Fill a PostgreSQL as five hundred people would, and measure it: `python -m tests.benchmark_growth size [COUNT]`.

Ten Omni instances with an organization key each, and people with a token of their own: each of `COUNT` conversations is
shown to its owner's token and to the key. Five messages a conversation, all indexed; five events of the audit log a
conversation, tasks of a day. Evidence is not generated: `tables` tells the bytes of its rows.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from tests.saying import say

if TYPE_CHECKING:
    from conversations.models import Conversation, Message
    from omniviewer.accounts.models import ApiToken

INSTANCES, PEOPLE, ROUNDS = 10, 500, 20
TASKS = 20_000
_BATCH = 2000
PAGES = (
    "list",
    "list, far down",
    "of one month",
    "a common word",
    "a rare word",
    "a phrase",
    "no such word",
    "a thread",
)
ADMIN = {
    "administration": "/admin/",
    "people": "/admin/accounts/user/",
    "people, searched": "/admin/accounts/user/?q=person-77",
    "groups": "/admin/auth/group/",
    "events": "/admin/audit/event/",
    "events, of one kind": "/admin/audit/event/?kind__exact=opened",
    "events, of a rare kind": "/admin/audit/event/?kind__exact=forgotten",
    "events, page 10": "/admin/audit/event/?p=10",
    "tasks": "/admin/django_tasks_database/dbtaskresult/",
    "tasks, failed": "/admin/django_tasks_database/dbtaskresult/?status__exact=FAILED",
    "audit log": "/activity/all/",
    "audit log, of a rare kind": "/activity/all/?kind=forgotten",
    "audit log, of a person": "/activity/all/?who=person-77",
    "stored data": "/stored/",
}


def fill(count: int) -> None:
    """Store it all. Not through Omni, which would take the hours that `sync` computes."""
    from conversations.models import Message
    from conversations.search import documents
    from tests import benchmark_search

    began = time.perf_counter()
    keys, own = _tokens()
    draw = random.Random(5)  # noqa: S311
    each = min(_BATCH, count // INSTANCES)
    for first in range(0, count, each):
        instance = first * INSTANCES // count
        rows = _conversations(keys[instance].instance, range(first, first + each))
        holders = own[instance]
        benchmark_search.show([(keys[instance], row) for row in rows])
        benchmark_search.show([(holders[number % len(holders)], row) for number, row in enumerate(rows)])
        Message.objects.bulk_create(_messages(draw, rows), batch_size=_BATCH)
        if first % (10 * each) == 0:
            say(f"{first:,} conversations after {time.perf_counter() - began:.0f} s")
    documents._BATCH_CONVERSATIONS = 500
    assert documents.refresh(seconds=100_000)
    _events_and_tasks(5 * count)
    say(f"filled and indexed in {time.perf_counter() - began:.0f} s")


def _tokens() -> "tuple[list[ApiToken], list[list[ApiToken]]]":
    """Return the organization keys, and the tokens of the people of each instance."""
    from django.utils import timezone

    from conversations.models import Walk
    from omniviewer.accounts.models import ApiToken, Credential, User
    from omniviewer.omni import Token, replies

    people = User.objects.bulk_create([User(username=f"person-{number}") for number in range(PEOPLE)])
    keys: list[ApiToken] = []
    own: list[list[ApiToken]] = []
    for number in range(INSTANCES):
        host = f"organization-{number}.omniapp.co"
        identity = replies.Identity("organization", "ORG_ADMIN", "u", f"lead-{number}")
        secret = Token(f"omni_org_{number}")
        keys.append(Credential.objects.connect(people[number], host, host, secret, identity).api_token)
        # The first person holds the keys of all of them.
        if number:
            Credential.objects.connect(people[0], host, host, secret, identity)
        own.append([])
        for person in people[INSTANCES + number :: INSTANCES]:
            personal = replies.Identity("user", "MEMBER", "u", f"member-{person.pk}")
            own[-1].append(
                Credential.objects.connect(person, host, host, Token(f"omni_pat_{person.pk}"), personal).api_token
            )
    now = timezone.now()
    ApiToken.objects.update(members_asked_at=now)
    Walk.objects.bulk_create(
        Walk(api_token=token, checked_at=now, walked_at=now, newest=now, counted_at=now, paused_at=now)
        for token in ApiToken.objects.all()
    )
    return keys, own


def _conversations(instance: str, numbers: range) -> "list[Conversation]":
    from django.utils import timezone

    from conversations.models import Conversation, recency
    from tests import benchmark_search as words

    draw, now = random.Random(numbers.start), timezone.now()  # noqa: S311
    rows = []
    for number in numbers:
        at = now - timedelta(minutes=1 + 17 * number % (60 * 24 * 700), seconds=number % 60)
        row = Conversation(instance=instance, omni_id=UUID(int=10**6 + number), name=words.text(draw, 4))
        row.created_at, row.updated_at, row.fetched_at = at - timedelta(hours=3), at, now
        row.revision, row.ends_with_question = 1, True
        row.recency, row.started = recency(at, number), recency(row.created_at, number)
        rows.append(row)
    return Conversation.objects.bulk_create(rows)


def _messages(draw: random.Random, rows: "list[Conversation]") -> "Iterator[Message]":
    """Yield five messages of each: two answered questions and one that is not."""
    from django.utils import timezone

    from conversations.models import Message
    from conversations.models.question_times import set_times
    from tests import benchmark_search as words

    now = timezone.now()
    for row in rows:
        thread = []
        for position in range(1, 6):
            is_question = position % 2 == 1
            said = words.text(draw, 6 if is_question else 25) + (" needle" if row.omni_id.int % 20_000 == 0 else "")
            role, at = ("user" if is_question else "assistant"), (row.created_at or now) + timedelta(minutes=position)
            thread.append(Message(conversation=row, position=position, role=role, text=said, created_at=at, revision=1))
        set_times(thread)
        yield from thread


def _events_and_tasks(events: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event"
            " (at, kind, result, user_id, who, conversation_id, ticket, by, instance, whom, fields)"
            " SELECT now() - n * interval '30 seconds',"
            " CASE WHEN n > %s - 20 THEN 'forgotten' WHEN n %% 4 = 0 THEN 'searched' ELSE 'opened' END, 'ok',"
            " u.id, u.username, gen_random_uuid(), '', '', '', '', '' FROM generate_series(1, %s) n"
            " JOIN (SELECT id, username, row_number() OVER () AS place FROM accounts_user) u ON u.place = 1 + n %% %s",
            [events, events, PEOPLE],
        )
        cursor.execute(
            "INSERT INTO django_tasks_database_dbtaskresult (id, status, enqueued_at, started_at, finished_at,"
            " args_kwargs, priority, task_path, worker_ids, queue_name, backend_name, run_after, return_value,"
            " exception_class_path, traceback) SELECT gen_random_uuid(), 'SUCCESSFUL', t, t, t,"
            " '{\"args\": [], \"kwargs\": {}}', 0, 'conversations.tasks.sync', '[]', 'default', 'default', t, 'null',"
            " '', ''"
            " FROM (SELECT now() - n * interval '4 seconds' AS t FROM generate_series(1, %s) n) made",
            [TASKS],
        )


def measure() -> None:
    """Tell list and search of two readers, and the pages of staff: median and 95th percentile of milliseconds."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext, override_settings
    from django.utils import timezone

    from conversations.models import Access, Conversation
    from omniviewer.accounts.models import User
    from tests import benchmark_search as pages
    from tests.conftest import signed_in

    people = User.objects.order_by("pk")
    people.filter(pk=people[0].pk).update(is_staff=True, is_superuser=True)
    month = timezone.localdate().strftime("%Y-%m")
    with override_settings(FRESH_FOR=timedelta(days=1), SYNC="off", CAPTURE="marked"):
        for name, person in (("holds one key", people[1]), ("holds ten keys", people[0])):
            client = signed_in(person)
            mine = Access.objects.filter(api_token__credentials__owner=person).order_by("-recency")
            count = mine.count()
            conversation = Conversation.objects.get(pk=mine[count // 3].conversation_id)
            places = {"deep": mine[int(count * 0.9)].recency, "thread": conversation.omni_id}
            say(f"a reader who {name} and may read {count:,} conversations:")
            for page in PAGES:
                address = pages.PAGES[page].format(**places).replace("2026-11", month)
                _time(page, partial(client.get, address))
        staff = signed_in(people[0])
        say("staff:")
        for page, address in ADMIN.items():
            with CaptureQueriesContext(connection) as made:
                staff.get(address)
            _time(f"{page} ({len(made)} statements)", partial(staff.get, address))


def _time(name: str, ask: Callable[[], object]) -> None:
    taken = []
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        answer = ask()
        if turn:
            taken.append((time.perf_counter() - began) * 1000)
    assert getattr(answer, "status_code", 0) == 200, (name, answer)
    taken.sort()
    say(f"    {name:45} {statistics.median(taken):7.0f} ms  p95 {taken[int(len(taken) * 0.95) - 1]:7.0f} ms")
