"""Metrics and logs of what notify does: no address, no text, no channel in either."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

from diana_common.errors import DianaError, Reason
from diana_common.traces import frames
from diana_notify.core.model import Parcel

ATTEMPTS = Counter(
    "diana_notify_attempts_total", "Attempts to deliver, by transport and outcome.", ["transport", "outcome"]
)
DEAD = Counter("diana_notify_dead_total", "Deliveries given up, by transport.", ["transport"])
QUEUED = Gauge("diana_notify_queued", "Deliveries that have not ended.")
MATCHES = Counter("diana_notify_rule_messages_total", "Messages that rules made, by rule.", ["rule"])
MISMATCHES = Counter(
    "diana_notify_rule_failures_total",
    "Events that a rule could tell nobody of, by rule and reason.",
    ["rule", "reason"],
)
FOLLOW_FAILURES = Counter("diana_notify_follow_failures_total", "Times that following the archive broke off.")


class PrometheusObserver:
    """diana_common.attempts.Observer and core.rules.RuleObserver for Prometheus and the log."""

    def __init__(self, count_queued: Callable[[], int]) -> None:
        self._log = structlog.get_logger().bind(service="notify")
        QUEUED.set_function(count_queued)

    def close(self) -> None:
        """Count no more: the ledger is about to be closed."""
        QUEUED.set_function(float)

    def succeeded(self, piece: Parcel) -> None:
        """See Observer."""
        ATTEMPTS.labels(_label(piece), "sent").inc()

    def failed(self, piece: Parcel, why: str) -> None:
        """See Observer."""
        ATTEMPTS.labels(_label(piece), "failed").inc()
        delivery = piece.delivery
        self._log.info(
            "not delivered yet",
            delivery=delivery.name,
            transport=_label(piece),
            why=why,
            failures=delivery.attempt_count + 1,
        )

    def dead(self, piece: Parcel, why: str, count: int) -> None:
        """See Observer."""
        if count:
            DEAD.labels(_label(piece)).inc(count)
            self._log.warning("given up", transport=_label(piece), why=why, deliveries=count)

    def stumbled(self, error: Exception) -> None:
        """See Observer. The error's own text is left out: it may hold values."""
        self._log.error("failed", error_type=type(error).__qualname__, frames=frames(error))

    def matched(self, rule: str, messages: int) -> None:
        """See RuleObserver."""
        MATCHES.labels(rule).inc(messages)

    def unmatched(self, rule: str, study_uid: str, reason: Reason) -> None:
        """See RuleObserver."""
        MISMATCHES.labels(rule, reason.name).inc()
        self._log.warning("nobody told", rule=rule, study_uid=study_uid, reason=reason.name)

    def lost(self, error: DianaError) -> None:
        """See core.following.Lost."""
        FOLLOW_FAILURES.inc()
        self._log.warning("not following the archive", reason=error.reason.name)


def _label(parcel: Parcel) -> str:
    return parcel.delivery.recipient.transport.name.lower()
