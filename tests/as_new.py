"""Every thread that comes finished from the cache is compared with what would be rendered now, in the whole suite."""

from typing import Any

from django.db import connection

from conversations.archive.outcomes import Opened
from conversations.pages import thread_context
from conversations.pages.list_place import ListPlace
from omniviewer.accounts.requests import Request

compared: list[str] = []
differing: list[str] = []
_page = thread_context.page


def begin() -> None:
    """Compare until the process ends."""
    thread_context.page = _compared


def _compared(request: Request, opened: Opened) -> dict[str, Any]:
    context = _page(request, opened)
    # Only a thread that was rendered just now has its answers' summaries. Tests that count statements are left alone.
    if "summaries" not in context and not connection.force_debug_cursor:
        anew = thread_context.thread(request.user, opened)
        place = ListPlace(request.user, request.GET)
        made = thread_context.finish(anew, place.mark(opened.conversation))
        compared.append(request.path)
        if made != context["finished"] or anew["running"] or anew["unkept"] or anew["earlier"]:
            differing.append(f"{request.path}: {context['finished']} instead of {made}")
    return context
