"""`manage.py rotate_keys`: every stored token under the first of `OMNIVIEWER_ENCRYPTION_KEYS`, and known by the digest
under `OMNIVIEWER_SECRET_KEY`."""

from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from omniviewer.accounts import encryption
from omniviewer.accounts.models import ApiToken


class Command(BaseCommand):
    """Put the new key first, keep the old ones behind it, restart, run this, then take the old ones away."""

    help = "Encrypt every stored token anew under the first of OMNIVIEWER_ENCRYPTION_KEYS."

    def handle(self, **_options: Any) -> None:
        rotated, unreadable = 0, []
        for pk in ApiToken.objects.with_secret().values_list("pk", flat=True):
            # Row by row and locked: a token that its owner replaces meanwhile is not overwritten.
            with transaction.atomic():
                api_token = ApiToken.objects.select_for_update().filter(pk=pk).first()
                if api_token is None:
                    continue
                try:
                    api_token.ciphertext = encryption.rotate(api_token.ciphertext)
                    api_token.digest = encryption.digest(api_token.token)
                except encryption.Undecryptable:
                    unreadable.append(pk)
                    continue
                api_token.save(update_fields=["ciphertext", "digest"])
                rotated += 1
        self.stdout.write(f"{rotated} token{'' if rotated == 1 else 's'} encrypted under the first key.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} could not be decrypted with any key in OMNIVIEWER_ENCRYPTION_KEYS and stay as they "
                f"are (API tokens {', '.join(map(str, unreadable))}). Add the key they were stored under and run this "
                f"again, or have their owners replace the tokens."
            )
