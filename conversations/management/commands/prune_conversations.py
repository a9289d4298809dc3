"""`manage.py prune_conversations`: conversations that Omni no longer shows to any API token are deleted."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from conversations import tasks
from conversations.archive.retention import Sweep


class Command(BaseCommand):
    """Command that workers run every night. Omni is asked about each conversation before it is deleted."""

    help = "Delete conversations that Omni has shown to no API token for OMNIVIEWER_FORGET_DAYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are.")

    def handle(self, **options: Any) -> None:
        sweep = Sweep.of_today()
        if sweep is None:
            self._say("OMNIVIEWER_FORGET_DAYS is 0: no conversation is deleted.", options)
            return
        days = f"{settings.FORGET_DAYS} day{'' if settings.FORGET_DAYS == 1 else 's'}"
        if options["dry_run"]:
            self._say(
                f"{_conversations(sweep.count)} shown to no API token for {days}: Omni would be asked about each, and "
                "those that it does not show would be deleted.",
                options,
            )
            return
        swept = sweep.run()
        self._say(f"{_conversations(swept.deleted)} deleted that no API token was shown for {days}.", options)
        if swept.shown:
            self._say(f"{_conversations(swept.shown)} kept: Omni still shows them.", options)
        if swept.left:
            self._say(f"{_conversations(swept.left)} kept for now: Omni could not be asked about them.", options)
        tasks.nudge_sweep(swept)

    def _say(self, sentence: str, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            self.stdout.write(sentence)


def _conversations(count: int) -> str:
    return f"{count:,} conversation{'' if count == 1 else 's'}"
