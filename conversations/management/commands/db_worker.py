"""`manage.py db_worker`: the command of django-tasks, which here waits while the database is away."""

import logging
import time
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django_tasks_db.management.commands import db_worker

from conversations import tasks

_log = logging.getLogger("omniviewer.worker")
# Seconds between two tries, doubled each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# Seconds after which a worker counts as healthy: the next pause is a short one again.
_WELL_SECONDS = 60.0


class Command(db_worker.Command):
    """Worker that survives the loss of its database. Interrupted work is done again, since tasks carry no data."""

    def handle(self, **options: Any) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                tasks.nudge_chores()
                super().handle(**options)
            except (OperationalError, InterfaceError) as error:
                if options["batch"]:
                    raise
                pause = _FIRST_PAUSE if time.monotonic() - began > _WELL_SECONDS else pause
                _log.warning("the database is away", extra={"error": type(error).__name__, "seconds": pause})
                connections.close_all()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return
