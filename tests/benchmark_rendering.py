"""Measure the time that rendering takes, by hand: `python -m tests.benchmark_rendering`.

Seconds differ from machine to machine; so each is given as a ratio to what plain escaping, and a bare Python-Markdown,
take for the same text in the same run. A bare Python-Markdown is not asked for shapes that would take it minutes.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import markdown
from django.utils.html import escape

from conversations.rendering import render_answer
from tests.rendering.test_rendering import REAL, SHAPES

_WORST = 12


def main() -> None:
    _print("", "escape", "render", "x escape", "x markdown", "shown as")
    for name, text in REAL.items():
        bare = partial(markdown.markdown, text, extensions=["tables", "sane_lists", "fenced_code"])
        _row(name, text, _seconds(bare))
    took = sorted(((_seconds(partial(render_answer, text), 1), name) for name, text in SHAPES.items()), reverse=True)
    for _, name in took[:_WORST]:
        _row(name, SHAPES[name], None)


def _row(name: str, text: str, bare: float | None) -> None:
    plain, full = _seconds(partial(escape, text)), _seconds(partial(render_answer, text))
    ratio = f"{full / bare:.1f}" if bare else "-"
    shown = "plain text" if render_answer(text).plain_because else "Markdown"
    _print(name, f"{plain:.5f}", f"{full:.3f}", f"{full / plain:.0f}", ratio, shown)


def _seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the processor time of this thread in seconds, the best of several runs."""
    best = float("inf")
    for _ in range(times):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def _print(name: str, *columns: str) -> None:
    sys.stdout.write(f"{name[:40]:<40}" + "".join(f"{column:>12}" for column in columns) + "\n")


if __name__ == "__main__":
    main()
