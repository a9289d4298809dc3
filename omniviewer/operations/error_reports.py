"""The page that a reader sees when this site itself fails, and error reports without secrets."""

import re
import sys
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views.debug import SafeExceptionReporterFilter
from django.views.defaults import server_error

from omniviewer.operations import database_errors, health
from omniviewer.operations.database_errors import Trouble

# Matches a token as requests writes it into a header, and as people paste it into a form.
_TOKEN = re.compile(r"Bearer\s+\S|omni_(pat|org)_", re.IGNORECASE)
_RETRY_AFTER = "10"  # seconds


def page_of_a_fault(request: HttpRequest) -> HttpResponse:
    """Return the error page. Answer 503, not 500, if the database is in trouble: that is no fault in the code."""
    error = sys.exception()
    trouble = database_errors.trouble(error)
    if trouble is Trouble.SCHEMA and health.migrations() == health.later_version() == health.OK:
        return server_error(request)
    if error is None or not (trouble or isinstance(error, OperationalError | InterfaceError)):
        return server_error(request)
    # Render without the request: the reader and their preferences would be read from the database.
    page = loader.get_template("503.html").render({"trouble": trouble.name if trouble else Trouble.AWAY.name})
    response = HttpResponse(page, status=503, headers={"Retry-After": _RETRY_AFTER})
    if trouble:
        # One line without a traceback in the place of Django's: each page that is asked for meanwhile logs one.
        database_errors.log(trouble, error)
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


class NoTokens(SafeExceptionReporterFilter):
    """Django's filter, in development too, that also hides tokens in variables, headers and forms."""

    # Django hides settings whose names contain one of these.
    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|AUTHORIZATION|COOKIE|CSRF|SESSION|DATABASE|CACHE_URL",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:  # noqa: ARG002  (Django's signature)
        return True

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        found = super().get_traceback_frame_variables(request, tb_frame)
        sent = self._secrets_in(request)
        return {name: self._without_token(name, value, sent) for name, value in found}.items()

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        found = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in found.items()}

    def _secrets_in(self, request: HttpRequest | None) -> list[str]:
        """Return the text typed into fields that hold secrets, whatever it looks like."""
        fields = request.POST.items() if request else ()
        return [str(value) for name, value in fields if value and self.hidden_settings.search(name)]

    def _without_token(self, name: str, value: Any, sent: list[str]) -> Any:
        if self.hidden_settings.search(name):
            return self.cleansed_substitute
        try:
            said = repr(value)
        except Exception:  # noqa: BLE001  (whatever it is, it is not shown)
            return self.cleansed_substitute
        is_secret = _TOKEN.search(said) or any(secret in said for secret in sent)
        return self.cleansed_substitute if is_secret else value
