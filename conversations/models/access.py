"""Rights: what Omni showed to which API token, by which route, and when.

Each right is established by its own route for the token that asked, and by no other. *Row*: a list reply named the
conversation. *Messages*: the thread route answered `200`; later list and thread replies renew it. *Evidence* of a job:
its job or result route answered `200`, and the messages may be read. A refusal on a route ends its right and is
remembered: only a `200` of the same route undoes it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from conversations.models.conversation import CLOCKS_DIFFER, Conversation, owner_told, recency
from conversations.models.freshness import is_fresh, is_same_activity, was_too_soon
from conversations.models.job import LONGEST_JOB, Job
from conversations.models.reader import Conditions, Reader, is_valid
from conversations.models.seen_revision import SeenRevision
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import replies


class AccessQuerySet(models.QuerySet["Access"]):
    def rows_of(self, reader: Conditions) -> Self:
        """Return those whose row in the list the reader may see: a list reply named it, or its messages may be read."""
        return self.filter(reader.within("listed_at") | self._messages(reader), reader.holds_token)

    def messages_of(self, reader: Conditions) -> Self:
        """Return those whose messages the reader may read."""
        return self.filter(self._messages(reader), reader.holds_token)

    def may_read(self, reader: Conditions) -> models.Case:
        """Return the condition, on a row of a query of accesses, that the reader may read its messages.

        It is true or false, never NULL, so that it can be negated.
        """
        right = models.When(self._messages(reader) & reader.holds_token, then=True)
        return models.Case(right, default=False, output_field=models.BooleanField())

    def opened_to(self, reader: Conditions) -> Self:
        """Return those that the thread route has opened to a token of the reader's, however long ago.

        Neither a refusal of that route nor a rejection of the token has followed. Background work, which asks Omni with
        the token itself, needs no more than that.
        """
        return self.filter(self._opened(reader))

    @staticmethod
    def _opened(reader: Conditions) -> Q:
        return Q(opened_at__isnull=False) & reader.since_accepted("opened_at")

    @classmethod
    def _messages(cls, reader: Conditions) -> Q:
        return cls._opened(reader) & reader.within("confirmed_at")

    def each_once(self, reader: Conditions) -> Self:
        """Keep one row of a conversation that was shown to several of the reader's tokens: the best one's.

        Best is one whose messages may be read, then the first in the reader's own order.
        """
        if not reader.may_see_twice:
            return self
        tokens = reader.token_keys
        count = len(tokens)
        places = (models.When(api_token=token, then=place) for place, token in enumerate(tokens))
        order = models.Case(*places, default=count, output_field=models.IntegerField())
        ranked = models.Case(models.When(self._messages(reader), then=order), default=order + count)
        better = Access.objects.rows_of(reader).annotate(rank=ranked).filter(conversation=OuterRef("conversation"))
        return self.annotate(rank=ranked).exclude(Exists(better.filter(rank__lt=OuterRef("rank"))))

    def run_out(self, reader: Conditions) -> Self:
        """Return those that were opened to a token of the reader's, but for which Omni has to be asked again."""
        return self.opened_to(reader).exclude(reader.within("confirmed_at"))

    def counted_by_instance(self, reader: Conditions) -> "models.QuerySet[Access, tuple[str, int, int, int]]":
        """Count by instance the conversations that the reader may see, those of them whose messages they may read, and
        those whose messages were not refused.
        """
        may_read = self._messages(reader)
        rows = self.rows_of(reader).order_by()
        # Another token may have been shown the same: then each conversation counts once.
        key = "conversation__instance" if reader.may_see_twice else "api_token__instance"
        count = partial(models.Count, "conversation", distinct=reader.may_see_twice)
        numbers = {"all": count(), "read": count(filter=may_read), "open": count(filter=may_read | Q(refused_at=None))}
        return rows.values_list(key).annotate(**{f"count_{name}": number for name, number in numbers.items()})

    def knowing_jobs(self, jobs: models.QuerySet[Job]) -> Self:
        """Add whether any of these jobs is stored."""
        return self.annotate(knows_jobs=Exists(jobs))

    def knowing_marks(
        self, seen: models.QuerySet[Any], stars: models.QuerySet[Any], tickets: models.QuerySet[Any]
    ) -> Self:
        """Annotate when a reader's last visit was (`seen_at`), and whether there are stars and tickets of these."""
        return self.annotate(seen_at=models.Subquery(seen), was_starred=Exists(stars), had_tickets=Exists(tickets))

    def to_outer_conversation(self) -> Self:
        return self.filter(conversation=OuterRef("pk"))

    def newest_first(self) -> Self:
        return self.order_by("-recency", "pk")

    def behind(self) -> Self:
        """Return those whose messages the background has yet to fetch."""
        return self.filter(is_behind=True, listed_at__isnull=False)

    def due(self, token: ApiToken) -> Self:
        """Return those whose messages are to be fetched with this token now, the newest first."""
        return self.behind().filter(api_token=token, not_before__lte=timezone.now()).order_by("-recency")

    def end_rows(self) -> None:
        """End the right to the rows, and have the thread route decide on the messages: no list names these any more."""
        self.update(listed_at=None, confirmed_at=None, is_behind=False)

    def end_rejected(self, token: ApiToken) -> None:
        """End the rights to messages that the token had before Omni rejected it, so that the background asks anew."""
        if token.rights_since:
            ended = self.exclude(opened_at=None).exclude(Reader.through(token).since_accepted("opened_at"))
            SeenRevision.objects.filter(access__in=ended).delete()
            ended.update(opened_at=None, revision=0, revision_since=None)

    def hand_over(self, token: ApiToken) -> None:
        """Put these under another token, to which Omni has shown nothing yet: with no right and no word of Omni's."""
        SeenRevision.objects.filter(access__in=self).delete()
        self.update(
            **_WITHOUT_MESSAGES,
            api_token=token,
            listed_at=None,
            name="",
            last_prompt="",
            owner_id="",
            confirmed_at=None,
            refused_at=None,
            is_answered=False,
            read_of=None,
        )

    def refuse(self) -> None:
        """End the right to the messages: the thread route refused them. No list reply undoes that."""
        SeenRevision.objects.filter(access__in=self).delete()
        now = timezone.now()
        self.update(**_WITHOUT_MESSAGES, refused_at=now, not_before=now, read_of=F("updated_at"))

    def store_listed(
        self,
        token: ApiToken,
        rows: Mapping[UUID, replies.ListedConversation],
        conversations: Sequence[Conversation],
        asked_at: datetime,
        *,
        owner_id: str,
    ) -> None:
        """Store what a list reply to this token said of these conversations, and that it named them.

        That renews the right to the messages, but for one that has run out: only the thread route opens it again.
        """
        same = self.filter(api_token=token, conversation__in=conversations)
        same.end_rejected(token)
        same.run_out(Reader.through(token)).update(opened_at=None)
        known = {row.conversation_id: row for row in same}
        fresh = []
        for conversation in conversations:
            access = known.get(conversation.pk) or Access(api_token=token, conversation=conversation)
            access.forget_if_rejected(token)
            row = rows[conversation.omni_id]
            access.learn(row, conversation.pk, owner_id)
            access.listed_at = access.confirmed_at = access.shown_at = asked_at
            if not access.is_behind and is_same_activity(row.updated_at, access.read_of, access.fetched_at):
                access.unchanged_at = asked_at
            fresh.append(access)
        self.bulk_create(
            fresh,
            update_conflicts=True,
            unique_fields=["api_token", "conversation"],
            update_fields=[*TOLD, "shown_at", "listed_at", "confirmed_at", "unchanged_at", "is_behind"],
        )


# Columns of an access that hold what Omni told its token of the conversation itself.
TOLD = ("name", "last_prompt", "owner_id", "updated_at", "recency")
_PROVEN = ("shown_at", "opened_at", "confirmed_at", "refused_at", "has_evidence")
_READ = ("read_of", "is_behind", "not_before", "tries", "failure")
_FETCHED = ("fetched_at", "is_answered", "revision", "revision_since", "shortfall", *_READ)
# Values of an access without a right to the messages.
_WITHOUT_MESSAGES: dict[str, Any] = dict.fromkeys(("opened_at", "fetched_at", "unchanged_at", "revision_since"))
_WITHOUT_MESSAGES |= {"revision": 0, "is_behind": False, "has_evidence": False}


class Access(models.Model):
    """A record of what Omni showed one API token of one conversation, and when: it decides what holders may see."""

    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="accesses")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="accesses")

    # Row: when a list reply last named it (None: the last list did not), and the row as this token was told it.
    listed_at = models.DateTimeField(null=True)
    name = models.TextField(blank=True)
    last_prompt = models.TextField(blank=True)
    owner_id = models.CharField(max_length=64, blank=True)
    updated_at = models.DateTimeField(null=True)
    # The last activity as a number, see `recency`: the order of this token's list.
    recency = models.BigIntegerField(default=-1)

    # When Omni last showed the token the row or the messages. It stays when a right ends.
    shown_at = models.DateTimeField(default=timezone.now)

    # Messages: start of the right, by a `200` of the thread route without a later refusal (None: no right); last
    # renewal by a list or thread reply; last refusal by the route.
    opened_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)
    # Last fetch of the thread with this token; the revision that it was shown then; and since when.
    fetched_at = models.DateTimeField(null=True)
    # When a list reply last named it with the last activity of the fetched thread: nothing had changed since.
    unchanged_at = models.DateTimeField(null=True)
    # True if the fetched thread ended with an answer; else one may come at any moment.
    is_answered = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=0)
    revision_since = models.DateTimeField(null=True)
    # Sentence that says what of the last reply of that route could not be read, or was left out.
    shortfall = models.CharField(max_length=300, blank=True)

    # Background: last activity in the fetched thread; whether the list has told of a later one; and why it could not be
    # fetched.
    read_of = models.DateTimeField(null=True)
    is_behind = models.BooleanField(default=True)
    not_before = models.DateTimeField(default=timezone.now)
    tries = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(max_length=300, blank=True)
    # Search: true if this token may see the evidence of every job of this conversation that the search knows.
    has_evidence = models.BooleanField(default=False)
    knows_jobs: bool  # annotated by knowing_jobs()
    # Annotated by knowing_marks().
    seen_at: datetime | None
    was_starred: bool
    had_tickets: bool

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "accesses"
        constraints = [models.UniqueConstraint("api_token", "conversation", name="one_access_a_token")]
        indexes = [
            models.Index("api_token", "recency", name="accesses_by_recency"),
            models.Index("api_token", "owner_id", "recency", name="accesses_by_owner"),
            models.Index("api_token", "recency", name="accesses_behind", condition=Q(is_behind=True)),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} for token {self.api_token_id}"

    @property
    def is_fresh(self) -> bool:
        """Return whether the fetched messages are shown without asking Omni again.

        A list reply that says that nothing has changed makes them fresh again. A list that tells of something newer
        makes them stale; and while an answer is awaited, only the thread itself counts, and not for long.
        """
        if self.fetched_at is None or self.is_behind:
            return False
        changed_at = max((at for at in (self.updated_at, self.read_of) if at), default=None)
        if changed_at is None or (not self.is_answered and timezone.now() - changed_at < LONGEST_JOB):
            return is_fresh(self.fetched_at)
        return any(is_fresh(at, changed_at) for at in (self.fetched_at, self.unchanged_at))

    def learn(
        self,
        reply: replies.ListedConversation | replies.Conversation,
        key: int,
        owner_id: str = "",
        known: datetime | None = None,
    ) -> None:
        """Take the values of a reply to this token about the conversation with this key, without saving.

        A dialect that leaves something out does not undo what the other told. `owner_id`: whose it is, where the list
        says so; a thread's own word never overwrites that. `known`: the last activity as this token was told it when
        the thread was asked for; the list may tell it more exactly.
        """
        told_at = self.updated_at
        self.name = reply.name or self.name
        self.updated_at = reply.updated_at or self.updated_at
        self.recency = recency(self.updated_at, key)
        if isinstance(reply, replies.ListedConversation):
            self.last_prompt = reply.last_prompt or self.last_prompt
            self.owner_id = owner_id[:64] or self.owner_id
            self.is_behind = self._needs_fetching
            return
        self.owner_id = self.owner_id or owner_told(reply)
        self.last_prompt = reply.last_prompt or self.last_prompt
        self.shortfall = reply.shortfall[:300]
        self.read_of = max((at for at in (self.updated_at, known) if at), default=None)
        # A list reply may have told of something newer while the thread was fetched.
        self.is_behind = told_at is not None and self.read_of is not None and told_at > self.read_of

    def forget_if_rejected(self, token: ApiToken) -> None:
        """Forget what Omni told the token before rejecting it: a reply that says no name keeps none. Does not save."""
        if token.rights_since and not is_valid(token, self.confirmed_at):
            self.name = self.last_prompt = self.owner_id = ""

    @property
    def _needs_fetching(self) -> bool:
        if self.opened_at is None and self.refused_at is None:
            return True
        is_later = self.updated_at is not None and (self.read_of is None or self.updated_at > self.read_of)
        return is_later or was_too_soon(self.updated_at, self.read_of, self.fetched_at)

    def shown(self, reply: replies.Conversation, asked_at: datetime, known: datetime | None, revision: int) -> None:
        """Store that the thread route answered `200` with the messages of this revision. Saves."""
        if self.opened_at and not is_valid(self.api_token, self.opened_at):
            # The right ended with the token's rejection; so did the view of earlier wordings.
            self.seen.all().delete()
            self.opened_at, self.revision = None, 0
        if self.revision and self.revision != revision and self.fetched_at:
            since = self.revision_since or self.fetched_at
            earlier = SeenRevision(access=self, revision=self.revision, first_at=since, last_at=self.fetched_at)
            SeenRevision.objects.bulk_create(
                [earlier],
                update_conflicts=True,
                unique_fields=["access", "revision"],
                update_fields=["first_at", "last_at"],
            )
        if self.revision != revision:
            self.revision, self.revision_since = revision, asked_at
        self.forget_if_rejected(self.api_token)
        self.learn(reply, self.conversation_id, known=known)
        self.opened_at = self.opened_at or asked_at
        self.fetched_at = self.confirmed_at = self.shown_at = asked_at
        self.refused_at, self.not_before, self.tries, self.failure = None, timezone.now(), 0, ""
        # Leave `listed_at` alone: a list reply may have left it out just now.
        self.save(update_fields=[*TOLD, *_PROVEN, *_FETCHED])

    def was_answered_later(self, asked_at: datetime) -> bool:
        """Return whether the thread route has answered this token since, as far as clocks set back can tell."""
        answers = [at for at in (self.fetched_at if self.opened_at else None, self.refused_at) if at]
        return any(asked_at < at <= asked_at + CLOCKS_DIFFER for at in answers)

    def again_in(self, seconds: float, failure: str) -> None:
        """Postpone fetching the messages after a failure."""
        self.tries += 1
        self.not_before = timezone.now() + timedelta(seconds=seconds)
        self.failure = failure[:300]
        self.save(update_fields=["tries", "not_before", "failure"])
