"""Prometheus metrics that every service has, and the page that serves them.

Labels hold method names, status codes and reasons: never UIDs, names or other values of a request.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import HTTPServer
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, start_http_server

CALL_SECONDS = Histogram(
    "diana_call_seconds",
    "Time from a call's arrival to its end, by method and status code; streams count whole.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
CALLS_IN_FLIGHT = Gauge("diana_calls_in_flight", "Calls being served now, by method.", ["method"])
REFUSALS = Counter("diana_refusals_total", "Calls that ended with a typed error, by reason.", ["method", "reason"])
QUEUE_DEPTH = Gauge("diana_queue_depth", "Pieces of work that wait, by queue.", ["queue"])


def serve_metrics(host: str, port: int) -> Callable[[], None]:
    """Serve the metrics page over HTTP in a thread; returns what ends it."""
    server: HTTPServer
    thread: Any
    server, thread = start_http_server(port, host)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close
