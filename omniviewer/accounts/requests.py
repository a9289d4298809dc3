"""Types and helpers for views to read a request."""

import re
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from omniviewer.accounts.models import User

# Paths not to return to after signing in, such as the sign-in page itself.
_NOT_AFTERWARDS: Final = ("/sign-in/", "/sign-out/", "/signed-out/", "/admin/log", "/appearance/", "/demo/")
# Characters that browsers read as others, or leave out.
_ODD: Final = re.compile(r"[\x00-\x20\x7f\\]")


class Request(HttpRequest):
    """The request that every view gets, unless it is marked `login_not_required`."""

    user: User
    htmx: HtmxDetails


def form_token(request: HttpRequest) -> str:
    """Return the token of this page's forms against forged requests: the same for all of them, another for each page.

    Django masks it anew each time that it is asked.
    """
    token: str = getattr(request, "form_token", "") or get_token(request)
    request.form_token = token  # type: ignore[attr-defined]
    return token


def next_path(request: HttpRequest) -> str:
    """Return the path to go to afterwards, as the form or the address gives it: a path of this site, or ""."""
    return afterwards(request.POST.get("next") or request.GET.get("next") or "")


def afterwards(target: str) -> str:
    """Return the target if it is a path of this site that people may be sent to after signing in, else ""."""
    return "" if target.removeprefix(settings.URL_PREFIX).startswith(_NOT_AFTERWARDS) else own_path(target)


def own_path(target: str) -> str:
    """Return the target if it is a path of this site, else ""."""
    own = (
        target.startswith(site_path("/"))
        and not _ODD.search(target)
        and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    )
    return target if own else ""


def site_path(path: str) -> str:
    """Return a path of the site's own with `OMNIVIEWER_URL_PREFIX` before it."""
    return f"{settings.URL_PREFIX}{path}"


def canonical(request: HttpRequest, path: str) -> str:
    """Return the address that others may be told for a path: at `OMNIVIEWER_PUBLIC_URL`, or where this request came to.

    Without a path, that of the site.
    """
    return f"{settings.PUBLIC_URL or f'{request.scheme}://{request.get_host()}'}{path}"


def is_at_public_url(request: HttpRequest) -> bool:
    """Return whether the request came to the host of `OMNIVIEWER_PUBLIC_URL`, or that is not set.

    By its name alone, in whatever case: cookies are the same for all ports, and proxies often leave the port out.
    """
    public = urlsplit(settings.PUBLIC_URL).hostname
    came_to = urlsplit(f"//{request.get_host()}").hostname
    return not public or (came_to or "").rstrip(".") == public.rstrip(".")
