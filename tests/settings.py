"""The settings of the tests: the site's own, in an environment that a deployment would give it."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

_folder = Path(tempfile.mkdtemp(prefix="omniviewer-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ.update(
    {
        "OMNIVIEWER_DEBUG": "false",
        # The stand-in Omni listens on loopback over http, which the demo alone allows.
        "OMNIVIEWER_DEMO": "true",
        "OMNIVIEWER_SECRET_KEY": "for the tests, and for nothing else at all",
        "OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        # The suite may be run on PostgreSQL as well.
        "DATABASE_URL": os.environ.get("OMNIVIEWER_TEST_DATABASE", f"sqlite:///{_folder / 'site.sqlite3'}"),
        "CACHE_URL": "locmemcache://",
        "OMNIVIEWER_LOG_LEVEL": "WARNING",
        "OMNIVIEWER_OMNI_TIMEOUT": "5",
        # Tests of background sync turn it on.
        "OMNIVIEWER_SYNC": "off",
        # Tests of capturing everything set "all".
        "OMNIVIEWER_CAPTURE": "marked",
        # Tests of several threads set more: others run tasks in a transaction of their own.
        "OMNIVIEWER_WORKER_THREADS": "1",
        # Tests of the budget set a limit of their own.
        "OMNIVIEWER_RATE_PER_MINUTE": "10000",
        # Playwright's synchronous interface runs an event loop in the thread of the tests.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
    }
)

from omniviewer.settings import *  # noqa: E402, F403
from omniviewer.settings import DATABASES  # noqa: E402

# A database file, as in a deployment, because the live server's threads open connections of their own.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
    # Nothing here has to outlive a crash, so nothing waits for the disk.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
