"""Offboarding: somebody has left the company. One rule, for the command and for the company's directory (SCIM)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from conversations.archive import credentials
from conversations.archive.personal_data import RELATIONS, AtLeaving
from omniviewer.accounts import sessions
from omniviewer.accounts.models import Credential, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

_SESSIONS = "django_session"


@dataclass(frozen=True)
class Leaves:
    """Rows of a table that refer to the person who leaves. `because`: the reason for keeping them."""

    table: str
    count: int
    because: str = ""

    def __str__(self) -> str:
        kept = f"kept: {self.because}" if self.because else "deleted"
        return f"{self.table}: {self.count:,} {kept}"


def preview(user: User) -> list[Leaves]:
    """Return what goes and what stays, by table, when this person is offboarded."""
    # One line a table: a person may have both set and lifted a hold, which is one row.
    keys: dict[tuple[str, str], set[Any]] = {}
    for relation in RELATIONS:
        known = keys.setdefault((relation.table, relation.because), set())
        known.update(relation.rows(user).values_list("pk", flat=True))
    rows = [Leaves(table, len(known), because) for (table, because), known in keys.items()]
    return [Leaves(_SESSIONS, len(sessions.stored_of(user))), *rows]


def end(
    user: User,
    heirs: Mapping[Credential, Credential] | None = None,
    *,
    request: HttpRequest | None = None,
    by: str = "",
) -> list[Leaves]:
    """End sessions, delete what the person owns and deactivate the account; return what went and what stayed.

    What only their tokens could read is left to `removal.run`, but for what `heirs` take over. Doing it again changes
    nothing, and is no event.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        told = preview(user)
        _remove_credentials(user, heirs or {}, request, by)
        for relation in RELATIONS:
            if relation.at_leaving is AtLeaving.DELETE:
                relation.rows(user).delete()
        sessions.delete_of(user)
        if user.is_active or any(row.count for row in told if not row.because):
            trail.record(request, Kind.PERSON_OFFBOARDED, whom=user.username, by=by)
        user.is_active = user.is_staff = user.is_superuser = user.is_auditor = False
        user.set_unusable_password()
        user.save()
    return told


def _remove_credentials(
    user: User, heirs: Mapping[Credential, Credential], request: HttpRequest | None, by: str
) -> None:
    for credential in Credential.objects.owned_by(user):
        pk, instance, heir = credential.pk, credential.instance, heirs.get(credential)
        credentials.remove(credential, heir=heir.api_token if heir else None)
        about: trail.About = {"instance": instance, "credential_id": pk, "by": by}
        trail.record(request, Kind.CREDENTIAL_REMOVED, user=user, **about)
        if heir:
            about["whom"] = heir.owner.username
            trail.record(request, Kind.HANDED_OVER, user=user, **about)
