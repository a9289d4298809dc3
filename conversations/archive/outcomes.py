"""Results of asking the archive, and the reasons why it cannot show something."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from conversations.models import Access, Conversation, EvidenceRights, Reader
from omniviewer.accounts.models import ApiToken, Credential
from omniviewer.omni import OmniError, RateLimited


class Fetch(Enum):
    """When to ask Omni for something that is stored and may be read."""

    # Only if it is not stored: otherwise show it at once, however old.
    IF_MISSING = auto()
    # If it is older than its freshness limit.
    IF_STALE = auto()
    ALWAYS = auto()


@dataclass(frozen=True)
class Notice:
    """A line that tells the reader why a page is not fresh. `retry_after`: seconds, where it is known.

    `as_of` is None for a list that was never fetched: it shows only conversations that were opened directly.
    """

    sentence: str
    as_of: datetime | None
    retry_after: float | None = None

    @classmethod
    def about(cls, error: OmniError, as_of: datetime | None) -> "Notice":
        return cls(error.sentence, as_of, error.retry_after)


@dataclass(frozen=True)
class Opened:
    """A conversation as Omni showed it to the token of `accesses[0]`.

    `accesses`: all through which the reader may read its messages now; the first one is shown.
    """

    conversation: Conversation
    reader: Reader
    accesses: list[Access]
    notice: Notice | None = None
    # True if Omni was asked by this call.
    was_asked: bool = False

    @property
    def token(self) -> ApiToken:
        """Return the token that the conversation is read with."""
        return self.accesses[0].api_token

    @property
    def credential(self) -> Credential:
        """Return the reader's first credential for that token."""
        held = Credential.objects.owned_by(self.reader.user).filter(api_token=self.token)
        return held[0]

    @property
    def is_starred(self) -> bool:
        """Return whether the reader had starred the conversation when it was opened."""
        return self.accesses[0].was_starred

    @property
    def has_tickets(self) -> bool:
        """Return whether tickets linked to the conversation when it was opened."""
        return self.accesses[0].had_tickets

    @property
    def is_seen(self) -> bool:
        """Return whether a visit of the reader's at this last activity was stored when it was opened."""
        seen_at = self.accesses[0].seen_at
        return seen_at is not None and seen_at == self.conversation.updated_at

    @property
    def is_one_of_several(self) -> bool:
        return len(self.reader.tokens) > 1

    def evidence_rights(self, job_ids: Collection[UUID]) -> EvidenceRights:
        return EvidenceRights([access.api_token for access in self.accesses], job_ids)


class CannotShow(Exception):
    """There is nothing to show. `why` is one of the class's constants, `sentence` tells the reader what happened.

    `retry_after`: seconds until trying again may help, where that is known.
    """

    NO_CREDENTIAL = "no-credential"
    REJECTED = "rejected"
    NOT_SHOWN = "not-shown"
    NOT_REACHED = "not-reached"
    LIMITED = "limited"
    BAD_ADDRESS = "bad-address"

    def __init__(self, why: str, sentence: str = "", *, retry_after: float | None = None) -> None:
        self.why = why
        self.sentence = sentence
        self.retry_after = retry_after
        super().__init__(why)

    @classmethod
    def because(cls, error: OmniError) -> "CannotShow":
        """Return the exception for an error that says nothing against the reader: a later try may work."""
        why = cls.LIMITED if isinstance(error, RateLimited) else cls.NOT_REACHED
        return cls(why, error.sentence, retry_after=error.retry_after)
