"""`omniviewer check --live`: a deployment is tried before people and Omni are connected to it.

Each part of the site adds trials of what it depends on. No line ever holds a secret: errors are named by their kind.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from omniviewer.omni import probe


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """A result of a trial, and what to do about it. `part` names it where the trial has several."""

    level: Level
    found: str
    advice: str = ""
    part: str = ""


def ok(found: str) -> Finding:
    return Finding(Level.OK, found)


def warn(found: str, advice: str) -> Finding:
    return Finding(Level.WARN, found, advice)


def fail(found: str, advice: str) -> Finding:
    return Finding(Level.FAIL, found, advice)


@dataclass
class Live:
    """One run: its options, and what trials learn for later ones."""

    send_to: str = ""
    instances: list[str] = field(default_factory=list)
    http_port: int = 80
    # Other machines' clocks: by how much each is ahead of ours.
    clocks: dict[str, timedelta] = field(default_factory=dict)
    has_tables: bool = False

    def get(self, name: str, address: str, *, may_reach: Callable[[str], bool] = lambda _: True) -> probe.Reply:
        """Ask a server of others', and note its clock. Raises `probe.Unreachable`."""
        reply = probe.get(address, may_reach=may_reach)
        if reply.ahead is not None:
            self.clocks[name] = reply.ahead
        return reply


class Trial(NamedTuple):
    """A part of the deployment: `run` tries it. Without tables, one that `needs_tables` is not tried."""

    name: str
    run: Callable[[Live], Iterable[Finding]]
    needs_tables: bool = False


_added: list[Trial] = []


def add(trial: Trial) -> None:
    """Have a run make this trial too, after those of the machine and the site."""
    _added[:] = [*(known for known in _added if known.name != trial.name), trial]


def run(live: Live, first: Iterable[Trial], last: Iterable[Trial]) -> Iterator[tuple[str, Finding]]:
    """Yield the name of each trial with each of its findings."""
    for trial in (*first, *_added, *last):
        if trial.needs_tables and not live.has_tables:
            yield trial.name, warn("not tried without the database and its tables", "Mend these first.")
            continue
        try:
            for finding in trial.run(live):
                yield finding.part or trial.name, finding
        except Exception as error:  # noqa: BLE001  (the other trials are made all the same)
            yield trial.name, fail(f"cannot be tried ({type(error).__name__})", "This is a fault of the check itself.")
