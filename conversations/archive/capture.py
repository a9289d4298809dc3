"""Capture: what the AI did is kept here before Omni drops it, in the background and within every token's budget."""

import logging
import math
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from conversations import upstream
from conversations.archive import credentials, threads
from conversations.archive.keeping import Inquiry, keep_all, kept_job
from conversations.archive.outcomes import Ask, Opened
from conversations.models import OMNI_KEEPS, SOON, Access, Capture, Conversation, JobAccess, Message, Reader, marked
from conversations.models.access import AccessQuerySet
from conversations.models.message import MessageQuerySet
from conversations.upstream import Urgency
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import CannotAsk, NotVisible, OmniError, RateLimited, TokenRejected

log = logging.getLogger("omniviewer.capture")

# Seconds until the next try: where Omni is away, where a job is still running (longer each time), where a reply made
# no sense, and how often the last of these is tried.
_AWAY = 300.0
_RUNNING = 30.0
_LONGEST = 3600.0
_MOST_TRIES = 8
# Answers that come before the reading, where no more of a token's wait.
_FEW = 10
# The time in which answers are counted, to tell how long others will take.
_RATE_OF = timedelta(minutes=3)
# That an answer costs: its result and its chart.
_REQUESTS = 2


def want(opened: Opened) -> int:
    """Queue what the AI did in a conversation that a reader opened, as far as it is not stored; how many jobs."""
    return Capture.objects.want(opened.token, opened.conversation.shown_messages)


def want_chosen(user: User, conversations: Collection[Conversation]) -> int:
    """Queue likewise for several conversations whose messages the reader may read, each with a token of theirs."""
    reader = Reader.of(user)
    accesses = Access.objects.messages_of(reader).each_once(reader).filter(conversation__in=conversations)
    # By their conversations first: how many messages others have is no matter of the time that this takes.
    messages = Message.objects.filter(conversation__in=conversations)
    return sum(_want(token, accesses.filter(api_token=token), messages) for token in reader.tokens)


def want_expiring(*, everything: bool) -> int:
    """Queue what Omni will drop within three days, of the marked conversations or of all; how many jobs.

    Each is asked for with every token that was shown the messages: whoever finds it stored learns its right alone.
    """
    due = Message.objects.filter(created_at__lte=timezone.now() - OMNI_KEEPS + SOON)
    count = 0
    for token in ApiToken.objects.accepted():
        accesses = Access.objects.opened_with(token)
        count += _want(token, accesses if everything else accesses.filter(conversation__in=marked()), due)
    return count


def _want(token: ApiToken, accesses: AccessQuerySet, messages: MessageQuerySet) -> int:
    same = accesses.filter(conversation=OuterRef("conversation"), revision__gte=OuterRef("revision"))
    return Capture.objects.want(token, messages.filter(Exists(same)))


def minutes_for(answers: int, token: ApiToken) -> int:
    """How long that many may take at the token's rate of the last minutes; before there is one, by its budget."""
    since = timezone.now() - _RATE_OF
    done = JobAccess.objects.filter(api_token=token, shown_at__gte=since).count()
    turns = 2 if settings.SYNC == "all" else 1
    by_budget = upstream.allowance() * Urgency.AHEAD.value / _REQUESTS / turns
    return math.ceil(answers / (done / (_RATE_OF.total_seconds() / 60) or by_budget))


def capture_next() -> bool:
    """Capture one job; False if there is nothing to do now."""
    row = Capture.objects.claim()
    if row is None:
        return False
    failure: OmniError = _not_readable()
    if row.api_token.rejected_at is None and row.api_token.credentials.filter(owner__is_active=True).exists():
        try:
            _open_messages(row)
            is_urgent = row.expires_at <= timezone.now() + SOON or _are_few(row.api_token)
            inquiry = Inquiry(row.api_token, row.conversation, row.job_id, row.expires_at - OMNI_KEEPS)
            keep_all(inquiry, Urgency.BACKGROUND if is_urgent else Urgency.AHEAD)
        except OmniError as error:
            failure = credentials.note(row.api_token, error)
            if isinstance(error, RateLimited):
                _rest(row.api_token, error)
        else:
            _settle(row)
            return True
    _postpone(row, failure)
    return True


def _are_few(token: ApiToken) -> bool:
    """Whether no more wait than a reader who opened a thread may expect soon: many go by turns with the reading."""
    return Capture.objects.filter(api_token=token)[: _FEW + 1].count() <= _FEW


def _not_readable() -> NotVisible:
    return NotVisible("Omni no longer shows this conversation to the token.", outcome="not readable")


def _open_messages(row: Capture) -> None:
    """Ask the thread route where the token's right to the messages has run out meanwhile, and was not refused.

    Raises `OmniError`.
    """
    token, conversation = row.api_token, row.conversation
    if Access.objects.opened_with(token).filter(conversation=conversation).exists():
        return
    if Access.objects.filter(api_token=token, conversation=conversation).exclude(refused_at=None).exists():
        raise _not_readable()
    threads.fetch(token, conversation.omni_id, timezone.now(), Ask.ALWAYS, Urgency.BACKGROUND)


def _settle(row: Capture) -> None:
    """Omni answered: it is kept, or nothing ever will be, or it is not finished."""
    job = kept_job(row.conversation, row.job_id)
    if job and job.is_running:
        row.again_in(min(_RUNNING * 2 ** (row.tries - 1), _LONGEST), "not finished")
    else:
        row.delete()


def _rest(token: ApiToken, error: RateLimited) -> None:
    """Nothing else with this token before its budget has room again."""
    until = timezone.now() + timedelta(seconds=error.retry_after or 60)
    Capture.objects.filter(api_token=token, not_before__lt=until).update(not_before=until)


def _postpone(row: Capture, failure: OmniError) -> None:
    if isinstance(failure, CannotAsk | RateLimited):
        row.again_in(failure.retry_after or _AWAY, failure.sentence)
    elif not isinstance(failure, NotVisible | TokenRejected) and row.tries < _MOST_TRIES:
        row.again_in(_LONGEST, failure.sentence)
    else:
        # Omni shows it to this token no longer: who opens the conversation again queues it again.
        log.info("not captured", extra={"job": str(row.job_id), "because": failure.outcome})
        row.delete()
