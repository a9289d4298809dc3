"""Template context that every page has."""

from django.conf import settings
from django.http import HttpRequest

THEMES = ("light", "dark")
# Appearance settings that a browser stores as cookies, with the values that differ from the default.
CHOICES = {"theme": THEMES, "keys": ("off",), "rows": ("compact",), "panes": ("two",)}


def appearance(request: HttpRequest) -> dict[str, str]:
    """Return `theme`: "light", "dark", or "" to follow the system; `keys`: "off", or "" if shortcut keys work.

    `row_density`: "compact", or "" for comfortable rows of lists; `panes`: "two" for a conversation beside the list.

    `public_url`: what copied links begin with, if set.
    """
    told = {name: request.COOKIES.get(name, "") for name in CHOICES}
    chosen = {name: value if value in CHOICES[name] else "" for name, value in told.items()}
    chosen["row_density"] = chosen.pop("rows")
    return {**chosen, "public_url": settings.PUBLIC_URL}
