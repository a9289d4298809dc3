"""`manage.py move --to URL`: all data into another database, as from SQLite to PostgreSQL."""

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from omniviewer import locations
from omniviewer.operations.backup import dump, file


class Command(BaseCommand):
    """Command for a site that is stopped: a backup, restored into the other database by a process of its own.

    A run that was interrupted goes on when it is started again: the backup stays until it is restored.
    """

    help = "Move all data into an empty database. Stop the site and its workers first; run it again to go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            metavar="URL",
            required=True,
            help="The other database, as DATABASE_URL names it. PGPASSWORD or ~/.pgpass may hold its password.",
        )
        parser.add_argument(
            "--file",
            metavar="FILE",
            type=Path,
            help="Where to put the data meanwhile: a new file. Default: in the site's folder of data.",
        )

    def handle(self, **options: Any) -> None:
        try:
            self._move(options)
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run the same command again: it goes on where it was.") from None

    def _move(self, options: dict[str, Any]) -> None:
        path: Path = options["file"] or Path(settings.DATA_DIR) / "move.backup"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._may_begin(options["to"], path):
            if options["file"] and path.exists():
                raise CommandError(f"{path} exists, and would be overwritten: name a file that does not exist yet.")
            call_command("backup", path, force=True, stdout=self.stdout, stderr=self.stderr)
        if _restore(options["to"], "--is-move", str(path)).returncode:
            raise CommandError(
                "The data was not moved. Run the same command again to go on; where a row has to be corrected, correct "
                "it here, and empty the other database first."
            )
        with file.opened(path) as backup:
            changed = dump.changed_since(backup.manifest)
        path.unlink()
        if changed:
            raise CommandError(
                f"Rows of {', '.join(changed)} were added or deleted here meanwhile. Stop the site and its workers, "
                "empty the other database, and move again."
            )
        self.stdout.write(
            "Moved. Set DATABASE_URL to the other database, and start the site and a worker. The old database is as it "
            "was."
        )

    def _may_begin(self, url: str, path: Path) -> bool:
        """Return whether the other database is empty; False if it waits for the rest of this file."""
        asked = _restore(url, "--dry-run", capture_output=True)
        if asked.returncode == 0:
            return True
        if path.exists() and _restore(url, str(path), "--dry-run", capture_output=True).returncode == 0:
            self.stdout.write(f"Going on with {path}.")
            return False
        raise CommandError(asked.stderr.strip().removeprefix("CommandError: "))


def _restore(url: str, *words: str, capture_output: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run `restore` on the other database, which DATABASE_URL names for that process alone."""
    sys.stdout.flush()
    return subprocess.run(  # noqa: S603
        locations.python("-m", "omniviewer", "restore", *words),
        env=locations.child_environment() | {"DATABASE_URL": url},
        capture_output=capture_output,
        text=True,
        check=False,
    )
