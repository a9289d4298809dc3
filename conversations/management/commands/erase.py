"""`manage.py erase USER`: a person is offboarded, and all that is stored of them is deleted for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.cache import caches
from django.core.management import BaseCommand, CommandError

from conversations.archive import removal
from conversations.archive.erasure import HeldMeanwhile, Person
from conversations.management.commands.person_data import UNKNOWN_IN_OMNI, add_omni_id, only_one, owners_in
from conversations.models.hold import sentence

# Seconds of work between two progress lines.
_REPORT_SECONDS = 5.0


class Command(BaseCommand):
    """Command that deletes an account with everything of it, and the conversations that the person owns in Omni.

    In the audit log a pseudonym takes the place of the name.
    """

    help = "Delete everything that is stored of a person, for good; the audit log keeps a pseudonym."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="Their e-mail address, username or subject of single sign-on.")
        add_omni_id(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")
        parser.add_argument("--no-input", action="store_true", help="Do it without asking.")

    def handle(self, **options: Any) -> None:
        person = Person.of(only_one(options["user"]), owners_in(options["omni_id"]))
        if person.looks_erased:
            raise CommandError(
                "A name of theirs begins with “erased-”, as pseudonyms do, which the audit log never changes: give the "
                "account another username first, under /admin/. Nothing was changed."
            )
        if holds := person.holds:
            raise CommandError(f"{sentence(holds)} Nothing was changed.")
        self._tell(person)
        if options["dry_run"]:
            for row in person.preview():
                self.stdout.write(f"  {row}")
            self.stdout.write("Nothing was changed.")
            return
        if not options["no_input"] and input("Erase this person, for good? Type yes: ").strip().lower() != "yes":
            raise CommandError("Not confirmed. Nothing was changed.")
        try:
            told, pseudonym = person.erase()
        except HeldMeanwhile:
            raise CommandError("A hold was set meanwhile: what it names stays, and so does the account.") from None
        for row in told:
            self.stdout.write(f"  {row}")
        while removal.run(_REPORT_SECONDS):
            self.stdout.write("Still removing what only their tokens could read.")
        for name in ("threads", "pages"):
            caches[name].clear()  # as far as another process can: a site's own memory forgets by itself
        self.stdout.write(f"Erased. The audit log says {pseudonym} where it said who they were.")

    def _tell(self, person: Person) -> None:
        user = person.user
        self.stdout.write(f"The account {user.username}, {user.email or 'without an e-mail address'}.")
        for owner in sorted(person.people):
            self.stdout.write(f"The person {owner.id} of {owner.instance}, in Omni.")
        if not person.people:
            self.stdout.write(UNKNOWN_IN_OMNI)
        self.stdout.write(f"Stored conversations that they own there: {person.conversations.count():,}.")
        if listed := person.listed:
            self.stdout.write(
                f"Omni still lists {listed:,} of them: the next sync stores them again, unless they are deleted in "
                "Omni first."
            )
