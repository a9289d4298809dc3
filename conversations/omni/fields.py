"""What single fields of Omni's replies say, whatever they hold. What cannot be done without raises `Unreadable`."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from conversations.omni.errors import Unreadable

# Years in which every time zone can show a time.
_YEARS = range(1900, 9000)
# What an integer column of every database holds.
_MOST = 2**31 - 1
# Levels of an object that is kept as it is. Queries of Omni's have some five.
DEEPEST = 50
NOTHING = "The reply was not in the form that Omni documents"


def as_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{NOTHING} ({what} was expected).", outcome="shape")
    return value


def as_list(reply: dict[str, Any], *names: str, most: int) -> list[Any]:
    """Under the first of the names that holds one; of more than `most` entries it is not read."""
    for name in names:
        if isinstance(reply.get(name), list):
            rows: list[Any] = reply[name]
            if len(rows) > most:
                raise Unreadable(
                    f"Omni's answer has more than the {most:,} entries that are read here.", outcome="too-large"
                )
            return rows
    raise Unreadable(f"{NOTHING} (no list under {' or '.join(names)}).", outcome="shape")


def as_text(reply: dict[str, Any], *names: str) -> str | None:
    """The first of the names that holds text; what no database holds, NUL and half characters, is made visible."""
    for name in names:
        if isinstance(reply.get(name), str):
            return _storable(reply[name])
    return None


def _storable(text: str) -> str:
    text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may escape half of a surrogate pair
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_plain_object(value: Any) -> dict[str, Any]:
    """An object that is kept as it is; {} in place of none, and of one too deep for whoever reads it after us."""
    if not isinstance(value, dict) or _is_deeper(value, DEEPEST):
        return {}
    kept: dict[str, Any] = json.loads(_storable(json.dumps(value, ensure_ascii=False)))
    return kept


def _is_deeper(value: Any, most: int) -> bool:
    """Level by level: how deep it is must not decide how deep Python recurses."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def as_time(reply: dict[str, Any], *names: str) -> datetime | None:
    """ISO 8601, with or without milliseconds; None where it is missing or no time. Without a zone it is UTC."""
    text = as_text(reply, *names)
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment is None or moment.year not in _YEARS:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_id(reply: dict[str, Any]) -> UUID:
    found = as_uuid(reply.get("id"))
    if found is None:
        raise Unreadable(f"{NOTHING} (an id is missing or no UUID).", outcome="shape")
    return found


def as_count(value: Any) -> int | None:
    """None where it is no number, or one that no database holds."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None
