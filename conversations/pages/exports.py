"""Exports of a thread: as a file, for printing, and for a ticket."""

from collections.abc import Iterator
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from conversations import tasks
from conversations.archive import threads
from conversations.archive.outcomes import Opened
from conversations.exports import bundle, document, formats, outcomes
from conversations.exports import clipboard as ticket
from conversations.pages import evidence_context
from conversations.pages.errors import explains_refusals
from conversations.pages.part_forms import FreshForm
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request, canonical
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

_TYPES = {
    "md": "text/markdown; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "zip": "application/zip",
}


@require_safe
@explains_refusals(Kind.EXPORTED)
def export_thread(request: Request, omni_id: UUID, extension: str) -> HttpResponseBase:
    """Return the thread as a file, in the reader's time zone; as a zip, with its stored evidence."""
    opened = threads.open(request.user, omni_id)
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, instance=opened.conversation.instance)
    tasks.queue_capture(opened)
    return _file(request, opened, extension)


@require_safe
@explains_refusals(Kind.EXPORTED)
def print_page(request: Request, omni_id: UUID) -> HttpResponse:
    """Render the thread with its stored evidence for printing, without asking Omni for more evidence."""
    opened = threads.open(request.user, omni_id)
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, instance=opened.conversation.instance)
    tasks.queue_capture(opened)
    address = canonical(request, opened.conversation.get_absolute_url())
    return render(request, "conversations/export/print.html", document.context(opened, request.user, address))


@require_safe
@explains_refusals(Kind.EXPORTED)
def for_ticket(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponse:
    """Return a message, or the thread, for the page's script to put on the clipboard: `{"text", "html"}`."""
    opened = threads.open(request.user, omni_id)
    conversation = opened.conversation
    address = canonical(request, conversation.get_absolute_url())
    thread = {message.position: message for message in conversation.thread}
    if position is None:
        said = ticket.of_thread(opened, address)
    elif position in thread:
        before = thread.get(position - 1)
        question = before if before and before.is_question and not thread[position].is_question else None
        said = ticket.of_message(opened, thread[position], question, address)
    else:
        raise Http404
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, position=position, instance=conversation.instance)
    tasks.queue_capture(opened)
    return JsonResponse(said)


def _file(request: Request, opened: Opened, extension: str) -> HttpResponseBase:
    conversation = opened.conversation
    address = canonical(request, conversation.get_absolute_url())
    headers = {
        "Content-Disposition": f'attachment; filename="{formats.file_name(conversation, extension)}"',
        # Whatever the file holds, no browser may show it as a page of this site.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if extension == "html":
        # The file brings its own styles; it still gets neither a script nor this site's origin.
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    content: str | Iterator[str] | Iterator[bytes]
    if extension == "zip":
        content = bundle.stream(opened, request.user, address)
    elif extension == "html":
        content = document.as_html(opened, request.user, address)
    elif extension == "csv":
        content = formats.as_csv(conversation, address, outcomes.told(opened))
    elif extension == "json":
        content = formats.as_json(conversation, address, outcomes.told(opened))
    else:
        content = formats.as_markdown(conversation, address, outcomes.told(opened))
    answer = HttpResponse if isinstance(content, str) else StreamingHttpResponse
    return answer(content, content_type=_TYPES[extension], headers=headers)


@require_safe
@explains_refusals()
def bundle_page(request: Request, omni_id: UUID) -> HttpResponse:
    """Render what the evidence bundle will hold and the progress of capture; with htmx, only that part."""
    form = FreshForm(request.GET)
    opened = threads.open(request.user, omni_id)
    tasks.queue_capture(opened)
    context = evidence_context.bundle(opened, form.cleaned_data["looks"] if form.is_valid() else 0)
    if request.htmx:
        tasks.nudge(tasks.capture)
        sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
        return render(request, "conversations/export/_bundle_progress.html", context)
    trail.record(request, Kind.OPENED, conversation_id=omni_id, instance=opened.conversation.instance)
    return render(request, "conversations/export/bundle.html", context)
