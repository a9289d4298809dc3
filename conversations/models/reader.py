"""A reader: a person and the API tokens that they read through."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from conversations.models.conversation import CLOCKS_DIFFER
from conversations.models.people import Owner
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.operations import database_clock
from omniviewer.prepared import Prepared, slot

_HELD = Prepared(lambda _: Credential.objects.owned_by(slot("owner")).accepted())


def is_valid(token: ApiToken, proven_at: datetime | None) -> bool:
    """Return whether a right that was proven then counts: Omni has not rejected the token since."""
    return proven_at is not None and (token.rights_since is None or proven_at > token.rights_since)


@dataclass(frozen=True)
class Limits:
    """The values with which a row of a token is compared: a right that was renewed from `since` to `until` counts.

    Rights that were proven before `rights_since` do not; None where Omni has never rejected the token.
    """

    token: int
    since: datetime
    until: datetime
    rights_since: datetime | None


class Conditions:
    """The conditions that a reader may see a row of a token's accesses, or of its rights to jobs."""

    @property
    def limits(self) -> Sequence[Limits]:
        raise NotImplementedError

    @property
    def token_keys(self) -> list[int]:
        return [limits.token for limits in self.limits]

    @property
    def may_see_twice(self) -> bool:
        """Return whether two tokens are for one instance, and so may both have been shown the same conversation."""
        raise NotImplementedError

    @property
    def holds_token(self) -> Q:
        """Return the condition that the row's token is one of the reader's."""
        return self._of(self.token_keys)

    def _of(self, tokens: Sequence[int]) -> Q:
        return Q(api_token__in=tokens)

    def within(self, column: str) -> Q:
        """Return the condition that the time in `column` is recent enough for the row's token."""
        condition = Q()
        for limits in self.limits:
            condition |= Q(api_token=limits.token, **{f"{column}__range": (limits.since, limits.until)})
        return condition if self.limits else Q(pk__in=[])

    def since_accepted(self, column: str) -> Q:
        """Return the condition that the time in `column` is later than Omni's last acceptance of the row's token."""
        never_rejected = [limits.token for limits in self.limits if limits.rights_since is None]
        condition = self._of(never_rejected)
        for limits in self.limits:
            if limits.rights_since is not None:
                condition |= Q(api_token=limits.token, **{f"{column}__gt": limits.rights_since})
        return condition


@dataclass(frozen=True)
class ReaderSlots(Conditions):
    """The conditions of all readers with so many tokens, for a prepared query: a slot in the place of each value.

    `rejected`: whether Omni has ever rejected the token, for each. `sees_twice`: see `may_see_twice`.
    """

    rejected: tuple[bool, ...]
    sees_twice: bool = False

    @property
    def may_see_twice(self) -> bool:
        return self.sees_twice

    @property
    def limits(self) -> Sequence[Limits]:
        found = []
        for number, was_rejected in enumerate(self.rejected):
            slots = {each.name: slot(f"{each.name}{number}") for each in fields(Limits)}
            found.append(Limits(**slots if was_rejected else {**slots, "rights_since": None}))
        return found

    def _of(self, tokens: Sequence[int]) -> Q:
        """Compare one by one: Django takes no expression within `__in` of a relation."""
        condition = Q(pk__in=[])
        for token in tokens:
            condition |= Q(api_token=token)
        return condition


@dataclass(frozen=True)
class Reader(Conditions):
    """A person and the accepted API tokens that they read through, in their own order.

    `unasked` are keys of tokens with which Omni could not be asked just now: their accesses may be as old as
    `OMNIVIEWER_ACCESS_GRACE`, instead of `OMNIVIEWER_ACCESS_TTL`.
    """

    user: User
    tokens: tuple[ApiToken, ...]
    unasked: frozenset[int] = field(default=frozenset())

    @classmethod
    def for_user(cls, user: User, through: Iterable[Credential] | None = None) -> "Reader":
        """Return the reader, through these credentials alone if they are given."""
        held = _HELD.rows(owner=user.pk) if through is None else through
        tokens = dict.fromkeys(credential.api_token for credential in held)
        return cls(user, tuple(token for token in tokens if token.rejected_at is None))

    @classmethod
    def through(cls, token: ApiToken) -> "Reader":
        """Return a reader of what this one token is shown, for work in the background."""
        return cls(User(), (token,))

    def on(self, instance: str) -> "Reader":
        """Return the reader through their tokens for this instance alone; through all of them where it is ""."""
        return replace(self, tokens=tuple(token for token in self.tokens if instance in ("", token.instance)))

    def renewed(self) -> "Reader":
        """Return the reader through those of these tokens that are still accepted."""
        accepted = {token.pk: token for token in Reader.for_user(self.user).tokens}
        return replace(self, tokens=tuple(accepted[key] for key in self.token_keys if key in accepted))

    def stretched(self, unasked: Iterable[ApiToken]) -> "Reader":
        return replace(self, unasked=frozenset(token.pk for token in unasked))

    @property
    def limits(self) -> Sequence[Limits]:
        # By one clock for all machines: with its own set back, this one would honour rights that are over.
        now, found = database_clock.now(), []
        for token in self.tokens:
            length, ahead = settings.ACCESS_TTL, CLOCKS_DIFFER
            if token.pk in self.unasked:
                length = ahead = settings.ACCESS_GRACE
            since = max(now - length, token.rights_since) if token.rights_since else now - length
            found.append(Limits(token.pk, since, now + ahead, token.rights_since))
        return found

    @property
    def slots(self) -> ReaderSlots:
        """Return the shape of this reader for prepared queries; `slot_values` are the values for it."""
        return ReaderSlots(tuple(token.rights_since is not None for token in self.tokens), self.may_see_twice)

    @property
    def slot_values(self) -> dict[str, Any]:
        return {
            f"{name}{number}": value
            for number, limits in enumerate(self.limits)
            for name, value in vars(limits).items()
        }

    @property
    def token_keys(self) -> list[int]:
        return [token.pk for token in self.tokens]

    @property
    def may_see_twice(self) -> bool:
        return len({token.instance for token in self.tokens}) < len(self.tokens)

    def owned_by(self, owners: Collection[Owner]) -> Q:
        """Return the condition that the row's owner is one of these people, on the instance that knows them."""
        condition = Q(pk__in=[])
        for token in self.tokens:
            ids = [owner.id for owner in owners if owner.instance == token.instance]
            if ids:
                condition |= Q(api_token=token.pk, owner_id__in=ids)
        return condition
