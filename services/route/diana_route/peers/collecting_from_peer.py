"""A DICOM peer as a collection's source: found by C-FIND, retrieved by the DICOM door's operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import DimseClient, retrieve_result
from diana_client.collect import SOURCE_KEYS
from diana_common.attempts import Failed, Refused
from diana_common.dicomjson import first_value
from diana_common.errors import Reason
from diana_route.core.collecting import Collected, SourceRefused
from diana_route.core.model import Task
from diana_route.peers.faults import attempted
from diana_route.peers.operations import Operations

_ACCESSION_NUMBER, _STUDY_UID = "00080050", "0020000D"
_MOST_STUDIES = 1000
_REFUSED = Reason.PEER_REFUSED.name


class PeerSource:
    """Studies of a peer. Safe to share between threads."""

    def __init__(self, peer: str, dimse: DimseClient, operations: Operations) -> None:
        self._peer, self._dimse, self._operations = peer, dimse, operations

    def studies(self, item: Collected) -> Iterator[dict[str, Any]]:
        """What the peer says of an item's studies, as DICOM JSON. Raises Failed."""
        wanted = {"StudyInstanceUID": item.study_uid} if item.study_uid else {"AccessionNumber": item.accession_number}
        with attempted(f"peer {self._peer}"):
            for answer in self._dimse.find(self._peer, "study", wanted, return_keys=SOURCE_KEYS, limit=_MOST_STUDIES):
                if is_wanted(item, answer):
                    yield answer

    def find(self, item: Collected) -> Sequence[str]:
        """See Steps."""
        found = (first_value(answer, _STUDY_UID) or "" for answer in self.studies(item))
        return sorted({uid for uid in found if uid})

    def retrieve(self, item: Collected, task: Task, store: str) -> None:
        """Bring a study, whole by the peer's own count. Raises Failed; SourceRefused for what it may take later."""

        def begin(request_id: str) -> Operation:
            return self._dimse.retrieve_studies(self._peer, [item.study_uid], store=store, request_id=request_id)

        try:
            self._operations.done(task, begin, self._check)
        except Refused as refused:
            if getattr(refused.__cause__, "reason", "") == _REFUSED:
                raise SourceRefused(refused.why) from refused.__cause__
            raise

    def _check(self, operation: Operation) -> Failed | None:
        if partly := self._operations.partly(operation):
            return partly
        with attempted(f"peer {self._peer}"):
            result = retrieve_result(operation)
        if not result.complete_study_count:
            return Refused(f"peer {self._peer} sent less than the study")
        return None


def is_wanted(item: Collected, header: dict[str, Any]) -> bool:
    """Whether what a source says is of the study or number asked for: some answer more than they were asked."""
    if item.study_uid:
        return first_value(header, _STUDY_UID) == item.study_uid
    return (first_value(header, _ACCESSION_NUMBER) or "").strip() == item.accession_number
