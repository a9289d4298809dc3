"""Capture: store evidence before Omni drops it, in the background and within the budget of every token."""

import logging
import math
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from conversations.archive import credentials, evidence, threads
from conversations.archive.evidence import Inquiry
from conversations.archive.outcomes import Fetch, Opened
from conversations.models import OMNI_KEEPS, SOON, Access, Capture, Conversation, JobAccess, Message, Reader, marked
from conversations.models.access import AccessQuerySet
from conversations.models.message import MessageQuerySet
from conversations.search.shown_row import ShownRow
from conversations.upstream import budget
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import CannotAsk, NotSent, NotVisible, OmniError, RateLimited, TokenRejected

log = logging.getLogger("omniviewer.capture")

# Retry delays in seconds: Omni is unreachable; a job is still running (doubled each time); longest delay. Then the most
# tries after replies that made no sense.
_AWAY_SECONDS = 300.0
_RUNNING_SECONDS = 30.0
_MAX_WAIT_SECONDS = 3600.0
_MAX_TRIES = 8
# Up to so many pending answers of one token are captured ahead of the background reading.
_FEW_ANSWERS = 10
# Window over which captured answers are counted, to estimate how long others will take.
_RATE_WINDOW = timedelta(minutes=3)
# Requests for each answer: its result and its chart.
_REQUESTS_AN_ANSWER = 2


def queue(opened: Opened) -> int:
    """Queue the evidence of an opened conversation that is not stored yet; return the number of jobs."""
    return Capture.objects.queue(opened.token, opened.conversation.shown_messages)


def queue_chosen(user: User, chosen: Iterable[Conversation | ShownRow]) -> int:
    """Queue missing evidence of several conversations, with the user's tokens that may read them; return the count."""
    reader, conversations = Reader.for_user(user), [row.pk for row in chosen]
    accesses = Access.objects.messages_of(reader).each_once(reader).filter(conversation__in=conversations)
    # Filter by conversation first: the query time must not depend on how many messages other readers have.
    messages = Message.objects.filter(conversation__in=conversations)
    return sum(_queue(token, accesses.filter(api_token=token), messages) for token in reader.tokens)


def queue_expiring(*, everything: bool) -> int:
    """Queue the evidence that Omni drops within three days, of the marked conversations or of all; return the count.

    Each token that was shown the messages asks for itself: where evidence is stored, that records only its right to it.
    """
    due = Message.objects.filter(created_at__lte=timezone.now() - OMNI_KEEPS + SOON)
    count = 0
    for token in ApiToken.objects.at_work():
        accesses = Access.objects.opened_to(Reader.through(token))
        count += _queue(token, accesses if everything else accesses.filter(conversation__in=marked()), due)
    return count


def _queue(token: ApiToken, accesses: AccessQuerySet, messages: MessageQuerySet) -> int:
    return Capture.objects.queue(token, messages.shown_through(accesses))


def estimate_minutes(answers: int, token: ApiToken) -> int:
    """Estimate the minutes to capture so many answers, by the token's recent rate or, without one, its budget."""
    since = timezone.now() - _RATE_WINDOW
    done = JobAccess.objects.filter(api_token=token, shown_at__gte=since).count()
    turns = 2 if settings.SYNC == "all" else 1
    by_budget = budget.allowance() * Urgency.AHEAD.value / _REQUESTS_AN_ANSWER / turns
    return math.ceil(answers / (done / (_RATE_WINDOW.total_seconds() / 60) or by_budget))


def run_next() -> bool:
    """Capture one job; False if there is nothing to do now."""
    row = Capture.objects.claim()
    if row is None:
        return False
    failure: OmniError = _not_readable()
    if ApiToken.objects.at_work().filter(pk=row.api_token_id).exists():
        try:
            _open_messages(row)
            is_urgent = row.expires_at <= timezone.now() + SOON or _are_few(row.api_token)
            inquiry = Inquiry(row.api_token, row.conversation, row.job_id, row.expires_at - OMNI_KEEPS)
            evidence.fetch_missing(inquiry, Urgency.BACKGROUND if is_urgent else Urgency.AHEAD)
        except OmniError as error:
            failure = credentials.record(row.api_token, error)
            if isinstance(error, RateLimited | NotSent):
                _rest(row.api_token, error)
        else:
            _settle(row)
            return True
    _postpone(row, failure)
    return True


def _are_few(token: ApiToken) -> bool:
    """Return whether the token's queue is short enough to be captured ahead of the background reading."""
    return Capture.objects.filter(api_token=token)[: _FEW_ANSWERS + 1].count() <= _FEW_ANSWERS


def _not_readable() -> NotVisible:
    return NotVisible("Omni no longer shows this conversation to the token.", outcome="not readable")


def _open_messages(row: Capture) -> None:
    """Fetch the thread if the token's access to the messages has expired since, unless Omni has refused it.

    Raises `OmniError`.
    """
    token, conversation = row.api_token, row.conversation
    if Access.objects.opened_to(Reader.through(token)).filter(conversation=conversation).exists():
        return
    if Access.objects.filter(api_token=token, conversation=conversation).exclude(refused_at=None).exists():
        raise _not_readable()
    threads.fetch(token, conversation.omni_id, timezone.now(), Fetch.ALWAYS, Urgency.BACKGROUND)


def _settle(row: Capture) -> None:
    """Delete the row if the outcome is final; try again later while the job is still running."""
    job = evidence.stored_job(row.conversation, row.job_id)
    if job and job.is_running:
        row.again_in(min(_RUNNING_SECONDS * 2 ** (row.tries - 1), _MAX_WAIT_SECONDS), "not finished")
    else:
        row.end()


def _rest(token: ApiToken, error: OmniError) -> None:
    """Postpone all captures of this token until its budget has room again, or requests with it may be sent."""
    until = timezone.now() + timedelta(seconds=error.retry_after or 60)
    Capture.objects.filter(api_token=token, not_before__lt=until).update(not_before=until)


def _postpone(row: Capture, failure: OmniError) -> None:
    if isinstance(failure, CannotAsk | NotSent):
        row.again_in(failure.retry_after or _AWAY_SECONDS, failure.sentence)
    elif not isinstance(failure, NotVisible | TokenRejected) and row.tries < _MAX_TRIES:
        row.again_in(_MAX_WAIT_SECONDS, failure.sentence)
    else:
        # Omni no longer shows the job to this token: opening the conversation queues it again.
        log.info("not captured", extra={"job": str(row.job_id), "because": failure.outcome})
        row.end()
