#!/usr/bin/env python
"""Omniviewer's command line in a checkout."""

from omniviewer.command_line import main

if __name__ == "__main__":
    main()
