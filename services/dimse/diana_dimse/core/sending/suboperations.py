"""What a C-MOVE or C-GET answers of its sub-operations (PS3.4 sections C.4.2.1.6 to 8, C.4.3.1.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from diana_dimse.core.sending.sender import Outcome, Sent
from diana_dimse.core.statuses import Status

_MOST = 0xFFFF  # a US holds no more


class SubOperations:
    """Counts them."""

    def __init__(self, count: int) -> None:
        """`count`: how many there are to be."""
        self._count = count
        self._outcomes: Counter[Outcome] = Counter()
        self.failed_uids: list[str] = []
        self.why = ""
        """Why the first one failed."""

    def add(self, sent: Sent) -> None:
        """One is done."""
        self._outcomes[sent.outcome] += 1
        if sent.outcome is Outcome.FAILURE:
            self.failed_uids.append(sent.instance.sop_instance_uid)
            self.why = self.why or sent.why

    @property
    def remaining(self) -> int:
        """How many are not done yet."""
        return self._count - self._outcomes.total()

    def status(self, *, is_cancelled: bool) -> Status:
        """The final status. Where the last one was done before the cancellation was seen, nothing was cancelled."""
        if is_cancelled and self.remaining:
            return Status.CANCELLED
        if not self.failed_uids:
            return Status.SUCCESS
        if len(self.failed_uids) == self._count:
            return Status.OUT_OF_RESOURCES_SUBOPERATIONS
        return Status.SUBOPERATIONS_WITH_FAILURES

    def fields(self, status: Status) -> Mapping[str, Any]:
        """The numbers for a response; those that remain belong to pending and cancelled ones only."""
        found = {
            "completed_suboperations": self._outcomes[Outcome.SUCCESS],
            "failed_suboperations": self._outcomes[Outcome.FAILURE],
            "warning_suboperations": self._outcomes[Outcome.WARNING],
        }
        if status in (Status.PENDING, Status.CANCELLED):
            found["remaining_suboperations"] = self.remaining
        return {name: min(number, _MOST) for name, number in found.items()}
