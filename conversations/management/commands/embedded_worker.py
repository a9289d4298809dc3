"""`omniviewer embedded_worker`: a worker that the site starts beside itself, and that ends with it."""

from typing import Any

from conversations import tasks
from conversations.management.commands import worker
from omniviewer.operations.embedded_worker import end_with_parent


class Command(worker.Command):
    """`worker` that runs until its standard input ends, which means that the process that started it is gone."""

    help = "Run a background worker for as long as its standard input stays open (the site starts it by itself)."

    def handle(self, **options: Any) -> None:
        end_with_parent()
        # Take up what an earlier worker may have left.
        tasks.nudge(tasks.capture)
        tasks.nudge_chores()
        tasks.nudge_sync()
        super().handle(**options)
