"""Metric files for prometheus_client, with reserved blocks: a full disk costs metrics, but kills no process.

The library maps sparse files into memory. Where the disk is full, the first write into a hole of one is a SIGBUS, which
ends the process; a block that was reserved is there whatever happens.
"""

import logging
import mmap
import os
import struct
from collections import Counter
from contextlib import suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

_log = logging.getLogger("omniviewer.operations.metrics")
_FIRST_BYTES = 1 << 16
# Bytes of an entry besides its key: length, padding, value and time.
_BESIDE_KEY_BYTES = 64
# Stands in the names of files in place of a process.
_ENDED = "ended"


class ReservedDict(MmapedDict):
    """The library's dict in a file, with all its blocks reserved; on a full disk in memory, left out of all sums."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002  (the library's signature)
        try:
            if not read_mode:
                with Path(filename).open("a+b") as file:
                    _reserve(file.fileno(), _FIRST_BYTES)
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        except OSError as error:
            if read_mode:
                raise
            _log.error("counts are lost", extra={"because": error.strerror})
            self._fname, self._positions = filename, {}
            self._move_to_memory(_FIRST_BYTES)
            self._used = 8
            self._m[:4] = self._used.to_bytes(4, "little")

    @property
    def is_on_disk(self) -> bool:
        return bool(self._f.name != os.devnull)

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + _BESIDE_KEY_BYTES
        if needed > self._capacity:
            self._grow(max(self._capacity * 2, needed))
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self, size: int) -> None:
        try:
            if self.is_on_disk:
                _reserve(self._f.fileno(), size)
                self._m.close()
                self._m = mmap.mmap(self._f.fileno(), size)
            else:
                self._move_to_memory(size)
        except OSError as error:
            _log.error("counts are lost", extra={"because": error.strerror})
            self._move_to_memory(size)
        self._capacity = size

    def _move_to_memory(self, size: int) -> None:
        before = getattr(self, "_m", None)
        self._m = mmap.mmap(-1, size)
        if before is not None:
            self._m[: len(before)] = before[:]
            before.close()
            self._f.close()
        self._f = Path(os.devnull).open("rb")  # noqa: SIM115  (closed by `close`)
        self._capacity = size


def _reserve(file: int, size: int) -> None:
    """Give a file all blocks up to this size at least. Raises `OSError` where the disk has none left."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        os.posix_fallocate(file, 0, max(size, os.fstat(file).st_size))


def add_up_ended(folder: Path) -> None:
    """Add the counts of processes that live no longer to those of earlier ones, in one file for each kind of metric.

    The sum over all files stays as it is: where it fell, Prometheus would take all of it for new.
    """
    for kind in ("counter", "histogram"):
        total = folder / f"{kind}_{_ENDED}.db"
        ended = [file for file in folder.glob(f"{kind}_*.db") if file != total and not _is_in_use(file)]
        if ended and _write_sums(total, ended):
            for file in ended:
                file.unlink(missing_ok=True)


def _is_in_use(file: Path) -> bool:
    """Return whether a process writes to the file. Another process may have the id of one that ended."""
    maps = Path(f"/proc/{file.stem.rpartition('_')[2]}/maps")
    try:
        return str(file.resolve()) in maps.read_text()
    except OSError:
        return False


def _write_sums(total: Path, ended: list[Path]) -> bool:
    """Replace the file by the sums of it and these; False where the disk is full, and then all stays as it is."""
    sums: Counter[str] = Counter()
    for file in (total, *ended):
        # Cut short where the machine went down; there is no first such file at all.
        with suppress(FileNotFoundError, RuntimeError, struct.error):
            for key, value, *_ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
                sums[key] += value
    new = total.with_suffix(".new")
    new.unlink(missing_ok=True)
    written = ReservedDict(str(new))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    is_whole = written.is_on_disk
    written.close()  # type: ignore[no-untyped-call]
    if is_whole:
        new.replace(total)
    else:
        new.unlink(missing_ok=True)
    return is_whole
