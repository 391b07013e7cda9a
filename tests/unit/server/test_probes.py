"""Health and reflection answer on a full server, hold no stop up, and cannot crowd out the calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import archive_service_pb2_grpc as pb_grpc
from diana_server.config import ServerConfig
from diana_server.interceptor import PROBE_STREAMS
from diana_server.server import Server
from tests.support.mesh import health_stub

NAME = "diana.archive.v1.ArchiveService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Slow(pb_grpc.ArchiveServiceServicer):
    """Has a call that lasts until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        self.entered.set()
        self.leave.wait(60)
        return pb.ListStoresResponse()


class Store:
    """What readiness asks."""

    broken = False

    def check_ready(self) -> None:
        if self.broken:
            raise OSError("disk is gone")


@contextmanager
def serving(config: ServerConfig, servicer: Slow, store: Store) -> Iterator[tuple[Server, grpc.Channel]]:
    server = Server("test", config)
    descriptor = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(descriptor, pb_grpc.add_ArchiveServiceServicer_to_server, servicer, store.check_ready)
    with grpc.insecure_channel(server.start()) as channel:
        try:
            yield server, channel
        finally:
            servicer.leave.set()
            server.stop(grace=0)


def watch(channel: grpc.Channel, name: str) -> Any:
    return health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=name), timeout=60)


def test_watchers_are_told_of_changes_and_let_go_when_the_server_stops() -> None:
    store = Store()
    with serving(ServerConfig(grace_seconds=600), Slow(), store) as (server, channel):
        watcher, unknown = watch(channel, NAME), watch(channel, "none")
        assert next(watcher).status == SERVING
        assert next(unknown).status == SERVICE_UNKNOWN
        store.broken = True
        health_stub(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
        assert next(watcher).status == NOT_SERVING
        stopper = threading.Thread(target=server.stop, daemon=True)
        stopper.start()
        assert list(watcher) == []
        assert list(unknown) == []
        stopper.join(30)
        assert not stopper.is_alive()


def test_a_watcher_sees_the_stop_as_not_serving() -> None:
    with serving(ServerConfig(), Slow(), Store()) as (server, channel):
        watcher = watch(channel, "")
        assert next(watcher).status == SERVING
        server.stop()
        assert [one.status for one in watcher] == [NOT_SERVING]


def test_an_open_reflection_stream_does_not_hold_a_stop_up() -> None:
    questions = SimpleQueue[Any]()
    questions.put(reflection_pb2.ServerReflectionRequest(list_services=""))
    with serving(ServerConfig(grace_seconds=600), Slow(), Store()) as (server, channel):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter(questions.get, None))
        assert NAME in {one.name for one in next(answers).list_services_response.service}
        stopper = threading.Thread(target=server.stop, daemon=True)
        stopper.start()
        stopper.join(30)
        assert not stopper.is_alive()
        questions.put(None)


def test_watchers_beyond_their_places_are_refused_and_calls_are_answered_as_before() -> None:
    slow = Slow()
    with serving(ServerConfig(max_concurrent_calls=1), slow, Store()) as (_, channel):
        watchers = [watch(channel, "") for _ in range(PROBE_STREAMS)]
        assert {next(one).status for one in watchers} == {SERVING}
        with pytest.raises(grpc.RpcError) as caught:
            next(watch(channel, ""))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        stub: Any = pb_grpc.ArchiveServiceStub(channel)
        first = stub.ListStores.future(pb.ListStoresRequest())
        assert slow.entered.wait(30)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListStores(pb.ListStoresRequest(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30).status == SERVING
        slow.leave.set()
        assert first.result() == pb.ListStoresResponse()
        # A place is free again once a watcher has left; the server learns of it in its own time.
        watchers.pop().cancel()
        while True:
            try:
                assert next(watch(channel, "")).status == SERVING
                break
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
