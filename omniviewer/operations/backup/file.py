"""The file of a backup: written under another name until it is whole, and checked before anything is read from it."""

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from omniviewer.operations.backup.tables import Node

_FORMAT = 1
_MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
# Level of compression: higher ones take twice the time for a tenth less.
_LEVEL = 3


class Unusable(Exception):
    """A file that is no whole backup; the message is a sentence that says why."""


@dataclass(frozen=True)
class Member:
    """A table in a backup."""

    table: str
    columns: list[str]
    rows: int
    sha256: str
    # The last number that the database has given to a row: none is given again, also after the row is deleted.
    last_number: int | None = None

    @property
    def file_name(self) -> str:
        return f"{self.table}.jsonl"


@dataclass(frozen=True)
class Manifest:
    """List of all that a backup holds."""

    program: str
    vendor: str
    made_at: datetime
    migrations: list[Node]
    members: list[Member] = field(default_factory=list)
    # Names of tables that are left out, each with the reason.
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(member.rows for member in self.members)

    @property
    def identity(self) -> str:
        """Return a name of this very backup."""
        return hashlib.sha256(self.as_json()).hexdigest()

    def as_json(self) -> bytes:
        told = {"format": _FORMAT, **asdict(self), "made_at": self.made_at.isoformat()}
        return json.dumps(told, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return the manifest that was written so. Raises `Unusable`."""
        try:
            told = json.loads(text)
            number = told.pop("format")
            if number != _FORMAT:
                raise Unusable(f"It is a backup of format {number}, which this version does not read: use a newer one.")
            told["made_at"] = datetime.fromisoformat(told["made_at"])
            told["members"] = [Member(**member) for member in told["members"]]
            told["migrations"] = [(str(app), str(name)) for app, name in told["migrations"]]
            return cls(**told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"Its manifest cannot be read ({type(error).__name__}).") from None


class Writer:
    """A backup that is being written; `finish` adds the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: list[Member] = []
        # Rows are as of a moment after this one: whatever happened later may be missing.
        self._began_at = datetime.now(UTC)

    def add(self, table: str, columns: list[str], lines: Iterator[bytes], last_number: int | None) -> None:
        """Write a table, one line a row."""
        digest, rows = hashlib.sha256(), 0
        with self._archive.open(f"{table}.jsonl", "w", force_zip64=True) as member:
            for chunk, count in _chunks(lines):
                member.write(chunk)
                digest.update(chunk)
                rows += count
        self._members.append(Member(table, columns, rows, digest.hexdigest(), last_number))

    def finish(self, program: str, vendor: str, migrations: list[Node], left_out: dict[str, str]) -> Manifest:
        """Write the manifest, and return it."""
        manifest = Manifest(program, vendor, self._began_at, migrations, self._members, left_out)
        self._archive.writestr(_MANIFEST, manifest.as_json())
        return manifest


def _chunks(lines: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting), len(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting), len(waiting)


@contextlib.contextmanager
def written(path: Path, *, may_replace: bool) -> Iterator[Writer]:
    """Yield a writer for a file that nobody else may read; it takes its name when the block has ended well.

    Raises `FileExistsError`.
    """
    if path.exists() and not may_replace:
        raise FileExistsError(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123  (a descriptor)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not may_replace:
            raise FileExistsError(path)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class Reader:
    """A whole backup, opened for reading."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def lines(self, member: Member, skipped: int = 0) -> Iterator[bytes]:
        """Yield the rows of a table after the first `skipped`."""
        with self._archive.open(member.file_name) as file:
            for number, line in enumerate(file):
                if number >= skipped:
                    yield line

    def verify(self, progress: Callable[[str], None]) -> None:
        """Compare every table with its checksum and its number of rows. Raises `Unusable`."""
        for member in self.manifest.members:
            progress(f"Checking {member.table}")
            digest, rows = hashlib.sha256(), 0
            try:
                with self._archive.open(member.file_name) as file:
                    while chunk := file.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        rows += chunk.count(b"\n")
            except (KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise Unusable(f"{member.table} is missing or damaged in it ({type(error).__name__}).") from None
            if digest.hexdigest() != member.sha256 or rows != member.rows:
                raise Unusable(f"{member.table} in it is not as it was written: its checksum differs.")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Yield a reader for a backup. Raises `Unusable`."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise Unusable(f"It cannot be opened: {error.strerror}.") from None
    except zipfile.BadZipFile:
        raise Unusable("It is no backup, or was cut short.") from None
    with archive:
        try:
            told = archive.read(_MANIFEST)
        except (KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            raise Unusable("It is no backup: it has no readable manifest.") from None
        yield Reader(archive, Manifest.from_json(told))
