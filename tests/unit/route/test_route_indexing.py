"""Files registered where they lie, many by one look."""

from __future__ import annotations

from typing import cast

import pytest

from diana.operation.v1.operation_service_pb2 import ItemFailure, Operation, Progress
from diana_client import FolderClient, OperationClient
from diana_common.attempts import Failed, Postponed, Refused
from diana_route.core.model import Item
from diana_route.core.rules import Index
from diana_route.peers.indexing import Indexing
from diana_route.peers.operations import Operations
from tests.support.route_tasks import MemoryNotes, file_item, study_item, task_of
from tests.unit.route.operations_fake import FakeService, goes_on

SPEC = Index("/incoming")


class FakeFolders:
    """The registry, whose folder is looked through by operations of a service."""

    def __init__(self, service: FakeService) -> None:
        self.service = service

    def index(self, path: str, request_id: str) -> Operation:
        assert path == "/incoming"
        return self.service.begin(request_id)


def outcomes(service: FakeService, *items: Item) -> list[Failed | None]:
    client = cast(OperationClient, service)
    operations = Operations(client, "the index", MemoryNotes())
    indexing = Indexing(SPEC, cast(FolderClient, FakeFolders(service)), operations, client)
    tasks = [task_of(item, [SPEC], number=number) for number, item in enumerate(items)]
    return list(indexing.carry_out_all(tasks))


def test_many_files_share_one_look() -> None:
    service = FakeService()
    assert outcomes(service, *[file_item(f"{number}.dcm") for number in range(100)]) == [None] * 100
    assert len(service.begun) == 1


def test_what_cannot_be_read_fails_alone() -> None:
    def some_fail(operation: Operation) -> None:
        operation.progress.CopyFrom(Progress(done=3, total=3, failed=2, unit="files"))

    service = FakeService(some_fail)
    service.failed = [ItemFailure(item="bad.dcm"), ItemFailure(item="north/atlas/broken.dcm"), ItemFailure(item="x")]
    good, bad, broken = outcomes(service, *map(file_item, ("good.dcm", "bad.dcm", "atlas/broken.dcm")))
    assert good is None
    assert isinstance(bad, Refused)
    assert isinstance(broken, Refused)
    assert bad.why == "the index cannot read the file"


def test_a_look_that_takes_long_is_waited_for_by_all() -> None:
    found = outcomes(FakeService(goes_on), file_item("one.dcm"), file_item("two.dcm"))
    assert [isinstance(one, Postponed) for one in found] == [True, True]


@pytest.mark.parametrize("item", [study_item("1.2")])
def test_what_is_stored_is_no_file(item: Item) -> None:
    [failed] = outcomes(FakeService(), item)
    assert isinstance(failed, Refused)
