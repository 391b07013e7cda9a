"""Notify services on free ports, without an archive: they have no rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceStub
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from tests.support.smtp import MailServer

Serve = Callable[..., NotifyServiceStub]

SETTINGS = {
    "channels": {"mammo-hospital_a": "Mammography at A", "mammo-hospital_b": "Mammography at B", "quiet": "Nobody"},
    "subscribers": [
        {"name": "Ada", "email": "ada@a.example", "affiliation": "A", "channels": ["mammo-hospital_a"]},
        {"name": "Bob", "file": "bob.jsonl", "screen": True, "channels": ["mammo-hospital_a", "mammo-hospital_b"]},
    ],
    "templates": {"arrived": {"subject": "{{ channel.name }}", "body": "{{ values.count }} for {{ recipient.name }}"}},
    "retry": {"first_seconds": 0.05, "longest_seconds": 0.2},
}


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def serve(tmp_path: Path, mail: MailServer) -> Iterator[Serve]:
    """Starts a server with settings beside those above, and returns a stub for it."""
    smtp = {"host": "127.0.0.1", "port": mail.port, "sender": "diana@a.example"}
    with ExitStack() as stack:

        def start(**settings: object) -> NotifyServiceStub:
            own = {"server": {"listen": "127.0.0.1:0"}, "state_dir": str(tmp_path / "notify"), "smtp": smtp}
            server = make_server(build(NotifyConfig, {**SETTINGS, **own, **settings}))
            address = server.start()
            stack.callback(server.stop, 0)
            return NotifyServiceStub(stack.enter_context(grpc.insecure_channel(address)))

        yield start


@pytest.fixture
def stub(serve: Serve) -> NotifyServiceStub:
    return serve()
