"""The conversations that are linked from a ticket, as far as the reader may read them."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from conversations.archive import threads
from conversations.archive.outcomes import CannotShow
from conversations.models import Access, TicketReference
from conversations.models.access import AccessQuerySet
from conversations.search import shown_row
from conversations.search.finder import FEW_ROWS
from conversations.search.shown_row import ShownRows
from omniviewer.accounts.models import User

# Most conversations with expired access that Omni is asked about for one page.
_MAX_CONVERSATIONS_ASKED = 5


@dataclass(frozen=True)
class Linked:
    """Linked conversations. `failure`: why some may be missing; `is_partial`: not all were asked about yet."""

    shown: ShownRows
    failure: CannotShow | None = None
    is_partial: bool = False


def open(user: User, ticket: str) -> Linked:  # noqa: A001  (callers say `ticket_links.open`)
    """Return the linked conversations, newest activity first. Raises `CannotShow` if no credential is accepted.

    Omni is asked again about accesses older than `OMNIVIEWER_ACCESS_TTL`. Conversations that it never showed to the
    reader stay out, so that nobody learns here that they are linked.
    """
    reader = threads.require_reader(user)
    failure = None
    run_out = _linked(Access.objects.run_out(reader), ticket)
    ids = list(run_out.order_by().values_list("conversation__omni_id", "conversation__instance").distinct())
    for omni_id, instance in ids[:_MAX_CONVERSATIONS_ASKED]:
        try:
            threads.open(user, omni_id, instance=instance)
        except CannotShow as error:
            if error.why in (CannotShow.NOT_REACHED, CannotShow.LIMITED):
                failure = error
                break
    accesses = _linked(Access.objects.messages_of(reader).each_once(reader), ticket)
    return Linked(
        shown_row.load(reader, accesses.newest_first()), failure, is_partial=len(ids) > _MAX_CONVERSATIONS_ASKED
    )


def _linked(rows: AccessQuerySet, ticket: str) -> AccessQuerySet:
    """Return the accesses whose conversation is linked from the ticket.

    Few are looked up one by one: the query time must not reveal how many conversations of others are linked.
    """
    references = TicketReference.objects.filter(ticket=ticket)
    if rows.order_by()[: FEW_ROWS + 1].count() <= FEW_ROWS:
        return rows.filter(Exists(references.filter(conversation=OuterRef("conversation"))))
    return rows.filter(conversation__in=references.values("conversation"))
