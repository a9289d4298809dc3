"""Template context that every page has."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from omniviewer.accounts import site_header

THEMES = ("light", "dark")
# Appearance settings that a browser stores as cookies, with the values that differ from the default.
CHOICES = {"theme": THEMES, "keys": ("off",), "rows": ("compact",), "panes": ("two",)}


def appearance(request: HttpRequest) -> dict[str, Any]:
    """Return `theme`: "light", "dark", or "" to follow the system; `keys`: "off", or "" if shortcut keys work.

    `row_density`: "compact", or "" for comfortable rows of lists; `panes`: "two" for a conversation beside the list.

    `public_url`: what copied links begin with, if set. `site_header`: the header, rendered where a page shows it.
    """
    told = {name: request.COOKIES.get(name, "") for name in CHOICES}
    chosen = {name: value if value in CHOICES[name] else "" for name, value in told.items()}
    chosen["row_density"] = chosen.pop("rows")
    header = SimpleLazyObject(lambda: site_header.render(request, chosen["theme"], chosen["keys"]))
    return {**chosen, "public_url": settings.PUBLIC_URL, "site_header": header}
