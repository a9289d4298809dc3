"""Pictures of an answer: Omni's own, and ours where it has none. The reader's browser asks nobody else."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations.archive import evidence
from conversations.charts import spec
from conversations.charts.svg import draw
from conversations.pages import evidence_context
from conversations.pages.errors import explains_refusals
from omniviewer.accounts import sessions
from omniviewer.accounts.requests import Request
from omniviewer.audit.models import Kind
from omniviewer.omni import OmniError

# A chart of ours brings its own styles, and nothing else; opened by itself it is no page of this site.
_ALONE = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}


@require_safe
@explains_refusals()
def png(request: Request, omni_id: UUID, position: int) -> HttpResponse:
    """Return Omni's chart of an answer."""
    try:
        found = evidence.open(request.user, omni_id, position)
        picture = evidence.open_chart(found)
    except OmniError:
        raise Http404 from None
    if picture is None:
        raise Http404
    _record(request, omni_id, position)
    return HttpResponse(picture, content_type="image/png", headers=_ALONE)


@require_safe
@explains_refusals()
def svg(request: Request, omni_id: UUID, position: int, number: int, place: int = 1) -> HttpResponse:
    """Return our chart of a query, from 1, in the colours of the page around it: light ones on paper."""
    found = evidence.open(request.user, omni_id, position)
    action = next((action for action in found.queries if action.number == number), None)
    drawn = spec.plots_of(action) if action else []
    if not 1 <= place <= len(drawn):
        raise Http404
    _record(request, omni_id, position)
    plot = drawn[place - 1].narrow() if "narrow" in request.GET else drawn[place - 1]
    return HttpResponse(draw(plot), content_type="image/svg+xml", headers=_ALONE)


@require_safe
@explains_refusals()
def charts(request: Request, omni_id: UUID, position: int) -> HttpResponse:
    """Render the charts of the evidence, for a page that did not wait for them."""
    if not request.htmx:
        return redirect("conversations:evidence", omni_id, position)
    found = evidence.open(request.user, omni_id, position, with_rows=True)
    _record(request, omni_id, position)
    context = {"message": found.message, "charts": evidence_context.charts(found)}
    return render(request, "conversations/evidence/_charts.html", context)


def _record(request: Request, omni_id: UUID, position: int) -> None:
    """Record that the answer was opened: a picture may be requested by itself."""
    sessions.record_once(request, Kind.OPENED, conversation_id=omni_id, position=position)
