"""Sync: reading everything in the background with each API token: its list, then the messages, then the jobs.

Each token asks for itself, since Omni's answer to another token says nothing about its rights. `Walk`,
`Access.is_behind` and `JobAccess` store what is left to do; `Access.objects.due` and `JobAccess.objects.due` say what
comes next. Each step is one request, the newest first, within the share of a token's budget that nobody waits for:
readers' requests come first.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from conversations.archive import credentials, evidence, list_walk, people, threads
from conversations.archive.evidence import Inquiry
from conversations.models import Access, Capture, JobAccess, Walk
from conversations.models.conversation import CLOCKS_DIFFER
from conversations.upstream import budget
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential
from omniviewer.omni import (
    CONVERSATIONS_A_PAGE,
    OF_THE_TOKEN,
    NotVisible,
    OmniError,
    RateLimited,
)

log = logging.getLogger("omniviewer.sync")

# Seconds of one token's turn; and the shortest and longest wait after Omni was away or made no sense.
_TURN_SECONDS = 3.0
_AWAY_SECONDS = 60.0
_MAX_WAIT_SECONDS = 3600.0
# Shortest wait, in seconds, for budget: a turn has to be worth a task.
_MIN_REST_SECONDS = 5.0
_COUNT_EVERY = timedelta(seconds=30)
# Longer after a turn that found nothing to do: counting goes through all of the token's accesses.
_COUNT_IDLE_EVERY = timedelta(hours=1)
# An older count says nothing about the current rate; nor does a rate by which it would take longer.
_RATE_IS_KNOWN, _MOST_MINUTES = timedelta(minutes=5), 50_000
# Threads that are looked up at once, the newest first; and seconds after which a turn looks whether it may go on.
_THREADS_AT_ONCE = 10
_CHECKED_EVERY_SECONDS = 1.0
# Number of the turn in this process: each begins with another kind of work.
_TURNS = itertools.count()


def _step_lasts() -> timedelta:
    """Return more than the longest duration of a step: a request, and storing its reply."""
    return timedelta(seconds=settings.OMNI_TIMEOUT + 5)


def begin_walks() -> None:
    """Store a walk for each newly connected token."""
    new = ApiToken.objects.at_work().exclude(walks__member="")
    Walk.objects.bulk_create([Walk(api_token=token) for token in new], ignore_conflicts=True)


def run_next(seconds: float = _TURN_SECONDS) -> bool:
    """Take one token's turn of so many seconds, at least one request; False where nothing is due.

    The turn ends early where another token's list is due to be looked at.
    """
    # For the whole turn, so that the lease need not be renewed between steps.
    walk = Walk.objects.claim(_step_lasts() + timedelta(seconds=seconds))
    if walk is None:
        return False
    began = checked_at = time.monotonic()
    work = _Work(walk.api_token, threads_at_once=_THREADS_AT_ONCE if seconds else 1)
    has_read, succeeded_at, step = False, walk.succeeded_at, _Step.NOTHING
    try:
        # Checking all tokens for news goes before reading more with one of them.
        while (step := _step(walk, work)) is not _Step.NOTHING:
            has_read, succeeded_at = has_read or step is not _Step.LOOKED, timezone.now()
            if walk.failures:
                Walk.objects.filter(pk=walk.pk).update(failures=0)
                walk.failures = 0
            now = time.monotonic()
            if now - began >= seconds:
                break
            if step is _Step.READ and now - checked_at < _CHECKED_EVERY_SECONDS:
                continue
            found, checked_at = Walk.objects.going_on(walk), now
            if found is None:
                break
            walk = found
    except OmniError as error:
        _failed(walk, credentials.record(walk.api_token, error))
    update_counts(walk.api_token, has_read=has_read, walk=walk if step is _Step.READ else None)
    Walk.objects.filter(pk=walk.pk).update(leased_until=timezone.now(), succeeded_at=succeeded_at)
    return True


class _Step(Enum):
    """How one step of a turn ended."""

    LOOKED, WALKED = "looked for what is new", "went on through the list"
    READ, NOTHING = "read more", "nothing to ask for until `not_before`"


def _step(walk: Walk, work: "_Work") -> _Step:
    """Take one step: a request, or two. Raises `OmniError`."""
    if (walk.check_is_due and walk.has_seen_all) or walk.drop_before:
        list_walk.check(walk, Urgency.AHEAD, looked_at=timezone.now())
        return _Step.WALKED if walk.drop_before else _Step.LOOKED
    if walk.walk_is_due:
        list_walk.go_on(walk, Urgency.AHEAD)
        if walk.began_at is None:
            _learn_people(walk.api_token)
        return _Step.WALKED
    if work.do_one(has_begun_with_people=walk.has_people):
        return _Step.READ
    # Unless a reader's look has found something new meanwhile.
    Walk.objects.filter(pk=walk.pk, not_before=walk.not_before).update(not_before=walk.next_look)
    return _Step.NOTHING


class _Work:
    """The work of one turn besides the list: about people, a thread, a job's state or evidence.

    Each kind begins in turn, so that none has to wait days for another to finish.
    """

    def __init__(self, token: ApiToken, *, threads_at_once: int) -> None:
        self._token, self._at_once = token, threads_at_once
        # Threads that were due at `_looked_at`.
        self._due: list[Access] = []
        self._looked_at = timezone.now()

    def do_one(self, *, has_begun_with_people: bool) -> bool:
        """Do one piece of work, a request or two; False if there is nothing to do."""
        token = self._token
        kinds: list[Callable[[ApiToken], bool]] = [_learn_people] if has_begun_with_people else []
        if settings.SYNC == "all":
            kinds += [self._read_one, _ask_about_one_job]
        # While readers' captures are queued, evidence has its turns already: this is called between them.
        if settings.SYNC == settings.CAPTURE == "all" and not Capture.objects.due().filter(api_token=token).exists():
            kinds.append(_capture_one)
        first = next(_TURNS) % max(len(kinds), 1)
        # People come last: Omni may not tell of them at all.
        last = [] if has_begun_with_people else [_learn_people]
        return any(work(token) for work in [*kinds[first:], *kinds[:first], *last])

    def _read_one(self, token: ApiToken) -> bool:
        """Fetch the messages of the newest conversation that is behind; False if there is none."""
        if not self._due:
            self._looked_at = timezone.now()
            self._due = list(Access.objects.due(token).select_related("conversation")[: self._at_once])
        if not self._due:
            return False
        access = self._due.pop(0)
        access.api_token = token
        try:
            threads.read_ahead(access, self._looked_at)
        except NotVisible:
            pass  # remembered: its messages are asked for again when the list tells of something new
        except OF_THE_TOKEN:
            raise
        except OmniError as error:
            credentials.record(token, error)
            access.again_in(min(_AWAY_SECONDS * 2 ** (access.tries + 1), 24 * _MAX_WAIT_SECONDS), error.sentence)
        return True


def _learn_people(token: ApiToken) -> bool:
    """Fetch a page of the organization's people; False if none is due, or Omni does not tell."""
    if not people.are_due(token):
        return False
    try:
        people.fetch(token, Urgency.AHEAD, most=1)
    except OmniError as error:
        credentials.record(token, error)
        return False
    return True


def _ask_about_one_job(token: ApiToken) -> bool:
    """Ask about the newest job that this token has to ask about, or that was still running; False if there is none."""
    lasts = _step_lasts()
    row = JobAccess.objects.due(token).claim(lasts) or JobAccess.objects.running(token).claim(lasts)
    return row is not None and _serve(token, row, evidence.fetch_job)


def _capture_one(token: ApiToken) -> bool:
    """Capture the next job whose evidence is not stored; False if there is none."""
    row = JobAccess.objects.to_capture(token).claim(2 * _step_lasts())
    return row is not None and _serve(token, row, evidence.fetch_missing)


def _serve(token: ApiToken, row: JobAccess, work: Callable[[Inquiry, Urgency], None]) -> bool:
    """Do the work for a claimed job; always True. Raises `OmniError` where Omni cannot be asked at all."""
    again_at = timezone.now()
    try:
        work(Inquiry(token, row.conversation, row.job_id, row.at), Urgency.AHEAD)
    except NotVisible:
        # A refusal while Omni had the evidence is stored; otherwise there is nothing to learn for now.
        again_at += timedelta(days=1)
    except OF_THE_TOKEN:
        raise
    except OmniError as error:
        credentials.record(token, error)
        again_at += timedelta(seconds=_MAX_WAIT_SECONDS)
    finally:
        JobAccess.objects.filter(pk=row.pk).update(not_before=again_at)
    return True


def _failed(walk: Walk, error: OmniError) -> None:
    """Schedule the next try, and store the reason for the reader; a used-up budget is usual and not reported."""
    now = timezone.now()
    rows = Walk.objects.filter(pk=walk.pk)
    if isinstance(error, RateLimited) and error.outcome == "budget":
        rows.update(not_before=now + timedelta(seconds=max(error.retry_after or _AWAY_SECONDS, _MIN_REST_SECONDS)))
        return
    failures = walk.failures + 1
    wait = max(error.retry_after or 0.0, min(_AWAY_SECONDS * 2 ** min(failures - 1, 8), _MAX_WAIT_SECONDS))
    log.info("sync waits", extra={"because": error.outcome, "seconds": round(wait)})
    rows.update(
        not_before=now + timedelta(seconds=wait), failure=error.sentence[:300], failed_at=now, failures=failures
    )


def update_counts(token: ApiToken, *, has_read: bool = True, walk: Walk | None = None) -> None:
    """Count how much has been read: every half minute and at the end; every hour while nothing happens.

    `walk`: the token's, where the caller knows its last state.
    """
    walk = walk or Walk.objects.of_everything().filter(api_token=token).first()
    if walk is None or not _is_to_be_counted(walk, has_read=has_read):
        return
    listed = Access.objects.filter(api_token=token, listed_at__isnull=False)
    is_read = Q(is_behind=False, opened_at__isnull=False)
    now = timezone.now()
    numbers = listed.aggregate(listed=Count("pk"), read=Count("pk", filter=is_read), refused=Count("refused_at"))
    if walk.counted_at and now - walk.counted_at < _RATE_IS_KNOWN:
        minutes = max((now - walk.counted_at).total_seconds() / 60, 0.1)
        rate = max(numbers["read"] - walk.read, 0) / minutes
        # The rate of half a minute alone jumps: jobs and evidence take their turns of the same budget.
        numbers["rate"] = (3 * walk.rate + rate) / 4 if walk.rate else rate
    Walk.objects.filter(pk=walk.pk).update(**numbers, counted_at=now)


def _is_to_be_counted(walk: Walk, *, has_read: bool) -> bool:
    """Return whether a new count is due, at the same cost however many accesses the token has."""
    if walk.counted_at is None:
        return True
    age = timezone.now() - walk.counted_at
    # Omni's clock tells of the newest activity.
    has_news = walk.newest is not None and walk.newest > walk.counted_at - CLOCKS_DIFFER
    if not (has_read or has_news):
        return age > _COUNT_IDLE_EVERY
    # In this order the database uses the index of the rows that are behind, and sees at once if there are none.
    behind = Access.objects.filter(api_token=walk.api_token_id, is_behind=True).order_by("recency")
    return age > _COUNT_EVERY or behind.values_list("pk").first() is None


@dataclass(frozen=True)
class Progress:
    """Progress of reading a credential's conversations.

    `total` is Omni's count, where it gives one, without conversations whose messages Omni refused to the token.
    """

    credential: Credential
    walk: Walk

    @property
    def total(self) -> int:
        return max(self.walk.total or 0, self.walk.listed) - self.walk.refused

    @property
    def read(self) -> int:
        """Return how many are listed, or listed and read, whichever `OMNIVIEWER_SYNC` asks for."""
        return self.walk.read if settings.SYNC == "all" else min(self._readable, self.total)

    @property
    def _readable(self) -> int:
        return self.walk.listed - self.walk.refused

    @property
    def is_done(self) -> bool:
        walk = self.walk
        return walk.has_seen_all and walk.began_at is None and bool(walk.counted_at) and self.read >= self._readable

    @property
    def goes_on(self) -> bool:
        return not self.is_off and not self.is_done and self.walk.paused_at is None

    @property
    def is_worth_telling(self) -> bool:
        """Return False if everything is read and nothing is wrong."""
        walk = self.walk
        return (
            self.goes_on or bool(walk.failures or walk.ended_early) or (walk.paused_at is not None and not self.is_off)
        )

    @property
    def minutes_left(self) -> int:
        """Estimate the minutes left at the current rate, or else at the token's budget; 0 if the rate says nothing."""
        a_minute = self.walk.rate or max(1, int(budget.allowance() * Urgency.AHEAD.value))
        pages = 0 if self.walk.has_seen_all else max(self.total - self.walk.rows, 0) / CONVERSATIONS_A_PAGE
        threads = max(self.total - self.walk.read, 0) if settings.SYNC == "all" else 0
        minutes = math.ceil((pages + threads) / a_minute)
        return minutes if minutes <= _MOST_MINUTES else 0

    @property
    def is_off(self) -> bool:
        return settings.SYNC == "off"


def progress(mine: Collection[Credential], known: Collection[Walk] = ()) -> list[Progress]:
    """Return the progress for each of these credentials, if Omni accepts it and its list was asked for.

    `known`: walks that the caller has read already.
    """
    mine = [credential for credential in mine if credential.api_token.rejected_at is None]
    found = {walk.api_token_id: walk for walk in known if not walk.member}
    missing = {credential.api_token_id for credential in mine} - found.keys()
    if missing:
        further = Walk.objects.of_everything().filter(api_token__in=missing).select_related("api_token")
        found |= {walk.api_token_id: walk for walk in further}
    if settings.SYNC == "off":  # Then nobody else counts what readers opened.
        before = timezone.now() - _COUNT_EVERY
        for walk in found.values():
            if walk.counted_at is None or walk.counted_at < before:
                update_counts(walk.api_token)
                walk.refresh_from_db(fields=["listed", "read", "counted_at"])
    return [Progress(row, found[row.api_token_id]) for row in mine if row.api_token_id in found]


def pause(token: ApiToken, *, is_paused: bool) -> None:
    """Pause background reading, or resume it where it stopped."""
    walk = list_walk.walk_of(token)
    now = timezone.now()
    Walk.objects.filter(pk=walk.pk).update(paused_at=now if is_paused else None, not_before=now)
