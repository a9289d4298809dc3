"""Restore a backup into an empty database, in steps: a restore that was interrupted goes on where it was."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from omniviewer.operations.backup import file, numbers
from omniviewer.operations.backup.file import Manifest, Member, Reader
from omniviewer.operations.backup.tables import (
    FILLED_BY_MIGRATE,
    PROGRESS_TABLE,
    NewerDatabase,
    Schema,
    Table,
    leaves,
)
from omniviewer.operations.backup.values import RowReader
from omniviewer.operations.database_errors import named

# Most rows and bytes of one transaction.
_BATCH_ROWS, _BATCH_BYTES = 5000, 8 * 1024 * 1024

_ANOTHER = "Another restore into this database is at work, or has ended meanwhile: let one at a time run."

Progress = Callable[[str], None]


class Refused(Exception):
    """A backup that cannot be restored into this database; the message is a sentence that says why."""


def check(path: Path, progress: Progress) -> Manifest:
    """Return the manifest of a whole backup that this version can restore. Raises `Unusable`, `Refused`."""
    with file.opened(path) as backup:
        _schema_of(backup.manifest, MigrationLoader(None))
        backup.verify(progress)
        return backup.manifest


def check_database(manifest: Manifest | None = None) -> None:
    """Raise `Refused` unless this database can take a backup: it is empty, or has taken the beginning of this one."""
    loader = MigrationLoader(connection)
    if (done := _done(manifest)) is None:
        _refuse_rows(_schema(loader, loader.applied_migrations or {}))
    elif manifest is None and done:
        raise Refused("A restore into this database was interrupted: run it again with the same backup.")


def restore(path: Path, progress: Progress) -> Manifest:
    """Restore a backup, and bring it up to date; `finish` is to follow. Raises `Unusable`, `Refused`."""
    with file.opened(path) as backup:
        manifest = backup.manifest
        schema = _schema_of(manifest, MigrationLoader(None))
        backup.verify(progress)
        check_database(manifest)
        done = _done(manifest)
        if done is None:
            done = _begin(schema, manifest)
        members = {member.table: member for member in manifest.members}
        if any(done[member.table] < member.rows for member in manifest.members) or _is_as(schema):
            for table in schema.tables:
                _load(table, backup, members[table.name], done[table.name], progress)
            for table in schema.tables:
                _compare(table, members[table.name])
                numbers.go_on_after(table, members[table.name].last_number)
    progress("Bringing the tables up to date")
    call_command("migrate", interactive=False, verbosity=0)
    return manifest


def finish() -> None:
    """Store that nothing of the restore is left to do."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {PROGRESS_TABLE}")


def _schema_of(manifest: Manifest, loader: MigrationLoader) -> Schema:
    """Return the form of the tables in a backup. Raises `Refused` where this version does not know it."""
    schema = _schema(loader, manifest.migrations, "The backup")
    known = {table.name: table.columns for table in schema.tables}
    held = {member.table: member.columns for member in manifest.members}
    if known != held:
        odd = min(name for name in known.keys() | held.keys() if known.get(name) != held.get(name))
        raise Refused(
            f"The backup was made by version {manifest.program}, whose table {odd} this version does not know as it is "
            "there: install that version, or a later one."
        )
    return schema


def _schema(loader: MigrationLoader, applied: Iterable[tuple[str, str]], whose: str = "This database") -> Schema:
    try:
        return Schema.by_migrations(loader, applied)
    except NewerDatabase as error:
        raise Refused(
            f"{whose} is of a newer version than the program (it has the migrations {error}): install that version, or "
            "a later one."
        ) from None


def _is_as(schema: Schema) -> bool:
    return Schema.of_database(connection).migrations == schema.migrations


def _refuse_rows(schema: Schema) -> None:
    there = set(connection.introspection.table_names())
    for table in schema.tables:
        if table.name in there and table.name not in FILLED_BY_MIGRATE and table.rows.exists():
            raise Refused(
                f"This database is not empty: {table.name} has rows. A backup is restored into an empty one, which "
                "DATABASE_URL has to name. Nothing was changed."
            )


def _done(manifest: Manifest | None) -> dict[str, int] | None:
    """Return how many rows of each table an interrupted restore has stored; None if there was none."""
    if PROGRESS_TABLE not in connection.introspection.table_names():
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT backup, name, done FROM {PROGRESS_TABLE}")  # noqa: S608  (a name of ours)
        rows = cursor.fetchall()
    if manifest and any(backup != manifest.identity for backup, *_ in rows):
        raise Refused(
            "The restore of another backup into this database was interrupted: finish that one, or empty the database."
        )
    return {name: done for _, name, done in rows}


def _begin(schema: Schema, manifest: Manifest) -> dict[str, int]:
    """Bring the empty database into the backup's form."""
    executor = MigrationExecutor(connection)
    if later := sorted(Schema.of_database(connection).migrations - schema.migrations):
        raise Refused(
            f"The backup was made before the migration {'.'.join(later[0])}, which this database already has: have "
            "DATABASE_URL name a database without tables. The restore makes them, and brings them up to date. "
            "Nothing was changed."
        )
    executor.migrate(leaves(executor.loader, schema.migrations))
    with transaction.atomic(), connection.cursor() as cursor:
        for table in reversed(schema.tables):
            if table.name in FILLED_BY_MIGRATE:
                table.rows.delete()
        cursor.execute(f"CREATE TABLE {PROGRESS_TABLE} (backup varchar(64), name varchar(100), done bigint)")
        rows = [(manifest.identity, table.name, 0) for table in schema.tables]
        cursor.executemany(f"INSERT INTO {PROGRESS_TABLE} VALUES (%s, %s, %s)", rows)  # noqa: S608  (a name of ours)
    return {table.name: 0 for table in schema.tables}


def _load(table: Table, backup: Reader, member: Member, done: int, progress: Progress) -> None:
    reader = RowReader(table.fields, connection)
    for batch in _batches(backup.lines(member, done)):
        rows = [reader.row(line) for line in batch]
        try:
            _store(table, rows, done)
        except (DataError, IntegrityError) as error:
            raise Refused(_about_bad_row(table, rows, done, error)) from None
        except DatabaseError:
            if _done(None) is None:
                raise Refused(_ANOTHER) from None
            raise
        done += len(rows)
        progress(f"{table.name}: {done:,} of {member.rows:,}")


@transaction.atomic
def _store(table: Table, rows: list[list[Any]], done: int) -> None:
    """Store rows that follow the first `done` of the table. Raises `Refused` where another restore has stored them."""
    columns = ", ".join(connection.ops.quote_name(column) for column in table.columns)
    name = connection.ops.quote_name(table.name)
    with connection.cursor() as cursor:
        # First, so that another restore waits here.
        update = f"UPDATE {PROGRESS_TABLE} SET done = %s WHERE name = %s AND done = %s"  # noqa: S608  (a name of ours)
        cursor.execute(update, [done + len(rows), table.name, done])
        if cursor.rowcount != 1:
            raise Refused(_ANOTHER)
        if connection.vendor == "postgresql":
            copying = cursor.copy(f"COPY {name} ({columns}) FROM STDIN")
            with connection.wrap_database_errors, copying as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            holders = ", ".join(["%s"] * len(table.columns))
            cursor.executemany(f"INSERT INTO {name} ({columns}) VALUES ({holders})", rows)  # noqa: S608  (our names)


def _about_bad_row(table: Table, rows: list[list[Any]], done: int, error: Exception) -> str:
    """Return a sentence that names the first row which the database does not take."""
    place = table.columns.index(table.pk_column)
    which = ""
    with transaction.atomic():
        for number, row in enumerate(rows):
            try:
                _store(table, [row], done + number)
            except (DataError, IntegrityError):
                which = f" with the key {row[place]}"
                break
        transaction.set_rollback(True)
    return (
        f"A row of {table.name}{which} cannot be stored in this database ({named(error)}). Correct it where the backup "
        "was made, make another backup, and restore that one into an empty database."
    )


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _compare(table: Table, member: Member) -> None:
    stored = table.rows.count()
    if stored != member.rows:
        raise Refused(
            f"{table.name} has {stored:,} rows after the restore, and {member.rows:,} in the backup: something else "
            "writes to this database. Stop it, empty the database, and restore again."
        )
