"""Print from commands by hand."""

import sys


def say(line: str) -> None:
    """Print a line at once, as whoever waits for a long run reads along."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
