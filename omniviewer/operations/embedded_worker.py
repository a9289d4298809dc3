"""The background worker of a site that is one process: started beside it, started again if it dies, ended with it.

The standard input of each process here is a pipe from the one that started it: however that one ends, this one sees the
pipe end, and ends too. Who starts the worker again is a process of its own, not a thread of the site: gunicorn forks at
any time, and a fork between a thread's pipe and its exec leaves that thread waiting for ever.
"""

import os
import signal
import subprocess
import sys
import threading
import time

from omniviewer import locations

# Seconds until a worker that ended is started again: longer each time, until one has lived for long enough.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONG_ENOUGH = 300.0
# Seconds for a worker to finish its task before it is killed, which loses nothing.
_PATIENCE = 4.0


class EmbeddedWorker:
    """The worker beside the site. Start it in the site's first process, before that forks any other."""

    def __init__(self) -> None:
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._keeper = _start("omniviewer.operations.embedded_worker")

    def stop(self) -> None:
        """Stop the worker. The next one starts its unfinished tasks again."""
        if self._keeper:
            _end(self._keeper, _PATIENCE * 2)


def end_with_parent() -> None:
    """End this process, as by SIGTERM, when its standard input ends."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def keep_running() -> None:
    """Have a worker run until this process is told to end."""
    worker: subprocess.Popen[bytes] | None = None
    # An exception, and no more: a handler that waited for the worker would do so inside of a wait that holds its lock.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    end_with_parent()
    pause = _FIRST_PAUSE
    try:
        while True:
            began = time.monotonic()
            worker = _start("django", "embedded_worker")
            worker.wait()
            lived = time.monotonic() - began
            pause = _FIRST_PAUSE if lived > _LONG_ENOUGH else min(pause * 2, _LONGEST_PAUSE)
            time.sleep(pause)
    finally:
        if worker:
            _end(worker, _PATIENCE)


def _start(*module: str) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches the site, which then ends it.
    return subprocess.Popen(  # noqa: S603
        locations.python("-m", *module),
        env=locations.child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    process.terminate()
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


if __name__ == "__main__":
    keep_running()
