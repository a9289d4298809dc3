"""Forms for the parameters of the insights' address."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django import forms

from conversations.archive.insights_scope import typed_with
from conversations.pages.list_forms import CredentialForm, SearchField
from conversations.search import date_words, syntax
from conversations.search.syntax import Asked, Filter
from omniviewer.accounts.models import Credential

# Periods of the insights: the value in the address, and the name on the page.
PERIODS: Final = {
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 3 months",
    "1y": "Last 12 months",
    "all": "All time",
}
_USUAL_PERIOD = "30d"
# Blocks of the page: the value in the address of a file.
BLOCKS: Final = ("summary", "outcomes", "time", "topics", "people", "questions", "slowest", "hours")


@dataclass(frozen=True)
class InsightsQuery:
    """`period` is the first day and the day after the last; None for all time. `odd` says what was not understood.

    `asked` is the search query without `asked:`, which is the period.
    """

    credentials: list[Credential]
    credential: Credential | None
    period: tuple[date, date] | None
    period_name: str
    since: str
    until: str
    asked: Asked
    odd: list[str]

    @property
    def calendar(self) -> tuple[str, str]:
        """Return the first and the last day as ISO dates; "" for both of all time."""
        return _calendar(self.period)

    @property
    def owner(self) -> str:
        """Return the one person who is asked for; "" for nobody or several."""
        names = self.asked.values("owner")
        return names[0] if len(names) == 1 else ""

    @property
    def without_owner(self) -> str:
        """Return the text of the search besides the one person."""
        return self.asked.without(Filter("owner", self.owner)).typed if self.owner else self.asked.typed

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of this very page."""
        days = {"since": self.since, "until": self.until} if not self.period_name else {"period": self.period_name}
        kept = {"credential": str(self.credential.pk) if self.credential else "", "q": self.asked.typed, **days}
        return {name: value for name, value in kept.items() if value}


class InsightsForm(CredentialForm):
    """A search query; a named period, or one from a day to another; a person; and the credential to read through."""

    q = SearchField(required=False)
    period = SearchField(required=False)
    since = SearchField(required=False)
    until = SearchField(required=False)
    owner = SearchField(required=False, max_length=200)

    def query(self) -> InsightsQuery:
        """Return the query. Raises `CannotShow` if the reader has no credential, or the address makes no sense."""
        said = self.said()
        chosen: Credential | None = said["credential"]
        name, since, until = said["period"], said["since"], said["until"]
        typed = syntax.read(said["q"])
        asked, within, odd = _without_time(typed)
        if within:
            name, since, until = "", within[0], within[1]
        owner = said["owner"].replace('"', " ").strip()
        if owner:
            asked = syntax.read(typed_with(asked, Filter("owner", owner)))
        if name and (since, until) == _calendar(date_words.days(name) if name in PERIODS else None):
            # The form sends the days of a named period along, which goes on by its name.
            since = until = ""
        period = date_words.days(name if name in PERIODS and name != "all" else _USUAL_PERIOD)
        if since or until:
            ends = date_words.days(since) if since else None, date_words.days(until or "today")
            first, last = ends if since else (ends[1], ends[1])
            if first and last and first[0] < last[1]:
                period, name = (first[0], last[1]), ""
                odd += [doubt for value in (since, until) if (doubt := date_words.doubt(value))]
            else:
                odd.append(f"{_wrong(since, until)} Showing the {PERIODS[_USUAL_PERIOD].lower()}.")
                name = _USUAL_PERIOD
        elif name == "all":
            period = None
        elif name not in PERIODS:
            if name:
                odd.append(f"“{name[:40]}” is not a period. Showing the {PERIODS[_USUAL_PERIOD].lower()}.")
            name = _USUAL_PERIOD
        return InsightsQuery(
            credentials=[chosen] if chosen else list(self.credentials),
            credential=chosen,
            period=period,
            period_name=name,
            since=since,
            until=until,
            asked=asked,
            odd=odd,
        )


class BlockForm(forms.Form):
    """The block of the page that a file holds."""

    block = forms.ChoiceField(choices=[(name, name) for name in BLOCKS], required=False)

    def name(self) -> str:
        """Return the block; "" if the address names none that there is."""
        return (self.cleaned_data["block"] or BLOCKS[0]) if self.is_valid() else ""


def _calendar(period: tuple[date, date] | None) -> tuple[str, str]:
    return (period[0].isoformat(), (period[1] - timedelta(days=1)).isoformat()) if period else ("", "")


def _wrong(since: str, until: str) -> str:
    """Return a sentence on two days that make no period."""
    for value in (since, until):
        if value and date_words.days(value) is None:
            return f"“{value[:40]}” is not a date. Try {date_words.TIMES}."
    return f"“{since[:40]}” is after “{until[:40] or 'today'}”."


def _without_time(typed: Asked) -> tuple[Asked, tuple[str, str] | None, list[str]]:
    """Return the query without `asked:`, its first and last day, and what was not understood of it."""
    times = typed.values("asked")
    if not times:
        return typed, None, []
    asked = typed.replaced("asked", "")
    odd = [sentence for sentence in typed.odd if sentence not in asked.odd]
    if len(times) > 1:
        odd.append("Insights use one “asked:”: the others were left out.")
    found = date_words.days(times[0])
    if not found:
        return asked, None, odd
    return asked, (found[0].isoformat(), (found[1] - timedelta(days=1)).isoformat()), odd
