"""A thread: the page, the parts of it that Omni has changed meanwhile, the reader's star."""

import re
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations import tasks
from conversations.archive import live_answer, threads
from conversations.models import Star, TicketReference, Visit, ticket_names
from conversations.pages import thread_context
from conversations.pages.errors import explains_refusals
from conversations.pages.list_place import ListPlace
from conversations.pages.part_forms import FreshForm
from conversations.pages.refresh import fetch_when, refreshed
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit.models import Kind

# Text in the box "Find" that names a message by its number.
_MESSAGE_NUMBER = re.compile(r"\s*#\s*([1-9][0-9]{0,5})\s*")


@require_safe
@explains_refusals()
def conversation(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponseBase:
    """Render a thread; with `position`, opened and focused at that message."""
    opened = threads.open(request.user, omni_id, when=fetch_when(request))
    if "refresh" in request.GET and not opened.notice:
        return refreshed(request)
    if number := _MESSAGE_NUMBER.fullmatch(request.GET.get("find", "")):
        query = request.GET.copy()
        del query["find"]
        address = reverse("conversations:message", args=[omni_id, int(number[1])])
        return redirect(f"{address}?{query.urlencode()}" if query else address)
    came_from = request.GET.get("ticket", "")
    ticket = ticket_names.read(came_from)
    # A link on another site may lead here but must not write: then the ticket is only proposed.
    is_link = request.method == "GET" and sessions.arrives(request)
    if ticket and is_link:
        TicketReference.objects.add(opened.conversation, ticket, request.user, is_by_hand=False)
    if not opened.is_seen:
        Visit.objects.record(request.user, opened.conversation)
    extra = {"ticket_text": "" if is_link else ticket or "", "odd_ticket": "" if ticket else came_from.strip()}
    return thread_context.render_thread(request, opened, extra, focus=position)


@require_safe
@explains_refusals()
def neighbours(request: Request, omni_id: UUID) -> HttpResponse:
    """Render the links to the conversations beside this one in the whole list, for a page that names no other list."""
    if not request.htmx:
        return redirect("conversations:conversation", omni_id)
    opened = threads.open(request.user, omni_id)
    context = ListPlace(request.user, request.GET).neighbours(opened.conversation)
    return render(request, "conversations/thread/_list_navigation.html", context)


@require_safe
@explains_refusals()
def fresh(request: Request, omni_id: UUID) -> HttpResponse:
    """Render the messages newer than `revision` for a page that shows `count`, and the progress of a running answer."""
    form = FreshForm(request.GET)
    if not request.htmx or not form.is_valid():
        return redirect("conversations:conversation", omni_id)
    revision, shown, looks = (form.cleaned_data[name] for name in ("revision", "count", "looks"))
    opened = live_answer.renew(request.user, omni_id)
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
    if opened.was_asked:
        tasks.queue_capture(opened)
    context = thread_context.thread(opened, looks)
    changed = []
    if opened.conversation.revision != revision:
        thread = opened.conversation.thread
        changed = [message for message in thread if message.revision > revision or message.position > shown]
    context |= {
        "changed": [message for message in changed if message.position <= shown],
        "added": [message for message in changed if message.position > shown],
        "gone": range(context["count"] + 1, min(shown, context["count"] + 1000) + 1),
    }
    return render(request, "conversations/thread/_update.html", context)


@explains_refusals()
def star(request: Request, omni_id: UUID) -> HttpResponse:
    """Set or remove the reader's star; with htmx, render the new button."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("conversations:conversation", omni_id)
    opened = threads.open(request.user, omni_id)
    starred = request.POST.get("starred") == "1"
    Star.objects.set(request.user, opened.conversation.pk, starred=starred)
    if starred:
        tasks.queue_capture(opened)
    if not request.htmx:
        return redirect(opened.conversation)
    context = {"conversation": opened.conversation, "is_starred": starred}
    return render(request, "conversations/thread/_star.html", context)
