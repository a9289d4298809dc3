"""The settings that the demo brings along, before Django reads any: nothing has to be set up first."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet

from omniviewer.locations import own_folder
from omniviewer.private_files import close_folder, keep_private

# Requests that the demo's Omni allows each token: Omni's own limit would fill the archive in ten minutes.
REQUESTS_PER_MINUTE = 6_000
_SAMPLE_UNTIL = "sample_until"


def folder() -> Path:
    """Return the demo's folder."""
    return own_folder() / ".demo"


def prepare() -> None:
    """Set the environment for a demo process. Keys are made once and kept in the git-ignored folder `.demo`."""
    keep_private()
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    close_folder(folder())
    # A file of settings may name another folder, after the demo has made its keys here.
    os.environ["OMNIVIEWER_FOLDER"] = str(own_folder())
    os.environ["OMNIVIEWER_DEMO"] = "true"
    os.environ["OMNIVIEWER_DEBUG"] = "false"
    os.environ["OMNIVIEWER_SECRET_KEY"] = _kept("secret_key", secrets.token_urlsafe(50))
    os.environ["OMNIVIEWER_ENCRYPTION_KEYS"] = _kept("encryption_key", Fernet.generate_key().decode())
    os.environ["DATABASE_URL"] = f"sqlite:///{folder() / 'demo.sqlite3'}"
    os.environ["OMNIVIEWER_RATE_PER_MINUTE"] = str(REQUESTS_PER_MINUTE)
    os.environ["OMNIVIEWER_SYNC"] = os.environ["OMNIVIEWER_CAPTURE"] = "all"
    os.environ["CACHE_URL"] = "locmemcache://"
    os.environ["OMNIVIEWER_LOG_LEVEL"] = os.environ.get("OMNIVIEWER_LOG_LEVEL", "ERROR")


def sample_until() -> datetime:
    """Return the time that the sample data ends at: when it was first made, so that a later start finds it stored."""
    return datetime.fromisoformat(_kept(_SAMPLE_UNTIL, datetime.now(UTC).isoformat(timespec="seconds")))


def forget_sample() -> None:
    """Have the sample data made anew, to end now."""
    (folder() / _SAMPLE_UNTIL).unlink(missing_ok=True)


def _kept(name: str, fresh: str) -> str:
    path = folder() / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(fresh)
    return path.read_text()
