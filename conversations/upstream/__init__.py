"""Asking Omni: never over its limit, never the same thing twice at once, and not for long where it is dead."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError
from django.utils import timezone

from conversations.upstream import budget, request, single_flight
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import Client, NotSent, NotVisible
from omniviewer.operations import database_clock, database_errors
from omniviewer.operations.database_errors import Trouble

Reply = TypeVar("Reply")
_UNWRITABLE = {
    Trouble.FULL: "Nothing new can be stored: this site’s database disk is full or failing.",
    Trouble.READ_ONLY: "Nothing new can be stored: this site’s database is read-only.",
}


def forget_unused() -> None:
    """Delete the requests that no longer count, and those whose end nobody waits for."""
    budget.forget_unused()
    single_flight.forget_old()


def fetch(  # noqa: PLR0913  (they are one request, and what to do with its reply)
    token: ApiToken,
    route: str,
    *key: object,
    call: Callable[[Client], Reply],
    urgency: Urgency,
    store: Callable[[Reply, datetime], None],
    refused: Callable[[NotVisible], None] | None = None,
    since: datetime | None = None,
) -> None:
    """Ask Omni with this token, and give `store` the reply and the time of asking. Raises `OmniError`.

    That time is by the database's clock: other machines compare it with theirs.
    The request is known by `route`, its name in logs and metrics, and `key`. Where the same one is under way with this
    token, in any process, wait for its end instead; `since` (now) is the time after which its end is good enough.
    `refused` handles a refusal, and may raise it again; without, it is raised.
    """

    def work() -> None:
        asked_at = database_clock.now()
        try:
            reply = request.send(token, route, call, urgency)
        except NotVisible as refusal:
            if refused is None:
                raise
            refused(refusal)
        else:
            store(reply, asked_at)

    by_database = (since or timezone.now()) + database_clock.ahead()
    try:
        single_flight.once(token.digest, token.instance, route, *key, since=by_database, work=work)
    except DatabaseError as error:
        trouble = database_errors.trouble(error)
        if trouble is None or not trouble.hinders_writing_only:
            raise
        # Stored data can be read. No `CannotAsk`: Omni could be asked, so nothing is shown for longer.
        database_errors.log(trouble, error)
        raise NotSent(_UNWRITABLE[trouble], outcome="unwritable") from error
