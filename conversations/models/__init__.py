"""The archive's rows: what Omni returned, which credential was shown it when, and how Omni is doing."""

from conversations.models.conversation import Access, Conversation
from conversations.models.evidence import Action, Chart
from conversations.models.job import Job
from conversations.models.lists import ListPage, Member
from conversations.models.message import EarlierMessage, Message
from conversations.models.ticket import TicketReference
from conversations.models.upstream import Flight, Instance, SentRequest, TokenBudget

__all__ = [
    "Access",
    "Action",
    "Chart",
    "Conversation",
    "EarlierMessage",
    "Flight",
    "Instance",
    "Job",
    "ListPage",
    "Member",
    "Message",
    "SentRequest",
    "TicketReference",
    "TokenBudget",
]
