"""Four beats a view: fetch, ask, shape, render."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations import archive
from conversations.archive import CannotShow
from conversations.forms import ListForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request

_STATUS = {
    CannotShow.NO_CREDENTIAL: HTTPStatus.FORBIDDEN,
    CannotShow.REJECTED: HTTPStatus.FORBIDDEN,
    CannotShow.NOT_SHOWN: HTTPStatus.NOT_FOUND,
    CannotShow.NOT_REACHED: HTTPStatus.SERVICE_UNAVAILABLE,
    CannotShow.BAD_ADDRESS: HTTPStatus.BAD_REQUEST,
}


@require_safe
def conversations(request: Request) -> HttpResponse:
    """A page of Omni's list, by one of the reader's credentials."""
    credentials = Credential.objects.of(request.user)
    form = ListForm(credentials, request.GET)
    try:
        if not credentials:
            raise CannotShow(CannotShow.NO_CREDENTIAL)
        if not form.is_valid():
            raise CannotShow(CannotShow.BAD_ADDRESS, form.first_error)
        query = form.cleaned_data
        listed = archive.list_page(request.user, **query, refresh="refresh" in request.GET)
    except CannotShow as error:
        return _explain(request, error, form.cleaned_data.get("credential") if form.is_valid() else None)
    if "refresh" in request.GET and not listed.notice:
        return _refreshed(request)
    people = archive.members(query["credential"], ask=not listed.notice)
    context = {
        "query": query,
        "credential": query["credential"],
        "credentials": credentials,
        "listed": listed,
        "page": listed.page,
        "newer": listed.page.previous(),
        "people": people,
        "is_known_member": query["member"] in {person.omni_id for person in people},
    }
    return render(request, "conversations/list.html", context)


@require_safe
def conversation(request: Request, omni_id: UUID, position: int | None = None) -> HttpResponse:
    """A thread; with `position`, opened and focused at that message."""
    try:
        opened = archive.open_conversation(request.user, omni_id, refresh="refresh" in request.GET)
    except CannotShow as error:
        return _explain(request, error)
    if "refresh" in request.GET and not opened.notice:
        return _refreshed(request)
    thread = list(opened.conversation.messages.in_turn())
    missing = position is not None and not 1 <= position <= len(thread)
    context = {
        "conversation": opened.conversation,
        "credential": opened.credential,
        "has_several_credentials": request.user.credentials.count() > 1,
        "notice": opened.notice,
        "thread": thread,
        "focus": position,
        "missing": position if missing else None,
        "awaits_answer": bool(thread) and thread[-1].is_question,
    }
    status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.OK
    return render(request, "conversations/conversation.html", context, status=status)


def _refreshed(request: Request) -> HttpResponse:
    """Back to the address without `refresh`, so that loading it again asks Omni nothing."""
    query = request.GET.copy()
    query.pop("refresh", None)
    messages.success(request, "Up to date.")
    return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)


def _explain(request: Request, error: CannotShow, credential: Credential | None = None) -> HttpResponse:
    """Why there is nothing to show and what to do: the same page whether a conversation exists or not."""
    mine = Credential.objects.of(request.user)
    context = {
        "why": error.why,
        "sentence": error.sentence,
        "credentials": mine,
        "rejected": credential or mine.exclude(rejected_at=None).first(),
        "path": request.get_full_path(),
    }
    return render(request, "conversations/cannot_show.html", context, status=_STATUS[error.why])
