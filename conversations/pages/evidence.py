"""Pages of an answer's evidence; with htmx, the part of the thread that shows it."""

import re
from http import HTTPStatus
from typing import Any, Unpack
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_safe

from conversations import tasks
from conversations.archive import evidence, evidence_status, threads
from conversations.archive.evidence import Evidence, NoMessage
from conversations.charts import spec
from conversations.models import Action, AnswerStatus
from conversations.pages import evidence_context
from conversations.pages.errors import explains_refusals
from conversations.pages.list_place import ListPlace
from conversations.pages.part_forms import FreshForm, RowsForm
from conversations.rendering import trusted
from conversations.search import highlight, syntax
from conversations.search.syntax import Asked
from conversations.tables import paging, parsing
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.omni import OmniError

_STATUS = {
    AnswerStatus.UNREACHED: HTTPStatus.SERVICE_UNAVAILABLE,
    AnswerStatus.HIDDEN: HTTPStatus.NOT_FOUND,
}


@require_safe
@explains_refusals()
def page(request: Request, omni_id: UUID, position: int) -> HttpResponse:
    """Render each action in order, each query with its rows, and the charts."""
    found = evidence.open(request.user, omni_id, position, with_rows=True)
    about: trail.About = {"conversation_id": omni_id, "position": position}
    if found.is_new:
        trail.record(request, Kind.CAPTURED, **about)
    _record(request, **about)
    summary = found.summary
    # Headings of the parts stand below the page's own, or else below the message's.
    context = _context(found) | {"summary": summary, "level": 3 if request.htmx else 2}
    context["steps"] = evidence_context.steps(found)
    if request.htmx:  # a part of a page takes in whatever it says, and its pictures come later if Omni has to be asked
        context["charts"] = None if evidence.must_ask_for_chart(found) else evidence_context.charts(found)
        return render(request, "conversations/evidence/_evidence.html", context)
    # In a thread, this time stands above the summary.
    context["took"] = summary.took if summary and summary.took is not None else found.message.took
    context["charts"] = evidence_context.charts(found)  # a page without a script cannot ask for them later
    status = _STATUS.get(found.status, HTTPStatus.OK)
    return render(request, "conversations/evidence/evidence.html", context, status=status)


@require_safe
@explains_refusals()
def rows(request: Request, omni_id: UUID, position: int, number: int) -> HttpResponse:
    """Render rows of one query, with the order and number that the address asks for."""
    found, action = _query(request, omni_id, position, number)
    _record(request, conversation_id=omni_id, position=position)
    context = _context(found) | {"shown": paging.page_of(action, **RowsForm(request.GET).wanted())}
    context["drawn"] = spec.drawings(action)
    # The order of the rows has the same name as that of the list.
    place = {name: value for name, value in ListPlace(request.user, request.GET).given.items() if name != "sort"}
    context["within_list"] = f"?{urlencode(place)}" if place else ""
    if request.htmx:
        return render(request, "conversations/evidence/_query_rows.html", context)
    return render(
        request, "conversations/evidence/query.html", context | _marked(action, syntax.read(request.GET.get("q", "")))
    )


def _marked(action: Action, sought: Asked) -> dict[str, Any]:
    """Return the name and fields of a query for query.html, with the words of a search highlighted."""
    fields = action.query_fields
    said = highlight.matches(f"{action.title} {fields.table} {fields.on_a_line}", sought.wanted)
    context = {"query": fields, "action": action, "is_json_open": bool(sought.wanted) and not said}
    html = render_to_string("conversations/evidence/_query_fields.html", context)
    return {
        "title": highlight.pieces(action.title, sought.wanted),
        "fields": trusted(highlight.marked(html, sought.wanted).html if sought.wanted else html),
    }


@require_safe
@explains_refusals(Kind.EXPORTED)
def rows_csv(request: Request, omni_id: UUID, position: int, number: int) -> HttpResponseBase:
    """Return all rows that Omni gave, as a file for spreadsheets."""
    _, action = _query(request, omni_id, position, number)
    table = action.table
    if table is None:
        raise Http404
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, position=position)
    name = re.sub(r"[^\w-]+", "-", action.title, flags=re.ASCII).strip("-")[:60] or f"query-{number}"
    name = f"{name}-{str(omni_id)[:8]}-{position}-{timezone.localdate(action.job.kept_at):%Y-%m-%d}"
    return StreamingHttpResponse(
        parsing.as_csv(*table.for_file()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _query(request: Request, omni_id: UUID, position: int, number: int) -> tuple[Evidence, Action]:
    """Return a query and its evidence. Raises `CannotShow` or `Http404`."""
    try:
        found = evidence.open(request.user, omni_id, position)
    except NoMessage:
        raise Http404 from None
    action = next((action for action in found.queries if action.number == number), None)
    if action is None:
        raise Http404
    return found, action


def _record(request: Request, **about: Unpack[trail.About]) -> None:
    """Record the reading; a part of a thread only if opening the thread has not done so."""
    note = sessions.record_once if request.htmx else trail.record
    note(request, Kind.OPENED, **about)


def _context(found: Evidence) -> dict[str, Any]:
    return {
        "conversation": found.opened.conversation,
        "message": found.message,
        "evidence": found,
        "status": found.status,
        "evidence_address": f"{found.message.get_absolute_url()}evidence/",
    }


@require_safe
@explains_refusals()
def keep(request: Request, omni_id: UUID, position: int) -> HttpResponse:
    """Store the evidence of an answer at once; render its line as it is then."""
    if not request.htmx:
        return redirect("conversations:evidence", omni_id, position)
    found = evidence.open(request.user, omni_id, position)
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id, position=position)
    failure = found.failure
    try:
        evidence.open_chart(found)
    except OmniError as error:
        failure = error
    if found.is_new:
        trail.record(request, Kind.CAPTURED, conversation_id=omni_id, position=position)
    summary = evidence_status.by_position(found.opened, [position]).get(position)
    if summary is None:
        raise Http404
    context = {"conversation": found.opened.conversation, "summary": summary, "failure": failure}
    return render(request, "conversations/evidence/_answer_status.html", context)


@require_safe
@explains_refusals()
def answer_statuses(request: Request, omni_id: UUID) -> HttpResponse:
    """Render the evidence lines of a page that shows `count` messages, while some are being captured."""
    form = FreshForm(request.GET)
    if not request.htmx or not form.is_valid():
        return redirect("conversations:conversation", omni_id)
    opened = threads.open(request.user, omni_id)
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
    # Start a worker again, should the last one have been killed.
    tasks.nudge(tasks.capture)
    count = form.cleaned_data["count"]
    context = evidence_context.answer_statuses(opened, form.cleaned_data["looks"])
    context |= {
        "conversation": opened.conversation,
        # The page cannot replace the summaries of messages that it does not show yet.
        "summaries": {position: summary for position, summary in context["summaries"].items() if position <= count},
    }
    return render(request, "conversations/evidence/_answer_statuses.html", context)
