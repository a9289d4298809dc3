"""Many keys as one value of a statement."""

import json
from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Expression
from django.db.models.sql.compiler import SQLCompiler


class Keys(Expression):
    """Rows of these keys, for `__in`: any number of them as one value, where a value each has a limit."""

    def __init__(self, keys: Collection[int]) -> None:
        super().__init__(output_field=BigIntegerField())
        self._keys = list(keys)

    def as_sql(self, _compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override]
        written = json.dumps(self._keys)
        if connection.vendor == "postgresql":
            return "(SELECT unnest(CAST(%s AS bigint[])))", [f"{{{written[1:-1]}}}"]
        return "(SELECT value FROM json_each(%s))", [written]
