"""Removing a credential: what goes with it, how far that is, and handing it over to somebody else instead."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from conversations import tasks
from conversations.archive import credentials, hand_over, removal
from conversations.archive.hand_over import NotProven
from conversations.models import HandOver, Removal
from conversations.pages.credential_forms import HandOverForm, TakeOverForm
from omniviewer.accounts.models import Credential, User
from omniviewer.accounts.requests import Request
from omniviewer.accounts.sign_in import throttle
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.omni import OmniError


@require_GET
def removals(request: Request) -> HttpResponse:
    """Render how far the reader's removals are, for the page of credentials."""
    found = list(Removal.objects.begun_by(request.user))
    return render(request, "conversations/credentials/_removal_progress.html", {"removals": found, "asks_again": True})


@require_http_methods(["GET", "POST"])
def remove(request: Request, pk: int) -> HttpResponse:
    """Ask first, saying what goes with it; then remove."""
    found = get_object_or_404(Credential.objects.owned_by(request.user), pk=pk)
    if request.method == "POST":
        token = found.api_token
        credentials.remove(found)
        trail.record(request, Kind.CREDENTIAL_REMOVED, instance=token.instance, credential_id=pk)
        tasks.remove_at_once(token)
        messages.success(request, f"{found.label} was removed, with its token.")
        return redirect("conversations:credentials")
    return _remove_page(request, found, HandOverForm())


def _remove_page(request: Request, found: Credential, form: HandOverForm) -> HttpResponse:
    context = {"credential": found, "loss": removal.count_loss(found.api_token, [found]), "form": form}
    context["may_be_offered"] = hand_over.may_be_offered(found)
    return render(request, "conversations/credentials/remove.html", context, status=422 if form.errors else 200)


@require_POST
def offer(request: Request, pk: int) -> HttpResponse:
    """Offer what this credential's key could read to the person who is named, or withdraw the offer."""
    found = get_object_or_404(Credential.objects.owned_by(request.user), pk=pk)
    if "withdraw" in request.POST:
        HandOver.objects.filter(credential=found).delete()
        messages.success(request, f"You withdrew the offer of {found.label}.")
        return redirect("conversations:credentials")
    form = HandOverForm(request.POST)
    if not hand_over.may_be_offered(found):
        form.add_error("name", "You can only hand over an organization key that nobody else has connected here.")
    if not form.is_valid():
        return _remove_page(request, found, form)
    name = form.cleaned_data["name"]
    people = [person for person in User.known_as(name)[:2] if person.is_active]
    if people == [request.user]:
        form.add_error("name", "That is you. Enter a colleague’s e-mail address or username.")
        return _remove_page(request, found, form)
    hand_over.offer(found, name, people[0] if len(people) == 1 else None)
    messages.success(request, f"When {name} signs in here, they will find the offer under Credentials.")
    return redirect("conversations:credentials")


@require_POST
def answer(request: Request, pk: int) -> HttpResponse:
    """Take over what somebody offers, with an organization key of the reader's own; or decline."""
    found = get_object_or_404(HandOver.objects.offered_to(request.user), pk=pk)
    if "decline" in request.POST:
        found.delete()
        messages.success(request, "Declined.")
        return redirect("conversations:credentials")
    form = TakeOverForm(request.user, request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was handed over. Choose an organization key of your own.")
        return redirect("conversations:credentials")
    heir: Credential = form.cleaned_data["credential"]
    given = found.credential
    owner, token, key = given.owner, given.api_token, given.pk
    try:
        with throttle.trying_token(request.user):
            hand_over.accept(given, heir)
    except throttle.Throttled as throttled:
        messages.error(request, throttled.sentence)
    except NotProven as error:
        messages.error(request, f"Nothing was handed over. {heir.label}: {error}")
    except OmniError as error:
        messages.error(request, f"Nothing was handed over. {error.sentence}")
    else:
        host = token.instance
        trail.record(request, Kind.HANDED_OVER, whom=owner.username, instance=host, credential_id=key)
        trail.record(request, Kind.CREDENTIAL_REMOVED, user=owner, instance=host, credential_id=key)
        tasks.remove_at_once(token)
        messages.success(request, f"Handed over to {heir.label}. Each conversation is now fetched with your key.")
    return redirect("conversations:credentials")
