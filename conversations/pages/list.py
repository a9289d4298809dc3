"""The list of conversations: search, filters, selection, and read marks."""

from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from conversations import tasks
from conversations.archive import lists, people, ticket_links
from conversations.archive.lists import Listed
from conversations.archive.outcomes import CannotShow, Fetch
from conversations.exports import selection
from conversations.models import ReadUntil, Star, ticket_names
from conversations.pages import finished_frame, list_context, list_facets
from conversations.pages.errors import explain
from conversations.pages.export_record import record_export
from conversations.pages.list_forms import FiltersForm, ListForm, ListQuery, list_address
from conversations.pages.part_forms import FreshForm
from conversations.pages.refresh import fetch_when, refreshed
from conversations.search import pasted, syntax
from conversations.search.shown_row import NO_ROWS, ShownRow
from omniviewer.accounts import sessions
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request, canonical, next_path, site_path
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


@require_safe
def conversations(request: Request) -> HttpResponse:
    """Render a page of the reader's conversations that match the query; with `ticket`, of those linked from it."""
    if request.GET.get("ticket", "").strip():
        return _linked(request, request.GET["ticket"])
    elsewhere = _elsewhere(request)
    if elsewhere:
        return redirect(elsewhere)
    form = ListForm(Credential.objects.held_by(request.user), request.GET)
    try:
        query = form.query()
        found = _listed(request, query, fetch_when(request))
    except CannotShow as error:
        return explain(request, error, form.cleaned_data.get("credential") if form.is_valid() else None)
    if "refresh" in request.GET and not found.notice:
        return refreshed(request)
    tasks.nudge_sync(found.walks)
    if query.asked:
        trail.record(request, Kind.SEARCHED)
    context = list_context.page(request.user, found, query, request.GET)
    context |= list_context.controls(query.credentials, query.asked) | {"credentials": query.held}
    # The progress of the sync tells how long ago something was.
    told: list[Any] | None = None if context["progress"] or context["stands_still"] else []
    return HttpResponse(finished_frame.render(request, "conversations/list/list.html", context, told))


@require_safe
def fresh(request: Request) -> HttpResponse:
    """Render a page of the list again, if it differs from the one that `shown` is the digest of."""
    form = ListForm(Credential.objects.held_by(request.user), request.GET)
    said = FreshForm(request.GET)
    if not request.htmx or not said.is_valid():
        return _whole_page(request)
    try:
        query = form.query()
        found = _listed(request, query, Fetch.IF_STALE)
    except CannotShow:
        return HttpResponseClientRefresh()
    tasks.nudge_sync(found.walks)
    if query.asked:
        sessions.record_once(request, Kind.SEARCHED)
    context = list_context.page(request.user, found, query, request.GET, said.cleaned_data["looks"])
    digest = list_context.digest(found.page)
    context["has_changed"] = digest != said.cleaned_data["shown"]
    return render(request, "conversations/list/_update.html", context)


@require_safe
def facets(request: Request) -> HttpResponse:
    """Render what the matches of a query have in common, with counts, for the list's page."""
    form = ListForm(Credential.objects.held_by(request.user), request.GET)
    if not request.htmx:
        return _whole_page(request)
    try:
        query = form.query()
        finder = lists.finder(request.user, query.credentials, query.asked, query.stretch.order)
    except CannotShow:
        return HttpResponse()
    context = {"groups": list_facets.groups(request.user, finder, query)}
    return render(request, "conversations/list/_facets.html", context)


def _whole_page(request: Request) -> HttpResponse:
    """Redirect to the page of the list that a part of it was asked for."""
    kept = {name: value for name, value in request.GET.items() if name in ListForm.base_fields}
    return redirect(list_address(kept))


def _listed(request: Request, query: ListQuery, when: Fetch) -> Listed:
    found = lists.open(request.user, query.credentials, query.asked, query.stretch, when=when)
    if found.was_asked:
        for walk in found.walks:
            people.ask_if_due(walk.api_token)
    return found


def _elsewhere(request: Request) -> str:
    """Return where an address with filter controls, a pasted link or an old parameter redirects; else ""."""
    typed, filters = request.GET.get("q", ""), request.GET.get("filters", "")
    if not syntax.read(typed).filters and pasted.read(typed):
        return f"{site_path('/open')}?{urlencode({'q': typed})}"
    if not any(name in request.GET for name in (*FiltersForm.base_fields, "filters", "member")):
        return ""
    # The search box holds what is no filter: those stand beside it, and may be typed into it. A phrase without an end
    # would swallow what comes behind it.
    typed = f"{filters} {typed}".strip()
    text = FiltersForm(request.GET).text(typed)
    if request.GET.get("member", "").strip():
        text = f"{text} owner:{request.GET['member'].strip()}".strip()
    kept = {name: request.GET[name] for name in ("credential", "sort") if request.GET.get(name)}
    query = kept | ({"q": text} if text else {})
    return list_address(query)


def selected(request: Request) -> HttpResponseBase:
    """Star, unstar, or export as one zip, the conversations that were selected in the list."""
    back = next_path(request) or site_path("/conversations/")
    if request.method != "POST":
        return redirect(back)
    if "star" in request.POST:
        return _toggle_star(request, back)
    chosen = selection.chosen(request.user, request.POST.getlist("conversation"))
    if not chosen and request.htmx:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    if not chosen:
        messages.error(request, "Nothing is selected. Select conversations first.")
        return redirect(back)
    if request.POST.get("do") in ("export", "star"):
        tasks.queue_captures(request.user, chosen)
    if request.POST.get("do") == "export":
        pieces = selection.stream(request.user, chosen, canonical(request, ""), partial(record_export, request))
        name = f"conversations-{timezone.localdate():%Y-%m-%d}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "application/zip"}
        return StreamingHttpResponse(pieces, headers=headers)
    return _set_stars(request, chosen, back)


def _set_stars(request: Request, chosen: list[ShownRow], back: str) -> HttpResponse:
    """Star the selected conversations, or unstar them; answer a script without a page."""
    starred = request.POST.get("do") != "unstar"
    for conversation in chosen:
        Star.objects.set(request.user, conversation.pk, starred=starred)
    if request.htmx:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    messages.success(request, _starred(len(chosen), starred=starred))
    return redirect(back)


def _toggle_star(request: Request, back: str) -> HttpResponse:
    """Star the one conversation that was named, or unstar it."""
    chosen = selection.chosen(request.user, [request.POST["star"]])
    for conversation in chosen:
        starred = not Star.objects.has(request.user, conversation.pk)
        Star.objects.set(request.user, conversation.pk, starred=starred)
        if starred:
            tasks.queue_captures(request.user, chosen)
    return redirect(back)


def _starred(count: int, *, starred: bool) -> str:
    what = f"{count} conversation{'s' if count > 1 else ''}"
    return f"Starred {what}." if starred else f"Unstarred {what}."


def all_read(request: Request) -> HttpResponse:
    """Mark everything as read; or, with `at`, undo that: everything up to then counts as read."""
    if request.method == "POST":
        before = ReadUntil.set(request.user, request.POST.get("at", ""))
        context: dict[str, Any] = {"before": before.isoformat(), "is_undone": bool(request.POST.get("at"))}
        return render(request, "conversations/list/all_read.html", context)
    return redirect(site_path("/conversations/"))


def _linked(request: Request, text: str) -> HttpResponse:
    """Render the list of the conversations that are linked from a ticket."""
    ticket = ticket_names.read(text)
    try:
        linked = ticket_links.open(request.user, ticket) if ticket else None
    except CannotShow as error:
        return explain(request, error)
    shown = linked.shown if linked else NO_ROWS
    context = {
        "text": text.strip(),
        "ticket": ticket,
        "address": ticket_names.address_of(ticket) if ticket else "",
        "linked": linked,
    }
    context |= list_context.linked_rows(request.user, shown, ticket or "")
    status = HTTPStatus.OK if ticket else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "conversations/links/linked_from_ticket.html", context, status=status)
