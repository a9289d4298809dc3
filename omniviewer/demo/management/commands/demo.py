"""`manage.py demo`: the whole of Omniviewer with sample data, on this machine alone, until Ctrl-C."""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
from django.db import connections

from conversations.archive import credentials
from conversations.models import Conversation, Job
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.people import PEOPLE
from omniviewer.demo.stand_in import DEMO_TOKENS
from omniviewer.omni import OmniError, Token
from omniviewer.operations.embedded_worker import EmbeddedWorker

_PORTS_TO_TRY = 20


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
        parser.add_argument("--fresh", action="store_true", help="Start over with an empty database.")
        parser.add_argument("--no-browser", action="store_true", help="Do not open a browser window.")

    def handle(self, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo runs by `python manage.py demo` alone.")
        port = _free_port(options["port"], 8000, "--port")
        omni_port = _free_port(options["omni_port"], 8400, "--omni-port", taken=port)
        self._make_database(fresh=options["fresh"])
        # SIGTERM ends the demo tidily too, and so does SIGINT if a shell ignored it for a background job.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        omni = self._start_omni(omni_port, options["dialect"])
        worker = EmbeddedWorker()
        try:
            self._seed(f"127.0.0.1:{omni_port}")
            worker.start()
            self._serve(port, omni_port, browser=not options["no_browser"])
        except KeyboardInterrupt:
            pass
        finally:
            worker.stop()
            omni.terminate()
            omni.wait(timeout=10)
            self.stdout.write("\nStopped: the site and the stand-in Omni.")

    def _make_database(self, *, fresh: bool) -> None:
        path = Path(settings.DATABASES["default"]["NAME"])
        if fresh:
            connections.close_all()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        call_command("migrate", verbosity=0)

    def _start_omni(self, port: int, dialect: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, sys.argv[0], "stand_in", "--port", str(port), "--dialect", dialect, "--with-parent"]
        # A session of its own: Ctrl-C reaches only this process, which then ends the stand-in.
        omni = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
        for _ in range(200):
            if omni.poll() is not None:
                raise CommandError("The stand-in Omni did not start; the reason stands above.")
            if _answers(port):
                return omni
            time.sleep(0.1)
        omni.terminate()
        raise CommandError("The stand-in Omni did not answer within 20 seconds.")

    def _seed(self, instance: str) -> None:
        """Create the demo's people and credentials, pointed at the stand-in's current address."""
        for person in PEOPLE:
            user, _ = User.objects.get_or_create(
                username=person.username,
                defaults={"first_name": person.first_name, "last_name": person.last_name},
            )
            if person.token and not Credential.objects.owned_by(user).exists():
                token = Token(DEMO_TOKENS[person.token])
                try:
                    identity = credentials.identify(instance, token)
                except OmniError as error:
                    raise CommandError(f"The stand-in Omni did not accept its own demo token: {error}") from None
                Credential.objects.connect(user, "Demo Omni", instance, token, identity)
        moved = set(ApiToken.objects.exclude(instance=instance).values_list("instance", flat=True))
        for of_it in (ApiToken, Conversation, Job):
            of_it.objects.filter(instance__in=moved).update(instance=instance)

    def _serve(self, port: int, omni_port: int, *, browser: bool) -> None:
        server = ThreadedWSGIServer(("127.0.0.1", port), _Quiet)
        server.set_app(get_internal_wsgi_application())
        address = f"http://127.0.0.1:{port}{settings.URL_PREFIX}/"
        self.stdout.write(
            f"\nOmniviewer runs at          {address}\n"
            f"Its stand-in Omni runs at   http://127.0.0.1:{omni_port}/api  (sample data, all on this machine)\n"
            f"Continue there as the analyst, the lead or support with one click.\n"
            f"Everything is kept in       {settings.DEMO_DIR}  (start over with --fresh)\n\n"
            f"Press Ctrl-C to stop both.\n"
        )
        self.stdout.flush()
        if browser and sys.stdout.isatty():
            _open_browser(address)
        try:
            server.serve_forever()
        finally:
            server.server_close()


def _free_port(asked: int | None, first: int, option: str, taken: int = 0) -> int:
    """Return the port asked for, or the next free one from `first`. Raises `CommandError` if there is none."""
    candidates = [asked] if asked is not None else range(first, first + _PORTS_TO_TRY)
    for port in candidates:
        if port != taken and _is_free(port):
            return port
    if asked is not None:
        raise CommandError(
            f"Port {asked} cannot be used: something else listens there, or it is not a port number. "
            f"Choose another with {option}, or leave {option} out to take the next free one."
        )
    raise CommandError(f"No port from {first} to {first + _PORTS_TO_TRY - 1} is free. Choose one with {option}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


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
