"""Parsing of pasted text: a link from Omni or from this site, an id, or a text that holds one of these."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from omniviewer.omni import BadAddress, parse_address

# Most characters that are looked at: a ticket, not a book.
MAX_PASTED_CHARS = 20_000
_ID = r"(?P<id>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?![0-9a-fA-F-])"


class Kind(Enum):
    CONVERSATION = auto()
    MESSAGE = auto()
    JOB = auto()
    # An id alone does not tell whether it is a conversation's or a job's.
    ID = auto()


@dataclass(frozen=True)
class Pasted:
    kind: Kind
    id: UUID
    position: int | None = None
    # The instance that a link of Omni's leads to, and the ticket that a link of ours names.
    instance: str = ""
    ticket: str = ""

    @property
    def address(self) -> str:
        """Return the address on this site; for an id alone, as if it were a conversation's."""
        match self.kind:
            case Kind.MESSAGE:
                return reverse("conversations:message", args=[self.id, self.position])
            case Kind.JOB:
                return reverse("conversations:job", args=[self.id])
        return reverse("conversations:conversation", args=[self.id])


_HOST = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252})(?:/[^\s?#]{0,100})?$")
_TICKET = re.compile(r"/?\?(?:[^\s#&]{1,100}&)?ticket=([^\s#&]{1,100})")
# The most specific first: a link tells what its id belongs to.
_FORMS = (
    (Kind.MESSAGE, re.compile(rf"/conversations/{_ID}/messages/(?P<position>[0-9]{{1,9}})")),
    (Kind.CONVERSATION, re.compile(rf"/(?:conversations|chat|chats)/{_ID}")),
    (Kind.CONVERSATION, re.compile(rf"[?&#](?:conversationId|chatId|conversation|chat)={_ID}")),
    (Kind.JOB, re.compile(rf"/jobs/{_ID}")),
    (Kind.JOB, re.compile(rf"[?&#](?:jobId|job)={_ID}")),
    (Kind.ID, re.compile(rf"(?<![0-9a-fA-F-]){_ID}")),
)


def read(text: str) -> Pasted | None:
    """Return the first link of the most specific kind, or else the first id; None if there is neither."""
    whole = text[:MAX_PASTED_CHARS]
    # As it is, and without the escapes that a ticket may have added.
    for wording in (whole, unquote(whole)):
        for kind, form in _FORMS:
            found = form.search(wording)
            if found:
                position = found.groupdict().get("position")
                instance = _instance(wording[: found.start()])
                ticket = _TICKET.match(wording, found.end())
                place = int(position) if position else None
                return Pasted(kind, UUID(found["id"]), place, instance, unquote(ticket[1]) if ticket else "")
    return None


def _instance(before: str) -> str:
    """Return the instance in front of a link's path; "" if it is none that this site knows of."""
    found = _HOST.search(before[-400:])
    return instance_named(found[1]) if found else ""


def instance_named(text: str) -> str:
    """Return the instance that an address names, if credentials may point to it; else ""."""
    try:
        return parse_address(text, allowed=settings.OMNI_HOSTS)
    except BadAddress:
        return ""
