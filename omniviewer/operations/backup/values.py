"""Values of rows as JSON, the same from either database."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_duration
from django.utils.duration import duration_iso_string

_READ: dict[str, Callable[[str], Any]] = {
    "DateTimeField": datetime.fromisoformat,
    "UUIDField": UUID,
    "BinaryField": b64decode,
    "DurationField": parse_duration,
}


def written(row: Sequence[Any]) -> bytes:
    """Return a row's values as a line of JSON."""
    return (_encoder.encode(row) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return b64encode(value).decode()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    raise TypeError(f"A backup knows no {type(value).__name__}.")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


class RowReader:
    """Turns lines back into rows as the database's driver takes them."""

    def __init__(self, fields: "Sequence[models.Field[Any, Any]]", connection: BaseDatabaseWrapper) -> None:
        self._converters = [
            (place, converter)
            for place, field in enumerate(fields)
            if (converter := _converter(field, connection)) is not None
        ]

    def row(self, line: bytes) -> list[Any]:
        row: list[Any] = json.loads(line)
        for place, convert in self._converters:
            row[place] = convert(row[place])
        return row


def _converter(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """Return what turns a JSON value into a driver's; None if it is the same."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    kind = target.get_internal_type()
    if kind == "JSONField":
        return lambda value: _json(value, target, connection)
    read = _READ.get(kind)
    if read is None:
        return None
    return lambda value: None if value is None else target.get_db_prep_value(read(value), connection, prepared=True)


def _json(value: Any, field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> Any:
    if value is None and field.null:
        return None
    return connection.ops.adapt_json_value(value, getattr(field, "encoder", None))
