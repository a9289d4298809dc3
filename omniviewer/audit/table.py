"""The audit log as CSV, for a spreadsheet or another program."""

from collections.abc import Iterator
from itertools import chain

from omniviewer import spreadsheet
from omniviewer.audit.models import Event, EventQuerySet

_NAMES = (
    "time",
    "who",
    "event",
    "result",
    "conversation",
    "message",
    "ticket",
    "by",
    "instance",
    "credential",
    "address",
    "whom",
    "fields",
)


def lines(events: EventQuerySet) -> Iterator[str]:
    """Yield the lines of the CSV file, read in batches however many there are. Times are in UTC, as in the database."""
    rows = (
        tuple("" if value is None else str(value) for value in _values(event))
        for event in events.iterator(chunk_size=1000)
    )
    return spreadsheet.lines(chain([_NAMES], rows))


def _values(event: Event) -> tuple[object, ...]:
    return (
        event.at.isoformat(timespec="milliseconds"),
        event.who,
        event.kind,
        event.result,
        event.conversation_id,
        event.position,
        event.ticket,
        event.by,
        event.instance,
        event.credential_id,
        event.address,
        event.whom,
        event.fields,
    )
