"""Questions that a reader may read, counted by the database: a row for each quarter of an hour."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, QuerySet, TextField
from django.db.models.sql.compiler import SQLCompiler

from conversations.models import Access

# Most questions whose wordings are compared, the newest ones; and most characters of a question that is compared.
MAX_COMPARED: Final = 20_000
MAX_COMPARED_CHARS: Final = 500


class Asked(NamedTuple):
    """Questions of a quarter of an hour, see `TimedQuestion.quarter`.

    Both lists have commas between their numbers: a row for each question would take several times as long.
    """

    quarter: int
    questions: int
    # Keys of the accesses through which each may be read, and the microseconds that each answer took.
    accesses: str
    took: str | None


class Whole(NamedTuple):
    """Questions of a whole time: their number, the keys of the accesses, once each, and how long the answers took."""

    questions: int = 0
    accesses: frozenset[int] = frozenset()
    took: Sequence[int] = ()


class Wording(NamedTuple):
    """A question's time and text, and whose conversation it stands in."""

    quarter: int
    text: str
    token: int
    owner_id: str


class Slow(NamedTuple):
    """A question whose answer took so many microseconds: its time, its key, and the access that shows it."""

    quarter: int
    question: int
    took: int
    access: int


class Readable(NamedTuple):
    """Accesses to read through. `is_few`: begin with them, so that the query time does not depend on what others asked.

    Otherwise, the database begins with the questions of a time.
    """

    accesses: QuerySet[Access]
    is_few: bool


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


def count(readable: Readable, begin: datetime, over: datetime) -> list[Asked]:
    """Count by quarter the questions from `begin` to before `over`, each through one of these accesses."""
    columns = f"question.quarter, COUNT(*), {_written('access.id')}, {_written(_TOOK)}"
    rows = _run(readable, begin, over, columns, "GROUP BY question.quarter ORDER BY question.quarter")
    return list(map(Asked._make, rows))


def count_all(readable: Readable, begin: datetime, over: datetime) -> Whole:
    """Count the questions of that time as one, which costs less than by quarter."""
    columns = f"COUNT(*), {_written('access.id')}, {_written(_TOOK)}"
    [(number, keys, took)] = _run(readable, begin, over, columns, "") or [(0, None, None)]
    times = sorted(map(int, took.split(","))) if took else []
    return Whole(number, frozenset(map(int, set(keys.split(","))) if keys else ()), times)


def as_one(rows: Sequence[Asked]) -> Whole:
    """Return the same counts of rows by quarter."""
    keys = access_keys(rows)
    return Whole(len(keys), frozenset(map(int, keys)), answer_times(rows))


_TOOK: Final = "CASE WHEN question.answered_in <= access.revision THEN question.answer_took END"


def _written(expression: str) -> str:
    if connection.vendor == "postgresql":
        return f"STRING_AGG(CAST({expression} AS text), ',')"
    return f"GROUP_CONCAT({expression})"


def slowest(readable: Readable, begin: datetime, over: datetime, most: int) -> list[Slow]:
    """Return the questions of that time whose answers took longest, the slowest first."""
    ending = f"AND question.answered_in <= access.revision ORDER BY question.answer_took DESC, question.id LIMIT {most}"
    rows = _run(readable, begin, over, "question.quarter, question.id, question.answer_took, access.id", ending)
    return list(map(Slow._make, rows))


_BEFORE: Final = (
    "SELECT 1 FROM conversations_message AS earlier WHERE earlier.conversation_id = question.conversation_id "
    "AND earlier.position < question.position AND earlier.role = 'user'"
)


def wordings(readable: Readable, begin: datetime, over: datetime) -> list[Wording]:
    """Return first questions of conversations in that time, the newest `MAX_COMPARED`; of long ones, the beginning.

    A follow-up ("And by month?") means something only after the questions before it.
    """
    columns = (
        f"question.quarter, SUBSTR(question.text, 1, {MAX_COMPARED_CHARS + 1}), access.api_token_id, access.owner_id"
    )
    ending = f"AND NOT EXISTS ({_BEFORE}) ORDER BY question.quarter DESC LIMIT {MAX_COMPARED}"
    return list(map(Wording._make, _run(readable, begin, over, columns, ending)))


def _run(readable: Readable, begin: datetime, over: datetime, columns: str, ending: str) -> list[tuple[Any, ...]]:
    """Return columns of each question of that time, and of the access that shows it in its present wording."""
    wanted = readable.accesses.order_by().values("id", "conversation_id", "revision", "api_token_id", "owner_id")
    try:
        accesses, values = wanted.query.sql_with_params()
    except EmptyResultSet:
        return []
    sources = [f"({accesses}) AS access", "conversations_message AS question"]
    # SQLite keeps the order of a `CROSS JOIN`; its own choice would depend on statistics that it does not have.
    joined = " CROSS JOIN ".join(sources if readable.is_few else sources[::-1])
    statement = (
        f"SELECT {columns} FROM {joined} "  # noqa: S608  (ours alone)
        "WHERE question.conversation_id = access.conversation_id AND question.revision <= access.revision "
        f"AND question.quarter >= %s AND question.quarter < %s {ending}"
    )
    with connection.cursor() as cursor:
        # Whole numbers: PostgreSQL would compare a fraction with each row, without the index.
        cursor.execute(statement, [*values, int(begin.timestamp()), int(over.timestamp())])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


class Written(Aggregate):
    """All values of a group, with commas between them."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any] | tuple[Any, ...]]:
        template = "STRING_AGG(CAST(%(expressions)s AS text), ',')"
        return super().as_sql(compiler, connection, template=template, **context)
