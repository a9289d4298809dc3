"""Numbers of new rows. None is given twice: the audit log names credentials by theirs, also when they are deleted."""

from django.db import connection, models

from omniviewer.operations.backup.tables import Table


def last(table: Table) -> int | None:
    """Return the last number given to a row of the table; None if its rows are not numbered, or there was none."""
    if not isinstance(table.model._meta.pk, models.AutoField):
        return None
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table.name])
        else:
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [_quoted(table.name), table.pk_column])
            (sequence,) = cursor.fetchone()
            cursor.execute(f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608  (the database's own name)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def go_on_after(table: Table, number: int | None) -> None:
    """Have the database give numbers after this one, and after those of the rows."""
    if not isinstance(table.model._meta.pk, models.AutoField):
        return
    highest = max(number or 0, table.rows.aggregate(highest=models.Max("pk"))["highest"] or 0)
    if not highest:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table.name])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, highest])
        else:
            where = [_quoted(table.name), table.pk_column, highest]
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", where)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
