"""`manage.py reindex`: the search index, and what else is computed from stored rows, are made again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from conversations.search import rebuild
from conversations.search.rebuild import Stopped
from omniviewer.operations.progress_line import ProgressLine


class Command(BaseCommand):
    """Command that may run beside the site: searches find what was indexed before until it is indexed again."""

    help = "Make the search index, and facts that lists and insights show, again from what is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rest",
            action="store_true",
            help="Only index what waits for it: goes on where an earlier run was interrupted.",
        )

    def handle(self, **options: Any) -> None:
        if not options["rest"]:
            self._run("Reading", "reindex", rebuild.derive)
        try:
            failed = self._run("Indexing", "reindex --rest", rebuild.index_waiting)
        except Stopped:
            raise CommandError(
                "Indexing stopped because of the database (the log says why). Run omniviewer reindex --rest to go on; "
                "workers do so too."
            ) from None
        if failed:
            self.stderr.write(f"{failed:,} could not be indexed: staff see which under “Stored data”.")

    def _run(self, what: str, again: str, work: Any) -> Any:
        line = ProgressLine(self.stdout)
        told = [0]

        def report(done: int, total: int) -> None:
            told[0] = done
            line.write(f"{what} {done:,} of {total:,} conversations")

        try:
            result = work(report)
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. Run omniviewer {again} to go on.") from None
        finally:
            line.end()
        line.end(f"{what} is done: {told[0]:,} conversations.")
        return result
