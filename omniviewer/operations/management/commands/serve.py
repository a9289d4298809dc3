"""`omniviewer serve`: the site by gunicorn, with its configuration. All options are gunicorn's own."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from omniviewer import locations
from omniviewer.operations import health


class Command(BaseCommand):
    """Becomes gunicorn: signals and the process id are those of this command."""

    help = "Serve the site by gunicorn. Options are passed on to it, such as --bind 127.0.0.1:8000 --workers 3."

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave the options unread, for gunicorn."""
        self.handle(*argv[2:])

    def handle(self, *options: str, **_settings: Any) -> None:
        if settings.DEBUG:
            self.stderr.write("OMNIVIEWER_DEBUG is true: pages show tracebacks, and the keys are known to everybody.")
        said = health.static_files()
        if said != health.OK:
            sys.exit(f"Omniviewer does not start: the static files are {said}.")
        command = locations.python("-m", "gunicorn", "-c", "python:omniviewer.serving", "omniviewer.wsgi", *options)
        os.execve(command[0], command, locations.child_environment())  # noqa: S606
