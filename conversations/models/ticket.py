"""References from tickets to conversations."""

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models import ticket_names
from conversations.models.conversation import Conversation
from omniviewer.accounts.models import User
from omniviewer.prepared import Prepared, slot

# Most references to one conversation: more are taken for abuse.
MAX_REFERENCES = 50
# Most references that links may add: to one conversation, so that people can still add some by hand; and by one person
# in an hour.
MAX_LINKED, MAX_LINKED_HOURLY = 40, 100


class TicketReferenceQuerySet(models.QuerySet["TicketReference"]):
    def oldest_first(self) -> Self:
        return self.order_by("added_at", "pk")

    def of(self, conversation: Conversation) -> list["TicketReference"]:
        """Return a conversation's references, the oldest first."""
        return _REFERENCES.rows(conversation=conversation.pk)

    def add(self, conversation: Conversation, ticket: str, user: User, *, is_by_hand: bool) -> bool:
        """Add a reference, or leave one that exists as it is; return False if there are too many."""
        if not self.filter(conversation=conversation, ticket=ticket).exists():
            most = MAX_REFERENCES if is_by_hand else MAX_LINKED
            if self.filter(conversation=conversation).count() >= most or not (is_by_hand or self._may_link(user)):
                return False
            self.get_or_create(
                conversation=conversation, ticket=ticket, defaults={"added_by": user, "is_by_hand": is_by_hand}
            )
            Conversation.objects.filter(pk=conversation.pk).touch()
        return True

    def _may_link(self, user: User) -> bool:
        since = timezone.now() - timedelta(hours=1)
        return self.filter(added_by=user, is_by_hand=False, added_at__gte=since).count() < MAX_LINKED_HOURLY

    def remove(self, conversation: Conversation, ticket: str) -> bool:
        """Remove the reference; return whether there was one."""
        removed = self.filter(conversation=conversation, ticket=ticket).delete()[0] > 0
        Conversation.objects.filter(pk=conversation.pk).touch()
        return removed


class TicketReference(models.Model):
    """A ticket from which somebody came to the conversation, or that they said by hand belongs to it."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="ticket_references")
    ticket = models.CharField(max_length=ticket_names.MAX_TICKET_CHARS, db_index=True)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)
    is_by_hand = models.BooleanField(default=False)

    objects = TicketReferenceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("conversation", "ticket", name="one_reference_a_ticket")]

    def __str__(self) -> str:
        return f"{self.ticket} of {self.conversation_id}"

    @property
    def address(self) -> str:
        return ticket_names.address_of(self.ticket)


_REFERENCES = Prepared(lambda _: TicketReference.objects.filter(conversation=slot("conversation")).oldest_first())
