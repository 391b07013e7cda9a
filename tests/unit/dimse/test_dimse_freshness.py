"""A query that comes after an instance was stored here waits until the index knows it, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from diana.index.v1 import index_service_pb2 as pb
from diana.index.v1.index_service_pb2_grpc import IndexServiceServicer, add_IndexServiceServicer_to_server
from diana_client import connect
from diana_dimse.peers.freshness import Freshness


class Index(IndexServiceServicer):
    """Notes what positions it is asked to wait for."""

    def __init__(self) -> None:
        self.awaited: list[tuple[str, str]] = []
        self.is_behind = False

    def Count(self, request: pb.CountRequest, context: grpc.ServicerContext) -> pb.CountResponse:
        self.awaited.append((request.store, request.at_least_position))
        if self.is_behind:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "not there yet")
        return pb.CountResponse()


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def freshness(index: Index) -> Iterator[Freshness]:
    server = grpc.server(ThreadPoolExecutor(2))
    add_IndexServiceServicer_to_server(index, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(f"127.0.0.1:{port}") as channel:
        yield Freshness(channel)
    server.stop(None)


def test_a_query_waits_once_for_what_was_stored_last(index: Index, freshness: Freshness) -> None:
    freshness.stored("default", "e.1")
    freshness.stored("default", "e.2")
    freshness.wait("default")
    freshness.wait("default")
    assert index.awaited == [("default", "e.2")]
    freshness.stored("default", "e.3")
    freshness.wait("default")
    assert index.awaited[1:] == [("default", "e.3")]


def test_where_nothing_was_stored_nothing_is_awaited(index: Index, freshness: Freshness) -> None:
    freshness.stored("default", "e.1")
    freshness.wait("research")
    assert not index.awaited


def test_an_index_that_is_behind_holds_up_one_query_only(index: Index, freshness: Freshness) -> None:
    index.is_behind = True
    freshness.stored("default", "e.1")
    freshness.wait("default")
    freshness.wait("default")
    assert len(index.awaited) == 1
