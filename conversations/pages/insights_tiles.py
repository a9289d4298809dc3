"""Tiles of the insights: a figure of the whole period, its change on the period before, and its course."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.utils.safestring import SafeString

from conversations import rendering
from conversations.archive.answer_outcomes import NOBODY
from conversations.archive.insights import Insights, Totals
from conversations.archive.insights_spans import Span
from conversations.charts import columns
from conversations.pages.insights_tables import UNKNOWN, Cell, Figure, Links, Row
from conversations.search.syntax import Filter
from conversations.templatetags.moments import duration

_NONE: Final = "–"
# Below, a change is told as a number: percents of few say nothing.
_FEW = 10
Values = Sequence[float | None]


@dataclass(frozen=True)
class Change:
    """A change on the period before, in words; `arrow` is "up", "down" or "", and `tone` "better", "worse" or ""."""

    text: str
    arrow: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Measure:
    """A figure, its value and the one before as text, for a file too."""

    name: str
    text: str
    change: Change
    plain: str = ""
    plain_before: str = ""


@dataclass(frozen=True)
class Tile:
    title: str
    measures: list[Measure]
    note: str
    address: str = ""
    sparkline: SafeString | None = None
    opens: str = field(default="Show them in the list")


def tiles(found: Insights, links: Links) -> list[Tile]:
    """Return the six tiles."""
    total, before, spans = found.total, found.before, found.spans
    has_before = before is not None and bool(before.questions)
    failed, known = found.states["failed"], found.known_in

    def count(name: str, value: Callable[[Totals], int], tone: str = "") -> Measure:
        return _count(name, value(total), value(before) if before else None, has_before=has_before, worse=tone)

    def rate(name: str, value: Callable[[Totals], float | None], worse: str) -> Measure:
        return _rate(name, value(total), value(before) if before else None, has_before=has_before, worse=worse)

    def time(name: str, value: Callable[[Totals], float | None]) -> Measure:
        return _time(name, value(total), value(before) if before else None, has_before=has_before)

    return [
        Tile(
            "Questions",
            [count("Questions", lambda row: row.questions)],
            f"in {_conversations(total.conversations)}",
            links.list(),
            _line([span.questions for span in spans]),
        ),
        Tile(
            "People",
            [count("People", lambda row: row.people)],
            "who asked a question" if total.people else "Omni does not say who asked",
            "#people",
            _line([len({found.whose[key] for key in span.conversations} - {NOBODY}) for span in spans]),
            opens="Show the people",
        ),
        Tile(
            "Failure rate",
            [rate("Failure rate", lambda row: row.failure_rate, "up")],
            _known(total),
            links.list(Filter("state", "failed")) if total.failed and links.can_show("failed") else "",
            _line([_share(span, failed, known) for span in spans]),
        ),
        Tile(
            "Unanswered",
            [count("Unanswered", lambda row: row.unanswered, "up")],
            _open_questions(total),
            links.list(Filter("state", "unanswered")) if total.unanswered and links.can_show("unanswered") else "",
            _line([span.within(found.states["unanswered"]) for span in spans]),
        ),
        Tile(
            "Time to answer",
            [
                time("Median", lambda row: row.median),
                time("95th percentile", lambda row: row.percentile),
            ],
            f"of {len(total.took):,} answers with a known duration",
            links.list(sort="slowest") if total.took else "",
            _line([span.median for span in spans]),
            opens="Show the slowest first",
        ),
        Tile(
            "Coverage",
            [rate("Coverage", lambda row: row.coverage, "down")],
            f"state known for {answers_with_a_job(total)}" if total.answers else "No answer has a job id",
            links.state(UNKNOWN, found.states) if total.told < total.answers else "",
            _line([span.within(known) / len(span.conversations) if span.conversations else None for span in spans]),
            opens="Show those whose state is not known",
        ),
    ]


def summary(shown: Sequence[Tile], file_address: str) -> Figure:
    """Return the tiles as a table, for a file."""
    rows = [
        Row(Cell(measure.name), [Cell(measure.plain), Cell(measure.plain_before)])
        for tile in shown
        for measure in tile.measures
    ]
    columns_ = ["This period", "Period before"]
    return Figure("summary", "Summary", "", "Measure", columns_, rows, file_address=file_address)


def answers_with_a_job(total: Totals) -> str:
    """Return the words for how many answers have a known state: of those for which Omni names a job."""
    return f"{total.told:,} of {total.answers:,} answers with a job"


def _known(total: Totals) -> str:
    """Return the words for the conversations that the failure rate is of, and for those left out."""
    if not total.known:
        return "No state is known"
    said = f"{total.failed:,} of {total.known:,} conversations"
    left = total.conversations - total.known
    parts = [(total.only_asked, "unanswered"), (left - total.only_asked, "unknown")]
    others = " and ".join(f"{count:,} {name}" for count, name in parts if count)
    return f"{said}; {others} left out" if others else f"{said} whose state is known"


def _open_questions(total: Totals) -> str:
    """Return what is counted as unanswered, and how many of these the failure rate counts for an earlier answer."""
    said = "conversations that end with a question"
    answered = total.unanswered - total.only_asked
    return f"{said}; {answered:,} with an earlier answer" if answered else said


def _conversations(count: int) -> str:
    return f"{count:,} conversation{'' if count == 1 else 's'}"


def _line(values: Values) -> SafeString | None:
    drawn = columns.sparkline(values)
    return rendering.drawn(drawn) if drawn else None


def _share(span: Span, some: frozenset[int], of: frozenset[int]) -> float | None:
    count = span.within(of)
    return span.within(some) / count if count else None


def _count(name: str, now: int, before: int | None, *, has_before: bool, worse: str) -> Measure:
    plain = "" if before is None else str(before)
    if not has_before or before is None:
        return Measure(name, f"{now:,}", _NOTHING, str(now), plain)
    if now == before:
        return Measure(name, f"{now:,}", Change("no change"), str(now), plain)
    if before < _FEW:
        size = f"{abs(now - before):,} {'more' if now > before else 'fewer'}"
    else:
        size = percent(round(abs(now - before) / before, 2))
    return Measure(name, f"{now:,}", _changed(size, now - before, f"{before:,}", worse), str(now), plain)


def _rate(name: str, now: float | None, before: float | None, *, has_before: bool, worse: str) -> Measure:
    plain = "" if before is None else f"{before:.4f}"
    text = percent(now)
    own = "" if now is None else f"{now:.4f}"
    if not has_before or before is None or now is None:
        return Measure(name, text, _NOTHING, own, plain)
    points = round(100 * (now - before), 1)
    if not points:
        return Measure(name, text, Change("no change"), own, plain)
    return Measure(name, text, _changed(f"{abs(points):g} points", points, percent(before), worse), own, plain)


def _time(name: str, now: float | None, before: float | None, *, has_before: bool) -> Measure:
    plain = "" if before is None else f"{before:g}"
    text, own = (_NONE, "") if now is None else (length(now), f"{now:g}")
    if not has_before or before is None or now is None:
        return Measure(name, text, _NOTHING, own, plain)
    if length(now) == length(before):
        return Measure(name, text, Change("no change"), own, plain)
    return Measure(name, text, _changed(length(abs(now - before)), now - before, length(before), "up"), own, plain)


_NOTHING: Final = Change("nothing to compare")


def _changed(size: str, difference: float, before: str, worse: str) -> Change:
    arrow = "up" if difference > 0 else "down"
    tone = ("worse" if arrow == worse else "better") if worse else ""
    return Change(f"{size}, from {before}", arrow, tone)


def percent(share: float | None) -> str:
    """Return a share in percent; "–" if it is not known."""
    return _NONE if share is None else f"{100 * share:.1f}".removesuffix(".0") + "%"


def length(seconds: float | None) -> str:
    """Return a number of seconds in words; "–" if it is not known."""
    return _NONE if seconds is None else duration(timedelta(seconds=seconds))
