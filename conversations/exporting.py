"""A thread, taken along as a file."""

from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from conversations import archive, export, tasks
from conversations import for_ticket as ticket
from conversations.archive import CannotShow, Opened
from conversations.explaining import explain
from omniviewer.accounts.requests import Request, canonical
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

_TYPES = {"md": "text/markdown", "json": "application/json", "csv": "text/csv"}


@require_safe
def export_thread(request: Request, omni_id: UUID, extension: str) -> HttpResponseBase:
    """As Markdown, as JSON or as CSV: what the thread's page would show, in the reader's time zone."""
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        trail.record(request, Kind.EXPORTED, result=error.why, conversation_id=omni_id)
        return explain(request, error)
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, instance=opened.conversation.instance)
    tasks.want(opened)
    return _file(request, opened, extension)


@require_safe
def for_ticket(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponse:
    """A message, or the thread, as the page's script puts it on the clipboard: `{"text", "html"}`."""
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        return explain(request, error)
    conversation = opened.conversation
    address = canonical(request, conversation.get_absolute_url())
    thread = {message.position: message for message in conversation.thread}
    if position is None:
        said = ticket.of_thread(conversation, address)
    elif position in thread:
        before = thread.get(position - 1)
        question = before if before and before.is_question and not thread[position].is_question else None
        said = ticket.of_message(thread[position], question, address)
    else:
        raise Http404
    trail.record(request, Kind.EXPORTED, conversation_id=omni_id, position=position, instance=conversation.instance)
    tasks.want(opened)
    return JsonResponse(said)


def _file(request: Request, opened: Opened, extension: str) -> HttpResponseBase:
    conversation = opened.conversation
    address = canonical(request, conversation.get_absolute_url())
    headers = {
        "Content-Disposition": f'attachment; filename="{export.file_name(conversation, extension)}"',
        # Whatever is in it, no browser shows it as a page of ours.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    content_type = f"{_TYPES[extension]}; charset=utf-8"
    if extension == "csv":
        return StreamingHttpResponse(export.as_csv(conversation, address), content_type=content_type, headers=headers)
    text = export.as_json(conversation, address) if extension == "json" else export.as_markdown(conversation, address)
    return HttpResponse(text, content_type=content_type, headers=headers)
