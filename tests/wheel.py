"""The package as a wheel, installed into an environment of its own that sees nothing of the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.demo_process import copy_project

_OURS = ("OMNIVIEWER_", "DJANGO_", "DATABASE_URL", "CACHE_URL", "PROMETHEUS_", "PYTHON")


class Installed:
    """A wheel, built from the source archive, in an environment that shares only the dependencies."""

    def __init__(self, folder: Path) -> None:
        checkout = copy_project(folder / "checkout")
        sdist = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
        _done([sys.executable, "-c", sdist, str(folder)], cwd=checkout)
        shutil.rmtree(checkout)
        [archive] = folder.glob("omniviewer-*.tar.gz")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        wheel = ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
        _done([*pip, "wheel", *wheel, str(archive)], cwd=folder)
        [self.wheel] = folder.glob("omniviewer-*.whl")
        venv.create(folder / "venv", with_pip=False)
        self.bin = folder / "venv/bin"
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
        install = ["--python", str(self.bin / "python"), "install", "--no-index", "--no-deps", "--no-compile"]
        _done([*pip, *install, str(self.wheel)], cwd=folder)
        # A path, of which no further `.pth` is read: so an editable installation there is not found.
        paths = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        (self.packages / "dependencies.pth").write_text("\n".join(paths))

    def files(self) -> set[str]:
        """Return all files of the installed packages, but those that Python compiles."""
        return {
            str(path.relative_to(self.packages)) for path in self.packages.rglob("*") if "__pycache__" not in path.parts
        }

    def start(self, cwd: Path, *words: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `omniviewer` in a folder, with no variables of ours but those given."""
        return subprocess.Popen(
            [str(self.bin / "omniviewer"), *words],
            cwd=cwd,
            env=self.environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, cwd: Path, *words: str, **variables: str) -> str:
        """Return all that `omniviewer` prints. Fails where it fails."""
        process = self.start(cwd, *words, **variables)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    @staticmethod
    def environment() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _done(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
