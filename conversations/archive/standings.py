"""Where the evidence of each answer stands, without asking: told apart here, since Omni has one `404` for all."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.utils import timezone

from conversations import asking
from conversations.archive.outcomes import Opened
from conversations.models import OMNI_KEEPS, Capture, Job
from conversations.omni import OmniError

# No job takes as long: one that was running before that has ended since, one way or the other.
_LONGEST_JOB = timedelta(hours=1)


class Standing(Enum):
    KEPT = "kept"
    AT_OMNI = "at-omni"
    NO_JOB = "no-job"
    RUNNING = "running"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DROPPED = "dropped"
    NOTHING = "nothing"
    NOT_SHOWN = "not-shown"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True)
class Line:
    """What stands under an answer before anybody opens it. `until` is when Omni will drop it, as far as we can tell."""

    position: int
    standing: Standing
    topic: str = ""
    queries: int = 0
    rows: int = 0
    kept_at: datetime | None = None
    until: datetime | None = None
    # Omni's own words: why it failed, or how far it is.
    said: str = ""
    is_queued: bool = False

    @property
    def state(self) -> str:
        return self.standing.value

    @property
    def may_be_kept(self) -> bool:
        return self.standing is Standing.AT_OMNI


def standing_of(job: Job | None, written_at: datetime | None, token: str) -> Standing:
    """Of an answer that was written then, as far as is known; `token` is the digest of the reader's."""
    now = timezone.now()
    done_at = (job.finished_at if job else None) or written_at
    is_old = done_at is not None and now - done_at >= OMNI_KEEPS
    if job is None:
        return Standing.EXPIRED if is_old else Standing.AT_OMNI
    is_running = job.is_running and now - job.asked_at < _LONGEST_JOB
    told = {
        Standing.KEPT: job.kept_at,
        Standing.DROPPED: job.dropped_at,
        Standing.FAILED: job.state == "FAILED",
        Standing.CANCELLED: job.state == "CANCELLED",
        Standing.RUNNING: is_running,
        Standing.EXPIRED: is_old,
        Standing.NOTHING: job.no_result_at,
        Standing.NOT_SHOWN: token and job.refused_to == token,
    }
    return next((standing for standing, is_so in told.items() if is_so), Standing.AT_OMNI)


def standings(opened: Opened, positions: Iterable[int] | None = None) -> dict[int, Line]:
    """By position, for every answer that names its job; or for these alone."""
    conversation = opened.conversation
    answers = conversation.messages.exclude(job_id=None)
    if positions is not None:
        answers = answers.filter(position__in=list(positions))
    rows = list(answers.order_by("position").values_list("position", "job_id", "created_at"))
    if not rows:
        return {}
    known = Job.objects.filter(instance=conversation.instance, omni_id__in=answers.values("job_id"))
    jobs = {job.omni_id: job for job in known if job.conversation_id in (None, conversation.omni_id)}
    queued = set(Capture.objects.filter(conversation=conversation).values_list("job_id", flat=True))
    token = token_of(opened) if any(job.refused_to for job in jobs.values()) else ""
    return {position: _line(position, jobs.get(job), at, token, job in queued) for position, job, at in rows if job}


def token_of(opened: Opened) -> str:
    """The digest of the token that it is read with; "" where it cannot be used."""
    try:
        return asking.digest_of(opened.credential)
    except OmniError:
        return ""


def _line(position: int, job: Job | None, at: datetime | None, token: str, is_queued: bool) -> Line:  # noqa: FBT001
    standing = standing_of(job, at, token)
    done_at = (job.finished_at if job else None) or at
    return Line(
        position=position,
        standing=standing,
        topic=job.topic if job else "",
        queries=job.query_count if job else 0,
        rows=job.row_count if job else 0,
        kept_at=job.kept_at if job else None,
        until=done_at + OMNI_KEEPS if done_at else None,
        said=_said(job, standing),
        is_queued=is_queued and standing is Standing.AT_OMNI,
    )


def _said(job: Job | None, standing: Standing) -> str:
    if job and standing in (Standing.FAILED, Standing.CANCELLED):
        return job.error
    return job.progress if job and standing is Standing.RUNNING else ""


def unkept(lines: Iterable[Line]) -> list[Line]:
    """Those that are on their way here."""
    return [line for line in lines if line.is_queued or line.standing is Standing.RUNNING]
