"""Exports of whole searches: begin one, see how far it is, take the file."""

from functools import partial

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from conversations import tasks
from conversations.archive import background_health, search_exports
from conversations.archive.outcomes import CannotShow
from conversations.archive.search_exports import TooManyExports
from conversations.exports import selection
from conversations.models.search_export import SearchExport
from conversations.pages.errors import explain
from conversations.pages.export_record import record_export
from conversations.pages.list_forms import ListForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request, canonical


@require_http_methods(["GET", "POST"])
def exports(request: Request) -> HttpResponse:
    """Render the reader's exports; with POST, begin one of all that a query finds."""
    if request.method != "POST":
        found = list(SearchExport.objects.owned_by(request.user))
        return render(request, "conversations/export/searches.html", {"exports": found})
    form = ListForm(Credential.objects.held_by(request.user), request.POST)
    try:
        query = form.query()
        export = search_exports.begin(request.user, query.credentials, query.asked)
    except CannotShow as error:
        return explain(request, error)
    except TooManyExports:
        messages.error(request, "Your other exports are not ready yet. Start another when one of them is done.")
        return redirect("conversations:exports")
    tasks.nudge(tasks.search_exports)
    return redirect("conversations:export", export.pk)


@require_GET
def export(request: Request, pk: int) -> HttpResponse:
    """Render how far an export is."""
    found = get_object_or_404(SearchExport.objects.owned_by(request.user), pk=pk)
    if not found.is_ready:
        tasks.nudge(tasks.search_exports, found.not_before)
    context = {"export": found, "stands_still": None if found.is_ready else background_health.stands_still()}
    if request.htmx:
        return render(request, "conversations/export/_search_progress.html", context)
    return render(request, "conversations/export/search.html", context)


@require_http_methods(["POST"])
def remove(request: Request, pk: int) -> HttpResponse:
    """Remove an export, or stop one that is being read."""
    get_object_or_404(SearchExport.objects.owned_by(request.user), pk=pk).delete()
    messages.success(request, "The export was removed. Export the search again at any time.")
    return redirect("conversations:exports")


@require_GET
def file(request: Request, pk: int) -> HttpResponseBase:
    """Stream the zip of an export that is ready, by the rights of this moment."""
    found = get_object_or_404(SearchExport.objects.owned_by(request.user), pk=pk)
    if not found.is_ready:
        return redirect("conversations:export", pk)
    rows = search_exports.conversations(found)
    told = search_exports.not_included(found)
    pieces = selection.stream(request.user, rows, canonical(request, ""), partial(record_export, request), told)
    name = f"conversations-{timezone.localtime(found.made_at):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "application/zip"}
    return StreamingHttpResponse(pieces, headers=headers)
