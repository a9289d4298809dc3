"""Insights count what a slow and straightforward count over the same rows finds, in every time zone."""

import random
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone

import conversations.migrations
from conversations.archive import insights
from conversations.models import Access, Conversation, Job, JobAccess, Message, Outcome, Walk
from conversations.models.question_times import EVEN_ZONES_SINCE, TIMES, quarter
from conversations.search.finder import FEW_ROWS
from conversations.search.syntax import read
from omniviewer.accounts.models import Credential, User
from omniviewer.omni import Token, replies

# Offsets of whole hours, halves and quarters; summer time by an hour, by half of one, and from a minute past midnight.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Antarctica/Casey",
)
OWNERS = [str(UUID(int=number)) for number in range(1, 4)]
TOPICS = ["Order Items", "order items", "Orders", "Customers", "!", ""]
STATES = ["COMPLETE", "FAILED", "CANCELLED", "EXECUTING", "PAUSED", ""]
NOW = datetime.now(UTC)
# Times around which questions are asked: today; when clocks change; before zones were even; and before 1970.
AROUND = [
    NOW - timedelta(hours=2),
    NOW - timedelta(days=10),
    NOW - timedelta(days=120),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),
    datetime(2025, 10, 26, 1, 0, tzinfo=UTC),
    datetime(2020, 10, 3, 16, 1, tzinfo=UTC),
    datetime(2011, 3, 13, 3, 31, tzinfo=UTC),
    datetime(1967, 5, 5, tzinfo=UTC),
]
JOBS = [UUID(int=number) for number in range(1000, 1060)]


@dataclass
class Corpus:
    user: User
    credentials: list[Credential]
    draw: random.Random


def moment(draw: random.Random, around: datetime, position: int) -> datetime | None:
    if draw.random() < 0.05:
        return None
    at = around + timedelta(minutes=draw.choice((position, position, position * 8 - 30, draw.randrange(-4000, 4000))))
    fraction = draw.choice((0, 1, 500_000, 999_999))
    return at.replace(second=draw.choice((0, 17, 59)), microsecond=fraction)


def message(draw: random.Random, position: int, around: datetime) -> Message:
    usual = "user" if position % 2 else "assistant"
    role = draw.choice((usual, usual, usual, "user", "assistant", "", "tool"))
    job = draw.choice(JOBS) if role == "assistant" and draw.random() < 0.8 else None
    at = moment(draw, around, position)
    return Message(position=position, role=role, text=f"{draw.random()}", created_at=at, job_id=job)


def again(row: Message, position: int) -> Message:
    """Return the same message, as the next reply tells it."""
    return Message(position=position, role=row.role, text=row.text, created_at=row.created_at, job_id=row.job_id)


def changed(draw: random.Random, thread: list[Message], around: datetime) -> list[Message]:
    """Return the thread as a later reply may tell it: longer, shorter, or with other words and times."""
    rows = [again(row, place) for place, row in enumerate(thread, start=1)]
    if rows and draw.random() < 0.3:
        rows = rows[: draw.randrange(len(rows) + 1)]
    if rows and draw.random() < 0.5:
        place = draw.randrange(len(rows))
        rows[place] = message(draw, place + 1, around)
    return rows + [message(draw, len(rows) + number, around) for number in range(1, draw.randrange(6) + 1)]


@pytest.fixture(params=range(3))
def corpus(request: pytest.FixtureRequest, db: None) -> Corpus:
    """Return a reader of three tokens, on two instances, of whose conversations other tokens were shown others."""
    draw = random.Random(request.param)  # noqa: S311  (the same on every run)
    people = [User.objects.create_user(name) for name in ("reader", "stranger")]
    credentials = []
    for number, (user, instance) in enumerate(
        [(people[0], "a.example"), (people[0], "a.example"), (people[0], "b.example"), (people[1], "a.example")]
    ):
        identity = replies.Identity("user", "VIEWER", "u", OWNERS[0])
        credential = Credential.objects.connect(user, f"No. {number}", instance, Token(f"omni_pat_{number}"), identity)
        Walk.objects.create(api_token=credential.api_token, checked_at=NOW, walked_at=NOW)
        credentials.append(credential)
    for number in range(60):
        instance = draw.choice(("a.example", "b.example"))
        row = Conversation.objects.create(instance=instance, omni_id=UUID(int=number), is_indexed=True)
        around, thread, revisions = draw.choice(AROUND), list[Message](), [0]
        for _ in range(draw.randrange(1, 5)):
            thread = changed(draw, thread, around)
            Message.replace_all(row, row.messages_by_position(), [again(told, told.position) for told in thread])
            row.save()
            revisions.append(row.revision)
        for credential in credentials:
            if credential.api_token.instance == instance and draw.random() < 0.7:
                grant(draw, credential, row, draw.choice((row.revision, draw.choice(revisions))))
    Conversation.objects.update(is_indexed=True)
    for job_id in JOBS:
        describe(draw, job_id, credentials)
    return Corpus(people[0], credentials[:3], draw)


def grant(draw: random.Random, credential: Credential, row: Conversation, revision: int) -> None:
    Access.objects.create(
        api_token=credential.api_token,
        conversation=row,
        owner_id=draw.choice((*OWNERS, "")),
        listed_at=NOW,
        opened_at=draw.choice((NOW, NOW, NOW, None)),
        confirmed_at=draw.choice((NOW, NOW, NOW, NOW - timedelta(days=3), None)),
        revision=revision,
    )


def describe(draw: random.Random, job_id: UUID, credentials: list[Credential]) -> None:
    """Store a job, of one conversation or of an unknown one, and what the tokens were told of it."""
    for instance in ("a.example", "b.example"):
        own = draw.choice((None, None, UUID(int=draw.randrange(60))))
        if draw.random() < 0.8:
            job = Job(instance=instance, omni_id=job_id, conversation_id=own, asked_at=NOW)
            job.topic, job.state, job.kept_at = draw.choice(TOPICS), draw.choice(STATES), draw.choice((None, NOW))
            job.save()
    for credential in credentials:
        answers = Message.objects.filter(job_id=job_id, conversation__instance=credential.api_token.instance)
        answer = answers.order_by("pk").first()
        if answer and draw.random() < 0.8:
            told = JobAccess(api_token=credential.api_token, conversation=answer.conversation, job_id=job_id, at=NOW)
            told.shown_at, told.job_refused_at = draw.choice(((NOW, None), (NOW, None), (None, None), (NOW, NOW)))
            told.result_refused_at = draw.choice((None, None, None, NOW))
            told.save()


# The straightforward count ------------------------------------------------------------------------------------


@dataclass
class Thread:
    """A conversation as the reader may read it: its access, and the messages that its token was shown."""

    access: Access
    messages: list[Message]

    def questions(self, zone: ZoneInfo, first: date, end: date) -> Iterator[tuple[datetime, Message, Message | None]]:
        by_position = {row.position: row for row in self.messages}
        for row in self.messages:
            if row.role == "user" and row.created_at and first <= row.created_at.astimezone(zone).date() < end:
                yield row.created_at.astimezone(zone), row, by_position.get(row.position + 1)


def readable(corpus: Corpus, owner: str) -> list[Thread]:
    found = {}
    for credential in corpus.credentials:
        for access in credential.api_token.accesses.select_related("conversation", "api_token"):
            is_readable = access.opened_at and access.confirmed_at and access.confirmed_at > NOW - timedelta(hours=24)
            if is_readable and access.conversation_id not in found:
                rows = access.conversation.messages.filter(revision__lte=access.revision).order_by("position")
                found[access.conversation_id] = Thread(access, list(rows))
    return [thread for thread in found.values() if owner in ("", thread.access.owner_id)]


def job_seen(corpus: Corpus, thread: Thread, answer: Message, job_id: UUID) -> Job | None:
    tokens = [credential.api_token for credential in corpus.credentials]
    told = JobAccess.objects.filter(api_token__in=tokens, conversation=answer.conversation_id, job_id=job_id)
    refused = [row for row in told if row.job_refused_at or row.result_refused_at]
    shown = [
        row
        for row in told
        if row not in refused
        and row.shown_at
        and row.api_token.accesses.filter(
            conversation=answer.conversation_id, opened_at__isnull=False, confirmed_at__gt=NOW - timedelta(hours=24)
        ).exists()
    ]
    is_old = answer.created_at is not None and answer.created_at <= NOW - timedelta(days=14)
    if not shown and not (is_old and not refused):
        return None
    conversation = thread.access.conversation
    job = Job.objects.filter(instance=conversation.instance, omni_id=job_id).first()
    return job if job and job.conversation_id in (None, conversation.omni_id) else None


def check(corpus: Corpus, zone: ZoneInfo, period: tuple[date, date] | None, owner: str) -> int:
    """Compare all counts; return how many questions there are."""
    found = insights.compute(corpus.user, corpus.credentials, period, read(f"owner:{owner}" if owner else ""))
    threads = {thread.access.pk: thread for thread in readable(corpus, owner)}
    asked = {
        key: rows for key, thread in threads.items() if (rows := list(thread.questions(zone, found.first, found.end)))
    }
    everything = [(key, *row) for key, rows in asked.items() for row in rows]
    assert (found.total.questions, found.total.conversations) == (len(everything), len(asked))
    for span in found.spans:
        own = [row for row in everything if span.first <= row[1].date() < span.end]
        assert (span.questions, span.conversations) == (len(own), frozenset(row[0] for row in own))
        took = [
            (answer.created_at - question.created_at).total_seconds()
            for _, _, question, answer in own
            if question.created_at and answer and answer.role == "assistant" and answer.created_at
            if answer.created_at >= question.created_at
        ]
        assert (span.median, len(span.took)) == (median(took) if took else None, len(took))
        assert span.percentile == (sorted(took)[-(-len(took) * 95 // 100) - 1] if took else None)
    by_owner = Counter(threads[key].access.owner_id for key, *_ in everything)
    shares: Counter[str] = Counter()
    for person, share in found.owners.items():
        shares[person.id] += share.questions
    assert shares == by_owner
    assert sum(share.conversations for share in found.owners.values()) == len(asked)
    assert found.hours == Counter((here.weekday(), here.hour) for _, here, *_ in everything)
    check_jobs(corpus, found, {key: threads[key] for key in asked})
    return len(everything)


def check_jobs(corpus: Corpus, found: insights.Insights, threads: dict[int, Thread]) -> None:
    known, unknown = Counter[int](), Counter[int]()
    topics: dict[str, set[int]] = {}
    states: dict[str, set[int]] = {"unanswered": set(), "failed": set(), "cancelled": set(), "running": set()}
    for key, thread in threads.items():
        if thread.messages[-1].role == "user":
            states["unanswered"].add(key)
        for answer in thread.messages:
            if answer.job_id is None:
                continue
            job = job_seen(corpus, thread, answer, answer.job_id)
            (known if job and (job.state or job.kept_at) else unknown)[key] += 1
            if job and job.topic.strip("!"):
                topics.setdefault(job.topic.lower(), set()).add(key)
            if job and (outcome := Outcome.from_job(job.state)) and outcome in states:
                states[outcome].add(key)
    assert found.states == states
    assert {key: {*topic.conversations} for key, topic in found.topics.items()} == topics
    assert (found.total.told, found.total.answers) == (known.total(), known.total() + unknown.total())
    assert (found.known_in, found.unknown_in) == (frozenset(known), frozenset(unknown))


@pytest.mark.parametrize("few", [FEW_ROWS, 0])
def test_it_counts_what_is_there(corpus: Corpus, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the same if the database begins with the reader's few conversations, or with the questions of that time."""
    monkeypatch.setattr("conversations.archive.insights_scope.FEW_ROWS", few)
    counted = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        with timezone.override(zone):
            first = corpus.draw.choice(AROUND).date() - timedelta(days=corpus.draw.randrange(3))
            for days in (1, 7, 90, 1000):
                counted += check(corpus, zone, (first, first + timedelta(days=days)), "")
            counted += check(corpus, zone, None, "")
            counted += check(corpus, zone, None, OWNERS[1])
            check(corpus, zone, (date(1960, 1, 1), date(1970, 1, 1)), "")
    assert counted > 200


def test_an_answer_is_timed_anew_whatever_changes(corpus: Corpus) -> None:
    """The times that are stored with each change are those that the messages have in the end."""
    timed = 0
    for row in Conversation.objects.all():
        thread = list(row.messages.order_by("position"))
        for question, following in zip(thread, [*thread[1:], None], strict=False):
            at = question.created_at if question.role == "user" else None
            assert question.quarter == (quarter(at) if at else None)
            answered_at = following.created_at if following and following.role == "assistant" else None
            took = answered_at - at if at and answered_at and answered_at >= at else None
            stored = question.answer_took, question.answered_in
            assert stored == (
                (took // timedelta(microseconds=1), following.revision)
                if took is not None and following
                else (None, None)
            )
            timed += took is not None
        assert row.ends_with_question == (thread[-1].role == "user" if thread else None)
    assert timed > 20


def test_an_upgrade_fills_them_alike(corpus: Corpus) -> None:
    def stored() -> tuple[list[object], list[object]]:
        return (
            list(Message.objects.order_by("pk").values_list("pk", *TIMES)),
            list(Conversation.objects.order_by("pk").values_list("pk", "ends_with_question")),
        )

    before = stored()
    # Some of them were filled before it was interrupted.
    done = [pk for pk, *_ in Message.objects.order_by("pk").values_list("pk", *TIMES)[:7]]
    Message.objects.exclude(pk__in=done).update(quarter=None, answer_took=None, answered_in=None)
    Conversation.objects.exclude(pk=Conversation.objects.earliest("pk").pk).update(ends_with_question=None)
    (path,) = Path(conversations.migrations.__path__[0]).glob("*_times_of_questions.py")
    migration = import_module(f"conversations.migrations.{path.stem}")
    with transaction.atomic():
        migration.fill(apps, connection.schema_editor())
    assert stored() == before


def test_zones_are_even() -> None:
    """Since 2023, clocks of every zone are some quarters of an hour from UTC, and change at a quarter."""
    week, short = timedelta(days=7), timedelta(minutes=15)
    for name in zoneinfo.available_timezones():
        zone, at = ZoneInfo(name), EVEN_ZONES_SINCE
        offset = at.astimezone(zone).utcoffset()
        while at < datetime(2038, 1, 1, tzinfo=UTC):
            if (at + week).astimezone(zone).utcoffset() != offset:
                for place in range(int(week / short)):
                    begin = at + place * short
                    last = begin + short - timedelta(seconds=1)
                    assert begin.astimezone(zone).utcoffset() == last.astimezone(zone).utcoffset(), (name, begin)
            at += week
            offset = at.astimezone(zone).utcoffset()
            assert (offset or timedelta(0)) % short == timedelta(0), (name, at)
