"""Four beats a view: fetch, ask, shape, render. The pages; what htmx asks for stands in fragments.py."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations import archive, pasted, shaping
from conversations.archive import Ask, CannotShow
from conversations.forms import ListForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request

_STATUS = {
    CannotShow.NO_CREDENTIAL: HTTPStatus.FORBIDDEN,
    CannotShow.REJECTED: HTTPStatus.FORBIDDEN,
    CannotShow.NOT_SHOWN: HTTPStatus.NOT_FOUND,
    CannotShow.NOT_REACHED: HTTPStatus.SERVICE_UNAVAILABLE,
    CannotShow.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    CannotShow.BAD_ADDRESS: HTTPStatus.BAD_REQUEST,
}


@require_safe
def conversations(request: Request) -> HttpResponse:
    """A page of Omni's list, by one of the reader's credentials."""
    credentials = Credential.objects.of(request.user)
    form = ListForm(credentials, request.GET)
    try:
        query = form.query()
        listed = archive.list_page(request.user, **query, ask=_ask(request))
    except CannotShow as error:
        return _explain(request, error, form.cleaned_data.get("credential") if form.is_valid() else None)
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
        return _explain(request, error)
    if "refresh" in request.GET and not opened.notice:
        return _refreshed(request)
    context = shaping.thread(request.user, opened)
    missing = position is not None and not 1 <= position <= context["count"]
    context |= {
        "focus": position,
        "missing": position if missing else None,
    }
    status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.OK
    return render(request, "conversations/conversation.html", context, status=status)


@require_safe
def job(request: Request, job_id: UUID) -> HttpResponse:
    """To the message that this job answered."""
    try:
        place = archive.find_job(request.user, job_id)
    except CannotShow as error:
        return _explain(request, error)
    return _to(request, place.address)


@require_safe
def open_pasted(request: Request) -> HttpResponse:
    """To whatever a pasted text names: a message, a conversation, a job. Without one, the box to paste it into."""
    text = request.GET.get("q", "")
    found = pasted.read(text)
    if found is None:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if text.strip() else HTTPStatus.OK
        return render(request, "conversations/open.html", {"text": text}, status=status)
    if found.kind is not pasted.Kind.ID:
        return _to(request, found.address)
    try:
        place = archive.find(request.user, found.id)
    except CannotShow as error:
        return _explain(request, error)
    return _to(request, place.address)


def _to(request: Request, address: str) -> HttpResponse:
    """There, with whatever else the link said."""
    query = request.GET.copy()
    query.pop("q", None)
    return redirect(f"{address}?{query.urlencode()}" if query else address)


def _ask(request: Request) -> Ask:
    return Ask.ALWAYS if "refresh" in request.GET else Ask.IF_NEEDED


def _refreshed(request: Request) -> HttpResponse:
    """Back to the address without `refresh`, so that loading it again asks Omni nothing."""
    query = request.GET.copy()
    query.pop("refresh", None)
    messages.success(request, "Up to date.")
    return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)


def _explain(request: Request, error: CannotShow, credential: Credential | None = None) -> HttpResponse:
    """Why there is nothing to show and what to do: the same page whether a conversation exists or not."""
    mine = list(Credential.objects.of(request.user))
    again_in = shaping.again_in(error)
    context = {
        "why": error.why,
        "sentence": error.sentence,
        "credentials": mine,
        "rejected": credential or next((row for row in mine if row.rejected_at), None),
        "path": request.get_full_path(),
        "again_in": again_in,
    }
    response = render(request, "conversations/cannot_show.html", context, status=_STATUS[error.why])
    if again_in:
        response.headers["Retry-After"] = str(again_in)
    return response
