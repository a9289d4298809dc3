"""`manage.py restore FILE`: a backup into an empty database, and the search index made again."""

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import BaseCommand, CommandError, call_command
from django.db import DatabaseError

from conversations import tasks
from omniviewer.accounts import encryption
from omniviewer.accounts.models import ApiToken, Credential
from omniviewer.operations.backup import load
from omniviewer.operations.backup.file import Manifest, Unusable
from omniviewer.operations.backup.load import Refused
from omniviewer.operations.database_errors import named
from omniviewer.operations.progress_line import ProgressLine

_Result = TypeVar("_Result")


class Command(BaseCommand):
    """Command for a site that is stopped. A run that was interrupted goes on when it is started again."""

    help = "Fill an empty database from a file that `backup` wrote. Stop the site and its workers first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="File that `backup` wrote.")
        parser.add_argument(
            "--check", action="store_true", help="Only check that the file is whole and can be restored."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Only check whether this database, and the file if given, will do."
        )
        parser.add_argument("--is-move", action="store_true", help=SUPPRESS)
        parser.add_argument("--no-reindex", action="store_true", help="Leave the search index to the workers.")

    def handle(self, **options: Any) -> None:
        path: Path | None = options["file"]
        if options["dry_run"]:
            manifest = self._told(lambda progress: _look(path, progress))
            self.stdout.write(_about(path, manifest) if manifest else "This database can take a backup.")
            return
        if path is None:
            raise CommandError("Name the file of a backup.")
        if options["check"]:
            self.stdout.write(_about(path, self._told(lambda progress: load.check(path, progress))))
            return
        manifest = self._told(lambda progress: load.restore(path, progress))
        ContentType.objects.clear_cache()
        self.stdout.write(f"Restored {_about(path, manifest)}")
        if not options["no_reindex"]:
            self._reindex()
        load.finish()
        tasks.nudge_chores()
        tasks.nudge_sync()
        tasks.nudge(tasks.capture)
        for sentence in _to_do():
            self.stdout.write(sentence)
        if not options["is_move"]:
            self.stdout.write(
                f"People who were removed, and conversations that were deleted, after {manifest.made_at:%Y-%m-%d %H:%M}"
                " UTC are back: run offboard or forget for them once more before you start the site. What Omni refused "
                f"after that is shown until {_as_time(settings.ACCESS_TTL)} after Omni last confirmed it."
            )

    def _told(self, work: Callable[[Callable[[str], None]], _Result]) -> _Result:
        """Return the result of work that tells its progress, and turn its errors into sentences."""
        line = ProgressLine(self.stdout)
        try:
            return work(line.write)
        except Unusable as error:
            raise CommandError(f"The backup cannot be used. {error} Nothing was changed.") from None
        except Refused as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used ({named(error)}): run omniviewer check first.") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run the same command again: it goes on where it was.") from None
        finally:
            line.end()

    def _reindex(self) -> None:
        try:
            call_command("reindex", rest=True, stdout=self.stdout, stderr=self.stderr)
        except CommandError:
            raise CommandError("All rows are restored, but not indexed yet. Run the same command again.") from None


def _as_time(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):g} hours"


def _look(path: Path | None, progress: Callable[[str], None]) -> Manifest | None:
    manifest = load.check(path, progress) if path else None
    load.check_database(manifest)
    return manifest


def _about(path: Path | None, manifest: Manifest) -> str:
    at = manifest.made_at.astimezone(UTC)
    return (
        f"{path}: {manifest.rows:,} rows of {len(manifest.members)} tables, made by version {manifest.program} from "
        f"{manifest.vendor} on {at:%Y-%m-%d at %H:%M} UTC."
    )


def _to_do() -> Iterator[str]:
    """Yield sentences that say what people have to do now."""
    unreadable, otherwise_known = [], 0
    for token in ApiToken.objects.with_secret():
        try:
            otherwise_known += token.digest not in encryption.digests(token.token)
        except encryption.Undecryptable:
            unreadable.append(token.pk)
    if unreadable:
        people = Credential.objects.filter(api_token__in=unreadable).values("owner").distinct().count()
        yield (
            f"{len(unreadable)} of the API tokens cannot be decrypted by OMNIVIEWER_ENCRYPTION_KEYS: set the keys of "
            f"the site that was backed up, or have {people} {'person' if people == 1 else 'people'} replace their "
            "tokens under Credentials."
        )
    if otherwise_known:
        yield (
            f"{otherwise_known} of the API tokens were stored under another OMNIVIEWER_SECRET_KEY: run omniviewer "
            "rotate_keys."
        )
    if not isinstance(caches[DEFAULT_CACHE_ALIAS], LocMemCache):
        yield "Empty the cache that CACHE_URL names before you start the site: it may hold pages of other rows."
    yield "Everybody has to sign in again."
