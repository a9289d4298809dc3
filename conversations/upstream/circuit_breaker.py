"""Circuit breaker: an instance that does not answer is left alone, so that readers do not wait for time-outs.

Open, half-open and closed, as usual; stored in the database, so that all processes share what one has learnt.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import F

from conversations.models import Instance
from omniviewer.operations import database_clock
from omniviewer.prepared import Prepared, slot

# Failures in a row after which the instance is left alone.
MAX_FAILURES = 3
_FIRST_REST = timedelta(seconds=5)
_LONGEST_REST = timedelta(seconds=60)
_FAILING = Prepared(lambda _: Instance.objects.filter(host=slot("host"), failures__gt=0))


def rest_of(host: str) -> float:
    """Return the seconds for which this instance must not be asked; 0 if it may be."""
    instance = Instance.objects.filter(host=host, failures__gte=MAX_FAILURES).first()
    return _rests(instance) if instance else 0.0


@dataclass(frozen=True)
class Trial:
    """The seconds for which an instance must not be asked, and whether it has failed since it last answered."""

    rest: float
    has_failed: bool


def try_again(host: str) -> Trial:
    """Return whether the instance may be asked: after a rest only the first caller may try, and the others wait."""
    failing = _FAILING.first(host=host)
    return Trial(_trial(failing), has_failed=True) if failing else Trial(0.0, has_failed=False)


def _trial(instance: Instance) -> float:
    if instance.failures < MAX_FAILURES:
        return 0.0
    seconds = _rests(instance)
    if seconds:
        return seconds
    trial = timedelta(seconds=settings.OMNI_TIMEOUT)
    same = Instance.objects.filter(pk=instance.pk, rests_until=instance.rests_until)
    tries = same.update(rests_until=database_clock.now() + trial)
    return 0.0 if tries else 1.0


def not_tried(host: str) -> None:
    """Let the next caller try: the one that was allowed to could not."""
    Instance.objects.filter(host=host, failures__gte=MAX_FAILURES).update(rests_until=database_clock.now())


def failed(host: str) -> None:
    now = database_clock.now()
    instance, _ = Instance.objects.get_or_create(host=host)
    Instance.objects.filter(pk=instance.pk, failures=0).update(failing_since=now)
    Instance.objects.filter(pk=instance.pk).update(failures=F("failures") + 1)
    instance.refresh_from_db()
    if instance.failures >= MAX_FAILURES:
        doubled = min(_FIRST_REST * 2 ** min(instance.failures - MAX_FAILURES, 8), _LONGEST_REST)
        rest = doubled * random.uniform(0.8, 1.0)  # noqa: S311  (so that not every process tries at once)
        Instance.objects.filter(pk=instance.pk).update(rests_until=now + rest)


def answered(host: str) -> None:
    Instance.objects.filter(host=host, failures__gt=0).update(failures=0, failing_since=None, rests_until=None)


def _rests(instance: Instance) -> float:
    """Return the seconds of rest left; 0 if a clock set back since makes it longer than any rest."""
    until, now = instance.rests_until, database_clock.now()
    longest = max(_LONGEST_REST, timedelta(seconds=settings.OMNI_TIMEOUT))
    if until is None or not now < until <= now + longest:
        return 0.0
    return (until - now).total_seconds()
