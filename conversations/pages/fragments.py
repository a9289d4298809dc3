"""What a thread that was sent from the archive asks for next: the parts of it that Omni has changed meanwhile.

Without htmx this address leads back to the page.
"""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from conversations import archive, tasks
from conversations.archive import CannotShow
from conversations.pages import shaping
from conversations.pages.list_forms import FreshForm
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit.models import Kind


@require_safe
def conversation(request: Request, omni_id: UUID) -> HttpResponse:
    """The messages that are newer than `revision`, of a page that shows `count`; how far a running answer is."""
    form = FreshForm(request.GET)
    if not request.htmx or not form.is_valid():
        return redirect("conversations:conversation", omni_id)
    revision, shown, looks = (form.cleaned_data[name] for name in ("revision", "count", "looks"))
    try:
        opened = archive.renew(request.user, omni_id)
    except CannotShow:
        return HttpResponseClientRefresh()  # the page itself says why
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id)
    if opened.was_asked:
        tasks.want(opened)
    context = shaping.thread(request.user, opened, looks)
    changed = []
    if opened.conversation.revision != revision:
        thread = opened.conversation.thread
        changed = [message for message in thread if message.revision > revision or message.position > shown]
    context |= {
        "changed": [message for message in changed if message.position <= shown],
        "added": [message for message in changed if message.position > shown],
        "gone": range(context["count"] + 1, min(shown, context["count"] + 1000) + 1),
    }
    return render(request, "conversations/_fresh_thread.html", context)
