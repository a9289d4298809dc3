"""Reading of a directory's words on people and groups: whole resources, changes to them, and filters.

Entra ID and Okta write some of it otherwise than the standard: https://learn.microsoft.com/entra/identity/app-provisioning
("use SCIM to provision users and groups"), https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20/
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from omniviewer.accounts.provisioning import MAX_EXTERNAL_ID_CHARS, MAX_GROUP_CHARS, MAX_USER_NAME_CHARS
from omniviewer.scim.messages import invalid

# Most changes of one request, and most members of one change.
_MAX_OPERATIONS, _MAX_MEMBERS = 1000, 10_000
_MAX_TEXT_CHARS = 1000
# Control characters, and halves of characters, which no database takes.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# A schema before the name of an attribute. That of companies' own attributes names nothing that is stored here.
_SCHEMA = re.compile(r"urn:[^\s\[\]\"]*:(?P<kind>User|Group):(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)
_PATH = re.compile(r"(?P<name>[A-Za-z$][\w$-]*)(\[(?P<filter>[^\[\]]*)\])?(\.(?P<part>[A-Za-z$][\w$-]*))?")
_FILTER = re.compile(
    r'\s*(?P<path>[A-Za-z$][^\s"]*(\[[^\]]*\](\.\w+)?)?)\s+(?P<operator>\w+)\s+(?P<value>"(?:[^"\\]|\\.)*"|true|false)\s*',
    re.IGNORECASE,
)
_EQUALS = re.compile(r'\s*(\w+)\s+eq\s+"?([^"]*)"?\s*', re.IGNORECASE)
# Texts by the attribute and its part, in lower case: the column, and the most characters.
_TEXTS = {
    ("username", ""): ("user_name", MAX_USER_NAME_CHARS),
    ("externalid", ""): ("external_id", MAX_EXTERNAL_ID_CHARS),
    ("displayname", ""): ("whole_name", _MAX_TEXT_CHARS),
    ("name", "givenname"): ("given_name", _MAX_TEXT_CHARS),
    ("name", "familyname"): ("family_name", _MAX_TEXT_CHARS),
}
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:"


@dataclass
class PersonTold:
    """Attributes of a person that a request names; None for those that it does not."""

    user_name: str | None = None
    external_id: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    # One text for the whole name, where the directory says no more.
    whole_name: str | None = None
    email: str | None = None
    is_active: bool | None = None

    def set(self, name: str, value: Any, condition: str = "", part: str = "") -> None:
        """Take the value of an attribute. Those that are not stored here are ignored. Raises `ScimError`."""
        attribute = name.lower(), part.lower()
        if attribute in _TEXTS:
            column, most = _TEXTS[attribute]
            setattr(self, column, _text(value, name, most))
            return
        match attribute:
            case "active", "":
                self.is_active = _boolean(value)
            case "name", "":
                for key, each in _object(value, name).items():
                    self.set(name, each, part=key)
            case "name", "formatted":
                self.whole_name = self.whole_name or _text(value, name)
            case "emails", "" if _is_work(condition):
                self.email = _text(value, name) if isinstance(value, str) else _best_email(value)
            case "emails", "value" if _is_work(condition):
                self.email = _text(value, name)


@dataclass
class GroupTold:
    """Attributes of a group that a request names, and changes of its members in their order.

    `members`: "set", "add" or "remove", and the ids; None for all of them.
    """

    display_name: str | None = None
    external_id: str | None = None
    members: list[tuple[str, list[UUID] | None]] = field(default_factory=list)

    def set(self, name: str, value: Any) -> None:
        match name.lower():
            case "displayname":
                self.display_name = _text(value, name, MAX_GROUP_CHARS)
            case "externalid":
                self.external_id = _text(value, name, MAX_EXTERNAL_ID_CHARS)
            case "members":
                self.members.append(("set", _ids(value)))


@dataclass(frozen=True)
class Change:
    """One change of a `PATCH`: "add", "remove" or "replace", and where."""

    operation: str
    name: str
    condition: str
    part: str
    value: Any


@dataclass(frozen=True)
class Equals:
    """A filter, the only kind that directories use: an attribute that equals a value."""

    attribute: str
    value: str


def person(told: dict[str, Any]) -> PersonTold:
    """Read a whole person."""
    found = PersonTold()
    for name, value in told.items():
        _, plain = _without_schema(name)
        found.set(plain, value)
    return found


def person_changes(told: dict[str, Any]) -> PersonTold:
    """Read changes of a person: the last word on an attribute counts."""
    found = PersonTold()
    for change in _changes(told):
        if change.operation != "remove":
            found.set(change.name, change.value, change.condition, change.part)
        elif change.name.lower() in ("username", "active"):
            raise invalid(f"{change.name} cannot be removed.", "mutability")
        elif change.name.lower() == "name" and not change.part:
            found.given_name = found.family_name = ""
        elif change.name.lower() == "emails":
            found.set("emails", "", change.condition, change.part or ("value" if change.condition else ""))
        else:
            found.set(change.name, "", change.condition, change.part)
    return found


def group(told: dict[str, Any]) -> GroupTold:
    found = GroupTold()
    for name, value in told.items():
        found.set(_without_schema(name)[1], value)
    return found


def group_changes(told: dict[str, Any]) -> GroupTold:
    found = GroupTold()
    for change in _changes(told):
        if change.name.lower() != "members":
            if change.operation == "remove" and change.name.lower() == "displayname":
                raise invalid(f"{change.name} cannot be removed.", "mutability")
            found.set(change.name, "" if change.operation == "remove" else change.value)
        elif change.condition:
            # Okta and Entra ID name the one member to remove in the path.
            equal = _EQUALS.fullmatch(change.condition)
            if change.operation != "remove" or not equal or equal[1].lower() != "value":
                raise invalid('Members are named by: members[value eq "..."].', "invalidFilter")
            found.members.append(("remove", [_id(equal[2])]))
        else:
            ids = None if change.operation == "remove" and change.value in (None, "") else _ids(change.value)
            found.members.append(({"replace": "set"}.get(change.operation, change.operation), ids))
    return found


def filter_of(text: str) -> Equals | None:
    """Read a filter; None where there is none. Raises `ScimError` for any but `attribute eq "value"`."""
    if not text.strip():
        return None
    found = _FILTER.fullmatch(text)
    if not found or found["operator"].lower() != "eq":
        raise invalid('Filters are: attribute eq "value".', "invalidFilter")
    _, plain = _without_schema(found["path"])
    path = _PATH.fullmatch(plain)
    if not path:
        raise invalid('Filters are: attribute eq "value".', "invalidFilter")
    try:
        value = json.loads(found["value"].lower() if found["value"][0] != '"' else _escaped(found["value"]))
        str(value).encode()
    except ValueError:
        raise invalid("The value of the filter holds characters that cannot be read.", "invalidFilter") from None
    part = f".{path['part'].lower()}" if path["part"] else ""
    return Equals(path["name"].lower() + part, str(value))


def _escaped(literal: str) -> str:
    """Return a JSON text in which a backslash that escapes nothing is itself: directories write names as they are."""
    return re.sub(r'\\(["\\/bfnrt]|u[0-9A-Fa-f]{4})?', lambda found: found[0] if found[1] else r"\\", literal)


def _changes(told: dict[str, Any]) -> Iterator[Change]:
    operations = next((value for name, value in told.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list) or not operations or len(operations) > _MAX_OPERATIONS:
        raise invalid(f"Operations has to be a list of 1 to {_MAX_OPERATIONS} changes.", "invalidSyntax")
    for each in operations:
        if not isinstance(each, dict):
            raise invalid("An operation is not an object.", "invalidSyntax")
        operation = str(each.get("op", "")).lower()  # Entra ID writes "Add", "Replace", "Remove"
        if operation not in ("add", "remove", "replace"):
            raise invalid("An operation is neither add nor remove nor replace.", "invalidSyntax")
        path = each.get("path")
        if path:
            yield from _at(operation, str(path), each.get("value"))
        elif operation == "remove":
            raise invalid("A remove has to say what, in its path.", "noTarget")
        else:
            # Entra ID and Okta leave the path out, and name attributes, or paths, in the value.
            for name, value in _object(each.get("value"), "value").items():
                yield from _at(operation, name, value)


def _at(operation: str, path: str, value: Any) -> Iterator[Change]:
    kind, plain = _without_schema(path.strip())
    if kind == "schema":
        return
    found = _PATH.fullmatch(plain)
    if not found:
        raise invalid(f"The path {path[:100]!r} cannot be read.", "invalidPath")
    yield Change(operation, found["name"], found["filter"] or "", found["part"] or "", value)


def _without_schema(path: str) -> tuple[str, str]:
    """Return an attribute without the schema before it; "schema" as its kind where it is of companies' own."""
    found = _SCHEMA.fullmatch(path)
    if path.lower().startswith(_ENTERPRISE):
        return "schema", "schemas"
    return ("", found["rest"]) if found else ("", path)


def _text(value: Any, name: str, most: int = _MAX_TEXT_CHARS) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most or _CONTROL.search(value):
        raise invalid(f"{name} is not a text of at most {most} characters.")
    return value.strip()


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"  # Entra ID writes "True" and "False"
    if not isinstance(value, bool):
        raise invalid("active is neither true nor false.")
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"{name} is not an object.")
    return value


def _best_email(value: Any) -> str:
    """Return the primary address of a list, else the one for work, else the first."""
    if value is None:
        return ""
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise invalid("emails is not a list of objects.")
    rows.sort(key=lambda row: (str(row.get("primary")).lower() != "true", str(row.get("type")).lower() != "work"))
    return _text(rows[0].get("value"), "emails") if rows else ""


def _is_work(condition: str) -> bool:
    """Return whether a path means the one address that is stored: not the one at home, say."""
    found = _EQUALS.fullmatch(condition)
    if not condition:
        return True
    return bool(found) and (found[1].lower(), found[2].lower()) in (("type", "work"), ("primary", "true"))  # type: ignore[index]


def _ids(value: Any) -> list[UUID]:
    rows = value if isinstance(value, list) else [value]
    if len(rows) > _MAX_MEMBERS:
        raise invalid(f"A change has at most {_MAX_MEMBERS} members.", "tooMany")
    return [_id(row.get("value") if isinstance(row, dict) else row) for row in rows if row is not None]


def _id(value: Any) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise invalid("A member is not named by the id of a person.") from None
