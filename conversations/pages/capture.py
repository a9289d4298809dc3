"""What a reader does about keeping: star a conversation, keep an answer's evidence now, watch how far capture is."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from conversations import archive, tasks
from conversations.archive import CannotShow, NoMessage
from conversations.models import Star
from conversations.pages import shaping
from conversations.pages.errors import explain, not_opened
from conversations.pages.list_forms import FreshForm
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.omni import OmniError


def star(request: Request, omni_id: UUID) -> HttpResponse:
    """Set the reader's star, or take it away; with htmx, the button as it is then."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("conversations:conversation", omni_id)
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        return HttpResponseClientRefresh() if request.htmx else not_opened(request, error, omni_id)
    starred = request.POST.get("starred") == "1"
    Star.objects.set(request.user, opened.conversation, starred=starred)
    if starred:
        tasks.want(opened)
    if not request.htmx:
        return redirect(opened.conversation)
    context = {"conversation": opened.conversation, "is_starred": starred}
    return render(request, "conversations/_star.html", context)


@require_safe
def keep(request: Request, omni_id: UUID, position: int) -> HttpResponse:
    """Keep what the AI did for an answer at once; the line under the answer as it stands then."""
    if not request.htmx:
        return redirect("conversations:evidence", omni_id, position)
    try:
        found = archive.evidence(request.user, omni_id, position)
    except CannotShow as error:
        return explain(request, error)
    except NoMessage:
        raise Http404 from None
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id, position=position)
    failure = found.failure
    try:
        archive.chart(found)
    except OmniError as error:
        failure = error
    if found.is_new:
        trail.record(request, Kind.CAPTURED, conversation_id=omni_id, position=position)
    line = archive.standings(found.opened, [position]).get(position)
    if line is None:
        raise Http404
    context = {"conversation": found.opened.conversation, "line": line, "failure": failure}
    return render(request, "conversations/_line.html", context)


@require_safe
def bundle(request: Request, omni_id: UUID) -> HttpResponse:
    """What the evidence bundle will hold, and how far capture is with it; with htmx, that part alone."""
    form = FreshForm(request.GET)
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow as error:
        return HttpResponseClientRefresh() if request.htmx else not_opened(request, error, omni_id)
    tasks.want(opened)
    context = shaping.bundle(opened, form.cleaned_data["looks"] if form.is_valid() else 0)
    if request.htmx:
        tasks.nudge(tasks.capture)
        sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
        return render(request, "conversations/_bundle.html", context)
    trail.record(request, Kind.OPENED, conversation_id=omni_id, instance=opened.conversation.instance)
    return render(request, "conversations/bundle.html", context)


@require_safe
def standings(request: Request, omni_id: UUID) -> HttpResponse:
    """The line under each answer of a page that shows `count` messages, while some are being captured."""
    form = FreshForm(request.GET)
    if not request.htmx or not form.is_valid():
        return redirect("conversations:conversation", omni_id)
    try:
        opened = archive.open_conversation(request.user, omni_id)
    except CannotShow:
        return HttpResponseClientRefresh()  # the page itself says why
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
    # Should the worker that was at it have been killed before it said so.
    tasks.nudge(tasks.capture)
    count = form.cleaned_data["count"]
    context = shaping.standings(opened, form.cleaned_data["looks"])
    context |= {
        "conversation": opened.conversation,
        # The page cannot replace the line of what it does not show yet.
        "lines": {position: line for position, line in context["lines"].items() if position <= count},
    }
    return render(request, "conversations/_standings.html", context)
