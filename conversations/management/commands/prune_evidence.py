"""`manage.py prune_evidence`: captured evidence that is older than `OMNIVIEWER_KEEP_DAYS` is removed."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils import timezone

from conversations.models import drop_kept_before, kept_before

# Jobs in one transaction, for whose end other writers wait.
BATCH_JOBS = 200


class Command(BaseCommand):
    """Command that workers run every night."""

    help = "Remove captured evidence that was kept longer than OMNIVIEWER_KEEP_DAYS ago, unless it is held."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how much there is.")

    def handle(self, **options: Any) -> None:
        days = settings.KEEP_DAYS
        if not days:
            self._say("OMNIVIEWER_KEEP_DAYS is 0: captured evidence is kept for ever.", options)
            return
        before = timezone.now() - timedelta(days=days)
        if options["dry_run"]:
            count = kept_before(before).count()
            self._say(
                f"The evidence of {_answers(count)}, kept more than {days:g} days ago, would be removed.", options
            )
            return
        removed = 0
        while batch := drop_kept_before(before, most=BATCH_JOBS):
            removed += batch
        self._say(f"The evidence of {_answers(removed)}, kept more than {days:g} days ago, was removed.", options)

    def _say(self, sentence: str, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            self.stdout.write(sentence)


def _answers(count: int) -> str:
    return f"{count} answer{'' if count == 1 else 's'}"
