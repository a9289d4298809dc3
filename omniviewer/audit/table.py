"""The audit log as CSV, for a spreadsheet or another program."""

import csv
from collections.abc import Iterator

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
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def lines(events: EventQuerySet) -> Iterator[str]:
    """One line at a time, however many there are. Times are UTC, as the database gives them."""
    writer = csv.writer(_Line())
    yield writer.writerow(_NAMES)
    for event in events.iterator(chunk_size=1000):
        yield writer.writerow(_cell(value) for value in _values(event))


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


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
