"""Figures of the insights over time: states, time to answer, and the busiest hours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from conversations import rendering
from conversations.archive.insights import Insights
from conversations.archive.insights_spans import Span, joined
from conversations.charts import columns
from conversations.charts.columns import Column
from conversations.pages.insights_tables import COMPLETE, UNKNOWN, Cell, Figure, Links, Part, Row, named
from conversations.pages.insights_tiles import answers_with_a_job, length
from conversations.search.date_words import WEEKDAYS
from conversations.search.syntax import Filter

# Number of shades of the busiest hours.
_SHADES = 5
# Most columns of a chart on a phone, where each is to be as wide as a finger.
_NARROW_COLUMNS = 11
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# States that every chart shows, and others if there are any.
_ALWAYS: Final = ("failed", "unanswered")
Drawings = tuple[SafeString, SafeString]


class Figures:
    """Figures of these insights. A count of nothing is zero only if all is known.

    `is_all_read` says whether every conversation was read.
    """

    def __init__(self, found: Insights, links: Links, *, is_all_read: bool) -> None:
        self._found, self._links, self._is_all_read = found, links, is_all_read
        self._with_year = found.end.year != found.first.year
        self._states = [state for state in found.states if found.states[state] or state in _ALWAYS]

    def over_time(self, name: str) -> Figure:
        return self.outcomes() if name == "outcomes" else self.time_to_answer()

    def outcomes(self) -> Figure:
        """Return conversations by state; each counts once in a span, in the first state that it is in."""
        found, shown = self._found, [*self._states, COMPLETE, UNKNOWN]
        rows = []
        for span in found.spans:
            counts = self._counts(span)
            label = self._named(span)
            is_any = bool(span.questions)
            own = self._links.list(span=span) if is_any else ""
            said = (_said(self._counted(span, span.questions)), _said(self._counted(span, len(span.conversations))))
            cells = [Cell(text, own, label, text.replace(",", "")) for text in said]
            rows.append(
                Row(Cell(label, plain=f"{span.first}"), [*cells, *(self._cell(span, state, counts) for state in shown)])
            )
        note = f"A conversation counts once, in the first of these states that fits. {self._known}"
        return Figure(
            "outcomes",
            "Conversations by state",
            note,
            self._unit_of_time,
            ["Questions", "Conversations", *(state.capitalize() for state in shown)],
            rows[::-1],
            [Part(state, state.capitalize()) for state in shown],
            self._drawn("Conversations by state", self._stacked),
            self._links.file("outcomes"),
        )

    def _stacked(self, span: Span) -> Column:
        counts = self._counts(span)
        parts = [(state, float(count or 0)) for state, count in counts.items()]
        told = [f"{count:,} {state}" for state, count in counts.items() if count]
        conversations = len(span.conversations)
        said = f"{span.questions:,} question{'' if span.questions == 1 else 's'} in {conversations:,} conversation"
        said += "" if conversations == 1 else "s"
        if not span.questions:
            said = "no questions" if self._counted(span, 0) is not None else "nothing known"
        return self._column(span, ", ".join([said, *told]), parts if span.questions else [])

    def time_to_answer(self) -> Figure:
        rows = []
        for span in self._found.spans:
            if span.took:
                label = self._named(span)
                slowest = self._links.list(span=span, sort="slowest")
                texts = [(length(value), f"{value:g}") for value in (span.median, span.percentile) if value is not None]
                cells = [Cell(text, slowest, label, plain) for text, plain in [*texts, (f"{len(span.took):,}", "")]]
                rows.append(Row(Cell(label, plain=f"{span.first}"), cells))
        return Figure(
            "time",
            "Time to answer",
            "Time from question to answer: median and 95th percentile.",
            self._unit_of_time,
            ["Median", "95th percentile", "Answers"],
            rows[::-1],
            [Part("median", "Median"), Part("percentile", "95th percentile")],
            self._drawn("Time to answer", self._overlaid, of_seconds=True) if rows else None,
            self._links.file("time"),
        )

    def _overlaid(self, span: Span) -> Column:
        if not span.took:
            return self._column(span, "no answers", [])
        said = f"median {length(span.median)}, 95th percentile {length(span.percentile)}, {len(span.took):,} answers"
        return self._column(span, said, [("percentile", span.percentile or 0), ("median", span.median or 0)])

    def hours(self) -> Figure:
        found = self._found.hours
        most = max(found.values(), default=1)
        rows = []
        for place, weekday in enumerate(_WEEKDAYS):
            cells = []
            for hour in range(24):
                count = found.get((place, hour), 0)
                filters = Filter("weekday", WEEKDAYS[place]), Filter("hour", str(hour))
                address = self._links.list(*filters) if count else ""
                said = f"{weekday}, {hour}:00 to {hour}:59: {count:,} question{'' if count == 1 else 's'}"
                cells.append(Cell(f"{count:,}", address, said, str(count), -(-_SHADES * count // most)))
            rows.append(Row(Cell(weekday), cells))
        return Figure(
            "hours",
            "Busiest hours",
            f"Questions by weekday and hour, in your time zone ({timezone.get_current_timezone_name()}).",
            "Weekday",
            [f"{hour}" for hour in range(24)],
            rows,
            file_address=self._links.file("hours"),
            is_heat=True,
        )

    def _counts(self, span: Span) -> Mapping[str, int | None]:
        """Return how many conversations of the span count in each state; None if that is not known."""
        found, left = self._found, set(span.conversations)
        counts: dict[str, int | None] = {}
        for state in self._states:
            own = left & found.states[state]
            left -= own
            counts[state] = len(own) if own or self._is_told(span, state) else None
        complete = left & found.complete
        return {**counts, COMPLETE: len(complete), UNKNOWN: len(left - complete)}

    def _is_told(self, span: Span, state: str) -> bool:
        """Return whether no conversation in this state means none. Messages alone show that a question is open."""
        found = self._found
        is_told = state == "unanswered" or bool(span.within(found.known_in)) or not span.within(found.unknown_in)
        return is_told and (bool(span.questions) or self._counted(span, 0) is not None)

    def _cell(self, span: Span, state: str, counts: Mapping[str, int | None]) -> Cell:
        count = counts[state]
        if not span.questions and self._counted(span, 0) is None:
            count = None
        address = self._state_address(span, state) if count else ""
        text = _said(count)
        return Cell(text, address, f"{state}, {self._named(span)}", text.replace(",", ""))

    def _state_address(self, span: Span, state: str) -> str:
        """Return the list of a state's conversations; "" where no query tells them apart from others."""
        return self._links.state(state, self._states, span)

    def _counted(self, span: Span, count: int) -> int | None:
        """Return the count of that time; None if nothing was counted, but something may be missing."""
        is_known = self._is_all_read and span.first <= timezone.localdate()
        return count if count or is_known else None

    def _column(self, span: Span, said: str, parts: Sequence[tuple[str, float]]) -> Column:
        label = self._named(span)
        address = self._links.list(span=span) if span.questions else ""
        return Column(label.split(" – ")[0], f"{label}: {said}", address, parts)

    def _drawn(self, name: str, column: Callable[[Span], Column], *, of_seconds: bool = False) -> Drawings | None:
        """Return the chart for wide places, and one of fewer, longer spans for narrow ones."""
        if len(self._found.spans) < 2:  # noqa: PLR2004  (one is no comparison)
            return None
        stretches = (self._found.spans, columns.WIDE), (self._longer, columns.NARROW)
        wide, narrow = (
            rendering.drawn(
                columns.draw(
                    [column(span) for span in spans],
                    f"{name}, by time; arrow keys go from column to column",
                    width,
                    is_stacked=not of_seconds,
                    of_seconds=of_seconds,
                )
            )
            for spans, width in stretches
        )
        return wide, narrow

    @cached_property
    def _longer(self) -> list[Span]:
        return joined(self._found.spans, _NARROW_COLUMNS)

    @property
    def _known(self) -> str:
        """Return a sentence that says for how many answers the state is known."""
        total = self._found.total
        if not total.answers:
            return "No answer has a job id."
        return f"State known for {answers_with_a_job(total)}."

    @property
    def _unit_of_time(self) -> str:
        lengths = {(span.end - span.first).days for span in self._found.spans[1:-1]}
        longest = max(lengths, default=1)
        return next(name for most, name in ((1, "Day"), (7, "Week"), (31, "Month"), (366, "Year")) if longest <= most)

    def _named(self, span: Span) -> str:
        return named(span, with_year=self._with_year)


def _said(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"
