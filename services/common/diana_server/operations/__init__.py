"""Long work that outlives the call that started it: durable, followed, cancelled, resumed after a restart."""

from diana_server.operations.model import Failure, Operation, Progress, State
from diana_server.operations.queue import Handler, OperationQueue
from diana_server.operations.servicer import OperationServicer
from diana_server.operations.wire import operation_to_proto
from diana_server.operations.work import Work

__all__ = [
    "Failure",
    "Handler",
    "Operation",
    "OperationQueue",
    "OperationServicer",
    "Progress",
    "State",
    "Work",
    "operation_to_proto",
]
