"""Counts for the people who run the site."""


def upstream(route: str, outcome: str, seconds: float) -> None:
    """One request to Omni."""


def page_from(state: str) -> None:
    """One page served: "fresh" or "stale" from what is kept, "asked" for, or "stretched" while Omni cannot be asked."""
