"""Forms that check the parameters in the addresses of audit log pages."""

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from omniviewer.audit.models import OK, Event, EventQuerySet, Kind

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Days whose midnight in any time zone is within the range of datetime.
_DAYS = [
    MinValueValidator(date(2000, 1, 1), "The log does not reach back that far."),
    MaxValueValidator(date(2999, 12, 31), "The log does not reach that far ahead."),
]


class PlaceForm(forms.Form):
    """Paging: the number of the event before the page."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def before_or_newest(self) -> int | None:
        """Return the number of the event before the page; None, for the newest page, if the form is invalid."""
        return self.cleaned_data["before"] if self.is_valid() else None


class DayField(forms.DateField):
    """A day in the reader's time zone."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(
            required=False,
            input_formats=["%Y-%m-%d"],
            validators=_DAYS,
            widget=widget,
            error_messages={"invalid": "Write a day as year-month-day, such as 2026-10-31."},
            **kwargs,
        )


class FilterForm(forms.Form):
    """Filters for the events to show."""

    who = forms.CharField(required=False, max_length=150, label="Who", help_text="Part of a username.")
    kind = forms.ChoiceField(
        required=False,
        choices=[("", "All events"), *Kind.choices],
        label="Event",
        error_messages={"invalid_choice": "There is no such event."},
    )
    result = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("ok", "OK"), ("not-ok", "Refused or failed")],
        error_messages={"invalid_choice": "There is no such result."},
    )
    ticket = forms.CharField(required=False, max_length=100)
    conversation = forms.CharField(required=False, max_length=2000, help_text="Its id, or a link to it.")
    since = DayField(label="From")
    until = DayField(label="To")

    def clean_conversation(self) -> UUID | None:
        text: str = self.cleaned_data["conversation"]
        found = _ID.search(text)
        if text and not found:
            raise ValidationError("This contains no conversation id, such as 660e8400-e29b-41d4-a716-446655440001.")
        return UUID(found.group()) if found else None

    def clean(self) -> dict[str, Any]:
        super().clean()
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before the one in “From”.")
        return self.cleaned_data

    def events(self) -> EventQuerySet:
        """Return the events that fit the filters of a valid form."""
        said, rows = self.cleaned_data, Event.objects.all()
        if said["who"]:
            rows = rows.filter(who__icontains=said["who"])
        if said["kind"]:
            rows = rows.filter(kind=said["kind"])
        if said["result"]:
            rows = rows.filter(result=OK) if said["result"] == "ok" else rows.exclude(result=OK)
        if said["conversation"]:
            rows = rows.filter(conversation_id=said["conversation"])
        if said["ticket"]:
            rows = rows.filter(ticket__in={said["ticket"], said["ticket"].upper()})
        if said["since"]:
            rows = rows.filter(at__gte=_midnight(said["since"]))
        if said["until"]:
            rows = rows.filter(at__lt=_midnight(said["until"] + timedelta(days=1)))
        return rows


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
