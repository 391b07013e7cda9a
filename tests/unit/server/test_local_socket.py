"""A server on a socket in the file system."""

from __future__ import annotations

import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from diana_server.callers import is_on_this_host
from diana_server.config import ServerConfig
from diana_server.server import Server
from tests.support.mesh import health_stub


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A socket's path is short; pytest's are not."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def answers(target: str) -> bool:
    with grpc.insecure_channel(target) as channel:
        return bool(health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30).status)


def test_a_server_listens_on_a_socket_that_is_its_owners_alone(short_path: Path) -> None:
    path = short_path / "made" / "archive.sock"
    server = Server("test", ServerConfig(listen=f"unix:{path}", port_file=short_path / "port"))
    target = server.start()
    assert target == f"unix:{path}" == (short_path / "port").read_text()
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert answers(target)
    server.stop(0)
    assert not path.exists()


def test_what_a_process_that_was_killed_left_is_replaced(short_path: Path) -> None:
    path = short_path / "archive.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = Server("test", ServerConfig(listen=f"unix:{path}"))
    assert answers(server.start())
    other = Server("test", ServerConfig(listen=f"unix:{path}"))
    other.start()
    server.stop(0)
    assert path.exists(), "it is the other's by now"
    assert answers(f"unix:{path}")
    other.stop(0)
    assert not path.exists()


@pytest.mark.parametrize("path", ["", "relative.sock", "/" + "x" * 80, "/a\0b"])
def test_a_socket_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="80 bytes"):
        ServerConfig(listen=f"unix:{path}")


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:50061", True),
        ("ipv4:127.8.8.8:1", True),
        ("ipv6:[::1]:50061", True),
        ("ipv6:%5B::1%5D:50061", True),
        ("ipv6:[::ffff:127.0.0.1]:1", True),
        ("unix:", True),
        ("unix:/run/diana/archive.sock", True),
        ("ipv4:10.0.0.1:50061", False),
        ("ipv6:[fe80::1]:50061", False),
        ("ipv6:[::ffff:10.0.0.1]:1", False),
        ("ipv4:localhost:1", False),
        ("", False),
        ("vsock:1:2", False),
    ],
)
def test_who_is_on_this_host(peer: str, local: bool) -> None:
    assert is_on_this_host(peer) is local
