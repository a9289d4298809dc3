"""Four beats a view: fetch, ask, shape, render. The pages; what htmx asks for stands in fragments.py."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations import archive, tasks
from conversations.archive import CannotShow
from conversations.models import TicketReference, Visit, ticket_names
from conversations.pages import shaping, thread_context
from conversations.pages.errors import not_opened
from conversations.pages.refresh import ask, refreshed
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@require_safe
def conversation(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponse:
    """A thread; with `position`, opened and focused at that message."""
    try:
        opened = archive.open_conversation(request.user, omni_id, ask=ask(request))
    except CannotShow as error:
        return not_opened(request, error, omni_id, position)
    if "refresh" in request.GET and not opened.notice:
        return refreshed(request)
    came_from = request.GET.get("ticket", "")
    ticket = ticket_names.read(came_from)
    # A link of another site may lead here, and not write by itself: then the ticket is only proposed.
    is_link = request.method == "GET" and sessions.arrives(request)
    if ticket and is_link:
        TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=False)
    tasks.want(opened)
    Visit.objects.note(request.user, opened.conversation)
    context = shaping.thread(request.user, opened) | thread_context.of(request, opened.conversation)
    missing = position is not None and not 1 <= position <= context["count"]
    context |= {
        "focus": position,
        "missing": position if missing else None,
        "ticket_text": "" if is_link else ticket or "",
        "odd_ticket": "" if ticket else came_from.strip(),
    }
    return _thread_page(request, context, HTTPStatus.NOT_FOUND if missing else HTTPStatus.OK)


def add_ticket(request: Request, omni_id: UUID) -> HttpResponse:
    """A reader says by hand that the conversation belongs to a ticket."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("conversations:conversation", omni_id)
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        return not_opened(request, error, omni_id)
    ticket = ticket_names.read(request.POST.get("ticket", ""))
    if ticket and TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=True):
        tasks.want(opened)
        return redirect(opened.conversation)
    wrong = "It has too many tickets already: remove one." if ticket else "This is not how tickets are named here."
    context = shaping.thread(request.user, opened)
    context |= {"ticket_error": wrong, "ticket_text": request.POST.get("ticket", "")}
    return _thread_page(request, context, HTTPStatus.UNPROCESSABLE_ENTITY)


def remove_ticket(request: Request, omni_id: UUID) -> HttpResponse:
    """Likewise that it does not; the page then offers to put it back."""
    if request.method != "POST":
        return redirect("conversations:conversation", omni_id)
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        return not_opened(request, error, omni_id)
    ticket = ticket_names.read(request.POST.get("ticket", ""))
    removed = ticket and TicketReference.objects.remove(opened.conversation, ticket)
    if removed:
        about: trail.About = {"conversation_id": omni_id, "instance": opened.conversation.instance, "ticket": ticket}
        trail.record(request, Kind.TICKET_REMOVED, **about)
    context = shaping.thread(request.user, opened) | {"removed_ticket": ticket if removed else None}
    return _thread_page(request, context)


def _thread_page(request: Request, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    shown, came_from = context["conversation"], ticket_names.read(request.GET.get("ticket", ""))
    about: trail.About = {"conversation_id": shown.omni_id, "instance": shown.instance, "ticket": came_from}
    about["position"] = context.setdefault("focus", None)
    trail.record(request, Kind.OPENED, **about)
    references = TicketReference.objects.filter(conversation=shown)
    context["tickets"] = list(references.oldest_first())
    return render(request, "conversations/conversation.html", context, status=status)
