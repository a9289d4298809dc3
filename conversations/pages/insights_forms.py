"""Forms for the parameters of the insights' address."""

from dataclasses import dataclass
from datetime import date

from conversations.pages.list_forms import CredentialForm, SearchField
from conversations.search import date_words, syntax
from omniviewer.accounts.models import Credential

# Periods of the insights: the value in the address, and the name on the page.
PERIODS = {
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "1y": "Last 12 months",
    "all": "All time",
}
_USUAL_PERIOD = "30d"


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


class InsightsForm(CredentialForm):
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
        period = syntax.days(name if name in PERIODS and name != "all" else _USUAL_PERIOD)
        if since or until:
            ends = syntax.days(since) if since else None, syntax.days(until or "today")
            first, last = ends if since else (ends[1], ends[1])
            if first and last and first[0] < last[1]:
                period, name = (first[0], last[1]), ""
                odd += [doubt for value in (since, until) if (doubt := date_words.doubt(value))]
            else:
                odd.append(
                    f"From “{since[:40]}” to “{until[:40]}” is no time: each takes {syntax.TIMES}. "
                    f"The {PERIODS[_USUAL_PERIOD].lower()} are shown."
                )
                name = _USUAL_PERIOD
        elif name == "all":
            period = None
        elif name not in PERIODS:
            if name:
                odd.append(f"“{name[:40]}” is no period: the {PERIODS[_USUAL_PERIOD].lower()} are shown.")
            name = _USUAL_PERIOD
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
