"""A text by a person or Omni, and the HTML that was made of it."""

from collections.abc import Sequence
from typing import Any, Self

from django.db import models
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.models.conversation import Conversation
from omniviewer.omni import site_url
from omniviewer.prepared import PreparedUpdate

# From so many messages on that are not rendered yet, a page is sent while they are rendered.
MANY_TO_RENDER = 60
# Texts that some replies hold by mistake in place of an answer's text.
_NO_TEXT = frozenset({"undefined", "null"})


class Written(models.Model):
    """A text by a person or Omni. `text` is unchanged; `html` is what `rendering` made of it, in version `renderer`."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    # Counts from 1. Public, since it stands in addresses.
    position = models.PositiveIntegerField()
    role = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(null=True)
    html = models.TextField(blank=True)
    # Sentence that tells the reader why the answer is shown as plain text; empty if it is formatted.
    plain_because = models.CharField(max_length=200, blank=True)
    renderer = models.PositiveSmallIntegerField(default=0)
    # Id of a job that is no UUID: shown, but never asked for.
    other_job_id = models.CharField(max_length=200, blank=True)
    omni_chat_url = models.TextField(blank=True)
    # Names of the attached files.
    attachments = models.JSONField(default=list)
    # Revision of the conversation in which the message took this form.
    revision = models.PositiveIntegerField(default=0)

    conversation: models.ForeignKey[Conversation, Conversation]

    class Meta:
        abstract = True

    @property
    def told(self) -> dict[str, Any]:
        """Return the values that another row needs to say the same in the same place."""
        fields = ("position", "role", "text", "created_at", "html", "plain_because", "renderer", "revision", "job_id")
        return {name: getattr(self, name) for name in (*fields, "other_job_id", "omni_chat_url", "attachments")}

    def render(self, allowance: rendering.Allowance, instance: str) -> None:
        """Render the HTML; paths in an answer's links lead to the instance."""
        if self.is_question:
            made = rendering.render_question(self.text)
        else:
            made = allowance.render_answer(self.text, site_url(instance))
        self.html, self.plain_because, self.renderer = made.html, made.plain_because, rendering.RENDERER

    @classmethod
    def render_all(cls, messages: Sequence[Self]) -> None:
        """Render new messages, and again those that an earlier version of the renderer made; store the HTML."""
        cls.store_html(cls.render_outdated(messages, rendering.Allowance()))

    @classmethod
    def render_outdated(cls, messages: Sequence[Self], allowance: rendering.Allowance) -> list[Self]:
        """Render the same without storing the HTML; return those that were rendered."""
        outdated = [message for message in messages if not message.is_rendered]
        for message in outdated:
            message.render(allowance, message.conversation.instance)
        return outdated

    @classmethod
    def store_html(cls, messages: Sequence[Self]) -> None:
        """Store the HTML that was rendered of stored messages."""
        if messages:
            PreparedUpdate(cls, ("html", "plain_because", "renderer")).run_all(messages)

    @property
    def is_rendered(self) -> bool:
        """Return whether the present renderer made the HTML."""
        return self.renderer == rendering.RENDERER

    @property
    def has_text(self) -> bool:
        text = self.text.strip()
        return bool(text) and not (self.is_answer and text in _NO_TEXT)

    @property
    def absence(self) -> str:
        """Return a sentence that says why there is no text; "" if there is one."""
        if self.is_unreadable:
            return "This message could not be read: Omni sent an empty entry."
        if self.has_text:
            return ""
        return "This question has no text." if self.is_question else "Omni returned no text for this answer."

    @property
    def is_unreadable(self) -> bool:
        """Return whether the message only holds the place of something that could not be read."""
        told = self.told
        told["text"] = self.text.strip()
        return not any(told[name] for name in ("role", "text", "job_id", "other_job_id", "attachments", "created_at"))

    @property
    def body(self) -> SafeString:
        return rendering.trusted(self.html)

    @property
    def is_question(self) -> bool:
        return self.role == self.Role.USER

    @property
    def is_answer(self) -> bool:
        return self.role == self.Role.ASSISTANT
