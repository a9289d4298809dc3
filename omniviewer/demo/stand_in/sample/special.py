"""A conversation that is written out, in contrast to those that are drawn."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

from omniviewer.demo.stand_in.organization import Action

Kind = Literal["", "failed", "cancelled", "executing", "no job", "no link"]


@dataclass(frozen=True)
class Special:
    """A conversation of `owner`, begun at `clock` ("HH:MM") so many working days ago, or `minutes` ago.

    `kind` is the state of the answer of the turn `of_turn`; `pauses` precede each later turn; `actions` are what the
    job of the last answer did.
    """

    name: str | None
    turns: tuple[tuple[str, str | None], ...]
    kind: Kind = ""
    of_turn: int = -1
    owner: str = "Ana Lindqvist"
    working_days: int = 0
    clock: str = "10:00"
    minutes: int = 0
    pauses: tuple[timedelta, ...] = ()
    topic: str | None = "order_items"
    actions: tuple[Action, ...] = ()
    chart: bool = False
    seconds: int = 20
    # Turns whose answers name no job, counted from the first.
    turns_without_job: int = 0
    # A failed job's error, as Omni words it.
    reason: str = ""
    detail: str = "The query was stopped."
    code: str = "QUERY_FAILED"
    # The progress of a running job, its answer's text once it is complete, and when that is, in minutes from now.
    progress: str = ""
    in_the_end: str = ""
    ends_in: int = 2

    def starts_at(self, now: datetime) -> datetime:
        if self.minutes:
            return now - timedelta(minutes=self.minutes)
        return working_day(now, self.working_days, time.fromisoformat(self.clock))


def working_day(now: datetime, count: int, at: time) -> datetime:
    """Return this time of the day that lies so many working days before today."""
    day = now
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() < 5
    return day.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
