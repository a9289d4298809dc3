"""The ports that the demo's two servers answer at."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from django.core.management import CommandError

_PORTS_TO_TRY = 20

Taken = TypeVar("Taken")


def take_port(asked: int | None, first: int, option: str, take: Callable[[int], Taken]) -> Taken:
    """Return what `take` makes of the port asked for, or of the next free one from `first`.

    `take` binds the port and keeps it, and raises `OSError` if it is not free: a port that is only tried can be taken
    by another program before it is used. `option` is the command's option that names a port.

    Raises `CommandError` if no port can be taken.
    """
    candidates = [asked] if asked is not None else range(first, first + _PORTS_TO_TRY)
    for port in candidates:
        with contextlib.suppress(OSError, OverflowError):
            return take(port)
    if asked is not None:
        raise CommandError(
            f"Port {asked} cannot be used: something else listens there, or it is not a port number. "
            f"Choose another with {option}, or leave {option} out to take the next free one."
        )
    raise CommandError(f"No port from {first} to {first + _PORTS_TO_TRY - 1} is free. Choose one with {option}.")
