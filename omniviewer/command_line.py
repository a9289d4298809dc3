"""The command line: `omniviewer` where the package is installed, `manage.py` in a checkout."""

import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> None:
    words = [*(sys.argv if words is None else words)]
    name = words[1] if len(words) > 1 else ""
    if name == "demo":
        # The demo brings its own settings, so that it starts where nothing has been set up yet.
        from omniviewer.demo.environment import prepare  # noqa: PLC0415

        prepare()
    from omniviewer.starting import start  # noqa: PLC0415

    if name in ("version", "--version"):
        # Before the settings are read: a report of a wrong one needs these lines too.
        from omniviewer import version  # noqa: PLC0415

        version.tell_programs()
        start()
        version.tell_database()
        return
    start()
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    # Python's modules have no hyphens in their names; people type either.
    plain = name if name.startswith("-") else name.replace("-", "_")
    execute_from_command_line([*words[:1], *([plain] if plain else []), *words[2:]])
