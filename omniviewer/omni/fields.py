"""Read single fields of Omni's replies, whatever they hold. A field that nothing works without raises `Unreadable`."""

import json
from typing import Any
from uuid import UUID

from omniviewer.omni.errors import Unreadable

# The largest value that an integer column of every database can hold.
_MOST = 2**31 - 1
# Nesting levels of an object that is stored as it is. Omni's queries have about five.
DEEPEST = 50
# Characters of a reason that is shown.
LONGEST_REASON = 4_000
NOTHING = "The reply was not in the form that Omni documents"


def as_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{NOTHING} ({what} was expected).", outcome="shape")
    return value


def as_list(reply: dict[str, Any], *names: str) -> list[Any]:
    """Return the list under the first of the names that holds one. Raises `Unreadable`."""
    for name in names:
        if isinstance(reply.get(name), list):
            rows: list[Any] = reply[name]
            return rows
    raise Unreadable(f"{NOTHING} (no list under {' or '.join(names)}).", outcome="shape")


def as_text(reply: dict[str, Any], *names: str) -> str | None:
    """Return the first text under the names, as `storable` makes it."""
    for name in names:
        if isinstance(reply.get(name), str):
            return storable(reply[name])
    return None


def storable(text: str) -> str:
    """Return a text that every database takes: NUL and half characters are made visible."""
    text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may escape half of a surrogate pair
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_plain_object(value: Any) -> dict[str, Any]:
    """Return an object as it is; {} in place of none, and of one too deep for those who read it after us."""
    if not isinstance(value, dict) or _is_deeper(value, DEEPEST):
        return {}
    kept: dict[str, Any] = json.loads(storable(json.dumps(value, ensure_ascii=False)))
    return kept


def _is_deeper(value: Any, most: int) -> bool:
    """Return whether a value is nested deeper than `most`. It goes level by level, because Python limits recursion."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def as_reason(value: Any) -> str:
    """Return the reason that an error gives: a text, or an object with a message, a detail and a code."""
    return _reason(value, 4)[:LONGEST_REASON]


def _reason(value: Any, levels: int) -> str:
    if isinstance(value, str):
        return storable(value).strip()
    if isinstance(value, list) and levels:
        return "; ".join(dict.fromkeys(text for row in value[:20] if (text := _reason(row, levels - 1))))
    if not isinstance(value, dict) or not value:
        return ""
    if not levels:
        return as_json(value, LONGEST_REASON)
    texts = [_reason(value.get(name), levels - 1) for name in ("message", "error", "reason", "title", "msg")]
    texts = [text for text in texts if text][:1]
    for name in ("detail", "details", "description", "hint", "cause", "errors"):
        more = _reason(value.get(name), levels - 1)
        if more and not any(more in text for text in texts):
            texts.append(more)
    code = value.get("code")
    code = code.strip() if isinstance(code, str) else str(code) if isinstance(code, int) else ""
    # A whole sentence is followed by the next one, other words by a colon.
    ends = [" " if text.endswith((".", "!", "?", "…")) else ": " for text in texts]
    said = "".join(f"{text.rstrip(':')}{end}" for text, end in zip(texts, ends, strict=True)).rstrip(": ")
    if not said:
        return storable(code) or as_json(value, LONGEST_REASON)
    return f"{said} ({storable(code)})" if code and code not in said else said


def as_json(value: Any, longest: int) -> str:
    """Return JSON of so many characters at most; what is longer or deeper is cut, and says so."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > longest:
            text = json.dumps(_shortened(value), ensure_ascii=False)
    except RecursionError:
        return json.dumps({"cut": "It is nested too deeply to be stored."})
    if len(text) > longest:
        # Stored as text within JSON, because half an object is invalid. Quotes and the like take two characters there.
        text = json.dumps({"cut": text[: longest // 2 - 20]}, ensure_ascii=False)
    return storable(text)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        longest = 1_000
        return value if len(value) <= longest else f"{value[:longest]}… (cut, {len(value):,} characters)"
    if isinstance(value, list):
        return [_shortened(row) for row in value]
    return {key: _shortened(row) for key, row in value.items()} if isinstance(value, dict) else value


def as_uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_id(reply: dict[str, Any], wanted: UUID, what: str) -> UUID:
    """Return the id that was asked for, unless the reply names another one. Raises `Unreadable`."""
    told = reply.get("id")
    if isinstance(told, str) and told.strip() and as_uuid(told) != wanted:
        raise Unreadable(f"Omni returned a different {what} than the one that was requested.", outcome="shape")
    return wanted


def as_count(value: Any) -> int | None:
    """Return the number; None if it is no whole number, or too large for the database."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None
