"""Real servers in this process, on free ports of the loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer, add_ArchiveServiceServicer_to_server
from diana_client import ArchiveClient, Channel, connect
from tests.contract.client.fake_archive import FakeArchive

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a servicer: `serve(add_function, servicer, credentials=None)` returns the target."""
    servers: list[grpc.Server] = []

    def start(add: Callable[[Any, grpc.Server], None], servicer: object, credentials: Any = None) -> str:
        server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        add(servicer, server)
        bind = server.add_insecure_port if credentials is None else lambda at: server.add_secure_port(at, credentials)
        port = bind("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None).wait()


@pytest.fixture
def fake() -> FakeArchive:
    return FakeArchive()


@pytest.fixture
def target(serve: Serve, fake: FakeArchive) -> str:
    return serve(add_ArchiveServiceServicer_to_server, fake)


@pytest.fixture
def channel(target: str) -> Iterator[Channel]:
    with connect(target) as channel:
        yield channel


@pytest.fixture
def archive(channel: Channel) -> ArchiveClient:
    return ArchiveClient(channel)


class Silent(ArchiveServiceServicer):
    """Never answers, until the test is over; counts what it got of an upload."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def GetStudy(self, request: Any, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        self.over.wait()
        return pb.GetStudyResponse()

    def UploadInstances(self, requests: Any, context: grpc.ServicerContext) -> Iterator[pb.UploadInstancesResponse]:
        for _ in requests:
            pass
        self.over.wait()
        yield from ()


@pytest.fixture
def silent_target(serve: Serve) -> Iterator[str]:
    silent = Silent()
    yield serve(add_ArchiveServiceServicer_to_server, silent)
    silent.over.set()
