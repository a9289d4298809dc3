"""The reader's appearance settings, and what they have dismissed."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from omniviewer.accounts.announcements import Announcement
from omniviewer.accounts.context import CHOICES
from omniviewer.accounts.requests import Request, own_path, site_path


@require_POST
def dismiss(request: Request, pk: int) -> HttpResponse:
    """Show an announcement to this reader no more, and return to the page. Warnings stay."""
    request.user.dismiss(get_object_or_404(Announcement, pk=pk, level=Announcement.Level.INFO))
    return redirect(own_path(request.POST.get("next", "")) or site_path("/"))


@login_not_required
@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Store the form's appearance settings in cookies ("" for the default), and return to the page."""
    response = redirect(own_path(request.POST.get("next", "")) or site_path("/"))
    for name in CHOICES.keys() & request.POST.keys():
        value = request.POST[name]
        if value in CHOICES[name]:
            kept_for, secure = 365 * 24 * 3600, request.is_secure()
            response.set_cookie(name, value, kept_for, path=site_path("/"), samesite="Lax", secure=secure)
        else:
            response.delete_cookie(name, path=site_path("/"), samesite="Lax")
    return response
