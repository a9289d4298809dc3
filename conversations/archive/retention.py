"""The sweep: deletes conversations that Omni has shown to no API token for a long time.

Before one is, Omni is asked for it with each token that may still be shown it. Where Omni cannot be asked, or a hold
names it, it stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists
from django.utils import timezone

from conversations.archive import credentials, removal, threads
from conversations.archive.outcomes import Fetch
from conversations.models import Access, Conversation, held
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import CannotAsk, NotSent, NotVisible, OmniError, RateLimited, TokenRejected

# Seconds until a token with a used-up budget is asked again, if Omni says nothing else.
_BUDGET_SECONDS = 60.0


@dataclass
class Swept:
    """Outcome of a sweep: the numbers of conversations deleted, shown again, and left over.

    `retry_after`: seconds until Omni may be asked about some of those left over; None while it is away.
    """

    deleted: int = 0
    shown: int = 0
    left: int = 0
    retry_after: float | None = None


class Sweep:
    """A sweep for what Omni has shown to no token since `before`."""

    def __init__(self, before: datetime) -> None:
        self._unshown = Conversation.objects.unshown_since(before).exclude(pk__in=held().values("pk"))
        self._swept = Swept()
        # Keys of tokens that cannot be asked for now.
        self._away: set[int] = set()

    @classmethod
    def of_today(cls) -> "Sweep | None":
        """Return a sweep for what is to be forgotten by now (`OMNIVIEWER_FORGET_DAYS`); None where nothing ever is."""
        days = settings.FORGET_DAYS
        return cls(timezone.now() - timedelta(days=days)) if days else None

    @property
    def count(self) -> int:
        """Count the conversations that Omni is to be asked about."""
        return self._unshown.count()

    def run(self) -> Swept:
        """Delete these conversations, but for those that Omni shows now or cannot be asked about."""
        for batch in self._batches():
            gone = [conversation.pk for conversation in batch if not self._may_be_shown(conversation)]
            with transaction.atomic():
                # Omni may have shown one of them in the meantime.
                rows = list(self._unshown.filter(pk__in=gone).select_for_update(of=("self",)).order_by("pk"))
                deleted = removal.forget(rows)
            self._swept.deleted += len(deleted)
        self._swept.left = self.count
        return self._swept

    def _batches(self) -> Iterator[list[Conversation]]:
        last = 0
        while True:
            waiting = Access.objects.filter(api_token__in=self._away, refused_at=None).to_outer_conversation()
            rows = self._unshown.filter(pk__gt=last).exclude(Exists(waiting)).order_by("pk")
            batch = list(rows[: removal.BATCH_CONVERSATIONS])
            if not batch:
                return
            last = batch[-1].pk
            yield batch

    def _may_be_shown(self, conversation: Conversation) -> bool:
        """Ask Omni with each token that it has not refused; True too where one of them cannot be asked."""
        same = Access.objects.filter(conversation=conversation, refused_at=None).values("api_token")
        tokens = list(ApiToken.objects.at_work().filter(pk__in=same))
        if any(token.pk in self._away for token in tokens):
            return True
        for token in tokens:
            try:
                threads.fetch(token, conversation.omni_id, timezone.now(), Fetch.ALWAYS, Urgency.AHEAD)
            except (NotVisible, TokenRejected) as error:
                credentials.record(token, error)
            except OmniError as error:
                self._put_off(token, error)
                return True
            else:
                self._swept.shown += 1
                return True
        return False

    def _put_off(self, token: ApiToken, error: OmniError) -> None:
        if isinstance(error, CannotAsk | NotSent):
            self._away.add(token.pk)
        if isinstance(error, RateLimited):
            wait = error.retry_after or _BUDGET_SECONDS
            self._swept.retry_after = min(wait, self._swept.retry_after or wait)
