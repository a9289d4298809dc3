"""The one place that writes the audit log. A log that cannot be written is an error in the logs, never in a page."""

import logging
from contextlib import nullcontext
from typing import TypedDict, Unpack
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error, connection, transaction
from django.http import HttpRequest

from omniviewer.audit.models import OK, By, Event, Kind
from omniviewer.operations.front import client_address

_READING = {Kind.OPENED, Kind.EXPORTED, Kind.SEARCHED}
_LARGEST_POSITION = 2**31 - 1  # of the column
_log = logging.getLogger("omniviewer.audit")


class About(TypedDict, total=False):
    """The subject of an event, as far as it is known. `ticket` only holds text in the form of a ticket key."""

    conversation_id: UUID
    position: int | None
    ticket: str | None
    by: str
    instance: str
    credential_id: int | None
    whom: str
    fields: str


def record(
    request: HttpRequest | None,
    kind: Kind,
    *,
    result: str = OK,
    user: AbstractBaseUser | None = None,
    **about: Unpack[About],
) -> None:
    """Store that `user`, or else the signed-in person, did this just now. Without a request, a command did it to them.

    A HEAD request shows nobody anything to read.
    """
    if request and request.method == "HEAD" and kind in _READING:
        return
    person = user or (request.user if request and request.user.is_authenticated else None)
    event = Event(
        kind=kind,
        result=result[:40],
        user_id=person.pk if person else None,
        who=person.get_username()[:150] if person else "",
        conversation_id=about.get("conversation_id"),
        position=_position(about.get("position")),
        ticket=(about.get("ticket") or "")[:100],
        by=about.get("by", "")[:20] if request else By.COMMAND,
        instance=about.get("instance", "")[:260],
        credential_id=about.get("credential_id"),
        whom=about.get("whom", "")[:150],
        fields=about.get("fields", "")[:300],
        address=_address_of(request) if request else None,
    )
    error = _keep(event)
    # The subject of the event stays in the log that staff may read: lines may be sent elsewhere.
    line = {"kind": event.kind, "result": event.result, "user_id": event.user_id, "by": event.by, "number": event.pk}
    if error:
        line["error"] = type(error).__name__
    _log.log(logging.ERROR if error else logging.INFO, "audit", extra=line)


def refused(request: HttpRequest, name: str, *, by: str) -> None:
    """Store a refused sign-in as `name`. An unknown name is not stored, because it may be a password."""
    person = get_user_model().objects.filter(username=name).first()
    result = "unknown-name"
    if person:
        result = "wrong-password" if person.is_active else "inactive"
    record(request, Kind.REFUSED, result=result, user=person, by=by)


def _keep(event: Event) -> Error | None:
    try:
        # A savepoint: if the page runs in a transaction, a failure here must not break it.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            event.save()
    except Error as error:
        return error
    return None


def _position(position: int | None) -> int | None:
    return position if position is not None and position <= _LARGEST_POSITION else None


def _address_of(request: HttpRequest) -> str | None:
    address = client_address(request) if settings.AUDIT_IP else None
    return str(address) if address else None
