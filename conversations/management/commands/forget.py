"""`manage.py forget ID | PERSON`: everything stored about a conversation or a person is deleted for good."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.core.management import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Q, QuerySet

from conversations.archive import removal
from conversations.archive.removal import BATCH_CONVERSATIONS
from conversations.models import Access, Conversation, Member
from omniviewer.accounts.models import Credential, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@dataclass(frozen=True)
class Stored:
    """Data stored under a name: accounts here, people in Omni, and conversations."""

    people: list[User]
    members: QuerySet[Member]
    conversations: QuerySet[Conversation]

    @classmethod
    def under(cls, name: str, instance: str) -> Self:
        """Return what is stored under this name, on one instance alone if it is given."""
        members = Member.objects.filter(Q(omni_id=name) | Q(email__iexact=name))
        owners = Q(owner_id=name)
        for of_instance, omni_id in members.values_list("api_token__instance", "omni_id").distinct():
            owners |= Q(instance=of_instance, owner_id=omni_id)
        try:
            conversations = Conversation.objects.filter(owners | Q(omni_id=UUID(name)))
        except ValueError:
            conversations = Conversation.objects.filter(owners)
        if instance:
            return cls([], members.filter(api_token__instance=instance), conversations.filter(instance=instance))
        return cls(list(User.known_as(name)), members, conversations)

    def __bool__(self) -> bool:
        return bool(self.people) or self.members.exists() or self.conversations.exists()

    @property
    def may_still_read(self) -> list[str]:
        """Return the names of the people who can sign in or hold a token."""
        return [row.username for row in self.people if row.is_active or Credential.objects.owned_by(row).exists()]

    def lines(self) -> Iterator[str]:
        """Yield sentences that say what is stored."""
        for user in self.people:
            yield f"The account {user.username}, with its stars, visits and sign-ins."
        if told := self.members.count():
            yield f"A person in Omni, as {told} API token{' was' if told == 1 else 's were'} told of them."
        if count := self.conversations.count():
            yield f"{count:,} conversation{'' if count == 1 else 's'} with all that is stored of them."
        listed = Access.objects.filter(conversation__in=self.conversations, listed_at__isnull=False)
        if again := listed.values("conversation").distinct().count():
            yield (
                f"Omni still lists {again:,} of them: the next sync stores them again, unless they are deleted in Omni "
                "first."
            )

    def delete(self) -> None:
        """Delete all of it."""
        while rows := list(self.conversations[:BATCH_CONVERSATIONS]):
            with transaction.atomic():
                removal.forget(rows)
        self.members.delete()
        for user in self.people:
            with transaction.atomic():
                trail.record(None, Kind.PERSON_REMOVED, whom=user.username)
                user.delete()


class Command(BaseCommand):
    """Deletes a conversation; or a person's account here, and what is stored of them as a person in Omni.

    The audit log keeps who did what until OMNIVIEWER_AUDIT_DAYS are over.
    """

    help = "Delete everything that is stored about a conversation or a person, for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "name",
            metavar="ID|PERSON",
            help="A conversation's id; or a person: an e-mail address, a username or subject of single sign-on here, "
            "or the id of a person in Omni.",
        )
        parser.add_argument("--instance", metavar="HOST", default="", help="Only what is of this Omni instance.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")
        parser.add_argument("--no-input", action="store_true", help="Do it without asking.")

    def handle(self, **options: Any) -> None:
        name: str = options["name"].strip()
        stored = Stored.under(name, options["instance"])
        if not name or not stored:
            raise CommandError(f"Nothing is stored about {name!r}. Nothing was changed.")
        if stored.may_still_read:
            raise CommandError(
                f"{', '.join(stored.may_still_read)} can still sign in here or hold a token: run omniviewer offboard "
                "first. Nothing was changed."
            )
        for line in stored.lines():
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
            return
        if not options["no_input"] and input("Delete all of this, for good? Type yes: ").strip().lower() != "yes":
            raise CommandError("Not confirmed. Nothing was changed.")
        stored.delete()
        self.stdout.write("Deleted.")
