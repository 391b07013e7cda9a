"""What is done for those who use peers through us: DimseService and its operations."""

from __future__ import annotations

from diana.dimse.v1 import dimse_service_pb2
from diana.dimse.v1.dimse_service_pb2_grpc import add_DimseServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_dimse.adapters.pacs import DicomPacs
from diana_dimse.config import DimseConfig
from diana_dimse.core.commitment.user import Committer
from diana_dimse.core.doorway import Doorway
from diana_dimse.core.outbound.book import AddressBook
from diana_dimse.core.outbound.collecting import Collector
from diana_dimse.core.outbound.dispatching import Dispatcher
from diana_dimse.core.outbound.pacing import Clock
from diana_dimse.network.storing import StorageCaller
from diana_dimse.servicer.dimse import DimseServicer
from diana_dimse.servicer.operations import RETRIEVE, SEND, retrieve_handler, send_handler
from diana_dimse.wiring.parts import Parts
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.server import Server

# Operations at a time: most of them wait, for a peer or for its hours.
_OPERATIONS = 8


def serve_users(server: Server, config: DimseConfig, parts: Parts, doorway: Doorway) -> None:
    """Serve the contracts; operations that were cut short go on from now on."""
    queue = OperationQueue(config.state_dir / "operations.sqlite", "dimse", workers=_OPERATIONS)
    book = AddressBook(parts.directory, parts.correspondents)
    pacs = DicomPacs(parts.remotes, parts.receiving, parts.arrivals)
    _register(queue, parts, book, pacs)
    _offer(server, queue, DimseServicer(book, doorway, pacs, queue, server.stopping.is_set))
    server.on_stopping(queue.interrupt)
    server.on_stop(queue.stop)
    queue.start()


def _register(queue: OperationQueue, parts: Parts, book: AddressBook, pacs: DicomPacs) -> None:
    """What does each kind of operation."""
    clock, archive = Clock(), parts.archive
    collector = Collector(pacs, archive.holdings, archive.evidence, parts.paces, clock, parts.watch)
    queue.register(RETRIEVE, retrieve_handler(collector, book))
    caller, committer = StorageCaller(parts.remotes), Committer(parts.caller, parts.expected)
    dispatcher = Dispatcher(parts.sender, archive.reading, caller, pacs, parts.paces, clock, parts.watch, committer)
    queue.register(SEND, send_handler(dispatcher, book))


def _offer(server: Server, queue: OperationQueue, dimse: DimseServicer) -> None:
    """Add the contracts; they are ready once operations can be kept."""

    def ready() -> None:
        queue.page(None, 1, active_only=True)

    services = dimse_service_pb2.DESCRIPTOR.services_by_name
    server.add(services["DimseService"], add_DimseServiceServicer_to_server, dimse, ready=ready)
    services = operation_service_pb2.DESCRIPTOR.services_by_name
    server.add(
        services["OperationService"], add_OperationServiceServicer_to_server, OperationServicer(queue), ready=ready
    )
