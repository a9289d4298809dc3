"""What a page that was sent from the archive asks for next: the parts of it that Omni has changed meanwhile.

Without htmx these addresses lead back to the page.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from conversations import archive, shaping, tasks
from conversations.archive import Ask, CannotShow
from conversations.forms import FreshForm, ListForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request


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


@require_safe
def conversations(request: Request) -> HttpResponse:
    """A page of the list, if it shows anything else than what `shown` is the digest of."""
    form = ListForm(Credential.objects.of(request.user), request.GET)
    fresh = FreshForm(request.GET)
    if not request.htmx or not fresh.is_valid():
        kept = {name: value for name, value in request.GET.items() if name in ListForm.base_fields}
        return redirect(f"/conversations/?{urlencode(kept)}" if kept else "/conversations/")
    try:
        query = form.query()
        listed = archive.list_page(request.user, **query, ask=Ask.IF_STALE)
    except CannotShow:
        return HttpResponseClientRefresh()
    if listed.was_asked:
        archive.members(query["credential"])
    context = shaping.list_page(listed, query, request.GET, fresh.cleaned_data["looks"])
    context["has_changed"] = shaping.digest(listed) != fresh.cleaned_data["shown"]
    return render(request, "conversations/_fresh_list.html", context)
