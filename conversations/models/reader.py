"""A reader: a person and the API tokens that they read through."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from conversations.models.conversation import CLOCKS_DIFFER
from conversations.models.people import Owner
from omniviewer.accounts.models import ApiToken, Credential, User


def is_valid(token: ApiToken, proven_at: datetime | None) -> bool:
    """Return whether a right that was proven then counts: Omni has not rejected the token since."""
    return proven_at is not None and (token.rights_since is None or proven_at > token.rights_since)


@dataclass(frozen=True)
class Reader:
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
        held = Credential.objects.owned_by(user).accepted() if through is None else through
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
    def token_keys(self) -> list[int]:
        return [token.pk for token in self.tokens]

    @property
    def may_see_twice(self) -> bool:
        """Return whether two tokens are for one instance, and so may both have been shown the same conversation."""
        return len({token.instance for token in self.tokens}) < len(self.tokens)

    def within(self, column: str) -> Q:
        """Return the condition that the time in `column` is recent enough for the row's token."""
        now = timezone.now()
        condition = Q()
        for token in self.tokens:
            length, ahead = settings.ACCESS_TTL, CLOCKS_DIFFER
            if token.pk in self.unasked:
                length = ahead = settings.ACCESS_GRACE
            since = max(now - length, token.rights_since) if token.rights_since else now - length
            condition |= Q(api_token=token.pk, **{f"{column}__range": (since, now + ahead)})
        return condition if self.tokens else Q(pk__in=[])

    def owned_by(self, owners: Collection[Owner]) -> Q:
        """Return the condition that the row's owner is one of these people, on the instance that knows them."""
        condition = Q(pk__in=[])
        for token in self.tokens:
            ids = [owner.id for owner in owners if owner.instance == token.instance]
            if ids:
                condition |= Q(api_token=token.pk, owner_id__in=ids)
        return condition

    def since_accepted(self, column: str) -> Q:
        """Return the condition that the time in `column` is later than Omni's last acceptance of the row's token."""
        rejected = {token.pk: token.rights_since for token in self.tokens if token.rights_since}
        if not rejected:
            return Q(api_token__in=self.token_keys)
        condition = Q(api_token__in=[key for key in self.token_keys if key not in rejected])
        for key, moment in rejected.items():
            condition |= Q(api_token=key, **{f"{column}__gt": moment})
        return condition
