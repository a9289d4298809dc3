"""The command line as a module: `python -m omniviewer`."""

import sys

from omniviewer.command_line import main

if __name__ == "__main__":
    main(["omniviewer", *sys.argv[1:]])
