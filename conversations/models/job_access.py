"""Rights to evidence: what Omni's job and result routes answered which API token about which job."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from conversations.models.access import Access
from conversations.models.answer_status import Outcome
from conversations.models.conversation import Conversation
from conversations.models.job import OMNI_KEEPS, SOON, Job
from conversations.models.keys import Ids
from conversations.models.message import Message
from conversations.models.reader import Reader, is_valid
from omniviewer.accounts.models import ApiToken

# A job that runs is asked about again in the background after this time: readers who watch it ask more often.
_RUNNING_IS_OLD = timedelta(minutes=2)


class EvidenceRight(Enum):
    """A reader's right to a job's evidence, as far as it is known."""

    SHOWN = "shown"
    # The job route has answered, and the result route refused.
    WITHOUT_RESULT = "without-result"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class JobAccessQuerySet(models.QuerySet["JobAccess"]):
    def soonest_first(self) -> Self:
        """Order by what Omni drops within days, soonest first, then the newest."""
        drops_soon = models.Q(at__lte=timezone.now() - OMNI_KEEPS + SOON)
        soon = models.Case(models.When(drops_soon, then=models.F("at")), default=None)
        return self.order_by(soon.asc(nulls_last=True), "-at", "pk")

    def due(self, token: ApiToken) -> Self:
        """Return the jobs that this token is yet to be asked about, of messages that it may read.

        Once Omni has dropped a job, its answer says nothing of rights: such a job is not due.
        """
        now = timezone.now()
        readable = Access.objects.opened_to(Reader.through(token)).filter(conversation=OuterRef("conversation"))
        unknown = self.filter(api_token=token, shown_at=None, job_refused_at=None, result_refused_at=None)
        return unknown.filter(Exists(readable), at__gt=now - OMNI_KEEPS, not_before__lte=now).soonest_first()

    def running(self, token: ApiToken) -> Self:
        """Return the jobs that this token was shown while they ran, so long ago that asking again may tell more."""
        now = timezone.now()
        asked_at = now - _RUNNING_IS_OLD
        same = Job.objects.running().filter(instance=token.instance, omni_id=OuterRef("job_id"), asked_at__lt=asked_at)
        shown = self.filter(api_token=token, shown_at__isnull=False, not_before__lte=now, **_NOT_REFUSED)
        return shown.filter(Exists(same), at__gt=now - OMNI_KEEPS).order_by("-at", "pk")

    def to_capture(self, token: ApiToken) -> Self:
        """Return the jobs whose evidence Omni still has, shows this token and nobody has stored."""
        now = timezone.now()
        complete = Job.objects.filter(
            instance=token.instance, omni_id=OuterRef("job_id"), state__in=Outcome.ANSWERED.job_states
        )
        shown = self.filter(api_token=token, shown_at__isnull=False, not_before__lte=now, **_NOT_REFUSED)
        return shown.filter(Exists(complete.unsettled()), at__gt=now - OMNI_KEEPS).soonest_first()

    def claim(self, lasts: timedelta) -> "JobAccess | None":
        """Return the foremost of these, put off for so long: ours until then. None where there is none."""
        while (row := self.select_related("conversation").first()) is not None:
            now = timezone.now()
            if JobAccess.objects.filter(pk=row.pk, not_before__lte=now).update(not_before=now + lasts):
                return row
        return None

    def visible_to(self, reader: Reader) -> Self:
        """Return those whose evidence the reader may see by a `200` to a token that may read the messages."""
        messages = Access.objects.messages_of(reader).filter(
            api_token=OuterRef("api_token"), conversation=OuterRef("conversation")
        )
        shown = self.filter(reader.since_accepted("shown_at"), shown_at__isnull=False)
        return shown.filter(Exists(messages), api_token__in=reader.token_keys, **_NOT_REFUSED)

    def refused(self) -> Self:
        return self.filter(Q(job_refused_at__isnull=False) | Q(result_refused_at__isnull=False))

    def ask_about(self, access: Access, jobs: Mapping[UUID, datetime | None]) -> None:
        """Have the background ask with this token about the jobs of a thread, by id with the time of their answers."""
        now = timezone.now()
        rows = [
            JobAccess(
                api_token_id=access.api_token_id, conversation_id=access.conversation_id, job_id=key, at=at or now
            )
            for key, at in jobs.items()
            if at is None or at > now - OMNI_KEEPS
        ]
        self.bulk_create(rows, ignore_conflicts=True, batch_size=500)

    def show(self, token: ApiToken, conversation: Conversation, job_id: UUID, route: str) -> None:
        """Store that the `job` or `result` route answered `200` to this token."""
        now = timezone.now()
        self.update_or_create(
            api_token=token,
            job_id=job_id,
            defaults={"conversation": conversation, "shown_at": now, f"{route}_refused_at": None},
            create_defaults={"conversation": conversation, "shown_at": now, "at": now},
        )
        settle_evidence([conversation.pk], token)
        Conversation.objects.with_job(token.instance, job_id).jobs_changed()

    def refuse(self, token: ApiToken, conversation: Conversation, job_id: UUID, route: str) -> None:
        """Store that the `job` or `result` route refused this token while Omni still had the job."""
        now = timezone.now()
        self.update_or_create(
            api_token=token,
            job_id=job_id,
            defaults={"conversation": conversation, f"{route}_refused_at": now},
            create_defaults={"conversation": conversation, f"{route}_refused_at": now, "at": now},
        )
        settle_evidence([conversation.pk], token)
        Conversation.objects.with_job(token.instance, job_id).jobs_changed()


_NOT_REFUSED: dict[str, Any] = {"job_refused_at": None, "result_refused_at": None}


class JobAccess(models.Model):
    """A record of what Omni's job and result routes answered one API token about one job, or that it is to be asked."""

    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="job_accesses")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="job_accesses")
    job_id = models.UUIDField()
    # The time of the answer that the job made.
    at = models.DateTimeField()
    # When the job or result route last answered `200`; when each last refused. A `200` of the same route undoes that.
    shown_at = models.DateTimeField(null=True)
    job_refused_at = models.DateTimeField(null=True)
    result_refused_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(default=timezone.now)

    objects = JobAccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "job accesses"
        constraints = [models.UniqueConstraint("api_token", "job_id", name="one_job_access_a_token")]
        indexes = [
            models.Index("api_token", "at", name="job_accesses_by_time"),
            models.Index(
                "api_token",
                "at",
                name="jobs_to_ask_about",
                condition=Q(shown_at=None, job_refused_at=None, result_refused_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.job_id} for token {self.api_token_id}"

    @property
    def is_refused(self) -> bool:
        return self.job_refused_at is not None or self.result_refused_at is not None


def is_over(done_at: datetime | None) -> bool:
    """Return whether Omni has dropped a job that was done then: its `404` says nothing of rights any more."""
    return done_at is not None and timezone.now() - done_at >= OMNI_KEEPS


class EvidenceRights:
    """A reader's rights to the evidence of some jobs, through the tokens by which the messages may be read."""

    def __init__(self, through: Iterable[ApiToken], job_ids: Collection[UUID]) -> None:
        tokens = {token.pk: token for token in through}
        self._tokens = set(tokens)
        self._rows: dict[UUID, dict[int, JobAccess]] = {}
        for row in JobAccess.objects.filter(api_token__in=tokens, job_id__in=Ids(job_ids)):
            if not is_valid(tokens[row.api_token_id], row.shown_at):
                row.shown_at = None
            self._rows.setdefault(row.job_id, {})[row.api_token_id] = row

    def refusals(self, job_id: UUID, token_key: int) -> set[str]:
        """Return which of the routes `job` and `result` refused this token: a `200` of the same one undoes that."""
        row = self._rows.get(job_id, {}).get(token_key)
        if row is None:
            return set()
        refused = {"job": row.job_refused_at, "result": row.result_refused_at}
        return {route for route, at in refused.items() if at}

    def right_to(self, job_id: UUID, done_at: datetime | None, through: int | None = None) -> EvidenceRight:
        """Return the right to the evidence of a job that was done then; `through` the token with this key alone.

        Once Omni's 14 days are over the right to the messages decides, unless the token was refused in time.
        """
        tokens = self._tokens if through is None else self._tokens & {through}
        rows = {key: row for key, row in self._rows.get(job_id, {}).items() if key in tokens}
        refused = {key for key, row in rows.items() if row.is_refused}
        shown = {key for key, row in rows.items() if row.shown_at} - refused
        if shown or (is_over(done_at) and tokens - refused):
            return EvidenceRight.SHOWN
        if any(row.shown_at and row.job_refused_at is None for row in rows.values()):
            return EvidenceRight.WITHOUT_RESULT
        return EvidenceRight.REFUSED if tokens and tokens <= refused else EvidenceRight.UNKNOWN


def settle_evidence(conversation_keys: Collection[int], token: ApiToken | None = None) -> None:
    """Store for each access (of one token, or of all) whether it may see the evidence of all jobs that are known.

    The search shows evidence through such accesses alone. Called whenever a right changes, and whenever what the search
    knows of a conversation is made anew.
    """
    known = Job.objects.filter(instance=OuterRef("conversation__instance"), omni_id=OuterRef("job_id"))
    answers = Message.objects.filter(conversation__in=conversation_keys).exclude(job_id=None)
    done = known.values("finished_at")[:1]
    rows = answers.filter(Exists(known)).annotate(finished_at=models.Subquery(done))
    jobs: dict[int, dict[UUID, datetime | None]] = {}
    for key, job_id, at, finished_at in rows.order_by().values_list(
        "conversation_id", "job_id", "created_at", "finished_at"
    ):
        if job_id:
            jobs.setdefault(key, {})[job_id] = finished_at or at
    accesses = Access.objects.filter(conversation__in=conversation_keys, opened_at__isnull=False)
    told = JobAccess.objects.filter(conversation__in=conversation_keys)
    if token is not None:
        accesses, told = accesses.filter(api_token=token), told.filter(api_token=token)
    answered = {(row.api_token_id, row.job_id): row for row in told} if jobs else {}
    changed = []
    for access in accesses.select_related("api_token"):
        all_seen = all(
            _sees(access.api_token, answered.get((access.api_token_id, job_id)), done_at)
            for job_id, done_at in jobs.get(access.conversation_id, {}).items()
        )
        if access.has_evidence != all_seen:
            access.has_evidence = all_seen
            changed.append(access)
    Access.objects.bulk_update(changed, ["has_evidence"], batch_size=500)


def sees_evidence(token: ApiToken, answers: Mapping[UUID, datetime | None]) -> bool:
    """Return whether the token may see the evidence of all known jobs among these, by id with their answers' times."""
    known = Job.objects.filter(instance=token.instance, omni_id__in=Ids(answers)) if answers else Job.objects.none()
    done = dict(known.values_list("omni_id", "finished_at"))
    if not done:
        return True
    told = {row.job_id: row for row in JobAccess.objects.filter(api_token=token, job_id__in=Ids(done))}
    return all(_sees(token, told.get(job_id), at or answers[job_id]) for job_id, at in done.items())


def _sees(token: ApiToken, row: JobAccess | None, done_at: datetime | None) -> bool:
    if row is None or row.is_refused:
        return row is None and is_over(done_at)
    return is_valid(token, row.shown_at) or is_over(done_at)
