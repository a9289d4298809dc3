"""A thread with its stored evidence as one zip, made while it is sent, a query's rows at a time."""

import hashlib
import json
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import RawIOBase
from typing import Any

from django.utils import timezone

from conversations.archive import evidence_status, threads
from conversations.archive.evidence_status import EvidenceSummary, Jobs
from conversations.archive.outcomes import Opened
from conversations.charts import spec
from conversations.charts.svg import draw
from conversations.exports import document, formats, outcomes
from conversations.models import Action, AnswerStatus, Chart, Job, Message
from conversations.tables import parsing
from omniviewer.accounts.models import User

MANIFEST = "manifest.json"
_BATCH_ANSWERS = 20
NOT_INCLUDED = "not-included.json"
# Longest time for which a reader's rights are trusted while a file is sent.
RIGHTS_LAST = timedelta(seconds=1)
_WITHDRAWN = "Omni stopped showing you this conversation while the file was made."
# Rows of a CSV that are written at once.
_BATCH_ROWS = 1000


class Pipe(RawIOBase):
    """Write-only target of the zip; it never seeks back, so each piece can be sent at once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def drain(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


@dataclass
class _Bundle:
    zip: zipfile.ZipFile
    pipe: Pipe
    files: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    # True once the right to read the thread has ended while it was sent.
    withdrawn: bool = False

    def add(self, name: str, pieces: Iterable[bytes], at: datetime | None, **about: Any) -> Iterator[bytes]:
        """Write a file; `at` is when its content was fetched from Omni."""
        moment = timezone.localtime(at or timezone.now())
        info = zipfile.ZipInfo(name, moment.timetuple()[:6])
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        digest, size = hashlib.sha256(), 0
        with self.zip.open(info, "w") as target:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                target.write(piece)
                yield self.pipe.drain()
        yield self.pipe.drain()
        fetched = {"fetchedAt": formats.iso(at)} if at else {}
        self.files.append({"name": name, "bytes": size, "sha256": digest.hexdigest(), **about, **fetched})


def stream(opened: Opened, user: User, address: str) -> Iterator[bytes]:
    """Yield the zip in pieces; `address` is the thread's own."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as target:
        bundle = _Bundle(target, pipe)
        for piece in _content(bundle, opened, user, address):
            if piece:
                yield piece
    yield pipe.drain()


def _content(bundle: _Bundle, opened: Opened, user: User, address: str) -> Iterator[bytes]:
    conversation = opened.conversation
    at = conversation.fetched_at
    told = outcomes.told(opened)
    markdown = formats.as_markdown(conversation, address, told).encode()
    yield from bundle.add("thread.md", [markdown], at, what="the conversation")
    reply = formats.as_json(conversation, address, told).encode()
    yield from bundle.add("thread.json", [reply], at, what="the conversation")
    page = document.as_html(opened, user, address).encode()
    yield from bundle.add("thread.html", [page], at, what="the conversation with its evidence")
    yield from _answers(bundle, opened)
    manifest: dict[str, Any] = {
        "conversation": {
            "id": str(conversation.omni_id),
            "title": conversation.title,
            "instance": conversation.instance,
            "address": address,
            "fetchedAt": formats.iso(at),
        },
        "exportedAt": formats.iso(timezone.now()),
        "exportedBy": user.display_name,
        "files": bundle.files,
        "answers": bundle.answers,
    }
    if bundle.withdrawn:
        why = {str(answer["message"]): answer["why"] for answer in bundle.answers if "why" in answer}
        yield from bundle.add(NOT_INCLUDED, [json.dumps(why, ensure_ascii=False, indent=2).encode()], None)
        manifest["withdrawn"] = _WITHDRAWN
    yield from bundle.add(MANIFEST, [json.dumps(manifest, ensure_ascii=False, indent=2).encode()], None)


def _answers(bundle: _Bundle, opened: Opened) -> Iterator[bytes]:
    """Write the evidence of all answers, each by rights at most `RIGHTS_LAST` old: sending may take long."""
    answers = [message for message in opened.conversation.thread if message.job_id]
    while answers:
        batch = answers[:_BATCH_ANSWERS]
        now = threads.recheck(opened)
        if now is None:
            bundle.withdrawn = True
            bundle.answers += [_withdrawn(message) for message in answers]
            return
        taken_at = time.monotonic()
        jobs = Jobs.for_messages(now, batch)
        summaries = evidence_status.by_position(now, jobs=jobs)
        kept = document.kept_by_message(jobs, batch)
        done = 0
        while done < len(batch) and (not done or time.monotonic() - taken_at < RIGHTS_LAST.total_seconds()):
            message = batch[done]
            if message.position in kept:
                yield from _answer(bundle, message, *kept[message.position])
            else:
                bundle.answers.append(_left_out(message, summaries[message.position]))
            done += 1
        del answers[:done]


def _withdrawn(message: Message) -> dict[str, Any]:
    about = {"message": message.position, "job": str(message.job_id)}
    return about | {"state": AnswerStatus.HIDDEN.value, "why": _WITHDRAWN}


def _answer(bundle: _Bundle, message: Message, job: Job, actions: list[Action], chart: Chart | None) -> Iterator[bytes]:
    folder = f"answer-{message.position:03}"
    about = {"message": message.position, "job": str(job.omni_id)}
    queries = []
    for action in actions:
        if not action.is_query:
            continue
        query: dict[str, Any] = {
            "number": action.number,
            "name": action.title,
            "status": action.status,
            **({"reason": action.reason} if action.reason else {}),
            "rows": action.rows_found,
            "cutByOmni": action.was_cut,
            "query": action.query,
        }
        table = action.table
        if table:
            query["file"] = f"{folder}/query-{action.number:02}{_words(action.name)}.csv"
            rows = parsing.as_csv(*table.for_file())
            what = about | {"what": "rows of a query", "query": action.number}
            yield from bundle.add(query["file"], _encoded(rows), job.kept_at, **what)
        elif action.text.strip():
            query["file"] = f"{folder}/query-{action.number:02}{_words(action.name)}.txt"
            what = about | {"what": "what Omni sent in place of rows", "query": action.number}
            yield from bundle.add(query["file"], [action.text.encode()], job.kept_at, **what)
        queries.append(query)
    answer = about | {
        "state": AnswerStatus.CAPTURED.value,
        "topic": job.topic,
        "fetchedAt": formats.iso(job.kept_at),
        "queries": queries,
    }
    if chart:
        name = f"{folder}/chart.png"
        answer["chart"] = name
        yield from bundle.add(name, [bytes(chart.png)], chart.fetched_at, what="Omni's chart", **about)
    else:
        drawings = [drawing for action in actions if action.is_query for drawing in spec.drawings(action)]
        for drawing in drawings[: spec.MOST_DRAWINGS]:
            name = f"{folder}/{drawing.path.replace('queries/', 'drawing-')}"
            what = {"what": "our drawing of a query's rows", "query": drawing.number}
            yield from bundle.add(name, [draw(drawing.plot)], job.kept_at, **about, **what)
    bundle.answers.append(answer)


def _left_out(message: Message, summary: EvidenceSummary) -> dict[str, Any]:
    about = {"message": message.position, "job": str(message.job_id)}
    told = {"state": summary.status.value, "why": summary.status.sentence}
    return about | told | ({"said": summary.said} if summary.said else {})


def _words(name: str) -> str:
    """Return a hyphen and the name in letters that every file system takes; "" if none are left."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    return f"-{words}" if words else ""


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    for batch in document.in_batches(lines, _BATCH_ROWS):
        yield "".join(batch).encode()
