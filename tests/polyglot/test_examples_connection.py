"""The examples of every language against an archive that fails: retries, resumed streams, deadlines, TLS, tokens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import code_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.archive.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server
from tests.contract.client.fake_archive import FakeArchive, file_of, status_of
from tests.polyglot.toolchain import Examples

Serve = Callable[..., str]
UPLOADED = 12


class Fake(FakeArchive):
    """The client's tests' archive, and what the examples ask besides."""

    def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: grpc.ServicerContext
    ) -> pb.GetStatisticsResponse:
        self._enter("GetStatistics", context)
        return pb.GetStatisticsResponse(head_position="0000000a-1")


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def serve(fake: Fake) -> Iterator[Serve]:
    """Serve the fake: `serve(credentials=None)` returns its address."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    add_ArchiveServiceServicer_to_server(fake, server)

    def start(credentials: Any = None) -> str:
        bind = server.add_insecure_port if credentials is None else lambda at: server.add_secure_port(at, credentials)
        port = bind("127.0.0.1:0")
        server.start()
        return f"127.0.0.1:{port}"

    yield start
    server.stop(None).wait()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of "files" of the fake: small ones, and one of several chunks."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(UPLOADED):
        body = bytes(3 << 20) if number == UPLOADED // 2 else b"pixels"
        (folder / f"{number}.dcm").write_bytes(file_of(f"1.{number}", body))
    return folder


def test_an_upload_that_breaks_goes_on_with_what_was_not_answered(
    examples: Examples, serve: Serve, fake: Fake, files: Path
) -> None:
    fake.cut_after = [4, 3]
    printed = examples.lines("upload", "--address", serve(), files)
    assert sorted(line[2] for line in printed[:-1]) == sorted(f"1.{number}" for number in range(UPLOADED))
    assert sorted(fake.files.values()) == sorted(path.read_bytes() for path in files.iterdir())
    assert len(fake.uploads) == 3
    sent_at_last = {chunk.tag for message in fake.uploads[2].messages for chunk in message.chunks}
    assert len(sent_at_last) == UPLOADED - 4 - 3


def test_the_messages_of_an_upload_are_near_a_mebibyte(
    examples: Examples, serve: Serve, fake: Fake, files: Path
) -> None:
    examples.lines("upload", "--address", serve(), files)
    (upload,) = fake.uploads
    sizes = [sum(len(chunk.data) for chunk in message.chunks) for message in upload.messages]
    assert max(sizes) <= 1 << 20
    assert len(sizes) <= 6  # three full ones and a few; not one a file


def test_a_feed_that_breaks_is_followed_from_where_it_was(examples: Examples, serve: Serve, fake: Fake) -> None:
    for number in range(4):
        deleted = feed_pb2.InstancesDeleted(study_uid=f"1.{number}")
        fake.feed.append(feed_pb2.FeedEntry(position=f"a-{number}", store="default", instances_deleted=deleted))
    fake.cut_feed_after = 2
    printed = examples.lines("follow", "--address", serve(), "--stop-at-head")
    assert printed == [*(["deleted", "default", f"1.{number}"] for number in range(4)), ["position", "a-3"]]
    assert fake.calls == ["WatchFeed"] * 2


def test_a_call_is_repeated_while_the_service_is_unavailable(
    examples: Examples, serve: Serve, fake: Fake, files: Path
) -> None:
    fake.failures = [status_of(code_pb2.UNAVAILABLE, "STOPPING", "Stopping.")] * 2
    *_, position = examples.lines("upload", "--address", serve(), files)
    assert position == ["position", "0000000a-1"]
    assert fake.calls == ["GetStatistics"] * 3


def test_a_service_that_never_answers_is_given_up_at_the_deadline(examples: Examples) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        ended = examples.run("find", "--address", f"127.0.0.1:{port}", "--timeout", "0.3s")
    assert ended.returncode == 1
    assert ended.stderr.upper().replace(" ", "").replace("_", "").startswith("DEADLINEEXCEEDED:")


def test_nobody_there_is_unavailable(examples: Examples) -> None:
    ended = examples.run("find", "--address", "127.0.0.1:1")
    assert ended.returncode == 1
    assert ended.stderr.upper().startswith("UNAVAILABLE: ")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> list[str]:
    """Flags that trust the authority and show a certificate of it."""
    me = authority.issue_cert("client.test")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    me.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    me.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return ["--ca", f"{tmp_path}/ca.pem", "--cert", f"{tmp_path}/cert.pem", "--key", f"{tmp_path}/key.pem"]


def demanding(authority: trustme.CA) -> grpc.ServerCredentials:
    """A server's credentials, who wants a certificate of its callers."""
    certificate = authority.issue_cert("127.0.0.1")
    pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
    return grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), True)


def test_a_token_goes_over_mutual_tls_with_every_call(
    examples: Examples, serve: Serve, fake: Fake, files: Path, authority: trustme.CA, tls: list[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    flags = ["--address", serve(demanding(authority)), *tls, "--token-file", str(tmp_path / "token")]
    examples.lines("upload", *flags, files)
    assert [metadata["authorization"] for metadata in fake.metadata] == ["Bearer s3cret"] * 2


def test_a_server_that_is_not_to_be_trusted_gets_no_token(
    examples: Examples, serve: Serve, fake: Fake, tls: list[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    flags = ["--address", serve(demanding(trustme.CA())), *tls, "--token-file", str(tmp_path / "token")]
    ended = examples.run("find", *flags)
    assert ended.returncode == 1
    assert "UNAVAILABLE: " in ended.stderr.upper()
    assert fake.metadata == []


def test_a_token_is_not_sent_in_plain_text(examples: Examples, serve: Serve, fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    ended = examples.run("follow", "--address", serve(), "--token-file", tmp_path / "token", "--stop-at-head")
    assert ended.returncode == 1
    assert "a token is sent over TLS only" in ended.stderr
    assert fake.metadata == []
