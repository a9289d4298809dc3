"""`manage.py offboard EMAIL`: somebody has left the company."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Q

from conversations import connection
from omniviewer.accounts.models import Credential, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


class Command(BaseCommand):
    """Ends their sessions, deletes their tokens and what only these could read, and deactivates their accounts."""

    help = "End somebody's sessions, delete their tokens and deactivate their accounts: they have left the company."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "email", metavar="EMAIL", help="Their e-mail address, username or subject of single sign-on."
        )
        parser.add_argument("--no-input", action="store_true", help="Do it without asking.")

    def handle(self, **options: Any) -> None:
        name: str = options["email"]
        known_as = Q(email__iexact=name) | Q(username__iexact=name) | Q(identities__subject__iexact=name)
        leaving = list(User.objects.filter(known_as).distinct()) if name else []
        if not leaving:
            raise CommandError(f"Nobody here has the e-mail address or the username {name!r}. Nothing was changed.")
        for user in leaving:
            self.stdout.write(self._about(user))
        if not options["no_input"] and input("End all of this, for good? Type yes: ").strip().lower() != "yes":
            raise CommandError("Not confirmed. Nothing was changed.")
        for user in leaving:
            with transaction.atomic():
                for credential in Credential.objects.of(user):
                    pk = credential.pk
                    connection.remove(credential)
                    instance = credential.instance
                    trail.record(None, Kind.CREDENTIAL_REMOVED, user=user, instance=instance, credential_id=pk)
                user.is_active = user.is_staff = user.is_superuser = user.is_auditor = False
                user.save()
            self.stdout.write(f"{user.username} is signed out everywhere, without a token and deactivated.")

    def _about(self, user: User) -> str:
        mine = list(Credential.objects.of(user))
        tokens = ", ".join(f"{credential.label} ({credential.instance})" for credential in mine) or "no token"
        kept = sum(connection.count_only_through(credential) for credential in mine)
        state = "" if user.is_active else " (deactivated already)"
        return f"{user.username}, {user.email or 'no e-mail address'}{state}: {tokens}; only they can read {kept} kept."
