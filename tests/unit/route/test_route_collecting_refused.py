"""What a PACS refuses of a retrieval: tried again where its status says so, and told by its reason."""

from __future__ import annotations

from typing import cast

import pytest

from diana.operation.v1.operation_service_pb2 import ItemFailure, Operation
from diana_client import DimseClient, OperationClient
from diana_common.attempts import Failed
from diana_common.errors import Reason
from diana_route.core.collecting import Collected, ItemState, SourceRefused, Step, reason_of
from diana_route.core.rules import Put
from diana_route.peers.collecting_from_peer import PeerSource
from diana_route.peers.operations import Operations
from tests.support.route_tasks import MemoryNotes, study_item, task_of
from tests.unit.route.operations_fake import FakeService, status

ITEM = Collected(1, 1, "", "1.2", ItemState.FOUND, Step.RETRIEVE, 0.0, 0.0)


class FakeDoor:
    """The DICOM door, whose operations end with a failure of their study."""

    def __init__(self, service: FakeService) -> None:
        self.service = service

    def retrieve_studies(self, peer: str, uids: list[str], *, store: str, request_id: str) -> Operation:
        return self.service.begin(request_id)


def _one_failed(operation: Operation) -> None:
    operation.progress.failed = operation.progress.total = operation.progress.done = 1
    operation.progress.unit = "studies"


@pytest.mark.parametrize(("reason", "may_be_later"), [(Reason.PEER_REFUSED, True), (Reason.STUDY_INCOMPLETE, False)])
def test_a_status_of_the_peer_is_no_end_and_its_reason_is_told(reason: Reason, may_be_later: bool) -> None:
    service, notes = FakeService(_one_failed), MemoryNotes()
    service.failed = [ItemFailure(item="1.2", status=status(reason))]
    operations = Operations(cast(OperationClient, service), "peer pacs", notes)
    source = PeerSource("pacs", cast(DimseClient, FakeDoor(service)), operations)
    with pytest.raises(Failed) as caught:
        source.retrieve(ITEM, task_of(study_item("1.2"), [Put("staging")], notes=notes), "staging")
    assert isinstance(caught.value, SourceRefused) == may_be_later
    assert reason_of(Step.RETRIEVE, caught.value.__cause__) == reason.name
