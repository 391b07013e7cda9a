"""Metrics and logs of what the archive does."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram

from diana_archive.core.model import Outcome, Stored
from diana_common.errors import DianaError
from diana_common.traces import frames

STORED_INSTANCES = Counter(
    "diana_archive_stored_instances", "Instances taken in, by store and outcome.", ["store", "outcome"]
)
STORED_BYTES = Counter("diana_archive_stored_bytes", "Part 10 bytes of new instances, by store.", ["store"])
REFUSED_INSTANCES = Counter("diana_archive_refused_instances", "Instances refused, by reason.", ["reason"])
WAITING_CHANGES = Gauge("diana_archive_waiting_changes", "Changes that wait for the committer.")
COMMIT_CHANGES = Histogram(
    "diana_archive_commit_changes", "Changes that shared a commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
OUTLIVES_POWER_CUTS = Gauge(
    "diana_archive_outlives_power_cuts",
    "1 if what is acknowledged outlives a power cut, 0 if only a crash of the process.",
)


def tell_durability(outlives_power_cuts: bool) -> None:
    """Whoever runs the archive must be able to see that it promises less than it might."""
    OUTLIVES_POWER_CUTS.set(int(outlives_power_cuts))
    if not outlives_power_cuts:
        structlog.get_logger().bind(service="archive").warning(
            "what is acknowledged may be lost in a power cut", durability="process_crash"
        )


class PrometheusMeter:
    """core.ports.Meter for Prometheus and the log."""

    def __init__(self) -> None:
        self._log = structlog.get_logger().bind(service="archive")
        # Looking a label up costs more than counting.
        self._instances: dict[tuple[str, Outcome], Counter] = {}
        self._bytes: dict[str, Counter] = {}

    def stored(self, stored: Stored) -> None:
        """See core.ports.Meter."""
        store, outcome = stored.instance.store, stored.outcome
        if (store, outcome) not in self._instances:
            self._instances[store, outcome] = STORED_INSTANCES.labels(store, outcome.name)
            self._bytes[store] = STORED_BYTES.labels(store)
        self._instances[store, outcome].inc()
        if outcome is not Outcome.ALREADY_STORED:
            self._bytes[store].inc(stored.instance.size_bytes)

    def refused(self, error: DianaError) -> None:
        """See core.ports.Meter."""
        REFUSED_INSTANCES.labels(error.reason.name).inc()

    def committed(self, changes: int) -> None:
        """See core.ports.Meter."""
        COMMIT_CHANGES.observe(changes)

    def waiting(self, changes: int) -> None:
        """See core.ports.Meter."""
        WAITING_CHANGES.set(changes)

    def failed(self, error: Exception) -> None:
        """See core.ports.Meter. The error's own text is left out: it may name paths or hold values."""
        self._log.error("failed", error_type=type(error).__qualname__, frames=frames(error))
