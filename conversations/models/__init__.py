"""The archive's rows: what Omni returned, which credential was shown it when, and how Omni is doing."""

from conversations.models.capture import SOON, Capture, Star, marked
from conversations.models.conversation import Access, Conversation, recency
from conversations.models.evidence import Action, Chart, drop_kept_before
from conversations.models.index_failure import IndexFailure
from conversations.models.job import OMNI_KEEPS, Job
from conversations.models.lists import Member
from conversations.models.message import EarlierMessage, Message
from conversations.models.stored import Stored, stored
from conversations.models.ticket import TicketReference
from conversations.models.upstream import Flight, Instance, SentRequest, TokenBudget
from conversations.models.visit import ReadUntil, Visit
from conversations.models.walk import CHECK_EVERY, Reading, Walk

__all__ = [
    "CHECK_EVERY",
    "OMNI_KEEPS",
    "SOON",
    "Access",
    "Action",
    "Capture",
    "Chart",
    "Conversation",
    "EarlierMessage",
    "Flight",
    "IndexFailure",
    "Instance",
    "Job",
    "Member",
    "Message",
    "ReadUntil",
    "Reading",
    "SentRequest",
    "Star",
    "Stored",
    "TicketReference",
    "TokenBudget",
    "Visit",
    "Walk",
    "drop_kept_before",
    "marked",
    "recency",
    "stored",
]
