"""Metrics for the people who run the site, at `/metrics`, from all of gunicorn's processes.

prometheus_client keeps them in files of `PROMETHEUS_MULTIPROC_DIR` where that is set when it is imported; settings.py
sets it where there is a token for `/metrics`. https://prometheus.github.io/client_python/multiprocess/
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from omniviewer.operations.metric_files import ReservedDict

# Set before any metric is created.
values.MmapedDict = ReservedDict  # type: ignore[attr-defined]
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)
_here = CollectorRegistry()
_upstream_requests = Counter("omniviewer_upstream_requests", "Requests to Omni.", ["route", "outcome"], registry=_here)
_upstream_seconds = Histogram(
    "omniviewer_upstream_seconds", "How long Omni took.", ["route"], buckets=_SECONDS, registry=_here
)
_kept_pages = Counter(
    "omniviewer_kept_pages",
    "Pages from what is kept and fresh, from what is kept and stale, after asking Omni, "
    "or (stretched) from what is kept because Omni cannot be asked.",
    ["state"],
    registry=_here,
)
_page_seconds = Histogram(
    "omniviewer_page_seconds", "How long pages took.", ["route", "status"], buckets=_SECONDS, registry=_here
)
_index_failures = Counter(
    "omniviewer_index_failures",
    "Conversations that the search could not take in, at each try.",
    ["because"],
    registry=_here,
)
# A full or vanished disk costs the counts, not the pages.
_if_possible = suppress(OSError)


def upstream(route: str, outcome: str, seconds: float) -> None:
    """Count one request to Omni."""
    with _if_possible:
        _upstream_requests.labels(route, outcome).inc()
        _upstream_seconds.labels(route).observe(seconds)


def page_from(state: str) -> None:
    """Count a page served: "fresh" or "stale" as stored, "asked" for, or "stretched" while Omni is unreachable."""
    with _if_possible:
        _kept_pages.labels(state).inc()


def page_took(route: str, status: int, seconds: float) -> None:
    """Count one page answered, with any status."""
    with _if_possible:
        _page_seconds.labels(route, str(status)).observe(seconds)


def index_failed(because: str) -> None:
    """Count a conversation that could not be indexed; the page "What is kept" names it."""
    with _if_possible:
        _index_failures.labels(because).inc()


class _Measured:
    """Values measured at each scrape: the same from all processes and machines."""

    def __init__(self) -> None:
        self.budget_left: Callable[[], dict[str, int]] = dict
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the measured values; none while the database is down, so that the other metrics still appear."""
        gauge = GaugeMetricFamily(
            "omniviewer_budget_left", "Requests that a token has left in this minute.", labels=["token"]
        )
        with suppress(DatabaseError):
            for token, requests in self.budget_left().items():
                gauge.add_metric([token], requests)
        yield gauge
        for name, (meaning, value) in self.gauges.items():
            with suppress(DatabaseError):
                yield GaugeMetricFamily(name, meaning, value=value())


_measured = _Measured()


def budget_left_from(function: Callable[[], dict[str, int]]) -> None:
    """Set the function called at each scrape for the requests left, by a name for each API token."""
    _measured.budget_left = function


def gauge(name: str, meaning: str, function: Callable[[], float]) -> None:
    """Set the function called at each scrape for a value from the database."""
    _measured.gauges[name] = meaning, function


@never_cache
@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus, which sends the token; without a token in the settings, answer 404."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("not found\n", status=404, content_type="text/plain")
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(
            "unauthorized\n", status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"}
        )
    registry = CollectorRegistry()
    registry.register(_measured)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_here)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)
