"""A person's credentials, and how the pages look to them."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from conversations import archive, connection
from conversations.models import HandOver, Removal
from conversations.omni import OmniError, TokenRejected
from omniviewer.accounts import removal, throttle
from omniviewer.accounts.context import CHOICES
from omniviewer.accounts.forms import ConnectForm, LabelForm, TokenForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request, next_path, own_path, site_path
from omniviewer.audit import trail
from omniviewer.audit.models import OK, Kind


@require_GET
def credentials(request: Request) -> HttpResponse:
    mine = list(Credential.objects.of(request.user))
    read = {row.credential: row for row in archive.progress(request.user)}
    offered = {offer.credential_id: offer for offer in HandOver.objects.offered_by(request.user)}
    told = [(row, connection.what_is_left(row.api_token), read.get(row), offered.get(row.pk)) for row in mine]
    removals = list(Removal.objects.of(request.user))
    context = {"credentials": told, "removals": removals, "offers": removal.offers(request.user, mine)}
    return render(request, "accounts/credentials.html", context)


@require_http_methods(["GET", "POST"])
def connect(request: Request) -> HttpResponse:
    """Add a credential: tried against Omni first, saved only if Omni accepts the token."""
    given = {"instance_address": request.GET.get("instance", "")[:260]}
    form = ConnectForm(request.user, request.POST or None, initial=given)
    if form.is_valid():
        instance, token, label = (form.cleaned_data[name] for name in ("instance_address", "token", "label"))
        try:
            with throttle.trying_token(request.user):
                identity = connection.identify(instance, token)
        except throttle.Throttled as throttled:
            form.add_error("token", ValidationError(throttled.sentence, code="throttled"))
        except OmniError as error:
            form.add_error("token" if isinstance(error, TokenRejected) else "instance_address", error.sentence)
            _record(request, Kind.CREDENTIAL_ADDED, instance, None, error)
        else:
            try:
                credential = Credential.objects.connect(request.user, label, instance, token, identity)
            except IntegrityError:  # connected in two windows at once
                form.add_error("label", "You already have a credential with this name.")
                return _connect_page(request, form)
            _note(request, Kind.CREDENTIAL_ADDED, credential)
            messages.success(request, f"Connected to {credential.instance}. {credential.api_token.what_it_sees}")
            return redirect(next_path(request) or site_path("/conversations/"))
    return _connect_page(request, form)


def _connect_page(request: Request, form: ConnectForm) -> HttpResponse:
    context = {"form": form, "next": next_path(request), "tried": form.is_bound}
    return render(request, "accounts/connect.html", context, status=_status(form))


@require_http_methods(["GET", "POST"])
def credential(request: Request, pk: int) -> HttpResponse:
    """Rename a credential."""
    found = get_object_or_404(Credential.objects.of(request.user), pk=pk)
    form = LabelForm(request.user, request.POST or None, credential=found)
    if form.is_valid():
        found.label = form.cleaned_data["label"]
        found.save(update_fields=["label"])
        _note(request, Kind.CREDENTIAL_CHANGED, found)
        messages.success(request, "Renamed.")
        return redirect("accounts:credentials")
    context = {"credential": found, "form": form}
    return render(request, "accounts/credential.html", context, status=_status(form))


@require_http_methods(["GET", "POST"])
def replace_token(request: Request, pk: int) -> HttpResponse:
    """Take a new token once Omni has accepted it, then go back to where the reader was."""
    found = get_object_or_404(Credential.objects.of(request.user), pk=pk)
    before, form = found.api_token, TokenForm(request.POST or None)
    if form.is_valid():
        try:
            with throttle.trying_token(request.user):
                connection.replace_token(found, form.cleaned_data["token"])
        except throttle.Throttled as throttled:
            form.add_error("token", ValidationError(throttled.sentence, code="throttled"))
        except OmniError as error:
            form.add_error("token", error.sentence)
            _note(request, Kind.CREDENTIAL_CHANGED, found, error)
        else:
            _note(request, Kind.CREDENTIAL_CHANGED, found)
            removal.begin_work(before)
            messages.success(request, f"The token of {found.label} was replaced. {found.api_token.what_it_sees}")
            return redirect(next_path(request) or site_path("/credentials/"))
    context = {"credential": found, "form": form, "next": next_path(request)}
    return render(request, "accounts/replace_token.html", context, status=_status(form))


def make_default(request: Request, pk: int) -> HttpResponse:
    """The one that is asked first."""
    if request.method != "POST":  # who had to sign in first, say
        return redirect("accounts:credentials")
    found = get_object_or_404(Credential.objects.of(request.user), pk=pk)
    found.make_default()
    _note(request, Kind.CREDENTIAL_CHANGED, found)
    messages.success(request, f"{found.label} is now the one that is asked first.")
    return redirect("accounts:credentials")


@login_not_required
@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Remember in a cookie what the form says, "" for the usual, and go back to the page."""
    response = redirect(own_path(request.POST.get("next", "")) or site_path("/"))
    for name in CHOICES.keys() & request.POST.keys():
        value = request.POST[name]
        if value in CHOICES[name]:
            kept_for, secure = 365 * 24 * 3600, request.is_secure()
            response.set_cookie(name, value, kept_for, path=site_path("/"), samesite="Lax", secure=secure)
        else:
            response.delete_cookie(name, path=site_path("/"), samesite="Lax")
    return response


def _note(request: Request, kind: Kind, credential: Credential, error: OmniError | None = None) -> None:
    _record(request, kind, credential.instance, credential.pk, error)


def _record(request: Request, kind: Kind, instance: str, pk: int | None, error: OmniError | None) -> None:
    result = OK if error is None else "rejected" if isinstance(error, TokenRejected) else "not-reached"
    trail.record(request, kind, result=result, instance=instance, credential_id=pk)


def _status(form: LabelForm | TokenForm) -> HTTPStatus:
    if form.has_error("token", code="throttled"):
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
