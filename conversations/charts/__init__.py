"""Charts: rows as a chart specification, and that as SVG. No model, no HTTP."""
