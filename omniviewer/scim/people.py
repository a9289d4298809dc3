"""People as the directory tells of them: made, changed, deactivated."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from conversations import tasks
from conversations.archive import offboarding
from omniviewer.accounts.models import Identity, User
from omniviewer.accounts.provisioning import ProvisionedUser
from omniviewer.accounts.requests import canonical, site_path
from omniviewer.accounts.sign_in import admission
from omniviewer.accounts.sign_in.admission import Person, Refused
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.scim.messages import BY, ScimError, invalid, not_found, taken
from omniviewer.scim.reading import Equals, PersonTold

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
PATH = "/scim/v2/Users"
_FILTERS = {"username": "user_name__iexact", "externalid": "external_id", "emails.value": "user__email__iexact"}


def all_of(condition: Equals | None) -> "QuerySet[ProvisionedUser]":
    """Return the people that the directory has named, as far as they fit the filter. Raises `ScimError`."""
    rows = ProvisionedUser.objects.standing().select_related("user").prefetch_related("groups").order_by("pk")
    if condition is None:
        return rows
    if condition.attribute == "id":
        return rows.filter(scim_id=uuid_of(condition.value))
    if condition.attribute == "active":
        return rows.filter(user__is_active=condition.value.lower() == "true")
    lookup = _FILTERS.get("emails.value" if condition.attribute == "emails" else condition.attribute)
    if lookup is None:
        raise invalid("People are found by userName, externalId, id, active and emails.", "invalidFilter")
    return rows.filter(**{lookup: condition.value.replace("\x00", "")})


def get(scim_id: str) -> ProvisionedUser:
    """Return the person, locked in a transaction. Raises `ScimError`."""
    rows = ProvisionedUser.objects.standing().filter(scim_id=uuid_of(scim_id)).select_related("user")
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update(of=("self",))
    found = rows.first()
    if found is None:
        raise not_found("person")
    return found


def told(request: HttpRequest, row: ProvisionedUser) -> dict[str, Any]:
    """Return a person as SCIM tells of them."""
    user = row.user
    name = {"givenName": user.first_name, "familyName": user.last_name}
    groups = sorted(row.groups.all(), key=lambda group: group.pk)
    return {
        "schemas": [SCHEMA],
        "id": str(row.scim_id),
        **({"externalId": row.external_id} if row.external_id else {}),
        "userName": row.user_name,
        **({"name": name, "displayName": user.get_full_name()} if user.get_full_name() else {}),
        **({"emails": [{"value": user.email, "type": "work", "primary": True}]} if user.email else {}),
        "active": user.is_active,
        "groups": [{"value": str(group.scim_id), "display": group.display_name, "type": "direct"} for group in groups],
        "meta": {
            "resourceType": "User",
            "created": row.created_at.isoformat(),
            "lastModified": row.changed_at.isoformat(),
            "location": location(request, row.scim_id),
        },
    }


def location(request: HttpRequest, scim_id: UUID) -> str:
    return canonical(request, site_path(f"{PATH}/{scim_id}"))


@transaction.atomic
def create(request: HttpRequest, said: PersonTold) -> ProvisionedUser:
    """Store a person whom the directory names for the first time, or names again after deleting them.

    Who has signed in already is that person, by the same subject. Raises `ScimError`.
    """
    row = ProvisionedUser(user_name=_required(said.user_name), external_id=said.external_id or "")
    _refuse_another(row)
    # Keep what the directory leaves out of somebody who has signed in.
    found = admission.known(_person(row, said))
    if found:
        row.user = found
    row.user = _provisioned(row, said)
    before = ProvisionedUser.objects.select_for_update().filter(user=row.user).first()
    if before and before.deleted_at is None:
        raise taken(f"{_subject_name()} is that of a person who is there already.")
    if before:
        row.pk, row.created_at, row.is_active = before.pk, before.created_at, before.is_active
        row.groups.clear()
    _save(row)
    kind, fields = (Kind.PERSON_ADDED, "") if found is None else (Kind.PERSON_CHANGED, "named by the directory")
    trail.record(request, kind, whom=row.user.username, fields=fields, by=BY)
    # A person deactivated by staff stays so: that the directory names them is no word on that.
    _follow_active(request, row, True if said.is_active is None else said.is_active)
    return row


@transaction.atomic
def change(request: HttpRequest, scim_id: str, said: PersonTold, *, is_whole: bool) -> ProvisionedUser:
    """Store what the directory says of a person now; `is_whole`: what it leaves out is nothing. Raises `ScimError`."""
    row = get(scim_id)
    if is_whole:
        said.user_name = _required(said.user_name)
        said.email = said.email or ""
        if said.whole_name is None:
            said.given_name, said.family_name = said.given_name or "", said.family_name or ""
    if said.is_active is False:
        # First: who has left is out, whatever else the directory says of them and is refused.
        _follow_active(request, row, is_active=False)
        fields = _rename_leaver(row, said)
    else:
        fields = _rename(row, said)
    before = [getattr(row.user, name) for name in ("first_name", "last_name", "email")]
    _learn(row, said)
    after = [getattr(row.user, name) for name in ("first_name", "last_name", "email")]
    fields += [name for name, was, now in zip(("name", "name", "email"), before, after, strict=True) if was != now]
    if fields:
        row.changed_at = timezone.now()
        _save(row)
        trail.record(
            request, Kind.PERSON_CHANGED, whom=row.user.username, fields=", ".join(dict.fromkeys(fields)), by=BY
        )
    if said.is_active:
        _follow_active(request, row, is_active=True)
    return row


@transaction.atomic
def delete(request: HttpRequest, scim_id: str) -> None:
    """Deactivate a person, and forget that the directory has named them until it does again."""
    row = get(scim_id)
    if row.user.is_active:
        # Staff may have readmitted them against the directory's last word: this is a new one.
        row.is_active = True
    _follow_active(request, row, is_active=False)
    row.groups.clear()
    if fields := admission.follow_groups(row.user, admission.role_groups()):
        trail.record(request, Kind.PERSON_CHANGED, whom=row.user.username, fields=", ".join(fields), by=BY)
    row.deleted_at = row.changed_at = timezone.now()
    _save(row)


def _follow_active(request: HttpRequest, row: ProvisionedUser, is_active: bool) -> None:  # noqa: FBT001
    """Offboard or readmit a person, if the directory's word differs from its last."""
    if is_active == row.is_active:
        return
    row.is_active, row.changed_at = is_active, timezone.now()
    row.save(update_fields=["is_active", "changed_at"])
    if not is_active:
        offboarding.end_at_once(row.user, request=request, by=BY)
        # A row of this transaction: workers see it once all of this is done.
        tasks.nudge(tasks.remove_unheld)
    elif not row.user.is_active:
        row.user.is_active = True
        row.user.save(update_fields=["is_active"])
        fields = ["active", *admission.follow_groups(row.user, admission.role_groups())]
        trail.record(request, Kind.PERSON_CHANGED, whom=row.user.username, fields=", ".join(fields), by=BY)
    row.user.refresh_from_db()


def _rename(row: ProvisionedUser, said: PersonTold) -> list[str]:
    """Take another name or external id; return the attributes that change. Raises `ScimError`."""
    before = _subject(row)
    fields = []
    if said.user_name is not None and _required(said.user_name) != row.user_name:
        row.user_name = said.user_name
        fields.append("userName")
    if said.external_id is not None and said.external_id != row.external_id:
        row.external_id = said.external_id
        fields.append("externalId")
    if fields:
        _refuse_another(row)
    if _as_compared(_subject(row)) != _as_compared(before):
        _change_subject(row.user, before, _subject(row))
    return fields


def _rename_leaver(row: ProvisionedUser, said: PersonTold) -> list[str]:
    """Take another name or external id as far as it is not refused: a directory renames leavers as it deletes them."""
    before = row.user_name, row.external_id
    try:
        return _rename(row, said)
    except ScimError:
        row.user_name, row.external_id = before
        return []


def _as_compared(subject: str) -> str:
    """Return a subject as sign-in compares it: proxies write names with or without capital letters."""
    return subject.casefold() if settings.PROXY_HEADER else subject


def _change_subject(user: User, before: str, after: str) -> None:
    """Have another subject be this person at sign-in: only until they have signed in, or connected Omni.

    Else whoever may speak for the directory could read as them.
    """
    if user.last_login or user.credentials.exists():
        raise invalid(f"{_subject_name()} cannot change once the person has signed in.", "mutability")
    lookup = "subject__iexact" if settings.PROXY_HEADER else "subject"
    of_issuer = Identity.objects.filter(issuer=admission.issuer_of_directory())
    identity = of_issuer.filter(user=user, **{lookup: before}).first()
    if not after or of_issuer.filter(**{lookup: after}).exists():
        raise taken(f"{_subject_name()} is missing, or is somebody else’s.")
    if identity:
        identity.subject = after
        identity.save(update_fields=["subject"])


def _learn(row: ProvisionedUser, said: PersonTold) -> None:
    if (said.given_name, said.family_name, said.whole_name, said.email) != (None, None, None, None):
        admission.learn(row.user, _person(row, said))


def _person(row: ProvisionedUser, said: PersonTold) -> Person:
    """Return the person as sign-in would describe them, with what the directory has not mentioned as it is."""
    user = row.user if row.user_id else User()
    first, last = said.given_name, said.family_name
    if first is None and last is None and said.whole_name is not None:
        first, _, last = said.whole_name.partition(" ")
    email = user.email if said.email is None else said.email
    return Person(
        issuer=admission.issuer_of_directory(),
        subject=_subject(row),
        usernames=(row.user_name.partition("@")[0], row.user_name),
        email=email,
        # The directory gives people their addresses.
        email_is_verified=bool(email),
        first_name=user.first_name if first is None else first,
        last_name=user.last_name if last is None else last,
        # Roles follow the groups, see `follow_groups`.
        groups=None,
        ignores_case=bool(settings.PROXY_HEADER),
    )


def _provisioned(row: ProvisionedUser, said: PersonTold) -> User:
    try:
        return admission.provision(_person(row, said))
    except Refused as refused:
        if refused.why == "no-subject":
            raise invalid(f"{_subject_name()} is required: sign-in knows people by it.") from None
        raise ScimError(HTTPStatus.SERVICE_UNAVAILABLE, refused.sentence) from None


def _subject(row: ProvisionedUser) -> str:
    return row.external_id if settings.SCIM_SUBJECT == "externalId" else row.user_name


def _subject_name() -> str:
    return str(settings.SCIM_SUBJECT)


def _required(user_name: str | None) -> str:
    if not user_name:
        raise invalid("userName is required.")
    return user_name


def _refuse_another(row: ProvisionedUser) -> None:
    others = ProvisionedUser.objects.standing().exclude(pk=row.pk)
    if others.filter(user_name__iexact=row.user_name).exists():
        raise taken("userName is that of another person.")
    if row.external_id and others.filter(external_id=row.external_id).exists():
        raise taken("externalId is that of another person.")


def _save(row: ProvisionedUser) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:  # the same was named at the same moment
        raise taken("userName or externalId is that of another person.") from None


def uuid_of(text: str) -> UUID:
    """Return the id; that of nobody where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
