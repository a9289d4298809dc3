"""From a URL to a page: fetch, build the context, render."""
