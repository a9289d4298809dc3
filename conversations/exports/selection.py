"""Conversations that were selected in the list, exported together."""

import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from conversations.archive import threads
from conversations.archive.outcomes import CannotShow
from conversations.exports import formats, outcomes
from conversations.exports.bundle import Pipe
from conversations.models import Access, Conversation, Reader
from conversations.search import shown_row
from conversations.search.shown_row import ShownRow
from omniviewer.accounts.models import User
from omniviewer.audit.models import OK

# At a time: a page of the list, and some.
MAX_CONVERSATIONS = 100


def chosen(user: User, named: Iterable[str]) -> list[ShownRow]:
    """Return those of these that the reader may see, in the order of the list.

    Each is named by its instance, a slash and Omni's id; by the id alone, it is the one that its address opens.
    """
    wanted: dict[UUID, set[str]] = defaultdict(set)
    for text in list(named)[:MAX_CONVERSATIONS]:
        instance, _, omni_id = text.rpartition("/")
        try:
            wanted[UUID(omni_id)].add(instance)
        except ValueError:
            continue
    reader = Reader.for_user(user)
    rows = Access.objects.rows_of(reader).each_once(reader).filter(conversation__omni_id__in=wanted)
    found = shown_row.load(reader, rows.newest_first()).rows
    instances = list(dict.fromkeys(token.instance for token in reader.tokens))
    first: dict[UUID, str] = {}
    for row in sorted(found, key=lambda row: instances.index(row.instance)):
        first.setdefault(row.omni_id, row.instance)
    return [
        row
        for row in found
        if row.instance in wanted[row.omni_id] or ("" in wanted[row.omni_id] and row.instance == first[row.omni_id])
    ]


def stream(
    user: User,
    conversations: Sequence[ShownRow],
    site: str,
    record: Callable[[Conversation | ShownRow, str], None],
    not_included: Mapping[str, str] | None = None,
) -> Iterator[bytes]:
    """Return a zip of them, each as Markdown and as JSON, made while it is sent; what could not be had is named in it.

    Each is opened by the rights of that moment. `record` is called for each, with why it could not be shown or `OK`.
    `not_included`: reasons, by id, for others that were wanted too.
    """
    pipe = Pipe()
    missing: dict[str, str] = dict(not_included or {})
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as target:
        for number, row in enumerate(conversations, start=1):
            try:
                opened = threads.open(user, row.omni_id, instance=row.instance)
            except CannotShow as error:
                missing[str(row.omni_id)] = error.sentence or "Omni does not show it to you."
                record(row, error.why)
                continue
            found, told = opened.conversation, outcomes.told(opened)
            record(found, OK)
            address = f"{site}{found.get_absolute_url()}"
            for extension, text in (
                ("md", formats.as_markdown(found, address, told)),
                ("json", formats.as_json(found, address, told)),
            ):
                target.writestr(f"{number:03}-{formats.file_name(found, extension)}", text)
                yield pipe.drain()
        if missing:
            target.writestr("not-included.json", json.dumps(missing, indent=2, ensure_ascii=False))
    yield pipe.drain()
