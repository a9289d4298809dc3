"""Forms for the parameters of the list's address."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.utils import timezone

from conversations.archive.outcomes import CannotShow
from conversations.search import syntax
from conversations.search.finder import BEST_MATCH, FACT_ORDERS, ORDERS, Stretch
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import site_path

_NO_PLACE = dict.fromkeys(
    ("invalid", "min_value", "max_value"), "This address names a place in the list that does not exist."
)


def list_address(query: Mapping[str, object]) -> str:
    """Return the address of the list with this query."""
    return f"{site_path('/conversations/')}{'?' if query else ''}{urlencode(query)}"


@dataclass(frozen=True)
class ListQuery:
    """A query of the list. `credential` is the one that was chosen, if any; `held` are all of the reader's."""

    held: list[Credential]
    credentials: list[Credential]
    credential: Credential | None
    asked: Asked
    stretch: Stretch


class SearchField(forms.CharField):
    """Any text, without the NUL character, which no database takes."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\0", " ") if isinstance(value, str) else value)


class CredentialForm(forms.Form):
    """The credential to read through; without one, all of the reader's."""

    credential = forms.CharField(required=False)

    def __init__(self, credentials: list[Credential], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.credentials = credentials

    def clean_credential(self) -> Credential | None:
        named = self.cleaned_data["credential"]
        chosen = next((row for row in self.credentials if str(row.pk) == named), None)
        if named and chosen is None:
            raise forms.ValidationError("This address names a credential that you do not have.")
        return chosen

    def said(self) -> dict[str, Any]:
        """Return the cleaned values. Raises `CannotShow` without a credential, or if the address makes no sense."""
        if not self.credentials:
            raise CannotShow(CannotShow.NO_CREDENTIAL)
        if not self.is_valid():
            wrong = next(str(error) for errors in self.errors.values() for error in errors)
            raise CannotShow(CannotShow.BAD_ADDRESS, wrong)
        return self.cleaned_data


class ListForm(CredentialForm):
    """Query, order and place of a page of the list."""

    q = SearchField(required=False)
    sort = forms.ChoiceField(
        choices=[(name, name) for name in (*ORDERS, *FACT_ORDERS, BEST_MATCH)],
        required=False,
        error_messages={
            "invalid_choice": "The list can be sorted by activity, oldest, started, first, messages, slowest or match."
        },
    )
    before = forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1, required=False, error_messages=_NO_PLACE)
    after = forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1, required=False, error_messages=_NO_PLACE)

    def query(self) -> ListQuery:
        """Return the query. Raises `CannotShow` if the reader has no credential, or the address makes no sense."""
        said = self.said()
        chosen: Credential | None = said["credential"]
        return ListQuery(
            held=self.credentials,
            credentials=[chosen] if chosen else self.credentials,
            credential=chosen,
            asked=syntax.read(said["q"]),
            stretch=Stretch(said["sort"] or "activity", said["before"], said["after"]),
        )


_MONTHS = 12
# Spans of the last activity that a click asks for.
_PRESETS = (
    ("Today", Filter("on", "today")),
    ("Last 7 days", Filter("from", "7d")),
    ("This week", Filter("on", "this week")),
    ("Last week", Filter("on", "last week")),
    ("This month", Filter("on", "this month")),
    ("Last month", Filter("on", "last month")),
    ("Last 30 days", Filter("from", "30d")),
    ("Last 3 months", Filter("from", "3m")),
    ("Last 12 months", Filter("from", "1y")),
)


class Preset(NamedTuple):
    """A span with a name: the query that asks for it; where `is_chosen`, the one without it."""

    text: str
    typed: str
    is_chosen: bool


@dataclass(frozen=True)
class Dates:
    """The calendar beside the list: the first and the last day of last activity ("" without one), as ISO dates.

    `kept` is the query without its filters by last activity.
    """

    since: str
    until: str
    kept: str
    presets: tuple[Preset, ...]
    # This month and those before, the latest first.
    months: tuple[Preset, ...]

    @property
    def has_month(self) -> bool:
        """Return whether the query asks for one of the months."""
        return any(month.is_chosen for month in self.months)

    @classmethod
    def of_query(cls, asked: Asked) -> "Dates":
        kept = asked
        for name in ("from", "to", "on"):
            kept = kept.replaced(name, "")
        own = {row for row in asked.filters if row.name in ("from", "to", "on") and not row.is_negated}

        def preset(text: str, span: Filter) -> Preset:
            is_chosen = own == {span}
            return Preset(text, kept.typed if is_chosen else kept.typed_with([*kept.filters, span]), is_chosen)

        return cls(
            since=asked.since.date().isoformat() if asked.since else "",
            until=(asked.until.date() - timedelta(days=1)).isoformat() if asked.until else "",
            kept=kept.typed,
            presets=tuple(preset(text, span) for text, span in _PRESETS),
            months=tuple(preset(f"{month:%b %Y}", Filter("on", f"{month:%Y-%m}")) for month in _months()),
        )


def _months() -> Iterator[date]:
    """Yield a day of this month and of each one before, the latest first."""
    day = timezone.localdate()
    for _ in range(_MONTHS):
        yield day
        day = day.replace(day=1) - timedelta(days=1)


class FiltersForm(forms.Form):
    """Filters as controls: each stands for a filter in the text of the search."""

    owner = forms.CharField(required=False, max_length=200)
    state = forms.CharField(required=False, max_length=40)
    topic = forms.CharField(required=False, max_length=200)
    since = forms.CharField(required=False, max_length=40)
    until = forms.CharField(required=False, max_length=40)
    day = forms.CharField(required=False, max_length=40)
    has = forms.CharField(required=False, max_length=40)
    only = forms.CharField(required=False, max_length=40)
    place = forms.CharField(required=False, max_length=40)
    # Not `ticket`: tickets use that name in their links to the list of conversations linked from them.
    linked = forms.CharField(required=False, max_length=100)

    NAMES: ClassVar = {
        "since": "from",
        "until": "to",
        "day": "on",
        "only": "is",
        "place": "in",
        "linked": "ticket",
    }

    def text(self, typed: str) -> str:
        """Return the text of the search, with its filters replaced by those of the controls."""
        self.is_valid()
        asked = syntax.read(typed)
        for control in self.fields:
            if control in self.data:
                value = self.cleaned_data.get(control, "").replace('"', " ")
                asked = asked.replaced(self.NAMES.get(control, control), value)
        return asked.typed
