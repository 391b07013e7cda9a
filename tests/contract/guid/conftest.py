"""Guid services on free ports, asked through the generated stub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_guid.__main__ import make_server
from diana_guid.config import DomainConfig, GuidConfig
from diana_server.config import ServerConfig

Serve = Callable[..., GuidServiceStub]


@pytest.fixture
def channels(tmp_path: Path) -> Iterator[Callable[[GuidConfig], grpc.Channel]]:
    """Starts a server for a configuration and returns a channel to it."""
    with ExitStack() as stack:

        def start(config: GuidConfig) -> grpc.Channel:
            server = make_server(replace(config, server=ServerConfig(listen="127.0.0.1:0")))
            address = server.start()
            stack.callback(server.stop, 0)
            return stack.enter_context(grpc.insecure_channel(address))

        yield start


@pytest.fixture
def serve(tmp_path: Path, channels: Callable[[GuidConfig], grpc.Channel]) -> Serve:
    """Starts a server with the given domains and returns a stub for it; all servers share a state directory."""

    def start(**domains: DomainConfig) -> GuidServiceStub:
        return GuidServiceStub(channels(GuidConfig(state_dir=tmp_path / "guid", domains=domains)))

    return start
