"""A person's own data as a file, and the erasure of a person: `.docs/decisions/erasure.md` says what stays, and why."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import SET_NULL, Q

from conversations.archive import offboarding, personal_data, removal
from conversations.archive.offboarding import Leaves
from conversations.archive.personal_data import Relation
from conversations.models import Access, Conversation, HandOver, Hold, Job, Member, Message, Owner
from conversations.models.conversation import ConversationQuerySet
from omniviewer.accounts import sessions
from omniviewer.accounts.models import User
from omniviewer.audit import trail
from omniviewer.audit.models import Event, Kind

# The prefix lets the database know a pseudonym: see the audit log's migration 0005.
_PSEUDONYM = "erased-"
_WITH_A_PSEUDONYM = "with a pseudonym"
_ACCOUNT = (
    *("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser", "is_auditor"),
    *("dismissed", "date_joined", "last_login"),
)
_MESSAGE = ("position", "role", "text", "created_at", "job_id", "attachments")
_JOB = ("omni_id", "state", "topic", "error", "finished_at", "query_count", "row_count", "kept_at", "dropped_at")
_CONVERSATION = ("instance", "omni_id", "name", "created_at", "updated_at", "fetched_at")


@dataclass(frozen=True)
class Person:
    """A person with an account here, who they are in Omni, and the stored conversations that they own there."""

    user: User
    people: set[Owner]
    conversations: ConversationQuerySet

    @classmethod
    def of(cls, user: User, also: Iterable[Owner] = ()) -> "Person":
        """Return the person; `also`: who they are in Omni besides what is known here."""
        people = personal_data.omni_people(user) | {*also}
        return cls(user, people, personal_data.conversations_of(people))

    @property
    def members(self) -> Any:
        """Return the rows in which organization keys were told of the person."""
        told = Q(pk__in=[])
        for owner in self.people:
            told |= Q(api_token__instance=owner.instance, omni_id=owner.id)
        return Member.objects.filter(told)

    @property
    def names(self) -> set[str]:
        """Return the names that the audit log may know them by."""
        return {self.user.username, self.user.email, *(owner.id for owner in self.people)} - {""}

    @property
    def looks_erased(self) -> bool:
        """Return whether a name of theirs is like a pseudonym: the audit log would not let it go."""
        return any(name.lower().startswith(_PSEUDONYM) for name in self.names)

    @property
    def holds(self) -> list[Hold]:
        """Return the standing holds that forbid erasing them."""
        return Hold.objects.standing().naming(self.conversations, self.people)

    @property
    def listed(self) -> int:
        """Return how many of the conversations Omni still lists: the next sync stores these again."""
        listed = Access.objects.filter(conversation__in=self.conversations, listed_at__isnull=False)
        return listed.values("conversation").distinct().count()

    def lines(self) -> Iterator[str]:
        """Yield the lines of a JSON file with all that is stored of the person: no token, and nothing to sign in with.

        Conversations come one at a time, since there may be very many.
        """
        yield "{"
        for name, value in self._facts():
            yield f"{json.dumps(name)}: {_json(value)},"
        yield '"conversations": ['
        last = ""
        for conversation in self.conversations.order_by("pk").iterator(chunk_size=100):
            if last:
                yield f"{last},"
            last = _json(_told(conversation))
        if last:
            yield last
        yield "]"
        yield "}"

    def _facts(self) -> Iterator[tuple[str, Any]]:
        user = self.user
        told = {name: getattr(user, name) for name in _ACCOUNT}
        yield "accounts.User", told
        stored = sessions.stored_of(user)
        yield (
            "sessions",
            [{"by": row.by, "began": row.began_at, "last_seen": row.seen_at, "ends": row.expires_at} for row in stored],
        )
        yield "in_omni", [{"instance": owner.instance, "id": owner.id} for owner in sorted(self.people)]
        yield "conversations.Member", list(self.members.order_by("pk").values("api_token__instance", "name", "email"))
        yield from personal_data.sections(user)

    def preview(self) -> list[Leaves]:
        """Return what an erasure deletes, by table, and what it leaves in place without the name."""
        return [
            Leaves("accounts_user", 1),
            Leaves("django_session", len(sessions.stored_of(self.user))),
            *(Leaves(row.table, row.rows(self.user).count(), _stays(row)) for row in personal_data.RELATIONS),
            Leaves("audit_event, about them", personal_data.events_about(self.user).count(), _WITH_A_PSEUDONYM),
            Leaves("conversations_conversation", self.conversations.count()),
            Leaves("conversations_member", self.members.count()),
        ]

    def erase(self) -> tuple[list[Leaves], str]:
        """Erase the person; return what went and stayed, and the pseudonym that stands for them in the audit log.

        Raises `HeldMeanwhile` where a hold has been set since `holds` was asked: what it names stays.
        """
        user, pseudonym = self.user, f"{_PSEUDONYM}{token_hex(8)}"
        told = self.preview()
        # Should this be interrupted, the next try has to find the same conversations.
        personal_data.remember(user, self.people)
        offboarding.end(user)
        if not removal.forget_all(self.conversations):
            raise HeldMeanwhile
        with transaction.atomic():
            self.members.delete()
            _offers_to(self.names).delete()
            _pseudonymise_lifted_holds(self.people, pseudonym)
            of_people = ContentType.objects.get_for_model(User)
            about = LogEntry.objects.filter(content_type=of_people, object_id=str(user.pk))
            # The messages quote their identities.
            about.update(object_repr=pseudonym, change_message="")
            Event.objects.pseudonymise(user.pk, self.names, pseudonym)
            user.delete()
            trail.record(None, Kind.PERSON_REMOVED, whom=pseudonym)
        return told, pseudonym


class HeldMeanwhile(Exception):
    """A hold was set during an erasure."""


def _offers_to(names: set[str]) -> Any:
    """Return the offers that name somebody, as they were typed: also those for whom nobody was found."""
    named = Q(pk__in=[])
    for name in names:
        named |= Q(name__iexact=name)
    return HandOver.objects.filter(named)


def _pseudonymise_lifted_holds(people: set[Owner], pseudonym: str) -> None:
    for owner in people:
        named = Hold.objects.lifted().filter(kind=Hold.Kind.PERSON, instance=owner.instance, name=owner.id)
        for hold in named:
            hold.name = pseudonym
            hold.save(update_fields=["name"])
            of_hold = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Hold))
            of_hold.filter(object_id=str(hold.pk)).update(object_repr=str(hold)[:200])


def _stays(relation: Relation) -> str:
    """Return how rows stay that refer to somebody erased; "" for rows that go."""
    if relation.model is Event:
        return _WITH_A_PSEUDONYM
    column = relation.model._meta.get_field(relation.column)
    return "without the name" if getattr(column.remote_field, "on_delete", None) is SET_NULL else ""


def _told(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation with its messages, and facts of its answers: rows of queries are the company's data."""
    jobs = Job.objects.filter(instance=conversation.instance)
    # Omni does not name the conversation of every job: find the others by the answers that they made.
    made = Message.objects.filter(conversation=conversation).exclude(job_id=None).values("job_id")
    own = Q(conversation_id=conversation.omni_id) | Q(conversation_id=None, omni_id__in=made)
    earlier = conversation.earlier_messages.order_by("position", "pk")
    return {
        **{name: getattr(conversation, name) for name in _CONVERSATION},
        "messages": list(Message.objects.filter(conversation=conversation).order_by("position").values(*_MESSAGE)),
        "earlier_wordings": list(earlier.values("position", "role", "text", "created_at", "replaced_at")),
        "answers": list(jobs.filter(own).order_by("pk").values(*_JOB)),
        "tickets": list(conversation.ticket_references.order_by("pk").values_list("ticket", flat=True)),
    }


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
