"""Rights to the parts of a search document, by what an access lets its reader look at."""

from typing import Final

from django.db.models import F, Q

from conversations.search.question import PLACES, TICKETS

# Places of a document in the search that a row alone lets a reader look at, and that the right to the messages does: in
# an earlier revision than that of the document, and in the same.
OF_ROWS: Final = frozenset({"name"})
OF_EARLIER: Final = OF_ROWS | {TICKETS}
OF_MESSAGES: Final = OF_EARLIER | {"question", "answer"}
EVERYWHERE: Final = frozenset(PLACES) | {TICKETS}


# Condition on an access that its token was shown the revision of the search's document, or a later one.
IS_CURRENT: Final = Q(revision__gte=F("conversation__indexed_revision"))


def places_of(*, may_read: bool, is_current: bool, has_evidence: bool) -> frozenset[str]:
    """Return the places of a document that a reader may look at.

    `is_current`: the reader's token was shown the document's revision, or a later one. `has_evidence`: it may see the
    evidence of every job that the document knows.
    """
    if not may_read:
        return OF_ROWS
    if not is_current:
        return OF_EARLIER
    return EVERYWHERE if has_evidence else OF_MESSAGES
