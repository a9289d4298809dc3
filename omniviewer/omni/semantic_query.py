"""A semantic query of Omni's, in fields that a person reads. Whatever its JSON holds, there is something to show."""

import json
from dataclasses import dataclass, field
from typing import Any

# Omni's names of conditions, in words for people; any other name is shown as it is.
_KINDS = {
    "EQUALS": "is",
    "TIME_FOR_INTERVAL_DURATION": "is",
    "GREATER_THAN": "is greater than",
    "LESS_THAN": "is less than",
}
# Keys of a condition: those that hold its value, and those that say nothing that a reader needs.
_VALUES = ("value", "values", "left_side", "right_side")
_ASIDE = ("kind", "type", "ui_type", "is_negative", *_VALUES)


@dataclass(frozen=True)
class Fields:
    """The fields of a query. `filters`: field and condition; `sorts`: field, and true if it is descending."""

    table: str = ""
    fields: list[str] = field(default_factory=list)
    filters: list[tuple[str, str]] = field(default_factory=list)
    sorts: list[tuple[str, bool]] = field(default_factory=list)
    limit: str = ""

    @property
    def on_a_line(self) -> str:
        """Return "Fields: a, b. Filters: a is 1. Sorted by: b descending. Limit: 10."; "" if empty. No table."""
        told = {
            "Fields": ", ".join(self.fields),
            "Filters": "; ".join(f"{name} {condition}" for name, condition in self.filters),
            "Sorted by": ", ".join(f"{name} descending" if descends else name for name, descends in self.sorts),
            "Limit": self.limit,
        }
        return " ".join(f"{name}: {said}." for name, said in told.items() if said)


def read(query: dict[str, Any]) -> Fields:
    filters = query.get("filters")
    return Fields(
        table=_text(query.get("table") or query.get("topic")),
        fields=[_text(name) for name in _list(query.get("fields"))],
        filters=[(name, _condition(how)) for name, how in filters.items()] if isinstance(filters, dict) else [],
        sorts=[_sort(entry) for entry in _list(query.get("sorts"))],
        limit=_text(query.get("limit")),
    )


def _condition(how: Any) -> str:
    """Return the condition in words, such as "is complete, returned", with everything that it holds."""
    if not isinstance(how, dict):
        return _text(how)
    kind = how.get("kind")
    if not isinstance(kind, str):
        return ", ".join(f"{name.replace('_', ' ')} {_text(value)}".strip() for name, value in how.items())
    said = _KINDS.get(kind, kind.replace("_", " ").lower())
    if how.get("is_negative") is True:
        said = said.replace("is", "is not", 1) if said.startswith("is") else f"not {said}"
    values = [
        value for name in _VALUES for value in (_list(how.get(name)) or [how.get(name)]) if value not in (None, [])
    ]
    if set(how) >= {"left_side", "right_side"}:
        said += f" {_text(how['left_side'])}, for {_text(how['right_side'])}"
    elif values:
        said += f" {', '.join(_text(value) or '“”' for value in values)}"
    rest = [f"{name.replace('_', ' ')}: {_text(value)}" for name, value in how.items() if name not in _ASIDE and value]
    return f"{said} ({'; '.join(rest)})" if rest else said


def _sort(entry: Any) -> tuple[str, bool]:
    """Return the field and whether it is descending, from Omni's object or from a name with a minus before it."""
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
