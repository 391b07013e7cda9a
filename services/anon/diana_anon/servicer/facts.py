"""What the queue remembers of operations, for reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from diana_anon.core.reports.model import Facts, Refused
from diana_anon.servicer.operations import PREVIEW, STUDIES, STUDY
from diana_anon.wire.failures import refused_from_status
from diana_common.errors import DianaError, Reason
from diana_server.operations import OperationQueue

_KINDS = (STUDY, STUDIES, PREVIEW)
_PART = 500


class QueueFacts:
    """core.reports.model.Operations over the queue."""

    def __init__(self, queue: OperationQueue) -> None:
        self._queue = queue

    def facts(self, operation: str) -> Facts | None:
        """See Operations. Other kinds of operations have no reports."""
        try:
            found = self._queue.get(operation)
        except DianaError as error:
            if error.reason is not Reason.OPERATION_NOT_FOUND:
                raise
            return None
        if found.kind not in _KINDS:
            return None
        return Facts(found.name, found.kind, found.state.name.lower(), _time(found.create_time), _time(found.end_time))

    def failures(self, operation: str) -> Iterator[Refused]:
        """See Operations."""
        if self.facts(operation) is None:
            return
        after = 0
        while part := self._queue.failures(operation, after, _PART):
            yield from (refused_from_status(failure.item, failure.status) for _, failure in part)
            after = part[-1][0]


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
