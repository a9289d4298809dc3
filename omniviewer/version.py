"""`omniviewer version`: what runs here, a line each, for a report of a fault and before an upgrade."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import django

from omniviewer.locations import packaged


def own_version() -> str:
    """Return the version of the program, or "unknown" in a checkout that was never installed."""
    try:
        return version("omniviewer")
    except PackageNotFoundError:
        return "unknown"


def tell_programs() -> None:
    """Print the versions that need neither settings nor a database."""
    _tell("omniviewer", own_version())
    _tell("python", platform.python_version())
    _tell("django", django.get_version())
    _tell("documentation", str(packaged("docs")))
    sys.stdout.flush()


def tell_database() -> None:
    """Print the database, and whether its migrations are applied."""
    django.setup()
    from omniviewer.operations import health  # noqa: PLC0415  (it needs the settings)

    _tell("database", health.database_version())
    said = health.migrations()
    _tell("migrations", "applied" if said == health.OK else said)


def _tell(name: str, value: str) -> None:
    sys.stdout.write(f"{name}: {value}\n")
