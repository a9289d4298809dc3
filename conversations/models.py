"""The archive's rows: what Omni returned, kept once an instance, and which credential was shown it when."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models.functions import Lag
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from conversations import rendering
from conversations.omni import CONVERSATIONS_A_PAGE, is_omni_link, replies
from omniviewer.accounts.models import Credential, User

# A pause between two messages that is worth a line of its own.
LONG_PAUSE = timedelta(hours=4)
# Characters of a title: a prompt that stands in for one can be a whole document.
LONGEST_TITLE = 300


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def readable_by(self, user: User, *, unasked: Collection[Credential] = ()) -> Self:
        """The only way in for a reader: what Omni showed to one of their accepted credentials, recently enough.

        `unasked` are the credentials with which Omni could not be asked at all just now: what these were shown may be
        as old as `OMNIVIEWER_ACCESS_GRACE`, in place of `OMNIVIEWER_ACCESS_TTL`.
        """
        return self.filter(models.Exists(Access.objects.valid_for(user, unasked=unasked).to_outer_conversation()))

    def with_thread(self) -> Self:
        """Those whose messages were fetched, not only their row in the list."""
        return self.exclude(fetched_at=None)

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
    # When the messages were last fetched; None where only the list has told of it.
    fetched_at = models.DateTimeField(null=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("instance", "omni_id", name="one_conversation_an_instance")]

    def __str__(self) -> str:
        return f"{self.instance}/{self.omni_id}"

    def get_absolute_url(self) -> str:
        return reverse("conversations:conversation", args=[self.omni_id])

    @property
    def title(self) -> str:
        whole = self.name.strip() or self.last_prompt.strip() or "Untitled conversation"
        return Truncator(whole).chars(LONGEST_TITLE)

    @property
    def day(self) -> date | None:
        """Of its last activity, in the reader's time zone."""
        return timezone.localdate(self.updated_at) if self.updated_at else None

    def learn(self, reply: replies.ListedConversation | replies.Conversation) -> None:
        """Take what a reply says. Does not save; what a dialect leaves out does not undo what the other told."""
        self.name = reply.name or self.name
        self.created_at = reply.created_at or self.created_at
        self.updated_at = reply.updated_at or self.updated_at
        if isinstance(reply, replies.ListedConversation):
            self.last_prompt = reply.last_prompt or self.last_prompt
            return
        self.owner_id = (reply.owner_id or self.owner_id)[:64]
        self.organization_id = (reply.organization_id or self.organization_id)[:64]
        prompts = [message.text for message in reply.messages if message.role == Message.Role.USER]
        self.last_prompt = prompts[-1] if prompts else self.last_prompt

    def replace_messages(self, fresh: list["Message"]) -> None:
        """Keep these, in a transaction of the caller's; rows that say the same stay as they are."""
        kept = {message.position: message for message in self.messages.all()}
        changed = [row for row in fresh if row.position not in kept or not row.is_same_as(kept[row.position])]
        replaced = {row.position for row in changed} | {place for place in kept if place > len(fresh)}
        self.messages.filter(position__in=replaced).delete()
        for message in changed:
            message.conversation = self
        Message.objects.bulk_create(changed, batch_size=200)

    def render_outdated(self) -> None:
        """Render again what an earlier version of the renderer made."""
        outdated = list(self.messages.exclude(renderer=rendering.RENDERER))
        for message in outdated:
            message.render()
        Message.objects.bulk_update(outdated, ["html", "plain_because", "renderer"], batch_size=200)


class MessageQuerySet(models.QuerySet["Message"]):
    def in_turn(self) -> Self:
        """In order, each knowing when and by whom the one before it was written."""
        return self.annotate(
            previous_at=models.Window(Lag("created_at"), partition_by="conversation_id", order_by="position"),
            previous_role=models.Window(Lag("role"), partition_by="conversation_id", order_by="position"),
        ).order_by("position")


class Message(models.Model):
    """One message. `text` is Omni's, as it came; `html` is what `rendering` made of it, under `renderer`."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    # From 1: public, it stands in addresses.
    position = models.PositiveIntegerField()
    role = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(null=True)
    job_id = models.UUIDField(null=True, db_index=True)
    omni_chat_url = models.TextField(blank=True)
    html = models.TextField(blank=True)
    # Why the answer is shown as plain text, in a sentence for the reader; empty where it is formatted.
    plain_because = models.CharField(max_length=200, blank=True)
    renderer = models.PositiveSmallIntegerField(default=0)

    # Annotated by in_turn().
    previous_at: datetime | None
    previous_role: str | None

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint("conversation", "position", name="one_message_a_position")]

    def __str__(self) -> str:
        return f"message {self.position} of {self.conversation_id}"

    def get_absolute_url(self) -> str:
        return reverse("conversations:message", args=[self.conversation.omni_id, self.position])

    @classmethod
    def rendered_from(cls, reply: replies.Conversation, known: Conversation | None) -> list[Self]:
        """Rows for the messages that Omni returned, unsaved; rendered, but for those that `known` has rendered."""
        kept = {message.position: message for message in known.messages.all()} if known else {}
        rows = []
        for position, message in enumerate(reply.messages, start=1):
            row = cls(
                position=position,
                role=message.role[:20],
                text=message.text,
                created_at=message.created_at,
                job_id=message.job_id,
                omni_chat_url=message.omni_chat_url or "",
            )
            twin = kept.get(position)
            if twin and twin.renderer == rendering.RENDERER and (twin.role, twin.text) == (row.role, row.text):
                row.html, row.plain_because, row.renderer = twin.html, twin.plain_because, twin.renderer
            else:
                row.render()
            rows.append(row)
        return rows

    def render(self) -> None:
        made = rendering.render_question(self.text) if self.is_question else rendering.render_answer(self.text)
        self.html, self.plain_because, self.renderer = made.html, made.plain_because, rendering.RENDERER

    def is_same_as(self, other: "Message") -> bool:
        fields = ("role", "text", "created_at", "job_id", "omni_chat_url", "renderer")
        return all(getattr(self, field) == getattr(other, field) for field in fields)

    @property
    def body(self) -> SafeString:
        return rendering.trusted(self.html)

    @property
    def is_question(self) -> bool:
        return self.role == self.Role.USER

    @property
    def is_answer(self) -> bool:
        return self.role == self.Role.ASSISTANT

    @property
    def omni_link(self) -> str:
        """The deep link into Omni, or "" where it leads anywhere else."""
        url = self.omni_chat_url
        return url if url and is_omni_link(url, self.conversation.instance) else ""

    @property
    def _since_previous(self) -> timedelta | None:
        if self.created_at is None or self.previous_at is None:
            return None
        return self.created_at - self.previous_at

    @property
    def took(self) -> timedelta | None:
        """How long the answer took, where it follows a question and both have a time."""
        since = self._since_previous
        follows = self.is_answer and self.previous_role == self.Role.USER
        return since if follows and since is not None and since >= timedelta(0) else None

    @property
    def pause(self) -> timedelta | None:
        """The silence before this message, where it was long."""
        since = self._since_previous
        return since if since is not None and since > LONG_PAUSE else None


class AccessQuerySet(models.QuerySet["Access"]):
    def valid_for(self, user: User, *, unasked: Collection[Credential] = ()) -> Self:
        now = timezone.now()
        recent = models.Q(confirmed_at__gte=now - settings.ACCESS_TTL)
        stretched = models.Q(confirmed_at__gte=now - settings.ACCESS_GRACE, credential__in=unasked)
        return self.filter(recent | stretched, credential__owner=user, credential__rejected_at=None)

    def to_outer_conversation(self) -> Self:
        return self.filter(conversation=models.OuterRef("pk"))

    def end(self) -> None:
        """Omni no longer shows these. The rows stay, to know what goes with a credential when it is removed."""
        self.update(confirmed_at=None)

    def confirm(self, credential: Credential, conversations: list[Conversation]) -> None:
        """Omni has just shown these to this credential."""
        now = timezone.now()
        self.bulk_create(
            [Access(credential=credential, conversation=row, confirmed_at=now) for row in conversations],
            update_conflicts=True,
            unique_fields=["credential", "conversation"],
            update_fields=["confirmed_at"],
        )


class Access(models.Model):
    """Omni showed this credential this conversation, at that time. `confirmed_at` is None once it no longer does."""

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="accesses")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="accesses")
    confirmed_at = models.DateTimeField(null=True)

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "accesses"
        constraints = [models.UniqueConstraint("credential", "conversation", name="one_access_a_credential")]

    def __str__(self) -> str:
        return f"{self.credential_id} may read {self.conversation_id}"


class ListPage(models.Model):
    """One page of Omni's list as a credential was last shown it: which conversations, in what order.

    `cursor` is Omni's own, "" for the first page; `member` the membership id that the list was filtered by, or "".
    """

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="list_pages")
    member = models.CharField(max_length=64, blank=True)
    cursor = models.TextField(blank=True)
    number = models.PositiveIntegerField(default=1)
    omni_ids = models.JSONField(default=list)
    next_cursor = models.TextField(blank=True)
    total = models.PositiveIntegerField(null=True)
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("credential", "member", "cursor", name="one_list_page_a_cursor")]

    def __str__(self) -> str:
        return f"page {self.number} for {self.credential_id}"

    def conversations(self, user: User, *, unasked: Collection[Credential] = ()) -> list[Conversation]:
        """Its conversations in Omni's order, less those that `user` may no longer read."""
        ids = [UUID(text) for text in cast("list[Any]", self.omni_ids)]
        readable = Conversation.objects.readable_by(user, unasked=unasked)
        found = {row.omni_id: row for row in readable.filter(instance=self.credential.instance, omni_id__in=ids)}
        return [found[omni_id] for omni_id in ids if omni_id in found]

    @property
    def page_count(self) -> int | None:
        return None if self.total is None else max(1, -(-self.total // CONVERSATIONS_A_PAGE))

    def previous(self) -> "ListPage | None":
        """The page that leads to this one, if it was seen."""
        if not self.cursor:
            return None
        same_list = ListPage.objects.filter(credential=self.credential_id, member=self.member)
        return same_list.filter(next_cursor=self.cursor).order_by("-fetched_at").first()


class Member(models.Model):
    """A person of an organization, as an organization key was told by SCIM."""

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="members")
    omni_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name", "omni_id"]
        constraints = [models.UniqueConstraint("credential", "omni_id", name="one_member_a_credential")]

    def __str__(self) -> str:
        return self.name
