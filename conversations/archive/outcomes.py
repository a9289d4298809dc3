"""What asking the archive comes to."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from conversations.models import Conversation
from conversations.omni import OmniError, RateLimited
from omniviewer.accounts.models import Credential


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
    """`credential` is what it is read with, `is_one_of_several` of the reader's that are accepted."""

    conversation: Conversation
    credential: Credential
    is_one_of_several: bool = False
    notice: Notice | None = None
    # Whether Omni was asked just now.
    was_asked: bool = False


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
