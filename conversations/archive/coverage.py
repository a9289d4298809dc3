"""Coverage: the share of the conversations listed to a reader's tokens that is read, and of answers with an outcome."""

from collections.abc import Collection
from dataclasses import dataclass

from conversations.models import Access, JobAccess, Reader, Walk
from omniviewer.prepared import Prepared

_COUNTED = Prepared(Access.objects.counted_by_instance)


@dataclass(frozen=True)
class Coverage:
    """Conversations whose messages the reader may read, and all that they may see, each counted once.

    `is_all`: every list was walked to its end, and everything listed is read.
    """

    read: int
    total: int
    is_all: bool


@dataclass(frozen=True)
class Outcomes:
    """Answers whose outcome is known and visible to the reader, and answers that are still to be asked about."""

    known: int
    due: int


def measure(reader: Reader, walks: Collection[Walk]) -> Coverage:
    """Count the reader's own conversations as they are now: no count of the background's, nor of other tokens.

    `walks`: those of everything that their tokens see.
    """
    rows = _COUNTED.rows(reader.slots, **reader.slot_values)
    counted = {instance: numbers for instance, *numbers in rows}
    read = total = 0
    for instance in {token.instance for token in reader.tokens}:
        seen, of_these, not_refused = counted.get(instance, (0, 0, 0))
        by_omni = max((walk.total or 0 for walk in walks if walk.api_token.instance == instance), default=0)
        read, total = read + of_these, total + max(by_omni, seen) - (seen - not_refused)
    has_seen_all = len(walks) == len(reader.tokens) and all(walk.has_seen_all for walk in walks)
    return Coverage(min(read, total), total, is_all=has_seen_all and read >= total)


def count_outcomes(reader: Reader) -> Outcomes:
    known = JobAccess.objects.visible_to(reader).values("job_id").distinct().count()
    return Outcomes(known, sum(JobAccess.objects.due(token).count() for token in reader.tokens))
