"""Faults of the site, reported to Sentry or what speaks like it: where they happened, and nothing that anybody wrote.

A report is made anew from what is known to be harmless. Left out are the words of errors, variables, what was logged or
asked for before, addresses, headers, forms and people: all of them may hold a token, or somebody's text.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omniviewer.operations import logs

if TYPE_CHECKING:
    from logging import LogRecord

    from sentry_sdk.types import Event

_PLAIN = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "server_name", "sdk")
_OF_A_FRAME = ("filename", "function", "module", "lineno", "in_app")
# Templates of their lines are sentences of the program, without the values.
_OWN_LOGGERS = ("omniviewer", "conversations", "django", "django_tasks", "gunicorn")


def begin(dsn: str) -> None:
    """Report faults to this address from now on: errors of pages and tasks, and whatever is logged as an error."""
    import sentry_sdk  # noqa: PLC0415  (an extra)
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn,
        # The others add headers to the requests to Omni, and note what is asked of it and of the database.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, sentry_logs_level=None),
            ExcepthookIntegration(),
            AtexitIntegration(callback=lambda *_: None),
        ],
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=harmless,
    )


def harmless(event: "Event", hint: Mapping[str, Any]) -> "Event | None":
    """Return the report with its harmless parts alone; None for what anybody outside can cause at will."""
    if str(event.get("logger", "")).startswith("django.security"):
        return None
    given: Mapping[str, Any] = event
    kept: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
    errors = (given.get("exception") or {}).get("values") or []
    if errors:
        kept["exception"] = {"values": [_error(error) for error in errors]}
    record = hint.get("log_record")
    if record and _says_our_sentence(record):
        kept["logentry"] = {"message": record.msg}
    kept["tags"] = logs.of_current()
    return kept  # type: ignore[return-value]


def _says_our_sentence(record: "LogRecord") -> bool:
    """Return whether the line is a sentence of the program with values apart. Django's security log has none."""
    is_ours = any(record.name == name or record.name.startswith(f"{name}.") for name in _OWN_LOGGERS)
    return is_ours and isinstance(record.msg, str) and not record.name.startswith("django.security")


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or []
    plain = [{name: frame[name] for name in _OF_A_FRAME if name in frame} for frame in frames]
    return {"type": error.get("type"), "module": error.get("module"), "stacktrace": {"frames": plain}}
