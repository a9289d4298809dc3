"""Static files are served whole: a script with the modules that it imports in it, a stylesheet with what it imports.

The sources in `static/` stay small and by feature, and are valid by themselves. Both directions of Django's static
files go through this finder, so that `runserver`, the demo, WhiteNoise and `collectstatic` serve the same bytes.
The reasons stand in .docs/decisions/bundles.md.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage

_CSS_IMPORT = re.compile(r'^@import "([\w.-]+\.css)";\n', re.M)
_JS_IMPORT = re.compile(r'^import (?:(\{[^}\n]*\}) from )?"\./([\w.-]+\.js)";\n', re.M)
_JS_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.M)
# Left over after the above: a form of import or export that is not understood here.
_OTHER = re.compile(r"^(?:@import|import\b|export\b)[^\n]*", re.M)


def bundle(path: Path) -> str | None:
    """Return a script or stylesheet with all that it imports in it, each once; None if it imports nothing."""
    source = path.read_text()
    find = {".css": _CSS_IMPORT, ".js": _JS_IMPORT}.get(path.suffix)
    if find is None or not find.search(source):
        return None
    return "\n".join(_stylesheets(path, []) if path.suffix == ".css" else _modules(path, [], []))


def _stylesheets(path: Path, done: list[Path]) -> Iterator[str]:
    source = path.read_text()
    done.append(path)
    for name in _CSS_IMPORT.findall(source):
        if path.with_name(name) not in done:
            yield from _stylesheets(path.with_name(name), done)
    yield _understood(path, _CSS_IMPORT.sub("", source))


def _modules(path: Path, above: list[Path], done: list[Path]) -> Iterator[str]:
    """Yield the modules below one and then itself, each as a function that returns what it exports."""
    source = path.read_text()
    for _, name in _JS_IMPORT.findall(source):
        other = path.with_name(name)
        if other in (*above, path):
            raise ImproperlyConfigured(f"{path} and {other} import each other.")
        if other not in done:
            yield from _modules(other, [*above, path], done)
    done.append(path)
    exports = ", ".join(_JS_EXPORT.findall(source))
    source = _JS_IMPORT.sub(lambda found: _import(*found.groups()), source)
    source = _understood(path, _JS_EXPORT.sub("", source))
    yield f"// {path.name}\nconst {_name(path.name)} = (() => {{\n{source}return {{ {exports} }};\n}})();\n"


def _import(names: str | None, name: str) -> str:
    return f"const {names.replace(' as ', ': ')} = {_name(name)};\n" if names else ""


def _name(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))


def _understood(path: Path, source: str) -> str:
    """Return the rest of a source. Raises `ImproperlyConfigured` if an import or export is left in it."""
    if left := _OTHER.search(source):
        raise ImproperlyConfigured(f"{path}: “{left[0]}” is no form of import or export that bundles.py understands.")
    return source


class BundleFinder(FileSystemFinder):
    """Finds the files of STATICFILES_DIRS; in place of one that imports others, its bundle, written to BUNDLES_DIR."""

    def find_location(self, root: Any, path: str, prefix: str | None = None) -> str | None:
        found = super().find_location(root, path, prefix)
        return str(_written(path, found) or found) if found else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        bundles = FileSystemStorage(location=settings.BUNDLES_DIR)
        for path, storage in super().list(ignore_patterns):
            yield path, bundles if _written(path, storage.path(path)) else storage


def _written(name: str, source: str) -> Path | None:
    """Write the bundle of a file; return its path, or None if the file imports nothing."""
    if not name.endswith((".css", ".js")) or not Path(source).is_file() or (text := bundle(Path(source))) is None:
        return None
    path = Path(settings.BUNDLES_DIR, name)
    if not path.is_file() or path.read_text() != text:
        # Another process may read it, or write the same, at this moment.
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    return path
