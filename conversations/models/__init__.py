"""The archive's rows: what Omni returned, which token was shown it when, and how Omni is doing."""

from conversations.models.access import Access
from conversations.models.answer_status import AnswerStatus, Outcome
from conversations.models.capture import Capture, Star, marked
from conversations.models.conversation import Conversation, owner_told, recency
from conversations.models.evidence import Action, Chart, drop_kept_before, kept_before
from conversations.models.hold import Hold, held
from conversations.models.index_failure import IndexFailure
from conversations.models.job import LONGEST_JOB, OMNI_KEEPS, SOON, Job
from conversations.models.job_access import (
    EvidenceRight,
    EvidenceRights,
    JobAccess,
    is_over,
    sees_evidence,
    settle_evidence,
)
from conversations.models.message import EarlierMessage, Message
from conversations.models.people import Member, Owner, PeopleWalk
from conversations.models.reader import Reader, ReaderSlots
from conversations.models.removal import HandOver, Removal
from conversations.models.search_export import SearchExport
from conversations.models.seen_revision import SeenRevision
from conversations.models.storage import Stored, stored
from conversations.models.ticket import TicketReference
from conversations.models.upstream import Flight, Instance, SentRequest, TokenBudget
from conversations.models.visit import ReadUntil, Visit
from conversations.models.walk import CHECK_EVERY, Walk
from conversations.models.written import MANY_TO_RENDER

__all__ = [
    "CHECK_EVERY",
    "LONGEST_JOB",
    "MANY_TO_RENDER",
    "OMNI_KEEPS",
    "SOON",
    "Access",
    "Action",
    "AnswerStatus",
    "Capture",
    "Chart",
    "Conversation",
    "EarlierMessage",
    "EvidenceRight",
    "EvidenceRights",
    "Flight",
    "HandOver",
    "Hold",
    "IndexFailure",
    "Instance",
    "Job",
    "JobAccess",
    "Member",
    "Message",
    "Outcome",
    "Owner",
    "PeopleWalk",
    "ReadUntil",
    "Reader",
    "ReaderSlots",
    "Removal",
    "SearchExport",
    "SeenRevision",
    "SentRequest",
    "Star",
    "Stored",
    "TicketReference",
    "TokenBudget",
    "Visit",
    "Walk",
    "drop_kept_before",
    "held",
    "is_over",
    "kept_before",
    "marked",
    "owner_told",
    "recency",
    "sees_evidence",
    "settle_evidence",
    "stored",
]
