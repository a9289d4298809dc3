"""`manage.py scim_token`: a new token for the company's directory, with the hash for the settings."""

import hashlib
import secrets
from typing import Any

from django.core.management import BaseCommand


class Command(BaseCommand):
    """Command that stores nothing: the token goes to the directory, its hash into the settings."""

    help = "Make a token for the company's directory (SCIM), and the hash for OMNIVIEWER_SCIM_TOKEN_HASHES."

    def handle(self, **_options: Any) -> None:
        token = secrets.token_urlsafe(32)
        self.stdout.write(f"Token, for the directory alone: {token}")
        self.stdout.write(f"OMNIVIEWER_SCIM_TOKEN_HASHES={hashlib.sha256(token.encode()).hexdigest()}")
