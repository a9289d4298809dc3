"""Forms for the parameters of addresses: of the list, the insights, and the parts of pages that refresh."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet

from conversations.archive.outcomes import CannotShow
from conversations.search import date_words, syntax
from conversations.search.finder import ORDERS, Stretch
from conversations.search.syntax import Asked
from conversations.tables.parsing import ROWS_A_PAGE
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import site_path

_NO_PLACE = dict.fromkeys(
    ("invalid", "min_value", "max_value"), "This address names a place in the list that this site never gave."
)


def list_address(query: Mapping[str, object]) -> str:
    """Return the address of the list with this query."""
    return f"{site_path('/conversations/')}{'?' if query else ''}{urlencode(query)}"


@dataclass(frozen=True)
class ListQuery:
    """A query of the list. `credential` is the one that was chosen, if any."""

    credentials: list[Credential]
    credential: Credential | None
    asked: Asked
    stretch: Stretch


class SearchField(forms.CharField):
    """Any text, without the NUL character, which no database takes."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\0", " ") if isinstance(value, str) else value)


class _CredentialForm(forms.Form):
    """The credential to read through; without one, all of the reader's."""

    credential = forms.ModelChoiceField(
        Credential.objects.none(),
        required=False,
        error_messages={"invalid_choice": "This address names a credential that you do not have."},
    )

    def __init__(self, credentials: QuerySet[Credential], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.credentials = credentials
        choice = self.fields["credential"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101  (for the type checker)
        choice.queryset = credentials

    def said(self) -> dict[str, Any]:
        """Return the cleaned values. Raises `CannotShow` without a credential, or if the address makes no sense."""
        if not self.credentials:
            raise CannotShow(CannotShow.NO_CREDENTIAL)
        if not self.is_valid():
            wrong = next(str(error) for errors in self.errors.values() for error in errors)
            raise CannotShow(CannotShow.BAD_ADDRESS, wrong)
        return self.cleaned_data


class ListForm(_CredentialForm):
    """Query, order and place of a page of the list."""

    q = SearchField(required=False)
    sort = forms.ChoiceField(
        choices=[(name, name) for name in ORDERS],
        required=False,
        error_messages={"invalid_choice": "The list is sorted by activity, oldest or started."},
    )
    before = forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1, required=False, error_messages=_NO_PLACE)
    after = forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1, required=False, error_messages=_NO_PLACE)

    def query(self) -> ListQuery:
        """Return the query. Raises `CannotShow` if the reader has no credential, or the address makes no sense."""
        said = self.said()
        chosen: Credential | None = said["credential"]
        return ListQuery(
            credentials=[chosen] if chosen else list(self.credentials),
            credential=chosen,
            asked=syntax.read(said["q"]),
            stretch=Stretch(said["sort"] or "activity", said["before"], said["after"]),
        )


# Periods of the insights: the value in the address, and the name on the page.
PERIODS = {
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "1y": "Last 12 months",
    "all": "All time",
}
_USUAL = "30d"


@dataclass(frozen=True)
class InsightsQuery:
    """`period` is the first day and the day after the last; None for all time. `odd` says what was not understood."""

    credentials: list[Credential]
    credential: Credential | None
    period: tuple[date, date] | None
    period_name: str
    since: str
    until: str
    owner: str
    odd: list[str]


class InsightsForm(_CredentialForm):
    """A named period, or one from a day to another; the owner; and the credential to read through."""

    period = SearchField(required=False)
    since = SearchField(required=False)
    until = SearchField(required=False)
    owner = SearchField(required=False, max_length=200)

    def query(self) -> InsightsQuery:
        """Return the query. Raises `CannotShow` if the reader has no credential, or the address makes no sense."""
        said = self.said()
        chosen: Credential | None = said["credential"]
        name, since, until = said["period"], said["since"], said["until"]
        odd = []
        period = syntax.days(name if name in PERIODS and name != "all" else _USUAL)
        if since or until:
            ends = syntax.days(since) if since else None, syntax.days(until or "today")
            first, last = ends if since else (ends[1], ends[1])
            if first and last and first[0] < last[1]:
                period, name = (first[0], last[1]), ""
                odd += [doubt for value in (since, until) if (doubt := date_words.doubt(value))]
            else:
                odd.append(
                    f"From “{since[:40]}” to “{until[:40]}” is no time: each takes {syntax.TIMES}. "
                    f"The {PERIODS[_USUAL].lower()} are shown."
                )
                name = _USUAL
        elif name == "all":
            period = None
        elif name not in PERIODS:
            if name:
                odd.append(f"“{name[:40]}” is no period: the {PERIODS[_USUAL].lower()} are shown.")
            name = _USUAL
        return InsightsQuery(
            credentials=[chosen] if chosen else list(self.credentials),
            credential=chosen,
            period=period,
            period_name=name,
            since=since,
            until=until,
            owner=said["owner"].replace('"', " ").strip(),
            odd=odd,
        )


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


class FreshForm(forms.Form):
    """State of a page that asks for newer parts of itself. The page made this address, so errors are not reported."""

    revision = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)
    count = forms.IntegerField(min_value=0, max_value=10**6, required=False)
    shown = forms.CharField(max_length=64, required=False)
    looks = forms.IntegerField(min_value=1, max_value=1000)

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name in ("revision", "count"):
            self.cleaned_data[name] = self.cleaned_data.get(name) or 0
        return self.cleaned_data


class RowsForm(forms.Form):
    """The rows of a query to show. Values that make no sense are ignored: the table is shown all the same."""

    sort = forms.IntegerField(min_value=1, max_value=10_000, required=False)
    down = forms.BooleanField(required=False)
    rows = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)

    def wanted(self) -> dict[str, Any]:
        """Return arguments of `paging.page_of`: column to sort by (0: Omni's order), direction, and number of rows."""
        self.is_valid()
        said = self.cleaned_data
        return {
            "sort": said.get("sort") or 0,
            "descending": bool(said.get("down")),
            "most": max(said.get("rows") or 0, ROWS_A_PAGE),
        }
