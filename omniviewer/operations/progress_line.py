"""Progress of a command: in a terminal a line that renews itself, elsewhere a plain line from time to time."""

import threading
import time

from django.core.management.base import OutputWrapper

_PLAIN_EVERY_SECONDS = 2.0
# Begin again at the left, and clear the line.
_RENEW = "\r\x1b[K"


class ProgressLine:
    """Written by one thread, ended by any; nothing is written after `end` but by a further `end`."""

    def __init__(self, output: OutputWrapper) -> None:
        self._output = output
        self._is_terminal = output.isatty()
        self._lock = threading.Lock()
        self._written_at = 0.0
        self._is_ended = False

    def write(self, text: str) -> None:
        with self._lock:
            if self._is_ended:
                return
            if self._is_terminal:
                self._output.write(f"{_RENEW}{text} ", ending="")
            elif time.monotonic() - self._written_at >= _PLAIN_EVERY_SECONDS:
                self._written_at = time.monotonic()
                self._output.write(text)
            self._output.flush()

    def end(self, text: str = "") -> None:
        """End the line, with a last text in its place if there is one."""
        with self._lock:
            renew = _RENEW if self._is_terminal and not self._is_ended else ""
            self._is_ended = True
            if text or renew:
                self._output.write(f"{renew}{text}" if text else "")
            self._output.flush()
