"""Figures of what is stored here, and holds, for staff and auditors: no title, no text."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from conversations.archive import background_health
from conversations.models import Capture, Hold, IndexFailure, Walk, stored
from omniviewer.accounts.requests import Request

# Conversations that the search could not take in, which are listed.
_MAX_FAILURES = 20
# Newest holds that are listed.
_MAX_HOLDS = 100


@require_safe
def page(request: Request) -> HttpResponse:
    if not request.user.may_audit:
        raise PermissionDenied
    failing = Capture.objects.exclude(failure="").order_by("-not_before").values_list("failure", flat=True)
    context = {
        "instances": stored(),
        "keep_days": settings.KEEP_DAYS,
        "forget_days": settings.FORGET_DAYS,
        "capture": settings.CAPTURE,
        "workers": background_health.workers(),
        "due_since": min(Walk.objects.overdue_since_by_instance().values(), default=None),
        "last_failure": failing.first(),
        "holds": Hold.objects.standing().newest_first().select_related("set_by")[:_MAX_HOLDS],
        "index_failures": IndexFailure.objects.latest_first()[:_MAX_FAILURES],
    }
    return render(request, "conversations/storage/storage.html", context)
