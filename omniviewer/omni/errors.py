"""Errors raised when Omni is asked. Each carries a sentence fit for a page: no token, no text of Omni's."""

from typing import ClassVar, Self


class OmniError(Exception):
    """Base class of all errors that asking Omni raises.

    `outcome` is a short name for logs and metrics: a status, or what broke. `retry_after`, in seconds, is when asking
    again may help, where that is known.
    """

    sentence = "The request to Omni failed."
    kinds: ClassVar[dict[str, type["OmniError"]]] = {}

    def __init_subclass__(cls) -> None:
        OmniError.kinds[cls.__name__] = cls

    def __init__(self, sentence: str = "", *, outcome: str = "", retry_after: float | None = None) -> None:
        self.sentence = sentence or self.sentence
        self.outcome = outcome or "error"
        self.retry_after = retry_after
        super().__init__(self.sentence)

    def as_record(self) -> dict[str, str | float | None]:
        """Return the values from which another process can raise the same error."""
        return {
            "kind": type(self).__name__,
            "sentence": self.sentence,
            "outcome": self.outcome,
            "retry_after": self.retry_after,
        }

    @classmethod
    def from_record(cls, record: dict[str, object]) -> "OmniError":
        kind = cls.kinds.get(str(record.get("kind")), OmniError)
        retry_after = record.get("retry_after")
        return kind(
            str(record.get("sentence") or ""),
            outcome=str(record.get("outcome") or ""),
            retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        )


class TokenRejected(OmniError):
    """`401`: this token is not, or no longer, valid on this instance."""

    sentence = "Omni rejected this token. It may be mistyped, revoked or from another instance."


class NotVisible(OmniError):
    """`403`, `404` or `410`: unknown, or not visible to this token. Omni does not say which."""

    sentence = "Omni does not show this to your token."


class BadRequest(OmniError):
    """Any other `4xx`: Omni understood the token but not the question."""

    sentence = "Omni did not accept the request."


class Unreadable(OmniError):
    """The reply is not one of Omni's API: HTML, a redirect, broken or unexpected JSON, or too large."""

    sentence = "The server that replied does not speak Omni's API."


class NoContent(Unreadable):
    """`204`: an empty answer, on purpose."""


class NotSent(OmniError):
    """This site sends nothing with this token: it cannot be decrypted, say. Each request of it would fail alike."""


class CannotAsk(OmniError):
    """Omni cannot be asked at all just now: network, `5xx` or `429`. The only case in which a reading is stretched."""

    sentence = "Omni cannot be reached at the moment."


class Resting(CannotAsk):
    """Omni failed several times just now, so it is not asked for a few seconds."""

    sentence = "Omni failed several times in a row, so requests to it are paused for a few seconds."


class RateLimited(CannotAsk):
    """This token's requests for the minute are used up, by Omni's own word (`429`) or by our count."""

    sentence = "This token has reached Omni's limit of requests per minute."

    @classmethod
    def ours(cls, retry_after: float) -> Self:
        """Return the error for a limit reached by our own count, before Omni has to refuse."""
        return cls(
            "This token has no requests to Omni left for this minute.",
            outcome="budget",
            retry_after=retry_after,
        )


# Errors that the token's other requests would meet too.
OF_THE_TOKEN = CannotAsk, NotSent, TokenRejected
