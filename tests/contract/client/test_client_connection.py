"""Deadlines, retries, TLS, tokens and errors with their details."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import code_pb2

from diana.archive.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server
from diana_client import (
    ArchiveClient,
    AsyncArchiveClient,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    TlsOptions,
    Unavailable,
    connect,
    connect_async,
)
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import FakeArchive, file_of, status_of


def test_a_call_that_is_not_answered_ends_at_its_deadline(silent_target: str) -> None:
    with connect(silent_target, timeout=0.1) as channel, pytest.raises(DeadlineExceeded):
        ArchiveClient(channel).study("1.2")
    with connect(silent_target) as channel, pytest.raises(DeadlineExceeded):
        ArchiveClient(channel).within(0.1).study("1.2")


def test_an_archive_that_never_answers_stops_the_reading_at_the_window(silent_target: str) -> None:
    taken = 0

    def items() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield file_of(f"1.{taken}", bytes(100_000))

    with connect(silent_target) as channel, pytest.raises(DeadlineExceeded):
        list(ArchiveClient(channel).upload(items(), window=1 << 20, timeout=0.5))
    assert taken <= (1 << 20) // 100_000 + 1


def test_nobody_there_is_unavailable_after_retries() -> None:
    with connect("127.0.0.1:1") as channel, pytest.raises(Unavailable):
        ArchiveClient(channel).study("1.2")


def test_a_read_only_call_is_retried_while_the_service_is_unavailable(
    archive: ArchiveClient, fake: FakeArchive
) -> None:
    fake.files["1.1"] = file_of("1.1")
    fake.failures = [status_of(code_pb2.UNAVAILABLE, "STOPPING", "Stopping.")] * 2
    assert archive.study("1.2").study_uid == "1.2"
    assert fake.calls == ["GetStudy"] * 3


def test_an_error_carries_reason_remedy_fields_and_id(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.failures = [status_of(code_pb2.INVALID_ARGUMENT, "INVALID_FIELD", "Bad.", "study_uid")]
    with pytest.raises(InvalidRequest) as caught:
        archive.study("nonsense")
    error = caught.value
    assert (error.code, error.reason, error.message) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "Bad.")
    assert (error.remedy, error.fields) == ("Do better.", (("study_uid", "is bad"),))
    assert isinstance(error.__cause__, grpc.RpcError)
    fake.failures = [status_of(code_pb2.INTERNAL, "INTERNAL", "Failed.", error_id="e42")]
    with pytest.raises(InternalError) as failed:
        archive.study("1.2")
    assert failed.value.error_id == "e42"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _server_credentials(authority: trustme.CA, demand_client: bool = False) -> grpc.ServerCredentials:
    certificate = authority.issue_cert("127.0.0.1", "archive.test")
    pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
    roots = authority.cert_pem.bytes() if demand_client else None
    return grpc.ssl_server_credentials([pair], roots, demand_client)


def test_a_token_goes_over_tls_with_every_call(
    serve: Serve, fake: FakeArchive, authority: trustme.CA, ca_file: Path
) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake, _server_credentials(authority))
    with connect(target, tls=TlsOptions(ca_file=ca_file), token="s3cret") as channel:
        ArchiveClient(channel).stores()
        list(ArchiveClient(channel).upload([file_of("1.1")]))
    assert [metadata["authorization"] for metadata in fake.metadata] == ["Bearer s3cret"] * 2


def test_a_token_file_is_read_again_for_each_call(
    serve: Serve, fake: FakeArchive, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake, _server_credentials(authority))
    token = tmp_path / "token"
    token.write_text("first\n")
    with connect(target, tls=TlsOptions(ca_file=ca_file, server_name="archive.test"), token_file=token) as channel:
        ArchiveClient(channel).stores()
        token.write_text("second\n")
        ArchiveClient(channel).stores()
        token.unlink()
        with pytest.raises(Unavailable):
            ArchiveClient(channel).stores()
    assert [metadata["authorization"] for metadata in fake.metadata] == ["Bearer first", "Bearer second"]


def test_mutual_tls_shows_this_clients_certificate(
    serve: Serve, fake: FakeArchive, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake, _server_credentials(authority, demand_client=True))
    mine = authority.issue_cert("client.test")
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(str(cert_file))
    mine.private_key_pem.write_to_path(str(key_file))
    with connect(target, tls=TlsOptions(ca_file, cert_file, key_file)) as channel:
        assert ArchiveClient(channel).stores()
    with connect(target, tls=TlsOptions(ca_file)) as channel, pytest.raises(Unavailable):
        ArchiveClient(channel).stores()


def test_a_server_of_another_authority_is_not_trusted(serve: Serve, fake: FakeArchive, ca_file: Path) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake, _server_credentials(trustme.CA()))
    with connect(target, tls=TlsOptions(ca_file)) as channel, pytest.raises(Unavailable):
        ArchiveClient(channel).stores()
    assert fake.calls == []


def test_a_token_goes_over_plain_text_to_this_host(serve: Serve, fake: FakeArchive, tmp_path: Path) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake)
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    with connect(target, token_file=token) as channel:
        ArchiveClient(channel).stores()
        list(ArchiveClient(channel).upload([file_of("1.1")]))
        token.unlink()
        with pytest.raises(Unavailable):
            ArchiveClient(channel).stores()
    assert [metadata["authorization"] for metadata in fake.metadata] == ["Bearer s3cret"] * 2


async def test_a_token_goes_over_plain_text_to_this_host_from_asyncio_too(serve: Serve, fake: FakeArchive) -> None:
    target = serve(add_ArchiveServiceServicer_to_server, fake)
    async with connect_async(target, token="s3cret") as channel:
        await AsyncArchiveClient(channel).stores()
        [result async for result in AsyncArchiveClient(channel).upload([file_of("1.1")])]
    assert [metadata["authorization"] for metadata in fake.metadata] == ["Bearer s3cret"] * 2


@pytest.mark.parametrize("target", ["archive.test:50061", "10.0.0.1:50061", "[2001:db8::1]:50061", "127.0.0.1.test:1"])
def test_a_token_is_not_sent_in_the_clear_to_another_host(target: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        connect(target, token="s3cret")
    assert caught.value.fields[0][0] == "token"


@pytest.mark.parametrize("target", ["localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/archive"])
def test_what_is_this_host_is_told_by_its_address(target: str) -> None:
    connect(target, token="s3cret").close()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"token": "one", "token_file": Path("another")}, "token"),
        ({"tls": TlsOptions(), "token": "one", "token_file": Path("another")}, "token"),
        ({"tls": TlsOptions(cert_file=Path("cert.pem"))}, "tls"),
        ({"tls": TlsOptions(ca_file=Path("missing.pem"))}, "tls.ca_file"),
        ({"tls": TlsOptions(), "token_file": Path("missing")}, "token_file"),
    ],
)
def test_options_that_clash_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        connect("127.0.0.1:1", **options)
    assert caught.value.fields[0][0] == field
