"""`manage.py db_worker`: the command of django-tasks, which here waits for the database and for a right clock."""

import logging
import time
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult

from conversations import tasks
from omniviewer.operations import database_clock, database_errors

_log = logging.getLogger("omniviewer.worker")
# Seconds between two tries, doubled each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# Seconds after which a worker counts as healthy: the next pause is a short one again.
_WELL_SECONDS = 60.0
# Seconds between two looks at a wrong clock.
_LOOKED_EVERY_SECONDS = 5.0


class Worker(db_worker.Worker):
    """Worker that takes no task while this machine's clock is wrong.

    Leases, times of lists and the age of rights are compared between machines: with a clock an hour ahead, it would
    take over what another worker is doing, and end rights that Omni has just confirmed.
    """

    def run(self) -> None:
        _wait_for_clock()
        super().run()

    def run_task(self, db_task_result: "DBTaskResult[Any, Any]") -> None:
        super().run_task(db_task_result)
        if self.running:
            _wait_for_clock()


def _wait_for_clock() -> None:
    """Wait until the clock is right by the database's, and say so at the beginning and at the end."""
    ahead = database_clock.ahead()
    if abs(ahead) < database_clock.WRONG:
        return
    _log.error("the clock is wrong: no task is taken", extra={"clock": database_clock.difference(ahead)})
    while abs(database_clock.ahead()) >= database_clock.WRONG:
        time.sleep(_LOOKED_EVERY_SECONDS)
    _log.warning("the clock is right again: tasks are taken")


# The library's command makes the worker by this name.
db_worker.Worker = Worker  # type: ignore[misc]


class Command(db_worker.Command):
    """Worker that survives the loss of its database. Interrupted work is done again, since tasks carry no data."""

    def handle(self, **options: Any) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                tasks.nudge_chores()
                super().handle(**options)
            except (DatabaseError, InterfaceError) as error:
                trouble = database_errors.trouble(error)
                if options["batch"] or not (trouble or isinstance(error, OperationalError | InterfaceError)):
                    raise
                pause = _FIRST_PAUSE if time.monotonic() - began > _WELL_SECONDS else pause
                said = {"error": database_errors.named(error), "seconds": pause}
                _log.warning(str(trouble or "the database is busy"), extra=said)
                connections.close_all()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return
