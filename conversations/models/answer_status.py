"""State of an answer: its outcome, and the status of its evidence, each with its words for a page."""

from enum import Enum, StrEnum


class Outcome(StrEnum):
    """Outcome of a conversation's answers, as `state:` names it in a search query."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"
    UNANSWERED = "unanswered"
    ANSWERED = "answered"

    @classmethod
    def from_job(cls, state: str) -> "Outcome | None":
        """Return the outcome that Omni's state of a job stands for; None for a state that Omni may add one day."""
        return _BY_STATE.get(state)

    @property
    def job_states(self) -> tuple[str, ...]:
        """Return Omni's states of a job that stand for this outcome."""
        return tuple(state for state, outcome in _BY_STATE.items() if outcome is self)

    @property
    def is_told_by_job(self) -> bool:
        """Return whether only the job tells this outcome: messages show whether there is an answer."""
        return self in (Outcome.FAILED, Outcome.CANCELLED, Outcome.RUNNING)


# The states of a job in Omni's reference.
_BY_STATE = {
    **dict.fromkeys(("QUEUED", "EXECUTING", "DELIVERING"), Outcome.RUNNING),
    "COMPLETE": Outcome.ANSWERED,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.CANCELLED,
}


class AnswerStatus(Enum):
    """Status of one answer: of its job, and of the job's evidence.

    The value stands in the manifest of an evidence bundle; `sentence` tells readers, on pages and in files.
    """

    CAPTURED = "kept", "Captured"
    DUE = "at-omni", "Not captured yet"
    RUNNING = "running", "Not finished"
    FAILED = "failed", "The job failed"
    CANCELLED = "cancelled", "The job was cancelled"
    EXPIRED = "expired", "Omni has deleted this evidence, as it does after 14 days, and it was not captured in time"
    REMOVED = "dropped", "No longer stored: this site deletes evidence after a set time, and Omni after 14 days"
    EMPTY = "nothing", "Omni has no evidence for this answer"
    HIDDEN = "not-shown", "Omni does not show this job: it was deleted, or this reader does not have access to it"
    NO_JOB = "no-job", "Omni gives no job id for this message, so there is no evidence"
    UNREACHED = "not-reached", "Omni cannot be reached right now"

    def __new__(cls, value: str, _sentence: str) -> "AnswerStatus":
        member = object.__new__(cls)
        member._value_ = value
        return member

    def __init__(self, _value: str, sentence: str) -> None:
        self.sentence = sentence

    @property
    def word(self) -> str:
        """Return a word that stands beside "Answer" if the answer did not come out well, or not yet; else ""."""
        return _WORDS.get(self, "")

    @property
    def is_captured(self) -> bool:
        return self is AnswerStatus.CAPTURED

    @property
    def is_due(self) -> bool:
        """Return whether the evidence is still to be fetched from Omni."""
        return self is AnswerStatus.DUE

    @property
    def is_running(self) -> bool:
        return self is AnswerStatus.RUNNING

    @property
    def is_wrong(self) -> bool:
        return self in (AnswerStatus.FAILED, AnswerStatus.UNREACHED)

    @property
    def may_change(self) -> bool:
        """Return whether looking again may show more."""
        return self in (AnswerStatus.RUNNING, AnswerStatus.UNREACHED)

    @property
    def is_final(self) -> bool:
        """Return whether asking Omni again cannot change it."""
        return self in (AnswerStatus.CAPTURED, AnswerStatus.REMOVED, AnswerStatus.FAILED, AnswerStatus.CANCELLED)

    @property
    def may_show_evidence(self) -> bool:
        """Return whether opening the evidence may show more than the status."""
        return self not in (AnswerStatus.EXPIRED, AnswerStatus.REMOVED, AnswerStatus.EMPTY)


_WORDS = {
    AnswerStatus.FAILED: "Failed",
    AnswerStatus.CANCELLED: "Cancelled",
    AnswerStatus.RUNNING: "Running",
}
