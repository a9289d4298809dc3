"""Administrators set and lift holds here. A hold that was lifted stays on record."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from conversations.models import Conversation, Hold, Owner, ticket_names
from conversations.search import pasted
from omniviewer.accounts.administration import StaffOnly
from omniviewer.accounts.models import ApiToken, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


class SetForm(forms.ModelForm[Hold]):
    """A new hold. A person is named by an e-mail address or an id: each of their ids in Omni gets a hold of its own."""

    names: list[str]
    instance_name = forms.ChoiceField(label="Omni instance")
    typed = forms.CharField(
        max_length=2000,
        label="Which one",
        help_text="The conversation’s id or a link to it; the person’s e-mail address or id in Omni; or the ticket.",
    )

    class Meta:
        model = Hold
        fields = ("kind", "reason")

    field_order = ("instance_name", "kind", "typed", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {*ApiToken.objects.values_list("instance", flat=True).distinct()}
        known.update(Conversation.objects.values_list("instance", flat=True).distinct())
        self.fields["instance_name"].choices = [(name, name) for name in sorted(known)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        super().clean()
        said = self.cleaned_data
        if {"instance_name", "kind", "typed"} <= said.keys():
            try:
                self.names = _names(said["instance_name"], Hold.Kind(said["kind"]), said["typed"].strip())
                self._refuse_twice(said["instance_name"], said["kind"])
            except ValidationError as error:
                self.add_error("typed", error)
        return said

    def _refuse_twice(self, instance: str, kind: str) -> None:
        same = Hold.objects.standing().filter(instance=instance, kind=kind, name__in=self.names)
        held = set(same.values_list("name", flat=True))
        self.names = [name for name in self.names if name not in held]
        if not self.names:
            raise ValidationError(f"This is held already: {same[0]}.")


def _names(instance: str, kind: Hold.Kind, typed: str) -> list[str]:
    """Return the names of the holds for what was typed. Raises `ValidationError`."""
    match kind:
        case Hold.Kind.CONVERSATION:
            found = pasted.read(typed)
            if found is None or found.kind is pasted.Kind.JOB:
                raise ValidationError("This contains no conversation id, such as 660e8400-e29b-41d4-a716-446655440001.")
            return [_stored(instance, found.id)]
        case Hold.Kind.PERSON:
            ids = {owner.id for owner in Owner.known_as(typed) if owner.instance == instance}
            if Conversation.objects.filter(instance=instance, owner_id=typed).exists():
                ids.add(typed)
            if not ids:
                raise ValidationError("Nobody with this e-mail address or id is known of this instance.")
            return sorted(ids)
    ticket = ticket_names.read(typed)
    if ticket is None:
        raise ValidationError("This is not a valid ticket name here.")
    return [ticket]


def _stored(instance: str, omni_id: UUID) -> str:
    if not Conversation.objects.filter(instance=instance, omni_id=omni_id).exists():
        raise ValidationError("No conversation with this id is stored of this instance.")
    return str(omni_id)


class LiftForm(forms.ModelForm[Hold]):
    """The end of a hold, with its reason."""

    class Meta:
        model = Hold
        fields = ("lifted_because",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "lifted_because" in self.fields:
            self.fields["lifted_because"].required = True
            self.fields["lifted_because"].help_text = "Saving lifts the hold: what only it kept is deleted."


@admin.register(Hold)
class Holds(StaffOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin of holds. Each that is set or lifted is an event of the audit log."""

    actions = None
    list_display = ("instance", "kind", "name", "reason", "set_at", "set_by", "lifted_at")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter), "kind")
    list_select_related = ("set_by",)
    ordering = ("-set_at", "-pk")
    _TOLD = ("instance", "kind", "name", "reason", "set_at", "set_by")
    _LIFTED = ("lifted_at", "lifted_by")

    def get_form(self, request: HttpRequest, obj: Hold | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        return super().get_form(request, obj, change, form=LiftForm if obj else SetForm, **kwargs)

    def get_fields(self, _request: HttpRequest, obj: Hold | None = None) -> Any:
        if obj is None:
            return SetForm.field_order
        return (*self._TOLD, *(self._LIFTED if obj.lifted_at else ()), "lifted_because")

    def get_readonly_fields(self, _request: HttpRequest, obj: Hold | None = None) -> Any:
        return () if obj is None else (*self._TOLD, *self._LIFTED)

    def has_change_permission(self, request: HttpRequest, obj: Hold | None = None) -> bool:
        """Refuse to change a hold that was lifted: it stays on record as it was."""
        return super().has_change_permission(request, obj) and (obj is None or obj.lifted_at is None)

    def has_delete_permission(self, _request: HttpRequest, _obj: Hold | None = None) -> bool:
        """Refuse: a hold is lifted, with a reason."""
        return False

    def save_model(self, request: HttpRequest, obj: Hold, form: Any, change: bool) -> None:  # noqa: FBT001
        user = request.user
        assert isinstance(user, User)  # noqa: S101  (for mypy: the site lets nobody else in)
        if change:
            obj.lift(user, form.cleaned_data["lifted_because"])
            _record(request, Kind.HOLD_LIFTED, obj)
            return
        obj.instance, obj.set_by = form.cleaned_data["instance_name"], user
        first, *further = form.names
        obj.name = first
        obj.save()
        same = {"instance": obj.instance, "kind": obj.kind, "reason": obj.reason, "set_by": user}
        for hold in [obj, *(Hold.objects.create(**same, name=name) for name in further)]:
            hold.wait()
            _record(request, Kind.HOLD_SET, hold)
            count = hold.conversations.count()
            messages.info(
                request, f"{str(hold).capitalize()} names {count:,} conversation{'' if count == 1 else 's'} now."
            )


def _record(request: HttpRequest, kind: Kind, hold: Hold) -> None:
    about: trail.About = {"instance": hold.instance, "fields": f"hold {hold.pk}"}
    match hold.kind:
        case Hold.Kind.CONVERSATION:
            about["conversation_id"] = UUID(hold.name)
        case Hold.Kind.PERSON:
            about["whom"] = hold.name
        case Hold.Kind.TICKET:
            about["ticket"] = hold.name
    trail.record(request, kind, **about)
