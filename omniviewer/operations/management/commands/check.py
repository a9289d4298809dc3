"""`omniviewer check`: Django's command, and with `--live` a trial of the deployment, a line for each part."""

from collections import Counter
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.commands import check

from omniviewer.operations import live, live_machine, live_site


class Command(check.Command):
    """Django's checks of the code and the settings; `--live` asks what the deployment depends on."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        group = parser.add_argument_group("trial of the deployment")
        group.add_argument(
            "--live", action="store_true", help="Try database, cache, worker, proxy, e-mail, providers and Omni."
        )
        group.add_argument("--send-to", default="", metavar="ADDRESS", help="With --live: send one e-mail there.")
        group.add_argument(
            "--instance", action="append", default=[], metavar="HOST", help="With --live: an Omni instance to try too."
        )
        group.add_argument(
            "--http-port", type=int, default=80, help="With --live: the public address's port for http (80)."
        )

    def handle(self, *app_labels: Any, **options: Any) -> None:
        own = {name: options.pop(name) for name in ("live", "send_to", "instance", "http_port")}
        if not own["live"]:
            if own["send_to"] or own["instance"]:
                raise CommandError("--send-to and --instance say what --live tries: add --live.")
            super().handle(*app_labels, **options)
            return
        if app_labels or options["deploy"] or options["databases"] or options["tags"]:
            super().handle(*app_labels, **options)
        self._try(live.Live(own["send_to"], own["instance"], own["http_port"]))

    def _try(self, run: live.Live) -> None:
        first = [*live_machine.FIRST, live_site.SITE, live_site.SCIM]
        counts: Counter[live.Level] = Counter()
        for name, finding in live.run(run, first, live_machine.LAST):
            counts[finding.level] += 1
            advice = f". {finding.advice}" if finding.advice else ""
            self.stdout.write(f"{finding.level:<4}  {name}: {finding.found}{advice}")
            self.stdout.flush()
        if counts[live.Level.FAIL]:
            raise CommandError(f"{counts[live.Level.FAIL]} of {counts.total()} trials fail.")
