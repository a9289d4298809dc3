"""Messages of a conversation: as Omni returns them now, and earlier wordings that it has replaced."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Self

from django.db import models
from django.db.models.functions import Lag
from django.urls import reverse
from django.utils import timezone

from conversations import rendering
from conversations.models.access import Access
from conversations.models.conversation import Conversation
from conversations.models.job import Job
from conversations.models.question_times import INDEXES, TIMES, TimedQuestion, retime
from conversations.models.reader import Reader
from conversations.models.seen_revision import SeenRevision
from conversations.models.written import Written
from omniviewer.omni import omni_link, replies
from omniviewer.prepared import PreparedInsert

# Shortest pause between two messages that gets a line of its own.
LONG_PAUSE = timedelta(hours=4)


class MessageQuerySet(models.QuerySet["Message"]):
    def questions(self) -> Self:
        return self.filter(role=Message.Role.USER)

    def shown_through(self, accesses: models.QuerySet[Access]) -> Self:
        """Return those that the token of one of these accesses was shown: not those that changed later."""
        same = accesses.filter(conversation=models.OuterRef("conversation"), revision__gte=models.OuterRef("revision"))
        return self.filter(models.Exists(same))

    def shown_through_outer_access(self) -> Self:
        """Return those that the token of an outer query's access was shown: not those that changed later."""
        return self.filter(conversation=models.OuterRef("conversation"), revision__lte=models.OuterRef("revision"))

    def in_turn(self) -> Self:
        """Return the messages in order, each with the time and role of the one before it."""
        return self.annotate(
            previous_at=models.Window(Lag("created_at"), partition_by="conversation_id", order_by="position"),
            previous_role=models.Window(Lag("role"), partition_by="conversation_id", order_by="position"),
        ).order_by("position")


class Message(Written, TimedQuestion):
    """One message, as Omni returns it now."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    job_id = models.UUIDField(null=True, db_index=True)

    # Annotated by in_turn().
    previous_at: datetime | None
    previous_role: str | None

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint("conversation", "position", name="one_message_a_position")]
        indexes = INDEXES

    def __str__(self) -> str:
        return f"message {self.position} of {self.conversation_id}"

    def get_absolute_url(self) -> str:
        return reverse("conversations:message", args=[self.conversation.omni_id, self.position])

    @classmethod
    def rendered_from(
        cls, reply: replies.Conversation, kept: "Mapping[int, Message]", instance: str, *, now: bool
    ) -> list[Self]:
        """Return unsaved rows for the messages of a reply, rendered unless the one that is `kept` has the same text.

        `now=False`: the others are rendered when somebody reads them.
        """
        rows, allowance = [], rendering.Allowance()
        for position, message in enumerate(reply.messages, start=1):
            row = cls(
                position=position,
                role=message.role[:20],
                text=message.text,
                created_at=message.created_at,
                job_id=message.job_id,
                other_job_id=message.other_job_id,
                omni_chat_url=message.omni_chat_url or "",
                attachments=list(message.attachments),
            )
            twin = kept.get(position)
            if twin and row.says_the_same_as(twin) and (not now or twin.is_rendered):
                row.html, row.plain_because, row.renderer = twin.html, twin.plain_because, twin.renderer
            elif now:
                row.render(allowance, instance)
            rows.append(row)
        return rows

    @classmethod
    def replace_all(
        cls, conversation: Conversation, kept: "Mapping[int, Message]", fresh: list[Self], reader: Access | None = None
    ) -> bool:
        """Store these as the conversation's messages, in the transaction of the caller, who saves the conversation.

        Rows of those that are stored (`kept`) stay where they are the same. Earlier wordings, and messages that are
        gone, are stored apart. `reader` is the access whose token is shown them now. Returns whether anything but an
        addition at the end was needed.
        """
        changed = [row for row in fresh if row.position not in kept or not row.is_same_as(kept[row.position])]
        gone = [row for place, row in kept.items() if place > len(fresh)]
        if not changed and not gone:
            return False
        rewritten = [kept[row.position] for row in changed if row.position in kept]
        # Only the rendering of the others changes: other tokens were shown the same.
        told_otherwise = [row for row in rewritten if not row.is_told_as(fresh[row.position - 1])]
        conversation.revision += 1
        conversation.version = token_hex(16)
        conversation.is_indexed = False
        EarlierMessage.keep(conversation, [*told_otherwise, *gone], fresh, reader)
        if rewritten or gone:
            conversation.messages.filter(pk__in=[row.pk for row in rewritten + gone]).delete()
        same = {row.position: row.revision for row in rewritten if row not in told_otherwise}
        for message in changed:
            message.conversation = conversation
            message.revision = same.get(message.position, conversation.revision)
        retimed = retime(conversation, {**kept, **{row.position: row for row in changed}}, len(fresh))
        _NEW.run_all(changed)
        cls.objects.bulk_update(retimed, TIMES, batch_size=200)
        return bool(told_otherwise or gone)

    @property
    def was_final(self) -> bool:
        """Return whether the text is final: an answer is replaced as it grows while its job is running."""
        if self.job_id is None:
            return self.has_text
        running = Job.objects.running().filter(instance=self.conversation.instance, omni_id=self.job_id)
        return self.has_text and not running.exists()

    def says_the_same_as(self, other: "Message") -> bool:
        return (self.role, self.text) == (other.role, other.text)

    def is_told_as(self, other: "Message") -> bool:
        """Return whether Omni said the same of both."""
        fields = ("role", "text", "created_at", "job_id", "other_job_id", "omni_chat_url", "attachments")
        return all(getattr(self, field) == getattr(other, field) for field in fields)

    def is_same_as(self, other: "Message") -> bool:
        return self.is_told_as(other) and self.renderer == other.renderer

    @property
    def omni_link(self) -> str:
        """Return the deep link into Omni; "" if it leads anywhere else."""
        return omni_link(self.omni_chat_url, self.conversation.instance)

    @property
    def _since_previous(self) -> timedelta | None:
        if self.created_at is None or self.previous_at is None:
            return None
        return self.created_at - self.previous_at

    @property
    def took(self) -> timedelta | None:
        """Return how long the answer took, if it follows a question and both have a time."""
        since = self._since_previous
        follows = self.is_answer and self.previous_role == self.Role.USER
        return since if follows and since is not None and since >= timedelta(0) else None

    @property
    def pause(self) -> timedelta | None:
        """Return the pause before this message, if it was long."""
        since = self._since_previous
        return since if since is not None and since > LONG_PAUSE else None


_NEW = PreparedInsert(Message)


class EarlierMessageQuerySet(models.QuerySet["EarlierMessage"]):
    def of_revision(self, revision: int) -> Self:
        """Return the messages that were in the thread at this revision."""
        return self.filter(revision__lte=revision, until_revision__gt=revision)

    def shown_to(self, reader: Reader, conversation: Conversation) -> Self:
        """Return those that Omni showed to a token through which the reader may read the conversation now."""
        accesses = Access.objects.messages_of(reader).filter(conversation=conversation)
        seen = SeenRevision.objects.filter(
            access__in=accesses,
            revision__gte=models.OuterRef("revision"),
            revision__lt=models.OuterRef("until_revision"),
        )
        # An answer that was still being written is no earlier wording; that may become known only afterwards.
        writing = Job.objects.filter(
            instance=conversation.instance,
            omni_id=models.OuterRef("job_id"),
            finished_at__gt=models.OuterRef("seen_at"),
        )
        shown = self.filter(models.Exists(seen), conversation=conversation, is_change=True)
        return shown.exclude(models.Exists(writing))


class EarlierMessage(Written):
    """A message as it stood until Omni returned another in its place, or none."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="earlier_messages")
    job_id = models.UUIDField(null=True)
    replaced_at = models.DateTimeField()
    # The revision that replaced it: it stood from `revision` to before that one. Zero if it was replaced before that
    # was stored: nobody is known to have been shown it.
    until_revision = models.PositiveIntegerField(default=0)
    # True if readers are told of the change. False for an answer that was still being written, and for the same words
    # under another job: these are stored only for tokens that have been shown nothing newer.
    is_change = models.BooleanField(default=True)
    # When Omni was last asked for the thread with this message in it.
    seen_at = models.DateTimeField(null=True)

    objects = EarlierMessageQuerySet.as_manager()

    class Meta:
        ordering = ["position", "-replaced_at"]

    def __str__(self) -> str:
        return f"message {self.position} of {self.conversation_id} until {self.replaced_at:%Y-%m-%d}"

    @classmethod
    def keep(
        cls, conversation: Conversation, replaced: list[Message], fresh: Sequence[Message], reader: Access | None
    ) -> None:
        """Store the messages that a revision, shown to the token of `reader`, replaces by `fresh`.

        One that is no change for readers only while another token is at its revision, or the conversation is held.
        """
        from conversations.models.hold import Hold, is_held  # noqa: PLC0415  (holds know the messages)

        if conversation.revision - 1 <= 1 and not replaced:
            return  # The first revision replaced nothing.
        others = Access.objects.filter(conversation=conversation, opened_at__isnull=False, revision__gt=0)
        others = others.exclude(pk=reader.pk if reader else 0)
        lagging = models.Exists(others.filter(revision__lt=models.OuterRef("until_revision")))
        # While anything of the instance is held: which conversation it is would take one more statement each time.
        holds = models.Exists(Hold.objects.standing().filter(instance=conversation.instance))
        EarlierMessage.objects.filter(~lagging, ~holds, conversation=conversation, is_change=False).delete()
        keeps_all = bool(replaced) and is_held(conversation)
        revisions = list(others.values_list("revision", flat=True)) if replaced else []
        rows = []
        for row in replaced:
            successor = fresh[row.position - 1] if row.position <= len(fresh) else None
            says_the_same = successor is not None and row.says_the_same_as(successor)
            is_change = row.was_final and not says_the_same
            if is_change or keeps_all or any(revision >= row.revision for revision in revisions):
                rows.append(
                    cls(
                        conversation=conversation,
                        replaced_at=timezone.now(),
                        until_revision=conversation.revision,
                        is_change=is_change,
                        seen_at=conversation.fetched_at,
                        **row.told,
                    )
                )
        EarlierMessage.objects.bulk_create(rows, batch_size=200)

    def as_message(self) -> Message:
        """Return an unsaved `Message`, as it stood in the thread."""
        return Message(conversation=self.conversation, **self.told)
