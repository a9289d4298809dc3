"""Everything here that belongs to a person: what goes when they leave, and what their own file tells.

`RELATIONS` names each column of the database that refers to a person. A test holds it against the models, so that a
new table cannot be forgotten.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models import Q

from conversations.models import (
    Conversation,
    HandOver,
    Hold,
    Owner,
    ReadUntil,
    Removal,
    SearchExport,
    Star,
    TicketReference,
    Visit,
)
from conversations.models.conversation import ConversationQuerySet
from omniviewer.accounts.models import ApiToken, Credential, Identity, User
from omniviewer.accounts.provisioning import ProvisionedUser
from omniviewer.audit.models import Event


@dataclass(frozen=True)
class Relation:
    """A column that refers to people. `told`: the columns of its rows in a person's own file; never a secret.

    `because`: the reason for keeping the rows of somebody who has left; without one they are deleted.
    """

    model: type[models.Model]
    column: str
    told: tuple[str, ...]
    because: str = ""

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def name(self) -> str:
        return f"{self.model._meta.label}.{self.column}"

    def rows(self, user: User) -> "models.QuerySet[Any]":
        return self.model._base_manager.filter(**{self.column: user}).order_by("pk")


_CONVERSATION = ("conversation__instance", "conversation__omni_id")
_EVENT = ("at", "kind", "result", "conversation_id", "position", "ticket", "by", "instance", "fields", "address")
_IN_THE_LOG = "the audit log holds who did what until OMNIVIEWER_AUDIT_DAYS are over"
_ON_RECORD = "stays on record with its hold"
_GROUPS, _PERMISSIONS = User.groups.through, User.user_permissions.through

RELATIONS: tuple[Relation, ...] = (
    Relation(
        Credential,
        "owner",
        (
            *("label", "created_at", "api_token__instance", "api_token__scope", "api_token__role"),
            *("api_token__membership_id", "api_token__omni_user_id", "api_token__created_at"),
            *("api_token__checked_at", "api_token__rejected_at"),
        ),
    ),
    Relation(Star, "user", (*_CONVERSATION, "starred_at")),
    Relation(Visit, "user", (*_CONVERSATION, "seen")),
    Relation(ReadUntil, "user", ("at",)),
    Relation(SearchExport, "owner", ("query", "made_at", "finished_at", "wanted", "missing")),
    Relation(HandOver, "offered_to", ("offered_at",)),
    Relation(_GROUPS, "user", ("group__name",)),
    Relation(_PERMISSIONS, "user", ("permission__codename",)),
    Relation(
        Identity,
        "user",
        ("issuer", "subject", "created_at"),
        "refuses them if they come again",
    ),
    Relation(
        ProvisionedUser,
        "user",
        ("user_name", "external_id", "is_active", "created_at", "changed_at", "deleted_at"),
        "the directory’s word on them",
    ),
    Relation(
        TicketReference, "added_by", ("ticket", "added_at", *_CONVERSATION), "links belong to their conversations"
    ),
    Relation(Removal, "removed_by", ("began_at", "total"), "goes with the end of the removal"),
    # Not the name nor the reasons: they tell of others.
    Relation(Hold, "set_by", ("instance", "kind", "set_at"), _ON_RECORD),
    Relation(Hold, "lifted_by", ("instance", "kind", "lifted_at"), _ON_RECORD),
    Relation(Event, "user", _EVENT, _IN_THE_LOG),
    Relation(LogEntry, "user", ("action_time", "action_flag", "content_type__model"), _IN_THE_LOG),
)


def omni_people(user: User) -> set[Owner]:
    """Return who the person is in Omni: by their verified e-mail address, and by their personal tokens, now or once.

    Tokens go when somebody leaves, and may be all that told who they are: `remember` keeps the ids.
    """
    own = ApiToken.objects.filter(credentials__owner=user, scope=ApiToken.Scope.USER)
    found = Owner.of_tokens(own) | {Owner(*row) for row in user.omni_ids}
    return found | (Owner.known_as(user.email) if user.email else set())


def remember(user: User, people: set[Owner]) -> None:
    """Store that the person is these people in Omni, before what tells so goes."""
    known = {Owner(*row) for row in user.omni_ids}
    if not people <= known:
        user.omni_ids = sorted(known | people)
        user.save(update_fields=["omni_ids"])


def remember_token(user: User, token: ApiToken) -> None:
    """Store who the person is in Omni by a personal token that they are about to give up."""
    if token.scope == ApiToken.Scope.USER:
        remember(user, Owner.of_tokens([token]))


def conversations_of(people: set[Owner]) -> ConversationQuerySet:
    """Return the stored conversations that these people own in Omni."""
    owned = Q(pk__in=[])
    for owner in people:
        owned |= Q(instance=owner.instance, owner_id=owner.id)
    return Conversation.objects.filter(owned)


def events_about(user: User) -> "models.QuerySet[Event, Event]":
    """Return what others, mostly staff, did to this person's account."""
    return Event.objects.exclude(user=user).filter(whom__iexact=user.username).order_by("pk")


def sections(user: User) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the rows of each table that refers to the person, as their own file tells them."""
    for relation in RELATIONS:
        yield relation.name, list(relation.rows(user).values(*relation.told))
    # The name of the actor is another person's data.
    yield "audit.Event.whom", [dict(row) for row in events_about(user).values("at", "kind", "result", "fields")]
