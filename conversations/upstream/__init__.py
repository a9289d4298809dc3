"""Asking Omni: never over its limit, never the same thing twice at once, and not for long where it is dead."""
