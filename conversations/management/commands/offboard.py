"""`manage.py offboard EMAIL`: removes the access of somebody who has left the company."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from conversations.archive import hand_over, offboarding, removal
from conversations.archive.hand_over import NotProven
from conversations.archive.offboarding import Leaves
from conversations.archive.removal import Loss
from omniviewer.accounts.models import Credential, User
from omniviewer.omni import OmniError

# Seconds of work between two progress lines.
_REPORT_SECONDS = 5.0


class Command(BaseCommand):
    """Command that deletes what a person owns and what only their tokens could read, and deactivates accounts.

    It prints each table with the number of rows. Running it again changes nothing.
    """

    help = "End somebody's sessions, delete their tokens and deactivate their accounts: they have left the company."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "email", metavar="EMAIL", help="Their e-mail address, username or subject of single sign-on."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted, and what kept.")
        parser.add_argument("--no-input", action="store_true", help="Do it without asking.")
        parser.add_argument(
            "--hand-over-to",
            metavar="EMAIL",
            help="Put what only their organization keys could read under this person's organization key for the same "
            "Omni instance, in place of deleting it.",
        )

    def handle(self, **options: Any) -> None:
        name: str = options["email"]
        leaving = list(User.known_as(name))
        if not leaving:
            raise CommandError(f"Nobody here has the e-mail address or the username {name!r}. Nothing was changed.")
        heirs = _heirs(options["hand_over_to"], leaving)
        self._tell_first(leaving, heirs)
        if options["dry_run"]:
            for user in leaving:
                self._tell(offboarding.preview(user))
            self.stdout.write("Nothing was changed.")
            return
        if not options["no_input"] and input("End all of this, for good? Type yes: ").strip().lower() != "yes":
            raise CommandError("Not confirmed. Nothing was changed.")
        for user in leaving:
            self._tell(offboarding.end(user, heirs))
            self.stdout.write(f"{user.username} is signed out everywhere, without a token and deactivated.")
        while removal.run(_REPORT_SECONDS):
            self.stdout.write("Still removing what only these tokens could read.")

    def _tell_first(self, leaving: list[User], heirs: dict[Credential, Credential]) -> None:
        for user in leaving:
            self.stdout.write(_about(user))
        lost = _loss(leaving, heirs)
        if lost:
            self.stdout.write(f"What goes with this: {lost}.")
        if lost.held:
            self.stdout.write(f"{lost.held:,} stored under a hold: they stay, and nobody can read them.")
        for credential, heir in heirs.items():
            self.stdout.write(f"{credential.label} ({credential.instance}) is handed over to {heir.owner.username}.")

    def _tell(self, rows: list[Leaves]) -> None:
        for row in rows:
            self.stdout.write(f"  {row}")


def _heirs(name: str | None, leaving: list[User]) -> dict[Credential, Credential]:
    """Return for each credential that can be handed over the one that takes over. Raises `CommandError`."""
    if not name:
        return {}
    others = [user for user in User.known_as(name) if user.is_active and user not in leaving]
    if len(others) != 1:
        raise CommandError(f"--hand-over-to {name!r} is not one active person here. Nothing was changed.")
    heirs = {}
    for credential in Credential.objects.filter(owner__in=leaving).select_related("api_token"):
        if not hand_over.may_be_offered(credential):
            continue
        keys = [own for own in Credential.objects.owned_by(others[0]).accepted() if own.instance == credential.instance]
        heir = next((own for own in keys if own.sees_organization), None)
        if heir is None:
            raise CommandError(
                f"{others[0].username} has no organization key for {credential.instance}: they have to connect one "
                "under Credentials first. Nothing was changed."
            )
        try:
            hand_over.prove(credential.api_token, heir.api_token)
        except NotProven as error:
            raise CommandError(f"{heir.label} of {others[0].username}: {error} Nothing was changed.") from None
        except OmniError as error:
            raise CommandError(f"{error.sentence} Nothing was changed.") from None
        heirs[credential] = heir
    return heirs


def _about(user: User) -> str:
    mine = list(Credential.objects.owned_by(user))
    tokens = ", ".join(f"{credential.label} ({credential.instance})" for credential in mine) or "no token"
    state = "" if user.is_active else " (deactivated already)"
    return f"{user.username}, {user.email or 'no e-mail address'}{state}: {tokens}."


def _loss(leaving: list[User], heirs: dict[Credential, Credential]) -> Loss:
    going = Credential.objects.filter(owner__in=leaving).select_related("api_token")
    lost = Loss()
    for token in {credential.api_token for credential in going if credential not in heirs}:
        lost += removal.count_loss(token, [credential for credential in going if credential.api_token == token])
    return lost
