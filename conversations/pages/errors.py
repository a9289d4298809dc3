"""Pages for what cannot be shown: they say why, and what to do."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRefresh

from conversations.archive.evidence import NoMessage
from conversations.archive.outcomes import CannotShow
from conversations.models import ticket_names
from conversations.pages.refresh import again_in as retry_in
from conversations.search import pasted
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request, canonical
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

View = Callable[..., HttpResponseBase]

_STATUS = {
    CannotShow.NO_CREDENTIAL: HTTPStatus.FORBIDDEN,
    CannotShow.REJECTED: HTTPStatus.FORBIDDEN,
    CannotShow.NOT_SHOWN: HTTPStatus.NOT_FOUND,
    CannotShow.NOT_REACHED: HTTPStatus.SERVICE_UNAVAILABLE,
    CannotShow.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    CannotShow.BAD_ADDRESS: HTTPStatus.BAD_REQUEST,
}


def explain(request: Request, error: CannotShow, credential: Credential | None = None) -> HttpResponse:
    """Render why there is nothing to show and what to do: the same, whether a conversation exists or not."""
    mine = list(Credential.objects.owned_by(request.user))
    accepted = [row for row in mine if not row.rejected_at]
    named = pasted.instance_named(request.GET.get("instance", ""))
    again_in = retry_in(error)
    context = {
        "why": error.why,
        "sentence": error.sentence,
        "credentials": mine,
        "has_organization_key": any(row.sees_organization for row in accepted),
        "has_personal_token": any(not row.sees_organization for row in accepted),
        "other_instance": named if named not in {row.instance for row in mine} else "",
        "link": canonical(request, request.path),
        "is_list": request.path_info == "/conversations/",
        "rejected": credential or next((row for row in mine if row.rejected_at), None),
        "path": request.get_full_path(),
        "again_in": again_in,
    }
    response = render(request, "conversations/shared/cannot_show.html", context, status=_STATUS[error.why])
    if again_in:
        response.headers["Retry-After"] = str(again_in)
    return response


def not_opened(
    request: Request,
    error: CannotShow,
    omni_id: UUID | None = None,
    position: int | None = None,
    audit: Kind = Kind.OPENED,
) -> HttpResponse:
    """Explain the error, and record it in the audit log as `audit`; without `omni_id` if the id's kind is unknown."""
    ticket = ticket_names.read(request.GET.get("ticket", ""))
    about: trail.About = {"position": position, "ticket": ticket}
    if omni_id:
        about["conversation_id"] = omni_id
    trail.record(request, audit, result=error.why, **about)
    return explain(request, error)


def explains_refusals(audit: Kind = Kind.OPENED) -> Callable[[View], View]:
    """Decorate a view of one conversation: explain what cannot be shown, and record it in the audit log as `audit`.

    Part of a page, requested by htmx, reloads the page instead, which then says why. A message that does not exist is a
    404.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def explained(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except CannotShow as error:
                if request.htmx:
                    return HttpResponseClientRefresh()
                return not_opened(request, error, kwargs.get("omni_id"), kwargs.get("position"), audit)
            except NoMessage:
                raise Http404 from None

        return explained

    return decorate
