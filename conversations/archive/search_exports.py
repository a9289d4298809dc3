"""Reading ahead for exports of whole searches, so that each file can be made from what is stored."""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from conversations.archive import lists, threads
from conversations.archive.outcomes import CannotShow
from conversations.models import Access, Reader
from conversations.models.search_export import MAX_CONVERSATIONS, MAX_UNFINISHED, SearchExport
from conversations.search import shown_row
from conversations.search.shown_row import ShownRow
from conversations.search.syntax import Asked
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import Credential, User

# Conversations after which progress is stored.
_STEP = 10
# Wait after Omni could not be asked, where it does not say for how long.
_WAIT_SECONDS = 30.0
_WAITS = (CannotShow.LIMITED, CannotShow.NOT_REACHED)
# Keys of one statement.
_AT_ONCE = 500


class TooManyExports(Exception):
    """The person's other exports are still being read."""


def begin(user: User, through: Sequence[Credential], asked: Asked) -> SearchExport:
    """Store an export of what the query finds now, as the list does. Raises `CannotShow`, `TooManyExports`."""
    if SearchExport.objects.owned_by(user).unfinished().count() >= MAX_UNFINISHED:
        raise TooManyExports
    found = _found(user, through, asked) or (_found(user, through, asked.beginnings) if asked.beginnings else [])
    wanted = [[instance, str(omni_id)] for instance, omni_id in found[:MAX_CONVERSATIONS]]
    return SearchExport.objects.create(
        owner=user, query=asked.typed[:1000], wanted=wanted, is_cut=len(found) > MAX_CONVERSATIONS
    )


def _found(user: User, through: Sequence[Credential], asked: Asked) -> list[tuple[str, UUID]]:
    """Return the instance and id of each match, the newest first: one more than an export takes at most."""
    rows = lists.stored_finder(user, through, asked, "activity").matches(MAX_CONVERSATIONS + 1).order_by("-recency")
    return list(rows.values_list("conversation__instance", "conversation__omni_id")[: MAX_CONVERSATIONS + 1])


def run(seconds: float) -> bool:
    """Read ahead for one export that is due, for so many seconds; return whether there was one."""
    export = SearchExport.objects.claim()
    if export is None:
        return False
    until = time.monotonic() + seconds
    export.waits_because, export.not_before = "", timezone.now()
    try:
        while export.done < export.total and time.monotonic() < until:
            error = _read_next(export)
            if error is not None and error.why in _WAITS:
                export.waits_because = error.sentence[:300]
                export.not_before += timedelta(seconds=error.retry_after or _WAIT_SECONDS)
                break
            if export.done % _STEP == 0 and not export.keep("done", "missing"):
                return True
        if export.done >= export.total:
            export.finished_at = timezone.now()
    except Exception:
        export.not_before += timedelta(seconds=_WAIT_SECONDS)
        raise
    finally:
        export.claimed_until = None
        export.keep("done", "missing", "waits_because", "not_before", "finished_at", "claimed_until")
    return True


def _read_next(export: SearchExport) -> CannotShow | None:
    """Read the next conversation, unless it is stored; return why it could not be shown, if so."""
    instance, omni_id = export.wanted[export.done]
    try:
        threads.open(export.owner, UUID(omni_id), instance=instance, urgency=Urgency.BACKGROUND)
    except CannotShow as error:
        if error.why not in _WAITS:
            export.missing[f"{instance}/{omni_id}"] = error.sentence or "Omni does not show it to you."
            export.done += 1
        return error
    export.done += 1
    return None


def not_included(export: SearchExport) -> dict[str, str]:
    """Return the reasons for the conversations that Omni did not show, by id, as far as their rows may be seen now."""
    rows = Access.objects.rows_of(Reader.for_user(export.owner))
    named = {tuple(key.rsplit("/", 1)): reason for key, reason in export.missing.items()}
    ids = [UUID(omni_id) for _, omni_id in named]
    seen = rows.filter(conversation__omni_id__in=ids).values_list("conversation__instance", "conversation__omni_id")
    shown = {(instance, str(omni_id)) for instance, omni_id in seen}
    return {key[1]: reason for key, reason in named.items() if key in shown}


def conversations(export: SearchExport) -> list[ShownRow]:
    """Return the conversations of a finished export whose rows its owner may see now, in their order."""
    reader = Reader.for_user(export.owner)
    place = {(instance, omni_id): number for number, (instance, omni_id) in enumerate(export.wanted)}
    ids = [UUID(omni_id) for instance, omni_id in place if f"{instance}/{omni_id}" not in export.missing]
    found: dict[int, ShownRow] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows = Access.objects.rows_of(reader).each_once(reader)
        for row in shown_row.load(reader, rows.filter(conversation__omni_id__in=ids[start : start + _AT_ONCE])).rows:
            number = place.get((row.instance, str(row.omni_id)))
            if number is not None:
                found[number] = row
    return [found[number] for number in sorted(found)]
