"""Contexts for a thread: its messages, finished or to be rendered, and what is said about it."""

from collections import defaultdict
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone

from conversations import tasks
from conversations.archive import live_answer, people
from conversations.archive.live_answer import Running
from conversations.archive.outcomes import Opened
from conversations.models import LONGEST_JOB, EarlierMessage, TicketReference, ticket_names
from conversations.pages import finished_frame, finished_thread, streamed_thread
from conversations.pages.evidence_context import answer_statuses
from conversations.pages.finished_thread import FinishedThread
from conversations.pages.list_place import ListPlace, Marked
from conversations.pages.refresh import MAX_LOOKS, fresh_in
from conversations.pages.streamed_thread import StreamedThread
from conversations.search.syntax import Filter
from conversations.templatetags.moments import ago
from omniviewer.accounts.requests import Request
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

# Comment in the template in whose place the messages stand.
_MESSAGES = b"<!-- messages -->"
# Number of messages from which a thread has an outline beside it, and a search of its own.
_LONG_MESSAGES = 8


def page(request: Request, opened: Opened) -> dict[str, Any]:
    """Return the context of thread/thread.html, with the place of the thread in the list that the reader came from.

    The messages come finished from the cache where readers with the same rights were shown the same before. Otherwise
    the evidence is queued for capture, too: while nothing has changed, there is nothing new to queue.
    """
    place, now = ListPlace(request.user, request.GET), timezone.now()
    key = finished_thread.Key(opened, place.marking)
    finished = finished_thread.get(key)
    if finished is not None:
        context = _about(opened, finished.count) | {"awaits_answer": finished.awaits_answer}
    else:
        if tasks.queue_capture(opened):
            opened.conversation.job_changes += 1
            key = finished_thread.Key(opened, place.marking)
        context = thread(opened)
        summaries = context["summaries"]
        if context["running"] or context["unkept"]:
            # The rest of the page changes by time alone, so it is found out each time; the messages stay the same.
            key = finished_thread.Key(opened, f"{place.marking}{summaries}")
        finished = None if context["earlier"] else finished_thread.get(key)
        if finished is None:
            keep = partial(
                finished_thread.store, key, changes_at=[row.until for row in summaries.values()], looked_at=now
            )
            if not context["earlier"] and not place.marking and streamed_thread.is_long_to_render(opened.conversation):
                finished = _around(context, Marked())
                context["streamed"] = StreamedThread(context, finished, keep)
            else:
                finished = finish(context, place.mark(opened.conversation))
                if not context["earlier"]:
                    keep(finished)
    return {**context, **place.context(opened.conversation), "finished": finished, "marks": finished.marks}


def finish(context: dict[str, Any], marked: Marked) -> FinishedThread:
    """Render the messages of this context with these highlights, and the outline."""
    messages = streamed_thread.render_messages(context, context["conversation"].thread, marked.html)
    return replace(_around(context, marked), messages=messages)


def _around(context: dict[str, Any], marked: Marked) -> FinishedThread:
    """Return what the page says of the messages of this context, without them."""
    return FinishedThread(
        messages=b"",
        outline=render_to_string("conversations/thread/_outline.html", context),
        count=context["count"],
        awaits_answer=context["awaits_answer"],
        marks=marked.count,
        is_widened=marked.is_widened,
    )


def thread(opened: Opened, looks: int = 0) -> dict[str, Any]:
    """Return the context of the messages of a thread, and of what is said about it.

    `looks`: how often the page has refreshed by itself.
    """
    conversation = opened.conversation
    last = conversation.last_message
    # The first revision is the first fetch: it replaced nothing.
    earlier = _earlier(opened) if conversation.latest_revision > 1 else []
    running = live_answer.stored(opened)
    count = last.position if last else 0
    by_position: dict[int, list[EarlierMessage]] = defaultdict(list)
    for row in earlier:
        by_position[row.position].append(row)
    return {
        **_about(opened, count, looks, running),
        **answer_statuses(opened),
        "earlier": earlier,
        "earlier_versions": dict(by_position),
        "marked_html": {},
        "no_longer": [message for message in earlier if message.position > count],
        "awaits_answer": bool(last and last.is_question),
    }


def _about(opened: Opened, count: int, looks: int = 0, running: Running | None = None) -> dict[str, Any]:
    """Return the context of what a thread's page says beside its messages."""
    conversation = opened.conversation
    last_at, fetched_at = conversation.updated_at, conversation.fetched_at
    return {
        "conversation": conversation,
        # A stored thread is shown without asking Omni for anything.
        "owner_name": people.owner_name(opened.reader, conversation, opened.token, ask=opened.was_asked),
        "owner_filter": Filter("owner", conversation.owner.as_filter(opened.reader.tokens)),
        "credential": opened.credential if opened.is_one_of_several else None,
        "has_several_credentials": opened.is_one_of_several,
        "notice": opened.notice,
        "shortfall": conversation.shortfall,
        "count": count,
        "is_long": count >= _LONG_MESSAGES,
        "is_starred": opened.is_starred,
        "running": running,
        # As far as Omni was asked: what is stored may be older.
        "is_abandoned": bool(last_at and fetched_at and fetched_at - last_at > LONGEST_JOB),
        "is_given_up": bool(running) and looks >= MAX_LOOKS,
        # While an answer is being written, its job is what is asked for.
        "as_of": max((at for at in (fetched_at, running.checked_at if running else None) if at), default=None),
        "fresh_address": f"{conversation.get_absolute_url()}fresh/?"
        + urlencode({"revision": conversation.revision, "count": count, "looks": looks + 1}),
        "fresh_in": fresh_in(opened.notice, running, looks, is_stale=not conversation.is_fresh),
    }


def _earlier(opened: Opened) -> list[EarlierMessage]:
    """Return the earlier wordings that the reader was shown, without those that equal the current message."""
    shown = EarlierMessage.objects.shown_to(opened.reader, opened.conversation)
    found = list(shown)
    for row in found:
        row.conversation = opened.conversation
    EarlierMessage.render_all(found)
    if not found:
        return []
    now = {(row.position, row.role, row.text) for row in opened.conversation.thread}
    once = {(row.position, row.role, row.text): row for row in reversed(found)}
    return [row for key, row in once.items() if key not in now][::-1]


def render_thread(
    request: Request,
    opened: Opened,
    extra: dict[str, Any],
    *,
    focus: int | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponseBase:
    """Render thread/thread.html with the conversation's tickets and this context besides; write the audit row.

    `focus`: position of the message that the address names; a 404 that shows the whole thread if there is none.
    A long thread that nobody has read yet is sent while it is rendered.
    """
    shown, came_from = opened.conversation, ticket_names.read(request.GET.get("ticket", ""))
    context = page(request, opened)
    trail.record(
        request,
        Kind.OPENED,
        conversation_id=shown.omni_id,
        instance=shown.instance,
        ticket=came_from,
        position=focus,
    )
    if focus is not None and not 1 <= focus <= context["count"]:
        extra, status = {**extra, "missing": focus}, HTTPStatus.NOT_FOUND
    # The address may have added one since.
    tickets = TicketReference.objects.of(shown) if opened.has_tickets or came_from else []
    context |= {"focus": focus, "tickets": tickets, **extra}
    # Only what is said beside stored messages comes again; what was rendered with them is long to compare.
    told = None if "summaries" in context else [ago(shown.created_at), ago(shown.updated_at), *map(_address, tickets)]
    around = finished_frame.render(request, "conversations/thread/thread.html", context, told)
    # The messages go beside the template: each of its blocks would copy them.
    before, _, after = around.partition(_MESSAGES)
    streamed: StreamedThread | None = context.get("streamed")
    if streamed and request.method == "HEAD":
        # A server would go through all pieces, and send none.
        return StreamingHttpResponse([], status=status)
    if streamed:
        return StreamingHttpResponse(streamed.pieces(before, after, focus), status=status)
    return HttpResponse([before, context["finished"].focused(focus), after], status=status)


def _address(reference: TicketReference) -> str:
    return reference.address
