"""Pages of the audit log: everybody's own events, and the whole log for staff and auditors."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from omniviewer.audit import table, titles
from omniviewer.audit.forms import FilterForm, PlaceForm
from omniviewer.audit.models import Event, EventQuerySet

PAGE = 50
View = Callable[[HttpRequest], HttpResponseBase]


def _auditors_only(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponseBase:
        if not (request.user.is_authenticated and request.user.may_audit):
            raise PermissionDenied
        return view(request)

    return checked


@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """Show the reader's own events."""
    context = _page(request, Event.objects.of(request.user.pk))
    context["has_results"] = any(not row.event.is_ok for row in context["rows"])
    return render(request, "audit/mine.html", context)


@require_GET
@_auditors_only
def everybodys(request: HttpRequest) -> HttpResponse:
    """Show the log, filtered by the form."""
    form = FilterForm(request.GET)
    events = form.events() if form.is_valid() else Event.objects.none()
    context = {
        **_page(request, events),
        "form": form,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "days": settings.AUDIT_DAYS,
        "has_results": True,
    }
    status = HTTPStatus.OK if form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "audit/everybodys.html", context, status=status)


@require_GET
@_auditors_only
def as_csv(request: HttpRequest) -> HttpResponseBase:
    """Return the filtered log as a file; if a filter is invalid, go back to the page that says so."""
    form = FilterForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('audit:everybodys')}?{request.GET.urlencode()}")
    name = f"audit-{timezone.localdate():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        table.lines(form.events().newest_first()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _page(request: HttpRequest, events: EventQuerySet) -> dict[str, Any]:
    before = PlaceForm(request.GET).before_or_newest()
    # One row more than shown tells whether there is another page.
    found = list(events.newest_first(before)[: PAGE + 1])
    older = found[PAGE - 1].pk if len(found) > PAGE else None
    return {"rows": titles.rows(request.user, found[:PAGE]), "before": before, "older": older}
