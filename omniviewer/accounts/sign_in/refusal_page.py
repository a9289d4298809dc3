"""The page for people who may not enter."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from omniviewer.accounts.sign_in.admission import Refused


def refusal(
    request: HttpRequest,
    refused: Refused,
    target: str = "",
    *,
    status: HTTPStatus = HTTPStatus.FORBIDDEN,
    can_use_another: bool = False,
) -> HttpResponse:
    """Show why somebody is not signed in and what to do, with a link that still leads to `target` afterwards."""
    context = {"why": refused.why, "sentence": refused.sentence, "next": target, "can_use_another": can_use_another}
    return render(request, "accounts/not_signed_in.html", context, status=status)
