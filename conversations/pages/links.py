"""Redirects to a thread: from a job, and from a pasted text."""

from http import HTTPStatus
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations.archive import jobs
from conversations.pages.errors import explains_refusals
from conversations.search import pasted
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request


@require_safe
@explains_refusals()
def job(request: Request, job_id: UUID) -> HttpResponse:
    """Redirect to the answer that this job made."""
    place = jobs.locate(request.user, job_id)
    return _to(request, place.address)


@require_safe
@explains_refusals()
def open_pasted(request: Request) -> HttpResponse:
    """Redirect to the message, conversation or job that a pasted text names; without one, show a box to paste into."""
    text = request.GET.get("q", "")
    found = pasted.read(text)
    if found is None:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if text.strip() else HTTPStatus.OK
        return render(request, "conversations/links/open.html", {"text": text}, status=status)
    if found.kind is not pasted.Kind.ID:
        return _to(request, found.address, found.instance, found.ticket)
    place = jobs.locate_id(request.user, found.id)
    return _to(request, place.address)


def _to(request: Request, address: str, instance: str = "", ticket: str = "") -> HttpResponse:
    """Redirect to the address with the link's other parameters.

    An instance for which the reader has no credential goes along: it explains why Omni may not show the page.
    """
    query = request.GET.copy()
    query.pop("q", None)
    if ticket:
        query.setdefault("ticket", ticket)
    if instance and not Credential.objects.owned_by(request.user).filter(api_token__instance=instance).exists():
        query["instance"] = instance
    return redirect(f"{address}?{query.urlencode()}" if query else address)
