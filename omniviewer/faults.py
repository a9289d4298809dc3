"""What a reader sees when this site itself fails."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views.defaults import server_error

_RETRY_AFTER = "10"  # seconds


def page_of_a_fault(request: HttpRequest) -> HttpResponse:
    """Django calls it while it handles the exception: a database that is away or busy is no fault in the code."""
    if not isinstance(sys.exception(), OperationalError | InterfaceError):
        return server_error(request)
    # Without the request: who reads, and what they like, stands in the database.
    page = loader.get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": _RETRY_AFTER})
