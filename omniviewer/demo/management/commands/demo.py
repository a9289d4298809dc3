"""`manage.py demo`: the whole of Omniviewer with sample data, on this machine alone, until Ctrl-C."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
from django.db import connections

from conversations.archive import credentials
from conversations.models import Conversation, Job
from omniviewer import locations
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo import environment
from omniviewer.demo.filling import Filling, count
from omniviewer.demo.people import PEOPLE
from omniviewer.demo.ports import take_port
from omniviewer.demo.stand_in import DEMO_TOKENS
from omniviewer.omni import OmniError, Token
from omniviewer.operations.embedded_worker import EmbeddedWorker
from omniviewer.operations.progress_line import ProgressLine

# From the beginning of the command; the filling goes on beside the site where it takes longer.
_ADDRESS_WITHIN_SECONDS = 15.0
# The demo's Omni keeps the results of jobs for all that time: the archive looks like one that captured for half a year.
_RESULTS_KEPT = timedelta(days=400)
# From this age on, the command says that the sample data can be made anew.
_OLD_SAMPLE = timedelta(days=7)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Log nothing: the terminal shows only instructions for the reader."""


class Command(BaseCommand):
    """Starts a stand-in Omni as a process of its own, and the site in this one."""

    help = "Run Omniviewer with sample data: a stand-in Omni and the site, on this machine alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, help="The site's port; it must be free. Default: the next free from 8000."
        )
        parser.add_argument("--omni-port", type=int, help="The stand-in's port; likewise, from 8400.")
        parser.add_argument(
            "--dialect", choices=["reference", "sdk"], default="reference", help="How the stand-in speaks."
        )
        parser.add_argument(
            "--documented-dates", action="store_true", help="Give the example of Omni's reference its dates of 2025."
        )
        parser.add_argument("--fresh", action="store_true", help="Start over with an empty database.")
        parser.add_argument("--no-browser", action="store_true", help="Do not open a browser window.")

    def handle(self, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo runs by `omniviewer demo` alone.")
        # Before anything is started: SIGTERM ends the demo tidily too, and so does SIGINT, which a shell has its
        # background jobs ignore.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        address_by = time.monotonic() + _ADDRESS_WITHIN_SECONDS
        # Both ports are taken at once, so that no other demo takes them while the archive is filled.
        server = take_port(
            options["port"], 8000, "--port", lambda port: ThreadedWSGIServer(("127.0.0.1", port), _Quiet)
        )
        running = _Running()
        try:
            listening = take_port(
                options["omni_port"], 8400, "--omni-port", lambda port: socket.create_server(("127.0.0.1", port))
            )
            omni_port = listening.getsockname()[1]
            self._prepare(running, listening, options)
            self._fill(running, f"127.0.0.1:{omni_port}", address_by)
            self._serve(server, omni_port, running, browser=not options["no_browser"])
        except KeyboardInterrupt:
            pass
        finally:
            # Once is enough: a second Ctrl-C must not leave a process behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            server.server_close()
            running.stop()
        self.stdout.write("\nStopped: the site and the stand-in Omni.")

    def _prepare(self, running: "_Running", listening: socket.socket, options: dict[str, Any]) -> None:
        """Make the database, while the stand-in starts, which answers at this socket."""
        database = Path(settings.DATABASES["default"]["NAME"])
        if options["fresh"] or not database.exists():
            environment.forget_sample()
            connections.close_all()
            for suffix in ("", "-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
        omni_port = listening.getsockname()[1]
        with listening:
            running.omni = _start_omni(listening, options["dialect"], documented_dates=options["documented_dates"])
        call_command("migrate", verbosity=0)
        _wait_for(running.omni, omni_port)

    def _fill(self, running: "_Running", instance: str, address_by: float) -> None:
        """Fill the archive; where that takes long, it goes on beside the site."""
        newcomers = _seed(instance)
        line = running.line = ProgressLine(self.stdout)
        filling = Filling(newcomers, lambda progress: line.write(f"Filling the archive: {progress}"))
        running.filling = filling
        filling.start()
        filling.join(timeout=max(address_by - time.monotonic(), 0.1))
        if filling.is_alive():
            filling.go_on_beside()
            line.end("The archive is still being filled, beside the site; a line below will say when it is complete.")
        else:
            line.end(_outcome(filling))
            running.worker.start()

    def _serve(self, server: ThreadedWSGIServer, omni_port: int, running: "_Running", *, browser: bool) -> None:
        server.set_app(get_internal_wsgi_application())
        address = f"http://127.0.0.1:{server.server_port}{settings.URL_PREFIX}/"
        self.stdout.write(
            f"\nOmniviewer runs at          {address}\n"
            f"Its stand-in Omni runs at   http://127.0.0.1:{omni_port}/api  (sample data, all on this machine)\n"
            f"Continue there as the analyst, the lead, support or the administrator with one click.\n"
            f"Everything is kept in       {settings.DEMO_DIR}  (start over with --fresh)\n"
        )
        age = datetime.now(UTC) - environment.sample_until()
        if age > _OLD_SAMPLE:
            self.stdout.write(f"The sample data ends {age.days} days ago; --fresh has it end today.\n")
        self.stdout.write("\nPress Ctrl-C to stop both.\n")
        self.stdout.flush()
        if browser and sys.stdout.isatty():
            _open_browser(address)
        if running.filling and running.filling.is_alive():
            running.follow_up = threading.Thread(target=running.go_on_when_filled)
            running.follow_up.start()
        server.serve_forever()


class _Running:
    """Stand-in, filling and worker: they run besides the site, and end with it."""

    omni: subprocess.Popen[bytes] | None = None
    filling: Filling | None = None
    line: ProgressLine
    follow_up: threading.Thread | None = None

    def __init__(self) -> None:
        self.worker = EmbeddedWorker()

    def go_on_when_filled(self) -> None:
        """Start the worker once the filling is over: two that write would wait for one another."""
        if self.filling:
            self.filling.join()
            if not self.filling.is_stopped:
                self.line.end(_outcome(self.filling))
                self.worker.start()

    def stop(self) -> None:
        if self.filling and self.filling.ident:
            self.filling.stop()
        if self.follow_up:
            self.follow_up.join()
        self.worker.stop()
        if self.omni:
            self.omni.terminate()
            self.omni.wait(timeout=10)


def _outcome(filling: Filling) -> str:
    if filling.is_complete:
        return f"The archive is filled: {count()}."
    return f"The archive is not complete: {filling.failure}. The site goes on filling it in the background."


def _start_omni(listening: socket.socket, dialect: str, *, documented_dates: bool) -> subprocess.Popen[bytes]:
    command = locations.python("-m", "omniviewer", "stand_in", "--with-parent")
    command += ["--listening", str(listening.fileno()), "--dialect", dialect]
    command += ["--rate", str(environment.REQUESTS_PER_MINUTE), "--results-kept", str(_RESULTS_KEPT.days)]
    command += ["--sample-until", environment.sample_until().isoformat()]
    command += ["--documented-dates"] if documented_dates else []
    # A session of its own: Ctrl-C reaches only this process, which then ends the stand-in.
    return subprocess.Popen(
        command,
        env=locations.child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[listening.fileno()],
        start_new_session=True,
    )


def _wait_for(omni: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(200):
        if omni.poll() is not None:
            raise CommandError("The stand-in Omni did not start; the reason stands above.")
        if _answers(port):
            return
        time.sleep(0.1)
    raise CommandError("The stand-in Omni did not answer within 20 seconds.")


def _seed(instance: str) -> list[User]:
    """Create the demo's people and credentials, pointed at the stand-in's address; return who has just connected."""
    newcomers = []
    for person in PEOPLE:
        user, _ = User.objects.get_or_create(
            username=person.username,
            defaults={
                "first_name": person.first_name,
                "last_name": person.last_name,
                "is_staff": person.is_staff,
                "is_superuser": person.is_staff,
            },
        )
        if person.token and not Credential.objects.owned_by(user).exists():
            token = Token(DEMO_TOKENS[person.token])
            try:
                identity = credentials.identify(instance, token)
            except OmniError as error:
                raise CommandError(f"The stand-in Omni did not accept its own demo token: {error}") from None
            Credential.objects.connect(user, "Demo Omni", instance, token, identity)
            newcomers.append(user)
    moved = set(ApiToken.objects.exclude(instance=instance).values_list("instance", flat=True))
    for of_it in (ApiToken, Conversation, Job):
        of_it.objects.filter(instance__in=moved).update(instance=instance)
    return newcomers


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/whoami", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _open_browser(address: str) -> None:
    """Open a window if this machine has a graphical browser; the address is printed in any case."""
    try:
        graphical = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(graphical, webbrowser.GenericBrowser) or isinstance(graphical, webbrowser.BackgroundBrowser):
        graphical.open(address)
