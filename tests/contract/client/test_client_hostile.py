"""Archives that break the contract get a typed error, and nothing of theirs is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer, add_ArchiveServiceServicer_to_server
from diana.archive.v1.resources_pb2 import Instance
from diana_client import ArchiveClient, BadAnswer, connect
from tests.contract.client.conftest import Serve


class Liar(ArchiveServiceServicer):
    """Answers with what the test gives it."""

    def __init__(self) -> None:
        self.downloads: list[pb.DownloadInstancesResponse] = []
        self.reads: list[pb.ReadInstanceResponse] = []
        self.results: list[pb.UploadResult] = []
        self.read_all = True

    def DownloadInstances(self, request: Any, context: Any) -> Iterator[pb.DownloadInstancesResponse]:
        yield from self.downloads

    def ReadInstance(self, request: Any, context: Any) -> Iterator[pb.ReadInstanceResponse]:
        yield from self.reads

    def ListStudies(self, request: Any, context: grpc.ServicerContext) -> pb.ListStudiesResponse:
        return pb.ListStudiesResponse(next_page_token="round and round")

    def UploadInstances(self, requests: Any, context: Any) -> Iterator[pb.UploadInstancesResponse]:
        next(requests)
        yield pb.UploadInstancesResponse(results=self.results)


@pytest.fixture
def liar() -> Liar:
    return Liar()


@pytest.fixture
def client(serve: Serve, liar: Liar) -> Iterator[ArchiveClient]:
    with connect(serve(add_ArchiveServiceServicer_to_server, liar)) as channel:
        yield ArchiveClient(channel)


def _chunk(
    data: bytes, finish: bool = True, size: int | None = 4, sop: str = "1.1", study: str = "1.2"
) -> pb.DownloadChunk:
    if size is None:
        return pb.DownloadChunk(data=data, finish=finish)
    instance = Instance(study_uid=study, series_uid="1.3", sop_instance_uid=sop, size_bytes=size)
    return pb.DownloadChunk(instance=instance, data=data, finish=finish)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([_chunk(b"12345")], id="more data than the size"),
        pytest.param([_chunk(b"123")], id="less data than the size"),
        pytest.param([_chunk(b"1234", finish=False)], id="no end"),
        pytest.param([_chunk(b"12", size=None)], id="data of no instance"),
        pytest.param([_chunk(b"1234"), _chunk(b"5", size=None)], id="data after the end"),
        pytest.param([_chunk(b"12", finish=False), _chunk(b"1234", sop="1.4")], id="an instance within another"),
        pytest.param([_chunk(b"1234", sop="../../1.1")], id="a path for a SOP Instance UID"),
        pytest.param([_chunk(b"1234", study="..")], id="the parent folder for a Study Instance UID"),
        pytest.param([_chunk(b"1234", study="/1")], id="a root for a Study Instance UID"),
        pytest.param([_chunk(b"1234", sop="")], id="no SOP Instance UID"),
        pytest.param([_chunk(b"1234", sop="1.1\n")], id="a line's end in a SOP Instance UID"),
        pytest.param([_chunk(b"1234", sop="1" * 65)], id="a SOP Instance UID that is too long"),
        pytest.param([_chunk(b"", size=-1)], id="a negative size"),
    ],
)
def test_a_download_that_cannot_be_is_refused_and_no_file_is_left(
    client: ArchiveClient, liar: Liar, tmp_path: Path, chunks: list[pb.DownloadChunk]
) -> None:
    liar.downloads = [pb.DownloadInstancesResponse(chunks=[chunk]) for chunk in chunks]
    good = _chunk(b"1234")
    folder = tmp_path / "a" / "b" / "c"
    with pytest.raises(BadAnswer) as caught:
        list(client.download_to(folder, "1.2"))
    assert caught.value.reason == "ANSWER_INVALID"
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ([folder / "1.2" / "1.3" / "1.1.dcm"] if chunks[0] == good else [])


def test_a_failure_that_the_caller_lets_pass_does_not_look_like_the_end(client: ArchiveClient, liar: Liar) -> None:
    liar.downloads = [pb.DownloadInstancesResponse(chunks=[_chunk(b"12", finish=False), _chunk(b"12345", size=None)])]
    downloads = client.download("1.2")
    downloaded = next(downloads)
    with pytest.raises(BadAnswer):
        downloaded.read()
    with pytest.raises(BadAnswer):
        next(downloads)


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param([], id="nothing"),
        pytest.param([(4, "1.1", b"12345")], id="more than there is"),
        pytest.param([(4, "1.1", b"123")], id="less than there is"),
        pytest.param([(4, "1.2", b"1234")], id="another instance"),
        pytest.param([(None, "", b"1234")], id="no instance"),
    ],
)
def test_a_read_that_cannot_be_is_refused(
    client: ArchiveClient, liar: Liar, reads: list[tuple[int | None, str, bytes]]
) -> None:
    liar.reads = [
        pb.ReadInstanceResponse(
            instance=None if size is None else Instance(sop_instance_uid=uid, size_bytes=size), data=data
        )
        for size, uid, data in reads
    ]
    with pytest.raises(BadAnswer):
        b"".join(client.read("1.1"))


def test_pages_that_never_end_are_refused(client: ArchiveClient) -> None:
    with pytest.raises(BadAnswer):
        list(client.studies())


def _stored(tag: int) -> pb.UploadResult:
    return pb.UploadResult(tag=tag, outcome=pb.UploadResult.OUTCOME_STORED, instance=Instance(sop_instance_uid="1.1"))


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([], id="no answer"),
        pytest.param([_stored(77)], id="an answer to nothing sent"),
        pytest.param([_stored(1)] * 2, id="two answers"),
        pytest.param([pb.UploadResult(tag=1)], id="an answer that says nothing"),
    ],
)
def test_an_upload_answered_against_the_contract_is_refused(
    client: ArchiveClient, liar: Liar, results: list[pb.UploadResult]
) -> None:
    liar.results = results
    with pytest.raises(BadAnswer):
        list(client.upload([b"a file"]))


def test_an_instance_said_to_be_stored_before_it_was_sent_is_refused(client: ArchiveClient, liar: Liar) -> None:
    liar.results = [_stored(1)]
    with pytest.raises(BadAnswer):
        list(client.upload([bytes(64 << 20)]))
