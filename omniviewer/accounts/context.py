"""What every template may read."""

from django.conf import settings
from django.http import HttpRequest

THEMES = ("light", "dark")


def appearance(request: HttpRequest) -> dict[str, str]:
    """`theme`: "light", "dark", or "" to follow the system. `public_url`: what copied links begin with, if set."""
    theme = request.COOKIES.get("theme", "")
    return {"theme": theme if theme in THEMES else "", "public_url": settings.PUBLIC_URL}
