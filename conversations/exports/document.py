"""A thread with its stored evidence as one document: to be printed, or as a file of its own."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import timezone

from conversations.archive import evidence_status, people
from conversations.archive.evidence_status import EvidenceSummary, Jobs
from conversations.archive.outcomes import Opened
from conversations.charts import spec
from conversations.charts.svg import draw
from conversations.models import Action, Chart, Conversation, Job, Message
from conversations.tables import paging, parsing
from conversations.tables.paging import TablePage, TableRow
from conversations.tables.parsing import Column
from omniviewer.accounts.models import User

Thing = TypeVar("Thing")

# Most rows of one query, and most cells of a document: paper is read, and the CSV is for calculation.
MAX_ROWS = 200
MAX_CELLS = 100_000
# Most bytes of the pictures inside a file.
MAX_PICTURE_BYTES = 64 * 1024 * 1024
# Most columns side by side on paper: a wider table goes on below, with its first column repeated.
COLUMNS_BESIDE = 8
# Messages whose evidence is in memory at the same time.
_BATCH_MESSAGES = 20
_STYLES = ("variables", "base", "message", "evidence", "document")


@dataclass(frozen=True)
class Part:
    """A message, its evidence line, and its evidence. `pictures` are Omni's chart, or else our own charts."""

    message: Message
    summary: EvidenceSummary | None = None
    steps: "list[Step]" = field(default_factory=list)
    pictures: "list[Picture]" = field(default_factory=list)
    # True if pictures are left out because the file holds too many already.
    is_without_pictures: bool = False
    # Sentence that says what of its steps could not be read, or was left out.
    shortfall: str = ""


@dataclass(frozen=True)
class Picture:
    address: str
    alt: str
    is_ours: bool = False


@dataclass(frozen=True)
class Step:
    """An action; if it is a query, with its rows as tables below each other, none wider than paper."""

    action: Action
    shown: TablePage[Action] | None = None
    tables: "list[Beside]" = field(default_factory=list)


@dataclass(frozen=True)
class Beside:
    """Columns of a query that fit on paper, with their rows: `first` to `last` of `of` columns; 0 if all fit."""

    columns: Sequence[Column]
    rows: list[TableRow]
    first: int = 0
    last: int = 0
    of: int = 0


def context(opened: Opened, user: User, address: str, *, is_file: bool = False) -> dict[str, Any]:
    """Return the context of export/_document.html. `address` is the thread's; with `is_file`, pictures are embedded."""
    conversation = opened.conversation
    return {
        "conversation": conversation,
        "address": address,
        "owner": owner_name(conversation, user),
        "exported_by": user.display_name,
        "exported_at": timezone.now(),
        "count": conversation.last_message.position if conversation.last_message else 0,
        "parts": _parts(opened, is_file=is_file),
        "is_file": is_file,
    }


def as_html(opened: Opened, user: User, address: str) -> str:
    """Return a page that needs nothing else: without scripts or requests, with styles and pictures embedded."""
    page = render_to_string("conversations/export/document_file.html", context(opened, user, address, is_file=True))
    return page.replace("<!-- styles -->", f"<style>\n{_styles()}\n</style>", 1)


def owner_name(conversation: Conversation, user: User) -> str:
    """Return the name of its owner, as far as Omni told it to a token of the reader's; "" if it did not."""
    if not conversation.owner_id:
        return ""
    return people.names(user, [conversation.owner]).get(conversation.owner, "")


def kept_by_message(jobs: Jobs, messages: Iterable[Message]) -> dict[int, tuple[Job, list[Action], Chart | None]]:
    """Return stored evidence that the reader may see, by position: job, actions with all rows, and Omni's chart."""
    ids = [message.job_id for message in messages if message.job_id]
    found = {job_id: job for job_id in ids if (job := jobs.get(job_id)) and job.kept_at}
    actions: dict[int, list[Action]] = {}
    for action in Action.objects.filter(job__in=found.values()).in_turn(with_rows=True):
        actions.setdefault(action.job_id, []).append(action)
    charts = {chart.job_id: chart for chart in Chart.objects.filter(job__in=found.values()) if chart.png}
    return {
        message.position: (job, actions.get(job.pk, []), charts.get(job.pk))
        for message in messages
        if message.job_id and (job := found.get(message.job_id))
    }


def in_batches(things: "Iterable[Thing]", size: int) -> "Iterator[list[Thing]]":
    """Yield lists of up to `size` things, as `itertools.batched` does from Python 3.12 on."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def _parts(opened: Opened, *, is_file: bool) -> Iterator[Part]:
    conversation = opened.conversation
    jobs = Jobs.of_answers(opened)
    summaries = evidence_status.by_position(opened, jobs=jobs)
    cells_left, inside = MAX_CELLS, 0
    for messages in in_batches(conversation.thread, _BATCH_MESSAGES):
        kept = kept_by_message(jobs, messages)
        for message in messages:
            job, actions, chart = kept.get(message.position, (None, [], None))
            steps = []
            for action in actions:
                step = _step(action, cells_left)
                cells_left -= sum(len(table.rows) * len(table.columns) for table in step.tables)
                steps.append(step)
            pictures = list(_pictures(message, actions, chart, is_file=is_file)) if inside < MAX_PICTURE_BYTES else []
            inside += sum(len(picture.address) for picture in pictures)
            is_cut = inside >= MAX_PICTURE_BYTES and not pictures
            summary, shortfall = summaries.get(message.position), job.shortfall if job else ""
            yield Part(message, summary, steps, pictures, is_without_pictures=is_cut, shortfall=shortfall)


def _step(action: Action, cells_left: int) -> Step:
    if not action.is_query:
        return Step(action)
    table = action.table
    columns = min(len(table.columns), parsing.MOST_COLUMNS) if table else 1
    shown = paging.page_of(action, most=max(min(MAX_ROWS, cells_left // columns), 1))
    return Step(action, shown, _beside(shown) if table else [])


def _beside(shown: TablePage[Action]) -> list[Beside]:
    """Split a query's columns into groups that fit on paper."""
    columns = shown.columns
    if len(columns) <= COLUMNS_BESIDE:
        return [Beside(columns, shown.rows)]
    groups = in_batches(range(1, len(columns)), COLUMNS_BESIDE - 1)
    return [
        Beside(
            [columns[place] for place in (0, *group)],
            [replace(row, cells=[row.cells[place] for place in (0, *group)]) for row in shown.rows],
            group[0] + 1,
            group[-1] + 1,
            len(columns),
        )
        for group in groups
    ]


def _pictures(message: Message, actions: list[Action], chart: Chart | None, *, is_file: bool) -> Iterator[Picture]:
    address = message.get_absolute_url()
    if chart:
        inside = _inside("image/png", bytes(chart.png)) if is_file else f"{address}chart.png"
        yield Picture(inside, f"Omni’s chart for answer {message.position}; its numbers are in the tables below.")
        return
    drawings = [drawing for action in actions if action.is_query for drawing in spec.drawings(action)]
    for drawing in drawings[: spec.MOST_DRAWINGS]:
        inside = _inside("image/svg+xml", draw(drawing.plot)) if is_file else f"{address}{drawing.path}"
        yield Picture(inside, drawing.plot.alt, is_ours=True)


def _inside(content_type: str, picture: bytes) -> str:
    return f"data:{content_type};base64,{b64encode(picture).decode()}"


@cache
def _styles() -> str:
    found = [finders.find(f"css/{name}.css") for name in _STYLES]
    return "\n".join(Path(str(path)).read_text() for path in found)
