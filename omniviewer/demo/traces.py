"""Stars, tickets and the state of reading that the demo's people have left before its user comes."""

from datetime import timedelta

from django.utils import timezone

from conversations.models import Conversation, ReadUntil, Star, TicketReference
from omniviewer.accounts.models import User

# Later activity is new to them.
_READ_UNTIL = timedelta(hours=6)
# By username: names of conversations that they starred.
_STARS = {
    "analyst": ("Top products by revenue", "Revenue by region and month", "Forty best-selling styles"),
    "lead": (
        "Campaign results, all channels",
        "Margin by supplier",
        "Return reasons by size",
        "Every basket with two hats",
        "Orders of the night",
    ),
}
# By username: names of conversations and tickets that they linked to these.
_TICKETS = {
    "analyst": (
        ("Top products by revenue", "SUP-4077"),
        ("Stock-outs, over several days", "SUP-4102"),
        ("Orders from Atlantis", "SUP-4131"),
    ),
    "lead": (
        ("Reorder list for all warehouses", "OPS-931"),
        ("Margin by supplier", "BI-311"),
        ("Supplier margins for the purchasing round", "BI-311"),
        ("Supplier scorecard", "BI-311"),
        ("Return reasons by size", "BI-318"),
        ("Reasons behind one customer’s returns", "BI-318"),
        ("Cost of a new customer by channel", "BI-325"),
        ("Orders of the night", "OPS-902"),
        ("Refunds still open", "SUP-4119"),
    ),
}


def leave(user: User) -> None:
    """Star and link conversations for one of the demo's people, as far as they may read them."""
    readable = Conversation.objects.readable_by(user)
    for name in _STARS.get(user.username, ()):
        for conversation in readable.filter(name=name):
            Star.objects.set(user, conversation.pk, starred=True)
    for name, ticket in _TICKETS.get(user.username, ()):
        for conversation in readable.filter(name=name):
            TicketReference.objects.add(conversation, ticket, user, is_by_hand=True)
    ReadUntil.objects.update_or_create(user=user, defaults={"at": timezone.now() - _READ_UNTIL})
