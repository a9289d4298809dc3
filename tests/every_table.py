"""Rows in every table, whatever tables there are: values that are as hard to keep as a column allows."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models

from omniviewer.operations.backup.tables import Table

_AT = datetime(2026, 3, 29, 1, 30, 0, 123_456, tzinfo=UTC)
_NASTY = "Ünïcode \N{SNOWMAN} “quoted”\n\ttab \\ back\\slash 'single' \N{LINE SEPARATOR} \U0001f600"
# For the first and the second row of a table, by the kind of a column.
_VALUES: dict[str, Callable[[int], Any]] = {
    "CharField": lambda number: f"{number} {_NASTY}",
    "TextField": lambda number: f"{number} {_NASTY}" * 50,
    "BooleanField": bool,
    "DateTimeField": lambda number: _AT + timedelta(microseconds=number),
    "DurationField": lambda number: timedelta(days=3, microseconds=number - 1),
    "UUIDField": lambda number: UUID(int=2**127 + number),
    "JSONField": lambda number: {_NASTY: [None, True, 1.5, {"": []}]} if number else [],
    "BinaryField": lambda number: bytes(range(256)) * (number + 1),
    "FloatField": lambda number: 0.1 + number,
    "GenericIPAddressField": lambda number: "2001:db8::1" if number else "192.0.2.1",
    "PositiveSmallIntegerField": lambda number: 32_767 - number,
    "IntegerField": lambda number: number - 2**31,
    "PositiveIntegerField": lambda number: 2**31 - 1 - number,
    "BigIntegerField": lambda number: 2**63 - 1 - number,
    "PositiveBigIntegerField": lambda number: 2**63 - 1 - number,
}


def fill(tables: Iterable[Table]) -> None:
    """Store two rows in each of the tables, which come after those that they refer to."""
    for table in tables:
        for number in range(2):
            values = {field.attname: _value(field, number) for field in table.fields if not _is_numbered(field)}
            table.model(**values).save_base(raw=True, force_insert=True)


def _is_numbered(field: "models.Field[Any, Any]") -> bool:
    return isinstance(field, models.AutoField)


def _value(field: "models.Field[Any, Any]", number: int) -> Any:
    if isinstance(field, models.ForeignKey):
        # One of those that were made so as well.
        return field.related_model._base_manager.order_by("-pk").values_list("pk", flat=True)[number]
    if field.null and number:
        return None
    value = _VALUES[field.get_internal_type()](number)
    return value[: field.max_length] if isinstance(value, str) else value
