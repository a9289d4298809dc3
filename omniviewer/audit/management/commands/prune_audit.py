"""`manage.py prune_audit`: delete events older than `OMNIVIEWER_AUDIT_DAYS`, the administration's own too."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from omniviewer.audit.models import Event

# Rows deleted at once: other writers wait for no more than these.
BATCH = 1000


class Command(BaseCommand):
    """Deletes events past their retention. Workers run this every night."""

    help = "Delete what the audit log holds for longer than OMNIVIEWER_AUDIT_DAYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are.")

    def handle(self, **options: Any) -> None:
        days = settings.AUDIT_DAYS
        if days < 0:
            raise CommandError("OMNIVIEWER_AUDIT_DAYS is a number of days, or 0 to keep the audit log for ever.")
        if days == 0:
            self._say("OMNIVIEWER_AUDIT_DAYS is 0: the audit log is kept for ever.", options)
            return
        moment = timezone.now() - timedelta(days=days)
        past, of_the_administration = Event.objects.older_than(moment), LogEntry.objects.filter(action_time__lt=moment)
        if options["dry_run"]:
            self._say(
                f"{_count(past.count() + of_the_administration.count())} older than {days} days would be deleted.",
                options,
            )
            return
        deleted = 0
        while batch := past.forget(BATCH):
            deleted += batch
        deleted += of_the_administration.delete()[0]
        self._say(f"{_count(deleted)} older than {days} days deleted.", options)

    def _say(self, sentence: str, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            self.stdout.write(sentence)


def _count(events: int) -> str:
    return f"{events} event{'' if events == 1 else 's'}"
