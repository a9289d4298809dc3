"""Every migration on rows: `python -m tests.old_releases FILE`, on the empty database that DATABASE_URL names.

The database is brought from one release to the next. Before each migration every table has rows, and in the form of
each release a person's conversation is stored as that release stored it. In the end each is listed, opened and found.
FILE: a backup that the present program makes of the database in the form of the last release.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from django.apps import apps

# By hand; within the tests it would set up their logging once more.
if not apps.ready:
    django.setup()

from cryptography.fernet import Fernet, MultiFernet
from django.apps.registry import Apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState
from django.test.utils import setup_test_environment
from django.utils.crypto import salted_hmac

from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.operations.backup.tables import Table, in_order
from tests import every_table

_OWN = ("accounts", "audit", "conversations")
# Forms that a site's database was in for a time, by the last migration of each app.
RELEASES = {
    "the first": ("accounts.0001_initial", "conversations.0001_initial"),
    "evidence": ("accounts.0002_signing_in", "audit.0002_append_only", "conversations.0005_evidence"),
    "capture": ("conversations.0007_capture",),
    "insights": ("conversations.0009_questions_by_time",),
    "rights by token": (
        "accounts.0006_session_digests",
        "audit.0003_people_changed",
        "conversations.0016_times_of_jobs",
    ),
    "retention": ("accounts.0007_auditors", "audit.0004_forgotten", "conversations.0018_removal_and_sweep"),
    "counted insights": ("conversations.0021_question_times",),
}
LAST_RELEASE = "insights"
# Tables whose number of rows a migration changes on purpose, and why.
CHANGED = {
    ("accounts_apitoken", "0004_a_row_a_token"): "a row for the token of each credential",
    ("conversations_walk", "0011_take_over_accesses"): "begun anew where they were by another token than is held now",
}


@dataclass
class OldSite:
    """The database on its way, and the instance that its tokens are for."""

    omni: StandIn
    organization: Organization
    stored: dict[str, InOmni] = field(default_factory=dict)
    changed: set[tuple[str, str]] = field(default_factory=set)

    def store(self, release: str, apps: Apps) -> None:
        """Store a person with a token, and a conversation that it was shown, in the form of the release."""
        member = self.organization.add_member(release, f"{len(self.stored)}@small.example")
        token = self.organization.personal_token(member)
        found = self.organization.add_conversation(
            owner=member, name=f"Orders of {release}", turns=[(f"How many {_word(release)}?", "Ten.")]
        )
        now = datetime.now(UTC)
        shown = {"confirmed_at": now, "since": now, "listed_at": now, "shown_at": now, "opened_at": now}
        user = _made(apps, "accounts.User", username=release, password="!", is_active=True, date_joined=now)
        secret = {
            "instance": self.omni.host,
            "digest": salted_hmac("omniviewer.token", token, algorithm="sha256").hexdigest(),
            "ciphertext": MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
            .encrypt(token.encode())
            .decode(),
            "scope": "user",
            "membership_id": str(member.id),
            "created_at": now,
            "checked_at": now,
        }
        holder = {"credential": None, "token": secret["digest"]}
        if _has(apps, "accounts.ApiToken"):
            secret["api_token"] = holder["api_token"] = _made(apps, "accounts.ApiToken", **secret)
        holder["credential"] = _made(apps, "accounts.Credential", owner=user, label="Omni", is_default=True, **secret)
        row = _made(
            apps,
            "conversations.Conversation",
            instance=self.omni.host,
            omni_id=found.id,
            name=found.name,
            last_prompt=found.last_prompt,
            owner_id=str(member.id),
            created_at=found.created_at,
            updated_at=found.updated_at,
            fetched_at=now,
            revision=1,
            version="as it was",
            recency=int(found.updated_at.timestamp() * 1000) << 20,
        )
        _made(apps, "conversations.Access", conversation=row, name=found.name, revision=1, **holder, **shown)
        for position, message in enumerate(found.messages, start=1):
            job_id = message.job.id if message.job else None
            told: dict[str, Any] = {
                "role": message.role,
                "text": message.text,
                "html": f"<p>{message.text}</p>",
                "job_id": job_id,
            }
            told |= {"position": position, "created_at": message.created_at, "revision": 1}
            _made(apps, "conversations.Message", conversation=row, **told)
        self.stored[release] = found

    def check(self) -> None:
        """Look up each person's conversation as the present program shows it."""
        from conversations.models import Conversation
        from omniviewer.accounts.models import User
        from tests.conftest import signed_in, text_of

        for release, found in self.stored.items():
            row = Conversation.objects.get(omni_id=found.id)
            assert [message.text for message in row.messages.order_by("position")] == [
                message.text for message in found.messages
            ], release
            client = signed_in(User.objects.get(username=release))
            assert str(found.name) in text_of(client.get("/conversations/")), release
            assert _word(release) in text_of(client.get(f"/conversations/{found.id}/")), release
            page = text_of(client.get("/conversations/", {"q": _word(release)}))
            assert page.count('class="row-title"') == 1, release
            assert _word(release) in page, release


def _word(release: str) -> str:
    return "okapis" + release.replace(" ", "")


def _has(apps: Apps, name: str) -> bool:
    return name.lower() in {model._meta.label_lower for model in apps.get_models()}


def _made(apps: Apps, of_model: str, **values: Any) -> Any:
    """Store a row with those of the values that the table has a column for."""
    model: Any = apps.get_model(of_model)
    columns = {column.name: column.attname for column in model._meta.local_fields}
    plain = {key: getattr(value, "pk", value) for key, value in values.items()}
    row = model(**{columns[key]: value for key, value in plain.items() if key in columns})
    row.save_base(raw=True, force_insert=True)
    return row


def targets_of(executor: MigrationExecutor, release: str) -> list[tuple[str, str]]:
    """Return the last migrations of all apps in a release."""
    targets: dict[str, tuple[str, str]] = {}
    for name in [*RELEASES][: [*RELEASES].index(release) + 1]:
        targets |= {node.split(".")[0]: (node.split(".")[0], node.split(".")[1]) for node in RELEASES[name]}
    return [*targets.values(), *(node for node in executor.loader.graph.leaf_nodes() if node[0] not in _OWN)]


def stages(executor: MigrationExecutor) -> Iterator[tuple[str, list[Migration]]]:
    """Yield each release with the migrations that lead to it from the one before, and at last the present."""
    done: set[Migration] = set()
    for release in RELEASES:
        yield release, _missing(executor, targets_of(executor, release), done)
    yield "", _missing(executor, executor.loader.graph.leaf_nodes(), done)


def _missing(executor: MigrationExecutor, targets: list[Any], done: set[Migration]) -> list[Migration]:
    plan = [migration for migration, _ in executor.migration_plan(targets, clean_start=True) if migration not in done]
    done.update(plan)
    return plan


def _store_odd_times(apps: Apps) -> None:
    """Store conversations of times whose milliseconds are easily rounded otherwise."""
    draw = random.Random(8)  # noqa: S311
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(microseconds=draw.randrange(10**15)) for _ in range(300)]
    times += [begin + timedelta(milliseconds=draw.randrange(10**12)) for _ in range(300)]
    times += [datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    for number, at in enumerate([*times, None]):
        _made(
            apps, "conversations.Conversation", instance="odd", omni_id=UUID(int=number), created_at=at, updated_at=at
        )


def _store_evidence(apps: Apps) -> None:
    """Store jobs with and without evidence, queries, rows and a chart."""
    now = datetime.now(UTC)
    for number, (kept_at, png, queries) in enumerate(
        [(now, b"picture", 2), (now, b"", 1), (now, None, 0), (None, b"picture", 1)]
    ):
        job: dict[str, Any] = {"omni_id": UUID(int=number), "conversation_id": UUID(int=number), "instance": "odd"}
        job |= {"kept_at": kept_at, "asked_at": now}
        row = _made(apps, "conversations.Job", **job)
        for place in range(queries + 1):
            step = {"number": place + 1, "is_query": place < queries, "row_count": place or None}
            _made(apps, "conversations.Action", job=row, body=b"b" * (place + 3), csv=b"c" * 100, **step)
        if png is not None:
            _made(apps, "conversations.Chart", job=row, png=png)


def _check_order(apps: Apps) -> None:
    """Compare what SQL computed with what the site computes."""
    from conversations.models import recency

    rows: list[Any] = list(apps.get_model("conversations.Conversation")._base_manager.all())
    assert len(rows) > 600
    for row in rows:
        expected = recency(row.updated_at, row.pk), recency(row.created_at, row.pk)
        assert (row.recency, row.started) == expected, row.updated_at
        assert row.read_of == (row.updated_at if row.fetched_at else None)
        assert row.is_behind is (row.fetched_at is None)


def _check_counts(apps: Apps) -> None:
    models = (apps.get_model(f"conversations.{name}")._base_manager for name in ("Job", "Action", "Chart"))
    jobs, actions, charts = (list(manager.all()) for manager in models)
    assert any(job.kept_at for job in jobs)
    for job in jobs:
        queries = [action for action in actions if action.job_id == job.pk and action.is_query and job.kept_at]
        chart = next((chart.png for chart in charts if chart.job_id == job.pk and job.kept_at), None)
        assert job.query_count == len(queries)
        assert job.row_count == sum(query.row_count or 0 for query in queries)
        assert job.has_chart == (bool(chart) if chart is not None else None)
        size = sum(len(query.body) + len(query.csv) for query in queries)
        assert job.size == size + len(chart or b"")


# Rows to store before a migration, and how to look at what it made of them.
BEFORE = {"0007_capture": _store_evidence, "0008_find": _store_odd_times}
AFTER = {"0007_capture": _check_counts, "0008_find": _check_order}


def _nothing(_apps: Apps) -> None:
    pass


def _is_foreign(table: Table) -> bool:
    """Return whether a library checks the table's values by rules of its own."""
    return table.name.startswith("django_tasks")


def _counts(tables: list[Table]) -> dict[str, int]:
    return {table.name: table.rows.count() for table in tables}


def main(backup: Path) -> None:
    setup_test_environment()
    organization = Organization("old")
    with StandIn(organization, rate_per_minute=10_000) as omni:
        site = OldSite(omni, organization)
        executor = MigrationExecutor(connection)
        executor.recorder.ensure_schema()
        state = ProjectState(real_apps=executor.loader.unmigrated_apps)
        for release, migrations in stages(executor):
            for migration in migrations:
                tables = in_order(state.apps)
                every_table.fill(table for table in tables if not table.rows.exists() and not _is_foreign(table))
                BEFORE.get(migration.name, _nothing)(state.apps)
                before = _counts(tables)
                state = executor.apply_migration(state, migration)
                AFTER.get(migration.name, _nothing)(state.apps)
                after = _counts(in_order(state.apps))
                same = before.keys() & after.keys()
                site.changed |= {(name, migration.name) for name in same if before[name] != after[name]}
            if release:
                site.store(release, state.apps)
            if release == LAST_RELEASE:
                call_command("backup", backup, stdout=StringIO())
        assert site.changed == set(CHANGED), site.changed ^ set(CHANGED)
        call_command("migrate", verbosity=0)
        call_command("reindex", rest=True, stdout=StringIO())
        site.check()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
