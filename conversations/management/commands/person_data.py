"""`manage.py person_data USER FILE`: everything stored of a person, as a JSON file for them."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from conversations.archive.erasure import Person
from conversations.models import Owner
from omniviewer.accounts.models import User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

UNKNOWN_IN_OMNI = (
    "Nobody knows here who they are in Omni, so no conversation is taken for theirs: if they used Omni, name them with "
    "--omni-id INSTANCE/ID."
)


class Command(BaseCommand):
    """Command for somebody who asks what is stored of them. Its file is for that person alone."""

    help = "Write all that is stored of a person to a JSON file: their account, acts and conversations, but no token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="Their e-mail address, username or subject of single sign-on.")
        parser.add_argument("file", metavar="FILE", type=Path, help="File to write, which must not exist yet.")
        add_omni_id(parser)

    def handle(self, **options: Any) -> None:
        user, path = only_one(options["user"]), options["file"]
        person = Person.of(user, owners_in(options["omni_id"]))
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise CommandError(f"{path} exists: name another file. Nothing was written.") from None
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}. Nothing was written.") from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in person.lines())
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise CommandError(f"{path} cannot be written: {error.strerror}. Nothing is left of it.") from None
            raise
        trail.record(None, Kind.PERSON_TOLD, whom=user.username)
        people = ", ".join(f"{owner.id} of {owner.instance}" for owner in sorted(person.people))
        self.stdout.write(f"In Omni they are: {people}." if people else UNKNOWN_IN_OMNI)
        self.stdout.write(f"{path}: {person.conversations.count():,} conversations, {path.stat().st_size:,} bytes.")


def add_omni_id(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--omni-id",
        metavar="INSTANCE/ID",
        action="append",
        default=[],
        help="The person’s id in Omni, besides those that are known here, as their token or their conversations tell "
        "it: acme.omniapp.co/0f8fad5b-… May be given several times.",
    )


def owners_in(texts: list[str]) -> set[Owner]:
    """Return the people whom `--omni-id` names. Raises `CommandError`."""
    found = set()
    for text in texts:
        # As stored: the settings may no longer allow the host.
        instance, _, omni_id = text.strip().removeprefix("https://").rpartition("/")
        if not instance or not omni_id or "/" in instance or " " in text.strip():
            raise CommandError(f"{text!r} is no INSTANCE/ID, such as acme.omniapp.co/0f8fad5b. Nothing was changed.")
        found.add(Owner(instance.lower(), omni_id))
    return found


def only_one(name: str) -> User:
    """Return the one person with this name. Raises `CommandError`."""
    found = list(User.known_as(name.strip())[:2])
    if not found:
        raise CommandError(f"Nobody here has the e-mail address or the username {name!r}. Nothing was changed.")
    if len(found) > 1:
        raise CommandError(f"{name!r} is the name of more than one person here: use a username. Nothing was changed.")
    return found[0]
