"""Finished HTML of a thread's messages, for all readers who may see the same of it.

The key names everything that the HTML depends on: the wording that the reader's tokens were shown, what is known of
the jobs (`Conversation.job_changes`), the renderer, the time zone. Rights are checked before, for each request.
Nothing is stored that time alone may change, or only until then.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache as computed_once
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import caches
from django.utils import timezone

from conversations import rendering
from conversations.archive.outcomes import Opened
from omniviewer.locations import packaged
from omniviewer.version import own_version

_LONGEST = timedelta(hours=1)


@computed_once
def templates_digest() -> str:
    """Return a digest of templates and their filters, so that a new release does not show what an earlier one made."""
    files = [
        *sorted(packaged("templates").rglob("*.html")),
        *sorted((Path(__file__).resolve().parents[1] / "templatetags").glob("*.py")),
    ]
    release = f"{own_version()} {rendering.RENDERER}".encode()
    return hashlib.sha256(b"".join([release, *(file.read_bytes() for file in files)])).hexdigest()


def static_files_digest() -> str:
    """Return a digest of the names of stylesheets and scripts; "" where they stay the same with other contents."""
    return getattr(staticfiles_storage, "manifest_hash", "")


@dataclass(frozen=True)
class FinishedThread:
    """The messages of a thread as HTML in UTF-8, and what the rest of the page says of them.

    `marks` counts the highlights of a search in it; `is_widened`: they are of words that begin as those searched for.
    """

    messages: bytes
    count: int
    outline: str = ""
    awaits_answer: bool = False
    marks: int = 0
    is_widened: bool = False
    # Digest of the outline, which is long in a long thread: what is stored around the messages is found by it.
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.outline.encode()).hexdigest())

    def focused(self, position: int | None) -> bytes:
        """Return the messages with one of them focused, so that every link into the thread shares the stored HTML."""
        return focused(self.messages, position)


def focused(messages: bytes, position: int | None) -> bytes:
    """Return the HTML of messages with one of them focused, if it is among them."""
    whole = f'"\nid="message-{position}"\ntabindex="-1"'.encode()
    focus = b' is-focused%b autofocus aria-current="true"' % whole
    return messages.replace(whole, focus, 1) if position else messages


@dataclass(frozen=True)
class Key:
    """The name of a finished thread in the cache. `state` tells what it depends on besides: highlights, say."""

    opened: Opened
    state: str = ""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        shown = self.opened.conversation
        rights = [
            (row.api_token_id, row.revision, row.revision_since, row.opened_at, row.api_token.rights_since)
            for row in self.opened.accesses
        ]
        told = shown.pk, shown.version, shown.job_changes, rights
        here = timezone.get_current_timezone_name(), timezone.localdate().year
        made_by = templates_digest(), settings.PUBLIC_URL
        digest = hashlib.sha256(repr((told, here, made_by, self.state)).encode()).hexdigest()
        object.__setattr__(self, "name", f"finished-thread-{digest}")


def get(key: Key) -> FinishedThread | None:
    found: FinishedThread | None = caches["threads"].get(key.name)
    return found


def store(key: Key, finished: FinishedThread, changes_at: Iterable[datetime | None], looked_at: datetime) -> None:
    """Store a finished thread until the first of these times, at which it shows something else.

    `looked_at`: when it was found out what to show; a slow reader may have been sent it since.
    """
    ends = min([looked_at + _LONGEST, *(at for at in changes_at if at and at > looked_at)])
    left = (ends - timezone.now()).total_seconds()
    if left > 0:
        caches["threads"].set(key.name, finished, left)
