"""The content of a message: a text, an object, or a list of parts; and the names of what is attached to it."""

import json
from collections.abc import Iterator
from typing import Any

from omniviewer.omni.fields import as_text, storable

# Levels of a message's content: parts in an object, and those in a list.
_DEEPEST_CONTENT = 8
MOST_ATTACHMENTS, LONGEST_NAME = 50, 200


def as_content(reply: dict[str, Any], *names: str) -> str:
    """Return the text under the first of the names that holds any: as it is, in an object, or in a list of parts."""
    for name in names:
        text = _words(reply.get(name), _DEEPEST_CONTENT)
        if text:
            return text
    return ""


def _words(value: Any, levels: int) -> str:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    if levels and isinstance(value, list):
        return "\n\n".join(text for part in value if (text := _words(part, levels - 1)).strip())
    if levels and isinstance(value, dict) and not _is_of_type(value, "thinking", "reasoning", "tool"):
        for name in ("text", "markdown", "content", "parts", "value"):
            text = _words(value.get(name), levels - 1)
            if text:
                return text
    return ""


def as_attachments(reply: dict[str, Any], *names: str) -> tuple[str, ...]:
    """Return the names of what is attached: in lists of their own, and among the parts under these names."""
    apart = [row for key in ("attachments", "files", "images") for row in _rows(reply.get(key))]
    among = [part for name in names for part in _parts(reply.get(name), _DEEPEST_CONTENT) if _is_attachment(part)]
    found = dict.fromkeys(_attachment_name(row) for row in apart + among)
    return tuple(name for name in found if name)[:MOST_ATTACHMENTS]


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def _parts(value: Any, levels: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        if levels and isinstance(inner, dict | list):
            yield from _parts(inner, levels - 1)


def _is_attachment(part: dict[str, Any]) -> bool:
    if _is_of_type(part, "image", "file", "document", "audio", "video", "attachment"):
        return True
    is_named = any(isinstance(part.get(name), str) for name in ("name", "filename", "fileName"))
    return is_named and any(name in part for name in ("mimeType", "mime_type", "data", "url"))


def _attachment_name(row: Any) -> str:
    if isinstance(row, str):
        return storable(row)[:LONGEST_NAME]
    if not isinstance(row, dict):
        return ""
    inners = [row[name] for name in ("file", "image", "document") if isinstance(row.get(name), dict)]
    inner: dict[str, Any] = inners[0] if inners else {}
    keys = "name", "filename", "fileName", "title", "alt", "mimeType", "mime_type", "type"
    name = as_text(row, *keys[:5]) or as_text(inner, *keys) or as_text(row, *keys[5:]) or "unnamed"
    return " ".join(name.split())[:LONGEST_NAME]


def _is_of_type(part: dict[str, Any], *types: str) -> bool:
    told = part.get("type")
    return isinstance(told, str) and told.lower().startswith(types)
