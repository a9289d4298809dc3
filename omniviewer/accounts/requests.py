"""What views read from a request."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from omniviewer.accounts.models import User


class Request(HttpRequest):
    """What every view gets that is not marked `login_not_required`."""

    user: User
    htmx: HtmxDetails


def next_path(request: HttpRequest) -> str:
    """Where to go afterwards, as the form or the address says: a path of our own, or ""."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    own = target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if own else ""
