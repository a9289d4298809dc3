"""A process of gunicorn's that leaves without losing a request, for a site that is one of several."""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class SiteProcess(ThreadWorker):  # type: ignore[misc]
    """gunicorn's process with threads, whose end is seen by a proxy at once.

    gunicorn's own stops taking connections at SIGTERM, but leaves its socket open until the last answer is sent: for so
    long the kernel goes on to accept connections that nobody will answer, and a proxy waits for them, and cannot send a
    form to another site afterwards. Here the waiting connections are taken, and the socket is closed.
    """

    def set_accept_enabled(self, enabled: Any) -> None:
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        for listener in self.sockets:
            taken = -1
            while listener.sock is not None and self.nr_conns != taken:
                taken = self.nr_conns
                self.accept(listener)
            listener.close()
