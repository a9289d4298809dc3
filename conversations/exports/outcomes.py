"""Facts that a file tells of a conversation besides its messages: who asked, and why answers failed."""

from dataclasses import dataclass
from typing import NamedTuple

from conversations.archive import evidence_status, people
from conversations.archive.outcomes import Opened
from conversations.models import AnswerStatus, Job

_LABELS = {AnswerStatus.FAILED: "Error", AnswerStatus.CANCELLED: "Cancelled"}


class Failure(NamedTuple):
    """An answer that did not come out well; `reason` is Omni's, or says that Omni gave none."""

    status: AnswerStatus
    reason: str

    @property
    def label(self) -> str:
        return _LABELS[self.status]


@dataclass(frozen=True)
class Told:
    """Name of the asker, "" if unknown, and failures by position, as far as the reader may know each."""

    asker: str
    failures: dict[int, Failure]


def failure(status: AnswerStatus, said: str) -> Failure | None:
    """Return the failure that a status stands for, with Omni's words for it; None if it is none."""
    return Failure(status, said.strip() or "Omni gave no reason") if status in _LABELS else None


def of_job(job: Job) -> Failure | None:
    """Return the failure of a job that the reader may know."""
    status = evidence_status.FAILURES.get(job.outcome) if job.outcome else None
    return failure(status, job.error) if status else None


def asker(opened: Opened) -> str:
    """Return the name of the person who asked, as far as Omni told the reader."""
    return people.owner_name(opened.reader, opened.conversation, opened.token, ask=False)


def told(opened: Opened) -> Told:
    """Return what the reader may know of a conversation, without asking Omni."""
    found = {
        position: failure(summary.status, summary.said)
        for position, summary in evidence_status.by_position(opened).items()
    }
    return Told(asker(opened), {position: row for position, row in found.items() if row})
