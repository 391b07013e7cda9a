"""Long work of a service, waited for: what failed of it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from diana.archive.v1 import archive_service_pb2 as pb
from diana.dimse.v1.dimse_service_pb2 import RetrieveFromPeerResult, SendToPeerResult
from diana.index.v1.folder_service_pb2 import IndexFolderResult
from diana.index.v1.index_service_pb2 import BackfillResult
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import OperationClient
from diana_client.errors import from_status
from diana_common.errors import DianaError, Reason
from diana_common.uid import is_uid
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import OnProgress

_RESULTS = {
    pb.ImportInstancesResult: "imported",
    pb.VerifyStoreResult: "verified",
    pb.BackUpArchiveResult: "backed_up",
    IndexFolderResult: "indexed",
    BackfillResult: "filled",
    RetrieveFromPeerResult: "retrieved",
    SendToPeerResult: "sent",
}
_FAILED_ITEM = {"archive.import": "path", "archive.verify": "sop_instance_uid", "index.folder": "path"}
"""What the failures of an operation name, by its kind; of other kinds a study or an instance, where it is a UID."""


def await_work(operations: OperationClient, name: str, on_progress: OnProgress | None) -> Iterator[Item]:
    """Wait for the end of an operation: its failed items, each with its failure; at last its counts, or its error."""

    def tell(running: Operation) -> None:
        if on_progress:
            on_progress(running.progress.done, running.progress.total)

    ended = operations.wait(name, on_progress=tell if on_progress else None)
    for number, failed in enumerate(operations.failures(name), 1):
        key = _FAILED_ITEM.get(ended.kind) or ("uid" if "." in failed.item and is_uid(failed.item) else "item")
        yield Item({key: failed.item}, failure=failure_of(from_status(failed.status)), number=number)
    yield _outcome(ended)


def _outcome(ended: Operation) -> Item:
    if ended.state == Operation.STATE_FAILED:
        return Item(failure=failure_of(from_status(ended.error)))
    if ended.state == Operation.STATE_CANCELLED:
        return Item(failure=failure_of(DianaError(Reason.OPERATION_FINISHED, "the operation was cancelled")))
    meta: dict[str, object] = {"operation": ended.name, "store": ended.store}
    for kind, outcome in _RESULTS.items():
        result = kind()
        if ended.result.Unpack(result):
            meta |= {field.name: getattr(result, field.name) for field in result.DESCRIPTOR.fields}
            meta["outcome"] = outcome
    return Item(meta)
