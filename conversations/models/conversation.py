"""A conversation as Omni last returned it to anybody, and as it was shown to one API token."""

from copy import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import Truncator

from conversations.models.list_columns import ListColumns
from conversations.models.people import Owner
from omniviewer.accounts.models import ApiToken, User
from omniviewer.omni import replies

if TYPE_CHECKING:
    from conversations.models.access import Access
    from conversations.models.message import Message, MessageQuerySet
    from conversations.models.reader import Reader

# Characters of a title: a prompt that serves as title can be a whole document.
MAX_TITLE_CHARS = 300
# Characters of each question in an outline.
_OUTLINE_CHARS = 200
# How far ahead of this process's clock a stored time may lie. If it lies further ahead, a clock was set back since:
# such a time is ignored, or data would stay fresh for as long as that clock was wrong.
CLOCKS_DIFFER = timedelta(minutes=5)

# Lower bits of a recency: they tell conversations apart that were active in the same millisecond.
_PLACE_BITS = 20
# Latest time, in milliseconds since 1970, that fits above them in 63 bits.
_LATEST = (1 << 63 - _PLACE_BITS) - 1


def recency(moment: datetime | None, place: int = 0) -> int:
    """Return a number that orders conversations by their last activity, and says which page goes on where.

    Milliseconds since 1970, and below them the lower bits of `place`, the conversation's key; below 0 without a time.
    """
    if moment is None:
        return -1 - place
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), _LATEST)
    return milliseconds << _PLACE_BITS | place & (1 << _PLACE_BITS) - 1


def owner_told(reply: replies.Conversation) -> str:
    """Return the id by which a thread names its owner, as it is stored; "" if it names none."""
    return (reply.owner_id or "")[:64]


class Question(NamedTuple):
    """A question in an outline: its place in the thread, and its first characters."""

    position: int
    beginning: str


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def readable_by(self, reader: "User | Reader") -> Self:
        """Return the conversations whose messages the reader may read: the only way in, besides the list's rows."""
        from conversations.models.access import Access  # noqa: PLC0415  (accesses know their conversations)
        from conversations.models.reader import Reader  # noqa: PLC0415

        reader = reader if isinstance(reader, Reader) else Reader.for_user(reader)
        return self.filter(models.Exists(Access.objects.messages_of(reader).to_outer_conversation()))

    def touch(self) -> None:
        """Mark these conversations to be indexed again."""
        self.filter(is_indexed=True).update(is_indexed=False)

    def with_job(self, instance: str, job_id: UUID) -> Self:
        """Return the conversations of the instance in which a message names this job."""
        return self.filter(instance=instance, messages__job_id=job_id)

    def jobs_changed(self) -> None:
        """Count a change of what is known of these conversations' jobs, so that no page made before is shown again."""
        self.update(job_changes=models.F("job_changes") + 1)

    def outdate(self, moment: datetime) -> None:
        """Have the messages fetched anew that were fetched before then: an answer has been finished since."""
        from conversations.models.access import Access  # noqa: PLC0415

        before = Access.objects.filter(conversation__in=self, fetched_at__lt=moment)
        before.update(read_of=None, unchanged_at=None, is_behind=True)

    def only_through(self, token: ApiToken) -> Self:
        """Return the conversations that were ever shown to this token, and are shown to no other now."""
        from conversations.models.access import Access  # noqa: PLC0415

        others = Access.objects.exclude(api_token=token).exclude(confirmed_at=None).to_outer_conversation()
        return self.filter(accesses__api_token=token).exclude(models.Exists(others))

    def unshown_since(self, moment: datetime) -> Self:
        """Return the conversations that Omni has shown to no token since then."""
        from conversations.models.access import Access  # noqa: PLC0415

        return self.exclude(models.Exists(Access.objects.filter(shown_at__gte=moment).to_outer_conversation()))


class Conversation(ListColumns):
    """A conversation as Omni last returned it to any token; `shown_through` an access, as one token was shown it.

    Text in `name` and `last_prompt` is Omni's: escape it, always.
    """

    instance = models.CharField(max_length=260)
    omni_id = models.UUIDField()
    name = models.TextField(blank=True)
    last_prompt = models.TextField(blank=True)
    owner_id = models.CharField(max_length=64, blank=True)
    organization_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    # When Omni was asked for the stored messages; None if only the list has named the conversation.
    fetched_at = models.DateTimeField(null=True)
    # Counts the changes to the messages: each message carries the revision of its last change.
    revision = models.PositiveIntegerField(default=0)
    # True if the last message of that revision is a question; None if there is no message.
    ends_with_question = models.BooleanField(null=True)
    # Random name of each revision, so that no cache takes one for another.
    version = models.CharField(max_length=32, blank=True)
    # Counts the changes of what is known of its jobs: their states and evidence, rights to these, queued captures.
    job_changes = models.BigIntegerField(default=0)
    # The times of the last activity and of the first one as numbers, see `recency`.
    recency = models.BigIntegerField(default=0)
    started = models.BigIntegerField(default=0)
    # Its number in the search index, whether its entry there is up to date, and the revision of that entry.
    indexed_as = models.BigIntegerField(null=True, unique=True)
    is_indexed = models.BooleanField(default=False)
    indexed_revision = models.PositiveIntegerField(default=0)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("instance", "omni_id", name="one_conversation_an_instance")]
        indexes = [
            models.Index("recency", name="conversations_by_recency"),
            models.Index("started", name="conversations_by_start"),
            models.Index("recency", name="conversations_not_indexed", condition=models.Q(is_indexed=False)),
        ]

    # Sentence that says what of Omni's last reply to the token could not be read, or was left out.
    shortfall: str = ""
    # The access through which it is shown, None for the row itself; and the row's own revision.
    access: "Access | None" = None
    latest_revision: int = 0
    # True if the reader may read its messages, and what people have added to it.
    shows_messages: bool = True

    def __str__(self) -> str:
        return self.name_of(self.instance, self.omni_id)

    @staticmethod
    def name_of(instance: str, omni_id: UUID) -> str:
        """Return the name by which forms choose a conversation."""
        return f"{instance}/{omni_id}"

    @staticmethod
    def address_of(omni_id: UUID | str) -> str:
        return reverse("conversations:conversation", args=[omni_id])

    @staticmethod
    def title_of(name: str, last_prompt: str) -> str:
        whole = name.strip() or last_prompt.strip() or "Untitled conversation"
        return Truncator(whole).chars(MAX_TITLE_CHARS)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.access is not None:
            raise TypeError("A conversation as one token was shown it is not the row: it cannot be saved.")
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return self._address

    @cached_property
    def _address(self) -> str:
        return self.address_of(self.omni_id)

    @property
    def owner(self) -> Owner:
        return Owner(self.instance, self.owner_id)

    @property
    def title(self) -> str:
        return self.title_of(self.name, self.last_prompt)

    @property
    def is_fresh(self) -> bool:
        """Return whether the messages, as the token was shown them, need not be asked for again."""
        return self.shows_messages and self.access is not None and self.access.is_fresh

    @property
    def age(self) -> timedelta | None:
        """Return the age of the stored messages."""
        return timezone.now() - self.fetched_at if self.fetched_at else None

    def shown_through(self, access: "Access", *, with_messages: bool = True) -> "Conversation":
        """Return the conversation as Omni showed it to the token of this access: a copy that cannot be saved.

        It has no messages if the reader may see only the row of the list.
        """
        shown = copy(self)
        shown.access, shown.latest_revision, shown.shows_messages = access, self.revision, with_messages
        shown.name, shown.last_prompt, shown.owner_id = access.name, access.last_prompt, access.owner_id
        shown.updated_at, shown.recency = access.updated_at, access.recency
        shown.revision, shown.fetched_at = (access.revision, access.fetched_at) if with_messages else (0, None)
        shown.shortfall = access.shortfall if with_messages else ""
        if shown.is_lagging:
            shown.version = f"{self.version}@{shown.revision}"
        return shown

    @property
    def is_lagging(self) -> bool:
        """Return whether Omni has shown other messages to another token since this one was last shown them."""
        return self.access is not None and self.revision < self.latest_revision

    @property
    def shown_messages(self) -> "MessageQuerySet":
        """Return the messages without those that changed after the token was last shown them."""
        rows = self.messages.all()
        return rows if self.access is None else rows.filter(revision__lte=self.revision)

    @cached_property
    def last_message(self) -> "Message | None":
        if self.is_lagging or "stored_thread" in self.__dict__:
            return self.stored_thread[-1] if self.stored_thread else None
        return self.shown_messages.order_by("-position").first()

    @property
    def last_asked_at(self) -> datetime | None:
        """Return when the last question was asked; None if Omni gives no time."""
        if self.is_lagging or "stored_thread" in self.__dict__:
            return next((row.created_at for row in reversed(self.stored_thread) if row.is_question), None)
        newest = self.shown_messages.questions().order_by("-position")
        return newest.values_list("created_at", flat=True).first()

    @cached_property
    def thread(self) -> "list[Message]":
        """Return the messages in order, rendered by the current renderer."""
        if not self.is_lagging:
            self.messages.model.render_all(self.stored_thread)
        return self.stored_thread

    @cached_property
    def stored_thread(self) -> "list[Message]":
        """Return the messages in order; those that nobody has read yet may not be rendered."""
        found = list(self.shown_messages.in_turn())
        if not self.is_lagging:
            return found
        self.messages.model.render_all(found)
        return self._with_earlier(found)

    def _with_earlier(self, unchanged: "list[Message]") -> "list[Message]":
        """Return the thread of an earlier revision: unchanged messages, and the earlier wordings of the others."""
        earlier = list(self.earlier_messages.of_revision(self.revision))
        self.earlier_messages.model.render_all(earlier)
        by_position = {row.position: row.as_message() for row in earlier} | {row.position: row for row in unchanged}
        thread = [by_position[position] for position in sorted(by_position)]
        for message, before in zip(thread, [None, *thread], strict=False):
            message.conversation = self
            message.previous_at, message.previous_role = (before.created_at, before.role) if before else (None, None)
        return thread

    def message_at(self, position: int) -> "Message | None":
        """Return the message at this position, with the time and role of the one before it."""
        if self.is_lagging:
            return next((row for row in self.thread if row.position == position), None)
        near = {row.position: row for row in self.shown_messages.filter(position__in=[position - 1, position])}
        found, before = near.get(position), near.get(position - 1)
        if found:
            found.conversation = self
            found.previous_at, found.previous_role = (before.created_at, before.role) if before else (None, None)
        return found

    def messages_by_position(self) -> "dict[int, Message]":
        """Return the stored messages, without asking the database where there are none yet."""
        if self.fetched_at is None and not self.revision:
            return {}
        return {message.position: message for message in self.messages.all()}

    @property
    def questions(self) -> list[Question]:
        """Return the questions in order, for an outline."""
        if self.is_lagging or "stored_thread" in self.__dict__:
            asked = [row for row in self.stored_thread if row.is_question]
            return [Question(row.position, row.text[:_OUTLINE_CHARS]) for row in asked]
        rows = self.shown_messages.questions().order_by("position")
        beginnings = rows.annotate(beginning=models.functions.Left("text", _OUTLINE_CHARS))
        return [Question(*row) for row in beginnings.values_list("position", "beginning")]

    def learn(self, reply: replies.ListedConversation | replies.Conversation, *, owner_id: str = "") -> bool:
        """Take the values of a reply, without saving; return whether anything has changed.

        A value that this reply leaves out stays as another reply told it. `owner_id`: the owner, if the list names one.
        """
        before = self._told
        self.name = reply.name or self.name
        self.created_at = reply.created_at or self.created_at
        self.updated_at = reply.updated_at or self.updated_at
        if isinstance(reply, replies.ListedConversation):
            self.last_prompt = reply.last_prompt or self.last_prompt
            self.owner_id = owner_id[:64] or self.owner_id
        else:
            # A thread may name its owner by another id than lists take: an id from a list of one person's conversations
            # stays.
            self.owner_id = self.owner_id or owner_told(reply)
            self.organization_id = (reply.organization_id or self.organization_id)[:64]
            self.last_prompt = reply.last_prompt or self.last_prompt
        self.recency = recency(self.updated_at, self.pk)
        self.started = recency(self.created_at, self.pk)
        has_changed = self._told != before
        self.is_indexed &= not has_changed
        return has_changed

    @property
    def _told(self) -> tuple[object, ...]:
        return self.name, self.last_prompt, self.created_at, self.updated_at, self.owner_id, self.recency
