"""How tickets are named here (`OMNIVIEWER_TICKET_FORMAT`), and where they are (`OMNIVIEWER_TICKET_URL`)."""

import re
from typing import Final
from urllib.parse import quote

from django.conf import settings

# Characters.
LONGEST: Final = 64


def read(text: str) -> str | None:
    """The ticket that a link or a person names; None if it is not written as tickets are. Case is forgiven."""
    name = text.strip()
    forms = [form for form in (name, name.upper()) if len(form) <= LONGEST]
    return next((form for form in forms if re.fullmatch(settings.TICKET_FORMAT, form)), None)


def address_of(ticket: str) -> str:
    """Of its page; "" where that is not set."""
    address: str = settings.TICKET_URL.replace("{ticket}", quote(ticket, safe=""))
    return address
