"""Folders: those that the package carries, and the one in which a site keeps its files.

In a checkout, `templates`, `static` and `.docs` stand beside the package; a wheel carries them inside of it.
"""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The folder of the checkout; None where the package was installed from a wheel.
CHECKOUT = None if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent


def packaged(name: str) -> Path:
    """Return a folder that the package carries: "templates", "static" or "docs"."""
    if CHECKOUT is None:
        return _PACKAGE / name
    return CHECKOUT / (".docs" if name == "docs" else name)


def own_folder() -> Path:
    """Return the folder of the site's own files: the checkout, or the current folder for a wheel.

    Nothing is ever written beside installed packages. `OMNIVIEWER_FOLDER` names another folder.
    """
    named = os.environ.get("OMNIVIEWER_FOLDER", "").strip()
    return Path(named).absolute() if named else CHECKOUT or Path.cwd()


def python(*words: str) -> list[str]:
    """Return the command that runs Python with these words, and imports nothing from the current folder."""
    return [sys.executable, "-P", *words]


def child_environment() -> dict[str, str]:
    """Return the environment in which a child process finds this very package, wherever it runs."""
    paths = [str(CHECKOUT or ""), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
