"""Omni's CSV as typed columns, and back: no model, no HTTP."""
