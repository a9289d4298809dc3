"""Template context of the demo. Not in TEMPLATES otherwise."""

from typing import Any

from django.http import HttpRequest

from omniviewer.accounts.models import Credential
from omniviewer.demo.people import PEOPLE
from omniviewer.demo.stand_in import DEMO_TOKENS


def demo(_request: HttpRequest) -> dict[str, Any]:
    """Return `demo`: the demo's people, tokens to try, and a function for the stand-in's address."""
    return {"demo": {"people": PEOPLE, "tokens": DEMO_TOKENS, "omni": _omni}}


def _omni() -> str:
    seeded = Credential.objects.filter(owner__username=PEOPLE[0].username).first()
    return f"http://{seeded.instance}" if seeded else ""
