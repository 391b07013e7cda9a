"""Anon with a real archive and a real mint, all in this process, on free ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.anon.v1.anon_service_pb2_grpc import AnonServiceStub
from diana_anon.__main__ import make_server as make_anon
from diana_anon.config import AnonConfig
from diana_archive.__main__ import make_server as make_archive
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import AnonClient, ArchiveClient, OperationClient, connect
from diana_guid.__main__ import make_server as make_guid
from diana_guid.config import DomainConfig, GuidConfig, Scheme, Uids
from diana_server.config import PeerConfig, ServerConfig
from diana_server.server import Server

NOWHERE = "127.0.0.1:1"
LOOPBACK = ServerConfig(listen="127.0.0.1:0")


@dataclass
class Bench:
    """Anon and its archive, by client and by bare stub."""

    address: str
    anon: AnonClient
    operations: OperationClient
    stub: AnonServiceStub
    archive: ArchiveClient
    state: Path


Serve = Callable[..., Bench]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(**settings)` starts all three, with those settings for anon."""
    with ExitStack() as stack:

        def start(server: Server) -> str:
            stack.callback(server.stop, 0)
            return server.start()

        def build(**settings: Any) -> Bench:
            domains = {
                "old": DomainConfig(scheme=Scheme.DIANA2, uids=Uids.DIANA2),
                "lost": DomainConfig(key_file=tmp_path / "absent"),
            }
            archive = start(make_archive(ArchiveConfig(LOOPBACK, tmp_path / "archive", {"deid": StoreConfig()})))
            guid = start(make_guid(GuidConfig(LOOPBACK, tmp_path / "guid", domains)))
            peers = {"archive": PeerConfig(archive), "guid": PeerConfig(guid)}
            state = tmp_path / "anon"
            address = start(make_anon(AnonConfig(LOOPBACK, state, **{**peers, **settings})))
            channel = stack.enter_context(connect(address))
            return Bench(
                address,
                AnonClient(channel),
                OperationClient(channel),
                AnonServiceStub(stack.enter_context(grpc.insecure_channel(address))),
                ArchiveClient(stack.enter_context(connect(archive))),
                state,
            )

        yield build


@pytest.fixture
def bench(serve: Serve) -> Bench:
    return serve()
