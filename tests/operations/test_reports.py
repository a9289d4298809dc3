"""Faults go to Sentry, and traces to a collector, without anybody's words: both are real servers on this machine."""

import gzip
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sentry_sdk
from django.db import DatabaseError, connection
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django import Settings

from conversations.pages import thread_context
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Member
from omniviewer.operations import fault_reports, traces
from tests.captured import DAY, answered, thread, work

SECRET, WORDS = "omni_pat_0123456789abcdef", "the walrus eats oysters"


class Received:
    """A server that takes whatever is sent to it."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_gzip = self.headers.get("Content-Encoding") == "gzip"
                received.bodies.append((self.path, gzip.decompress(body) if is_gzip else body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Received]:
    received = Received()
    yield received
    received.close()


@pytest.fixture
def reported(receiver: Received) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Report faults to the receiver; return a function for the reports so far."""
    fault_reports.begin(f"http://key@127.0.0.1:{receiver.port}/7")

    def reports() -> list[dict[str, Any]]:
        sentry_sdk.flush(5)
        found = []
        for _, body in receiver.bodies:
            _envelope, *items = body.split(b"\n")
            pairs = zip(items[::2], items[1::2], strict=False)
            found += [json.loads(item) for head, item in pairs if json.loads(head)["type"] == "event"]
        return found

    yield reports
    sentry_sdk.get_client().close(timeout=2)
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names of the headers of all requests to Omni."""
    names: set[str] = set()
    parse = BaseHTTPRequestHandler.parse_request

    def watched(self: BaseHTTPRequestHandler) -> bool:
        is_whole = parse(self)
        if is_whole and self.path.startswith("/api/"):
            names.update(name.lower() for name in self.headers)
        return is_whole

    monkeypatch.setattr(BaseHTTPRequestHandler, "parse_request", watched)
    return names


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        token, text = SECRET, WORDS
        raise error from ValueError(f"{token} {text}")

    with monkeypatch.context() as patched:
        patched.setattr(thread_context, "render_thread", fail)
        yield


@pytest.mark.parametrize("error", [RuntimeError(f"{SECRET}: {WORDS}"), DatabaseError(f"row contains ({WORDS})")])
def test_a_fault_is_told_and_nobodys_words(
    reads: Client,
    small: Organization,
    analyst: Member,
    reported: Callable[[], list[dict[str, Any]]],
    receiver: Received,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    made = answered(small, analyst, ages=[DAY])
    reads.raise_request_exception = False
    with broken(monkeypatch, error):
        answer = reads.get(f"{thread(made)}?q={WORDS}&ticket=ABC-1", headers={"X-Note": WORDS, "Authorization": SECRET})
    assert answer.status_code == 500
    (report,) = reported()
    assert [one["type"] for one in report["exception"]["values"]] == ["ValueError", type(error).__name__]
    functions = [frame["function"] for frame in report["exception"]["values"][-1]["stacktrace"]["frames"]]
    assert functions[-2:] == ["conversation", "fail"]
    assert report["tags"] == {
        "route": "conversations/<uuid:omni_id>/",
        "request_id": answer.headers["X-Request-ID"],
    }
    sent = b" ".join(body for _, body in receiver.bodies).decode()
    for word in (SECRET, "walrus", "oysters", "ABC-1", str(made.id), "owner", "row contains", "sessionid"):
        assert word not in sent, word


def test_lines_of_errors_are_reported_by_their_sentence(
    reported: Callable[[], list[dict[str, Any]]], receiver: Received
) -> None:
    logging.getLogger("omniviewer.tasks").error("%s could not be done", WORDS, extra={"prompt": SECRET})
    logging.getLogger("somebody.else").error(f"He said: {WORDS}")  # noqa: G004
    logging.getLogger("omniviewer.tasks").error(ValueError(WORDS))
    logging.getLogger("omniviewer.tasks").warning("no error")
    # Django's security log holds what anybody sends, such as another host.
    logging.getLogger("django.security.DisallowedHost").error(f"Invalid HTTP_HOST header: {WORDS}")  # noqa: G004
    logging.getLogger("djangoesque").error(WORDS)
    assert [report.get("logentry") for report in reported()] == [{"message": "%s could not be done"}, None, None, None]
    assert "walrus" not in repr(receiver.bodies)
    assert SECRET not in repr(receiver.bodies)


def test_nothing_is_added_to_the_requests_to_omni(
    reads: Client, small: Organization, analyst: Member, headers: set[str], reported: Callable[[], Any]
) -> None:
    made = answered(small, analyst, ages=[DAY])
    assert reads.get(thread(made)).status_code == 200
    assert "authorization" in headers
    assert not headers & {"sentry-trace", "baggage", "traceparent", "tracestate"}
    assert reported() == []


# Traces ---------------------------------------------------------------------------------------------------


@pytest.fixture
def traced(receiver: Received, settings: Settings) -> Iterator[Callable[[], list[Any]]]:
    """Send traces to the receiver; return a function for the spans so far."""
    settings.OTLP_ENDPOINT = f"http://127.0.0.1:{receiver.port}"
    settings.BEHIND_PROXY = True
    traces._provider.cache_clear()

    def spans() -> list[Any]:
        traces._provider().force_flush()
        found = []
        for path, body in receiver.bodies:
            assert path == "/v1/traces"
            message = ExportTraceServiceRequest.FromString(body)
            found += [span for whole in message.resource_spans for scope in whole.scope_spans for span in scope.spans]
        return found

    yield spans
    traces._provider().shutdown()
    traces._provider.cache_clear()


def test_a_page_and_its_requests_to_omni_are_one_trace(
    reads: Client,
    small: Organization,
    analyst: Member,
    headers: set[str],
    traced: Callable[[], list[Any]],
    receiver: Received,
) -> None:
    made = answered(small, analyst, ages=[DAY])
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    page = reads.get(f"{thread(made)}?q={WORDS}", headers={"traceparent": parent, "X-Forwarded-Proto": "https"})
    assert page.status_code == 200
    spans = {span.name: span for span in traced()}
    assert set(spans) == {"GET conversations/<uuid:omni_id>/", "Omni conversation"}
    of_page, of_omni = spans["GET conversations/<uuid:omni_id>/"], spans["Omni conversation"]
    assert of_omni.parent_span_id == of_page.span_id
    assert of_page.trace_id.hex() == parent.split("-")[1]
    told = {item.key: item.value.string_value or item.value.int_value for item in of_page.attributes}
    assert told == {
        "http.request.method": "GET",
        "http.route": "conversations/<uuid:omni_id>/",
        "http.response.status_code": 200,
    }
    assert {item.key for item in of_omni.attributes} == {"server.address", "omni.route", "omni.outcome"}
    assert "authorization" in headers
    assert not headers & {"traceparent", "tracestate", "baggage"}
    sent = repr(receiver.bodies)
    for word in ("walrus", str(made.id), "omni_pat", "SELECT"):
        assert word not in sent, word


def test_a_fault_is_a_page_with_its_status(
    reads: Client,
    small: Organization,
    analyst: Member,
    traced: Callable[[], list[Any]],
    receiver: Received,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = answered(small, analyst, ages=[DAY])
    reads.raise_request_exception = False
    with broken(monkeypatch, RuntimeError(WORDS)):
        reads.get(thread(made), headers={"X-Forwarded-Proto": "https"})
    (page,) = (span for span in traced() if span.name.startswith("GET "))
    assert {item.key: item.value.int_value for item in page.attributes}["http.response.status_code"] == 500
    assert "walrus" not in repr(receiver.bodies)


def test_tasks_are_told_by_name(
    reads: Client, small: Organization, analyst: Member, traced: Callable[[], list[Any]]
) -> None:
    from django_tasks.signals import task_finished, task_started

    tasks = traces.Tasks()
    task_started.connect(tasks.begin, weak=False)
    task_finished.connect(tasks.end, weak=False)
    try:
        made = answered(small, analyst, ages=[DAY])
        reads.get(thread(made), headers={"X-Forwarded-Proto": "https"})
        work()
    finally:
        task_started.disconnect(tasks.begin)
        task_finished.disconnect(tasks.end)
    spans = {span.name: span for span in traced()}
    task = spans["task conversations.tasks.capture"]
    assert {item.key: item.value.string_value for item in task.attributes}["task.status"] == "SUCCESSFUL"


def test_without_a_collector_nothing_is_loaded(db: None) -> None:
    traces._provider.cache_clear()
    Client().get("/healthz")
    Client().get("/sign-in/")
    assert traces._provider.cache_info().currsize == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
