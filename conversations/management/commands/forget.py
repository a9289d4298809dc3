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
from conversations.models import Access, Conversation, Hold, Member, Owner
from conversations.models.conversation import ConversationQuerySet
from conversations.models.hold import sentence
from omniviewer.accounts.models import Credential, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@dataclass(frozen=True)
class Stored:
    """Data stored under a name: accounts here, people in Omni, and conversations."""

    people: list[User]
    members: QuerySet[Member]
    conversations: ConversationQuerySet
    # Standing holds that forbid deleting any of it.
    holds: list[Hold]

    @classmethod
    def under(cls, name: str, instance: str) -> Self:
        """Return what is stored under this name, on one instance alone if it is given."""
        members = Member.objects.filter(Q(omni_id=name) | Q(email__iexact=name))
        owners, known = Q(owner_id=name), Owner.known_as(name)
        for owner in known:
            owners |= Q(instance=owner.instance, owner_id=owner.id)
        try:
            conversations = Conversation.objects.filter(owners | Q(omni_id=UUID(name)))
        except ValueError:
            conversations = Conversation.objects.filter(owners)
        if instance:
            members, conversations = (
                members.filter(api_token__instance=instance),
                conversations.filter(instance=instance),
            )
            known = {owner for owner in known if owner.instance == instance}
        holds = Hold.objects.standing().naming(conversations, known)
        return cls([] if instance else list(User.known_as(name)), members, conversations, holds)

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
        if not removal.forget_all(self.conversations):
            raise CommandError("A hold was set meanwhile, and what it names stays. The rest was deleted.")
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
        if stored.holds:
            raise CommandError(f"{sentence(stored.holds)} Nothing was changed.")
        for line in stored.lines():
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
            return
        if not options["no_input"] and input("Delete all of this, for good? Type yes: ").strip().lower() != "yes":
            raise CommandError("Not confirmed. Nothing was changed.")
        stored.delete()
        self.stdout.write("Deleted.")
