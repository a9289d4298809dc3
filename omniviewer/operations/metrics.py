"""Metrics for the people who run the site, at `/metrics`, from all of gunicorn's processes.

prometheus_client keeps them in files of `PROMETHEUS_MULTIPROC_DIR` where that is set when it is imported; settings.py
sets it where there is a token for `/metrics`. https://prometheus.github.io/client_python/multiprocess/
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

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

from omniviewer.operations import database_errors
from omniviewer.operations.database_errors import Trouble
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


@dataclass(frozen=True)
class Gauge:
    """A value that is measured at each scrape: the same from all processes and machines.

    `measure` returns it by the values of `labels`; without labels, under the empty tuple.
    """

    name: str
    meaning: str
    measure: Callable[[], Mapping[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


class _Measured:
    """The gauges, for a registry."""

    def __init__(self) -> None:
        self.gauges: dict[str, Gauge] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the measured values; none while the database is down, so that the other metrics still appear.

        The first that finds it away is the last: each would wait for a connection, and Prometheus for all of them.
        """
        for gauge in self.gauges.values():
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            try:
                for labels, value in gauge.measure().items():
                    family.add_metric(labels, value)
            except DatabaseError as error:
                if database_errors.trouble(error) is Trouble.AWAY:
                    return
            except OSError:
                continue
            else:
                yield family


_measured = _Measured()


def add_gauge(gauge: Gauge) -> None:
    """Have each scrape measure this too, in the place of one of the same name."""
    _measured.gauges[gauge.name] = gauge


def carries_token(request: HttpRequest) -> bool:
    """Return whether the request carries the token of `/metrics`; without one in the settings, none does."""
    given = request.headers.get("Authorization", "")
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")


@never_cache
@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus, which sends the token; without a token in the settings, answer 404."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("not found\n", status=404, content_type="text/plain")
    if not carries_token(request):
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
