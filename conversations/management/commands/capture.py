"""`manage.py capture`: queue what Omni will drop within three days, for the workers to keep."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from conversations import tasks
from conversations.archive import capture


class Command(BaseCommand):
    """Command that workers run every night; run it by hand after a time without workers."""

    help = "Queue for capture what Omni will drop within three days (OMNIVIEWER_CAPTURE says of which conversations)."

    def handle(self, **options: Any) -> None:
        everything = settings.CAPTURE == "all"
        count = capture.queue_expiring(everything=everything)
        tasks.nudge(tasks.capture)
        if options["verbosity"]:
            of_which = "all conversations" if everything else "conversations that are starred or linked from a ticket"
            self.stdout.write(f"{count} answer{'' if count == 1 else 's'} of {of_which} queued.")
