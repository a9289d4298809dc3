"""Status of each answer's evidence, without asking Omni, whose `404` does not say why there is none."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.text import Truncator

from conversations.archive.outcomes import Opened
from conversations.models import (
    LONGEST_JOB,
    OMNI_KEEPS,
    AnswerStatus,
    Capture,
    EvidenceRight,
    EvidenceRights,
    Job,
    Message,
    Outcome,
    is_over,
)
from conversations.models.keys import Ids

# The statuses of answers that came to nothing, whoever may see their evidence.
FAILURES = {Outcome.FAILED: AnswerStatus.FAILED, Outcome.CANCELLED: AnswerStatus.CANCELLED}
# Most characters of Omni's words that stand above an answer.
_MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class EvidenceSummary:
    """Evidence of one answer before anybody opens it. `until` estimates when Omni will drop it."""

    position: int
    status: AnswerStatus
    topic: str = ""
    queries: int = 0
    rows: int = 0
    # True if Omni's chart is stored.
    has_chart: bool = False
    kept_at: datetime | None = None
    until: datetime | None = None
    # Omni's own words: why the job failed, or its progress.
    said: str = ""
    is_queued: bool = False
    # How long the job took, where Omni told.
    took: timedelta | None = None

    @property
    def reason(self) -> str:
        """Return Omni's words for why there is no answer, as they stand above it."""
        return "" if self.status.is_running else Truncator(self.said).chars(_MAX_REASON_CHARS)

    @property
    def may_show_more(self) -> bool:
        """Return whether opening the evidence may show more than what stands above the answer."""
        if self.status in FAILURES.values():
            return self.reason != self.said
        return self.status.may_show_evidence


def status_of(job: Job | None, written_at: datetime | None, right: EvidenceRight) -> AnswerStatus:
    """Return the status of an answer, as far as the reader may know; `job` only where the right allows it."""
    done_at = (job.finished_at if job else None) or written_at
    if job is None and right is EvidenceRight.REFUSED:
        return AnswerStatus.HIDDEN
    if job is None:
        return AnswerStatus.EXPIRED if is_over(done_at) else AnswerStatus.DUE
    has_result = right is EvidenceRight.SHOWN
    if has_result and (job.kept_at or job.dropped_at):
        return AnswerStatus.CAPTURED if job.kept_at else AnswerStatus.REMOVED
    if job.outcome in FAILURES:
        return FAILURES[job.outcome]
    return _status_without_result(job, done_at, has_result=has_result)


def _status_without_result(job: Job, done_at: datetime | None, *, has_result: bool) -> AnswerStatus:
    if job.is_running and timezone.now() - job.asked_at < LONGEST_JOB:
        return AnswerStatus.RUNNING
    if is_over(done_at):
        return AnswerStatus.EXPIRED
    return AnswerStatus.EMPTY if job.no_result_at or not has_result else AnswerStatus.DUE


class Jobs:
    """The jobs of a conversation's answers, as far as the reader may see them."""

    def __init__(
        self,
        opened: Opened,
        answers: Mapping[UUID, datetime | None],
        rights: EvidenceRights | None = None,
        rows: Iterable[Job] | None = None,
    ) -> None:
        """Take the time at which each answer was written, by the id of its job.

        `rights` to these jobs, and their `rows`: if the caller has read them.
        """
        self.positions: dict[int, UUID] = {}
        conversation = opened.conversation
        if rows is None:
            rows = Job.objects.filter(instance=conversation.instance, omni_id__in=Ids(answers))
        # Ignore jobs of other conversations: this conversation gives no right to them.
        known = {job.omni_id: job for job in rows}
        its = conversation.instance, conversation.omni_id
        self._own = {key: job for key, job in known.items() if job.may_belong_to(*its)}
        self._foreign = known.keys() - self._own.keys()
        self._answers = answers
        self._rights = rights or opened.evidence_rights(answers.keys())

    @classmethod
    def of_answers(cls, opened: Opened, positions: Collection[int] | None = None) -> "Jobs":
        """Return the jobs of all answers that name one, or of the answers at these positions."""
        answers = opened.conversation.shown_messages.exclude(job_id=None)
        if positions is not None:
            answers = answers.filter(position__in=positions)
        rows = list(answers.order_by("position").values_list("position", "job_id", "created_at"))
        jobs = cls(opened, {job_id: at for _, job_id, at in rows if job_id})
        jobs.positions = {position: job_id for position, job_id, _ in rows if job_id}
        return jobs

    @classmethod
    def for_messages(
        cls,
        opened: Opened,
        messages: Iterable[Message],
        rights: EvidenceRights | None = None,
        rows: Iterable[Job] | None = None,
    ) -> "Jobs":
        """Return the jobs of these answers."""
        named = [(message, message.job_id) for message in messages if message.job_id]
        jobs = cls(opened, {job_id: message.created_at for message, job_id in named}, rights, rows)
        jobs.positions = {message.position: job_id for message, job_id in named}
        return jobs

    def right(self, job_id: UUID) -> EvidenceRight:
        if job_id in self._foreign:
            return EvidenceRight.REFUSED
        job = self._own.get(job_id)
        return self._rights.right_to(job_id, (job.finished_at if job else None) or self._answers.get(job_id))

    def get(self, job_id: UUID) -> Job | None:
        """Return a job with all that is stored of it; None if nothing is stored, or the reader may not see it."""
        return self._own.get(job_id) if self.right(job_id) is EvidenceRight.SHOWN else None

    def told(self, job_id: UUID) -> Job | None:
        """Return a job of which the reader may see what the job route says: its state, its topic, its error."""
        is_told = self.right(job_id) in (EvidenceRight.SHOWN, EvidenceRight.WITHOUT_RESULT)
        return self._own.get(job_id) if is_told else None

    def is_foreign(self, job_id: UUID) -> bool:
        """Return whether the job belongs to another conversation."""
        return job_id in self._foreign

    def is_stored(self, job_id: UUID) -> bool:
        """Return whether the job's evidence is stored, regardless of who may see it."""
        job = self._own.get(job_id)
        return job is not None and job.kept_at is not None

    def routes_to_ask(self, job_id: UUID, token_key: int) -> set[str]:
        """Return which of the routes `job` and `result` a token has to ask, to be shown the evidence.

        Evidence that is not stored needs the result route; otherwise the cheaper job route is enough. Only the route
        that refused can undo its refusal.
        """
        first = "job" if self.is_stored(job_id) else "result"
        return {first, *self._rights.refusals(job_id, token_key)}

    def written_at(self, job_id: UUID) -> datetime | None:
        return self._answers.get(job_id)

    def status(self, job_id: UUID) -> AnswerStatus:
        return status_of(self.told(job_id), self._answers.get(job_id), self.right(job_id))


def by_position(
    opened: Opened, positions: Collection[int] | None = None, jobs: Jobs | None = None
) -> dict[int, EvidenceSummary]:
    """Return summaries by position, of these answers or all that name a job. `jobs`: if the caller has them."""
    jobs = jobs or Jobs.of_answers(opened, positions)
    if not jobs.positions:
        return {}
    queued: set[UUID] = set()
    if any(jobs.status(job_id).is_due for job_id in jobs.positions.values()):
        tokens = [access.api_token_id for access in opened.accesses]
        own = Capture.objects.filter(conversation=opened.conversation, api_token__in=tokens)
        queued = set(own.values_list("job_id", flat=True))
    return {position: _summary(position, jobs, job_id, job_id in queued) for position, job_id in jobs.positions.items()}


def _summary(position: int, jobs: Jobs, job_id: UUID, is_queued: bool) -> EvidenceSummary:  # noqa: FBT001
    job, status = jobs.told(job_id), jobs.status(job_id)
    stored = jobs.get(job_id)
    done_at = (job.finished_at if job else None) or jobs.written_at(job_id)
    return EvidenceSummary(
        position=position,
        status=status,
        topic=job.topic if job else "",
        queries=stored.query_count if stored else 0,
        rows=stored.row_count if stored else 0,
        has_chart=bool(stored and stored.has_chart),
        kept_at=stored.kept_at if stored else None,
        until=done_at + OMNI_KEEPS if done_at else None,
        said=words_of(job, status),
        is_queued=is_queued and status is AnswerStatus.DUE,
        took=job.took if job else None,
    )


def words_of(job: Job | None, status: AnswerStatus) -> str:
    """Return Omni's own words for a status: why the job failed, or its progress; "" if there are none."""
    if job and status in FAILURES.values():
        return job.error
    return job.progress if job and status.is_running else ""


def pending(summaries: Iterable[EvidenceSummary]) -> list[EvidenceSummary]:
    """Return the answers whose evidence is queued for capture, or whose job is still running."""
    return [summary for summary in summaries if summary.is_queued or summary.status.is_running]
