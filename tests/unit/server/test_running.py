"""A service runs until told to stop: what waits is ended first, and a refusal on the way is told, not traced."""

from __future__ import annotations

import signal
import threading

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import archive_service_pb2_grpc as pb_grpc
from diana_common.errors import DianaError, Reason
from diana_server.config import ServerConfig
from diana_server.server import Server, run_service


class Waiting(pb_grpc.ArchiveServiceServicer):
    """Has a call that waits until it is ended."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.ended = threading.Event()

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        self.entered.set()
        self.ended.wait(60)
        raise DianaError(Reason.STOPPING, "The server is stopping.")


def fails() -> None:
    raise OSError("DOE^JANE")


def test_waits_are_ended_when_a_stop_begins_although_another_callback_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting, called = Waiting(), list[str]()
    server = Server("test", ServerConfig(grace_seconds=30))
    descriptor = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(descriptor, pb_grpc.add_ArchiveServiceServicer_to_server, waiting, lambda: None)
    server.on_stop(lambda: called.append("closed"))
    server.on_stop(fails)
    server.on_stopping(fails)
    server.on_stopping(lambda: called.append("ending"))
    server.on_stopping(waiting.ended.set)
    with grpc.insecure_channel(server.start()) as channel:
        answer = pb_grpc.ArchiveServiceStub(channel).ListStores.future(pb.ListStoresRequest())
        assert waiting.entered.wait(30)
        server.stop()
        assert answer.code() is grpc.StatusCode.UNAVAILABLE
        assert "The server is stopping." in answer.details()
    assert called == ["ending", "closed"]
    log = capsys.readouterr().err
    assert log.count("not stopped well") == 2
    assert "DOE" not in log


def test_a_refusal_while_building_is_told_with_its_remedy_and_status_4(capsys: pytest.CaptureFixture[str]) -> None:
    def build() -> Server:
        raise DianaError(Reason.STORE_SCHEMA_NEWER, "operations.sqlite has schema 9.")

    with pytest.raises(SystemExit) as left:
        run_service("test", build)
    assert left.value.code == 4
    assert capsys.readouterr().err == (
        f"python -m diana_test: operations.sqlite has schema 9.\n{Reason.STORE_SCHEMA_NEWER.remedy}\n"
    )


def test_a_taken_port_is_told_too_and_what_was_opened_is_closed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    closed = threading.Event()
    first = Server("test", ServerConfig())
    address = first.start()

    def build() -> Server:
        second = Server("test", ServerConfig(listen=address))
        second.on_stop(closed.set)
        return second

    with pytest.raises(SystemExit) as left:
        run_service("test", build)
    first.stop(grace=0)
    assert left.value.code == 4
    assert closed.is_set()
    assert "cannot listen" in capsys.readouterr().err
