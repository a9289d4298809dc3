"""What can go wrong when Omni is asked. Each carries a sentence fit for a page: no token, no text of Omni's."""


class OmniError(Exception):
    """Base of everything that asking Omni raises."""

    sentence = "Omni could not be asked."

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or self.sentence
        super().__init__(self.sentence)


class TokenRejected(OmniError):
    """`401`: this token is not, or no longer, valid on this instance."""

    sentence = "Omni does not accept this token: it may be mistyped, revoked or from another instance."


class NotVisible(OmniError):
    """`403` or `404`: unknown, or not visible to this token. Omni does not say which."""

    sentence = "Omni does not show this to your token."


class BadRequest(OmniError):
    """Any other `4xx`: Omni understood the token but not the question."""

    sentence = "Omni did not accept the request."


class Unreadable(OmniError):
    """Something answered, but not as Omni's API does: HTML, a redirect, broken or unexpected JSON, too much of it."""

    sentence = "What answered does not speak Omni's API."


class CannotAsk(OmniError):
    """Omni cannot be asked at all just now: network, `5xx` or `429`. The only case in which a reading is stretched."""

    sentence = "Omni cannot be reached at the moment."


class RateLimited(CannotAsk):
    """`429`: this token has used up its requests a minute."""

    sentence = "Omni's limit of requests a minute for this token is used up. Try again in a minute."
