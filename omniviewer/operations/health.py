"""Probes for load balancers, which ask by IP address and over http: they run before any middleware that minds."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.cache import DEFAULT_CACHE_ALIAS, cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from omniviewer.operations import database_clock, metrics
from omniviewer.operations.backup.tables import PROGRESS_TABLE
from omniviewer.operations.front import peer_address

OK = "ok"
_NOT_KNOWN = "not known"


class Part(NamedTuple):
    """A part of the site for `/readyz`: `check` returns `OK` or a sentence; without a needed one there is no page."""

    name: str
    check: Callable[[], str]
    is_needed: bool = False


_parts: list[Part] = []
# Headers of which proxies set at least one.
_OF_PROXIES = {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"}


def add_part(part: Part) -> None:
    """Have `/readyz` ask this part too, after the database; while that cannot be queried, it is not asked."""
    _parts[:] = [*(known for known in _parts if known.name != part.name), part]


def probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer `/healthz`, `/readyz` and `/metrics`, whatever the Host header says."""
    answers = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics.scrape}

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = answers.get(request.path_info)
        if answer is None:
            return get_response(request)
        # Lets Django's log line about a failed probe name it.
        request.resolver_match = ResolverMatch(answer, (), {}, route=request.path_info.removeprefix("/"))
        return answer(request)

    return middleware


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this process works."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 503 while no page can be served; 200 and `degraded` while only dispensable parts are missing.

    A line for each part is for the people who run the site: a balancer needs the status alone, and strangers nothing.
    """
    told = asked_parts()
    wrong = [part.is_needed for part, said in told if said != OK]
    state = "ready" if not wrong else "unready" if any(wrong) else "degraded"
    lines = [state, *(f"{part.name}: {said}" for part, said in told if _is_operator(request))]
    return HttpResponse("\n".join(lines) + "\n", status=503 if state == "unready" else 200, content_type="text/plain")


def _is_operator(request: HttpRequest) -> bool:
    """Return whether somebody asks who carries the token of `/metrics`, or from this machine and not by a proxy."""
    if metrics.carries_token(request):
        return True
    peer = peer_address(request)
    # A socket of this machine is a proxy's.
    return peer is not None and peer.is_loopback and not _OF_PROXIES & set(request.headers)


def asked_parts() -> list[tuple[Part, str]]:
    """Return each part with what it says."""
    told = [(_DATABASE, _DATABASE.check())]
    # A database that is away is asked for nothing more: that would wait for a connection once more.
    told.append((_MIGRATIONS, _MIGRATIONS.check() if connection.connection is not None else _NOT_KNOWN))
    told += [(part, part.check()) for part in _own_parts()]
    if all(said == OK for part, said in told if part.name in ("database", "migrations")):
        of_database = [
            Part("version", later_version),
            Part("writing", _writing),
            Part("clock", database_clock.health),
        ]
        told += [(part, _asked(part)) for part in (*of_database, *_parts)]
    return told


def _parts_ok() -> dict[tuple[str, ...], float]:
    return {(part.name,): float(said == OK) for part, said in asked_parts()}


PARTS_OK = metrics.Gauge(
    "omniviewer_part_ok",
    "Parts of this machine's site, as /readyz asks them: 1 if in order, else 0.",
    _parts_ok,
    ("part",),
)


def _own_parts() -> list[Part]:
    parts = [
        Part("static files", static_files, is_needed=True),
        Part("cache", _cache),
        Part("disk", _disk),
    ]
    if settings.METRICS_TOKEN and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        parts.append(Part("metrics", _metrics))
    return parts


def _asked(part: Part) -> str:
    try:
        return part.check()
    except Error as error:
        return _unqueryable(error)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            if PROGRESS_TABLE in connection.introspection.table_names(cursor):
                return (
                    "a restore is not finished: if it was interrupted, run omniviewer restore again with the same file"
                )
    except Error as error:
        return _unqueryable(error)
    return OK


def migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    except Error:
        return _NOT_KNOWN
    return f"{len(missing)} not applied, {missing[0]} first: run omniviewer migrate" if missing else OK


def later_version() -> str:
    """Check that the database is of no later version than this program, as while sites are upgraded in turn."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
    except Error:
        return _NOT_KNOWN
    # Their names alone, without the graph.
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    known = loader.disk_migrations or {}
    last = {app: max(name for owner, name in known if owner == app) for app, _ in known}
    # Migrations of one app are numbered in turn.
    later = sorted((app, name) for app, name in applied if name > last.get(app, name))
    return f"the database has {'.'.join(later[0])}, of a later version: install that one here too" if later else OK


_DATABASE = Part("database", _database, is_needed=True)
_MIGRATIONS = Part("migrations", migrations, is_needed=True)


def static_files() -> str:
    """Check that the manifest is there: without it no page can name its stylesheets."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin) or staticfiles_storage.hashed_files:
        return OK
    return "not collected: run omniviewer collectstatic, and restart"


def database_version() -> str:
    """Return the database's name and version, or that it cannot be queried."""
    try:
        connection.ensure_connection()
        numbers = connection.get_database_version()
    except Error as error:
        return f"{connection.display_name}, {_unqueryable(error)}"
    return f"{connection.display_name} {'.'.join(map(str, numbers))}"


def _unqueryable(error: Error) -> str:
    """Name an error by its kind only, because its text may quote `DATABASE_URL`."""
    return f"cannot be queried ({type(error).__name__})"


def _cache() -> str:
    """Write to the cache and read from it, unless it is in this process and cannot fail."""
    if isinstance(caches[DEFAULT_CACHE_ALIAS], LocMemCache):
        return OK
    key, value = f"readyz:{secrets.token_hex(8)}", "kept"
    try:
        cache.set(key, value, timeout=10)
        kept = cache.get(key)
        cache.delete(key)
    except Exception as error:  # noqa: BLE001  (each cache's client has errors of its own)
        return f"cannot be asked ({type(error).__name__}); pages do without"
    return OK if kept == value else "does not keep what it is given; pages do without"


def _disk() -> str:
    """Check that the folder of a database file can be written."""
    if connection.vendor != "sqlite":
        return OK
    why = _why_unwritable(Path(connection.settings_dict["NAME"]).parent)
    return f"the database's folder cannot be written ({why}): nothing new is stored" if why else OK


def _writing() -> str:
    """Check that a PostgreSQL is no standby."""
    if connection.vendor != "postgresql":
        return OK
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        is_read_only = cursor.fetchone()[0] == "on"
    return "the database is read-only: nothing new is stored" if is_read_only else OK


def _metrics() -> str:
    why = _why_unwritable(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    return f"their folder cannot be written ({why}): counts are lost" if why else OK


def _why_unwritable(folder: Path) -> str:
    """Write a byte into a file that goes at once; "" where that works."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
            file.flush()
            os.posix_fallocate(file.fileno(), 0, 1)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
