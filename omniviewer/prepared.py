"""Querysets that are built and compiled once, and then run with other values.

Django spends several times as long on building a queryset and compiling its SQL as a database spends on answering it by
a key. A page pays for that with each statement. Here a process stores the SQL, with a `Slot` in each place of a value;
the values are bound like any parameter, and rows become objects by Django's own code.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row")
# Most shapes of one query that are stored.
_MAX_SHAPES = 200


class Slot(Value):
    """A place in a prepared queryset for the value of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(None)
        self.name = name

    def as_sql(self, _compiler: SQLCompiler, _connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", (self,)


def slot(name: str) -> Any:
    """Return a slot for a place where a queryset's method expects the value itself."""
    return Slot(name)


@dataclass(frozen=True)
class _Plan:
    queryset: QuerySet[Any]
    compiler: SQLCompiler
    sql: str
    parameters: tuple[Any, ...]


class _Bound:
    """A plan with its values, in the place of the queryset and the query that Django's iterables read from."""

    _known_related_objects: dict[Any, Any] = {}

    def __init__(self, plan: _Plan, values: dict[str, Any]) -> None:
        self.db = DEFAULT_DB_ALIAS
        self.query = self
        self._fields = plan.queryset._fields  # type: ignore[attr-defined]
        # From Django 6.1 on, iterables ask how fields that were left out are fetched.
        self._fetch_mode = getattr(plan.queryset, "_fetch_mode", None)
        connection = connections[self.db]
        bound = tuple(
            as_parameter(values[given.name], connection) if isinstance(given, Slot) else given
            for given in plan.parameters
        )
        # A connection belongs to a thread, so each run has a compiler of its own.
        self._compiler = copy(plan.compiler)
        self._compiler.connection = connection
        self._compiler.as_sql = lambda *_, **__: (plan.sql, bound)  # type: ignore[method-assign]

    def get_compiler(self, *_: Any, **__: Any) -> SQLCompiler:
        return self._compiler


class Prepared(Generic[Row]):
    """A queryset that is compiled once for each shape.

    `build` returns the queryset, with a slot in the place of each value. Whatever else changes its SQL, such as a
    number of tokens, it takes as `shape`. A value is a number, a text, a time, a UUID, a stored object or a list of
    numbers or UUIDs (see `models.keys`); None is not one, since SQL compares it in another way.
    """

    def __init__(self, build: Callable[[Any], QuerySet[Any, Row]]) -> None:
        self._build = build
        self._plans: dict[Hashable, tuple[_Plan | None]] = {}

    def rows(self, shape: Hashable = None, /, **values: Any) -> list[Row]:
        """Run the query with these values; more than it has slots for may be given."""
        plan = self._plan(shape)
        if plan is None:
            return []
        rows: Iterable[Row] = cast(Any, plan.queryset)._iterable_class(_Bound(plan, values))
        return list(rows)

    def first(self, shape: Hashable = None, /, **values: Any) -> Row | None:
        """Run the query, and return its first row, if it has one."""
        found = self.rows(shape, **values)
        return found[0] if found else None

    def raw(self, shape: Hashable = None, /, **values: Any) -> "RawRows":
        """Run a query of columns, and leave its rows as the database returned them until they are needed."""
        plan = self._plan(shape)
        if plan is None:
            return RawRows([])
        compiler = _Bound(plan, values).get_compiler()
        return RawRows([tuple(row) for rows in compiler.execute_sql() for row in rows], compiler)

    def _plan(self, shape: Hashable) -> _Plan | None:
        """Return the plan of this shape; None if no row can match."""
        key = connections[DEFAULT_DB_ALIAS].vendor, shape
        # Another thread may clear the plans at any moment: each looks once.
        stored = self._plans.get(key)
        if stored is None:
            if len(self._plans) >= _MAX_SHAPES:
                self._plans.clear()
            stored = self._plans[key] = (_compiled(self._build(shape)),)
        return stored[0]


class RawRows:
    """Rows of columns as the database returned them: what equal rows are made into is equal, too."""

    def __init__(self, values: list[tuple[Any, ...]], compiler: SQLCompiler | None = None) -> None:
        self.values = values
        self._compiler = compiler

    def converted(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return these rows of it with their values as Django's fields give them."""
        if self._compiler is None:
            return rows
        results: Any = [rows]
        return [tuple(row) for row in self._compiler.results_iter(results=results)]


class PreparedInsert:
    """The insertion of new rows of one model, compiled once; it sends no signals."""

    def __init__(self, model: type[Model]) -> None:
        self._fields = [field for field in model._meta.concrete_fields if not field.primary_key]
        self._model = model

    def run(self, row: Model) -> None:
        """Insert the row, and set its primary key."""
        connection = connections[DEFAULT_DB_ALIAS]
        values = self._values(row, connection)
        with connection.cursor() as cursor:
            # SQLite returns columns from 3.35 on, and tells the key by itself.
            returns = connection.features.can_return_columns_from_insert
            cursor.execute(self._sql(connection, returns=returns), values)
            row.pk = cursor.fetchone()[0] if returns else cursor.lastrowid
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS

    def run_all(self, rows: Iterable[Model]) -> None:
        """Insert the rows, without learning their primary keys."""
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.executemany(self._sql(connection, returns=False), [self._values(row, connection) for row in rows])

    def _values(self, row: Model, connection: BaseDatabaseWrapper) -> list[Any]:
        return [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in self._fields]

    def _sql(self, connection: BaseDatabaseWrapper, *, returns: bool) -> str:
        quoted = connection.ops.quote_name
        names = ", ".join(quoted(str(field.column)) for field in self._fields)
        table, key = quoted(self._model._meta.db_table), quoted(str(self._model._meta.pk.column))
        places = ", ".join(["%s"] * len(self._fields))
        statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608  (names of columns)
        return f"{statement} RETURNING {key}" if returns else statement


class PreparedUpdate:
    """The update of some columns of rows of one model, each by its primary key; it sends no signals.

    Django's `bulk_update` writes one long statement of cases, and takes many times as long to compile it.
    """

    def __init__(self, model: type[Model], names: Sequence[str]) -> None:
        self._fields = [cast("Field[Any, Any]", model._meta.get_field(name)) for name in names]
        self._model = model

    def run_all(self, rows: Iterable[Model]) -> None:
        """Store what these rows have in the columns; rows that are gone stay gone."""
        connection = connections[DEFAULT_DB_ALIAS]
        quoted, meta = connection.ops.quote_name, self._model._meta
        columns = ", ".join(f"{quoted(str(field.column))} = %s" for field in self._fields)
        statement = f"UPDATE {quoted(meta.db_table)} SET {columns} WHERE {quoted(str(meta.pk.column))} = %s"  # noqa: S608  (names of columns)
        values = [
            [*(field.get_db_prep_save(field.pre_save(row, add=False), connection) for field in self._fields), row.pk]
            for row in rows
        ]
        # Without a transaction, SQLite would end one after each row.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, values)


def _compiled(queryset: QuerySet[Any, Any]) -> _Plan | None:
    compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return None
    return _Plan(queryset, compiler, sql, tuple(parameters))


def _as_text(value: UUID) -> str:
    return value.hex


def as_parameter(value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return the value as the database takes it."""
    match value:
        case list():
            return value if connection.vendor == "postgresql" else json.dumps(value, default=_as_text)
        case datetime():
            return connection.ops.adapt_datetimefield_value(value)
        case UUID():
            return value if connection.features.has_native_uuid_field else value.hex
        case Model():
            return value.pk
        case None:
            raise TypeError("A prepared query takes no None.")
    return value
