"""`manage.py stand_in`: the stand-in Omni alone, in the foreground."""

import signal
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand, CommandError

from omniviewer.demo.stand_in import StandIn, sample_organization
from omniviewer.operations.embedded_worker import end_with_parent


class Command(BaseCommand):
    """Runs until Ctrl-C, or (with --with-parent) until its parent process ends."""

    help = "Run a stand-in Omni with sample data on loopback."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8400)
        parser.add_argument("--dialect", choices=["reference", "sdk"], default="reference")
        parser.add_argument("--rate", type=int, default=60, help="Requests a minute for each token.")
        parser.add_argument(
            "--now", type=datetime.fromisoformat, help="The time to live in, that the sample data ends at (ISO 8601)."
        )
        parser.add_argument("--without-whoami", action="store_true", help="Be an older instance.")
        parser.add_argument("--with-parent", action="store_true", help="Stop when standard input ends.")

    def handle(self, **options: Any) -> None:
        now = options["now"] or datetime.now(UTC)
        if now.tzinfo is None:
            now = now.replace(tzinfo=UTC)
        try:
            omni = StandIn(
                sample_organization(now),
                options["dialect"],
                rate_per_minute=options["rate"],
                whoami=not options["without_whoami"],
                port=options["port"],
                now=now if options["now"] else None,
            )
        except (OSError, OverflowError):
            raise CommandError(
                f"Port {options['port']} cannot be used: something else listens there, or it is not a port number."
            ) from None
        # Handle Ctrl-C too: a shell may have started this with the signal ignored.
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, signal.default_int_handler)
        if options["with_parent"]:
            end_with_parent()
        self.stdout.write(f"Stand-in Omni on {omni.url}/ (dialect: {omni.dialect}). Ctrl-C stops it.")
        self.stdout.flush()
        try:
            omni.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            omni.stop()
