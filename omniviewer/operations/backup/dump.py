"""Make a backup: every row as of one moment, while the site goes on."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from omniviewer.operations.backup import file, numbers
from omniviewer.operations.backup.file import Manifest, Writer
from omniviewer.operations.backup.tables import LEFT_OUT, RESET, Schema, Table, is_left_out
from omniviewer.operations.backup.values import written
from omniviewer.version import own_version

# Rows fetched from the database at once. One with files in it may be tens of MB.
_ROWS_AT_ONCE, _FILES_AT_ONCE = 500, 10
_REPORT_ROWS = 1000

Progress = Callable[[str], None]


def make(path: Path, progress: Progress, *, may_replace: bool = False) -> Manifest:
    """Write a backup of the database to the file. Raises `FileExistsError`, `OSError`, `NewerDatabase`."""
    with file.written(path, may_replace=may_replace) as writer, _snapshot():
        schema = Schema.of_database(connection)
        for table in schema.tables:
            writer.add(table.name, table.columns, _lines(table, progress), numbers.last(table))
        return _finish(writer, schema)


def _finish(writer: Writer, schema: Schema) -> Manifest:
    there = connection.introspection.table_names()
    left_out = {name: LEFT_OUT.get(name, "belongs to another, or is not used") for name in there if is_left_out(name)}
    return writer.finish(own_version(), connection.vendor, sorted(schema.migrations), left_out)


@contextlib.contextmanager
def _snapshot() -> Iterator[None]:
    """Have all that is read in this block be as of its beginning, without holding up anybody who writes."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    # Django's own transactions would keep writers out from the start; with SQLite's log, readers need not.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def _lines(table: Table, progress: Progress) -> Iterator[bytes]:
    fields = table.fields
    has_files = any(field.get_internal_type() == "BinaryField" for field in fields)
    rows = table.rows.values_list(*(field.attname for field in fields))
    reset = _reset(table)
    found = rows.iterator(chunk_size=_FILES_AT_ONCE if has_files else _ROWS_AT_ONCE)
    for count, row in enumerate(found):
        if count % _REPORT_ROWS == 0:
            progress(f"Writing {table.name}" + (f": {count:,} rows" if count else ""))
        yield written(reset(row))


def _reset(table: Table) -> Callable[[tuple[Any, ...]], tuple[Any, ...] | list[Any]]:
    """Return what puts values that are to be made again in place of stored ones."""
    values = [
        (place, RESET[table.name][column])
        for place, column in enumerate(table.columns)
        if column in RESET.get(table.name, {})
    ]
    if not values:
        return lambda row: row

    def reset(row: tuple[Any, ...]) -> list[Any]:
        changed = list(row)
        for place, value in values:
            changed[place] = value
        return changed

    return reset


def changed_since(manifest: Manifest) -> list[str]:
    """Return the tables that have another number of rows now than in the backup."""
    rows = {member.table: member.rows for member in manifest.members}
    return [table.name for table in Schema.of_database(connection).tables if table.rows.count() != rows[table.name]]
