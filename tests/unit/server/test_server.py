"""Every call of every service meets the same limits, validation, errors, health and stop."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import archive_service_pb2_grpc as pb_grpc
from diana_common.errors import DianaError, Reason
from diana_server.config import ServerConfig, TlsConfig
from diana_server.server import Server
from tests.support.mesh import health_stub

NAME = "diana.archive.v1.ArchiveService"
LISTS_NOTHING = pb.ListStoresResponse()


class Servicer(pb_grpc.ArchiveServiceServicer):
    """Misbehaves in every way a servicer can."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        self.entered.set()
        self.leave.wait(30)
        return LISTS_NOTHING

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        if request.study_uid == "1":
            raise DianaError(Reason.STUDY_NOT_FOUND, "No such study.", metadata={"study_uid": "1"})
        raise RuntimeError("DOE^JANE was here")

    def ReadInstance(
        self, request: pb.ReadInstanceRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadInstanceResponse]:
        yield pb.ReadInstanceResponse(data=b"x")
        raise DianaError(Reason.STORE_DAMAGED, "Bytes are gone.")

    def UploadInstances(
        self, request_iterator: Iterator[pb.UploadInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadInstancesResponse]:
        for _ in request_iterator:
            yield pb.UploadInstancesResponse()


@contextmanager
def serving(config: ServerConfig, servicer: Servicer | None = None) -> Iterator[tuple[Server, str]]:
    server = Server("test", config)
    server.add(
        pb.DESCRIPTOR.services_by_name["ArchiveService"],
        pb_grpc.add_ArchiveServiceServicer_to_server,
        servicer or Servicer(),
        ready=lambda: None,
    )
    address = server.start()
    try:
        yield server, address
    finally:
        server.stop(grace=0)


def info_of(error: Any) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    status = rpc_status.from_call(error)
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return info, bad


def test_a_typed_error_reaches_the_caller_with_reason_and_remedy() -> None:
    with serving(ServerConfig()) as (_, address), grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.ArchiveServiceStub(channel).GetStudy(pb.GetStudyRequest(study_uid="1"))
    info, _ = info_of(caught.value)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (info.reason, info.domain, info.metadata["study_uid"]) == ("STUDY_NOT_FOUND", "diana", "1")
    assert info.metadata["remedy"]


def test_an_unknown_error_is_hidden_behind_an_id_in_the_answer_and_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(ServerConfig()) as (_, address), grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.ArchiveServiceStub(channel).GetStudy(pb.GetStudyRequest(study_uid="2"))
    info, _ = info_of(caught.value)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    log = capsys.readouterr().err
    assert info.metadata["error_id"] in log
    assert "DOE" not in log + str(caught.value)


def test_an_error_after_the_first_message_of_a_stream_is_typed_too() -> None:
    with serving(ServerConfig()) as (_, address), grpc.insecure_channel(address) as channel:
        answers = pb_grpc.ArchiveServiceStub(channel).ReadInstance(pb.ReadInstanceRequest(sop_instance_uid="1"))
        assert next(answers).data == b"x"
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
    assert info_of(caught.value)[0].reason == "STORE_DAMAGED"


def test_a_request_that_breaks_its_contract_is_refused_with_field_paths() -> None:
    with serving(ServerConfig()) as (_, address), grpc.insecure_channel(address) as channel:
        request = pb.FindMissingInstancesRequest(
            instances=[pb.InstanceDigest(sop_instance_uid="1"), pb.InstanceDigest(sop_instance_uid="x/y")]
        )
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.ArchiveServiceStub(channel).FindMissingInstances(request)
    info, bad = info_of(caught.value)
    assert info.reason == "INVALID_FIELD"
    assert [one.field for one in bad.field_violations] == ["instances[1].sop_instance_uid"]
    assert "x/y" not in str(caught.value)


def test_a_message_over_the_limit_is_refused_in_unary_calls_and_streams() -> None:
    config = ServerConfig(max_message_bytes=1000)
    big = pb.UploadInstancesRequest(chunks=[pb.UploadChunk(data=b"x" * 2000)])
    with serving(config) as (_, address), grpc.insecure_channel(address) as channel:
        stub = pb_grpc.ArchiveServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.UploadInstances(iter([pb.UploadInstancesRequest(), big])))
        assert info_of(caught.value)[0].reason == "MESSAGE_TOO_LARGE"
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetStudy(pb.GetStudyRequest(study_uid="1", store="a" * 4500))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_one_call_too_many_is_refused_while_health_still_answers() -> None:
    servicer = Servicer()
    with serving(ServerConfig(max_concurrent_calls=1), servicer) as (_, address):
        with grpc.insecure_channel(address) as channel:
            stub: Any = pb_grpc.ArchiveServiceStub(channel)
            first = stub.ListStores.future(pb.ListStoresRequest())
            assert servicer.entered.wait(30)
            with pytest.raises(grpc.RpcError) as caught:
                stub.ListStores(pb.ListStoresRequest())
            assert info_of(caught.value)[0].reason == "OVERLOADED"
            check = health_pb2.HealthCheckRequest(service=NAME)
            assert health_stub(channel).Check(check).status == health_pb2.HealthCheckResponse.SERVING
            servicer.leave.set()
            assert first.result() == LISTS_NOTHING
            assert stub.ListStores(pb.ListStoresRequest()) == LISTS_NOTHING


def test_health_asks_the_store_and_reflection_names_the_contract() -> None:
    broken = threading.Event()

    def ready() -> None:
        if broken.is_set():
            raise OSError("disk is gone")

    server = Server("test", ServerConfig())
    descriptor = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(descriptor, pb_grpc.add_ArchiveServiceServicer_to_server, Servicer(), ready)
    address = server.start()
    with grpc.insecure_channel(address) as channel:
        health = health_stub(channel)
        serving_now = health_pb2.HealthCheckResponse.SERVING
        assert health.Check(health_pb2.HealthCheckRequest()).status == serving_now
        assert health.Check(health_pb2.HealthCheckRequest(service=NAME)).status == serving_now
        broken.set()
        assert health.Check(health_pb2.HealthCheckRequest(service=NAME)).status != serving_now
        assert health.Check(health_pb2.HealthCheckRequest()).status == serving_now
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        reflecting: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = reflecting.ServerReflectionInfo(iter([asked]))
        assert NAME in {one.name for one in next(answers).list_services_response.service}
    server.stop(grace=0)


def test_a_graceful_stop_finishes_what_was_accepted_and_closes_in_reverse() -> None:
    servicer, closed = Servicer(), list[str]()
    server = Server("test", ServerConfig())
    descriptor = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(descriptor, pb_grpc.add_ArchiveServiceServicer_to_server, servicer, lambda: None)
    server.on_stop(lambda: closed.append("opened first"))
    server.on_stop(lambda: closed.append("opened last"))
    with grpc.insecure_channel(server.start()) as channel:
        answer = pb_grpc.ArchiveServiceStub(channel).ListStores.future(pb.ListStoresRequest())
        assert servicer.entered.wait(30)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert server.stopping.wait(30)
        servicer.leave.set()
        assert answer.result() == LISTS_NOTHING
        stopper.join()
    assert closed == ["opened last", "opened first"]


def test_the_port_file_names_the_port_and_a_taken_port_is_a_typed_error(tmp_path: Path) -> None:
    with serving(ServerConfig(port_file=tmp_path / "a" / "port")) as (_, address):
        assert (tmp_path / "a" / "port").read_text() == address
        with pytest.raises(DianaError) as caught, serving(ServerConfig(listen=address)):
            pass
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_tls_serves_clients_with_a_certificate_and_turns_others_away(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = TlsConfig(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    mine = authority.issue_cert("client")
    good = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), mine.private_key_pem.bytes(), mine.cert_chain_pems[0].bytes()
    )
    check = health_pb2.HealthCheckRequest()
    with serving(ServerConfig(tls=tls)) as (_, address):
        target = address.replace("127.0.0.1", "localhost")
        with grpc.secure_channel(target, good) as channel:
            health_stub(channel).Check(check, timeout=30)
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(authority.cert_pem.bytes())) as channel:
            with pytest.raises(grpc.RpcError):
                health_stub(channel).Check(check, timeout=30)


def test_metrics_count_calls_by_method_and_code() -> None:
    # The page's port is picked by the system: ask for it through a free socket first.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        page = f"127.0.0.1:{probe.getsockname()[1]}"
    with serving(ServerConfig(metrics_listen=page)) as (_, address), grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError):
            pb_grpc.ArchiveServiceStub(channel).GetStudy(pb.GetStudyRequest(study_uid="1"))
        with urllib.request.urlopen(f"http://{page}/metrics") as answer:
            text = answer.read().decode()
    assert f'diana_call_seconds_count{{code="NOT_FOUND",method="/{NAME}/GetStudy"}}' in text
    assert 'reason="STUDY_NOT_FOUND"' in text
