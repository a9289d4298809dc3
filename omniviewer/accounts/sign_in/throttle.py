"""Limits for attempts with passwords and API tokens, counted in the database for all processes.

Each try is counted before it is looked at: of many at the same moment, none is let through because the others have not
been counted yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from omniviewer.accounts.models import FailedSignIn, User

WINDOW = timedelta(minutes=15)
# Limits for one name from one address, for one name from any address, for one address with any name. The second is
# larger than the first, so that somebody guessing a password elsewhere does not lock its owner out at once.
_OF_BOTH, _OF_NAME, _OF_ADDRESS = 5, 30, 50
# Tokens that a person may try within the window, whatever the result.
_MAX_TOKENS, TOKEN_WINDOW = 10, timedelta(minutes=10)


class Throttled(Exception):
    """Raised while no attempt is allowed; `sentence` says until when."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def begin(name: str, address: str) -> timedelta | None:
    """Count a password that is about to be tried; how long from now none is looked at instead, or None if it is."""
    forget()
    row = FailedSignIn.objects.create(name=_digest(name.lower()), address=_digest(address))
    since, by_name, by_address = timezone.now() - WINDOW, Q(name=row.name), Q(address=row.address)
    others = FailedSignIn.objects.exclude(pk=row.pk)
    waits = [
        _until(others.filter(by_name, by_address), _OF_BOTH, since),
        _until(others.filter(by_name), _OF_NAME, since),
        _until(others.filter(by_address), _OF_ADDRESS, since),
    ]
    left = max((wait for wait in waits if wait), default=None)
    if left:
        row.delete()
    return left


def succeeded(name: str, address: str) -> None:
    FailedSignIn.objects.filter(name=_digest(name.lower()), address=_digest(address)).delete()


@contextmanager
def trying_token(user: User) -> Iterator[None]:
    """Ask Omni what a token is, one token at a time and so many a person. Raises `Throttled`."""
    now, running = timezone.now(), _digest(f"token now of {user.pk}")
    # Longer than the two requests may take: an older attempt's process has ended meanwhile.
    since = now - timedelta(seconds=2 * settings.OMNI_TIMEOUT + 5)
    lock = FailedSignIn.objects.create(name=running)
    try:
        if FailedSignIn.objects.filter(name=running, at__gte=since).exclude(pk=lock.pk).exists():
            raise Throttled("Another of your tokens is being checked. Try again in a moment.")
        if left := is_over(f"tokens of {user.pk}", _MAX_TOKENS, TOKEN_WINDOW):
            raise Throttled(f"You have tried too many tokens. Try again in {in_minutes(left)}.")
        yield
    finally:
        lock.delete()


def is_over(what: str, most: int, within: timedelta) -> timedelta | None:
    """Count something that is done now; how long from now it may not be done instead, or None if it may."""
    since, before = timezone.now() - within, FailedSignIn.objects.filter(name=_digest(what))
    if left := _until(before, most, since):
        return left  # without a write, however many come
    row = FailedSignIn.objects.create(name=_digest(what))
    left = _until(before.exclude(pk=row.pk), most, since)
    if left:
        row.delete()
    return left


def in_minutes(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60) + 1
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def forget() -> None:
    """Delete tries that no longer count."""
    FailedSignIn.objects.filter(at__lt=timezone.now() - WINDOW).delete()


def _until(tries: QuerySet[FailedSignIn], most: int, since: datetime) -> timedelta | None:
    """Return the time until the oldest of the last `most` attempts leaves the window; None below the limit."""
    last = list(tries.filter(at__gte=since).order_by("-at").values_list("at", flat=True)[:most])
    return last[-1] - since if len(last) == most else None


def _digest(text: str) -> str:
    return salted_hmac("omniviewer.accounts.sign_in.throttle", text, algorithm="sha256").hexdigest()
