"""Prometheus metrics and logs of what the door keeps."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Counter, Gauge

from diana_common.errors import DianaError
from diana_dimse.core.commitment.provider import Transaction
from diana_dimse.core.steps.model import Step

PENDING_COMMITMENTS = Gauge("diana_dimse_commitments_pending", "Requests for commitment whose result is not reported.")
UNTOLD_STEPS = Gauge("diana_dimse_procedure_steps_untold", "Procedure steps that the archive has not heard of.")
GIVEN_UP = Counter(
    "diana_dimse_given_up_total", "What could not be told: results of commitments, procedure steps.", ["what", "reason"]
)

Log = Callable[..., None]


class DoorWatch:
    """The core's `Watch`es: whatever is given up is counted and logged."""

    def __init__(self, warn: Log, on_fault: Callable[[Exception], None]) -> None:
        self._warn, self._on_fault = warn, on_fault

    def given_up(self, transaction: Transaction, error: DianaError) -> None:
        """See `core.commitments.Watch`."""
        GIVEN_UP.labels("commitment", error.reason.name).inc()
        self._warn(
            "commitment not reported",
            calling=transaction.calling,
            transaction_uid=transaction.asked.transaction_uid,
            attempts=transaction.attempts + 1,
            reason=error.reason.name,
        )

    def step_refused(self, step: Step, error: DianaError) -> None:
        """See `core.procedure_steps.Watch`."""
        GIVEN_UP.labels("procedure-step", error.reason.name).inc()
        self._warn("procedure step not recorded", calling=step.source, step_uid=step.uid, reason=error.reason.name)

    def waits(self, peer: str, why: str, seconds: float) -> None:
        """See `core.pacing.Waiting`."""
        self._warn("operation waits", peer=peer, why=why, seconds=seconds)

    def fault(self, error: Exception) -> None:
        """See both."""
        self._on_fault(error)
