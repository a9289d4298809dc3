"""Many keys as one value of a statement."""

from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Expression
from django.db.models.sql.compiler import SQLCompiler

from omniviewer.prepared import Slot, as_parameter


class Keys(Expression):
    """Rows of these keys, for `__in`: any number of them as one value, where a value each has a limit.

    A slot in a prepared query takes them as a list.
    """

    def __init__(self, keys: Collection[int] | Slot) -> None:
        super().__init__(output_field=BigIntegerField())
        self._keys = keys

    def as_sql(self, _compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override]
        value = self._keys if isinstance(self._keys, Slot) else as_parameter(list(self._keys), connection)
        if connection.vendor == "postgresql":
            return "(SELECT unnest(CAST(%s AS bigint[])))", [value]
        return "(SELECT value FROM json_each(%s))", [value]
