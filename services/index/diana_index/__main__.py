"""Runs the index service: `python -m diana_index --config FILE`."""

from __future__ import annotations

from diana.index.v1 import index_service_pb2
from diana.index.v1.index_service_pb2_grpc import add_IndexServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_common.state_files import FolderLock
from diana_index.adapters import PrometheusListener
from diana_index.config import IndexConfig
from diana_index.core.follow import Follower
from diana_index.core.index import Index
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.peers import ArchivePeer, tls_options
from diana_index.servicer import REBUILD, IndexServicer, rebuild_handler
from diana_index.stores.generations import SqliteGenerations, page_token_key
from diana_server.config import PeerConfig, read_config
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.server import Server, run_service


def make_server(config: IndexConfig) -> Server:
    """The service, ready to start; it follows the archive from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("index", config.server)  # first of all: it sets up the log
    lock = FolderLock(config.state_dir)
    generations = SqliteGenerations(config.state_dir / "records")
    archive = _archive(config.archive)
    index = Index(generations, Progress(), PageTokens(page_token_key(config.state_dir)))
    queue = OperationQueue(config.state_dir / "operations.sqlite", "index")
    servicer = IndexServicer(index, queue)
    listener = PrometheusListener(index.progress)
    follower = Follower(archive, generations, index.progress, listener, servicer.rebuild)
    queue.register(REBUILD, rebuild_handler(follower, index))

    server.add(
        index_service_pb2.DESCRIPTOR.services_by_name["IndexService"],
        add_IndexServiceServicer_to_server,
        servicer,
        ready=index.check_ready,
    )
    server.add(
        operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"],
        add_OperationServiceServicer_to_server,
        OperationServicer(queue),
        ready=index.check_ready,
    )
    for end in (index.progress.stop, queue.interrupt):
        server.on_stopping(end)
    # Closed in reverse: nothing is applied any more when the rebuild is put back and the records are closed.
    for close in (lock.close, archive.close, generations.close, queue.stop, follower.stop):
        server.on_stop(close)
    follower.start()
    queue.start()
    return server


def _archive(config: PeerConfig) -> ArchivePeer:
    tls = tls_options(config.ca_file, config.cert_file, config.key_file)
    return ArchivePeer(config.address, tls, config.token_file)


def main() -> None:
    """Serve until told to stop."""
    run_service("index", lambda: make_server(read_config(IndexConfig, "index")))


if __name__ == "__main__":
    main()
