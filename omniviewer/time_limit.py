"""The limit of processor time for one text of Omni's, an answer or a table.

Python-Markdown and its kin are quadratic, or worse, in shapes too many to list: 20,000 `[` take it 36 s. So what is
bounded is not a shape but the time. Everything that loops over an answer, or over the cells of a table, ticks; a tick
past the allowance ends it. Work between two ticks is bounded too, by the limits on what is handed over in one piece
(`inline.LONGEST_PARAGRAPH`, `code.LONGEST`, `allowlist.MOST_PIECES`, `numbers.MOST_CHARS`).
"""

import time

# Seconds. A long answer (20,000 characters of lists, tables and code) takes a tenth of this.
ALLOWANCE = 0.8
# Characters of an answer: ten times the longest that a model writes in one go.
LONGEST = 200_000


class TooCostly(Exception):
    """Raised when formatting an answer or judging a table takes too long: show it as it is."""


class Clock:
    """A clock of this thread's processor time: with wall time, a busy machine would change how an answer looks."""

    def __init__(self, allowance: float = ALLOWANCE) -> None:
        self._end = time.thread_time() + allowance

    def tick(self) -> None:
        if time.thread_time() > self._end:
            raise TooCostly
