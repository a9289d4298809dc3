"""A conversation as a file: formats, print document, evidence bundle, selection, clipboard. No HTTP."""
