"""A semantic query of Omni's, in fields that a person reads. Whatever its JSON holds, there is something to show."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fields:
    """`filters` are a field and its condition each, `sorts` a field and whether it goes down."""

    table: str = ""
    fields: list[str] = field(default_factory=list)
    filters: list[tuple[str, str]] = field(default_factory=list)
    sorts: list[tuple[str, bool]] = field(default_factory=list)
    limit: str = ""


def read(query: dict[str, Any]) -> Fields:
    filters = query.get("filters")
    return Fields(
        table=_text(query.get("table") or query.get("topic")),
        fields=[_text(name) for name in _list(query.get("fields"))],
        filters=[(name, _text(how)) for name, how in filters.items()] if isinstance(filters, dict) else [],
        sorts=[_sort(entry) for entry in _list(query.get("sorts"))],
        limit=_text(query.get("limit")),
    )


def _sort(entry: Any) -> tuple[str, bool]:
    """Omni's `{"column_name", "sort_descending"}`, or a name with a minus before it."""
    if isinstance(entry, dict):
        name = entry.get("column_name") or entry.get("field") or entry.get("name") or entry
        return _text(name), entry.get("sort_descending") is True or entry.get("descending") is True
    text = _text(entry)
    return text.removeprefix("-"), text.startswith("-")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
