"""`omniviewer worker`: a background worker for a deployment. It logs as the site does, and runs until SIGTERM."""

from argparse import ArgumentParser

from conversations.management.commands import db_worker


class Command(db_worker.Command):
    """`db_worker` without what it does for development."""

    help = "Do background tasks until SIGTERM. Any number of workers may run, on any machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(reload=False)

    def configure_logging(self, verbosity: int) -> None:
        """Leave logging as the site's settings configure it."""
