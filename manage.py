#!/usr/bin/env python
"""Django's command line for Omniviewer."""

import sys


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        # The demo brings its own settings, so that it starts where nothing has been set up yet.
        from omniviewer.demo.environment import prepare

        prepare()
    from omniviewer.starting import start

    start()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
