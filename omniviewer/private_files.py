"""Permissions of the site's own files (keys, database, metrics): only the site's user may read them."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

_UMASK = 0o077
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private() -> None:
    """Have this process, and those that it starts, make files that nobody else may read."""
    os.umask(_UMASK)


def close_folder(folder: Path) -> None:
    """Close a folder of the site's own that an earlier version left open; one that cannot be is the check's to tell."""
    with contextlib.suppress(OSError):
        if stat.S_IMODE(folder.stat().st_mode) & _OTHERS:
            folder.chmod(0o700)


def check_file_modes(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Check, for `manage.py check --deploy`, that only the site's user can read its keys and conversations."""
    found: list[CheckMessage] = []
    for path in _secret_paths():
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & _OTHERS:
            told = f"{path} may be read or written by others than its owner (mode {mode:04o})."
            hint = f"chmod {'700' if path.is_dir() else '600'} {path}"
            found.append(Error(told, hint=hint, id="omniviewer.E001"))
    return found


def _secret_paths() -> Iterator[Path]:
    yield settings.SETTINGS_FILE
    yield settings.DATA_DIR
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        for suffix in ("", "-wal", "-shm", "-journal"):
            yield Path(f"{database['NAME']}{suffix}")
    if settings.METRICS_TOKEN:
        yield Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
