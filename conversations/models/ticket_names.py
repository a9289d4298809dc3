"""Names of tickets (`OMNIVIEWER_TICKET_FORMAT`), and addresses of their pages (`OMNIVIEWER_TICKET_URL`)."""

import re
from typing import Final
from urllib.parse import quote

from django.conf import settings

# Characters of a ticket's name.
MAX_TICKET_CHARS: Final = 64


def read(text: str) -> str | None:
    """Return the ticket that a link or a person names, in either case; None if tickets are not written so."""
    name = text.strip()
    forms = [form for form in (name, name.upper()) if len(form) <= MAX_TICKET_CHARS]
    return next((form for form in forms if re.fullmatch(settings.TICKET_FORMAT, form)), None)


def address_of(ticket: str) -> str:
    """Return the address of the ticket's page; "" if `OMNIVIEWER_TICKET_URL` is not set."""
    address: str = settings.TICKET_URL.replace("{ticket}", quote(ticket, safe=""))
    return address
