"""Metrics and logs of what the index does."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge

from diana_common.errors import DianaError
from diana_index.core.progress import Progress

APPLIED_ENTRIES = Counter("diana_index_entries_applied_total", "Feed entries applied, those without effect included.")
SKIPPED_INSTANCES = Counter("diana_index_instances_skipped_total", "Instances that could not be indexed.")
ENTRIES_BEHIND = Gauge("diana_index_entries_behind", "Feed entries that the archive has beyond what is applied.")
FOLLOWING = Gauge("diana_index_following", "1 while the archive's feed is being followed.")


class PrometheusListener:
    """core.feeding.Listener for Prometheus and the log; the gauges tell where `progress` stands."""

    def __init__(self, progress: Progress) -> None:
        self._log = structlog.get_logger().bind(service="index")
        ENTRIES_BEHIND.set_function(lambda: progress.entries_behind)
        FOLLOWING.set_function(lambda: progress.following)

    def applied(self, entries: int) -> None:
        """See core.feeding.Listener."""
        APPLIED_ENTRIES.inc(entries)

    def skipped(self, store: str, sop_uid: str, why: str) -> None:
        """See core.feeding.Listener."""
        SKIPPED_INSTANCES.inc()
        self._log.warning("instance not indexed", store=store, sop_instance_uid=sop_uid, why=why)

    def lost(self, error: DianaError) -> None:
        """See core.feeding.Listener."""
        self._log.warning("not following the archive", reason=error.reason.name)
