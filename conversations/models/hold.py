"""Holds: what they name is deleted by nothing here until an administrator lifts them.

A hold changes no right: readers see a held conversation exactly as they would without it.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from conversations.models.conversation import Conversation, ConversationQuerySet
from conversations.models.job import Job, JobQuerySet
from conversations.models.message import EarlierMessage, Message
from conversations.models.people import Owner
from conversations.models.ticket import TicketReference
from omniviewer.accounts.models import User


class HoldQuerySet(models.QuerySet["Hold"]):
    def standing(self) -> Self:
        return self.filter(lifted_at=None)

    def lifted(self) -> Self:
        return self.exclude(lifted_at=None)

    def newest_first(self) -> Self:
        return self.order_by("-set_at", "-pk")

    def conversations(self) -> ConversationQuerySet:
        """Return the conversations that any of these holds names: the one place that decides what a hold covers."""
        named = Q(pk__in=[])
        for instance, names in self._by_instance().items():
            linked = TicketReference.objects.filter(ticket__in=names[Hold.Kind.TICKET]).values("conversation")
            of_instance = Q(omni_id__in=[UUID(name) for name in names[Hold.Kind.CONVERSATION]])
            of_instance |= Q(owner_id__in=names[Hold.Kind.PERSON]) | Q(pk__in=linked)
            named |= Q(instance=instance) & of_instance
        return Conversation.objects.filter(named)

    def naming(self, conversations: ConversationQuerySet, owners: Iterable[Owner] = ()) -> list["Hold"]:
        """Return those that name any of these conversations, or one of these people."""
        people = {(owner.instance, owner.id) for owner in owners}
        return [
            hold
            for hold in self.order_by("pk")
            if (hold.kind == Hold.Kind.PERSON and (hold.instance, hold.name) in people)
            or hold.conversations.filter(pk__in=conversations.values("pk")).exists()
        ]

    def follow_people(self, instance: str, people: Iterable[Iterable[str]]) -> list["Hold"]:
        """Set the standing holds on people for the other ids of the same people too; return those that are new.

        `people`: for each person, ids by which Omni has named them. Else what a list names by another id than before
        would slip out of the hold.
        """
        known = [ids for ids in map(frozenset, people) if len(ids) > 1]
        if not known:
            return []
        of_people = self.standing().filter(instance=instance, kind=Hold.Kind.PERSON)
        standing = {hold.name: hold for hold in of_people.filter(name__in=frozenset[str]().union(*known))}
        made = []
        for ids in known:
            held = next((standing[name] for name in sorted(ids) if name in standing), None)
            if held is None:
                continue
            for name in sorted(ids - standing.keys()):
                said = {"reason": held.reason, "set_by_id": held.set_by_id, "set_at": held.set_at}
                standing[name], is_new = of_people.get_or_create(
                    instance=instance, kind=Hold.Kind.PERSON, name=name, lifted_at=None, defaults=said
                )
                made += [standing[name]] if is_new else []
        for hold in made:
            hold.wait()
        return made

    def _by_instance(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {}
        for instance, kind, name in self.values_list("instance", "kind", "name"):
            found.setdefault(instance, defaultdict(list))[kind].append(name)
        return found


class Hold(models.Model):
    """An administrator's order to delete nothing of a conversation, a person's conversations, or those of a ticket."""

    class Kind(models.TextChoices):
        CONVERSATION = "conversation", "One conversation"
        PERSON = "person", "All conversations of a person"
        TICKET = "ticket", "All conversations linked from a ticket"

    # The host, as omni.parse_address gives it.
    instance = models.CharField("Omni instance", max_length=260)
    kind = models.CharField("what", max_length=12, choices=Kind)
    # Omni's id of the conversation or of the person, or the ticket.
    name = models.CharField(max_length=100)
    reason = models.CharField(max_length=300)
    set_at = models.DateTimeField("since", default=timezone.now)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    lifted_at = models.DateTimeField("lifted", null=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    lifted_because = models.CharField("reason for lifting it", max_length=300, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "instance", "kind", "name", condition=Q(lifted_at=None), name="one_standing_hold_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"hold {self.pk} on {self.kind} {self.name} of {self.instance}"

    @property
    def conversations(self) -> ConversationQuerySet:
        """Return the conversations that it names now."""
        return Hold.objects.filter(pk=self.pk).conversations()

    def wait(self) -> None:
        """Wait, in the transaction that sets it, for deletions under way of what it names: later ones will see it."""
        list(self.conversations.select_for_update().order_by("pk").values_list("pk"))

    def lift(self, user: User, reason: str) -> None:
        """End the hold. Conversations that only it kept go with the next hourly chores."""
        self.lifted_at, self.lifted_by, self.lifted_because = timezone.now(), user, reason
        self.save(update_fields=["lifted_at", "lifted_by", "lifted_because"])


def held() -> ConversationQuerySet:
    """Return the conversations of which nothing may be deleted."""
    return Hold.objects.standing().conversations()


def is_held(conversation: Conversation) -> bool:
    return held().filter(pk=conversation.pk).exists()


def held_jobs() -> JobQuerySet:
    """Return the jobs whose evidence may not be deleted: those of held conversations.

    Omni does not name the conversation of every job: others are found by the answers that they made.
    """
    on_hold = held()
    of_instance = on_hold.filter(instance=OuterRef("instance"))
    own = Q(Exists(of_instance.filter(omni_id=OuterRef("conversation_id"))))
    for model in (Message, EarlierMessage):
        made = model.objects.filter(conversation__in=on_hold, job_id=OuterRef("omni_id"))
        own |= Q(Exists(made.filter(conversation__instance=OuterRef("instance"))))
    return Job.objects.filter(own)


def sentence(holds: Iterable[Hold]) -> str:
    """Return the sentence that says why something cannot be deleted, and names these holds."""
    named = ", ".join(str(hold) for hold in holds)
    return f"This cannot be deleted while it is on hold ({named}). An administrator can lift a hold under /admin/."
