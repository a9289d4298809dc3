"""Questions that a reader may read, counted by the database: a row for each quarter of an hour."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, QuerySet, TextField
from django.db.models.sql.compiler import SQLCompiler

from conversations.models import Access


class Asked(NamedTuple):
    """Questions of a quarter of an hour, see `TimedQuestion.quarter`.

    Both lists have commas between their numbers: a row for each question would take several times as long.
    """

    quarter: int
    questions: int
    # Keys of the accesses through which each may be read, and the microseconds that each answer took.
    accesses: str
    took: str | None


def access_keys(rows: Iterable[Asked]) -> list[str]:
    """Return the key of its access for each question."""
    written = ",".join(row.accesses for row in rows)
    return written.split(",") if written else []


def answer_times(rows: Iterable[Asked]) -> list[int]:
    """Return the microseconds that each answer took, the shortest first."""
    written = ",".join(row.took for row in rows if row.took)
    return sorted(map(int, written.split(","))) if written else []


@contextmanager
def without_compiling() -> Iterator[None]:
    """Have PostgreSQL run statements as they are.

    It compiles what it takes for costly: for statements that run once, that takes longer than the rest.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")
        yield


def count(readable: QuerySet[Access], begin: datetime, over: datetime, *, is_few: bool) -> list[Asked]:
    """Count by quarter the questions from `begin` to before `over`, each through one of these accesses.

    `is_few` begins with the accesses, so that the query time does not depend on what others asked; else the database
    begins with the questions of that time.
    """
    try:
        accesses, values = readable.order_by().values("id", "conversation_id", "revision").query.sql_with_params()
    except EmptyResultSet:
        return []
    sources = [f"({accesses}) AS access", "conversations_message AS question"]
    # SQLite keeps the order of a `CROSS JOIN`; its own choice would depend on statistics that it does not have.
    joined = " CROSS JOIN ".join(sources if is_few else sources[::-1])
    written = "STRING_AGG(CAST({} AS text), ',')" if connection.vendor == "postgresql" else "GROUP_CONCAT({})"
    took = "CASE WHEN question.answered_in <= access.revision THEN question.answer_took END"
    statement = (
        f"SELECT question.quarter, COUNT(*), {written.format('access.id')}, {written.format(took)} FROM {joined} "  # noqa: S608  (ours alone)
        "WHERE question.conversation_id = access.conversation_id AND question.revision <= access.revision "
        "AND question.quarter >= %s AND question.quarter < %s "
        "GROUP BY question.quarter ORDER BY question.quarter"
    )
    with connection.cursor() as cursor:
        # Whole numbers: PostgreSQL would compare a fraction with each row, without the index.
        cursor.execute(statement, [*values, int(begin.timestamp()), int(over.timestamp())])
        return list(map(Asked._make, cursor.fetchall()))


class Written(Aggregate):
    """All values of a group, with commas between them."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any] | tuple[Any, ...]]:
        template = "STRING_AGG(CAST(%(expressions)s AS text), ',')"
        return super().as_sql(compiler, connection, template=template, **context)
