"""Omni's limit of requests a minute, which the stand-in answers with 429."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable

_WINDOW_SECONDS = 60.0


class RateLimit:
    """Requests that each token may send in any minute, by the seconds of `clock`."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._used: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admits(self, token: str) -> bool:
        """Return whether the token has requests left, and count this one. A refused request does not count."""
        now = self._clock()
        with self._lock:
            used = self._used[token]
            while used and used[0] <= now - _WINDOW_SECONDS:
                used.popleft()
            if len(used) >= self._most:
                return False
            used.append(now)
            return True
