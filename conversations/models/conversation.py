"""A conversation, and which credential was shown it when: the two rows that decide what a reader may see."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import Truncator

from conversations.omni import replies
from omniviewer.accounts.models import Credential, User

if TYPE_CHECKING:
    from conversations.models.message import Message

# Characters of a title: a prompt that stands in for one can be a whole document.
LONGEST_TITLE = 300
# Characters of a question that an outline is made of.
_OUTLINED = 200
# How far ahead of this process's clock a time may lie that another one wrote. Further, and a clock was set back since:
# such a time counts for nothing, or a reading would outlive its time by as much as the clock was wrong.
CLOCKS_DIFFER = timedelta(minutes=5)


# Of a recency, the lower bits: they tell conversations apart that were active in the same millisecond.
_PLACE_BITS = 20
# Milliseconds since 1970 that still fit above them in 63 bits.
_LATEST = (1 << 63 - _PLACE_BITS) - 1


def recency(moment: datetime | None, place: int = 0) -> int:
    """A number that orders conversations by their last activity, and says which page goes on where.

    Milliseconds since 1970, and below them the lower bits of `place`, the conversation's key; below 0 without a time.
    """
    if moment is None:
        return -1 - place
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), _LATEST)
    return milliseconds << _PLACE_BITS | place & (1 << _PLACE_BITS) - 1


def is_fresh(fetched_at: datetime | None) -> bool:
    """Whether what was fetched then is shown without asking again (`OMNIVIEWER_FRESH_FOR`)."""
    if fetched_at is None:
        return False
    age = timezone.now() - fetched_at
    return -CLOCKS_DIFFER <= age < settings.FRESH_FOR


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def readable_by(
        self, user: User, *, unasked: Collection[Credential] = (), through: Collection[Credential] | None = None
    ) -> Self:
        """The only way in for a reader: what Omni showed to one of their accepted credentials, recently enough.

        `unasked` are the credentials with which Omni could not be asked at all just now: what these were shown may be
        as old as `OMNIVIEWER_ACCESS_GRACE`, in place of `OMNIVIEWER_ACCESS_TTL`. `through`: these credentials alone.
        """
        valid = Access.objects.valid_for(user, unasked=unasked, through=through)
        return self.filter(models.Exists(valid.to_outer_conversation()))

    def with_thread(self) -> Self:
        """Those whose messages were fetched, not only their row in the list."""
        return self.exclude(fetched_at=None)

    def behind(self, shown: "AccessQuerySet") -> Self:
        """Those of these accesses whose messages Omni has newer, or which were never fetched."""
        return self.filter(models.Exists(shown.to_outer_conversation()), is_behind=True)

    def touch(self) -> None:
        """What the search keeps of these is to be made anew."""
        self.filter(is_indexed=True).update(is_indexed=False)

    def only_through(self, credential: Credential) -> Self:
        """Those that this credential was ever shown, and that nobody else's is shown now."""
        others = Access.objects.exclude(credential=credential).exclude(confirmed_at=None).to_outer_conversation()
        return self.filter(accesses__credential=credential).exclude(models.Exists(others))


class Conversation(models.Model):
    """A conversation as Omni last returned it. Text in `name` and `last_prompt` is Omni's: escape it, always."""

    instance = models.CharField(max_length=260)
    omni_id = models.UUIDField()
    name = models.TextField(blank=True)
    last_prompt = models.TextField(blank=True)
    owner_id = models.CharField(max_length=64, blank=True)
    organization_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    # When Omni was asked for the messages as they are kept; None where only the list has told of it.
    fetched_at = models.DateTimeField(null=True)
    # Counts the changes to the messages: each carries the revision in which it took its present form.
    revision = models.PositiveIntegerField(default=0)
    # Another random name for each revision: no cache ever takes one for another.
    version = models.CharField(max_length=32, blank=True)
    # The times of the last activity and of the first one as numbers, see `recency`.
    recency = models.BigIntegerField(default=0)
    started = models.BigIntegerField(default=0)
    # Its last activity when the messages were fetched; and whether Omni's list has told of a later one, or of none.
    read_of = models.DateTimeField(null=True)
    is_behind = models.BooleanField(default=True)
    # In a sentence, what of Omni's last reply could not be read or is left out.
    shortfall = models.CharField(max_length=300, blank=True)
    # Its number in the search, and whether what stands there is what is kept here.
    indexed_as = models.BigIntegerField(null=True, unique=True)
    is_indexed = models.BooleanField(default=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("instance", "omni_id", name="one_conversation_an_instance")]
        indexes = [
            models.Index("recency", name="conversations_by_recency"),
            models.Index("started", name="conversations_by_start"),
            models.Index("recency", name="conversations_behind", condition=models.Q(is_behind=True)),
            models.Index("recency", name="conversations_not_indexed", condition=models.Q(is_indexed=False)),
        ]

    # Set where a list shows it.
    owner_name: str
    is_starred: bool
    is_unread: bool
    tickets: list[str]
    hits: object

    def __str__(self) -> str:
        return f"{self.instance}/{self.omni_id}"

    def get_absolute_url(self) -> str:
        return reverse("conversations:conversation", args=[self.omni_id])

    @property
    def title(self) -> str:
        whole = self.name.strip() or self.last_prompt.strip() or "Untitled conversation"
        return Truncator(whole).chars(LONGEST_TITLE)

    @property
    def is_fresh(self) -> bool:
        return is_fresh(self.fetched_at)

    @property
    def age(self) -> timedelta | None:
        """Of the messages as they are kept."""
        return timezone.now() - self.fetched_at if self.fetched_at else None

    @cached_property
    def last_message(self) -> "Message | None":
        return self.messages.order_by("-position").first()

    @cached_property
    def thread(self) -> "list[Message]":
        """The messages in turn, each rendered by the renderer of today."""
        self.messages.render_outdated()
        return list(self.messages.in_turn())

    @property
    def questions(self) -> "models.QuerySet[Message]":
        """What was asked, in turn, each by its beginning: for an outline."""
        asked = self.messages.filter(role="user").order_by("position").only("position", "conversation")
        return asked.annotate(beginning=models.functions.Left("text", _OUTLINED))

    def was_asked_for_before(self, moment: datetime) -> bool:
        """Whether what is kept was asked for before that, as far as clocks that were set back since can tell."""
        return self.fetched_at is None or not moment < self.fetched_at <= moment + CLOCKS_DIFFER

    @property
    def day(self) -> date | None:
        """Of its last activity, in the reader's time zone."""
        return timezone.localdate(self.updated_at) if self.updated_at else None

    def learn(
        self,
        reply: replies.ListedConversation | replies.Conversation,
        *,
        owner_id: str = "",
        known: datetime | None = None,
    ) -> bool:
        """Take what a reply says; whether that changes anything. Does not save.

        What a dialect leaves out does not undo what the other told. `owner_id`: whose it is, where the list says so.
        `known`: the last activity as it was known when a thread was asked for, so the thread holds it: the list may
        tell it more exactly.
        """
        before = self._told
        self._take(reply)
        self.owner_id = owner_id[:64] or self.owner_id
        self.recency = recency(self.updated_at, self.pk)
        self.started = recency(self.created_at, self.pk)
        if isinstance(reply, replies.Conversation):
            self.read_of = max((at for at in (self.updated_at, known) if at), default=None)
            self.is_behind = False
        elif self.updated_at:
            self.is_behind = self.read_of is None or self.updated_at > self.read_of or self._was_read_too_soon
        if self._told[:-2] != before[:-2]:
            self.is_indexed = False
        return self._told != before

    @property
    def _was_read_too_soon(self) -> bool:
        """Within the second of its last activity, of which Omni told no fraction: there may have been more in it."""
        at, fetched_at = self.updated_at, self.fetched_at
        if at is None or fetched_at is None or at.microsecond or at != self.read_of:
            return False
        return abs(fetched_at - at) < timedelta(seconds=2)

    @property
    def _told(self) -> tuple[object, ...]:
        shown = self.name, self.last_prompt, self.created_at, self.updated_at, self.owner_id
        return *shown, self.recency, self.is_behind

    def _take(self, reply: replies.ListedConversation | replies.Conversation) -> None:
        self.name = reply.name or self.name
        self.created_at = reply.created_at or self.created_at
        self.updated_at = reply.updated_at or self.updated_at
        if isinstance(reply, replies.ListedConversation):
            self.last_prompt = reply.last_prompt or self.last_prompt
            return
        # A list of one person's conversations says whose they are in the id that lists take; a thread may use another.
        self.owner_id = self.owner_id or (reply.owner_id or "")[:64]
        self.organization_id = (reply.organization_id or self.organization_id)[:64]
        self.shortfall = reply.shortfall[:300]
        prompts = [message.text for message in reply.messages if message.role == "user" and message.text.strip()]
        self.last_prompt = prompts[-1] if prompts else self.last_prompt


class AccessQuerySet(models.QuerySet["Access"]):
    def valid_for(
        self, user: User, *, unasked: Collection[Credential] = (), through: Collection[Credential] | None = None
    ) -> Self:
        now = timezone.now()
        recent = models.Q(confirmed_at__range=(now - settings.ACCESS_TTL, now + CLOCKS_DIFFER))
        grace = settings.ACCESS_GRACE
        stretched = models.Q(confirmed_at__range=(now - grace, now + grace), credential__in=unasked)
        valid = self.filter(recent | stretched, credential__owner=user, credential__rejected_at=None)
        return valid if through is None else valid.filter(credential__in=through)

    def run_out(self, user: User) -> Self:
        """Those that Omni showed to a credential that it accepts, so long ago that it has to be asked again."""
        ended = models.Q(confirmed_at__lt=timezone.now() - settings.ACCESS_TTL)
        return self.filter(ended, credential__owner=user, credential__rejected_at=None)

    def conversation_ids(self) -> list[UUID]:
        """Omni's, each once."""
        return list(self.order_by().values_list("conversation__omni_id", flat=True).distinct())

    def to_outer_conversation(self) -> Self:
        return self.filter(conversation=models.OuterRef("pk"))

    def end(self) -> None:
        """Omni no longer shows these. The rows stay, to know what goes with a credential when it is removed."""
        self.update(confirmed_at=None, since=None, listed_at=None)

    def by_token(self, token: str) -> Self:
        """Those that Omni showed to this very token within `OMNIVIEWER_FRESH_FOR`, whoever asked with it."""
        now = timezone.now()
        return self.filter(
            token=token,
            credential__rejected_at=None,
            confirmed_at__range=(now - settings.FRESH_FOR, now + CLOCKS_DIFFER),
        )

    def confirm(
        self,
        credential: Credential,
        conversations: Iterable[Conversation],
        token: str,
        at: datetime,
        *,
        is_listed: bool = False,
    ) -> None:
        """Omni showed these at that time to this credential, or to another one with the very same token."""
        shown, now = list(conversations), timezone.now()
        same = {"credential": credential, "confirmed_at": at, "since": now, "token": token}
        self.bulk_create(
            [Access(conversation=row, listed_at=at if is_listed else None, **same) for row in shown],
            update_conflicts=True,
            unique_fields=["credential", "conversation"],
            update_fields=["confirmed_at", "token", *(["listed_at"] if is_listed else [])],
        )
        self.filter(credential=credential, conversation__in=shown, since=None).update(since=now)


class Access(models.Model):
    """Omni showed this credential this conversation, at that time. `confirmed_at` is None once it no longer does."""

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="accesses")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="accesses")
    confirmed_at = models.DateTimeField(null=True)
    # Since when Omni has shown it without a refusal: what was replaced before that, this credential was never shown.
    since = models.DateTimeField(null=True)
    # When it last stood in Omni's list; None where it was only ever opened.
    listed_at = models.DateTimeField(null=True)
    # The keyed digest of the token that Omni showed it to.
    token = models.CharField(max_length=64, blank=True)

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "accesses"
        constraints = [models.UniqueConstraint("credential", "conversation", name="one_access_a_credential")]

    def __str__(self) -> str:
        return f"{self.credential_id} may read {self.conversation_id}"
