"""The conversations that are linked from a ticket, as far as the reader may read them."""

from dataclasses import dataclass

from conversations.archive.answering import shown_rows
from conversations.archive.outcomes import CannotShow
from conversations.archive.thread import open_conversation, reader_of
from conversations.models import Access, Conversation
from omniviewer.accounts.models import User

# Of those whose access has run out, how many Omni is asked about for one page.
_MOST_ASKED = 5


@dataclass(frozen=True)
class Linked:
    """`failure`: why some may be missing, if Omni could not be asked about them; `is_partial`: it was not asked yet."""

    conversations: list[Conversation]
    failure: CannotShow | None = None
    is_partial: bool = False


def linked_from(user: User, ticket: str) -> Linked:
    """Newest activity first. Raises `CannotShow` if the reader has no credential that Omni accepts.

    What Omni showed to the reader longer ago than `OMNIVIEWER_ACCESS_TTL` it is asked about again; of what it never
    showed to them, nobody learns here that it is linked.
    """
    reader = reader_of(user)
    failure = None
    of_ticket = Conversation.objects.filter(ticket_references__ticket=ticket)
    run_out = Access.objects.run_out(reader).filter(conversation__in=of_ticket)
    ids = list(run_out.order_by().values_list("conversation__omni_id", "conversation__instance").distinct())
    for omni_id, instance in ids[:_MOST_ASKED]:
        try:
            open_conversation(user, omni_id, instance=instance)
        except CannotShow as error:
            if error.why in (CannotShow.NOT_REACHED, CannotShow.LIMITED):
                failure = error
                break
    accesses = Access.objects.rows_of(reader).each_once(reader).filter(conversation__in=of_ticket)
    return Linked(shown_rows(reader, accesses.newest_first()), failure, is_partial=len(ids) > _MOST_ASKED)
