"""Compare finished HTML from the cache, of a thread, around it or of a list, with what would be rendered now."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from conversations.archive.outcomes import Opened
from conversations.pages import finished_frame, thread_context
from conversations.pages.list_place import ListPlace
from omniviewer.accounts.requests import Request

compared: list[str] = []
compared_frames: list[str] = []
differing: list[str] = []
_page, _stored = thread_context.page, finished_frame._stored


def begin() -> None:
    """Compare until the process ends."""
    thread_context.page = _compared
    finished_frame._stored = _compared_frame


def _compared(request: Request, opened: Opened) -> dict[str, Any]:
    context = _page(request, opened)
    # Only a thread that was rendered just now has its answers' summaries. Tests that count statements are left alone.
    if "summaries" not in context and not connection.force_debug_cursor:
        anew = thread_context.thread(opened)
        place = ListPlace(request.user, request.GET)
        made = thread_context.finish(anew, place.mark(opened.conversation))
        compared.append(request.path)
        if made != context["finished"] or anew["running"] or anew["unkept"] or anew["earlier"]:
            differing.append(f"{request.path}: {context['finished']} instead of {made}")
    return context


def _compared_frame(request: Request, template: str, context: Mapping[str, Any], told: Sequence[Any] | None) -> bytes:
    stored = _stored(request, template, context, told)
    if not connection.force_debug_cursor:
        anew = finished_frame._anew(request, template, context)
        compared_frames.append(request.path)
        if anew != stored:
            differing.append(f"{template} of {request.path}: {stored!r} instead of {anew!r}")
    return stored
