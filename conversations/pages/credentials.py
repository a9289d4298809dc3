"""A person's credentials for Omni."""

from http import HTTPStatus

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from conversations import tasks
from conversations.archive import credentials, sync
from conversations.models import HandOver, Removal
from conversations.pages.credential_forms import ConnectForm, LabelForm, TokenForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request, next_path, site_path
from omniviewer.accounts.sign_in import throttle
from omniviewer.audit import trail
from omniviewer.audit.models import OK, Kind
from omniviewer.omni import OmniError, TokenRejected


@require_GET
def page(request: Request) -> HttpResponse:
    mine = list(Credential.objects.owned_by(request.user))
    read = {row.credential: row for row in sync.progress(Credential.objects.owned_by(request.user))}
    offered = {offer.credential_id: offer for offer in HandOver.objects.offered_by(request.user)}
    told = [(row, credentials.budget_left(row.api_token), read.get(row), offered.get(row.pk)) for row in mine]
    offers = [
        (offer, [own for own in mine if own.instance == offer.credential.instance and own.sees_organization])
        for offer in HandOver.objects.offered_to(request.user)
    ]
    context = {"credentials": told, "removals": list(Removal.objects.begun_by(request.user)), "offers": offers}
    return render(request, "conversations/credentials/credentials.html", context)


@require_http_methods(["GET", "POST"])
def connect(request: Request) -> HttpResponse:
    """Add a credential: tried against Omni first, saved only if Omni accepts the token."""
    given = {"instance_address": request.GET.get("instance", "")[:260]}
    form = ConnectForm(request.user, request.POST or None, initial=given)
    if form.is_valid():
        instance, token, label = (form.cleaned_data[name] for name in ("instance_address", "token", "label"))
        try:
            with throttle.trying_token(request.user):
                identity = credentials.identify(instance, token)
        except throttle.Throttled as throttled:
            form.add_error("token", ValidationError(throttled.sentence, code="throttled"))
        except OmniError as error:
            form.add_error("token" if isinstance(error, TokenRejected) else "instance_address", error.sentence)
            _record(request, Kind.CREDENTIAL_ADDED, instance, None, error)
        else:
            try:
                credential = credentials.connect(request.user, label, instance, token, identity)
            except IntegrityError:  # connected in two windows at once
                form.add_error("label", "You already have a credential with this name.")
                return _connect_page(request, form)
            _note(request, Kind.CREDENTIAL_ADDED, credential)
            messages.success(
                request, f"Connected to {credential.instance}. The token sees {credential.api_token.what_it_sees}."
            )
            return redirect(next_path(request) or site_path("/conversations/"))
    return _connect_page(request, form)


def _connect_page(request: Request, form: ConnectForm) -> HttpResponse:
    context = {"form": form, "next": next_path(request), "tried": form.is_bound}
    return render(request, "conversations/credentials/connect.html", context, status=_status(form))


@require_http_methods(["GET", "POST"])
def credential(request: Request, pk: int) -> HttpResponse:
    """Rename a credential."""
    found = get_object_or_404(Credential.objects.owned_by(request.user), pk=pk)
    form = LabelForm(request.user, request.POST or None, credential=found)
    if form.is_valid():
        found.label = form.cleaned_data["label"]
        found.save(update_fields=["label"])
        _note(request, Kind.CREDENTIAL_CHANGED, found)
        messages.success(request, "Renamed.")
        return redirect("conversations:credentials")
    context = {"credential": found, "form": form}
    return render(request, "conversations/credentials/rename.html", context, status=_status(form))


@require_http_methods(["GET", "POST"])
def replace_token(request: Request, pk: int) -> HttpResponse:
    """Take a new token once Omni has accepted it, then go back to where the reader was."""
    found = get_object_or_404(Credential.objects.owned_by(request.user), pk=pk)
    before, form = found.api_token, TokenForm(request.POST or None)
    if form.is_valid():
        try:
            with throttle.trying_token(request.user):
                credentials.replace_token(found, form.cleaned_data["token"])
        except throttle.Throttled as throttled:
            form.add_error("token", ValidationError(throttled.sentence, code="throttled"))
        except OmniError as error:
            form.add_error("token", error.sentence)
            _note(request, Kind.CREDENTIAL_CHANGED, found, error)
        else:
            _note(request, Kind.CREDENTIAL_CHANGED, found)
            tasks.remove_at_once(before)
            sees = f"The new one sees {found.api_token.what_it_sees}."
            messages.success(request, f"The token of {found.label} was replaced. {sees}")
            return redirect(next_path(request) or site_path("/credentials/"))
    context = {"credential": found, "form": form, "next": next_path(request)}
    return render(request, "conversations/credentials/replace_token.html", context, status=_status(form))


def make_default(request: Request, pk: int) -> HttpResponse:
    """Make this credential the one that is asked first."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("conversations:credentials")
    found = get_object_or_404(Credential.objects.owned_by(request.user), pk=pk)
    found.make_default()
    _note(request, Kind.CREDENTIAL_CHANGED, found)
    messages.success(request, f"{found.label} is now your default credential.")
    return redirect("conversations:credentials")


def pause_sync(request: Request, pk: int) -> HttpResponse:
    """Pause or resume background reading; with htmx, render its progress."""
    back = next_path(request) or site_path("/conversations/")
    credential = Credential.objects.owned_by(request.user).filter(pk=pk).first()
    if credential is None:
        return render(request, "404.html", status=HTTPStatus.NOT_FOUND)
    if request.method == "POST":
        sync.pause(credential.api_token, is_paused=request.POST.get("do") == "pause")
        tasks.nudge_sync()
    if not request.htmx:
        return redirect(back)
    tasks.nudge_sync()
    told = sync.progress([credential])
    return render(request, "conversations/shared/_sync_progress.html", {"progress": told, "asks_again": True})


def _note(request: Request, kind: Kind, credential: Credential, error: OmniError | None = None) -> None:
    _record(request, kind, credential.instance, credential.pk, error)


def _record(request: Request, kind: Kind, instance: str, pk: int | None, error: OmniError | None) -> None:
    result = OK if error is None else "rejected" if isinstance(error, TokenRejected) else "not-reached"
    trail.record(request, kind, result=result, instance=instance, credential_id=pk)


def _status(form: LabelForm | TokenForm) -> HTTPStatus:
    if form.has_error("token", code="throttled"):
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
