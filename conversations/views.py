"""Four beats a view: fetch, ask, shape, render. The pages; what htmx asks for stands in fragments.py."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations import archive, shaping, tasks, tickets
from conversations.archive import Ask, CannotShow
from conversations.explaining import explain, not_opened
from conversations.forms import ListForm
from conversations.models import TicketReference
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@require_safe
def conversations(request: Request) -> HttpResponse:
    """A page of Omni's list, by one of the reader's credentials; or, with `ticket`, what is linked from that."""
    if request.GET.get("ticket", "").strip():
        return _linked(request, request.GET["ticket"])
    credentials = Credential.objects.of(request.user)
    form = ListForm(credentials, request.GET)
    try:
        query = form.query()
        listed = archive.list_page(request.user, **query, ask=_ask(request))
    except CannotShow as error:
        return explain(request, error, form.cleaned_data.get("credential") if form.is_valid() else None)
    people = archive.members(query["credential"], ask=listed.was_asked)
    if "refresh" in request.GET and not listed.notice:
        return _refreshed(request)
    context = {
        **shaping.list_page(listed, query, request.GET),
        "credentials": credentials,
        "people": people,
        "is_known_member": query["member"] in {person.omni_id for person in people},
    }
    return render(request, "conversations/list.html", context)


@require_safe
def conversation(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponse:
    """A thread; with `position`, opened and focused at that message."""
    try:
        opened = archive.open_conversation(request.user, omni_id, ask=_ask(request))
    except CannotShow as error:
        return not_opened(request, error, omni_id, position)
    if "refresh" in request.GET and not opened.notice:
        return _refreshed(request)
    came_from = request.GET.get("ticket", "")
    ticket = tickets.read(came_from)
    if ticket and request.method == "GET":
        TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=False)
    tasks.want(opened)
    context = shaping.thread(request.user, opened)
    missing = position is not None and not 1 <= position <= context["count"]
    context |= {
        "focus": position,
        "missing": position if missing else None,
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
    ticket = tickets.read(request.POST.get("ticket", ""))
    if ticket and TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=True):
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
    ticket = tickets.read(request.POST.get("ticket", ""))
    removed = ticket and TicketReference.objects.remove(opened.conversation, ticket)
    context = shaping.thread(request.user, opened) | {"removed_ticket": ticket if removed else None}
    return _thread_page(request, context)


def _thread_page(request: Request, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    shown, came_from = context["conversation"], tickets.read(request.GET.get("ticket", ""))
    about: trail.About = {"conversation_id": shown.omni_id, "instance": shown.instance, "ticket": came_from}
    about["position"] = context.get("focus")
    trail.record(request, Kind.OPENED, **about)
    references = TicketReference.objects.filter(conversation=shown)
    context["tickets"] = list(references.oldest_first())
    return render(request, "conversations/conversation.html", context, status=status)


def _linked(request: Request, text: str) -> HttpResponse:
    """The list, of what is linked from a ticket alone."""
    ticket = tickets.read(text)
    try:
        linked = archive.linked_from(request.user, ticket) if ticket else None
    except CannotShow as error:
        return explain(request, error)
    context = {
        "text": text.strip(),
        "ticket": ticket,
        "address": tickets.address_of(ticket) if ticket else "",
        "linked": linked,
    }
    return render(
        request,
        "conversations/linked.html",
        context,
        status=HTTPStatus.OK if ticket else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _ask(request: Request) -> Ask:
    return Ask.ALWAYS if "refresh" in request.GET else Ask.IF_NEEDED


def _refreshed(request: Request) -> HttpResponse:
    """Back to the address without `refresh`, so that loading it again asks Omni nothing."""
    query = request.GET.copy()
    query.pop("refresh", None)
    messages.success(request, "Up to date.")
    return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)
