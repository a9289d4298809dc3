"""Many keys as one value of a statement."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Expression, UUIDField
from django.db.models.sql.compiler import SQLCompiler

from omniviewer.prepared import Slot, as_parameter


class Keys(Expression):
    """Rows of these keys, for `__in`: any number of them as one value, where a value each has a limit.

    A slot in a prepared query takes them as a list.
    """

    _postgresql_type = "bigint"

    def __init__(self, keys: Collection[Any] | Slot) -> None:
        super().__init__(output_field=self._field())
        self._keys = keys

    def _field(self) -> BigIntegerField[Any, Any] | UUIDField[Any, Any]:
        return BigIntegerField()

    def as_sql(self, _compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override]
        value = self._keys if isinstance(self._keys, Slot) else as_parameter(list(self._keys), connection)
        if connection.vendor == "postgresql":
            return f"(SELECT unnest(CAST(%s AS {self._postgresql_type}[])))", [value]
        return "(SELECT value FROM json_each(%s))", [value]


class Ids(Keys):
    """Rows of these ids of Omni's, for `__in`: any number of them as one value."""

    _postgresql_type = "uuid"

    def __init__(self, ids: Collection[UUID]) -> None:
        super().__init__(ids)

    def _field(self) -> BigIntegerField[Any, Any] | UUIDField[Any, Any]:
        return UUIDField()
