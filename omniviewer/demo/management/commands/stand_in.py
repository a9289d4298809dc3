"""`manage.py stand_in`: the stand-in Omni alone, in the foreground."""

import signal
import socket
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError

from omniviewer.demo.stand_in import StandIn, sample_organization
from omniviewer.demo.stand_in.organization import RESULTS_KEPT
from omniviewer.operations.embedded_worker import end_with_parent


class Command(BaseCommand):
    """Runs until Ctrl-C, or (with --with-parent) until its parent process ends."""

    help = "Run a stand-in Omni with sample data on loopback."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8400)
        parser.add_argument("--listening", type=int, help="The file descriptor of a socket that listens, for --port.")
        parser.add_argument("--dialect", choices=["reference", "sdk"], default="reference")
        parser.add_argument("--rate", type=int, default=60, help="Requests a minute for each token.")
        parser.add_argument(
            "--now", type=datetime.fromisoformat, help="The time to live in, that the sample data ends at (ISO 8601)."
        )
        parser.add_argument(
            "--sample-until", type=datetime.fromisoformat, help="The time that the sample data ends at. Default: now."
        )
        parser.add_argument(
            "--documented-dates", action="store_true", help="Give the example of Omni's reference its dates of 2025."
        )
        parser.add_argument(
            "--results-kept", type=int, default=RESULTS_KEPT.days, help="Days for which the results of jobs are kept."
        )
        parser.add_argument("--without-whoami", action="store_true", help="Be an older instance.")
        parser.add_argument("--with-parent", action="store_true", help="Stop when standard input ends.")

    def handle(self, **options: Any) -> None:
        now = _aware(options["now"]) if options["now"] else None
        until = _aware(options["sample_until"] or now or datetime.now(UTC))
        organization = sample_organization(until, documented_dates=options["documented_dates"])
        organization.results_kept = timedelta(days=options["results_kept"])
        try:
            omni = StandIn(
                organization,
                options["dialect"],
                rate_per_minute=options["rate"],
                whoami=not options["without_whoami"],
                port=options["port"],
                listening=socket.socket(fileno=options["listening"]) if options["listening"] is not None else None,
                now=now,
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


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
