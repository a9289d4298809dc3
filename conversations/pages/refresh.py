"""What `?refresh=1` means, on every page that has it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from conversations.archive import Ask
from omniviewer.accounts.requests import Request


def ask(request: Request) -> Ask:
    return Ask.ALWAYS if "refresh" in request.GET else Ask.IF_NEEDED


def refreshed(request: Request) -> HttpResponse:
    """Back to the address without `refresh`, so that loading it again asks Omni nothing."""
    query = request.GET.copy()
    query.pop("refresh", None)
    messages.success(request, "Up to date.")
    return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)
