"""What asking the archive comes to."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from conversations.models import Access, Conversation, EvidenceRights, Reader
from omniviewer.accounts.models import ApiToken, Credential
from omniviewer.omni import OmniError, RateLimited


class Ask(Enum):
    """When Omni is asked for what is kept already, and may be read."""

    # Not: it is shown at once, however old.
    IF_NEEDED = auto()
    # If it is older than OMNIVIEWER_FRESH_FOR.
    IF_STALE = auto()
    ALWAYS = auto()


@dataclass(frozen=True)
class Notice:
    """A line that tells the reader why a page is not fresh. `retry_after`: seconds, where it is known.

    `as_of` is None for a list that was never fetched: what it shows was opened by itself.
    """

    sentence: str
    as_of: datetime | None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: OmniError, as_of: datetime | None) -> "Notice":
        return cls(error.sentence, as_of, error.retry_after)


@dataclass(frozen=True)
class Opened:
    """A conversation as Omni showed it to the token of `accesses[0]`.

    `accesses`: all through which the reader may read its messages now, the one that is shown first.
    """

    conversation: Conversation
    reader: Reader
    accesses: list[Access]
    notice: Notice | None = None
    # Whether Omni was asked just now.
    was_asked: bool = False

    @property
    def token(self) -> ApiToken:
        """The token that it is read with."""
        return self.accesses[0].api_token

    @property
    def credential(self) -> Credential:
        """The reader's first credential for that token."""
        held = Credential.objects.of(self.reader.user).filter(api_token=self.token)
        return held[0]

    @property
    def is_one_of_several(self) -> bool:
        return len(self.reader.tokens) > 1

    def evidence_rights(self, job_ids: Collection[UUID]) -> EvidenceRights:
        return EvidenceRights(self.accesses, job_ids)


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
        """For an error that says nothing against the reader: it may work later."""
        why = cls.LIMITED if isinstance(error, RateLimited) else cls.NOT_REACHED
        return cls(why, error.sentence, retry_after=error.retry_after)
