"""Groups of the directory: their members have the roles that settings give to a group; no other group does anything."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from omniviewer.accounts.models import User
from omniviewer.accounts.provisioning import ProvisionedGroup, ProvisionedUser
from omniviewer.accounts.requests import canonical, site_path
from omniviewer.accounts.sign_in import admission
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.scim import people
from omniviewer.scim.messages import BY, invalid, not_found, taken
from omniviewer.scim.reading import Equals, GroupTold

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATH = "/scim/v2/Groups"
_FILTERS = {"displayname": "display_name__iexact", "externalid": "external_id"}


def all_of(condition: Equals | None) -> "QuerySet[ProvisionedGroup]":
    """Return the groups, as far as they fit the filter. Raises `ScimError`."""
    rows = ProvisionedGroup.objects.order_by("pk")
    if condition is None:
        return rows
    if condition.attribute == "id":
        return rows.filter(scim_id=people.uuid_of(condition.value))
    if condition.attribute not in _FILTERS:
        raise invalid("Groups are found by displayName, externalId and id.", "invalidFilter")
    return rows.filter(**{_FILTERS[condition.attribute]: condition.value.replace("\x00", "")})


def get(scim_id: str) -> ProvisionedGroup:
    """Return the group, locked in a transaction. Raises `ScimError`."""
    rows = ProvisionedGroup.objects.filter(scim_id=people.uuid_of(scim_id))
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update()
    found = rows.first()
    if found is None:
        raise not_found("group")
    return found


def told(request: HttpRequest, row: ProvisionedGroup, *, with_members: bool = True) -> dict[str, Any]:
    """Return a group as SCIM tells of it."""
    members = row.members.order_by("pk").values_list("scim_id", "user_name") if with_members else ()
    return {
        "schemas": [SCHEMA],
        "id": str(row.scim_id),
        **({"externalId": row.external_id} if row.external_id else {}),
        "displayName": row.display_name,
        "members": [
            {"value": str(scim_id), "$ref": people.location(request, scim_id), "display": name, "type": "User"}
            for scim_id, name in members
        ],
        "meta": {
            "resourceType": "Group",
            "created": row.created_at.isoformat(),
            "lastModified": row.changed_at.isoformat(),
            "location": canonical(request, site_path(f"{PATH}/{row.scim_id}")),
        },
    }


@transaction.atomic
def create(request: HttpRequest, said: GroupTold) -> ProvisionedGroup:
    """Store a group. Raises `ScimError`."""
    row = ProvisionedGroup(display_name=_required(said.display_name), external_id=said.external_id or "")
    _save(row)
    _change_members(row, said)
    _follow(request, row.names, _people_in(row))
    return row


@transaction.atomic
def change(request: HttpRequest, scim_id: str, said: GroupTold, *, is_whole: bool) -> ProvisionedGroup:
    """Store what the directory says of a group now; `is_whole`: what it leaves out is nothing. Raises `ScimError`."""
    row = get(scim_id)
    names, before = row.names, _people_in(row)
    if is_whole and not said.members:
        said.members = [("set", [])]
    if is_whole or said.display_name is not None:
        row.display_name = _required(said.display_name)
    if said.external_id is not None:
        row.external_id = said.external_id
    row.changed_at = timezone.now()
    _save(row)
    _change_members(row, said)
    after = _people_in(row)
    # Under another name, it may give another role to all of its members.
    _follow(request, names | row.names, before | after if names != row.names else before ^ after)
    return row


@transaction.atomic
def delete(request: HttpRequest, scim_id: str) -> None:
    row = get(scim_id)
    names, before = row.names, _people_in(row)
    row.delete()
    _follow(request, names, before)


def _change_members(row: ProvisionedGroup, said: GroupTold) -> None:
    for operation, ids in said.members:
        if operation == "set":
            row.members.set(_members(ids or []))
        elif operation == "add":
            row.members.add(*_members(ids or []))
        elif ids is None:
            row.members.clear()
        else:
            row.members.remove(*ProvisionedUser.objects.filter(scim_id__in=ids))


def _members(ids: list[UUID]) -> list[ProvisionedUser]:
    found = list(ProvisionedUser.objects.standing().filter(scim_id__in=ids))
    if len(found) < len(set(ids)):
        raise invalid("A member is nobody whom the directory has named here.")
    return found


def _people_in(row: ProvisionedGroup) -> set[int]:
    return set(row.members.values_list("user", flat=True))


def _follow(request: HttpRequest, names: frozenset[str], keys: set[int]) -> None:
    """Give and take the roles that hang on a group of these names; a change of one that settings name is an event."""
    if not names & admission.named_groups():
        return
    for user in User.objects.select_for_update().filter(pk__in=keys).order_by("pk"):
        fields = admission.follow_groups(user, names) if names & admission.role_groups() else []
        trail.record(request, Kind.PERSON_CHANGED, whom=user.username, fields=", ".join(fields) or "groups", by=BY)


def _required(name: str | None) -> str:
    if not name:
        raise invalid("displayName is required.")
    return name


def _save(row: ProvisionedGroup) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise taken("displayName is that of another group.") from None
