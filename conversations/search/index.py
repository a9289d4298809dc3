"""The search index in this site's database: SQLite's FTS5, or PostgreSQL's `tsvector`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from conversations.search import postgresql, sqlite
from conversations.search.question import Document, Question


@dataclass(frozen=True)
class Bounds:
    """Rowids between which to search; they are not included."""

    above: int | None = None
    below: int | None = None


_UNBOUNDED = Bounds()
# A reader of so much of all there is may be answered from the index of all: the time tells next to nothing of the rest.
NEARLY_ALL_SHARE: Final = 0.9
# Fewer documents are looked at one by one: to learn how many there are would cost more.
FEWEST_TO_COUNT = 200


def put(documents: Sequence[Document], old: Iterable[int]) -> None:
    """Store documents in place of the rows `old`, in the caller's transaction."""
    remove([*old, *(document.rowid for document in documents)])
    columns, rows = (sqlite if _is_sqlite() else postgresql).rows_of(documents)
    holders = ", ".join("%s::tsvector" if column == "words" else "%s" for column in columns)
    statement = f"INSERT INTO conversations_words ({', '.join(columns)}) VALUES ({holders})"  # noqa: S608  (ours alone)
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def remove(rowids: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM conversations_words WHERE rowid = %s", [(rowid,) for rowid in rowids])


def remove_unused() -> None:
    """Remove entries that belong to no conversation."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM conversations_words WHERE NOT EXISTS "
            "(SELECT 1 FROM conversations_conversation AS own WHERE own.indexed_as = conversations_words.rowid)"
        )


def matching(
    question: Question,
    bounds: Bounds = _UNBOUNDED,
    *,
    within: Sequence[int] | None = None,
    is_newest_first: bool = True,
    most: int | None = None,
) -> list[int]:
    """Return the matching rowids between the bounds, of those `within`, newest activity first.

    With `within` only these rows are looked at: the query time must not reveal how many others match.
    """
    condition, values = _condition(question, is_scan=within is not None) if question else ("1 = 1", [])
    conditions = [condition]
    for sign, bound in ((">", bounds.above), ("<", bounds.below)):
        if bound is not None:
            conditions.append(f"rowid {sign} %s")
            values.append(bound)
    source = "conversations_words"
    if question.never:
        return []
    if within is not None:
        if not within:
            return []
        rows = f"rowid IN ({', '.join(['%s'] * len(within))})"
        if _is_sqlite():
            source = sqlite.CONTENT
            conditions.insert(0, rows)
        else:
            # Otherwise PostgreSQL might begin with all rows that hold the words, whoever may read them.
            source = f"(SELECT * FROM conversations_words WHERE {rows} OFFSET 0) AS own"  # noqa: S608  (ours alone)
        values = [*within, *values]
    statement = f"SELECT rowid FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608  (ours alone)
    statement += f" ORDER BY rowid {'DESC' if is_newest_first else 'ASC'}"
    if most is not None:
        statement += f" LIMIT {most:d}"
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


def is_nearly_all(count: int) -> bool:
    """Return whether so many documents are nearly all that the index holds.

    Further ones are counted only as far as it takes: the time tells nobody of few how many others there are.
    """
    if count < FEWEST_TO_COUNT:
        return False
    # FTS5 keeps the size of each row apart, where no texts have to be read past.
    source = "conversations_words_docsize" if _is_sqlite() else "conversations_words"
    most = int(count / NEARLY_ALL_SHARE)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT %s) AS own", [most + 1])  # noqa: S608
        return bool(cursor.fetchone()[0] <= most)


def ranks(question: Question, weights: Mapping[str, int], within: Sequence[int]) -> dict[int, int]:
    """Return how well each of these rowids matches: the sum of the weights of the places that hold a text of these.

    A rank depends on the row alone, not on how many others hold the text.
    """
    terms: list[str] = []
    values: list[Any] = []
    for text in question.texts:
        for place, weight in weights.items():
            if text.is_negated or (question.places and place not in question.places):
                continue
            condition, its_values = _condition(Question((text,), frozenset({place})), is_scan=True)
            terms.append(f"CASE WHEN {condition} THEN {weight:d} ELSE 0 END")
            values += its_values
    if not terms or not within:
        return dict.fromkeys(within, 0)
    rows = f"rowid IN ({', '.join(['%s'] * len(within))})"
    source = sqlite.CONTENT if _is_sqlite() else "conversations_words"
    statement = f"SELECT rowid, {' + '.join(terms)} FROM {source} WHERE {rows}"  # noqa: S608  (ours alone)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, *within])
        return dict(cursor.fetchall())


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _condition(question: Question, *, is_scan: bool) -> tuple[str, list[Any]]:
    """Return the SQL condition and its values; `is_scan` if rows are looked at one by one."""
    if not _is_sqlite():
        return postgresql.condition(question)
    return sqlite.scan_condition(question) if is_scan else sqlite.condition(question)
