"""The conversations that are linked from a ticket, as far as the reader may read them."""

from dataclasses import dataclass

from conversations.archive.outcomes import CannotShow
from conversations.archive.thread import open_conversation
from conversations.models import Access, Conversation
from omniviewer.accounts.models import Credential, User

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
    mine = Credential.objects.of(user)
    if not mine:
        raise CannotShow(CannotShow.NO_CREDENTIAL)
    if not mine.accepted():
        raise CannotShow(CannotShow.REJECTED)
    failure = None
    of_ticket = Conversation.objects.filter(ticket_references__ticket=ticket)
    run_out = Access.objects.run_out(user).filter(conversation__in=of_ticket).conversation_ids()
    for omni_id in run_out[:_MOST_ASKED]:
        try:
            open_conversation(user, omni_id)
        except CannotShow as error:
            if error.why in (CannotShow.NOT_REACHED, CannotShow.LIMITED):
                failure = error
                break
    readable = list(of_ticket.readable_by(user).order_by("-updated_at", "pk"))
    return Linked(readable, failure, is_partial=len(run_out) > _MOST_ASKED)
