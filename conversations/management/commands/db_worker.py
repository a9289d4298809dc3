"""`manage.py db_worker`: django-tasks' own, which here waits for a database that is away."""

import logging
import time
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django_tasks_db.management.commands import db_worker

from conversations import tasks

_log = logging.getLogger("omniviewer.worker")
# Seconds between two tries: longer each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# A worker that ran for so long was well: the next pause is a short one again.
_WELL = 60.0


class Command(db_worker.Command):
    """What it had in hand when the database went away is done again: tasks are nudges, and carry nothing."""

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
                pause = _FIRST_PAUSE if time.monotonic() - began > _WELL else pause
                _log.warning("the database is away", extra={"error": type(error).__name__, "seconds": pause})
                connections.close_all()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return
