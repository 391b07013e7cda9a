"""Runs the index service: `python -m diana_index --config FILE`."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from diana.index.v1 import cohort_service_pb2, folder_service_pb2, index_service_pb2, report_service_pb2
from diana.index.v1.cohort_service_pb2_grpc import add_CohortServiceServicer_to_server
from diana.index.v1.folder_service_pb2_grpc import add_FolderServiceServicer_to_server
from diana.index.v1.index_service_pb2_grpc import add_IndexServiceServicer_to_server
from diana.index.v1.report_service_pb2_grpc import add_ReportServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_common.state_files import FolderLock
from diana_index.adapters.header_pool import HeaderPool
from diana_index.adapters.metrics import PrometheusListener
from diana_index.adapters.tables import table_writers
from diana_index.adapters.trees import HostTrees
from diana_index.config import IndexConfig
from diana_index.core.cohorts import Cohorts
from diana_index.core.folders.folders import Folders
from diana_index.core.follow import Follower
from diana_index.core.index import Index
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.core.written import Written
from diana_index.peers import ArchivePeer
from diana_index.servicer import REBUILD, IndexServicer, rebuild_handler
from diana_index.servicer.cohorts import CohortServicer
from diana_index.servicer.folders import FolderServicer
from diana_index.servicer.reports import ReportServicer
from diana_index.servicer.search_keys import BACKFILL, ask_fill, backfill_handler
from diana_index.stores.cohorts import SqlCohorts
from diana_index.stores.databases import open_database
from diana_index.stores.folders import open_registry
from diana_index.stores.generations import SqliteGenerations, page_token_key
from diana_index.stores.sorting import Sorter
from diana_index.stores.written import WRITTEN, SqlWritten
from diana_server.config import read_config
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.peers import reach
from diana_server.server import Server, run_service

if TYPE_CHECKING:
    from diana_index.stores.postgres_generations import PostgresGenerations

_ALLOCATIONS = 50_000
"""Objects made between two looks for cycles."""
_WORKERS = 3
"""Operations that are done at a time: an indexing of a folder may take days, and must not keep a rebuild waiting."""


def make_server(config: IndexConfig) -> Server:
    """The service, ready to start; it follows the archive from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("index", config.server)  # first of all: it sets up the log
    lock = FolderLock(config.state_dir)
    generations, token_key = _records(config)
    archive = ArchivePeer(reach("archive", config.archive))
    tokens = PageTokens(token_key)
    index = Index(generations, Progress(), tokens)
    database = open_database(config.database_url, config.state_dir / "written.sqlite", WRITTEN)
    cohorts = Cohorts(SqlCohorts(database), index, tokens, Sorter(config.state_dir))
    folders = _folders(config)
    queue = OperationQueue(config.database_url or config.state_dir / "operations.sqlite", "index", workers=_WORKERS)
    listener = PrometheusListener(index.progress)
    written = Written(SqlWritten(database), generations, listener, partial(ask_fill, queue))
    servicer = IndexServicer(index, queue, table_writers(config.state_dir / "exports"), written)
    follower = Follower(archive, generations, index.progress, listener, written, servicer.rebuild, turn=generations)
    queue.register(REBUILD, rebuild_handler(follower, index))
    queue.register(BACKFILL, backfill_handler(written, index))

    _serve(server, index_service_pb2, add_IndexServiceServicer_to_server, servicer, index.check_ready)
    cohort_servicer = CohortServicer(cohorts, queue, tokens)
    _serve(server, cohort_service_pb2, add_CohortServiceServicer_to_server, cohort_servicer, cohorts.check_ready)
    report_servicer = ReportServicer(written, index)
    _serve(server, report_service_pb2, add_ReportServiceServicer_to_server, report_servicer, index.check_ready)
    folder_servicer, registry = FolderServicer(folders, queue, tokens), folders.registry
    _serve(server, folder_service_pb2, add_FolderServiceServicer_to_server, folder_servicer, registry.check_ready)
    operations = OperationServicer(queue)
    _serve(server, operation_service_pb2, add_OperationServiceServicer_to_server, operations, index.check_ready)
    # Operations first: one that waits for the index is to go on at the next start, and not to fail.
    for end in (queue.interrupt, index.progress.stop):
        server.on_stopping(end)
    # Closed in reverse: nothing is applied any more when the rebuild is put back and the records are closed.
    states = (lock.close, archive.close, generations.close, database.close, registry.close)
    for close in (*states, queue.stop, follower.stop):
        server.on_stop(close)
    follower.start()
    queue.start()
    return server


def _serve(
    server: Server, contract: ModuleType, add: Callable[[Any, Any], None], servicer: object, ready: Callable[[], None]
) -> None:
    """Serve the one service of a contract's module."""
    (descriptor,) = contract.DESCRIPTOR.services_by_name.values()
    server.add(descriptor, add, servicer, ready=ready)


def _records(config: IndexConfig) -> tuple[SqliteGenerations | PostgresGenerations, bytes]:
    """Where the records lie, and the key that seals page tokens."""
    if not config.database_url:
        return SqliteGenerations(config.state_dir / "records"), page_token_key(config.state_dir)
    # Here: what speaks to PostgreSQL takes memory, and most indexes do without.
    from diana_index.stores.postgres_generations import PostgresGenerations

    shared = PostgresGenerations(config.database_url)
    return shared, shared.page_token_key()


def _folders(config: IndexConfig) -> Folders:
    url = config.folder_registry or config.database_url
    registry = open_registry(url, config.state_dir / "folders.sqlite", config.folder_redis_prefix)
    return Folders(registry, HostTrees(config.folder_dirs), lambda: HeaderPool(config.folder_processes))


def main() -> None:
    """Serve until told to stop."""
    # A header's JSON is hundreds of objects that die at once: looking for cycles among them took a seventh of the feed.
    gc.set_threshold(_ALLOCATIONS)
    run_service("index", lambda: make_server(read_config(IndexConfig, "index")))


if __name__ == "__main__":
    main()
