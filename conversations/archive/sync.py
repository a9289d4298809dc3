"""Reading everything in the background: the list of each credential, then the messages, the newest first.

What is to be done stands in `Walk` and `Conversation.is_behind`; each step is one request. Within the share of a
token's budget that nobody waits for, so people's clicks come first.
"""

import logging
import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from conversations import asking, connection
from conversations.archive import people, thread, walks
from conversations.asking import Urgency
from conversations.models import CHECK_EVERY, Access, Conversation, Reading, Walk
from conversations.omni import CONVERSATIONS_A_PAGE, CannotAsk, NotVisible, OmniError, RateLimited, TokenRejected
from omniviewer.accounts.models import Credential, User

log = logging.getLogger("omniviewer.sync")

# Seconds of one credential's turn; and until the next try where Omni is away or makes no sense, longer each time.
_TURN = 3.0
_AWAY = 60.0
_LONGEST = 3600.0
# Of the budget, so that a turn is worth a task.
_SHORTEST_REST = 5.0
# Another credential's walk with the same token is waited for while it had a turn within this time.
_LATELY = timedelta(minutes=10)
_COUNT_EVERY = timedelta(seconds=30)


def _step_lasts() -> timedelta:
    """Longer than one step may: a request, and storing its answer."""
    return timedelta(seconds=settings.OMNI_TIMEOUT + 5)


def begin_walks() -> None:
    """Of credentials that were connected since."""
    accepted = Credential.objects.accepted().filter(owner__is_active=True)
    new = accepted.exclude(walks__member="")
    Walk.objects.bulk_create([Walk(credential=credential) for credential in new], ignore_conflicts=True)


def sync_next() -> bool:
    """Take one credential's turn; False where nothing is due."""
    walk = Walk.objects.claim(_step_lasts())
    if walk is None:
        return False
    until = time.monotonic() + _TURN
    try:
        while _step(walk) and time.monotonic() < until:
            renewed = Walk.objects.select_related("credential").filter(pk=walk.pk, paused_at=None)
            found = renewed.first()
            if found is None:
                break
            walk = found
            Walk.objects.filter(pk=walk.pk).update(leased_until=timezone.now() + _step_lasts())
    except OmniError as error:
        _failed(walk, connection.note(walk.credential, error))
    count(walk.credential)
    Walk.objects.filter(pk=walk.pk).update(leased_until=timezone.now())
    return True


def _step(walk: Walk) -> bool:
    """One request; False where there is nothing to ask for until `not_before`. Raises `OmniError`."""
    if (walk.check_is_due and walk.has_seen_all) or walk.drop_before:
        if not walks.adopt(walk, CHECK_EVERY):
            walks.check(walk, Urgency.AHEAD, looked_at=timezone.now())
    elif walk.walk_is_due:
        other = None if walk.began_at else _walked_by_another(walk)
        if other is None or not (walks.adopt(walk, _LATELY) or other.began_at):
            walks.go_on(walk, Urgency.AHEAD)
            if walk.began_at is None:
                _learn_people(walk.credential)
        elif other.began_at:
            return _rest_until(walk, timezone.now() + timedelta(seconds=_AWAY))
    elif settings.SYNC != "all" or not _read_one(walk.credential):
        _learn_people(walk.credential)
        return _rest_until(walk, _next_look(walk))
    Walk.objects.filter(pk=walk.pk).update(succeeded_at=timezone.now(), failures=0)
    return True


def _walked_by_another(walk: Walk) -> Walk | None:
    """The same walk, under way or done for another credential with the very same token."""
    token = asking.digest_of(walk.credential)
    others = Walk.objects.by_token(token, walk.credential.instance).of_everything().exclude(pk=walk.pk)
    others = others.filter(paused_at=None, turn_at__gte=timezone.now() - _LATELY)
    return next((other for other in others if other.began_at or not other.walk_is_due), None)


def _learn_people(credential: Credential) -> None:
    """Behind the first page of a walk, and at its end: nothing waits for it where Omni does not tell."""
    try:
        if people.are_due(credential):
            people.learn(credential, Urgency.AHEAD)
    except OmniError as error:
        connection.note(credential, error)


def _next_look(walk: Walk) -> datetime:
    checked_at = walk.checked_at or timezone.now()
    return min(checked_at + CHECK_EVERY, timezone.now() + CHECK_EVERY)


def _rest_until(walk: Walk, moment: datetime) -> bool:
    Walk.objects.filter(pk=walk.pk).update(not_before=moment)
    return False


def _read_one(credential: Credential) -> bool:
    """Fetch the messages of the newest conversation that is behind; False where there is none."""
    while (conversation := _behind(credential).order_by("-recency").first()) is not None:
        reading = _claim(conversation)
        if reading is None:
            continue
        try:
            thread.read(credential, conversation.omni_id)
        except NotVisible:
            Access.objects.filter(credential=credential, conversation=conversation).end()
        except (CannotAsk, RateLimited, TokenRejected):
            reading.delete()
            raise
        except OmniError as error:
            connection.note(credential, error)
            reading.tries += 1
            wait = min(_AWAY * 2**reading.tries, 24 * _LONGEST)
            reading.not_before = timezone.now() + timedelta(seconds=wait)
            reading.failure = error.sentence[:300]
            reading.save()
            return True
        reading.delete()
        return True
    return False


def _behind(credential: Credential) -> QuerySet[Conversation]:
    shown = Access.objects.filter(credential=credential).exclude(confirmed_at=None)
    resting = Reading.objects.filter(not_before__gt=timezone.now()).values("conversation")
    return Conversation.objects.behind(shown).exclude(pk__in=resting)


def _claim(conversation: Conversation) -> Reading | None:
    """None where another worker is at it."""
    now, until = timezone.now(), timezone.now() + _step_lasts()
    reading, is_mine = Reading.objects.get_or_create(conversation=conversation, defaults={"not_before": until})
    if not is_mine:
        is_mine = bool(Reading.objects.filter(pk=reading.pk, not_before__lte=now).update(not_before=until))
    return reading if is_mine else None


def _failed(walk: Walk, error: OmniError) -> None:
    """It goes on later; the reader is told why it does not, but not that the budget is used up: that is usual."""
    now = timezone.now()
    rows = Walk.objects.filter(pk=walk.pk)
    if isinstance(error, RateLimited) and error.outcome == "budget":
        rows.update(not_before=now + timedelta(seconds=max(error.retry_after or _AWAY, _SHORTEST_REST)))
        return
    failures = walk.failures + 1
    wait = max(error.retry_after or 0.0, min(_AWAY * 2 ** min(failures - 1, 8), _LONGEST))
    log.info("sync waits", extra={"because": error.outcome, "seconds": round(wait)})
    rows.update(
        not_before=now + timedelta(seconds=wait), failure=error.sentence[:300], failed_at=now, failures=failures
    )


def count(credential: Credential) -> None:
    """How much has been read: counted anew every half minute, and at the end."""
    walk = Walk.objects.of_everything().filter(credential=credential).first()
    if walk is None:
        return
    shown = Access.objects.filter(credential=credential).exclude(confirmed_at=None)
    is_done = not Conversation.objects.behind(shown).exists()
    if walk.counted_at and walk.counted_at > timezone.now() - _COUNT_EVERY and not is_done:
        return
    numbers = shown.aggregate(listed=Count("pk"), read=Count("pk", filter=Q(conversation__is_behind=False)))
    Walk.objects.filter(pk=walk.pk).update(**numbers, counted_at=timezone.now())


@dataclass(frozen=True)
class Progress:
    """How far the reading of a credential's conversations is. `total` by Omni's count, where it gives one."""

    credential: Credential
    walk: Walk

    @property
    def total(self) -> int:
        return max(self.walk.total or 0, self.walk.listed)

    @property
    def read(self) -> int:
        """Listed, or read as well: what `OMNIVIEWER_SYNC` asks for."""
        return self.walk.read if settings.SYNC == "all" else min(self.walk.listed, self.total)

    @property
    def is_done(self) -> bool:
        walk = self.walk
        return walk.has_seen_all and walk.began_at is None and bool(walk.counted_at) and self.read >= walk.listed

    @property
    def has_read_all(self) -> bool:
        """Every message of what is listed, whatever `OMNIVIEWER_SYNC` asks for."""
        walk = self.walk
        return walk.has_seen_all and bool(walk.counted_at) and walk.read >= walk.listed

    @property
    def goes_on(self) -> bool:
        return not self.is_off and not self.is_done and self.walk.paused_at is None

    @property
    def is_worth_telling(self) -> bool:
        """Not where all is read, and nothing is wrong."""
        walk = self.walk
        return (
            self.goes_on or bool(walk.failures or walk.ended_early) or (walk.paused_at is not None and not self.is_off)
        )

    @property
    def minutes_left(self) -> int:
        """At the rate that the token allows for what nobody waits for."""
        a_minute = max(1, int(asking.allowance() * Urgency.AHEAD.value))
        pages = 0 if self.walk.has_seen_all else max(self.total - self.walk.rows, 0) / CONVERSATIONS_A_PAGE
        threads = max(self.total - self.walk.read, 0) if settings.SYNC == "all" else 0
        return math.ceil((pages + threads) / a_minute)

    @property
    def is_off(self) -> bool:
        return settings.SYNC == "off"


def progress(user: User) -> list[Progress]:
    """Of each of the reader's credentials that Omni accepts and whose list was asked for."""
    mine = Walk.objects.of_everything().filter(credential__owner=user, credential__rejected_at=None)
    order = list(Credential.objects.of(user).values_list("pk", flat=True))
    rows = sorted(mine.select_related("credential"), key=lambda walk: order.index(walk.credential_id))
    if settings.SYNC == "off":  # Then nobody else counts what readers opened.
        before = timezone.now() - _COUNT_EVERY
        for walk in rows:
            if walk.counted_at is None or walk.counted_at < before:
                count(walk.credential)
                walk.refresh_from_db(fields=["listed", "read", "counted_at"])
    return [Progress(walk.credential, walk) for walk in rows]


def pause(credential: Credential, *, is_paused: bool) -> None:
    """Stop reading in the background, or go on where it stopped."""
    walk = walks.walk_of(credential)
    now = timezone.now()
    Walk.objects.filter(pk=walk.pk).update(paused_at=now if is_paused else None, not_before=now)
