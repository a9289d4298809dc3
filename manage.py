#!/usr/bin/env python
"""Django's command line for Omniviewer."""

import os
import sys


def main() -> None:
    from omniviewer.private_files import keep_private

    keep_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniviewer.settings")
    if sys.argv[1:2] == ["demo"]:
        # The demo brings its own settings, so that it starts where nothing has been set up yet.
        from omniviewer.demo.environment import prepare

        prepare()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
