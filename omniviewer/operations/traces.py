"""Traces of pages, tasks and requests to Omni, sent by OpenTelemetry's protocol: names and durations alone.

Addresses stand there as patterns. No statement, query, text or person is part of a trace.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_SERVICE = "omniviewer"


class Untraced:
    """A span where nothing is traced."""

    def name(self, name: str, **attributes: str | int) -> None:
        """Do nothing."""


class Traced(Untraced):
    """A span of a trace."""

    def __init__(self, span: "Span") -> None:
        self._span = span

    def name(self, name: str, **attributes: str | int) -> None:
        """Give the span the name and attributes that are known at its end."""
        self._span.update_name(name)
        self._span.set_attributes({key.replace("__", "."): value for key, value in attributes.items()})


@contextmanager
def span(request: HttpRequest | None = None) -> Iterator[Untraced]:
    """Trace what happens in the block. A request of the site may carry the trace of the proxy in front."""
    if not settings.OTLP_ENDPOINT:
        yield Untraced()
        return
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  (an extra)
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    kind, parent = SpanKind.INTERNAL, None
    if request:
        kind, parent = SpanKind.SERVER, TraceContextTextMapPropagator().extract(dict(_trace_of(request)))
    # An error's words may quote somebody: its kind is told by the name that the span is given.
    with (
        _provider()
        .get_tracer(_SERVICE)
        .start_as_current_span("unnamed", parent, kind, record_exception=False, set_status_on_exception=False) as span
    ):
        yield Traced(span)


def _trace_of(request: HttpRequest) -> Iterator[tuple[str, str]]:
    if settings.BEHIND_PROXY and (given := request.headers.get("Traceparent")):
        yield "traceparent", given


def begin() -> None:
    """Set up sending. A wrong variable of OpenTelemetry's own is an error here, at the start, and on no page."""
    _provider()


@cache
def _provider() -> "TracerProvider":
    """Return this process's provider of tracers; it sends in the background, and drops what cannot be sent."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": _SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.OTLP_ENDPOINT}/v1/traces")))
    return provider


class Tasks:
    """Traces a worker's tasks, one at a time: django-tasks tells when each begins and ends."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._span = Untraced()

    def begin(self, **_signal: object) -> None:
        self._span = self._open.enter_context(span())

    def end(self, task_result: Any, **_signal: object) -> None:
        name = task_result.task.module_path
        self._span.name(f"task {name}", task__name=name, task__status=str(task_result.status))
        self._open.close()
