"""The action `index`: a folder's files registered where they lie."""

from __future__ import annotations

from collections.abc import Sequence

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import FolderClient, OperationClient
from diana_common.attempts import Failed, Refused
from diana_route.core.actions import Joint
from diana_route.core.model import FileItem, Item, Task
from diana_route.core.rules import Index
from diana_route.peers.faults import attempted
from diana_route.peers.operations import Operations

INDEX = "the index"


class Indexing(Joint):
    """Carries out one `index` of one rule: the registry looks through its folder, and reads what is new or changed.

    Idempotent by nature. An operation that ran before the file came may have passed its place, so that it is one that
    began later which counts; all files that wait by then share it.
    """

    def __init__(self, spec: Index, folders: FolderClient, operations: Operations, following: OperationClient) -> None:
        self._spec = spec
        self._folders = folders
        self._operations = operations
        self._following = following

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return "index"

    def carry_out_all(self, tasks: Sequence[Task]) -> Sequence[Failed | None]:
        """See core.actions.Joint: all of them by one look."""
        try:
            operation = self._operations.done(tasks[0], self._begin, lambda ended: None, joins=True)
            unreadable = self._unreadable(operation)
        except Failed as failed:
            return [failed] * len(tasks)
        return [_failure(task.job.item, unreadable) for task in tasks]

    def _begin(self, request_id: str) -> Operation:
        return self._folders.index(self._spec.folder, request_id=request_id)

    def _unreadable(self, operation: Operation) -> frozenset[str]:
        """Paths within the registry's folder, 10,000 at most."""
        if not operation.progress.failed:
            return frozenset()
        with attempted(INDEX):
            return frozenset(one.item for one in self._following.failures(operation.name))


def _failure(item: Item, unreadable: frozenset[str]) -> Failed | None:
    if not isinstance(item, FileItem):
        return Refused("it takes a file of a folder, not what is stored")
    if any(path == item.path or path.endswith(f"/{item.path}") for path in unreadable):
        return Refused("the index cannot read the file")
    return None
