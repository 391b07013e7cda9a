"""Logs never hold patient values, never fail the work they tell of, and cannot be filled by clients."""

from __future__ import annotations

import errno
import io
import logging
import sys
import threading
import warnings

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import archive_service_pb2_grpc as pb_grpc
from diana_common.errors import DianaError, Reason
from diana_server import logs
from diana_server.config import ServerConfig
from diana_server.server import Server


class FullDisk(io.StringIO):
    """Takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class Told(io.StringIO):
    """Says when an error was logged: a call's thread may outlast the server's stop once its caller has left."""

    def __init__(self) -> None:
        super().__init__()
        self.error = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if "error_type" in text:
            self.error.set()
        return written


class Failing(pb_grpc.ArchiveServiceServicer):
    """Fails once its caller is gone, or refuses."""

    def __init__(self) -> None:
        self.entered = threading.Event()

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        gone = threading.Event()
        context.add_callback(gone.set)
        self.entered.set()
        gone.wait(60)
        raise RuntimeError("DOE^JANE")

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        raise DianaError(Reason.STUDY_NOT_FOUND, "No such study.")


def server_of(servicer: Failing, log_level: str) -> Server:
    server = Server("test", ServerConfig(log_level=log_level))
    descriptor = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(descriptor, pb_grpc.add_ArchiveServiceServicer_to_server, servicer, lambda: None)
    return server


def test_a_stream_that_takes_nothing_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (FullDisk(), closed):
        monkeypatch.setattr(sys, "stderr", stream)
        logs.configure("info")
        logs.logger("test").error("failed")
        logging.getLogger("library").warning("also")


def test_the_text_of_an_error_after_the_caller_left_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Told()
    monkeypatch.setattr(sys, "stderr", log)
    failing = Failing()
    server = server_of(failing, "debug")
    with grpc.insecure_channel(server.start()) as channel:
        call = pb_grpc.ArchiveServiceStub(channel).ListStores.future(pb.ListStoresRequest())
        assert failing.entered.wait(30)
        call.cancel()
        server.stop()
        assert log.error.wait(30)
    assert "DOE" not in log.getvalue()
    assert '"error_type": "RuntimeError"' in log.getvalue()


def test_refusals_are_not_logged_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("info", "debug"):
        server = server_of(Failing(), level)
        with grpc.insecure_channel(server.start()) as channel:
            with pytest.raises(grpc.RpcError):
                pb_grpc.ArchiveServiceStub(channel).GetStudy(pb.GetStudyRequest(study_uid="1"))
            server.stop()
        assert ("STUDY_NOT_FOUND" in capsys.readouterr().err) is (level == "debug")


def test_libraries_and_warnings_do_not_quote_files(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    logs.configure("info")
    logging.getLogger("pydicom").warning("DOE^JANE")
    logging.getLogger("pynetdicom.acse").critical("DOE^JANE")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("DOE^JANE", UserWarning, stacklevel=1)
    assert "DOE" not in log.getvalue()
    assert "UserWarning at " in log.getvalue()
