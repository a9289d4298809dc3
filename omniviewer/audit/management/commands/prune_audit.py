"""`manage.py prune_audit`: what is older than `OMNIVIEWER_AUDIT_DAYS` leaves the audit log."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from omniviewer.audit.models import Event

# Deleted at once: whoever else writes waits for no more than these.
BATCH = 1000


class Command(BaseCommand):
    """To be run daily."""

    help = "Delete what the audit log holds for longer than OMNIVIEWER_AUDIT_DAYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are.")

    def handle(self, **options: Any) -> None:
        days = settings.AUDIT_DAYS
        if days < 0:
            raise CommandError("OMNIVIEWER_AUDIT_DAYS is a number of days, or 0 to keep the audit log for ever.")
        if days == 0:
            self.stdout.write("OMNIVIEWER_AUDIT_DAYS is 0: the audit log is kept for ever.")
            return
        past = Event.objects.older_than(timezone.now() - timedelta(days=days))
        if options["dry_run"]:
            self.stdout.write(f"{_count(past.count())} older than {days} days would be deleted.")
            return
        deleted = 0
        while batch := past.forget(BATCH):
            deleted += batch
        self.stdout.write(f"{_count(deleted)} older than {days} days deleted.")


def _count(events: int) -> str:
    return f"{events} event{'' if events == 1 else 's'}"
