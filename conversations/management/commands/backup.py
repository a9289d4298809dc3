"""`manage.py backup FILE`: all rows of the database in one file, while the site runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from omniviewer.operations.backup import dump
from omniviewer.operations.backup.tables import NewerDatabase
from omniviewer.operations.database_errors import named
from omniviewer.operations.progress_line import ProgressLine


class Command(BaseCommand):
    """Command that may run at any time, also before an upgrade's `migrate`. Keys are not in what it writes."""

    help = "Write all data to a file, from which `restore` fills an empty database. Keys are not in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="File to write; only its owner may read it.")
        parser.add_argument("--force", action="store_true", help="Replace the file if it exists.")

    def handle(self, **options: Any) -> None:
        path: Path = options["file"]
        line = ProgressLine(self.stdout)
        try:
            manifest = dump.make(path, line.write, may_replace=options["force"])
        except FileExistsError:
            raise CommandError(f"{path} exists: name another file, or replace it by --force.") from None
        except NewerDatabase as error:
            raise CommandError(
                f"The database is of a newer version than the program (it has the migrations {error}): install that "
                "version. Nothing was written."
            ) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be read ({named(error)}). Nothing was written.") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Nothing was written.") from None
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}. Nothing is left of it.") from None
        finally:
            line.end()
        self.stdout.write(
            f"{path}: {manifest.rows:,} rows of {len(manifest.members)} tables, {path.stat().st_size:,} bytes, as of "
            f"{manifest.made_at:%Y-%m-%d %H:%M} UTC. Back up OMNIVIEWER_ENCRYPTION_KEYS and OMNIVIEWER_SECRET_KEY "
            "elsewhere: without them nobody’s API token can be read."
        )
