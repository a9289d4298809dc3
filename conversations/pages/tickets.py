"""Tickets of a conversation, linked and removed by hand."""

from http import HTTPStatus
from uuid import UUID

from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from conversations import tasks
from conversations.archive import threads
from conversations.models import TicketReference, ticket_names
from conversations.models.hold import is_held
from conversations.pages import thread_context
from conversations.pages.errors import explains_refusals
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@explains_refusals()
def add(request: Request, omni_id: UUID) -> HttpResponseBase:
    """Link the conversation to a ticket, by hand."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("conversations:conversation", omni_id)
    opened = threads.open(request.user, omni_id)
    ticket = ticket_names.read(request.POST.get("ticket", ""))
    if ticket and TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=True):
        tasks.queue_capture(opened)
        return redirect(f"{opened.conversation.get_absolute_url()}#details")
    wrong = (
        "This conversation has too many tickets. Remove one first."
        if ticket
        else "Use a ticket number such as ABC-123."
    )
    extra = {"ticket_error": wrong, "ticket_text": request.POST.get("ticket", "")}
    return thread_context.render_thread(request, opened, extra, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@explains_refusals()
def remove(request: Request, omni_id: UUID) -> HttpResponseBase:
    """Remove a ticket from the conversation, and offer to put it back."""
    if request.method != "POST":
        return redirect("conversations:conversation", omni_id)
    opened = threads.open(request.user, omni_id)
    ticket = ticket_names.read(request.POST.get("ticket", ""))
    if ticket and is_held(opened.conversation):
        stays = {"ticket_error": "This conversation is on hold, so its tickets cannot be removed."}
        return thread_context.render_thread(request, opened, stays, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    removed = ticket and TicketReference.objects.remove(opened.conversation, ticket)
    if removed:
        about: trail.About = {"conversation_id": omni_id, "instance": opened.conversation.instance, "ticket": ticket}
        trail.record(request, Kind.TICKET_REMOVED, **about)
    return thread_context.render_thread(request, opened, {"removed_ticket": ticket if removed else None})
