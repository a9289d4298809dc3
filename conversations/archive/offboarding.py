"""Offboarding: one rule for people who left the company, for the command and for the company's directory (SCIM)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from conversations.archive import credentials
from conversations.archive.personal_data import RELATIONS, omni_people, remember
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
    return _leaves(user, sessions.stored_of(user))


def _leaves(user: User, stored: list[sessions.Stored]) -> list[Leaves]:
    # One line a table: a person may have both set and lifted a hold, which is one row.
    by_table: dict[tuple[str, str], QuerySet[Any]] = {}
    for relation in RELATIONS:
        name, rows = (relation.table, relation.because), relation.rows(user)
        by_table[name] = by_table[name] | rows if name in by_table else rows
    counted = [Leaves(table, rows.count(), because) for (table, because), rows in by_table.items()]
    return [Leaves(_SESSIONS, len(stored)), *counted]


def end(
    user: User,
    heirs: Mapping[Credential, Credential] | None = None,
) -> list[Leaves]:
    """End sessions, delete what the person owns and deactivate the account; return what went and what stayed.

    What only their tokens could read is left to `removal.run`, but for what `heirs` take over. Doing it again changes
    nothing, and is no event.
    """
    # Each session has to be decoded to know whose it is: once, and while no row is locked.
    stored = sessions.stored_of(user)
    told = _leaves(user, stored)
    _end(user, heirs or {}, None, "", is_event=any(row.count for row in told if not row.because))
    sessions.delete(stored)
    return told


def end_at_once(user: User, *, request: HttpRequest, by: str) -> None:
    """Do the same in the transaction of a request, uncounted. Rows of sessions go last: they open nothing then."""
    _end(user, {}, request, by, is_event=False)
    transaction.on_commit(lambda: sessions.delete(sessions.stored_of(user)), robust=True)


@transaction.atomic
def _end(
    user: User, heirs: Mapping[Credential, Credential], request: HttpRequest | None, by: str, *, is_event: bool
) -> None:
    """Offboard a person; `is_event`: also where they are deactivated already. Another key ends all sessions."""
    user = User.objects.select_for_update().get(pk=user.pk)
    is_event |= user.is_active
    remember(user, omni_people(user))
    _remove_credentials(user, heirs, request, by)
    for relation in RELATIONS:
        if not relation.because:
            relation.rows(user).delete()
    if is_event:
        trail.record(request, Kind.PERSON_OFFBOARDED, whom=user.username, by=by)
    user.is_active = user.is_staff = user.is_superuser = user.is_auditor = False
    user.set_unusable_password()
    user.save()


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
