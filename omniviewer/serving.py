"""gunicorn's configuration, for `omniviewer serve`: `gunicorn -c python:omniviewer.serving omniviewer.wsgi`."""

import gc
import os
from pathlib import Path

from django.conf import settings
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from omniviewer.operations.embedded_worker import EmbeddedWorker
from omniviewer.starting import start

# Restrict files here, not by gunicorn's `umask`, which would restrict its socket for the proxy too.
start()

# gunicorn's own lines look like the site's. Settings are read before prometheus_client is imported: they say where it
# keeps its counts.
logconfig_dict = settings.LOGGING

from prometheus_client import multiprocess  # noqa: E402

from omniviewer.operations.metric_files import add_up_ended  # noqa: E402

# Headers never become server variables: with SCRIPT_NAME, a client could choose where links lead.
forwarder_headers = ""
forwarded_allow_ips = ",".join(map(str, settings.FORWARDED_ALLOW_IPS)) if settings.BEHIND_PROXY else ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"} if settings.BEHIND_PROXY else {}

# No control socket: two sites of one user would share the one that gunicorn creates in the home folder.
control_socket_disable = True

# Bytes of an address: gunicorn's maximum, for long texts pasted into the search.
limit_request_line = 8190

# A page waits for the database or for Omni most of the time.
worker_class = "omniviewer.operations.site_process.SiteProcess"
threads = 8

_worker = EmbeddedWorker()


def when_ready(_server: Arbiter) -> None:
    """Start the worker before gunicorn forks any process of its own."""
    if settings.WORKER:
        _worker.start()


def on_reload(_server: Arbiter) -> None:
    """Restart the worker beside the site on SIGHUP too, with the current code and settings."""
    if settings.WORKER:
        _worker.stop()
        _worker.start()


def post_worker_init(_worker: Worker) -> None:
    """Freeze start-up objects so the garbage collector skips them; otherwise about 5 % of requests stall."""
    gc.collect()
    gc.freeze()


def on_exit(_server: Arbiter) -> None:
    if settings.WORKER:
        _worker.stop()


def on_starting(_server: Arbiter) -> None:
    """Add up the metrics of processes that have ended, those of workers too."""
    if settings.METRICS_TOKEN:
        add_up_ended(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))


def child_exit(_server: Arbiter, worker: Worker) -> None:
    if settings.METRICS_TOKEN:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
