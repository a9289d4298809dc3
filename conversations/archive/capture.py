"""Capture: what the AI did is kept here before Omni drops it, in the background and within every token's budget."""

import logging
import math
from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from conversations import asking, connection
from conversations.archive.keeping import keep_chart, keep_result, kept_job
from conversations.archive.outcomes import Opened
from conversations.archive.standings import token_of
from conversations.asking import Urgency
from conversations.models import OMNI_KEEPS, SOON, Access, Capture, Conversation, Message, marked
from conversations.omni import CannotAsk, NotVisible, OmniError, RateLimited, TokenRejected
from omniviewer.accounts.models import Credential

log = logging.getLogger("omniviewer.capture")

# Seconds until the next try: where Omni is away, where a job is still running (longer each time), where a reply made
# no sense, and how often the last of these is tried.
_AWAY = 300.0
_RUNNING = 30.0
_LONGEST = 3600.0
_MOST_TRIES = 8
# That an answer costs: its result and its chart.
_REQUESTS = 2


def want(opened: Opened) -> int:
    """Queue what the AI did in a conversation that a reader opened, as far as it is not kept; how many jobs."""
    messages = Message.objects.filter(conversation=opened.conversation)
    return Capture.objects.want(messages, opened.credential, token_of(opened))


def want_chosen(conversations: Collection[Conversation]) -> int:
    """Likewise of several, as far as their messages are here, with the token of whoever may read them."""
    return Capture.objects.want(Message.objects.filter(conversation__in=conversations))


def want_expiring(*, everything: bool) -> int:
    """Queue what Omni will drop within three days, of the marked conversations or of all; how many jobs."""
    due = Message.objects.filter(created_at__lte=timezone.now() - OMNI_KEEPS + SOON)
    return Capture.objects.want(due if everything else due.filter(conversation__in=marked()))


def minutes_for(answers: int) -> int:
    """How long that many may take by one token's budget, where nothing else is to be captured with it."""
    a_minute = max(1, int(asking.allowance() * Urgency.BACKGROUND.value))
    return math.ceil(answers * _REQUESTS / a_minute)


def capture_next() -> bool:
    """Capture one job; False if there is nothing to do now."""
    row = Capture.objects.claim()
    if row is None:
        return False
    failures: list[OmniError] = []
    for credential in _credentials(row):
        try:
            keep_all(row.conversation, row, credential)
        except OmniError as error:
            failures.append(connection.note(credential, error))
            if isinstance(error, RateLimited):
                _rest(credential, error)
            continue
        _settle(row)
        return True
    _postpone(row, failures)
    return True


def keep_all(conversation: Conversation, row: Capture, credential: Credential) -> None:
    """Of its result and its chart, what is not kept yet. Raises `OmniError`."""
    job = kept_job(conversation, row.job_id)
    if job is None or not job.kept_at:
        keep_result(credential, conversation, row.job_id, Urgency.BACKGROUND)
        job = kept_job(conversation, row.job_id)
    if job and job.kept_at and job.has_chart is None:
        keep_chart(credential, job, Urgency.BACKGROUND)


def _credentials(row: Capture) -> list[Credential]:
    """Those to which Omni shows the conversation, the one that it was read with first."""
    shown = Access.objects.filter(conversation=row.conversation, credential__rejected_at=None)
    shown = shown.exclude(confirmed_at=None).filter(credential__owner__is_active=True)
    accesses = shown.select_related("credential").order_by("-confirmed_at")[:5]
    return sorted((access.credential for access in accesses), key=lambda found: found.pk != row.credential_id)


def _settle(row: Capture) -> None:
    """Omni answered: it is kept, or nothing ever will be, or it is not finished."""
    job = kept_job(row.conversation, row.job_id)
    if job and job.is_running:
        row.again_in(min(_RUNNING * 2 ** (row.tries - 1), _LONGEST), "not finished")
    else:
        row.delete()


def _rest(credential: Credential, error: RateLimited) -> None:
    """Nothing else with this token before its budget has room again."""
    until = timezone.now() + timedelta(seconds=error.retry_after or 60)
    Capture.objects.filter(credential=credential, not_before__lt=until).update(not_before=until)


def _postpone(row: Capture, failures: list[OmniError]) -> None:
    waits = [failure for failure in failures if isinstance(failure, CannotAsk | RateLimited)]
    if waits:
        row.again_in(max(wait.retry_after or _AWAY for wait in waits), waits[0].sentence)
    elif any(not isinstance(failure, NotVisible | TokenRejected) for failure in failures) and row.tries < _MOST_TRIES:
        row.again_in(_LONGEST, failures[-1].sentence)
    else:
        # Nobody is left to whom Omni shows it: who opens the conversation again queues it again.
        reasons = sorted({failure.outcome for failure in failures}) or ["nobody reads it"]
        log.info("not captured", extra={"job": str(row.job_id), "because": ", ".join(reasons)})
        row.delete()
