"""Rows of the list: plain facts of a conversation as Omni told them to one of the reader's tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import cached_property

from conversations.models import Access, Conversation, Owner, Reader, ReaderSlots
from conversations.models.access import AccessQuerySet
from conversations.models.keys import Keys
from conversations.models.reader import Conditions
from omniviewer.prepared import Prepared, RawRows, slot


class _Columns(NamedTuple):
    """Columns of a row. `name`, `last_prompt`, `owner_id` and `updated_at` are the access's, as its token was told."""

    access_key: int
    token_key: int
    pk: int
    instance: str
    omni_id: UUID
    name: str
    last_prompt: str
    owner_id: str
    created_at: datetime | None
    updated_at: datetime | None
    recency: int
    started: int
    # The revision that the token was shown last, and that of the stored messages.
    told_revision: int
    latest_revision: int
    latest_version: str
    message_count: int | None
    facts: str
    last_answer_took: int | None
    indexed_revision: int
    is_indexed: bool
    has_evidence: bool
    # True if the reader may read its messages, and what people have added to it.
    shows_messages: bool


class ShownRow(_Columns):
    """A conversation in a list, as one of the reader's tokens was shown it. Its texts are Omni's: escape them."""

    __slots__ = ()

    def __str__(self) -> str:
        return Conversation.name_of(self.instance, self.omni_id)

    def get_absolute_url(self) -> str:
        return Conversation.address_of(self.omni_id)

    @property
    def owner(self) -> Owner:
        return Owner(self.instance, self.owner_id)

    @property
    def title(self) -> str:
        return Conversation.title_of(self.name, self.last_prompt)

    @property
    def day(self) -> date | None:
        """Return the day of the last activity, in the reader's time zone."""
        return timezone.localdate(self.updated_at) if self.updated_at else None

    @property
    def revision(self) -> int:
        """Return the revision of the messages that the reader may read; 0 if they may read none."""
        return self.told_revision if self.shows_messages else 0

    @property
    def version(self) -> str:
        """Return a name for the wording of the messages as the token was shown them."""
        is_lagging = self.revision < self.latest_revision
        return f"{self.latest_version}@{self.revision}" if is_lagging else self.latest_version


# Columns of an access, in the order of `_Columns`; "may_read" is annotated.
_READ: Final = (
    *("pk", "api_token_id", "conversation_id", "conversation__instance", "conversation__omni_id"),
    *("name", "last_prompt", "owner_id", "conversation__created_at", "updated_at", "recency"),
    *("conversation__started", "revision", "conversation__revision", "conversation__version"),
    *("conversation__message_count", "conversation__facts", "conversation__last_answer_took"),
    *("conversation__indexed_revision", "conversation__is_indexed", "has_evidence", "may_read"),
)


class ShownRows:
    """Rows of a list in its order, made of what the database returned when a page needs them."""

    def __init__(self, raw: RawRows, values: list[tuple[Any, ...]] | None = None) -> None:
        self._raw = raw
        # Equal ones stand for equal rows.
        self.values = raw.values if values is None else values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "ShownRows":
        return ShownRows(self._raw, self.values[part])

    def column(self, column: str) -> list[Any]:
        """Return the values of a column, times and ids as the database returned them."""
        place = ShownRow._fields.index(column)
        return [values[place] for values in self.values]

    def __add__(self, other: "ShownRows") -> "ShownRows":
        """Return these rows and those behind them; both come from the same query, unless one is empty."""
        return ShownRows((self if self.values else other)._raw, [*self.values, *other.values])

    def in_turn(self, keys: Sequence[int]) -> "ShownRows":
        """Return these rows in the order of the keys of their accesses."""
        found = dict(zip(self.column("access_key"), self.values, strict=True))
        return ShownRows(self._raw, [found[key] for key in keys if key in found])

    @cached_property
    def rows(self) -> list[ShownRow]:
        return [ShownRow._make(values) for values in self._raw.converted(self.values)]


NO_ROWS: Final = ShownRows(RawRows([]))


def load(reader: Reader, rows: AccessQuerySet) -> ShownRows:
    """Return the rows of these accesses, in their order."""
    return ShownRows(RawRows(list(_told(reader, rows))))


@dataclass(frozen=True)
class Part:
    """So many of the first rows of a list in the order of a column."""

    column: str
    is_down: bool
    most: int


def part(reader: Reader, of: Part, *, bound: int | None = None, keys: list[int] | None = None) -> ShownRows:
    """Return a part of the rows that the reader may see: behind the bound, of the accesses with these keys alone."""
    if keys is not None and not keys:
        return NO_ROWS
    shape = reader.slots, of, bound is not None, keys is not None
    return ShownRows(_PART.raw(shape, bound=bound, keys=keys, **reader.slot_values))


def _part(shape: tuple[ReaderSlots, Part, bool, bool]) -> QuerySet[Access, tuple[Any, ...]]:
    slots, of, is_bound, is_of_keys = shape
    rows = Access.objects.rows_of(slots).each_once(slots).order_by(f"-{of.column}" if of.is_down else of.column)
    if is_of_keys:
        rows = rows.filter(pk__in=Keys(slot("keys")))
    if is_bound:
        rows = rows.filter(**{f"{of.column}__{'lt' if of.is_down else 'gt'}": slot("bound")})
    return _told(slots, rows)[: of.most]


def _told(reader: Conditions, rows: AccessQuerySet) -> QuerySet[Access, tuple[Any, ...]]:
    return rows.annotate(may_read=Access.objects.may_read(reader)).values_list(*_READ)


_PART = Prepared(_part)
