"""Running the site: logs, metrics, probes, error pages, the embedded worker."""
