"""For `manage.py check --deploy`: settings that are valid, and seldom meant so. `.docs/deploy-checks.md` lists them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  (Django's name for it)

from omniviewer.operations import database_encoding, health

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "", None)


def check_settings(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001  (Django's signature)
    return list(_unlikely())


def check_parts(app_configs: Any, databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Say what `/readyz` says; only with `--database default`, as Django has it for what asks a database."""
    if not databases:
        return []
    told = health.asked_parts()
    wrong: list[CheckMessage] = [
        Error(f"{part.name}: {said}.", id="omniviewer.E002")
        if part.is_needed
        else Warning(f"{part.name}: {said}.", id="omniviewer.W002")
        for part, said in told
        if said != health.OK
    ]
    if {part.name: said for part, said in told}["database"] == health.OK:
        wrong += _encoding()
    return wrong


def _encoding() -> Iterator[CheckMessage]:
    match database_encoding.fault():
        case (database_encoding.Fault.ENCODING, said):
            yield Error(f"encoding: {said}.", hint=f"{database_encoding.ADVICE}.", id="omniviewer.E003")
        case (database_encoding.Fault.LETTERS, said):
            yield Warning(f"encoding: {said}.", hint=f"{database_encoding.ADVICE}.", id="omniviewer.W007")


def _unlikely() -> Iterator[CheckMessage]:
    is_served = not (settings.DEBUG or settings.DEMO)
    if is_served and not settings.BEHIND_PROXY:
        yield Warning(
            "OMNIVIEWER_BEHIND_PROXY is not true: where a proxy ends TLS, every page leads to itself for ever.",
            hint="Set it to true where a proxy always sets X-Forwarded-Proto itself; leave it where gunicorn has the "
            "certificate.",
            id="omniviewer.W003",
        )
    somebody_vouches = settings.SINGLE_SIGN_ON or bool(settings.PROXY_HEADER)
    if somebody_vouches and not (settings.ALLOWED_GROUPS or settings.ALLOWED_EMAIL_DOMAINS):
        yield Warning(
            "Everybody whom the provider or the proxy vouches for may enter, whatever group or company they are of.",
            hint="Set OMNIVIEWER_ALLOWED_GROUPS or OMNIVIEWER_ALLOWED_EMAIL_DOMAINS.",
            id="omniviewer.W004",
        )
    if somebody_vouches and not (settings.STAFF_GROUP or settings.LOCAL_LOGIN):
        yield Warning(
            "Nobody can be an administrator: OMNIVIEWER_STAFF_GROUP is not set, and nobody signs in with a password.",
            hint="Set OMNIVIEWER_STAFF_GROUP, or OMNIVIEWER_LOCAL_LOGIN for an account of "
            "`omniviewer createsuperuser`.",
            id="omniviewer.W005",
        )
    is_file = settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
    cache = settings.CACHES["default"].get("LOCATION")
    host = urlsplit(cache if isinstance(cache, str) else "").hostname
    if is_file and host not in _THIS_MACHINE:
        yield Warning(
            f"The database is a file of this machine's, and the cache is at {host}: on several machines, each has data "
            "of its own.",
            hint="Set DATABASE_URL to a PostgreSQL that all machines share.",
            id="omniviewer.W006",
        )
