"""Collections: served, and carried out as operations."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence

from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana.route.v1 import collect_service_pb2
from diana.route.v1.collect_service_pb2_grpc import add_CollectServiceServicer_to_server
from diana_common.attempts import Failed
from diana_common.errors import DianaError, Reason
from diana_route.config import RouteConfig
from diana_route.core.collecting import Collected, Order, Steps
from diana_route.core.collecting_keeping import Keeper
from diana_route.core.rules import Rule
from diana_route.peers.channels import Channels
from diana_route.peers.collecting import CollectingParts
from diana_route.peers.collecting_checks import CollectChecks
from diana_route.peers.endpoints import Endpoints
from diana_route.servicer.collect import CollectServicer
from diana_route.servicer.collect_keeping import Ends, KeeperThread, bind_active
from diana_route.servicer.collect_operations import COLLECT, Turns, Waiting, collect_handler
from diana_route.stores.collections import SqliteCollections
from diana_route.wire.collect import order_from_proto, request_of
from diana_route.wiring.staging import store_users
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.server import Server

_DAY = 86_400.0
_AT_A_TIME = 4
"""Collections under way: most of the time each waits, for its source or for its hours."""


def serve_collections(
    server: Server, config: RouteConfig, rules: Sequence[Rule], channels: Channels, endpoints: Endpoints
) -> None:
    """Serve the contracts; collections that were cut short go on from now on. `rules`: those in force.

    Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL.
    """
    collections = SqliteCollections(config.state_dir / "collections.sqlite")
    server.on_stop(collections.close)
    queue = OperationQueue(config.state_dir / "operations.sqlite", "route", _AT_A_TIME, config.keep_days)

    def is_cancelled(operation: str) -> bool:
        return queue.get(operation).cancel_asked

    parts, waiting, own = CollectingParts(channels, endpoints, collections), Waiting(), config.collect
    turns, steps, retry = Turns(), parts.steps, config.retry
    handler = collect_handler(own.staging_store, collections, turns, steps, retry, own.attempts, waiting, is_cancelled)
    queue.register(COLLECT, handler)
    checks = CollectChecks(channels, endpoints, store_users(config, rules))
    servicer = CollectServicer(own.staging_store, collections, checks, _describing(parts), queue, waiting.get)
    _offer(server, queue, servicer)
    keeper = _keeper(config, collections, queue, turns, parts)
    server.on_stopping(queue.interrupt)
    server.on_stopping(keeper.interrupt)
    server.on_stop(queue.stop)
    server.on_stop(keeper.stop)
    queue.start()
    keeper.start()


def _keeper(
    config: RouteConfig, collections: SqliteCollections, queue: OperationQueue, turns: Turns, parts: CollectingParts
) -> KeeperThread:
    """What looks after collections that no operation is at; those are dropped at once that none ever was at."""
    ends, stopping = Ends(queue), threading.Event()

    def steps(key: str) -> Steps:
        order = order_from_proto(request_of(collections.get(key)), config.collect.staging_store)
        return parts.steps(key, order, stopping.is_set)

    keeper = Keeper(
        collections, ends.is_active, ends.ended_before, turns.if_free, steps, time.time, config.keep_days * _DAY
    )
    bind_active(queue, collections)
    keeper.drop_lost()
    return KeeperThread(keeper, config.retry.longest_seconds, stopping)


def _describing(parts: CollectingParts) -> Callable[[Order], Callable[[Collected], bytes | None]]:
    """What asks the source of an order for the studies of items."""

    def make(order: Order) -> Callable[[Collected], bytes | None]:
        source = parts.source(order)

        def describe(item: Collected) -> bytes | None:
            try:
                found = next(iter(source.studies(item)), None)
            except Failed as failed:
                raise DianaError(Reason.PEER_UNAVAILABLE, f"The source does not tell: {failed.why}.") from failed
            return None if found is None else json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

        return describe

    return make


def _offer(server: Server, queue: OperationQueue, servicer: CollectServicer) -> None:
    """Add the contracts; they are ready once operations can be kept."""

    def ready() -> None:
        queue.page(None, 1, active_only=True)

    services = collect_service_pb2.DESCRIPTOR.services_by_name
    server.add(services["CollectService"], add_CollectServiceServicer_to_server, servicer, ready=ready)
    services = operation_service_pb2.DESCRIPTOR.services_by_name
    server.add(
        services["OperationService"], add_OperationServiceServicer_to_server, OperationServicer(queue), ready=ready
    )
