"""The insights: counts over what the reader may read, each leading to the list that it counts."""

from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from conversations import tasks
from conversations.archive import insights as archive_insights
from conversations.archive.insights_spans import Span
from conversations.archive.outcomes import CannotShow
from conversations.pages import list_context
from conversations.pages.errors import explain
from conversations.pages.insights_blocks import Counts, Ranked
from conversations.pages.insights_forms import PERIODS, BlockForm, InsightsForm
from conversations.pages.insights_tables import named
from conversations.tables import parsing
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@require_safe
def page(request: Request) -> HttpResponse:
    credentials = Credential.objects.held_by(request.user)
    form = InsightsForm(credentials, request.GET)
    try:
        query = form.query()
        counts = Counts(request.user, query)
        found = counts.found
    except CannotShow as error:
        return explain(request, error)
    tasks.nudge_sync(found.scope.walks)
    if query.asked:
        trail.record(request, Kind.SEARCHED)
    context = {
        "query": query,
        "asked": found.scope.asked,
        "credentials": credentials,
        "presets": _presets(counts),
        "found": found,
        "compared_with": _compared_with(counts),
        "notice": found.scope.notice,
        "odd": list(dict.fromkeys([*query.odd, *found.scope.odd])),
        "links": counts.links,
        "list_address": counts.links.list(),
        "all_time_address": counts.links.page(period="all", since="", until=""),
        "zone": timezone.get_current_timezone_name(),
        **_blocks(counts),
        **list_context.owners(query.credentials, query.owner),
        **counts.covered,
    }
    return render(request, "conversations/insights/insights.html", context)


def _blocks(counts: Counts) -> dict[str, Any]:
    """Return the tiles and figures, without empty ones; nothing if nothing was asked."""
    if not counts.found.total.questions:
        return {}
    figures = {name: counts.block(name) for name in ("outcomes", "time", "topics", "people", "hours")}
    shown = {name: figure for name, figure in figures.items() if figure.rows}
    return {"tiles": counts.tiles, "summary_address": counts.links.file("summary"), "figures": shown}


def _presets(counts: Counts) -> list[tuple[str, str, bool]]:
    """Return name, address and whether it is shown now, of each period that has a name."""
    chosen = counts.query.period_name
    return [
        (said, counts.links.page(period=name, since="", until=""), name == chosen) for name, said in PERIODS.items()
    ]


def _compared_with(counts: Counts) -> str:
    """Return the days of the period before; "" if there is nothing to compare with."""
    found = counts.found
    if found.before is None or not found.before.questions:
        return ""
    return named(Span(*archive_insights.before(found.first, found.end)), with_year=True)


@require_safe
def questions(request: Request) -> HttpResponse:
    """Render the questions asked most and the slowest answers: for the page, which does not wait for them."""
    form = InsightsForm(Credential.objects.held_by(request.user), request.GET)
    try:
        query = form.query()
        ranked = Ranked(request.user, query)
        context = {"query": query, "figures": [ranked.block(name) for name in Ranked.NAMES], "links": ranked.links}
    except CannotShow as error:
        return explain(request, error)
    if request.htmx:
        return render(request, "conversations/insights/_rankings.html", context)
    return render(request, "conversations/insights/rankings.html", context)


@require_safe
def csv(request: Request) -> HttpResponseBase:
    """Return a block of the page as a file for spreadsheets."""
    block = BlockForm(request.GET).name()
    if not block:
        raise Http404
    form = InsightsForm(Credential.objects.held_by(request.user), request.GET)
    try:
        query = form.query()
        of_block = Ranked(request.user, query) if block in Ranked.NAMES else Counts(request.user, query)
        figure = of_block.block(block)
    except CannotShow as error:
        return explain(request, error)
    trail.record(request, Kind.EXPORTED)
    return StreamingHttpResponse(
        parsing.as_csv(figure.columns_for_file, figure.for_file()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="insights-{block}-{timezone.localdate()}.csv"'},
    )
