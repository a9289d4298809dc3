"""Permissions beyond ownership: an Omni instance may answer differently by route, by token and by time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

Route = Literal["list", "thread", "job", "result", "chart"]
_ALWAYS_SINCE = datetime(1, 1, 1, tzinfo=UTC)
_ALWAYS_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rule:
    """One refusal: of this route, to this token ("" for every token), of this id (None for every id), while it lasts.

    On the route "list" the conversation is left out of the reply, whatever `status` says.
    """

    route: Route
    token: str = ""
    id: UUID | None = None
    status: int = 404
    since: datetime = _ALWAYS_SINCE
    until: datetime = _ALWAYS_UNTIL

    def applies(self, route: Route, token: str, wanted: UUID, now: datetime) -> bool:
        is_same = self.route == route and self.token in ("", token) and self.id in (None, wanted)
        return is_same and self.since <= now < self.until


class Permissions:
    """Refusals, and texts that differ by API token. They may change while a stand-in serves them."""

    def __init__(self) -> None:
        self._rules: tuple[Rule, ...] = ()
        self._wordings: tuple[tuple[str, Callable[[str], str]], ...] = ()

    def deny(self, *routes: Route, token: str = "", id: UUID | None = None, status: int = 404) -> None:  # noqa: A002
        """Refuse from now on."""
        self.add(*(Rule(route, token, id, status) for route in routes))

    def add(self, *rules: Rule) -> None:
        self._rules += rules

    def allow(self, *routes: Route, token: str = "", id: UUID | None = None) -> None:  # noqa: A002
        """Take back the refusals that were made in these words."""
        self._rules = tuple(
            rule for rule in self._rules if rule.route not in routes or (rule.token, rule.id) != (token, id)
        )

    def reword(self, token: str, change: Callable[[str], str]) -> None:
        """Show this token every text of a conversation as `change` makes it."""
        self._wordings += ((token, change),)

    def refusal(self, route: Route, token: str, wanted: UUID, now: datetime) -> int | None:
        """Return the status of the first refusal that applies, or None."""
        return next((rule.status for rule in self._rules if rule.applies(route, token, wanted, now)), None)

    def wording(self, token: str, text: str) -> str:
        """Return a text as this token is shown it."""
        for whose, change in self._wordings:
            if whose == token:
                text = change(text)
        return text
