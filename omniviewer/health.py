"""For load balancers, which ask by address and over http: what answers them stands before all that minds."""

import secrets
from collections.abc import Callable

from django.core.cache import DEFAULT_CACHE_ALIAS, cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from omniviewer import metrics

_OK = "ok"


def probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answers `/healthz`, `/readyz` and `/metrics`, whatever the Host header says."""
    answers = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics.scrape}

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = answers.get(request.path_info)
        if answer is None:
            return get_response(request)
        # So that Django's line about a failed probe names it.
        request.resolver_match = ResolverMatch(answer, (), {}, route=request.path_info.removeprefix("/"))
        return answer(request)

    return middleware


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """503 while no page can be served; 200, and `degraded`, while pages lack only what they can do without."""
    database = _database()
    needed = {"database": database, "migrations": _migrations() if database == _OK else "not known"}
    parts = needed | {"cache": _cache()}
    state = "ready" if all(said == _OK for said in parts.values()) else "degraded"
    if any(said != _OK for said in needed.values()):
        state = "unready"
    lines = [state, *(f"{name}: {said}" for name, said in parts.items())]
    return HttpResponse("\n".join(lines) + "\n", status=503 if state == "unready" else 200, content_type="text/plain")


def _database() -> str:
    """The kind of error alone: its text may hold what stands in `DATABASE_URL`."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return f"cannot be queried ({type(error).__name__})"
    return _OK


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    except Error as error:
        return f"cannot be read ({type(error).__name__})"
    return f"{len(missing)} not applied, {missing[0]} first: run manage.py migrate" if missing else _OK


def _cache() -> str:
    """A cache in the process cannot be away."""
    if isinstance(caches[DEFAULT_CACHE_ALIAS], LocMemCache):
        return _OK
    key, value = f"readyz:{secrets.token_hex(8)}", "kept"
    try:
        cache.set(key, value, timeout=10)
        kept = cache.get(key)
    except Exception as error:  # noqa: BLE001  (each cache's client has errors of its own)
        return f"cannot be asked ({type(error).__name__}); pages do without"
    return _OK if kept == value else "does not keep what it is given; pages do without"
