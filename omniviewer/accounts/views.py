"""The reader's appearance settings."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from omniviewer.accounts.context import CHOICES
from omniviewer.accounts.requests import own_path, site_path


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
