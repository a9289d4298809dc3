"""Signing in with one click. These views have an address in the demo alone (omniviewer.urls)."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from omniviewer.accounts import sessions
from omniviewer.accounts.models import User
from omniviewer.accounts.requests import next_path, site_path
from omniviewer.demo.people import PEOPLE


@login_not_required
@require_POST
def continue_as(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo's people, and go on to where the reader wanted to be."""
    known = {person.username for person in PEOPLE}
    person = get_object_or_404(User.objects.filter(username__in=known), username=request.POST.get("person"))
    sessions.begin(request, person, by="demo")
    return redirect(next_path(request) or site_path("/conversations/"))
