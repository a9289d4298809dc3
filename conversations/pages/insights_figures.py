"""Figures of the insights: each a chart and the same numbers as a table, with every number linked to its list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.archive.insights import Insights, Span
from conversations.charts import svg
from conversations.charts.labels import cut
from conversations.charts.spec import Plot
from conversations.models import Owner
from conversations.search.syntax import WEEKDAYS, Filter
from conversations.tables.parsing import Column
from conversations.templatetags.moments import duration

# Most bars of one chart, and most rows of its table.
_MAX_BARS, _MAX_ROWS = 20, 500
_MAX_LABEL_CHARS = 60
_NOBODY = "Not told by Omni"
# Number of shades of the busiest hours.
_SHADES = 5

# Values of each measure, by its name.
_Measures = Mapping[str, Sequence[Decimal | None]]


@dataclass(frozen=True)
class Cell:
    """A number and `address`, the list that it counts; "" if it counts nothing.

    `said` says what the number counts, for screen readers. `shade` is its share of the largest, from 0 to 5.
    """

    text: str
    address: str = ""
    said: str = ""
    shade: int = 0


@dataclass(frozen=True)
class Row:
    label: Cell
    cells: list[Cell]


@dataclass(frozen=True)
class Figure:
    """A chart and its table. `key` names the table's first column; `rest` counts the rows that are left out."""

    name: str
    title: str
    note: str
    key: str
    columns: list[str]
    rows: list[Row]
    plots: list[Plot] = field(default_factory=list)
    rest: int = 0
    is_heat: bool = False

    @property
    def drawings(self) -> list[tuple[SafeString, SafeString]]:
        """Return the charts as SVG, each for a desktop and for a phone."""
        pairs = [(svg.draw_within(plot), svg.draw_within(plot.narrow())) for plot in self.plots]
        return [(rendering.drawn(wide), rendering.drawn(narrow)) for wide, narrow in pairs]


class Figures:
    """Figures of these insights. `owner` and `credential` are the page's filters, and those of each linked list.

    A count of nothing is zero only if all is known: `is_all_read` says whether every conversation was read.
    """

    def __init__(
        self, found: Insights, owner: str, credential: str, names: dict[Owner, str], *, is_all_read: bool
    ) -> None:
        self._found = found
        self._is_all_read = is_all_read
        self._names = names
        self._owner = [Filter("owner", owner)] if owner else []
        self._credential = {"credential": credential} if credential else {}

    @property
    def last(self) -> date:
        """Return the last day of the period."""
        return self._found.end - timedelta(days=1)

    def all(self) -> list[Figure]:
        figures = [self._activity(), self._people(), self._topics(), self._time_to_answer(), self._trouble()]
        return [figure for figure in [*figures, self._hours()] if figure.rows]

    def _address(self, *filters: Filter, span: Span | None = None) -> str:
        """Return the address of the list of conversations with a question in that time that match all the filters."""
        first, last = (span.first, span.last) if span else (self._found.first, self.last)
        days = f"{first}" if first == last else f"{first}..{last}"
        own = self._owner if not any(row.name == "owner" for row in filters) else []
        text = " ".join(map(str, [Filter("asked", days), *own, *filters]))
        return f"{reverse('conversations:conversations')}?{urlencode({**self._credential, 'q': text})}"

    def _activity(self) -> Figure:
        spans = self._found.spans
        measures = {
            "conversations": [self._count(span, len(span.conversations)) for span in spans],
            "questions": [self._count(span, span.questions) for span in spans],
        }
        rows = [
            self._span_row(span, [_said(row[place]) for row in measures.values()], is_any=bool(span.questions))
            for place, span in enumerate(spans)
        ]
        return Figure(
            "activity",
            "Conversations and questions",
            "A conversation counts wherever something was asked in it.",
            self._unit_of_time,
            ["Conversations", "Questions"],
            rows[::-1],
            self._by_time(measures),
        )

    def _people(self) -> Figure:
        def named(owner: Owner) -> str:
            return self._names.get(owner) or owner.id or _NOBODY

        found = {owner: (named(owner), share) for owner, share in self._found.owners.items()}
        order = sorted(found, key=lambda owner: (-found[owner][1].questions, found[owner][0].casefold()))
        tokens = self._found.reader.tokens
        addresses = {owner: self._address(Filter("owner", owner.as_filter(tokens))) for owner in order if owner.id}
        rows = []
        for owner in order[:_MAX_ROWS]:
            name, share = found[owner]
            numbers = [str(share.conversations), str(share.questions)]
            rows.append(Row(Cell(name), [Cell(text, addresses.get(owner, ""), name) for text in numbers]))
        bars = [owner for owner in order if owner.id][:_MAX_BARS]
        plots = self._bars(
            "Asked by",
            {"questions": [Decimal(found[owner][1].questions) for owner in bars]},
            [found[owner][0] for owner in bars],
            [addresses[owner] for owner in bars],
            len(addresses),
        )
        rest = max(len(order) - _MAX_ROWS, 0)
        return Figure("people", "People", "", "Asked by", ["Conversations", "Questions"], rows, plots, rest)

    def _topics(self) -> Figure:
        found = self._found.topics
        order = sorted(found, key=lambda key: (-found[key][1], found[key][0].casefold()))
        addresses = {key: self._address(Filter("topic", f"={key}")) for key in order}
        rows = [
            Row(Cell(found[key][0]), [Cell(str(found[key][1]), addresses[key], found[key][0])])
            for key in order[:_MAX_ROWS]
        ]
        bars = order[:_MAX_BARS]
        measures = {"conversations": [Decimal(found[key][1]) for key in bars]}
        labels = [found[key][0] for key in bars]
        plots = self._bars("Topic", measures, labels, [addresses[key] for key in bars], len(order))
        rest = max(len(order) - _MAX_ROWS, 0)
        note = "Of conversations in which something was asked in this time."
        return Figure("topics", "Topics", f"{note} {self._share}", "Topic", ["Conversations"], rows, plots, rest)

    def _time_to_answer(self) -> Figure:
        spans = self._found.spans
        measures = {
            "median": [_seconds(span.median) for span in spans],
            "95 of 100": [_seconds(span.percentile) for span in spans],
        }
        rows = [
            self._span_row(span, [_length(span.median), _length(span.percentile), str(len(span.took))])
            for span in spans
            if span.took
        ]
        return Figure(
            "time",
            "Time to answer",
            "From a question to the answer that follows it: half of the answers were there by the median, 95 of 100 by "
            "the other.",
            self._unit_of_time,
            ["Median", "95 of 100", "Answers"],
            rows[::-1],
            self._by_time(measures, unit="sec") if rows else [],
        )

    def _trouble(self) -> Figure:
        found = self._found
        shown = [state for state in found.states if found.states[state] or state in ("unanswered", "failed")]
        rows = []
        for span in found.spans:
            counts = {state: self._state_count(span, state) for state in shown}
            if any(counts.values()):
                cells = [self._state_cell(span, state, count) for state, count in counts.items()]
                rows.append(Row(Cell(self._named(span)), cells))
        measures = {state: [self._state_count(span, state) for span in found.spans] for state in shown}
        links = [[self._address(Filter("state", state), span=span) for span in found.spans] for state in shown]
        return Figure(
            "trouble",
            "Failed and unanswered",
            f"Conversations of which that is so now. {self._share}",
            self._unit_of_time,
            [state.capitalize() for state in shown],
            rows[::-1],
            self._by_time(measures, links) if rows else [],
        )

    def _count(self, span: Span, count: int) -> Decimal | None:
        """Return the count of that time; None if nothing was counted, but something may be missing."""
        is_known = self._is_all_read and span.first <= timezone.localdate()
        return Decimal(count) if count or is_known else None

    def _state_count(self, span: Span, state: str) -> Decimal | None:
        found = self._found
        count = span.within(found.states[state])
        # Messages show that a question has no answer; every other state is known from the job alone.
        is_told = state == "unanswered" or span.within(found.known_in) or not span.within(found.unknown_in)
        if count or (is_told and span.questions):
            return Decimal(count)
        return self._count(span, 0) if is_told else None

    def _state_cell(self, span: Span, state: str, count: Decimal | None) -> Cell:
        address = self._address(Filter("state", state), span=span) if count else ""
        return Cell(_said(count), address, f"{state}, {self._named(span)}")

    def _hours(self) -> Figure:
        found = self._found.hours
        most = max(found.values(), default=1)
        rows = []
        for place, weekday in enumerate(_WEEKDAYS):
            cells = []
            for hour in range(24):
                count = found.get((place, hour), 0)
                filters = Filter("weekday", WEEKDAYS[place]), Filter("hour", str(hour))
                address = self._address(*filters) if count else ""
                cells.append(Cell(str(count), address, f"{weekday}, {hour} h", -(-_SHADES * count // most)))
            rows.append(Row(Cell(weekday), cells))
        by_hour = [sum(found.get((day, hour), 0) for day in range(7)) for hour in range(24)]
        plots = self._bars(
            "Hour",
            {"questions": [Decimal(count) for count in by_hour]},
            [str(hour) for hour in range(24)],
            [self._address(Filter("hour", str(hour))) for hour in range(24)],
            24,
        )
        note = "Questions by hour and weekday, in your time zone."
        columns = [str(hour) for hour in range(24)]
        return Figure("hours", "Busiest hours", note, "Weekday", columns, rows, plots, is_heat=True)

    @property
    def _share(self) -> str:
        """Return a sentence that says for how many answers the outcome is known."""
        found = self._found
        if not found.answers:
            return "No answer in it tells of the job that made it."
        return f"Known for {found.known:,} of {found.answers:,} answers: those whose evidence was captured."

    @property
    def _unit_of_time(self) -> str:
        lengths = {(span.end - span.first).days for span in self._found.spans[1:-1]}
        longest = max(lengths, default=1)
        return next(name for most, name in ((1, "Day"), (7, "Week"), (31, "Month"), (366, "Year")) if longest <= most)

    def _named(self, span: Span) -> str:
        this_year = self._found.end.year == self._found.first.year
        pattern = "j M" if this_year else "j M Y"
        if span.first == span.last:
            return date_format(span.first, pattern)
        return f"{date_format(span.first, pattern)} – {date_format(span.last, pattern)}"

    def _span_row(self, span: Span, texts: Sequence[str], *, is_any: bool = True) -> Row:
        address = self._address(span=span) if is_any else ""
        return Row(Cell(self._named(span)), [Cell(text, address, self._named(span)) for text in texts])

    def _by_time(self, measures: _Measures, links: Iterable[Iterable[str]] = (), unit: str = "") -> list[Plot]:
        spans = self._found.spans
        if len(spans) < 2:  # noqa: PLR2004  (one is no comparison)
            return []
        times = [datetime.combine(span.first, time.min) for span in spans]
        same = [self._address(span=span) for span in spans]
        addresses = tuple(map(tuple, links or [same] * len(measures)))
        drawn = [place for place, row in enumerate(measures.values()) if any(value is not None for value in row)]
        if not drawn:
            return []
        labels = [self._named(span).split(" – ")[0] for span in spans]
        columns = [_columns(measures)[place] for place in drawn]
        addresses = tuple(addresses[place] for place in drawn)
        return [Plot("", Column(1, "", is_number=False), labels, times, columns, unit, links=addresses)]

    def _bars(self, key: str, measures: _Measures, labels: list[str], links: list[str], in_all: int) -> list[Plot]:
        if len(labels) < 2:  # noqa: PLR2004
            return []
        named = [cut(label, _MAX_LABEL_CHARS) for label in labels]
        column = Column(1, key, is_number=False)
        more = in_all if in_all > len(labels) else 0
        return [Plot("", column, named, None, _columns(measures), "", more, links=(tuple(links),))]


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _columns(measures: _Measures) -> list[tuple[Column, list[Decimal | None]]]:
    return [
        (Column(place, name, is_number=True), list(row)) for place, (name, row) in enumerate(measures.items(), start=2)
    ]


def _said(count: Decimal | None) -> str:
    return "–" if count is None else str(count)


def _seconds(length: float | None) -> Decimal | None:
    return None if length is None else Decimal(str(round(length, 1)))


def _length(length: float | None) -> str:
    return "–" if length is None else duration(timedelta(seconds=length))
